"""From an expression in random matrices to its equations, its numbers and their check."""
