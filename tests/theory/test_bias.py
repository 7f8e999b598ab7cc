"""Group risks and disparities: closed forms, limits, gradients, what is refused, and simulation."""

from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import freeridge as fr
from freeridge.language import read_file
from freeridge.solvers.results import ADVICE, Code

D = 60
# n, ridge, features, share of the first group, noise of both, scale of the second covariance, strength of the
# shift between labelers, weight of the second group, exponent of the first covariance
POINT = np.array([90.0, 0.02, 70.0, 0.7, 0.2, 0.5, 0.6, 0.8, 1.3, 0.7])
FIELDS = ["n", "ridge", "features", "share", "noise 1", "noise 2", "scale", "shift", "weight", "exponent"]


def groups_of(p: Any) -> list[fr.Population]:
    truth = fr.RandomVector(fr.Isotropic(D, 1 / D))
    other = truth + fr.RandomVector(fr.Isotropic(D, p[7] / D))
    return [
        fr.Population(fr.PowerLaw(D, p[9]), truth, p[4], p[3]),
        fr.Population(fr.Isotropic(D, p[6]), other, p[5], 1.0 - p[3], weight=p[8]),
    ]


def setting_of(p: Any, plain: bool) -> fr.BiasAmplification:
    return fr.BiasAmplification(groups_of(p), p[0], p[1], None if plain else p[2])


@cache
def compiled(plain: bool) -> Any:
    return jax.jit(jax.vmap(lambda p: setting_of(p, plain).predict()))


def predict_many(rows: Any, plain: bool) -> fr.Prediction:
    """All rows of one test in a call of 32: one compilation for all tests."""
    filled = np.resize(np.asarray(rows, float), (32, len(POINT)))
    found: fr.Prediction = jax.tree.map(lambda leaf: np.asarray(leaf)[: len(rows)], compiled(plain)(filled))
    return found


def changed(**fields: float) -> np.ndarray:
    point = POINT.copy()
    for name, value in fields.items():
        point[FIELDS.index(name.replace("_", " "))] = value
    return point


@pytest.mark.slow
def test_isotropic_groups_without_ridge() -> None:
    rows = [
        changed(n=n, ridge=0.0, share=p, scale=1.0, weight=1.0, exponent=0.0)
        for n, p in ((300.0, 0.6), (90.0, 0.9), (100.0, 0.5), (65.0, 0.95))
    ]
    found = predict_many(rows, plain=True)
    assert found.ok
    for k, (n, p) in enumerate(np.array(rows)[:, [0, 3]]):
        shares, noise, shift = np.array([p, 1 - p]), POINT[[4, 5]], POINT[7]
        phi, own = D / n, D / (n * shares)
        # Strong Model Collapse, corollary 1, with either group as the real one.
        common = phi / (1 - phi) * (shares @ noise + p * (1 - p) * shift)
        np.testing.assert_allclose(found.group_risks[k], common + shares[::-1] ** 2 * shift, rtol=1e-11)
        np.testing.assert_allclose(found.odd[k], abs(1 - 2 * p) * shift, rtol=1e-9, atol=1e-12)
        strength = np.array([1.0, 1.0 + shift])
        interpolated = strength * (1 - 1 / own) + noise / (own - 1)
        np.testing.assert_allclose(
            found.own_risks[k], np.where(own < 1, noise * own / (1 - own), interpolated), rtol=1e-11
        )


@pytest.mark.slow
def test_risks_are_those_of_the_mixture_theorem() -> None:
    setting = setting_of(POINT, False)
    found = predict_many([POINT], plain=False)
    for s, group in enumerate(setting.groups):
        joint = fr.RidgeMixture(setting.groups, 90, 0.02, features=70).predict(test=s)
        only = fr.Population(group.covariance, group.labeler, group.noise_variance, 1.0, group.weight)
        own = fr.RidgeMixture([only], 90 * float(group.share), 0.02, features=70).predict()
        for kind, one in (("group", joint), ("own", own)):
            for name, value in (
                ("risks", one.risk),
                ("biases", one.bias + one.mismatch),
                ("variances", one.variance),
            ):
                np.testing.assert_allclose(getattr(found, f"{kind}_{name}")[0, s], value, rtol=1e-11)
    np.testing.assert_allclose(found.worst_group_risk, found.group_risks.max(axis=1))
    np.testing.assert_allclose(found.add, found.odd / found.edd)
    assert found.residual[0] < 1e-11 and found.message == "certified"


