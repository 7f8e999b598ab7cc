"""The compiler against closed forms and against simulation, expression by expression.

Each size is simulated with draws of its own, and the part of the gap of order 1/d is taken out between two
sizes; what is compared with a bound is the normal score, which allows for an estimated standard error.
"""

from functools import cache
from zlib import crc32

import numpy as np
import pytest
from scipy import stats
from tests.solvers.pencils import cases, learning_cases

from freeridge.solvers.pencils.draws.convergence import Convergence
from freeridge.solvers.pencils.draws.finite_size import validate
from freeridge.solvers.pencils.values import argument

CASES = {**cases.CASES, **learning_cases.CASES}
EVERY = [
    pytest.param(name, marks=() if case.fast else pytest.mark.slow, id=name) for name, case in CASES.items()
]


@cache
def converged(name: str) -> Convergence:
    case = CASES[name]
    key = [0, crc32(name.encode())]
    return validate(case.equations, case.scales, case.replicates, key, **case.values)


@pytest.mark.parametrize("name", CASES)
def test_every_symbol_is_asked_for(name: str) -> None:
    """Without compiling: the equation is merged and sorted, and knows what it needs."""
    case = CASES[name]
    symbols = case.equations.symbols
    sized = {s.name for s in symbols.dimensions} - set(case.values)
    needed = {argument(name) for name in symbols.names} - sized
    assert needed == set(case.values)
    # A dimension that is not given is that of a matrix or vector.
    assert sized <= {str(leaf.shape[0]) for leaf in (*symbols.matrices, *symbols.vectors)}


@pytest.mark.parametrize("name", EVERY)
def test_theory_is_certified_exact_and_what_is_simulated(name: str) -> None:
    """One test for each case, since what it compiles and draws serves all three."""
    case, found = CASES[name], converged(name)
    assert found.ok, found.points[0].message
    assert max(point.residual for point in found.points) < 1e-13
    evaluation = case.equations.evaluate(**case.values)
    for quantity, expected in case.exact().items():
        np.testing.assert_allclose(evaluation.quantities[quantity], expected, rtol=1e-10, err_msg=quantity)
    assert all(abs(score) < 4 for score in found.extrapolated.scores.values()), str(found)


@pytest.mark.slow
def test_scores_of_all_cases_together() -> None:
    """One quantity of each case, since those of one case share their draws: the sum of squares of independent
    normal scores.
    """
    scores = [next(iter(converged(name).extrapolated.scores.values())) for name in CASES]
    total = stats.chi2(len(scores))
    assert total.ppf(1e-3) < np.sum(np.square(scores)) < total.isf(1e-3)
