"""Minority groups: closed forms of the infinite-width risks against the solver and against drawn data, and
what width, share and noise do to the gap.
"""

import dataclasses
import subprocess
import sys
from functools import cache
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import freeridge as fr
from freeridge.solvers.results import Code
from freeridge.theory.minority_formulas import Block, Risks, effective_ridge, identified, interpolating

# Core, majority's and minority's extraneous dimensions.
DIMENSIONS = ((60, 20, 20), (30, 50, 10))


@cache
def solver(dimensions: tuple[int, int, int]) -> Any:
    """Risks of both groups without ridge and projections for rows of isotropic settings, as one batch."""
    dc, d1, d2 = dimensions

    def risks(a: Any, b1: Any, b2: Any, n: Any, p: Any, noise: Any, minority_noise: Any, signal: Any) -> Any:
        setting = fr.MinorityGroups(
            fr.Isotropic(dc, a), fr.Isotropic(d1, b1), n, p, noise, 0.0, None, minority_noise,
            fr.Isotropic(d2, b2), signal,
        )  # fmt: skip
        found = [setting.amplification().mixture().predict(test=s) for s in range(2)]
        return jnp.stack([one.risk for one in found]), jnp.stack([one.code for one in found])

    return jax.jit(jax.vmap(risks))


def left_for_the_core(rows: Any, d1: float, d2: float) -> list[float]:
    return [max(rows[0] - d1, 0.0), max(rows[1] - d2, 0.0)]


def regime(dc: float, left: list[float]) -> str:
    """Whether the core is identified, and which groups have rows left for it."""
    return ("core" if sum(left) > dc else "none") + "".join(str(s + 1) for s in range(2) if left[s] > 0)


def closed_form(core: Block, extraneous: Any, rows: Any, noise: Any, signal: float = 0.0) -> Risks:
    left = left_for_the_core(rows, extraneous[0].d, extraneous[1].d)
    if sum(left) > core.d:
        return identified(core.d, extraneous, rows, noise, signal)
    return interpolating(core, extraneous, rows, noise, signal)


def test_closed_forms_are_the_solver_in_every_regime() -> None:
    rng, count, seen = np.random.default_rng(0), 500, set()
    for dc, d1, d2 in DIMENSIONS:
        variances = np.exp(rng.normal(size=(3, count)))
        variances[1:, ::4] = variances[0, ::4]  # where the quartic is a quadratic
        n = np.exp(rng.uniform(np.log(10), np.log(1000), count))
        p = np.exp(rng.uniform(np.log(1e-3), np.log(0.99), count))
        noise, signal = rng.uniform(0, 1, (2, count)), rng.choice([0.0, 0.5], count)
        risks, codes = solver((dc, d1, d2))(*variances, n, p, *noise, signal)
        assert np.all(codes == 0)
        for k in range(count):
            (a, b1, b2), rows = variances[:, k], (n[k] * (1 - p[k]), n[k] * p[k])
            extraneous = Block((b1,), (d1,)), Block((b2,), (d2,))
            found = closed_form(Block((a,), (dc,)), extraneous, rows, tuple(noise[:, k]), signal[k])
            np.testing.assert_allclose(found, risks[k], rtol=1e-10)
            seen.add(regime(dc, left_for_the_core(rows, d1, d2)))
    assert seen == {"core12", "core1", "core2", "none12", "none1", "none2", "none"}


CORE, EXTRANEOUS = fr.PowerLaw(40, 1.0), fr.TwoAtoms(20, (2.0, 0.5), 0.25)
PAIR = Block((2.0, 0.5), (5.0, 15.0))
WIDE = fr.MinorityGroups(CORE, EXTRANEOUS, 200, 0.05, 0.3, ridge=0.01, features=300, extraneous_signal=0.4)


def shares_of(setting: fr.MinorityGroups, shares: Any, **fields: Any) -> fr.Prediction:
    """The setting at many minority shares; compiled once for batches of one size."""
    axes = {"minority_share": shares, **fields}
    return _compiled(setting, {name: jnp.asarray(values) for name, values in axes.items()})


@eqx.filter_jit
def _compiled(setting: fr.MinorityGroups, axes: dict[str, Any]) -> fr.Prediction:
    return jax.vmap(lambda row: dataclasses.replace(setting, **row).predict())(axes)


@pytest.mark.slow
def test_power_law_core_and_diatomic_extraneous_features() -> None:
    shares = np.array([0.5, 0.35, 0.09, 0.05, 0.01, 0.001])
    found = shares_of(WIDE.infinite_width(), shares)
    for k, p in enumerate(shares):
        expected = identified(40, (PAIR, PAIR), (200 * (1 - p), 200 * p), (0.3, 0.3), 0.4)
        np.testing.assert_allclose(found.group_risks[k], expected, rtol=1e-10)
        np.testing.assert_allclose(found.gap[k], expected.gap, rtol=1e-9, atol=1e-13)
    assert np.all(found.code[1:] == Code.OK) and found.code[0] == Code.UNDEFINED


