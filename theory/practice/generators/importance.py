"""What guided sampling is tested against: unguided draws with weights, and a two-sample test."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.spatial.distance import cdist

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import require_count
from freeridge.solvers.replicates import key_entropy
from freeridge.theory.practice.generator import Generator, Guidance
from freeridge.theory.practice.generators.langevin import log_classes

FEWEST = 20  # examples in a sample: with fewer, hardly anything would be told apart


class ImportanceSample(eqx.Module):
    r"""Unguided draws of one class, weighted to stand for $q \propto p(x \mid y)\, e^{\omega H(f(x))}$.

    Attributes
    ----------
    examples : float array of shape (n, d)
    entropies : float array of shape (n,)
        $H(f(x_i))$, in nats.
    weights : float array of shape (n,)
        Proportional to $e^{\omega H(f(x_i))}$, with sum one.
    keep : float array of shape (n,)
        $e^{\omega (H(f(x_i)) - \log C)} \le 1$, $C$ being the number of classes of the learner: those kept
        with these probabilities are exact, independent draws of $q$.
    """

    examples: Float[np.ndarray, "n d"]
    entropies: Float[np.ndarray, " n"]
    weights: Float[np.ndarray, " n"]
    keep: Float[np.ndarray, " n"]

    @property
    def effective_size(self) -> float:
        r"""$1 / \sum_i w_i^2$: as many unweighted draws would give about the same error."""
        return float(1 / np.sum(self.weights**2))

    def mean(self, values: Float[np.ndarray, "n *rest"]) -> tuple[Any, Any]:
        """Mean under q of something measured on each draw, and its standard error (delta method)."""
        mean = np.tensordot(self.weights, values, 1)
        return mean, np.sqrt(np.tensordot(self.weights**2, (values - mean) ** 2, 1))

    def thinned(self, key: Any) -> tuple[Float[np.ndarray, "m d"], Float[np.ndarray, " m"]]:
        """Examples and entropies of a random part of the draws: exact, independent draws of q."""
        kept = np.random.default_rng(key_entropy(key)).random(len(self.keep)) < self.keep
        return self.examples[kept], self.entropies[kept]


def importance_sample(
    generator: Generator, key: Array, label: int, count: int, guidance: Guidance
) -> ImportanceSample:
    """So many unguided draws of one class, weighted.

    Raises
    ------
    InvalidSetting
        When the learner answers with NaN or infinity.

    Examples
    --------
    >>> import jax, jax.numpy as jnp
    >>> from freeridge.theory.practice.generators.gaussian_mixture import GaussianMixture
    >>> guidance = Guidance(lambda x: jnp.stack([-x[0], x[0]]), strength=2.0)
    >>> truth = importance_sample(GaussianMixture([[-1.0], [1.0]], 1.0), jax.random.key(0), 1, 4000, guidance)
    >>> mean, error = truth.mean(truth.examples[:, 0])
    >>> print(f"{mean:.2f} +- {error:.2f}, effective size {truth.effective_size:.0f}")
    0.66 +- 0.01, effective size 3357
    """
    require_count("count", count)
    examples = generator.sample(key, jnp.full(count, label))
    entropies = _entropies(guidance, examples)
    strength = float(guidance.strength)
    weights = np.exp(strength * (entropies - entropies.max()))
    keep = np.exp(np.minimum(strength * (entropies - log_classes(guidance, examples[0])), 0.0))
    return ImportanceSample(np.asarray(examples), entropies, weights / weights.sum(), keep)


@eqx.filter_jit
def _all_entropies(guidance: Guidance, examples: Float[Array, "n d"]) -> Float[Array, " n"]:
    return jax.vmap(guidance.entropy)(examples)


def _entropies(guidance: Guidance, examples: Float[Array, "n d"]) -> Float[np.ndarray, " n"]:
    entropies = np.asarray(_all_entropies(guidance, examples), np.float64)
    if not np.all(np.isfinite(entropies)):
        raise InvalidSetting(
            "guidance.logits", "NaN or infinity", "a learner whose logits are finite numbers"
        )
    return entropies


class TwoSample(NamedTuple):
    """Energy distance between two samples, and how often a random division of all has a larger one."""

    distance: float
    """Zero only for equal laws."""
    p_value: float
    """Share of divisions, this one among them, with a distance at least as large."""


def energy_test(
    key: Any, first: Float[np.ndarray, "n d"], second: Float[np.ndarray, "m d"], permutations: int = 999
) -> TwoSample:
    r"""Whether two samples come from one law: the energy distance, judged by permutations.

    Columns are divided by their pooled standard deviations. With independent draws $X, X'$ and $Y, Y'$ the
    distance $2 E|X - Y| - E|X - X'| - E|Y - Y'|$ is zero only for equal laws. If the two samples are
    independent draws from one law, the p value is at most $\alpha$ with probability at most $\alpha$, at any
    sizes.

    Parameters
    ----------
    key : int or JAX key
        Of the permutations.
    first, second : float array
    permutations : int
        The least p value is one over this plus one.

    References
    ----------
    G. J. Szekely, M. L. Rizzo, J. Statist. Plann. Inference 143 (2013) 1249.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.standard_normal((2, 300, 2))
    >>> energy_test(0, x, y).p_value > 0.05, energy_test(0, x, y + 0.5).p_value
    (True, 0.001)
    """
    require_count("permutations", permutations)
    for name, sample in (("first", first), ("second", second)):
        if len(sample) < FEWEST or not np.all(np.isfinite(sample)):
            raise InvalidSetting(name, sample, f"at least {FEWEST} rows of finite numbers")
    both = np.concatenate([first, second])
    spread = both.std(0)
    both = both / np.where(spread > 0, spread, 1.0)
    distances = cdist(both, both)
    # The distance is -s'Ds with s = 1/n on the first sample and -1/m on the second.
    signs = np.repeat([1 / len(first), -1 / len(second)], [len(first), len(second)])
    rng = np.random.default_rng(key_entropy(key))
    shuffled = np.stack([signs, *(rng.permutation(signs) for _ in range(permutations))])
    energies = -np.sum((shuffled @ distances) * shuffled, axis=1)
    # Permutations that change nothing differ from the statistic by rounding alone.
    as_large = energies[1:] >= energies[0] - 1e-12 * abs(energies[0])
    return TwoSample(float(energies[0]), float((1 + as_large.sum()) / (1 + permutations)))


def guided_test(
    generator: Generator,
    key: Array,
    label: int,
    guidance: Guidance,
    count: int = 1000,
    pool: int = 20_000,
    permutations: int = 999,
) -> TwoSample:
    """Whether guided examples of one class follow the law that they should: a test of any generator.

    The rows compared are examples together with the entropy of the learner, which is what guidance acts on.
    The truth are unguided draws, thinned to independent draws of the tilted law; there are at most as many of
    them as of guided examples.

    Parameters
    ----------
    generator : Generator
    key : JAX key
    label : int
    guidance : Guidance
    count : int
        Guided examples.
    pool : int
        Unguided draws.
    permutations : int

    Raises
    ------
    InvalidSetting
        When the tilt is so strong that fewer than 20 of the unguided draws are kept.
    """
    first, second, third, fourth = jax.random.split(key, 4)
    guided = generator.sample(first, jnp.full(count, label), guidance)
    truth, entropies = importance_sample(generator, second, label, pool, guidance).thinned(third)
    if len(truth) < FEWEST:
        raise InvalidSetting("pool", pool, f"more: the tilt keeps {len(truth)} of them, not {FEWEST}")
    return energy_test(
        fourth,
        np.column_stack([guided, _entropies(guidance, guided)]),
        np.column_stack([truth, entropies])[:count],
        permutations,
    )
