"""A generator that is known exactly: each class a Gaussian or a mixture of them, guided on request."""

from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import as_real, known, require
from freeridge.theory.practice.generator import Guidance
from freeridge.theory.practice.generators.langevin import Draws, Langevin, unguided
from freeridge.theory.practice.generators.mixture_law import MixtureLaw
from freeridge.theory.practice.generators.reverse_diffusion import ReverseDiffusion

ROOM = 2**25  # numbers of the laws of all examples that are drawn at a time: 256 MiB
SAMPLER = Langevin()


class GaussianMixture(eqx.Module):
    r"""Examples of each class $y$ from $p(x \mid y) = \sum_k w_{yk} N(\mu_{yk}, \Sigma_{yk})$.

    A :class:`Generator`: with a guidance, examples come from $q(x \mid y) \propto p(x \mid y)\,
    e^{\omega H(f(x))}$. Densities and scores, also those of a diffusion at any of its times, are those of the
    :class:`MixtureLaw` of a class: ``mixture.law(label).noised(signal).score(x)``.

    Parameters
    ----------
    means : array of shape (classes, d) or (classes, K, d)
        $\mu$; in the first form each class is one Gaussian.
    covariances : number or array
        $\Sigma$ as multiples of the identity: one for all, or of shape (classes,), with components
        (classes, K); or as matrices, (classes, d, d), with components (classes, K, d, d). Positive definite:
        a singular one has no density.
    weights : array of shape (classes, K), optional
        $w$, each row with sum one; by default equal. A class with fewer components than others has zeros.
    sampler : Langevin or ReverseDiffusion
        How guided examples are drawn.

    Raises
    ------
    InvalidSetting
        Naming what does not fit.

    Examples
    --------
    >>> import jax, jax.numpy as jnp
    >>> mixture = GaussianMixture(means=[[-1.0, 0.0], [1.0, 0.0]], covariances=0.5)
    >>> learner = lambda x: jnp.stack([-3 * x[0], 3 * x[0]])
    >>> labels = jnp.repeat(jnp.arange(2), 500)
    >>> plain = mixture.sample(jax.random.key(0), labels)
    >>> unsure = mixture.sample(jax.random.key(0), labels, Guidance(learner, strength=4.0))
    >>> [round(float(jnp.mean(jnp.abs(x[:, 0]))), 1) for x in (plain, unsure)]
    [1.1, 0.5]
    >>> draws = mixture.guided(jax.random.key(0), labels, Guidance(learner, strength=4.0))
    >>> round(float(draws.acceptance.mean()), 1)
    0.5
    """

    laws: MixtureLaw  # its arrays have the classes in front
    sampler: Langevin | ReverseDiffusion

    def __init__(
        self,
        means: Any,
        covariances: Any,
        weights: Any = None,
        sampler: Langevin | ReverseDiffusion = SAMPLER,
    ) -> None:
        if not isinstance(sampler, Langevin | ReverseDiffusion):
            raise InvalidSetting("sampler", sampler, "Langevin(...) or ReverseDiffusion(...)")
        centres = _finite("means", means)
        single = centres.ndim == 2
        if single:
            centres = centres[:, None]
        if centres.ndim != 3 or centres.size == 0:
            raise InvalidSetting("means", means, "shape (classes, d) or (classes, K, d), not empty")
        shares = _shares(weights, centres.shape[:2])
        spectra, axes = _decomposed(covariances, centres.shape, single)
        with np.errstate(divide="ignore"):  # a component with weight zero
            log_weights = np.log(shares)
        self.laws = MixtureLaw(
            jnp.asarray(log_weights),
            jnp.asarray(centres),
            jnp.asarray(spectra),
            None if axes is None else jnp.asarray(axes),
        )
        self.sampler = sampler

    @property
    def dimension(self) -> int:
        """Of an example."""
        return self.laws.means.shape[-1]

    @property
    def classes(self) -> int:
        """How many there are."""
        return self.laws.means.shape[0]

    def law(self, label: int | Int[Array, "*n"]) -> MixtureLaw:
        """The law of one class; for an array of classes, their laws with its axes in front."""
        return jax.tree.map(lambda array: array[label], self.laws)

    def cost(self, guided: bool) -> int:
        """Evaluations, with gradient, of the learner and of the score for one example; the law itself is
        drawn from directly.
        """
        return self.sampler.cost() if guided else 0

    def sample(
        self, key: Array, labels: Int[Array, " n"], guidance: Guidance | None = None
    ) -> Float[Array, "n d"]:
        """One example for each label.

        Parameters
        ----------
        key : JAX key
            The same key gives the same examples; a guidance of strength 0 those without guidance.
        labels : int array
            Classes, from 0.
        guidance : Guidance, optional
            None is the law itself.

        Raises
        ------
        InvalidSetting
            When a label is no class, or the learner answers with NaN or infinity.
        """
        if guidance is None or known(guidance.strength) == 0:
            self._check(labels)
            return jnp.concatenate([unguided(laws, key) for key, laws in self._pieces(key, labels)])
        return self.guided(key, labels, guidance).examples

    def guided(self, key: Array, labels: Int[Array, " n"], guidance: Guidance) -> Draws:
        """As :meth:`sample`, with the acceptance of the chains."""
        self._check(labels)
        parts = [self.sampler.draw(laws, key, guidance) for key, laws in self._pieces(key, labels)]
        return jax.tree.map(lambda *arrays: jnp.concatenate(arrays), *parts)

    def _check(self, labels: Int[Array, " n"]) -> None:
        if labels.size == 0:
            raise InvalidSetting("labels", labels, "at least one")
        require(
            "labels", labels, lambda v: (v >= 0) & (v < self.classes), f"classes from 0 to {self.classes - 1}"
        )

    def _pieces(self, key: Array, labels: Int[Array, " n"]) -> Iterator[tuple[Array, MixtureLaw]]:
        """Keys and laws of as many examples at a time as there is room for."""
        rows = max(1, ROOM * self.classes // sum(array.size for array in jax.tree.leaves(self.laws)))
        for start in range(0, labels.shape[0], rows):
            yield jax.random.fold_in(key, start), self.law(labels[start : start + rows])


def _finite(name: str, value: Any) -> np.ndarray:
    array = np.asarray(as_real(name, value))
    require(name, array, lambda v: True, "finite numbers")
    return array


def _shares(weights: Any, shape: tuple[int, int]) -> np.ndarray:
    """Weights of the components of each class."""
    if weights is None:
        return np.full(shape, 1 / shape[1])
    shares = _finite("weights", weights)
    if shares.shape != shape:
        raise InvalidSetting("weights", weights, f"shape {shape}: a row of components for each class")
    require("weights", shares, lambda v: v >= 0, "numbers >= 0")
    require("weights", shares, lambda v: np.abs(v.sum(1) - 1) <= 1e-9, "rows with sum one")
    return shares


def _decomposed(
    covariances: Any, shape: tuple[int, ...], single: bool
) -> tuple[np.ndarray, np.ndarray | None]:
    """Eigenvalues and eigenvectors, the latter None for multiples of the identity."""
    classes, components, d = shape
    blocks = _finite("covariances", covariances)
    lead = (classes,) if single else (classes, components)
    if blocks.shape not in ((), lead, (*lead, d, d)):
        raise InvalidSetting("covariances", covariances, f"one number, or shape {lead} or {(*lead, d, d)}")
    if blocks.ndim < 3:
        require("covariances", blocks, lambda v: v > 0, "numbers > 0")
        scales = np.broadcast_to(blocks, lead).reshape(classes, components, 1)
        return np.broadcast_to(scales, shape), None
    blocks = blocks.reshape(classes, components, d, d)
    largest = np.abs(blocks).max()
    if np.abs(blocks - np.swapaxes(blocks, 2, 3)).max() > 1e-12 * largest:
        raise InvalidSetting("covariances", covariances, "symmetric matrices")
    spectra, axes = np.linalg.eigh(blocks)
    if np.any(spectra[..., 0] <= d * np.finfo(float).eps * spectra[..., -1]):
        least = float(spectra.min())
        raise InvalidSetting(
            "covariances", covariances, f"positive definite matrices; the least eigenvalue is {least:.3g}"
        )
    return spectra, axes
