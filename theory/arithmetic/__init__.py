"""Greatest common divisors learned by a small transformer: skills, synthetic labels, delayed recovery."""
