"""Exact risks given X and S against dense formulas written independently, and the law of the draws."""

from typing import Any

import numpy as np
import pytest

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.kernels import NUMPY, Matrix, NumpyDraws
from freeridge.solvers.ridge_modes import Sample, draw_sample, narrow_mixing, ridge_modes
from freeridge.solvers.ridge_path import LabelSource, RidgeExperiment, _cast, exact_risks, simulate_ridge_path
from freeridge.solvers.ridge_risks import risk_paths

D = 12
PARTS = ("risk", "bias", "variance", "mismatch")
RIDGES = np.array([0.0, 1e-9, 1e-3, 0.1, 10.0])


def dense_matrix(rng: np.random.Generator) -> Any:
    a = rng.standard_normal((D, D))
    return a @ a.T / D + 0.1 * np.eye(D)


def make(name: str, counts: tuple[int, ...], features: int | None, ridges: Any = RIDGES) -> RidgeExperiment:
    """Experiments of growing generality: isotropic, diagonal, dense factors; random and fixed labelers."""
    rng = np.random.default_rng(len(counts) + 7)
    groups = len(counts)
    noise = np.array([0.3, 0.0, 0.8])[:groups]
    if name == "isotropic":
        factors: tuple[Any, ...] = (np.ones(D),) * groups
        test, moments, fixed = np.ones(D), [np.full(D, 1.5), np.full(D, 0.4)], None
        noise = np.full(groups, 0.5)
    elif name == "diagonal":
        factors = tuple(rng.uniform(0.3, 2, D) for _ in counts)
        test, moments, fixed = factors[0] ** 2, [rng.uniform(0, 1, D), np.full(D, 0.4)], None
    else:
        factors = tuple(rng.standard_normal((D, D)) for _ in counts)
        test, moments = dense_matrix(rng), [dense_matrix(rng), rng.uniform(0, 1, D)]
        fixed = rng.standard_normal((D, groups + 1))
    sources = (
        LabelSource(rng.standard_normal(groups), 0.7, moments[0]),
        LabelSource(np.arange(groups) * 1.0, 0.0, moments[1]),
        LabelSource(np.full(groups, 0.6), 0.6, moments[1]),
    )
    return RidgeExperiment(factors, counts, noise, ridges, test, sources, fixed, features)


def draw(experiment: RidgeExperiment, seed: int = 0) -> tuple[tuple[Any, ...], Any]:
    rng = np.random.default_rng(seed)
    rows = []
    for factor, count in zip(experiment.factors, experiment.counts, strict=True):
        z = rng.standard_normal((count, D))
        rows.append(z * factor if factor.ndim == 1 else z @ factor.T)
    m = experiment.features
    return tuple(rows), None if m is None else rng.standard_normal((D, m)) / np.sqrt(D)


def full(matrix: Any) -> Any:
    return np.diag(matrix) if np.ndim(matrix) == 1 else matrix


def dense_risks(e: RidgeExperiment, rows: tuple[Any, ...], mixing: Any) -> dict[str, Any]:
    """The same averages from explicit d x d error operators, one ridge at a time."""
    n, x, s = e.samples, np.concatenate(rows), np.eye(D) if mixing is None else mixing
    test = full(e.test)
    groups = len(rows)
    fixed = np.zeros((D, groups + 1)) if e.fixed is None else e.fixed
    result: dict[str, list[float]] = {part: [] for part in PARTS}
    for ridge in e.ridges:
        # Least squares with rows sqrt(ridge) I below, by SVD: w_hat = solver @ labels, no squared condition.
        stacked = np.vstack([x @ s / np.sqrt(n), np.sqrt(ridge) * np.eye(s.shape[1])])
        solver = s @ np.linalg.pinv(stacked, rcond=1e-11)[:, :n] / np.sqrt(n)
        starts = np.cumsum([0, *e.counts])
        blocks = [solver[:, a:b] for a, b in zip(starts[:-1], starts[1:], strict=True)]
        q = [block @ x_s for block, x_s in zip(blocks, rows, strict=True)]  # w_s -> its part of E w_hat

        def labels(coefficients: Any, tested: float, moment: Any, vectors: Any, q: Any = q) -> float:
            error = sum(c * a for c, a in zip(coefficients, q, strict=True)) - tested * np.eye(D)
            vector = sum(a @ w for a, w in zip(q, vectors.T, strict=False)) - vectors[:, -1]
            return float(np.trace(error.T @ test @ error @ moment) + vector @ test @ vector)

        none = np.zeros((D, groups + 1))
        noise_free = labels(np.zeros(groups), 0.0, np.eye(D), fixed)
        bias = labels(np.zeros(groups), 0.0, np.eye(D), np.repeat(fixed[:, -1:], groups + 1, axis=1))
        for source in e.sources:
            noise_free += labels(source.train, source.test, full(source.moment), none)
            bias += labels(np.full(groups, source.test), source.test, full(source.moment), none)
        variance = sum(v * np.trace(b.T @ test @ b) for v, b in zip(e.noise_variances, blocks, strict=True))
        parts = {"risk": noise_free + variance, "bias": bias, "variance": variance}
        parts["mismatch"] = noise_free - bias
        for part in PARTS:
            result[part].append(float(parts[part]))
    return {part: np.array(values) for part, values in result.items()}


