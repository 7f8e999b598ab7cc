"""The figures of A Tale of Tails."""

from collections.abc import Callable

import xarray as xr
from matplotlib.figure import Figure

from freeridge.figures import tale_of_tails as tails
from freeridge.figures import tale_of_tails_arithmetic as arithmetic
from freeridge.figures import tale_of_tails_bigram as bigram
from freeridge.figures import tale_of_tails_memory as memory
from freeridge.figures import tale_of_tails_sequences as sequences
from freeridge.figures.entry import Entry
from freeridge.figures.record import Plan

PAPER = "A Tale of Tails, arXiv 2402.07043"

# What the figures of sequences differ in.
SEQUENCES = {
    22: "",
    23: ", top-p .9",
    24: ", temperature .9",
    25: ", strong generators",
    26: ", strong generators with top-p .9",
    27: ", strong generators with temperature .9",
}

Row = tuple[int, str, str, Callable[[Plan], xr.Dataset], Callable[[xr.Dataset], Figure]]


def tail_entries() -> list[Entry]:
    """Figures of the paper, and its experiment with arithmetic at a small size.

    Examples
    --------
    >>> tail_entries()[0].name
    'tale-of-tails-3'
    """
    t, b = tails, bigram
    main: list[Row] = [
        (
            3,
            "a cut tail, generations, and shares of real data",
            "quick 26 s, paper about 2 min",
            t.tail_cut,
            t.draw_tail_cut,
        ),
        (
            5,
            "generated samples beside real ones",
            "quick 5 s, paper about 10 s",
            t.real_beside,
            t.draw_real_beside,
        ),
        (
            6,
            "bigram: generations with top-p .95 from the strongest model",
            "quick 5 s, paper about 10 s",
            b.top_p_from_the_strongest,
            b.draw_chain,
        ),
    ]
    rest: list[Row] = [
        (8, "the error over the cut", "quick 5 s, paper about 10 s", t.over_cuts, t.draw_over_cuts),
        (
            9,
            "generators that learned from few samples",
            "quick 7 s, paper about 20 s",
            t.finite_generator,
            t.draw_finite_generator,
        ),
        (10, "shares of real data and cuts", "quick 5 s, paper about 15 s", t.mixing, t.draw_mixing),
        (
            13,
            "six generations of 100,000 samples",
            "quick 30 s, paper about 2 min",
            t.regenerated,
            t.draw_regenerated,
        ),
        (11, "bigram: a cut tail", "quick 5 s, paper about 10 s", b.tail_cut, b.draw_tail_cut),
        (
            12,
            "bigram: generations of T pairs",
            "quick 5 s, paper about 8 s",
            b.many_generations,
            b.draw_chain,
        ),
        (14, "bigram: generations of 100,000 pairs", "quick 5 s, paper about 8 s", b.resampled, b.draw_chain),
        (
            15,
            "bigram: generations of 100,000 pairs, top-p .9",
            "quick 5 s, paper about 8 s",
            b.top_p,
            b.draw_chain,
        ),
        (
            16,
            "bigram: generations of 100,000 pairs, temperature .9",
            "quick 5 s, paper about 8 s",
            b.temperature,
            b.draw_chain,
        ),
        (19, "bigram: half real data", "quick 5 s, paper about 10 s", b.half_real, b.draw_half_real),
        (20, "amounts of real and generated data", "quick 5 s, paper about 15 s", t.amounts, t.draw_amounts),
        (
            21,
            "associative memory: samples, capacity and cut",
            "quick 70 s, paper about 5 min",
            memory.triplet,
            memory.draw_triplet,
        ),
        *(
            (
                number,
                f"sequences: perplexity and distance over generations{SEQUENCES[number]}",
                "quick 8 s, paper about 25 s",
                compute,
                sequences.draw_sequences,
            )
            for number, compute in sequences.figures.items()
        ),
    ]
    experiment = Entry(
        "tale-of-tails-arithmetic",
        PAPER,
        "Figures 2, 4 and 30",
        "divisors learned in steps from true, generated and mixed labels (needs optax)",
        "quick 10 s and unlearned, paper about 15 min",
        False,
        arithmetic.arithmetic,
        arithmetic.draw_arithmetic,
    )
    numbered = [
        Entry(f"tale-of-tails-{number}", PAPER, f"Figure {number}", shows, cost, is_main, compute, draw)
        for is_main, rows in ((True, main), (False, rest))
        for number, shows, cost, compute, draw in rows
    ]
    return [*sorted(numbered, key=lambda entry: int(entry.name.rsplit("-", 1)[1])), experiment]
