"""Generations of Hutter++, each trained on what the one before it generates: simulated."""

from typing import Any

import equinox as eqx
import numpy as np

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import Scalar, ScalarOrPath, known, real_field, require
from freeridge.solvers.replicates import run_replicates
from freeridge.solvers.results import Estimate
from freeridge.theory.tails.bigrams.sampling import Bigrams, draw_bigrams, merged


class BigramGenerations(eqx.Module):
    r"""Test error of next-token frequencies after generations of training on generated pairs.

    Generation 0 learns from $T$ real pairs, as in
    :class:`freeridge.theory.tails.bigrams.bigram_tail.BigramTail`, whose learner, truth and distance these
    are. Generation $g$ learns from $T$ pairs that a model of generation
    $g - 1$ generates: a context with its own frequency in that model's data, then a token by that model's
    frequencies, sharpened by temperature and top-p. That model has been trained on $T_0$ pairs or, from
    generation 2 on where `strongest` is given, on that many; when neither is given, on $T$ pairs like its
    student. A share of the training pairs of each generation can be real.

    Only simulation answers here, on infinitely many contexts and tokens; generation 0 has the exact risk of
    ``BigramTail``.

    Parameters
    ----------
    beta : float
        $\beta > 1$.
    T : int or array of shape (L,)
        Training pairs of the models whose risk is asked for, whole numbers $\ge 0$.
    generations : int
        The last generation, $\ge 0$.
    generator_samples : int, optional
        $T_0 \ge 1$.
    strongest : int, optional
        Training pairs of the generating models from generation 1 on; needs `generator_samples`.
    top_p : float
        In (0, 1]; 1 keeps all tokens.
    temperature : float
        $\tau > 0$; below 1 it sharpens.
    real_share : float
        Probability with which a training pair of generation 1 and later is real.

    Examples
    --------
    >>> import freeridge as fr
    >>> setting = fr.BigramGenerations(beta=1.5, T=[1000, 10_000], generations=2, generator_samples=1000)
    >>> setting.simulate(key=0, replicates=4).risk.round(2)  # one row per generation
    array([[0.65, 0.41],
           [0.74, 0.67],
           [0.77, 0.75]])

    References
    ----------
    E. Dohmatob, Y. Feng, P. Yang, F. Charton, J. Kempe, A Tale of Tails: Model Collapse as a Change of
    Scaling Laws, arXiv 2402.07043, Section 4, Figures 6, 12, 14, 15, 16 and 19.
    """

    beta: Scalar = real_field("beta")
    T: ScalarOrPath = real_field("T", dimensions=1)
    generations: int = eqx.field(static=True)  # type: ignore[misc]  # mypy takes every real_field for a default
    generator_samples: Scalar | None = real_field("generator_samples", default=None, optional=True)
    strongest: Scalar | None = real_field("strongest", default=None, optional=True)
    top_p: Scalar = real_field("top_p", default=1.0)
    temperature: Scalar = real_field("temperature", default=1.0)
    real_share: Scalar = real_field("real_share", default=0.0)

    def __check_init__(self) -> None:
        g = self.generations
        if isinstance(g, bool) or not isinstance(g, int | np.integer) or g < 0:
            raise InvalidSetting("generations", g, "a whole number >= 0")
        require("beta", self.beta, lambda v: v > 1, "an exponent > 1: no other makes a distribution")
        require("T", self.T, lambda v: (v >= 0) & (v == np.round(v)), "whole numbers of pairs >= 0")
        for name in ("generator_samples", "strongest"):
            if getattr(self, name) is not None:
                whole = "a whole number of pairs >= 1"
                require(name, getattr(self, name), lambda v: (v >= 1) & (v == np.round(v)), whole)
        if self.strongest is not None and self.generator_samples is None:
            raise InvalidSetting("strongest", self.strongest, "None where there is no generator_samples")
        require("top_p", self.top_p, lambda v: (v > 0) & (v <= 1), "a probability in (0, 1]")
        require("temperature", self.temperature, lambda v: v > 0, "a temperature > 0")
        require("real_share", self.real_share, lambda v: (v >= 0) & (v <= 1), "a share in [0, 1]")

    def simulate(self, key: Any, replicates: int = 20, *, progress: bool = False) -> Estimate:
        """Run the generations; ``risk`` has the shape (generations + 1, ...) with that of T behind.

        Raises
        ------
        InvalidSetting
            When a value is being traced by JAX: there is nothing to draw from.
        """
        if any(known(value) is None for value in (self.beta, self.T, self.top_p, self.temperature)):
            raise InvalidSetting("T", self.T, "numbers to simulate, not traced values")
        mean, error, values = run_replicates(self._replicate, key, replicates, progress=progress)
        return Estimate(mean, error, len(values["risk"]), {"T": int(np.max(np.asarray(self.T)))}, values)

    def _replicate(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        beta, sizes = float(self.beta), np.asarray(self.T)
        risks = np.empty((self.generations + 1, *sizes.shape))
        if self.generator_samples is None:
            for place, size in np.ndenumerate(sizes):
                law: Bigrams | None = None
                for generation in range(self.generations + 1):
                    model = self._train(rng, int(size), law)
                    risks[(generation, *place)] = model.risk(beta)
                    law = self._generator(rng, model)
            return {"risk": risks}
        law, pairs = None, int(self.generator_samples)
        for generation in range(self.generations + 1):
            for place, size in np.ndenumerate(sizes):
                risks[(generation, *place)] = self._train(rng, int(size), law).risk(beta)
            law = self._generator(rng, self._train(rng, pairs, law))
            pairs = pairs if self.strongest is None else int(self.strongest)
        return {"risk": risks}

    def _train(self, rng: np.random.Generator, pairs: int, law: Bigrams | None) -> Bigrams:
        """A model: the counts of its training pairs, real ones where there is no generator yet."""
        beta = float(self.beta)
        if law is None:
            return draw_bigrams(rng, pairs, beta)
        real = int(rng.binomial(pairs, float(self.real_share)))
        generated = law.draw(rng, pairs - real)
        return generated if real == 0 else merged([generated, draw_bigrams(rng, real, beta)])

    def _generator(self, rng: np.random.Generator, model: Bigrams) -> Bigrams:
        return model.as_generator(rng, float(self.top_p), float(self.temperature))
