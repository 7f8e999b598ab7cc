"""Where the shipped experiments take their generator and their real data from."""

from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from freeridge.solvers.checkpoints import stream
from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import require_count
from freeridge.solvers.replicates import key_entropy
from freeridge.theory.practice.classifier import Course
from freeridge.theory.practice.generator import Generator
from freeridge.theory.practice.generators.diffusion_model import DiffusionGenerator
from freeridge.theory.practice.generators.diffusion_training import trained
from freeridge.theory.practice.generators.gaussian_mixture import GaussianMixture
from freeridge.theory.practice.state import Examples

_SPLIT, _TRAINING, _LAW, _VALIDATION, _TEST = 10, 11, 12, 13, 14  # streams of random numbers


class Source(NamedTuple):
    """A generator, and real data that it is measured on.

    Attributes
    ----------
    generator : Generator
    validation, test : Examples
    """

    generator: Generator
    validation: Examples
    test: Examples


class DigitsSource(eqx.Module):
    """A diffusion model trained on some of scikit-learn's 1797 digits; the others are the real data.

    Pixels are between -1 and 1. The three parts are disjoint.

    Parameters
    ----------
    course : Course
        How the diffusion model is trained.
    training, validation : int
        Digits for the diffusion model and for the validation accuracy; the rest is for the test.
    steps : int
        Of its sampler.
    scale : float
        Of classifier-free guidance.
    """

    course: Course
    training: int = eqx.field(static=True, default=800)
    validation: int = eqx.field(static=True, default=300)
    steps: int = eqx.field(static=True, default=20)
    scale: float = eqx.field(static=True, default=0.0)

    def __check_init__(self) -> None:
        require_count("training", self.training)
        require_count("validation", self.validation)
        if self.training + self.validation >= 1797:
            raise InvalidSetting("training", self.training, "fewer than 1797 less those of the validation")

    def make(self, key: Any, folder: Path | None = None) -> Source:
        """Train the model, or find it in the folder.

        Raises
        ------
        ImportError
            When scikit-learn or optax is not there.
        """
        inputs, labels = digits()
        rng = np.random.default_rng(np.random.SeedSequence(key_entropy(key), spawn_key=(_SPLIT,)))
        parts = np.split(rng.permutation(len(labels)), [self.training, self.training + self.validation])
        ours, validation, test = (Examples(inputs[part], labels[part]) for part in parts)
        network = trained(*ours, self.course, (*key_entropy(key), _TRAINING), folder)
        return Source(DiffusionGenerator(network, self.scale, self.steps), validation, test)


class MixtureSource(eqx.Module):
    r"""Gaussian mixtures, known exactly: the generator's law is that of the real data.

    Each class has ``components`` Gaussians of covariance $\sigma^2 I_d$ and equal weights, whose means are
    drawn from $N(0, I_d)$. Guided examples are drawn as the sampler of
    :class:`freeridge.theory.practice.generators.gaussian_mixture.GaussianMixture` does by default.

    Parameters
    ----------
    dimension, classes, components : int
    deviation : float
        $\sigma$.
    validation, test : int
        Examples drawn for the two measurements.
    """

    dimension: int = eqx.field(static=True, default=6)
    classes: int = eqx.field(static=True, default=4)
    components: int = eqx.field(static=True, default=8)
    deviation: float = eqx.field(static=True, default=0.3)
    validation: int = eqx.field(static=True, default=2000)
    test: int = eqx.field(static=True, default=10_000)

    def __check_init__(self) -> None:
        for name in ("dimension", "classes", "components", "validation", "test"):
            require_count(name, getattr(self, name))
        if not isinstance(self.deviation, int | float) or not 0 < self.deviation < np.inf:
            raise InvalidSetting("deviation", self.deviation, "a standard deviation > 0")

    def make(self, key: Any, folder: Path | None = None) -> Source:
        """Draw the means and the data."""
        means = jax.random.normal(
            stream(key, _LAW), (self.classes, self.components, self.dimension), jnp.float64
        )
        spread = np.full((self.classes, self.components), self.deviation**2)
        generator = GaussianMixture(means, spread)

        def drawn(purpose: int, count: int) -> Examples:
            labels = np.arange(count, dtype=np.int32) % np.int32(self.classes)
            found = generator.sample(stream(key, purpose), jnp.asarray(labels))
            return Examples(np.asarray(found, np.float32), labels)

        return Source(generator, drawn(_VALIDATION, self.validation), drawn(_TEST, self.test))


def digits() -> Examples:
    """The 1797 handwritten digits of scikit-learn, 8 x 8 pixels between -1 and 1.

    Raises
    ------
    ImportError
        When scikit-learn is not there.

    Examples
    --------
    >>> inputs, labels = digits()
    >>> inputs.shape, float(inputs.min()), float(inputs.max()), labels[:4].tolist()
    ((1797, 64), -1.0, 1.0, [0, 1, 2, 3])
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise ImportError("the digits are those of scikit-learn: pip install 'freeridge[data]'") from None
    found = load_digits()
    return Examples((found.data / 8.0 - 1.0).astype(np.float32), found.target.astype(np.int32))
