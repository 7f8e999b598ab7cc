"""The misprints of docs/errata.md: the corrected formula is the solver, the printed one is far from a
seeded simulation."""

from collections.abc import Callable

import pytest
from tests.theory import errata_cases
from tests.theory.errata_cases import Case

# Corollary 4 is right by accident at phi = 2; Corollary 2 is an expansion, right to order phi^2.
MEETS = "phi = 2"
REMAINDER = 0.05**2


@pytest.mark.parametrize(
    ("cases", "d", "replicates"),
    [(errata_cases.corollary_4, 240, 30), (errata_cases.theorem_2, 150, 30), (errata_cases.traces, 90, 30)],
    ids=["corollary 4", "theorem 2 and lemma 1", "equations 47 to 124"],
)
def test_misprints(cases: Callable[[int, int, int], list[Case]], d: int, replicates: int) -> None:
    for case in cases(d, replicates, 11):
        assert case.corrected == pytest.approx(case.solver, rel=1e-9), case
        if case.name != MEETS:
            assert case.printed_off > 10, case
            assert case.printed_off > 5 * case.corrected_off, case


def test_corollary_2() -> None:
    for case in errata_cases.corollary_2(60, 30, 12):
        assert abs(case.corrected - case.solver) < 1.5 * REMAINDER, case
        assert case.printed_off > 10, case
        assert case.printed_off > 5 * case.corrected_off, case
