"""Convergence with the size: what grows, how the gap closes, what a wrong theory looks like."""

import json
from typing import Any

import numpy as np
import pytest

import freeridge as fr
from freeridge.solvers.pencils.derive import Equations
from freeridge.solvers.pencils.draws import finite_size
from freeridge.solvers.pencils.draws.convergence import Convergence, fitted_rate
from freeridge.solvers.pencils.draws.finite_size import validate
from freeridge.solvers.pencils.draws.sampling import simulate_scaled

n, d = fr.dims("n d")
lam = fr.scalar("lambda")
w = fr.vector("w", d)
X = fr.gaussian("X", n, d, variance=1 / n)
Q = (X.T @ X + lam).inv()
VALUES: dict[str, Any] = {"n": 20, "lam": 0.1, "w": np.arange(10.0) / 10}


@pytest.fixture(scope="module")
def equations() -> Equations:
    return fr.derive(mean=fr.normalized_trace(Q), sum=fr.trace(Q), form=fr.quadratic_form(w, Q))


@pytest.fixture(scope="module")
def convergence(equations: Equations) -> Convergence:
    return validate(equations, (1, 2, 4), 300, key=1, **VALUES)


def test_theory_of_normalised_quantities_stays(convergence: Convergence) -> None:
    assert [point.sizes for point in convergence.points] == [{"d": 10 * f, "n": 20 * f} for f in (1, 2, 4)]
    for name, growth in {"mean": [1, 1, 1], "sum": [1, 2, 4], "form": [1, 1, 1]}.items():
        np.testing.assert_allclose(convergence.growth[name], growth, rtol=1e-12)
    theory = [float(point.theory["form"]) for point in convergence.points]
    np.testing.assert_allclose(theory, theory[0], rtol=1e-12)


def test_the_gap_closes_as_one_over_the_size(convergence: Convergence) -> None:
    for name in ("mean", "sum"):
        exponent, error = convergence.rates[name]
        assert error < 0.3
        assert abs(exponent - 1) < 3 * error
    assert convergence.ok
    assert convergence.worst < 4
    # At each size by itself the gap is plain to see.
    assert min(abs(point.z["mean"]) for point in convergence.points) > 4


def test_a_wrong_theory_is_seen(equations: Equations) -> None:
    """The theory of one expression with the draws of another that is off by 8 %."""
    assert equations.traces is not None
    wrong = Equations(equations.pencil, {name: 1.08 * one for name, one in equations.traces.items()})
    found = validate(wrong, (1, 2), 100, key=1, **VALUES)
    assert abs(found.extrapolated.z["mean"]) > 4


@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.0])
def test_the_rate_of_a_power_law(exponent: float) -> None:
    scales = np.array([1.0, 2.0, 4.0])
    gaps = -0.3 * scales**-exponent
    found = fitted_rate(scales, gaps, 0.01 * np.abs(gaps))
    assert found.exponent == pytest.approx(exponent, abs=1e-12)
    # The slope of a line through points with equal errors.
    assert found.standard_error == pytest.approx(0.01 / (np.log(2.0) * 2**0.5))


@pytest.mark.parametrize(
    ("gaps", "error"), [((0.1, 0.1, 0.02), 0.01), ((0.4, -0.2, 0.1), 0.01), ((0.0, 0.0, 0.0), 0.0)]
)
def test_no_rate_from_noise_or_changing_signs(gaps: tuple[float, ...], error: float) -> None:
    found = fitted_rate(np.array([1.0, 2.0, 4.0]), np.array(gaps), np.full(3, error))
    assert np.isnan(found.exponent)


def test_matrices_that_do_not_commute_and_complex_scalars_grow() -> None:
    Sigma, Gamma = fr.deterministic("Sigma", d), fr.deterministic("Gamma", d)
    Y = fr.gaussian("Y", n, d, variance=1 / n, column_covariance=Sigma)
    eq = fr.derive(fr.quadratic_form(w, Gamma @ (Y.T @ Y + Gamma + lam).inv()))
    values = {
        "n": 6,
        "lam": 0.5 + 0.5j,
        "w": np.ones(4),
        "Gamma": np.arange(4.0),
        "Sigma": 0.5 ** abs(np.subtract.outer(np.arange(4.0), np.arange(4.0))),
    }
    found = validate(eq, (4, 8), 60, key=2, **values)
    assert list(found.gaps) == ["value.real", "value.imag"]
    assert found.points[1].sizes == {"d": 32, "n": 48}
    assert found.worst < 4


def test_it_prints_and_travels(convergence: Convergence) -> None:
    text = str(convergence)
    assert "size^-" in text
    assert "within noise" in text
    assert len({len(line) for line in text.splitlines()[:10]}) == 1
    found = json.loads(json.dumps(convergence.to_dict()))
    assert found["scales"] == [1, 2, 4]
    assert found["rates"]["mean"]["exponent"] == convergence.rates["mean"].exponent
    assert found["points"][2]["sizes"] == {"d": 40, "n": 80}


@pytest.mark.parametrize("scales", [(1,), (2, 1), (1, 1), (1, 2.5), (0, 1)])
def test_scales_grow(equations: Equations, scales: tuple[Any, ...]) -> None:
    with pytest.raises(fr.InvalidSetting, match="scales"):
        validate(equations, scales, 10, **VALUES)


def test_an_interruption_keeps_the_sizes_that_are_done(
    equations: Equations, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fewer(last: int) -> Any:
        def simulate(
            equations: Any, numbers: Any, factor: int, key: Any, replicates: int, **options: Any
        ) -> Any:
            return original(equations, numbers, factor, key, 5 if factor == last else replicates, **options)

        return simulate

    original = simulate_scaled
    monkeypatch.setattr(finite_size, "simulate_scaled", fewer(2))
    with pytest.warns(RuntimeWarning, match="up to 2"):
        found = validate(equations, (1, 2, 4), 10, **VALUES)
    assert [point.replicates for point in found.points] == [10, 5]
    monkeypatch.setattr(finite_size, "simulate_scaled", fewer(1))
    with pytest.raises(KeyboardInterrupt):
        validate(equations, (1, 2, 4), 10, **VALUES)
