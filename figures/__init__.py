"""What the papers show: one file per paper, one function per figure, theory drawn over simulation."""
