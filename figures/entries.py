"""The figures there are, and those of the papers on ridge regression."""

from collections.abc import Callable

import xarray as xr
from matplotlib.figure import Figure

from freeridge.figures import bias_amplification as bias
from freeridge.figures import bias_amplification_digits as digits
from freeridge.figures import bias_amplification_exponents as exponents
from freeridge.figures import bias_amplification_minority as minority
from freeridge.figures import bias_amplification_phase as phase
from freeridge.figures import bias_amplification_training as training
from freeridge.figures import strong_model_collapse as collapse
from freeridge.figures import strong_model_collapse_mixing as mixing
from freeridge.figures import strong_model_collapse_pareto as pareto
from freeridge.figures.entry import Entry
from freeridge.figures.memorization_entries import memorization_entries
from freeridge.figures.practice_entries import practice_entries
from freeridge.figures.record import Plan
from freeridge.figures.tail_entries import tail_entries

BIAS = "An Effective Theory of Bias Amplification, arXiv 2410.17263"
COLLAPSE = "Strong Model Collapse, arXiv 2410.04840"


def catalogue() -> list[Entry]:
    """All figures, in the order of papers and figures.

    Examples
    --------
    >>> [entry.figure for entry in catalogue() if entry.paper.startswith("Strong Model Collapse")]
    ['Figure 1', 'Figure 2', 'Figure 3', 'Figure 4', 'Figure 5', 'Figure 9', 'Figure 10']
    """
    return [
        *_strong_model_collapse(),
        *_bias_amplification(),
        *tail_entries(),
        *practice_entries(),
        *memorization_entries(),
    ]


def _strong_model_collapse() -> list[Entry]:
    p, c, m = pareto, collapse, mixing
    rows: list[tuple[int, str, str, Callable[[Plan], xr.Dataset], Callable[[xr.Dataset], Figure]]] = [
        (
            1,
            "Pareto frontiers of real-only against mixed risk",
            "quick 35 s, paper about 2 min",
            p.pareto,
            p.draw_pareto,
        ),
        (
            2,
            "bias, variance, collapse and risk over the width",
            "quick 20 s, paper about 1 min",
            c.over_width,
            c.draw_parts,
        ),
        (
            3,
            "plain ridge: a fixed synthetic share stops the gain from data",
            "quick 8 s, paper about 15 s",
            c.over_rows,
            c.draw_rows,
        ),
        (
            4,
            "risk over the width for six synthetic shares",
            "quick 60 s, paper about 8 min",
            c.over_width_and_share,
            c.draw_shares,
        ),
        (
            5,
            "risk over the width for four qualities",
            "quick 20 s, paper about 1 min",
            c.over_width,
            c.draw_widths,
        ),
        (
            9,
            "weighted training and the best weight",
            "quick 15 s, paper about 1 min",
            m.weighted,
            m.draw_weighted,
        ),
        (
            10,
            "five rounds of mixed training, one round, real rows only",
            "quick 12 s, paper about 20 s",
            m.iterative,
            m.draw_iterative,
        ),
    ]
    return [
        Entry(
            f"strong-model-collapse-{number}", COLLAPSE, f"Figure {number}", shows, cost, True, compute, draw
        )
        for number, shows, cost, compute, draw in rows
    ]


def _bias_amplification() -> list[Entry]:
    """The figures of which the number is not known to us are named by what they show alone."""
    unknown = "number unknown"
    return [
        Entry(
            "bias-amplification-phase",
            BIAS,
            "Figure 1",
            "ODD, EDD and ADD over (phi, psi), and the line ADD = 1",
            "quick 20 s, paper 26 s",
            True,
            phase.phase,
            phase.draw_phase,
        ),
        Entry(
            "bias-amplification-psi",
            BIAS,
            unknown,
            "ODD, EDD and ADD over psi, with the roots of ADD = 1",
            "quick 37 s, paper about 3 min",
            True,
            bias.over_psi,
            bias.draw_over_psi,
        ),
        Entry(
            "bias-amplification-ridge",
            BIAS,
            "Figure 11",
            "disparities and worst-group risk over the ridge, and the best ridge",
            "quick 65 s, paper about 2 min",
            True,
            training.over_ridge,
            training.draw_over_ridge,
        ),
        Entry(
            "bias-amplification-time",
            BIAS,
            unknown,
            "the same over training time, beside ridge 1/t, and the best time to stop",
            "quick 90 s, paper about 2 min",
            False,
            training.over_time,
            training.draw_over_time,
        ),
        Entry(
            "bias-amplification-exponents",
            BIAS,
            unknown,
            "ODD, EDD and ADD over the exponents of power-law spectra",
            "quick 18 s, paper 37 s",
            True,
            exponents.exponents,
            exponents.draw_exponents,
        ),
        Entry(
            "bias-amplification-phase-of-ridge",
            BIAS,
            unknown,
            "ADD over (ridge, psi), for few and for many rows",
            "quick 29 s, paper 32 s",
            False,
            phase.phase_of_ridge,
            phase.draw_phase_of_ridge,
        ),
        Entry(
            "bias-amplification-minority",
            BIAS,
            unknown,
            "the gap of minorities from 50 % to 0.1 % over the width, and its limit",
            "quick 30 s, paper about 3 min",
            True,
            minority.minority,
            minority.draw_minority,
        ),
        Entry(
            "bias-amplification-digits",
            BIAS,
            "Figure 3",
            "Colored Digits for Colored MNIST: predicted and measured errors",
            "quick 31 s, paper about 2 min",
            True,
            digits.colored,
            digits.draw_colored,
        ),
    ]
