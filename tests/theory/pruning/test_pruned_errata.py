"""The misprints of Theorem 1 of deliberate practice: far from a simulation; corrected it is not."""

from tests.theory.pruning import pruned_errata


def test_misprints_of_theorem_1() -> None:
    found = pruned_errata.cases(300, 30, 1)
    for case in found:
        assert abs(case.corrected - case.simulated) < 3 * case.standard_error, case
        # The root of the main text may not exist, which is not right either.
        assert not abs(case.main_text - case.simulated) < 10 * case.standard_error, case
    # The appendix is close, but not the limit: where it is off the most, simulation tells.
    assert abs(found[0].appendix - found[0].simulated) > 5 * found[0].standard_error, found[0]