REGIMES = [
    ((20, 25), None),  # n > d
    ((20, 0), None),  # a population without rows
    ((5, 4), None),  # n < d
    ((12,), None),  # n = d
    ((20, 25), 8),  # m < d < n
    ((20, 25), 30),  # d < m, d < n
    ((20, 25), 12),  # m = d
    ((5, 4), 30),  # n < d < m
    ((5, 4), 10),  # n < m < d
    ((5, 4), 6),  # m < n < d
    ((3, 2, 30), 8),
    ((3, 20, 30), None),
]


@pytest.mark.parametrize("name", ["isotropic", "diagonal", "dense"])
@pytest.mark.parametrize(("counts", "features"), REGIMES)
def test_equal_to_dense_formulas(name: str, counts: tuple[int, ...], features: int | None) -> None:
    experiment = make(name, counts, features)
    rows, mixing = draw(experiment)
    ours, dense = exact_risks(experiment, rows, mixing), dense_risks(experiment, rows, mixing)
    for part in PARTS:
        # The dense formulas subtract: their error is relative to the largest term. At n = d and ridge 0 the
        # Gram matrix squares a condition number of 1e3 to 1e4.
        scale = 1e-11 * np.abs(dense["risk"]).max()
        rtol = 1e-8 if counts == (12,) else 1e-9
        np.testing.assert_allclose(ours[part], dense[part], rtol=rtol, atol=scale, err_msg=part)


def test_naive_simulation_averages_to_the_exact_risk() -> None:
    # The whole procedure as a user would write it: sample labelers and noise, fit by least squares, measure.
    experiment = make("diagonal", (14, 10), 20, np.array([0.05]))
    rows, mixing = draw(experiment)
    rng, x, n = np.random.default_rng(3), np.concatenate(rows), experiment.samples
    z = x @ mixing
    roots = [np.sqrt(source.moment) for source in experiment.sources]
    noise = np.sqrt(np.repeat(experiment.noise_variances, experiment.counts))
    risks = []
    for _ in range(4000):
        vectors = [root * rng.standard_normal(D) for root in roots]
        labels = noise * rng.standard_normal(n)
        for s, rows_s in enumerate(rows):
            start = sum(experiment.counts[:s])
            labeler = sum(a.train[s] * u for a, u in zip(experiment.sources, vectors, strict=True))
            labels[start : start + len(rows_s)] += rows_s @ labeler
        w = mixing @ np.linalg.solve(z.T @ z / n + 0.05 * np.eye(20), z.T @ labels / n)
        error = w - sum(a.test * u for a, u in zip(experiment.sources, vectors, strict=True))
        risks.append(error @ (experiment.test * error))
    exact = exact_risks(experiment, rows, mixing)["risk"][0]
    assert abs(np.mean(risks) - exact) < 4 * np.std(risks) / 4000**0.5