@pytest.mark.slow
def test_vmap_is_the_loop() -> None:
    rows = [POINT, changed(n=30.0), changed(ridge=1e-6, features=200.0)]
    many = predict_many(rows, plain=False)
    for k, row in enumerate(rows):
        one = setting_of(row, False).predict()
        for name, value in one.quantities.items():
            np.testing.assert_allclose(many.quantities[name][k], value, rtol=1e-11, err_msg=name)


@pytest.mark.parametrize("plain", [pytest.param(True, marks=pytest.mark.slow), False])
def test_equal_groups(plain: bool) -> None:
    equal = {"share": 0.5, "noise_2": 0.2, "scale": 1.0, "shift": 0.0, "weight": 1.0, "exponent": 0.0}
    found = predict_many([changed(**equal), changed(**{**equal, "share": 0.8})], plain)
    np.testing.assert_allclose(found.odd, 0.0, atol=1e-14)
    np.testing.assert_array_equal(found.code, [Code.UNDEFINED, Code.OK])
    assert np.isnan(found.add[0]) and np.isnan(found.signed_add[0])
    assert all(np.all(np.isfinite(v)) for name, v in found.quantities.items() if "add" not in name)
    assert not found.ok and "EDD = 0" in found.message
    assert found.edd[1] > 0.01 and found.add[1] < 1e-12  # fewer rows alone make the own model worse


def test_worst_code_speaks() -> None:
    for codes, worst in (
        ([0, 4], Code.UNDEFINED),
        ([4, 1, 0], Code.DIVERGES),
        ([4, 3, 2], Code.NOT_CERTIFIED),
    ):
        found = fr.Prediction({}, jnp.zeros(len(codes)), jnp.asarray(codes))
        assert found.message == ADVICE[worst]
    assert set(ADVICE) == set(Code)


def test_one_group_is_the_single_population() -> None:
    truth = fr.RandomVector(fr.Isotropic(D, 1 / D))
    group = fr.Population(fr.PowerLaw(D, 1.0), truth, 0.3, 1.0)
    found = fr.BiasAmplification([group], 90, [0.0, 0.1]).predict()
    single = fr.RidgeMixture([group], 90, [0.0, 0.1]).predict()
    for name in ("group_risks", "own_risks"):
        np.testing.assert_allclose(found.quantities[name], single.risk[:, None], rtol=1e-12)
    np.testing.assert_allclose(found.worst_group_risk, single.risk, rtol=1e-12)
    np.testing.assert_array_equal(found.odd, 0.0)
    np.testing.assert_array_equal(found.code, Code.UNDEFINED)


def test_order_of_groups_flips_signs() -> None:
    groups = groups_of(POINT)
    one, other = (fr.BiasAmplification(order, 90, 0.02, 70).predict() for order in (groups, groups[::-1]))
    for name, sign in (("odd", 1), ("edd", 1), ("add", 1), ("signed_odd", -1), ("signed_edd", -1)):
        np.testing.assert_allclose(one.quantities[name], sign * other.quantities[name], rtol=1e-11)
    np.testing.assert_allclose(one.signed_add, other.signed_add, rtol=1e-11)
    np.testing.assert_allclose(one.group_risks, other.group_risks[::-1], rtol=1e-11)


