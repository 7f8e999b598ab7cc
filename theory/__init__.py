"""What is known: one file per theory, each a small frozen class with its equations and references."""
