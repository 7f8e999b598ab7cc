"""Logistic regression with a spurious feature: reference values, limits, derivatives, batches, bad input."""

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, optimize
from scipy.special import ndtr
from tests.helpers import in_chunks

import freeridge as fr
from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.results import Code
from freeridge.theory.memorization.spurious_law import TRAININGS, Training
from freeridge.theory.memorization.spurious_logistic import SpuriousLogistic

PUBLISHED = (1.8, 0.01, 0.9, 5.0, 0.5)


def values(*fields: Any, code: Code = Code.OK, **options: Any) -> dict[str, np.ndarray]:
    found = SpuriousLogistic(*fields, **options).predict()
    assert int(found.code) == code, found.message
    return {name: np.asarray(value) for name, value in found.quantities.items()}


def assert_same(found: dict[str, Any], expected: dict[str, Any], rtol: float, atol: float = 1e-12) -> None:
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=rtol, atol=atol, err_msg=name)


def test_reference_values() -> None:
    """The published experiment, as simulated at n = 1600."""
    erm, shifted = values(*PUBLISHED), values(*PUBLISHED, training="memorisation-aware")
    names = ("core", "spurious", "noise_norm", "train_loss")
    np.testing.assert_allclose([erm[k] for k in names], [1.794, 0.504, 1.653, 0.0496], atol=1e-3)
    np.testing.assert_allclose([shifted[k] for k in names], [1.753, 0.093, 1.693, 0.0479], atol=1e-3)
    for name in names[:3]:
        assert np.abs(erm[name] - {"core": 1.807, "spurious": 0.497, "noise_norm": 1.650}[name]) < 0.028


def test_errors_are_those_of_the_weights() -> None:
    """All that is given beside the weights, from them."""
    p, scale, noise, std = 0.9, 5.0, 0.5, 0.12
    found = values(*PUBLISHED)
    u, r = np.array([found["core"], found["spurious"]]), found["noise_norm"]
    spread = np.sqrt(std**2 * (u[0] ** 2 + (scale * u[1]) ** 2) + (noise * r) ** 2)
    errors = ndtr(-(u[0] + np.array([1, -1]) * scale * u[1]) / spread)
    np.testing.assert_allclose(found["group_errors"], errors, rtol=1e-12)
    assert found["worst_group_error"] == errors.max() and found["balanced_error"] == errors.mean()
    assert float(found["held_out_error"]) == pytest.approx(p * errors[0] + (1 - p) * errors[1], rel=1e-14)
    penalty = 0.005 * (u @ u + r**2)
    assert float(found["train_loss"] - found["data_loss"]) == pytest.approx(penalty, rel=1e-12)


def test_equal_groups_are_trained_alike() -> None:
    first = values(0.5, 0.01, 0.5, 2.0, 1.0)
    assert first["spurious"] == pytest.approx(0.0, abs=1e-15)
    assert first["group_errors"][0] == pytest.approx(first["group_errors"][1], rel=1e-12)
    for training in TRAININGS[1:]:
        assert_same(values(0.5, 0.01, 0.5, 2.0, 1.0, training=training), first, 1e-12)


def test_subsampling_is_having_fewer_rows_of_equal_groups() -> None:
    found = values(0.3, 0.02, 0.9, 3.0, 1.0, training="subsampled")
    fewer = values(0.3 / 0.2, 0.02, 0.5, 3.0, 1.0)
    del fewer["held_out_error"]  # the groups of fresh rows are not equal
    assert_same(found, fewer, 1e-11)


def test_groups_are_named_by_their_share_alone() -> None:
    """A majority of a tenth is a minority with the signs of the spurious feature swapped."""
    fields = (0.5, 0.01, 0.9, 2.0, 1.0)
    for training in TRAININGS:
        found = values(*fields, shift=(0.3, -0.2), training=training)
        other = values(0.5, 0.01, 0.1, 2.0, 1.0, shift=(-0.2, 0.3), training=training)
        for name in ("group_errors", "train_errors"):
            other[name] = other[name][::-1]
        other["spurious"] = -other["spurious"]
        assert_same(found, other, 1e-10)


def test_a_feature_of_scale_zero_is_none() -> None:
    for penalty, std in ((0.05, 0.12), (0.0, 1.0)):
        found = values(0.1, penalty, 0.8, 0.0, 1.0, feature_std=std)
        assert found["spurious"] == 0.0 and found["group_errors"][0] == found["group_errors"][1]
    tiny = values(0.1, 0.05, 0.8, 1e-9, 1.0)
    nothing = values(0.1, 0.05, 0.8, 0.0, 1.0)
    assert_same(tiny, nothing, 1e-7, 1e-8)
    wide = SpuriousLogistic(1.0, 0.0, 0.8, 0.0, 1.0).predict()
    assert int(wide.code) == Code.DIVERGES and float(wide.spurious) == 0.0


