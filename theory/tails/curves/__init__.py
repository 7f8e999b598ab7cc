"""Scaling laws fitted to measured loss curves."""
