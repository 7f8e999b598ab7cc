"""The experiments of "The Pitfalls of Memorization" that run in seconds."""
