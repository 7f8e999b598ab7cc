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
FAST = [name for name, case in CASES.items() if case.fast]
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
def test_certified(name: str) -> None:
    found = converged(name)
    assert found.ok, found.points[0].message
    assert max(point.residual for point in found.points) < 1e-13


@pytest.mark.parametrize("name", [param for param in EVERY if CASES[str(param.id)].exact is not dict])
def test_closed_form(name: str) -> None:
    case = CASES[name]
    evaluation = case.equations.evaluate(**case.values)
    for quantity, expected in case.exact().items():
        np.testing.assert_allclose(evaluation.quantities[quantity], expected, rtol=1e-10, err_msg=quantity)


@pytest.mark.parametrize("name", EVERY)
def test_simulation(name: str) -> None:
    scores = converged(name).extrapolated.scores
    assert all(abs(score) < 4 for score in scores.values()), str(converged(name))


@pytest.mark.parametrize(
    "names", [FAST, pytest.param(list(CASES), marks=pytest.mark.slow)], ids=["fast", "all"]
)
def test_scores_of_all_cases_together(names: list[str]) -> None:
    """One quantity of each case, since those of one case share their draws: the sum of squares of independent
    normal scores.
    """
    scores = [next(iter(converged(name).extrapolated.scores.values())) for name in names]
    total = stats.chi2(len(names))
    assert total.ppf(1e-3) < np.sum(np.square(scores)) < total.isf(1e-3)
