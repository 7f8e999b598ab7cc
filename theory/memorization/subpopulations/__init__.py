"""Data with spurious attributes, and the benchmark of what is trained on them."""