@pytest.mark.parametrize("counts", [(8, 0, 30), (6, 5, 0), (30, 3, 2)])
@pytest.mark.parametrize("features", [None, 7, 30])
def test_rank_deficient_covariances(counts: tuple[int, ...], features: int | None) -> None:
    full_rank = make("dense", counts, features)
    rng = np.random.default_rng(1)
    line = rng.standard_normal((D, D)) * (np.arange(D) < 3)
    plane = rng.standard_normal((D, D)) * (np.arange(D) < 4)
    diagonal = np.where(np.arange(D) < 5, 1.3, 0.0)
    experiment = RidgeExperiment(
        (line, diagonal, plane),
        counts,
        full_rank.noise_variances,
        full_rank.ridges,
        full_rank.test,
        full_rank.sources,
        full_rank.fixed,
        features,
    )
    rows, mixing = draw(experiment)
    x = np.concatenate(rows) @ (np.eye(D) if mixing is None else mixing)
    assert experiment.rank == np.linalg.matrix_rank(x)
    ours, dense = exact_risks(experiment, rows, mixing), dense_risks(experiment, rows, mixing)
    for part in PARTS:
        scale = 1e-10 * np.abs(dense["risk"]).max()
        np.testing.assert_allclose(ours[part], dense[part], rtol=1e-8, atol=scale, err_msg=part)


@pytest.mark.parametrize("features", [None, 5, 30])
def test_inputs_that_vanish_teach_nothing(features: int | None) -> None:
    source = LabelSource(np.ones(1), 1.0, np.full(D, 2.0))
    zero = RidgeExperiment(
        (np.zeros(D),), (20,), np.ones(1), RIDGES, np.ones(D), (source,), features=features
    )
    run = simulate_ridge_path(zero, key=0, replicates=2)
    np.testing.assert_array_equal(run.mean["risk"], 2.0 * D)
    np.testing.assert_array_equal(run.mean["variance"], 0.0)


@pytest.mark.parametrize(("counts", "features"), [((60, 60), None), ((60, 60), 90), ((40, 0), 60)])
def test_small_ridges_keep_their_digits(counts: tuple[int, ...], features: int | None) -> None:
    # bias = ridge^2 tr(B Q Gamma Q') with Q the inverse at the ridge: relative, however small it is.
    experiment = make("diagonal", counts, features, np.array([0.0, 1e-12, 1e-7]))
    rows, mixing = draw(experiment)
    ours = exact_risks(experiment, rows, mixing)["bias"]
    m = sum(x.T @ x for x in rows) / experiment.samples
    inverse = m if mixing is None else m @ mixing @ mixing.T
    gamma = np.diag(sum(s.test**2 * np.asarray(s.moment) for s in experiment.sources))
    test = np.diag(experiment.test)
    for ridge, bias in zip(experiment.ridges, ours, strict=True):
        q = np.linalg.inv(inverse.T + ridge * np.eye(D))
        np.testing.assert_allclose(bias, ridge**2 * np.trace(test @ q @ gamma @ q.T), rtol=1e-9)
    assert ours[0] == 0.0


@pytest.mark.parametrize("features", [None, 7, 30])
def test_covariances_of_very_different_scale(features: int | None) -> None:
    # 1e6 against 1e-6, both needed: more orders of magnitude than eigenvalues of X'X would keep.
    easy = make("diagonal", (6, 9), features)
    factors = (1e3 * easy.factors[0], 1e-3 * easy.factors[1])
    ridges = np.array([0.0, 1e-8, 1e-4, 1.0])
    experiment = RidgeExperiment(
        factors, (6, 9), np.array([1e-7, 3e-7]), ridges, np.ones(D), easy.sources, None, features
    )
    assert experiment.graded and not easy.graded
    rows, mixing = draw(experiment)
    ours, dense = exact_risks(experiment, rows, mixing), dense_risks(experiment, rows, mixing)
    for part in PARTS:
        scale = 1e-8 * np.abs(dense["risk"]).max()
        np.testing.assert_allclose(ours[part], dense[part], rtol=1e-6, atol=scale, err_msg=part)


def test_one_labeler_everywhere_has_no_mismatch() -> None:
    sources = (LabelSource(np.ones(2), 1.0, np.ones(D)),)
    fixed = np.repeat(np.arange(D)[:, None] / D, 3, axis=1)
    ones = np.ones(D)
    experiment = RidgeExperiment((ones, ones), (9, 9), np.ones(2), RIDGES, ones, sources, fixed, 15)
    risks = exact_risks(experiment, *draw(experiment))
    np.testing.assert_array_equal(risks["mismatch"], 0.0)


