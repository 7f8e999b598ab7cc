"""The figures on pruned, curated and verified data, and of the loop of deliberate practice."""

from freeridge.figures import deliberate_practice as practice
from freeridge.figures import deliberate_practice_loop as loop
from freeridge.figures import deliberate_practice_phase as phase
from freeridge.figures import deliberate_practice_verification as verification
from freeridge.figures.entry import Entry

PRACTICE = "Deliberate Practice, arXiv 2502.15588"
LESS = "Why Less is More, arXiv 2511.03492"
VERIFICATION = "Beyond Model Collapse, arXiv 2406.07515"


def practice_entries() -> list[Entry]:
    """Figures of three papers, and two of ours.

    Examples
    --------
    >>> [entry.name for entry in practice_entries() if entry.main]
    ['deliberate-practice-3', 'deliberate-practice-7', 'deliberate-practice-grid']
    """
    return [
        Entry(
            "deliberate-practice-3",
            PRACTICE,
            "Figure 3",
            "accuracy over rows generated and kept, hard and all, with local exponents",
            "quick 25 s, paper about 2 min",
            True,
            practice.scaling,
            practice.draw_scaling,
        ),
        Entry(
            "deliberate-practice-4",
            PRACTICE,
            "Figures 4, 5 and 9, on digits",
            "the loop: accuracy over examples and over work, practised, pruned and static",
            "quick 35 s, paper about 5 min",
            False,
            loop.loop,
            loop.draw_loop,
        ),
        Entry(
            "deliberate-practice-7",
            PRACTICE,
            "Figure 7",
            "test error over the share that is kept, two ridges",
            "quick 11 s, paper about 2 min",
            True,
            practice.over_share,
            practice.draw_over_share,
        ),
        Entry(
            "deliberate-practice-digits",
            PRACTICE,
            "none",
            "digits asked for with growing strength of guidance",
            "quick 15 s, paper about 1 min",
            False,
            loop.guided_digits,
            loop.draw_guided_digits,
        ),
        Entry(
            "deliberate-practice-grid",
            LESS,
            "2 x 2 grid",
            "few and many rows, a generator that errs or not: which rows to keep",
            "quick 16 s, paper about 2 min",
            True,
            practice.more_or_less,
            practice.draw_more_or_less,
        ),
        Entry(
            "deliberate-practice-phase",
            LESS,
            "phase diagram",
            "the best rule over the quality of generator and oracle",
            "quick 1 min, paper about 2 min",
            False,
            phase.phase,
            phase.draw_phase,
        ),
        Entry(
            "deliberate-practice-rules",
            LESS,
            "none",
            "the best rules: which scores to keep",
            "quick 1 min, paper about 2 min",
            False,
            phase.optimum,
            phase.draw_optimum,
        ),
        Entry(
            "verification-3",
            VERIFICATION,
            "Figure 3",
            "accuracy over verified rows, three generators, four verifiers",
            "quick 50 s, paper about 10 min",
            False,
            verification.verification,
            verification.draw_verification,
        ),
        Entry(
            "verification-breakdown",
            VERIFICATION,
            "Theorem 4.2",
            "accuracy over the share of wrong labels, and where it breaks down",
            "quick 20 s, paper about 5 min",
            False,
            verification.breakdown,
            verification.draw_breakdown,
        ),
    ]
