"""Spectral densities of self-adjoint expressions: branch, density, edges, point masses, outliers."""