@pytest.mark.parametrize("features", [None, 9, 30])
def test_triangular_draws_have_the_law_of_the_entries(features: int | None) -> None:
    experiment = make("dense", (20, 26), features, np.array([1e-3, 0.3]))
    one = simulate_ridge_path(experiment, key=5, replicates=500, workers=1)
    two = simulate_ridge_path(experiment, key=6, replicates=500, workers=1, direct=True)
    for part in PARTS:
        error = np.hypot(one.standard_error[part], two.standard_error[part])
        np.testing.assert_array_less(np.abs(one.mean[part] - two.mean[part]), 4 * error, err_msg=part)
        spread = one.values[part].std(0) / two.values[part].std(0)
        np.testing.assert_allclose(spread, 1.0, atol=0.25, err_msg=part)


def test_triangular_draw_second_moments() -> None:
    # Z'Z of 9 Gaussian rows in 4 dimensions: mean 9 I, variances 9 off and 18 on the diagonal.
    draws = NumpyDraws(np.random.default_rng(0), np.float64)
    samples = [draw_sample((np.ones(4),), (9,), 7, draws, NUMPY) for _ in range(4000)]
    for matrices, freedom in (
        ([s.rows[0].entries.T @ s.rows[0].entries for s in samples], 9),
        ([4 * s.mixing.entries @ s.mixing.entries.T for s in samples if s.mixing is not None], 7),
    ):
        products = np.array(matrices)
        deviation = np.sqrt(freedom * (1 + np.eye(4)))
        z = (products.mean(0) - freedom * np.eye(4)) / (deviation / 4000**0.5)
        assert np.abs(z).max() < 4
        np.testing.assert_allclose(products.std(0), deviation, rtol=0.08)


@pytest.mark.parametrize("features", [None, 15])
def test_equal_keys_give_equal_bits_every_time(features: int | None) -> None:
    # Wherever the memory lies, and in the first run too, when a library may have just been loaded.
    experiment = make("diagonal", (20, 24), features, ridges=np.array([0.1]))
    runs = [simulate_ridge_path(experiment, 7, 3) for _ in range(100)]
    for part in PARTS:
        assert len({run.values[part].tobytes() for run in runs}) == 1


def test_same_key_same_numbers_for_any_workers() -> None:
    rng = np.random.default_rng(0)
    d = 150  # several blocks of the triangular products
    experiment = RidgeExperiment(
        (rng.uniform(0.5, 1, d), np.ones(d)),
        (160, 150),
        np.array([0.1, 0.2]),
        np.geomspace(1e-3, 1, 5),
        np.ones(d),
        (LabelSource(np.array([1.0, 0.5]), 1.0, np.full(d, 1 / d)),),
        features=200,
    )
    one, two, other = (
        simulate_ridge_path(experiment, key=key, replicates=8, workers=workers)
        for key, workers in ((3, 1), (3, 2), (4, 2))
    )
    for part in PARTS:
        np.testing.assert_array_equal(one.values[part], two.values[part])
    assert not np.any(one.values["risk"] == other.values["risk"])


@pytest.mark.parametrize(("counts", "features"), [REGIMES[i] for i in (5, 8, 9)])
def test_jax_computes_the_same(counts: tuple[int, ...], features: int | None) -> None:
    import jax.numpy as jnp

    from freeridge.solvers.kernels import jax_kernels

    experiment = make("dense", counts, features)
    rows, mixing = draw(experiment)
    kernels = jax_kernels()
    narrow = None if mixing is None else narrow_mixing(jnp.asarray(mixing), kernels)
    sample = Sample(tuple(Matrix(jnp.asarray(x), False) for x in rows), narrow)
    modes = ridge_modes(sample, experiment.samples, experiment.rank, kernels)
    jaxed = risk_paths(modes, experiment.terms, experiment.mixture)
    for part, values in exact_risks(experiment, *draw(experiment)).items():
        atol = 1e-10 * np.abs(values).max()
        np.testing.assert_allclose(jaxed[part], values, rtol=1e-7, atol=atol, err_msg=part)


