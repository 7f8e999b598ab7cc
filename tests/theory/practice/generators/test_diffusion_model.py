"""The sampler on a Gaussian, whose denoiser is known; guidance; and training taken up again."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import kstest

from freeridge.solvers.checkpoints import save
from freeridge.solvers.errors import InvalidSetting
from freeridge.theory.practice.classifier import Course
from freeridge.theory.practice.generator import Generator, Guidance
from freeridge.theory.practice.generators import diffusion_training
from freeridge.theory.practice.generators.diffusion_model import (
    Denoiser,
    DiffusionGenerator,
    denoiser,
    levels,
)
from freeridge.theory.practice.generators.diffusion_training import trained

MEANS, DEVIATION = np.array([-0.3, 0.4, 0.0]), 0.1


class GaussianDenoiser(Denoiser):
    """The velocity of x_0 ~ N(m_y, s^2), exactly; the class of none has mean 0."""

    def __call__(self, x: Any, time: Any, labels: Any) -> Any:
        signal, noise = (one[:, None] for one in levels(time))
        mean, square = jnp.asarray(MEANS, jnp.float32)[labels][:, None], np.float32(DEVIATION**2)
        clean = mean + square * signal * (x - signal * mean) / (square * signal**2 + noise**2)
        return (signal * x - clean) / noise


def exact(**options: Any) -> DiffusionGenerator:
    fresh = denoiser(np.random.default_rng(0), dimension=1, classes=2, width=2, layers=1)
    fields = {name: getattr(fresh, name) for name in Denoiser.__dataclass_fields__}
    return DiffusionGenerator(GaussianDenoiser(**fields), **options)


def small(**options: Any) -> DiffusionGenerator:
    network = denoiser(np.random.default_rng(0), dimension=3, classes=4, width=8, layers=2)
    return DiffusionGenerator(network, **{"steps": 5, **options})


LABELS = np.arange(2000) % 2


def test_the_sampler_draws_the_law_of_an_exact_denoiser() -> None:
    generator = exact(steps=50)
    assert isinstance(generator, Generator)
    x = np.asarray(generator.sample(jax.random.key(0), LABELS))[:, 0]
    for label in (0, 1):
        assert kstest((x[label == LABELS] - MEANS[label]) / DEVIATION, "norm").pvalue > 0.01


def test_classifier_free_guidance_moves_away_from_the_law_without_class() -> None:
    x = np.asarray(exact(steps=50, scale=0.5).sample(jax.random.key(0), LABELS))[:, 0]
    for label in (0, 1):  # all three laws have the same width: (1 + c) m_y - c 0
        here = x[label == LABELS]
        error = here.std() / len(here) ** 0.5
        assert here.mean() / MEANS[label] > 1.2 and error < 0.01


def test_entropy_guidance_tilts_towards_high_entropy() -> None:
    # The entropy of logits (3x, -3x) is highest at 0: both classes move there, the further the stronger.
    plain = exact(steps=50).sample(jax.random.key(1), LABELS[:500])
    means, entropies = [], []
    logits = lambda x: jnp.concatenate([3 * x, -3 * x])  # noqa: E731
    for strength in (0.0, 5.0, 40.0):
        guidance = Guidance(logits, strength)
        x = exact(steps=50).sample(jax.random.key(1), LABELS[:500], guidance)
        entropies.append(float(jnp.mean(jax.vmap(guidance.entropy)(x))))
        if strength == 0:
            assert np.allclose(x, plain, atol=1e-6)
        means.append([float(jnp.mean(x[label:500:2])) for label in (0, 1)])
    assert entropies[0] < entropies[1] < entropies[2]
    assert np.all(np.diff(np.abs(means), axis=0) < 0)
    # To first order in the strength the tilt moves the mean by strength * s^2 * H'(m) in x.
    slope = float(jax.grad(lambda x: guidance.entropy(x[None]))(jnp.array(MEANS[0], jnp.float32)))
    weak = exact(steps=50).sample(jax.random.key(1), LABELS[:500], Guidance(logits, 0.5))
    assert float(jnp.mean((weak - plain)[::2])) == pytest.approx(0.5 * DEVIATION**2 * slope, rel=0.15)


def test_an_example_depends_on_key_label_and_place_alone() -> None:
    labels = np.arange(300) % 4
    many, few = (np.asarray(small().sample(jax.random.key(3), labels[:n])) for n in (300, 10))
    assert np.array_equal(many[:10], few) and not np.array_equal(many[:128], many[128:256])
    assert not np.array_equal(few, np.asarray(small().sample(jax.random.key(4), labels[:10])))
    assert np.all(np.abs(many) <= 1.0)


def test_cost_counts_evaluations_and_gradients() -> None:
    plain, scaled = small(steps=7), small(steps=7, scale=2.0)
    assert [plain.cost(False), plain.cost(True), scaled.cost(False), scaled.cost(True)] == [7, 21, 14, 28]


@pytest.mark.parametrize("labels", [[], [4], [-1, 0]])
def test_classes_that_are_none_are_refused(labels: list[int]) -> None:
    with pytest.raises(InvalidSetting, match="one or more classes from 0 to 3"):
        small().sample(jax.random.key(0), np.array(labels, np.int32))


@pytest.mark.parametrize("options", [{"steps": 0}, {"scale": -1.0}, {"low": 1.0}])
def test_bad_fields_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidSetting, match=f"^{next(iter(options))} = "):
        small(**options)


def test_training_lowers_the_error_and_is_taken_up_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 200).astype(np.int32)
    inputs = (0.1 * rng.standard_normal((200, 2)) + MEANS[labels][:, None]).astype(np.float32)
    course = Course(steps=40, batch=32, rate=1e-2, width=16, layers=1)
    monkeypatch.setattr(diffusion_training, "_STEPS", 10)
    whole = trained(inputs, labels, course, key=1)

    writes, original = iter(range(100)), save

    def full_disk(*arguments: Any) -> None:
        if next(writes) == 2:
            raise OSError("full")
        original(*arguments)

    monkeypatch.setattr(diffusion_training, "save", full_disk)
    with pytest.raises(OSError, match="full"):
        trained(inputs, labels, course, key=1, folder=tmp_path)
    resumed = trained(inputs, labels, course, key=1, folder=tmp_path)
    pairs = zip(jax.tree.leaves(whole), jax.tree.leaves(resumed), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)
    assert len(list(tmp_path.iterdir())) == 1
    x = np.asarray(DiffusionGenerator(whole, steps=20).sample(jax.random.key(0), labels))
    assert np.corrcoef(x.mean(1), MEANS[labels])[0, 1] > 0.7


def test_training_without_rows_is_refused() -> None:
    with pytest.raises(InvalidSetting, match="^inputs = "):
        trained(np.empty((0, 2), np.float32), np.empty(0, np.int32), Course(10, 4, 0.1), key=0)
