"""Associative memory with a finite capacity on heavy-tailed data."""
