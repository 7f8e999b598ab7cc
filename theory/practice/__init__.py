"""Deliberate practice: learning from a generator that is asked for what the learner is unsure of."""