@pytest.mark.slow
def test_the_gap_reaches_its_limit_at_rate_one_over_width() -> None:
    widths = np.array([1e2, 1e3, 3e3, 1e4, 1e5, 1e6])
    for setting in (WIDE, dataclasses.replace(WIDE, n=50.0)):  # core identified; all rows interpolated
        wide = shares_of(setting, np.full(6, 0.05), features=widths * setting.d)
        limit = setting.infinite_width().predict()
        assert wide.ok and limit.ok and limit.gap != 0
        scaled = (wide.gap - limit.gap) * widths
        assert np.all(np.abs(scaled / scaled[-1] - 1) < 30 / widths)
        plain = dataclasses.replace(setting, features=None, ridge=0.01 / 1e6).predict()
        assert abs(plain.gap - wide.gap[-1]) < 1e-4 * abs(wide.gap[-1])


@pytest.mark.slow
def test_equal_groups_have_no_gap() -> None:
    found = shares_of(WIDE, np.full(6, 0.5), features=[5.0, 80.0, 150.0, 200.0, 9e3, 9e6])
    assert np.all(np.abs(found.gap) < 1e-14) and np.all(found.code == Code.UNDEFINED)
    block = Block((0.7,), (20.0,))
    assert closed_form(Block((1.0,), (40.0,)), (block, block), (100, 100), (0.3, 0.3)).gap == 0
    assert abs(closed_form(Block((1.0,), (40.0,)), (block, block), (15, 15), (0.3, 0.3)).gap) < 1e-15


def test_noise_and_extraneous_features_alone_make_a_gap() -> None:
    """(V_2 - V_1)(C + noise): positive when n_1 n_2 > d_e^2, negative below, nothing without noise."""
    block, n = Block((1.0,), (20.0,)), 200.0
    for p in (0.4, 0.15, 0.05, 0.011, 0.01, 0.001):
        rows = (n * (1 - p), n * p)
        found = identified(40, (block, block), rows, (0.3, 0.3))
        v1, v2 = 20 / (rows[0] - 20), min(rows[1], 20) / abs(rows[1] - 20)
        left = sum(left_for_the_core(rows, 20, 20))
        assert np.isclose(found.gap, (v2 - v1) * (40 / (left - 40) * 0.3 + 0.3), rtol=1e-12)
        assert (found.gap > 0) == (rows[0] * rows[1] > 20**2)
        assert identified(40, (block, block), rows, (0.0, 0.0)) == (0.0, 0.0)
    assert identified(40, (block, block), (180, 20), (0.3, 0.3)).minority == np.inf
    # A vanishing minority: its extraneous weights vanish, the majority keeps the noise in its own.
    last = identified(40, (block, block), (n, 1e-9), (0.3, 0.3), extraneous_signal=0.4)
    core = 40 / 140 * 0.3
    np.testing.assert_allclose(last, (20 / 180 * 0.3 + 200 / 180 * core, core + 0.4), rtol=1e-9)


def test_without_noise_a_gap_is_left_where_the_core_is_not_identified() -> None:
    rows = np.array([140.0, 100.0, 60.0, 30.0])
    ones = np.ones(4)
    risks, codes = solver(DIMENSIONS[0])(*np.ones((3, 4)), rows, 0.1 * ones, *np.zeros((3, 4)))
    gaps = risks[:, 1] - risks[:, 0]
    assert np.all(codes == 0)
    assert abs(gaps[0]) < 1e-20  # 126 - 20 rows for 60 core features
    assert abs(gaps[1]) < 1e-20 and np.all(np.abs(gaps[2:]) > 1e-3)


def drawn(make: Any, key: int, replicates: int) -> dict[str, tuple[Any, Any]]:
    """Measured means and standard errors: from two sizes, so that the bias of order 1 / d cancels."""
    full, half = make(1).simulate(key, replicates), make(2).simulate(key + 1, 2 * replicates)
    return {
        name: (
            2.0 * full.mean[name] - half.mean[name],
            np.hypot(2.0 * full.standard_error[name], half.standard_error[name]),
        )
        for name in ("gap", "group_risks", "own_risks")
    }


