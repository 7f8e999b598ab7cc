"""Generators that can be asked for what a learner is unsure of: exact mixtures, and a diffusion model."""