@pytest.mark.slow
@pytest.mark.parametrize("plain", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_gradients_are_finite_differences(plain: bool) -> None:
    def numbers(prediction: Any) -> Any:
        return jnp.concatenate([jnp.ravel(value) for _, value in sorted(prediction.quantities.items())])

    fields = [k for k in range(len(POINT)) if not (plain and FIELDS[k] == "features")]
    steps = 1e-5 * POINT
    rows = [POINT + sign * np.eye(len(POINT))[k] * steps[k] for k in fields for sign in (1, -1)]
    found = predict_many(rows, plain)
    values = np.concatenate(
        [value.reshape(len(rows), -1) for _, value in sorted(found.quantities.items())], axis=1
    )
    differences = ((values[::2] - values[1::2]) / (2 * steps[fields][:, None])).T
    exact = jax.jit(jax.jacfwd(lambda p: numbers(setting_of(p, plain).predict())))(POINT)
    scale = np.max(np.abs(differences), axis=0)
    np.testing.assert_allclose(exact[:, fields] / scale, differences / scale, atol=2e-8)


@pytest.mark.slow
def test_gradients_survive_an_undefined_ratio() -> None:
    equal = changed(share=0.5, noise_2=0.2, scale=1.0, shift=0.0, weight=1.0, exponent=0.0)

    def kept(p: Any) -> Any:
        found = setting_of(p, True).predict()
        return jnp.sum(found.group_risks) + found.odd + found.edd

    assert np.all(np.isfinite(jax.jit(jax.grad(kept))(equal)))


def test_thresholds_diverge_with_their_code() -> None:
    # Each group alone meets n_s = features, both together do not; then the joint model does.
    rows = [changed(ridge=0.0, n=80.0, share=0.5, features=40.0), changed(ridge=0.0, n=40.0, features=40.0)]
    found = predict_many(rows, plain=False)
    np.testing.assert_array_equal(found.code, Code.DIVERGES)
    assert np.all(np.isinf(found.own_risks[0])) and np.isnan(found.edd[0]) and np.isnan(found.add[0])
    assert np.all(np.isfinite(found.group_risks[0])) and np.isfinite(found.odd[0])
    assert found.edd[1] > 0 and np.isfinite(found.edd[1])
    assert np.all(np.isinf(found.group_risks[1])) and np.isnan(found.odd[1]) and np.isnan(found.add[1])
    one = predict_many([changed(ridge=0.0, n=64.0, share=0.625, features=40.0)], plain=False)
    assert np.isinf(one.own_risks[0, 0]) and np.isinf(one.edd[0]) and one.signed_edd[0] == -np.inf
    assert one.add[0] == 0.0 and one.code[0] == Code.DIVERGES and "infinite" in one.message


def test_three_groups_take_the_extremes() -> None:
    first, last = groups_of(POINT)
    middle = fr.Population(fr.Isotropic(D, 3.0), 2.0 * first.labeler, 2.0, 0.2)
    groups = [first, middle, fr.Population(last.covariance, last.labeler, last.noise_variance, 0.1)]
    found = fr.BiasAmplification(groups, 120, [0.01, 0.1]).predict()
    risks, own = np.asarray(found.group_risks), np.asarray(found.own_risks)
    assert risks.shape == own.shape == (2, 3)
    np.testing.assert_allclose(found.odd, risks.max(axis=1) - risks.min(axis=1))
    np.testing.assert_allclose(found.edd, own.max(axis=1) - own.min(axis=1))
    np.testing.assert_allclose(found.signed_odd, risks[:, 2] - risks[:, 0])
    assert np.all(found.odd > np.abs(found.signed_odd))


def test_sweep_keeps_what_is_defined() -> None:
    setting = setting_of(changed(share=0.5, scale=1.0, shift=0.0, weight=1.0, exponent=0.0), True)
    grid = fr.sweep(setting, {"groups.1.noise_variance": [0.1, 0.2, -1.0]})
    np.testing.assert_array_equal(grid.code, [Code.OK, Code.UNDEFINED, Code.INVALID])
    np.testing.assert_array_equal(np.isnan(grid["add"]), [False, True, True])
    np.testing.assert_array_equal(np.isnan(grid.odd), [False, False, True])
    assert "UNDEFINED" in grid.code.attrs["flag_meanings"]


@pytest.mark.slow
def test_example_file() -> None:
    description = read_file(Path(__file__).parents[2] / "examples" / "bias-amplification.toml")
    values = description.values(description.names())
    setting = description.build(values)
    assert isinstance(setting, fr.BiasAmplification) and setting.predict().ok
    axes = description.values(description.names(), description.sweep)
    assert {name: len(axes[name]) for name in axes} == {"features": 25, "ridge": 3}


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"groups": []}, "groups"),
        ({"groups": groups_of(POINT)[0]}, "groups"),
        ({"groups": [1]}, "groups"),
        ({"groups": groups_of(changed(share=1.0))}, "share"),
        ({"groups": groups_of(POINT)[:1]}, "share"),
        ({"n": 0.0}, "n"),
        ({"ridge": -1.0}, "ridge"),
        ({"features": 0.0}, "features"),
        ({"step_size": 0.1}, "step_size"),
        ({"time": -1.0}, "time"),
        ({"time": [1.0, 2.0], "ridge": [0.1, 0.2]}, "ridge"),
    ],
)
def test_refused_at_the_door(fields: dict[str, Any], name: str) -> None:
    with pytest.raises(fr.InvalidSetting) as caught:
        fr.BiasAmplification(**{"groups": groups_of(POINT), "n": 90, "ridge": 0.1, **fields})
    assert caught.value.field == name