# n, share, core dimension; both extraneous blocks have dimension 120.
SIMULATED = {
    "core12": (1000, 0.4, 100),
    "core1": (800, 0.025, 100),
    "none12": (600, 0.4, 500),
    "none1": (400, 0.1, 400),
    "none": (120, 0.25, 200),
}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name in ("core12", "none1") else pytest.mark.slow) for name in SIMULATED],
)
def test_closed_forms_are_what_drawn_data_give(name: str) -> None:
    n, p, dc = SIMULATED[name]

    def make(fold: int) -> fr.MinorityGroups:
        core, extraneous = fr.Isotropic(dc // fold, 1.5), fr.Isotropic(120 // fold, 0.7)
        return fr.MinorityGroups(
            core, extraneous, n / fold, p, 0.2, ridge=0.1, features=10, minority_noise_variance=0.3
        ).infinite_width()

    block, rows = Block((0.7,), (120.0,)), (n * (1 - p), n * p)
    assert regime(dc, left_for_the_core(rows, 120, 120)) == name
    expected = closed_form(Block((1.5,), (float(dc),)), (block, block), rows, (0.2, 0.3))
    found = drawn(make, key=1, replicates=12)
    risks, errors = found["group_risks"]
    z = np.append((risks - np.array(expected)) / errors, (found["gap"][0] - expected.gap) / found["gap"][1])
    assert np.all(np.abs(z) < 3), z


@pytest.mark.slow
def test_projections_are_what_drawn_data_give() -> None:
    def make(fold: int) -> fr.MinorityGroups:
        core, extraneous = fr.TwoAtoms(80 // fold, (2.0, 0.5), 0.25), fr.TwoAtoms(40 // fold, (2.0, 0.5), 0.5)
        return fr.MinorityGroups(
            core, extraneous, 400 / fold, 0.2, 0.3, ridge=0.05, features=300 / fold, extraneous_signal=0.4
        )

    predicted = make(1).predict()
    assert predicted.ok and predicted.gap == predicted.signed_odd
    for name, (mean, error) in drawn(make, key=2, replicates=30).items():
        z = (mean - predicted.quantities[name]) / error
        assert np.all(np.abs(z) < 3), (name, z)


@pytest.mark.slow
def test_the_slope_of_the_gap_in_the_share_is_its_difference_quotient() -> None:
    def gap(p: Any, features: Any) -> Any:
        return dataclasses.replace(WIDE, minority_share=p, features=features).predict().gap

    shares = jnp.array([0.3, 0.02, 0.002, 0.3, 0.02, 0.002])
    features = jnp.array([50.0, 50.0, 50.0, 500.0, 500.0, 500.0])
    slopes = jax.jit(jax.vmap(jax.grad(gap)))(shares, features)
    step = 1e-5 * shares
    up, down = (shares_of(WIDE, shares + sign * step, features=features).gap for sign in (1.0, -1.0))
    np.testing.assert_allclose(slopes, (up - down) / (2 * step), rtol=1e-6)


def test_share_and_width_are_swept_with_every_point_certified() -> None:
    shares = np.geomspace(0.5, 0.001, 9)
    grid = fr.sweep(WIDE, {"minority_share": shares, "features": 200 * np.logspace(-1, 3, 9)})
    assert np.all(grid.residual <= 1e-11) and np.all(np.isfinite(grid.gap))
    # With half of the rows each the groups are equal, so that the ratio ADD alone is undefined.
    assert np.all(grid.code[1:] == Code.OK) and np.all(grid.code[0] == Code.UNDEFINED)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"minority_share": 0.0}, r"minority_share = 0.0: expected a share inside \(0, 1\)"),
        ({"minority_share": 1.0}, r"minority_share = 1.0: expected a share inside \(0, 1\)"),
        ({"ridge": -0.1}, "ridge = -0.1: expected a finite number >= 0"),
        ({"n": 0.0}, "n = 0.0: expected a number of training rows > 0"),
        ({"features": 0.0}, "features = 0.0: expected a number of random projections > 0"),
        ({"noise_variance": -1.0}, "noise_variance = -1.0"),
        ({"minority_noise_variance": -1.0}, "minority_noise_variance = -1.0"),
        ({"extraneous_signal": -1.0}, "extraneous_signal = -1.0"),
    ],
)
def test_bad_fields_are_named(fields: Any, message: str) -> None:
    with pytest.raises(fr.InvalidSetting, match=message):
        dataclasses.replace(WIDE, **fields)


def test_blocks_that_are_not_diagonal_are_named() -> None:
    """In a fresh interpreter, without the type checks of this test suite, which would answer first."""
    code = """if True:
        import jax
        jax.config.update("jax_enable_x64", True)
        import freeridge as fr
        one, full = fr.Isotropic(2), fr.Dense([[2.0, 1.0], [1.0, 2.0]])
        for name in ("core", "extraneous", "minority_extraneous"):
            fields = {"core": one, "extraneous": one, name: full}
            try:
                fr.MinorityGroups(n=10, minority_share=0.1, noise_variance=0.1, ridge=0.1, **fields)
            except fr.InvalidSetting as error:
                print(error.field, error.expected)
    """
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    names = ("core", "extraneous", "minority_extraneous")
    assert said.splitlines() == [f"{name} a diagonal covariance such as Isotropic(d)" for name in names]


def test_closed_forms_refuse_what_they_do_not_cover() -> None:
    three, one = Block((1.0, 2.0, 3.0), (9.0, 9.0, 9.0)), Block((1.0,), (20.0,))
    assert effective_ridge(three, 30) == 0.0
    with pytest.raises(fr.InvalidSetting, match="extraneous = .*one or two distinct"):
        effective_ridge(three, 10)
    with pytest.raises(fr.InvalidSetting, match="rows = .*more than 60 rows left for the core, not 40"):
        identified(60, (one, one), (40, 40), (0.1, 0.1))
    with pytest.raises(fr.InvalidSetting, match="rows = .*fewer than 60 rows left for the core, not 160"):
        interpolating(Block((1.0,), (60.0,)), (one, one), (100, 100), (0.1, 0.1))
    with pytest.raises(fr.InvalidSetting, match="blocks = .*isotropic blocks"):
        interpolating(PAIR, (one, one), (10, 10), (0.1, 0.1))
