"""The reduced equations: what they are, and that they say the same as the direct solution."""

import time
from collections.abc import Callable

import pytest
import sympy
from tests.solvers.pencils import cases, learning_cases
from tests.solvers.pencils import written_equations as written
from tests.solvers.pencils.written_equations import Written, d, lam, n

import freeridge as fr
from freeridge.solvers.pencils.equations.matrix_functions import MatrixSymbol, NormalizedTrace
from freeridge.solvers.pencils.equations.reduced_equations import ReducedEquations, reduce_equations
from freeridge.solvers.pencils.traces import Traces

# The direct solution is compiled for each, which takes its time.
CASES = [
    written.marchenko_pastur,
    written.ridge,
    *(
        pytest.param(case, marks=pytest.mark.slow, id=case.__name__)
        for case in (written.projections, written.two_populations, written.nested, written.shifted_root)
    ),
]

EXACT = {name: case for name, case in (cases.CASES | learning_cases.CASES).items() if case.exact is not dict}


def test_a_notebook_shows_the_equations() -> None:
    equations, _, _ = written.marchenko_pastur()
    assert equations._repr_latex_() == f"$$ {equations.latex()} $$"


@pytest.mark.parametrize("case", CASES)
def test_printed_equations_agree_with_the_direct_solution(case: Callable[[], Written]) -> None:
    equations, reduced, values = case()
    mine = reduced.solve(**values)
    direct = equations.evaluate(**values)
    assert direct.ok
    for name, value in mine.outputs.items():
        assert value == pytest.approx(float(getattr(direct, name)), rel=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("name", EXACT)
def test_printed_equations_agree_with_what_is_known(name: str) -> None:
    case = EXACT[name]
    reduced = reduce_equations(case.equations.merged, case.equations.symbols)
    mine = reduced.solve(**case.values).outputs
    for output, known in case.exact().items():
        assert abs(mine[output] - complex(known)) <= 1e-10 * abs(complex(known))


@pytest.mark.slow
def test_complex_spectral_parameter() -> None:
    X, z = fr.gaussian("X", n, d, variance=1 / n), fr.scalar("z")
    equations = fr.derive(fr.normalized_trace((X.T @ X - z).inv()))
    point = {"n": 200, "d": 100, "z": 0.8 + 0.1j}
    mine = reduce_equations(equations.merged, equations.symbols).solve(**point).outputs["value"]
    assert abs(mine - complex(equations.evaluate(**point).value)) < 1e-10


def test_ridge_is_the_equation_of_the_field() -> None:
    reduced = written.ridge().reduced
    e, response = reduced.unknowns
    sigma, ridge, phi = MatrixSymbol("Sigma"), lam, sympy.Symbol("phi", positive=True)
    trace = NormalizedTrace(sigma / (e * sigma + ridge), d)
    assert (e.name, response.name, reduced.orders) == ("e", "e'", (1, 2))
    assert reduced.equations[0].rhs == 1 / (1 + phi * trace)
    second = phi * e**2 * (1 + response) * NormalizedTrace(sigma**2 / (e * sigma + ridge) ** 2, d)
    assert sympy.expand(reduced.equations[1].rhs - second) == 0
    assert reduced.definitions == {phi: d / n}


def test_projections_have_an_unknown_on_samples_and_one_on_features() -> None:
    reduced = written.projections().reduced
    assert [u.name for u in reduced.unknowns][:2] == ["e", "tau"]
    assert sorted(reduced.orders) == list(reduced.orders)
    gamma = sympy.Symbol("gamma", positive=True)
    e, tau = reduced.unknowns[:2]
    sigma = MatrixSymbol("Sigma")
    trace = NormalizedTrace(sigma / (gamma * tau * e * sigma + lam), d)
    assert sympy.expand(1 / reduced.equations[1].rhs - 1 - e * trace) == 0


@pytest.mark.parametrize("case", [written.ridge, written.projections], ids=lambda case: case.__name__)
def test_unknowns_are_positive_where_nothing_is_negative(case: Callable[[], Written]) -> None:
    _, reduced, values = case()
    solution = reduced.solve(**values)
    assert all(value > 0 for value in solution.unknowns.values())


def test_names_keep_clear_of_symbols() -> None:
    e, phi = fr.scalar("e"), fr.scalar("phi")
    X = fr.gaussian("X", n, d, variance=phi / n)
    reduced = _reduced(fr.normalized_trace((X.T @ X + e).inv()))
    assert [u.name for u in reduced.unknowns] == ["q"]
    assert reduced.definitions == {}
    assert {d, n} <= reduced.equations[0].rhs.free_symbols


def test_other_dimensions_stay_fractions() -> None:
    k, p = fr.dims("k p")
    X = fr.gaussian("X", k, p, variance=1 / k)
    reduced = _reduced(fr.normalized_trace((X.T @ X + lam).inv()))
    assert reduced.definitions == {}
    assert {k, p} <= reduced.equations[0].rhs.free_symbols


def test_a_missing_value_is_named() -> None:
    with pytest.raises(fr.InvalidSetting, match="lam"):
        written.marchenko_pastur().reduced.solve(n=2, d=1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "limit"), [(written.ridge, 1.0), (written.projections, 5.0)], ids=["ridge", "projections"]
)
def test_from_expression_to_latex_in_time(case: Callable[[], Written], limit: float) -> None:
    start = time.process_time()
    case.__wrapped__().reduced.latex()  # type: ignore[attr-defined]
    assert time.process_time() - start < limit


def _reduced(expression: Traces) -> ReducedEquations:
    equations = fr.derive(expression)
    return reduce_equations(equations.merged, equations.symbols)
