"""Learning from generated labels of which a verifier lets some pass."""
