"""Memorisation and spurious features: exact theory, and training that is aware of it."""