def test_no_noise_and_no_noise_coordinates_are_infinitely_many_rows() -> None:
    """By scipy's minimiser of the population loss."""
    penalty, p, scale, std, shift = 0.03, 0.8, 2.0, 0.5, np.array([0.4, -1.0])
    options: dict[str, Any] = {"feature_std": std, "shift": shift}

    def loss(u: np.ndarray) -> float:
        total = 0.5 * penalty * u @ u
        for share, sign, s in zip((p, 1 - p), (1, -1), shift, strict=True):
            mean, spread = u[0] + sign * scale * u[1] + s, std * np.hypot(u[0], scale * u[1])

            def at(z: float, mean: float = mean, spread: float = spread) -> float:
                return float(np.logaddexp(0.0, -(mean + spread * z)) * np.exp(-0.5 * z * z))

            total += share * integrate.quad(at, -9, 9, epsabs=1e-13)[0] / np.sqrt(2 * np.pi)
        return float(total)

    best = optimize.minimize(loss, [1.0, 0.2], method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-15})
    none = values(0.0, penalty, p, scale, 1.0, **options)
    np.testing.assert_allclose([none["core"], none["spurious"]], best.x, rtol=1e-5)
    assert float(none["train_loss"]) == pytest.approx(best.fun, rel=1e-11)
    assert none["noise_norm"] == 0.0
    np.testing.assert_allclose(none["train_errors"], none["group_errors"], rtol=1e-12)
    for fields in (
        (2.0, penalty, p, scale, 0.0),
        (1e-12, penalty, p, scale, 1.0),
        (2.0, penalty, p, scale, 1e-7),
    ):
        assert_same(values(*fields, **options), none, 1e-6, 1e-5)


def test_a_huge_penalty_leaves_the_mean_of_the_rows() -> None:
    phi, penalty, p, scale, noise, std = 1.5, 1e9, 0.7, 2.0, 1.3, 0.4
    found = values(phi, penalty, p, scale, noise, feature_std=std)
    u, r = np.array([1.0, scale * (2 * p - 1)]) / (2 * penalty), noise * np.sqrt(phi) / (2 * penalty)
    expected = {"core": u[0], "spurious": u[1], "noise_norm": r, "data_loss": np.log(2.0)}
    assert_same(found, expected, 1e-6, 0.0)
    spread = np.sqrt(std**2 * (u[0] ** 2 + (scale * u[1]) ** 2) + (noise * r) ** 2)
    errors = ndtr(-(u[0] + np.array([1, -1]) * scale * u[1]) / spread)
    np.testing.assert_allclose(found["group_errors"], errors, rtol=1e-6)


def test_a_vanishing_penalty_leads_to_the_largest_margin() -> None:
    """Errors differ by a multiple of one over the logarithm of the penalty, which extrapolates."""
    fields = (0.9, 5.0, 0.5)
    wide = values(1.8, 0.0, *fields, code=Code.DIVERGES)
    steps = np.array([1e-20, 1e-40, 1e-80])
    errors = np.stack([values(1.8, step, *fields)["group_errors"] for step in steps])
    gaps = errors[:, 1] - wide["group_errors"][1]
    assert np.all(np.diff(np.abs(gaps)) < 0)
    x = 1.0 / np.log(1.0 / steps)
    left = np.polynomial.polynomial.polyfit(x, gaps, 2)[0]
    assert abs(left) < 0.05 * abs(gaps[-1]) < 5e-3


def test_separable_rows_without_a_penalty() -> None:
    """A code, a sentence, and the largest margin, which shifts and weights have no part in; whatever the
    training, unless it drops rows."""
    setting = SpuriousLogistic(0.5, 0.0, 0.8, 2.0, 1.0, feature_std=0.6)
    found = setting.predict()
    assert bool(setting.separable) and int(found.code) == Code.DIVERGES and not found.ok
    assert "separable" in found.message and "largest margin" in found.message
    assert float(found.train_loss) == 0.0 and np.all(np.asarray(found.train_errors) == 0.0)
    same = SpuriousLogistic(0.5, 0.0, 0.8, 2.0, 1.0, (3.0, -1.0), 0.6, "memorisation-aware").predict()
    assert_same(same.quantities, found.quantities, 1e-9)
    simulated = SpuriousLogistic(0.5, 0.0, 0.8, 2.0, 1.0, feature_std=0.6, n=200).simulate(3, 10)
    for name in ("core", "spurious", "noise_norm", "balanced_error"):
        z = (simulated.mean[name] - found.quantities[name]) / simulated.standard_error[name]
        assert abs(float(z)) < 3, name
    few = SpuriousLogistic(0.05, 0.0, 0.8, 2.0, 1.0, feature_std=0.6)
    assert not bool(few.separable) and few.predict().ok
    assert float(setting.separability_threshold()) == float(few.separability_threshold())


