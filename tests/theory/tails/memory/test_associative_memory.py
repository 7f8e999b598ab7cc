"""The associative memory: the drawn one against explicit matrices, the limit against quadrature and draws."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import zeta
from scipy.stats import binom, norm

from freeridge.solvers.errors import InvalidSetting
from freeridge.theory.tails.memory.associative_memory import WEIGHTS, AssociativeMemory
from freeridge.theory.tails.memory.draws import jax_replicate, numpy_replicate


def zipf(beta: float, items: int, k: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    p = np.arange(1, items + 1.0) ** -beta
    q = np.where(np.arange(items) < (items if k is None else k), p, 0.0)
    return p / p.sum(), q / q.sum()


def answered_wrong(weights: np.ndarray, e: np.ndarray, u: np.ndarray) -> np.ndarray:
    """By the d x d memory, item by item."""
    items, d, classes = len(e), e.shape[1], len(u)
    e, u = e / np.linalg.norm(e, axis=1)[:, None], u / np.linalg.norm(u, axis=1)[:, None]
    memory = np.zeros((d, d))
    for i in range(items):
        memory += weights[i] * np.outer(e[i], u[i % classes])
    return np.array(
        [np.argmax([e[i] @ memory @ u[y] for y in range(classes)]) != i % classes for i in range(items)]
    )


@pytest.mark.parametrize("thresholded", [False, True])
@pytest.mark.parametrize("samples", [None, 9])
def test_a_replicate_is_what_the_matrix_answers(samples: int | None, thresholded: bool) -> None:
    items, classes, d = 23, 4, 6
    p, q = zipf(1.3, items, 15)
    for seed in range(5):
        found = numpy_replicate(np.random.default_rng(seed), p, q, d, samples, classes, thresholded)
        rng = np.random.default_rng(seed)
        weights = q if samples is None else rng.multinomial(samples, q) / samples
        unseen = p @ (weights == 0)
        weights = (weights > 0) / 3.0 if thresholded else weights
        e, u = rng.standard_normal((items, d)), rng.standard_normal((classes, d))
        assert found["risk"] == pytest.approx(p @ answered_wrong(weights, e, u), abs=1e-14)
        assert found["memory_free_risk"] == pytest.approx(unseen, abs=1e-14)


@pytest.mark.parametrize("thresholded", [False, True])
def test_so_is_a_replicate_in_jax(thresholded: bool) -> None:
    items, classes, d = 23, 4, 6
    p, q = zipf(1.3, items, 15)
    key = jax.random.key(3)
    found = jax_replicate(key, jnp.asarray(p), jnp.asarray(q), d, None, classes, thresholded)
    _, one, other = jax.random.split(key, 3)
    e, u = (
        np.asarray(jax.random.normal(k, (n, d), dtype=jnp.float64))
        for k, n in ((one, items), (other, classes))
    )
    weights = (q > 0) / 1.0 if thresholded else q
    assert float(found["risk"]) == pytest.approx(p @ answered_wrong(weights, e, u), abs=1e-14)


def test_both_backends_measure_the_same_in_float64() -> None:
    setting = AssociativeMemory(1.5, T=50, d=40, k=30, items=60, classes=5)
    one = setting.simulate(0, 400)
    other = setting.simulate(0, 400, backend="jax")
    for name in ("risk", "memory_free_risk"):
        assert other.values[name].dtype == np.float64
        error = np.hypot(one.standard_error[name], other.standard_error[name])
        assert abs(one.mean[name] - other.mean[name]) < 4 * error
    with pytest.raises(InvalidSetting, match="backend"):
        setting.simulate(0, 2, backend="torch")


def quadrature(setting: AssociativeMemory) -> float:
    """The printed limit, integrated by brute force over the noise of the right class and over the count."""
    p, q = (np.asarray(part) for part in setting.distributions())
    d, m = float(setting.d), setting.classes
    labels, g = np.arange(len(p)) % m, np.linspace(-9.0, 9.0, 6001)
    if setting.T is None:
        values = [[(q[i] if setting.weights == "counting" else float(q[i] > 0), 1.0)] for i in range(len(p))]
    else:
        T = int(setting.T)
        values = [[(n / T, binom.pmf(n, T, q[i])) for n in range(T + 1)] for i in range(len(p))]
        if setting.weights == "thresholded":
            values = [[(0.0, row[0][1]), (1.0, 1.0 - row[0][1])] for row in values]
    squares = np.array([sum(x * x * chance for x, chance in row) for row in values])
    power = np.bincount(labels, squares, m)
    variance = (power + (power.sum() - power) / d) / d
    risk = 0.0
    for i, f in enumerate(labels):
        own = np.sqrt(variance[f] - squares[i] / d)
        others = np.sqrt(np.delete(variance, f))
        for x, chance in values[i]:
            right = np.prod(norm.cdf((x + own * g)[:, None] / others), axis=1)
            risk += p[i] * chance * (1.0 - np.trapezoid(right * norm.pdf(g), g))
    return risk


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize(
    ("T", "d", "k"), [(None, 30.0, None), (None, 500.0, 7), (25, 80.0, None), (4, 2.5, 1)]
)
def test_the_limit_is_the_integral(T: float | None, d: float, k: int | None, weights: str) -> None:
    setting = AssociativeMemory(1.4, T, d, k, items=14, classes=4, weights=weights)
    found = setting.predict()
    assert found.ok and abs(float(found.risk) - quadrature(setting)) <= max(float(found.residual), 1e-7)


@pytest.mark.parametrize("weights", WEIGHTS)
def test_infinite_data_are_the_limit_of_many(weights: str) -> None:
    def risk(T: Any) -> float:
        return float(AssociativeMemory(1.5, T, 200.0, 7, items=14, classes=4, weights=weights).predict().risk)

    assert risk(np.inf) == pytest.approx(risk(None), abs=1e-12)
    assert risk(1e12) == pytest.approx(risk(None), abs=2e-5)


def test_many_dimensions_leave_what_is_never_seen() -> None:
    """The risk of a learner with infinite memory, but for the guesses."""
    p, q = zipf(1.5, 50, 20)
    setting = AssociativeMemory(1.5, 40, 1e13, 20, items=50, classes=5, weights="thresholded")
    found = setting.predict()
    missed = p * (1.0 - q) ** 40
    assert float(found.memory_free_risk) == pytest.approx(missed.sum(), rel=1e-12)
    # A guess is right as often as the noise of its class is the largest.
    scales = np.sqrt(np.bincount(np.arange(50) % 5, 1.0 - (1.0 - q) ** 40, 5))
    z = np.linspace(-9.0, 9.0, 20001)[:, None] * scales
    lucky = [
        np.trapezoid(
            norm.pdf(z[:, f] / scales[f]) * np.prod(norm.cdf(z[:, [f]] / np.delete(scales, f)), 1), z[:, f]
        )
        / scales[f]
        for f in range(5)
    ]
    # Unlike the quadrature above this one counts the item's own share of its class: nil when it was not seen.
    assert float(found.risk) == pytest.approx(missed @ (1.0 - np.array(lucky)[np.arange(50) % 5]), rel=0.02)


@pytest.mark.parametrize("weights", WEIGHTS)
def test_theory_passes_through_the_simulation(weights: str) -> None:
    for T, d, k in ((None, 300, 40), (30, 600, 40)):
        setting = AssociativeMemory(1.5, T, d, k, items=200, classes=8, weights=weights)
        theory, measured = setting.predict(), setting.simulate((5, d), 60)
        for name in ("risk", "memory_free_risk"):
            error = measured.standard_error[name] + 1e-12
            assert abs(measured.mean[name] - float(theory.quantities[name])) < 4 * error, (T, d, k, name)


@pytest.mark.slow
def test_scores_are_standard_normal_from_300_dimensions_on() -> None:
    scores = []
    for weights in WEIGHTS:
        for m in (10, 50):
            for k in (None, 20):
                for T in (None, 10, 100, 1000):
                    setting = AssociativeMemory(1.5, T, 300, k, items=300, classes=m, weights=weights)
                    theory, measured = setting.predict(), setting.simulate((7, m), 300)
                    if float(theory.risk) > 1e-3:  # of rarer errors 300 replicates do not see a normal mean
                        scores.append((measured.risk - float(theory.risk)) / measured.standard_error["risk"])
    print("z:", np.round(scores, 1))
    assert len(scores) >= 30 and np.sqrt(np.mean(np.square(scores))) < 1.35 and np.max(np.abs(scores)) < 4


@pytest.mark.slow
@pytest.mark.parametrize("beta", [pytest.param(1.5, marks=pytest.mark.slow), 2.0])
def test_each_term_of_the_law_is_the_limit_alone(beta: float) -> None:
    items, m = 1000, 5
    beyond = (1 - 1 / m) * zeta(beta, items + 1) / zeta(beta)  # what the law counts and the truncation lacks

    def ratio(term: str, T: float | None, d: float, k: int | None, weights: str) -> float:
        setting = AssociativeMemory(beta, T, d, k, items=items, classes=m, weights=weights)
        scale = zeta(beta) / (zeta(beta) - zeta(beta, items + 1))
        return float((setting.predict().risk / scale + beyond) / getattr(setting.law(), term))

    assert ratio("capacity", None, 1e5, None, "counting") == pytest.approx(1.0, abs=4e-3)
    assert ratio("sampling", 200.0, 1e9, None, "thresholded") == pytest.approx(1.0, abs=1e-2)
    assert ratio("cut", None, 1e9, 200, "thresholded") == pytest.approx(1.0, abs=4e-3)
    setting = AssociativeMemory(beta, 100.0, 50.0, 10, items=items, classes=m)
    assert float(setting.law().total) == pytest.approx(float(sum(setting.law())), rel=1e-15)


@pytest.mark.slow
@pytest.mark.parametrize("beta", [1.5, 2.0])
def test_the_exponent_of_the_capacity_is_seen_in_the_simulation(beta: float) -> None:
    items, dimensions = 3000, np.array([100, 200, 400, 800, 1600])
    beyond = 0.9 * zeta(beta, items + 1) / zeta(beta)
    runs = [AssociativeMemory(beta, None, d, items=items).simulate((2, int(d)), 24) for d in dimensions]
    values = np.array([run.risk for run in runs]) + beyond
    errors = np.array([run.standard_error["risk"] for run in runs]) / values
    (slope, _), covariance = np.polyfit(np.log(dimensions), np.log(values), 1, w=1 / errors, cov="unscaled")
    print(f"slope {slope:.4f} +- {covariance[0, 0] ** 0.5:.4f}")
    assert abs(slope + (1 - 1 / beta) / 2) < 3 * covariance[0, 0] ** 0.5 + 0.02  # 0.02: of order 1/d


def test_thresholding_without_a_cut_loses_everything() -> None:
    full = AssociativeMemory(1.5, None, 30, items=1000, weights="thresholded")
    cut = AssociativeMemory(1.5, None, 60, 30, items=1000, weights="thresholded")
    for setting, low, high in ((full, 0.8, 0.9), (cut, 0.0, 0.2)):
        measured = setting.simulate(1, 30)
        assert low < float(setting.predict().risk) < high
        assert abs(measured.risk - float(setting.predict().risk)) < 4 * measured.standard_error["risk"]


def test_equal_keys_give_equal_numbers() -> None:
    setting = AssociativeMemory(1.5, 30, 20, items=40, classes=3)
    one, same, other = (setting.simulate(key, 4).values["risk"] for key in (1, 1, 2))
    assert np.array_equal(one, same) and not np.array_equal(one, other)


@pytest.mark.slow
def test_vmap_is_a_loop_and_gradients_are_slopes() -> None:
    def risk(beta: Any, T: Any, d: Any) -> Any:
        return AssociativeMemory(beta, T, d, 7, items=14, classes=4).predict().risk

    betas, T, d = jnp.array([1.2, 2.0]), jnp.array([50.0, 9.5]), jnp.array([40.0, 300.0])
    together = jax.jit(jax.vmap(risk))(betas, T, d)
    assert np.allclose(together, [risk(*one) for one in zip(betas, T, d, strict=True)], rtol=1e-12)
    point = (1.5, 50.0, 80.0)
    slopes = jax.jit(jax.grad(risk, argnums=(0, 1, 2)))(*point)
    for i, slope in enumerate(slopes):
        step = np.zeros(3)
        step[i] = 1e-5 * point[i]
        by_difference = (risk(*(np.array(point) + step)) - risk(*(np.array(point) - step))) / (2 * step[i])
        assert float(slope) == pytest.approx(float(by_difference), rel=2e-5)


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("beta", 1.0, "> 1"),
        ("beta", -2.0, "> 1"),
        ("d", 0.5, ">= 1"),
        ("d", np.nan, ">= 1"),
        ("T", 0, ">= 1"),
        ("T", -3, ">= 1"),
        ("T", np.nan, ">= 1"),
        ("k", 0, "from 1 to items = 20"),
        ("k", 21, "from 1 to items = 20"),
        ("k", 2.5, "whole number"),
        ("items", 0, "positive whole number"),
        ("classes", 1, "at least 2"),
        ("classes", 0, "positive whole number"),
        ("weights", "squared", "counting, thresholded"),
    ],
)
def test_bad_input_is_refused(field: str, value: Any, expected: str) -> None:
    fields = {"beta": 1.5, "T": 10, "d": 8, "items": 20, "classes": 3} | {field: value}
    with pytest.raises(InvalidSetting, match=expected) as error:
        AssociativeMemory(**fields)
    assert error.value.field == field


@pytest.mark.parametrize(("field", "value"), [("d", 8.5), ("T", 10.5)])
def test_what_is_not_whole_can_be_predicted_but_not_drawn(field: str, value: float) -> None:
    fields: dict[str, Any] = {"beta": 1.5, "T": 10, "d": 8, "items": 20, "classes": 3} | {field: value}
    setting = AssociativeMemory(**fields)
    assert setting.predict().ok
    with pytest.raises(InvalidSetting, match=f"{field} = .*whole number"):
        setting.simulate(0, 2)