def drawn(shares: tuple[float, ...], n: int, features: int | None) -> fr.BiasAmplification:
    """Two or three groups that differ in everything, without ridge and with one."""
    d = 200
    truth = fr.RandomVector(fr.Isotropic(d, 1 / d))
    other = truth + fr.RandomVector(fr.Isotropic(d, 0.5 / d))
    covariances = (fr.PowerLaw(d, 0.5, trace=d), fr.Isotropic(d, 0.6), fr.TwoAtoms(d, (2.0, 0.3), 0.25))
    about = zip(covariances, (truth, other, 0.7 * truth), (0.2, 0.5, 1.0), shares, strict=False)
    return fr.BiasAmplification([fr.Population(*group) for group in about], n, [0.0, 0.1], features)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shares", "n", "features"),
    [
        ((0.7, 0.3), 500, None),
        ((0.7, 0.3), 500, 320),
        ((0.5, 0.3, 0.2), 600, 160),
        ((0.99, 0.01), 1000, None),
        ((0.99, 0.01), 1000, 400),
    ],
)
def test_simulation_agrees(shares: tuple[float, ...], n: int, features: int | None) -> None:
    # Few replicates: their error is to stay above the bias of the finite dimension.
    agreement = fr.validate(drawn(shares, n, features), replicates=6, key=1)
    assert set(agreement.z) == set(drawn(shares, n, features).predict().quantities)
    scores = np.concatenate([np.ravel(score) for score in agreement.scores.values()])
    assert np.nanmax(np.abs(scores)) < 4.0, agreement


def test_simulation_is_fixed_by_its_key_and_pairs_the_groups() -> None:
    setting = drawn((0.7, 0.3), 500, 320)
    one, same, other = (setting.simulate(key, 5) for key in (1, 1, 2))
    for name, value in one.mean.items():
        np.testing.assert_array_equal(value, same.mean[name])
        assert np.any(value != other.mean[name])
    joint = [setting.mixture().simulate(1, 5, test=s).values["risk"] for s in range(2)]
    np.testing.assert_array_equal(one.values["group_risks"], np.stack(joint, axis=-1))
    # Without ridge the variances of both groups come from one inverse: the same draws, or they would not go
    # together.
    variances = one.values["group_variances"][:, 0]
    assert np.corrcoef(variances.T)[0, 1] > 0.9
    paired = np.diff(one.values["group_risks"], axis=-1)[..., 0]
    np.testing.assert_allclose(one.signed_odd, paired.mean(axis=0))
    np.testing.assert_allclose(one.standard_error["odd"], paired.std(axis=0, ddof=1) / np.sqrt(5))
    np.testing.assert_allclose(
        one.standard_error["edd"], np.linalg.norm(one.standard_error["own_risks"], axis=-1)
    )
    np.testing.assert_allclose(
        one.standard_error["add"] / one.add,
        np.hypot(one.standard_error["odd"] / one.odd, one.standard_error["edd"] / one.edd),
    )
    assert one.sizes == {"n": 500, "d": 200, "features": 320}


def test_simulation_of_one_group_has_no_ratio() -> None:
    group = groups_of(changed(share=1.0))[0]
    estimate = fr.BiasAmplification([group], 90, 0.1).simulate(1, 3)
    assert estimate.odd == estimate.edd == estimate.standard_error["odd"] == 0.0
    assert np.isnan(estimate.add) and np.isnan(estimate.standard_error["add"])


def test_shares_that_are_no_rows_are_not_drawn() -> None:
    with pytest.raises(fr.InvalidSetting, match="whole number"):
        setting_of(changed(share=0.701), True).simulate(1, 2)