def test_what_cannot_be_certified_is_not_given() -> None:
    """Neither noise nor a penalty."""
    found = SpuriousLogistic(0.5, 0.0, 0.8, 2.0, 0.0).predict()
    assert int(found.code) == Code.NOT_CERTIFIED and np.isnan(found.core) and "small penalty" in found.message


def test_one_group_alone() -> None:
    """Both features are as good; of the other group everything on fresh rows is known."""
    for majority, empty in ((1.0, 1), (0.0, 0)):
        setting = SpuriousLogistic(0.5, 0.1, majority, 1.0, 1.0, n=200)
        found, drawn = setting.predict(), setting.simulate(0, 4)
        assert (
            found.ok and np.isnan(found.train_errors[empty]) and not np.isnan(found.train_errors[1 - empty])
        )
        sign = 1 if majority else -1
        assert float(found.core) == pytest.approx(sign * float(found.spurious), rel=1e-10)
        assert float(found.held_out_error) == float(found.group_errors[1 - empty])
        assert float(found.group_errors[empty]) == pytest.approx(0.5, abs=1e-10)
        assert set(drawn.mean) == set(found.quantities)
        assert np.isnan(drawn.train_errors[empty]) and abs(drawn.core - found.core) < 0.1


FIELDS = ("phi", "penalty", "majority", "spurious_scale", "noise", "shift 0", "shift 1", "feature_std")
WEIGHTS = {
    "group_errors": (1.0, 2.0), "train_errors": (1.0, 3.0), "train_loss": 1.0, "data_loss": 2.0, "core": 0.3,
    "spurious": 0.5, "noise_norm": 0.1, "held_out_error": 1.0, "balanced_error": 0.7,
}  # fmt: skip


def build(v: Any, training: Training = "erm") -> SpuriousLogistic:
    return SpuriousLogistic(v[0], v[1], v[2], v[3], v[4], v[5:7], v[7], training)


@cache
def batch(training: Training = "erm") -> Any:
    """Prediction, and gradient of a sum of everything, of many settings."""

    def everything(v: Any) -> Any:
        found = build(v, training).predict()
        return sum(jnp.sum(jnp.array(w) * found.quantities[k]) for k, w in WEIGHTS.items()), found

    return jax.jit(jax.vmap(jax.value_and_grad(everything, has_aux=True)))


def at(rows: Any, training: Training = "erm") -> tuple[np.ndarray, Any, np.ndarray]:
    (value, found), slopes = in_chunks(batch(training), np.asarray(rows), 40)
    return value, found, slopes


POINTS = np.array(
    [
        [1.8, 0.01, 0.9, 5.0, 0.5, 0.3, -0.5, 0.12],
        [0.1, 0.0, 0.8, 2.0, 1.0, 0.3, -0.5, 1.0],  # not separable
        [0.5, 0.0, 0.8, 2.0, 1.0, 0.3, -0.5, 0.6],  # separable
    ]
)


def by_differences(training: Training) -> None:
    """Gradients at all points in all fields, by central differences; from a penalty of 0 only upwards."""
    h = 1e-5
    moves = [s * h * np.eye(8)[i] for i in range(8) for s in (-1, 1)]
    rows = [p + move for p in POINTS for move in (0.0 * moves[0], *moves)]
    rows += [p + s * 1e-6 * np.eye(8)[1] for p in POINTS[1:2] for s in (1, 2)]
    value, found, slopes = at(rows, training)
    assert np.all(found.code[:17] == Code.OK) and np.all(found.code[34] == Code.DIVERGES)
    for k in range(3):
        base, moved = value[17 * k], value[17 * k + 1 : 17 * k + 17].reshape(8, 2)
        wanted = (moved[:, 1] - moved[:, 0]) / (2 * h)
        if k == 1:
            wanted[1] = (-1.5 * base + 2.0 * value[51] - 0.5 * value[52]) / 1e-6
        at_zero = k == 2  # where the limit of a penalty is not one of its derivatives
        kept = np.arange(8) != 1 if at_zero else np.full(8, True)
        np.testing.assert_allclose(
            slopes[17 * k][kept], wanted[kept], rtol=1e-4, atol=1e-7, err_msg=f"{training} {k}"
        )
        assert np.all(np.isfinite(slopes[17 * k]))


