"""A Dyson equation as mathematics: in SymPy, in LaTeX, in formulas, and solved as it is printed."""
