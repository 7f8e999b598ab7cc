"""Learners of distributions on heavy-tailed data: bigrams, and sequences made of them."""
