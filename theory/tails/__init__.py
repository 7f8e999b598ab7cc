"""Scaling laws of decay on heavy-tailed data, and how synthetic data changes them (*A Tale of Tails*)."""
