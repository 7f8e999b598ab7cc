"""The figures on memorisation: the toy experiments of the paper, and its theory."""

from freeridge.figures import pitfalls_good_bad_ugly as fitting
from freeridge.figures import pitfalls_interpretable as interpretable
from freeridge.figures.entry import Entry

PITFALLS = "The Pitfalls of Memorization, arXiv 2412.07684"


def memorization_entries() -> list[Entry]:
    """Two figures of the paper, and three of ours.

    Examples
    --------
    >>> [entry.figure for entry in memorization_entries() if entry.figure != "none"]
    ['Figure 1', 'Figure 3']
    """
    return [
        Entry(
            "pitfalls-1",
            PITFALLS,
            "Figure 1",
            "ERM without and with noise, and MAT: accuracy over the epochs and what the network decides",
            "quick 25 s, paper about 4 min",
            True,
            interpretable.interpretable,
            interpretable.draw_interpretable,
        ),
        Entry(
            "pitfalls-3",
            PITFALLS,
            "Figure 3",
            "good, bad and ugly memorisation: noisy labels fitted with and without names of the rows",
            "quick 25 s, paper about 3 min",
            True,
            fitting.good_bad_ugly,
            fitting.draw_good_bad_ugly,
        ),
    ]
