"""Rates of verifiers and the breakdown point: definitions, counts, and bad input."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.special import ndtr

from freeridge.solvers.errors import InvalidSetting
from freeridge.theory.pruning.verification.label_errors import LabelErrors, LinearErrors, RandomErrors
from freeridge.theory.pruning.verification.quadrant import sector_probability
from freeridge.theory.pruning.verification.rates import breakdown_band, breakdown_point, rates_of_similarity

ANGLES = [
    LinearErrors(0.9, 0.3),
    LinearErrors(0.9, 0.0),
    LinearErrors(1.2, 2.0),
    LinearErrors(0.7, 0.5, 1.0),
    LinearErrors(0.7, 0.9, -0.4),
    LinearErrors(0.7, None),
    LinearErrors(0.7, 0.7, 1.0),
]


def test_the_breakdown_point_is_where_half_of_what_is_kept_is_wrong() -> None:
    for right, wrong in ((1.0, 1.0), (0.9, 0.2), (0.1, 0.8), (1.0, 0.0)):
        point = float(breakdown_point(right, wrong))
        assert point == pytest.approx(1.0 / (1.0 + wrong / right), rel=1e-15)
        if wrong > 0:
            kept = RandomErrors(point, right, wrong).rates(jnp.ones(()))
            assert float(kept.wrong) == pytest.approx(0.5, rel=1e-14)
            for share, sign in zip(breakdown_band(0.3, right, wrong), (1, -1), strict=True):
                kept = RandomErrors(share, right, wrong).rates(jnp.ones(()))
                assert 1.0 - 2.0 * float(kept.wrong) == pytest.approx(sign * 0.3, rel=1e-13)
    assert float(breakdown_point(0.0, 0.5)) == 0.0
    assert float(breakdown_band(0.0, 0.9, 0.2)[0]) == float(breakdown_point(0.9, 0.2))


def test_similarity_of_zero_and_one_counts_labels() -> None:
    rng = np.random.default_rng(3)
    right, keep = rng.random(500) < 0.7, rng.random(500) < 0.4
    found = rates_of_similarity(keep.astype(float), right.astype(float))
    assert float(found.error_rate) == pytest.approx(np.mean(~right))
    assert float(found.keep_right) == pytest.approx(np.mean(keep[right]))
    assert float(found.keep_wrong) == pytest.approx(np.mean(keep[~right]))
    assert float(found.kept) == pytest.approx(np.mean(keep))


def test_a_sector_is_the_bivariate_normal_distribution() -> None:
    for mean, angle in (([1.0, -0.4], 1.1), ([-2.0, 0.7], 2.9), ([0.3, 3.0], 0.2), ([5.0, 0.0], 1.5)):
        scores = [mean[0], np.cos(angle) * mean[0] + np.sin(angle) * mean[1]]
        cov = [[1.0, np.cos(angle)], [np.cos(angle), 1.0]]
        expected = stats.multivariate_normal([0.0, 0.0], cov).cdf(scores)
        assert float(sector_probability(jnp.array(mean), jnp.array(angle))) == pytest.approx(
            expected, abs=1e-9
        )
        assert float(sector_probability(jnp.array(mean), jnp.array(0.0))) == pytest.approx(
            ndtr(mean[0]), rel=1e-13
        )


@pytest.mark.parametrize("errors", ANGLES, ids=str)
def test_rates_and_coordinates_are_those_counted(errors: LabelErrors) -> None:
    signal, rows = 1.3, 400_000
    rates, law = errors.rates(jnp.array(signal)), errors.law(jnp.array(signal), 2)
    drawn = errors.draw(np.random.default_rng(11), signal, rows)
    right = ~drawn.wrong
    counted = [
        (np.mean(drawn.wrong), rates.error_rate, rows),
        (np.mean(drawn.kept[right]), rates.keep_right, right.sum()),
        (np.mean(drawn.kept[drawn.wrong]), rates.keep_wrong, drawn.wrong.sum()),
    ]
    for share, expected, count in counted:
        p = float(expected)
        assert abs(share - p) <= 3.5 * np.sqrt(p * max(1.0 - p, 0.0) / count) + 1e-12
    kept = drawn.coordinates[drawn.kept]
    mean = np.asarray(law.weights @ law.means)
    assert float(jnp.sum(law.weights)) == pytest.approx(1.0, rel=1e-12)
    assert np.all(np.abs(kept.mean(0) - mean) < 4 * kept.std(0) / len(kept) ** 0.5)
    second = np.asarray((law.weights * law.means.T) @ law.means + law.covariance)
    assert np.abs(kept.T @ kept / len(kept) - second).max() < 0.02


def test_the_printed_share_of_wrong_labels_kept_exceeds_one() -> None:
    """Its numerator is Phi(c1) + Phi(c2) - Phi2 where Phi2 is right."""
    signal, gen, ver = 1.3, 0.9, 0.3
    rates = LinearErrors(gen, ver).rates(jnp.array(signal))
    c1, c2 = -signal * np.cos(ver), -signal * np.cos(gen)
    corr = np.cos(gen) * np.cos(ver)
    both = stats.multivariate_normal([0.0, 0.0], [[1.0, corr], [corr, 1.0]]).cdf([c1, c2])
    assert float(rates.keep_wrong) == pytest.approx(both / ndtr(c2), abs=1e-9)
    assert float(rates.keep_right) == pytest.approx(
        (1 - ndtr(c1) - ndtr(c2) + both) / (1 - ndtr(c2)), abs=1e-9
    )
    assert (ndtr(c1) + ndtr(c2) - both) / ndtr(c2) > 1.0


BAD: list[tuple[Any, tuple[Any, ...], str]] = [
    (RandomErrors, (-0.1,), "rate"),
    (RandomErrors, (1.5,), "rate"),
    (RandomErrors, (float("nan"),), "rate"),
    (RandomErrors, (0.5, 1.1), "keep_right"),
    (RandomErrors, (0.5, 1.0, -0.1), "keep_wrong"),
    (RandomErrors, (0.5, 0.0, 0.0), "keeps something"),
    (RandomErrors, (0.0, 0.0, 1.0), "keeps something"),
    (RandomErrors, (1.0, 1.0, 0.0), "keeps something"),
    (LinearErrors, (-0.1,), "generator"),
    (LinearErrors, (0.1, 3.2), "verifier"),
    (LinearErrors, (0.1, 0.2, 1.2), "shared"),
    (LinearErrors, (0.0, np.pi), "opposite"),
    (LinearErrors, (1.0, np.pi - 1.0, -1.0), "opposite"),
    (breakdown_point, (0.0, 0.0), "nothing is kept"),
    (breakdown_point, (1.2, 0.0), "keep_right"),
    (breakdown_point, (1.0, "often"), "keep_wrong"),
    (breakdown_band, (1.0, 1.0, 1.0), "margin"),
    (breakdown_band, (-0.1, 1.0, 1.0), "margin"),
    (rates_of_similarity, ([1.0], [0.5, 0.5]), "similarity"),
    (rates_of_similarity, ([], []), "similarity"),
    (rates_of_similarity, ([1.0, 1.0], [1.0, 1.0]), "some wrong"),
    (rates_of_similarity, ([1.0, 2.0], [1.0, 0.0]), "keep"),
    (rates_of_similarity, ([1.0, 1.0], [1.0, -0.5]), "similarity"),
]


@pytest.mark.parametrize(("maker", "arguments", "said"), BAD)
def test_what_makes_no_sense_is_refused(maker: Any, arguments: tuple[Any, ...], said: str) -> None:
    with pytest.raises(InvalidSetting, match=said):
        maker(*arguments)
