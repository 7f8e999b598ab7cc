"""The figures on memorisation: the toy experiments of the paper, and its theory."""

from freeridge.figures import pitfalls_good_bad_ugly as fitting
from freeridge.figures import pitfalls_influence as influence
from freeridge.figures import pitfalls_interpretable as interpretable
from freeridge.figures import pitfalls_shift as estimated
from freeridge.figures import pitfalls_subpopulations as groups
from freeridge.figures import pitfalls_theory as limits
from freeridge.figures.entry import Entry

PITFALLS = "The Pitfalls of Memorization, arXiv 2412.07684"


def memorization_entries() -> list[Entry]:
    """Three figures of the paper, and four of ours.

    Examples
    --------
    >>> [entry.figure for entry in memorization_entries() if entry.figure != "none"]
    ['Figure 1', 'Figure 3', 'compare Figure 2', 'Table 1, on digits']
    """
    return [
        Entry(
            "pitfalls-1",
            PITFALLS,
            "Figure 1",
            "ERM without and with noise, and MAT: accuracy over the epochs and what the network decides",
            "quick 19 s, paper 99 s",
            True,
            interpretable.interpretable,
            interpretable.draw_interpretable,
        ),
        Entry(
            "pitfalls-3",
            PITFALLS,
            "Figure 3",
            "good, bad and ugly memorisation: noisy labels fitted with and without names of the rows",
            "quick 19 s, paper 113 s",
            True,
            fitting.good_bad_ugly,
            fitting.draw_good_bad_ugly,
        ),
        Entry(
            "pitfalls-noise",
            PITFALLS,
            "none",
            "worst-group error over the noise: ERM, memorisation-aware and balanced training",
            "quick 55 s, paper about 10 min",
            True,
            limits.over_noise,
            limits.draw_over_noise,
        ),
        Entry(
            "pitfalls-rows",
            PITFALLS,
            "none",
            "worst-group error over rows per noise coordinate, for three shares of the majority",
            "quick 50 s, paper about 10 min",
            False,
            limits.over_rows,
            limits.draw_over_rows,
        ),
        Entry(
            "pitfalls-influence",
            PITFALLS,
            "compare Figure 2",
            "self-influence of majority and minority, before and after the shift",
            "quick 30 s, paper about 60 s",
            True,
            influence.influence,
            influence.draw_influence,
        ),
        Entry(
            "pitfalls-shift",
            PITFALLS,
            "none",
            "worst-group error with an estimated shift, over noise, rows and temperature",
            "quick 4 min, paper about 30 min",
            False,
            estimated.shift,
            estimated.draw_shift,
        ),
        Entry(
            "pitfalls-subpopulations",
            PITFALLS,
            "Table 1, on digits",
            "worst-group and mean accuracy of five algorithms, selected with true and inferred groups",
            "quick 45 s, paper about 4 min",
            False,
            groups.subpopulations,
            groups.draw_subpopulations,
        ),
    ]
