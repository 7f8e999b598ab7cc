"""Expressions evaluated on draws of their Gaussian matrices, and compared with theory at growing size."""
