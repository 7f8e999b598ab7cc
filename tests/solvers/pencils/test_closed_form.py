"""Formulas of isotropic cases, against known ones and against the direct solution."""

import numpy as np
import pytest
import sympy
from tests.solvers.pencils import written_equations as written
from tests.solvers.pencils.written_equations import Written

import freeridge as fr
from freeridge.solvers.pencils.equations.closed_form import ClosedForm
from freeridge.solvers.pencils.equations.matrix_functions import QuadraticForm
from freeridge.solvers.pencils.equations.reduced_equations import reduce_equations

phi, gamma = sympy.symbols("phi gamma", positive=True)
lam = fr.scalar("lambda")
root = sympy.sqrt((1 - phi + lam) ** 2 + 4 * lam * phi)


@pytest.fixture(scope="module")
def ridge() -> Written:
    return written.ridge()


def number(closed: ClosedForm, expression: sympy.Expr, **values: float) -> float:
    """The formula at a point; unknowns that are left in it are replaced by theirs."""
    expression = expression.replace(QuadraticForm, lambda *_: sympy.Integer(1))
    for unknown, formula in reversed(closed.unknowns.items()):
        expression = expression.subs(unknown, formula)
    return float(expression.subs({s: values[s.name] for s in expression.free_symbols}))


def test_marchenko_pastur() -> None:
    closed = written.marchenko_pastur().reduced.closed_form()
    known = (phi - 1 - lam + root) / (2 * phi * lam)
    difference = closed.outputs["value"] - known
    for ratio, penalty in [(0.5, 0.1), (1.0, 1e-2), (3.0, 2.0)]:
        assert abs(difference.subs({phi: ratio, lam: penalty}).evalf()) < 1e-10
    assert sympy.simplify(difference) == 0


def test_ridge_risk(ridge: Written) -> None:
    closed = ridge.reduced.closed_form()
    # The derivative of the Stieltjes transform: variance = phi (m - lambda m'), bias = lambda^2 m'.
    m = (phi - 1 - lam + root) / (2 * phi * lam)
    slope = -sympy.diff(m, lam)
    form = next(iter(closed.outputs["bias"].atoms(QuadraticForm)))
    for ratio, penalty in [(0.5, 0.1), (1.0, 0.3), (3.0, 2.0)]:
        point = {phi: ratio, lam: penalty}
        assert float((closed.outputs["variance"] - phi * (m - lam * slope)).subs(point)) == pytest.approx(
            0, abs=1e-10
        )
        assert float((closed.outputs["bias"] / form - lam**2 * slope).subs(point)) == pytest.approx(
            0, abs=1e-10
        )


def test_ridgeless_limits(ridge: Written) -> None:
    variance = ridge.reduced.closed_form().outputs["variance"]
    assert sympy.limit(variance.subs(phi, sympy.Rational(1, 2)), lam, 0) == 1
    assert sympy.limit(variance.subs(phi, 3), lam, 0) == sympy.Rational(1, 2)


def test_a_multiple_of_the_identity(ridge: Written) -> None:
    """Scaling the covariance by 2 is scaling the ridge by 1/2."""
    scaled, unit = ridge.reduced.closed_form(Sigma=2), ridge.reduced.closed_form()
    left = number(scaled, scaled.outputs["variance"], phi=0.7, **{"lambda": 0.4})
    assert left == pytest.approx(
        number(unit, unit.outputs["variance"], phi=0.7, **{"lambda": 0.2}), rel=1e-12
    )


def test_projections_are_a_cubic() -> None:
    """With one real root at one point, with three at the other."""
    reduced = written.projections().reduced
    closed = reduced.closed_form()
    for point in ({"n": 120, "m": 30, "lam": 0.01}, {"n": 30, "m": 90, "lam": 1.5}):
        numbers = reduced.solve(**point, Sigma=np.ones(60), w=np.ones(60) / 60**0.5).outputs
        values = {"phi": 60 / point["n"], "gamma": point["m"] / 60, "lambda": point["lam"]}
        for name, formula in closed.outputs.items():
            assert number(closed, formula, **values) == pytest.approx(numbers[name], rel=1e-10)


def test_what_has_no_formula_is_refused() -> None:
    n, d = fr.dims("n d")
    X, Y, Z = (
        fr.gaussian(name, n, d, variance=1 / n, column_covariance=fr.deterministic(f"Sigma_{name}", d))
        for name in "XYZ"
    )
    equations = fr.derive(fr.normalized_trace((X.T @ X + Y.T @ Y + Z.T @ Z + lam).inv()))
    with pytest.raises(fr.InvalidSetting, match="two unknowns"):
        reduce_equations(equations.merged, equations.symbols).closed_form(Sigma_X=2, Sigma_Y=3)


def test_a_name_that_is_no_matrix_is_refused(ridge: Written) -> None:
    with pytest.raises(fr.InvalidSetting, match="Omega"):
        ridge.reduced.closed_form(Omega=2)