@pytest.mark.slow
@pytest.mark.parametrize("training", TRAININGS)
def test_derivatives_in_every_number(training: Training) -> None:
    by_differences(training)


@pytest.mark.slow
def test_a_batch_is_a_loop_and_a_bad_lane_spoils_no_other() -> None:
    rows = np.tile(POINTS, (4, 1))
    _, clean, slopes = at(rows)
    for k in range(3):
        alone = build(jnp.asarray(POINTS[k])).predict()
        assert int(alone.code) == clean.code[k]
        assert_same({n: v[k] for n, v in clean.quantities.items()}, dict(alone.quantities), 1e-9)
    bad = rows.copy()
    bad[3, 0], bad[4, 1], bad[5, 2], bad[6, 4], bad[7, 5], bad[8, 7] = (
        np.nan,
        -1.0,
        1.5,
        np.inf,
        -np.inf,
        -0.1,
    )
    _, found, spoilt = at(bad)
    assert np.all(found.code[3:9] == Code.INVALID) and np.all(np.isnan(found.quantities["core"][3:9]))
    others = [0, 1, 2, 9, 10, 11]
    for name, value in found.quantities.items():
        np.testing.assert_array_equal(value[others], clean.quantities[name][others])
    np.testing.assert_array_equal(spoilt[others], slopes[others])


@pytest.mark.slow
def test_a_sweep_over_trainings_and_noise() -> None:
    found = fr.sweep(SpuriousLogistic(*PUBLISHED), {"training": list(TRAININGS), "noise": [0.2, 0.5]})
    for training in TRAININGS:
        for noise in (0.2, 0.5):
            alone = SpuriousLogistic(*PUBLISHED[:4], noise, training=training).predict()
            swept = found.sel(training=training, noise=noise)
            assert float(swept.core) == pytest.approx(float(alone.core), rel=1e-10)
            np.testing.assert_allclose(swept.group_errors, alone.group_errors, rtol=1e-7, atol=1e-12)


GOOD: dict[str, Any] = {"phi": 1.0, "penalty": 0.1, "majority": 0.9, "spurious_scale": 2.0, "noise": 1.0}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"phi": -1.0}, "phi = -1.0: expected a finite number >= 0"),
        ({"penalty": -0.1}, "penalty = -0.1: expected a finite number >= 0"),
        ({"penalty": np.nan}, "penalty = nan"),
        ({"noise": np.inf}, "noise = inf"),
        ({"majority": 1.1}, r"majority = 1.1: expected a share in \[0, 1\]"),
        ({"majority": -0.1}, "majority = -0.1"),
        ({"majority": [0.5, 0.5]}, "majority"),
        ({"feature_std": -0.1}, "feature_std"),
        ({"shift": (-np.inf, 0.0)}, "at probability 0 of its label the loss of a row is infinite"),
        ({"shift": (np.nan, 0.0)}, "finite shifts"),
        ({"shift": (0.0, 0.0, 0.0)}, "two logit shifts, majority and minority"),
        ({"shift": 0.0}, "two logit shifts"),
        ({"shift": np.zeros(2, np.float32)}, "float64"),
        ({"noise": np.float32(1.0)}, "float64"),
        ({"n": 0}, "n = 0: expected a positive whole number"),
        *(
            ({"majority": share, "training": training}, f"nothing to {training} training")
            for share in (0.0, 1.0)
            for training in TRAININGS[1:]
        ),
    ],
)  # fmt: skip
def test_bad_input(change: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidSetting, match=said):
        SpuriousLogistic(**(GOOD | change))


def test_a_simulation_needs_a_row_of_each_group() -> None:
    with pytest.raises(InvalidSetting, match="n = "):
        SpuriousLogistic(**(GOOD | {"n": 5})).simulate(0, 2)
    with pytest.raises(InvalidSetting, match="replicates"):
        SpuriousLogistic(**(GOOD | {"n": 50})).simulate(0, 1)


def test_a_key_is_its_numbers() -> None:
    setting = SpuriousLogistic(**(GOOD | {"n": 60, "training": "memorisation-aware"}))
    first, again, other = (setting.simulate(key, 3) for key in (1, 1, 2))
    np.testing.assert_array_equal(first.values["core"], again.values["core"])
    assert not np.any(first.values["core"] == other.values["core"])
    worst = first.values["group_errors"][:, int(np.argmax(first.mean["group_errors"]))]
    np.testing.assert_array_equal(first.values["worst_group_error"], worst)
