"""Generations of Hutter++, each trained on what the one before it generates: simulated."""

from typing import Any

import equinox as eqx
import numpy as np

from freeridge.solvers.fields import Scalar, ScalarOrPath, real_field, require
from freeridge.solvers.replicates import run_replicates
from freeridge.solvers.results import Estimate
from freeridge.theory.tails.bigrams.model_chain import check_chain, check_known, run_chain
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
        require("beta", self.beta, lambda v: v > 1, "an exponent > 1: no other makes a distribution")
        check_chain(self, "pairs")
        require("real_share", self.real_share, lambda v: (v >= 0) & (v <= 1), "a share in [0, 1]")

    def simulate(self, key: Any, replicates: int = 20, *, progress: bool = False) -> Estimate:
        """Run the generations; ``risk`` has the shape (generations + 1, ...) with that of T behind.

        Raises
        ------
        InvalidSetting
            When a value is being traced by JAX: there is nothing to draw from.
        """
        check_known(self)
        mean, error, values = run_replicates(self._replicate, key, replicates, progress=progress)
        return Estimate(mean, error, len(values["risk"]), {"T": int(np.max(np.asarray(self.T)))}, values)

    def _replicate(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        risks = np.empty((self.generations + 1, *np.shape(self.T)))

        def test(model: Bigrams, place: tuple[int, ...]) -> None:
            risks[place] = model.risk(float(self.beta))

        def write(model: Bigrams) -> Bigrams | None:
            return model.as_generator(rng, float(self.top_p), float(self.temperature))

        run_chain(self, None, lambda pairs, law: self._train(rng, pairs, law), write, test)
        return {"risk": risks}

    def _train(self, rng: np.random.Generator, pairs: int, law: Bigrams | None) -> Bigrams:
        """A model: the counts of its training pairs, real ones where there is no generator yet."""
        beta = float(self.beta)
        if law is None:
            return draw_bigrams(rng, pairs, beta)
        real = int(rng.binomial(pairs, float(self.real_share)))
        generated = law.draw(rng, pairs - real)
        return generated if real == 0 else merged([generated, draw_bigrams(rng, real, beta)])