def test_jax_simulation_has_the_same_law() -> None:
    experiment = make("diagonal", (20, 6), 30, np.array([0.0, 0.1]))
    one = simulate_ridge_path(experiment, key=1, replicates=500, workers=1)
    two = simulate_ridge_path(experiment, key=1, replicates=500, backend="jax")
    assert two.values["risk"].shape == (500, 2)
    for part in PARTS:
        error = np.hypot(one.standard_error[part], two.standard_error[part])
        gap = np.abs(one.mean[part] - two.mean[part])
        np.testing.assert_array_less(gap, 4 * error + 1e-300, err_msg=part)


def test_float32_error_is_what_the_documentation_says() -> None:
    d, ridges = 200, np.array([1e-4, 1e-2, 1.0])
    experiment = RidgeExperiment(
        (np.ones(d), np.linspace(0.5, 1.5, d)),
        (200, 200),
        np.array([0.1, 0.3]),
        ridges,
        np.ones(d),
        (LabelSource(np.array([1.0, 0.7]), 1.0, np.full(d, 1 / d)),),
        features=300,
    )
    draws = NumpyDraws(np.random.default_rng(0), np.float64)
    sample = draw_sample(experiment.factors, experiment.counts, 300, draws, NUMPY)
    exact = risk_paths(ridge_modes(sample, 400, d, NUMPY), experiment.terms, experiment.mixture)
    assert sample.mixing is not None
    *rows, mixing = (Matrix(x.astype(np.float32), low) for x, low in (*sample.rows, sample.mixing))
    modes = ridge_modes(Sample(tuple(rows), mixing), 400, d, NUMPY)
    rough = risk_paths(modes, _cast(experiment.terms, np.float32), experiment.mixture)
    assert rough["risk"].dtype == np.float32
    for part in PARTS:
        np.testing.assert_allclose(rough[part], exact[part], rtol=5e-6, err_msg=part)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"ridges": np.array([0.1, -1.0])}, "ridges"),
        ({"ridges": np.array([])}, "ridges"),
        ({"counts": (5,)}, "counts"),
        ({"counts": (0, 0)}, "counts"),
        ({"noise_variances": np.array([0.1, np.nan])}, "noise_variances"),
        ({"features": 0}, "features"),
        ({"test": np.ones(D + 1)}, "test"),
        ({"factors": (np.ones(D), np.ones(D - 1))}, "factors[1]"),
        ({"fixed": np.ones((D, 2))}, "fixed"),
        ({"sources": (LabelSource(np.ones(3), 1.0, np.ones(D)),)}, "sources[0].train"),
        ({"sources": (LabelSource(np.ones(2), np.inf, np.ones(D)),)}, "sources[0].test"),
        ({"sources": (LabelSource(np.ones(2), 1.0, np.ones(D) * np.inf),)}, "sources[0].moment"),
    ],
)
def test_bad_fields_are_named(change: dict[str, Any], field: str) -> None:
    good: dict[str, Any] = {
        "factors": (np.ones(D), np.ones(D)),
        "counts": (5, 6),
        "noise_variances": np.ones(2),
        "ridges": np.array([0.1]),
        "test": np.ones(D),
    }
    RidgeExperiment(**good)
    with pytest.raises(InvalidSetting) as caught:
        RidgeExperiment(**(good | change))
    assert caught.value.field == field


def test_bad_matrices_are_named() -> None:
    good = make("isotropic", (5, 6), None)
    for matrix in (-np.ones(D), np.diag([-1.0] + [1.0] * (D - 1)), np.triu(np.ones((D, D)))):
        bad = RidgeExperiment(good.factors, good.counts, good.noise_variances, good.ridges, matrix)
        with pytest.raises(InvalidSetting, match="test"):
            simulate_ridge_path(bad, key=0, replicates=2)
    with pytest.raises(InvalidSetting, match="rows"):
        exact_risks(good, (np.ones((5, D)),))
    with pytest.raises(InvalidSetting, match="mixing"):
        exact_risks(good, draw(good)[0], np.ones((D, 3)))
    with pytest.raises(InvalidSetting, match="precision"):
        simulate_ridge_path(good, key=0, replicates=2, precision="float16")
    with pytest.raises(InvalidSetting, match="backend"):
        simulate_ridge_path(good, key=0, replicates=2, backend="torch")
