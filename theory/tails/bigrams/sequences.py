"""Autoregressive Hutter++: generations of models of sequences (*A Tale of Tails*, Figures 22 to 27)."""

from typing import Any

import equinox as eqx
import numpy as np

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import Scalar, ScalarOrPath, known, real_field, require, require_count
from freeridge.solvers.replicates import run_replicates
from freeridge.solvers.results import Estimate
from freeridge.theory.tails.bigrams.sequence_chain import Chain, Counts, zipf_chain


class BigramSequences(eqx.Module):
    r"""Next-token frequencies learned from sequences, over generations that write the next training set.

    A sequence of $L$ tokens has the law $p(i_1) \prod_l p(i_{l+1} | i_l)$ with $p(i) \propto i^{-\beta}$ and
    $p(j | i) \propto \pi_i(j)^{-\beta}$ on a vocabulary of $V$ tokens, $\pi_i$ a random permutation for each.
    The model of generation 0 counts the transitions of $T$ true sequences; generation $g$ those of $T$
    sequences written by a model of generation $g - 1$ from its own first tokens and frequencies, sharpened by
    temperature and top-p. A sequence ends early at a token after which the writer has seen nothing. The
    writer has been trained on $T_0$ sequences or, from generation 2 on where `strongest` is given, on that
    many; when neither is given, on $T$ like its student.

    Test sequences are averaged exactly, over infinitely many of them: ``perplexity`` is $\exp$ of the
    cross-entropy per transition, ``risk`` the distance $\sum_j |q(j | i) - p(j | i)|$ averaged over the
    contexts of test sequences. One transition that was never seen would make the perplexity infinite: for it
    alone, never for writing, frequencies are smoothed, $(n(i, j) + 1/V) / (n(i) + 1)$. A token never seen as
    a context has perplexity $V$. Each replicate draws permutations of its own. Only simulation answers here.

    Parameters
    ----------
    beta : float
        $\beta > 0$: a finite vocabulary takes any.
    T : int or array of shape (J,)
        Training sequences of the models that are asked for, whole numbers $\ge 0$.
    generations : int
        The last generation, $\ge 0$.
    vocabulary : int
        $V \ge 2$. The paper does not state its own.
    length : int
        $L \ge 2$; 100 in the paper.
    generator_samples, strongest, top_p, temperature :
        As in :class:`freeridge.theory.tails.bigrams.generations.BigramGenerations`, in sequences.

    Examples
    --------
    >>> import freeridge as fr
    >>> setting = fr.BigramSequences(beta=1.5, T=[100, 10_000], generations=1, vocabulary=50)
    >>> found = setting.simulate(key=0, replicates=4)
    >>> found.perplexity.round(1)  # one row per generation
    array([[12.2, 10. ],
           [13.6, 10. ]])

    References
    ----------
    E. Dohmatob, Y. Feng, P. Yang, F. Charton, J. Kempe, A Tale of Tails: Model Collapse as a Change of
    Scaling Laws, arXiv 2402.07043, Section 4 and Figures 22 to 27.
    """

    beta: Scalar = real_field("beta")
    T: ScalarOrPath = real_field("T", dimensions=1)
    generations: int = eqx.field(static=True)  # type: ignore[misc]  # mypy takes every real_field for a default
    vocabulary: int = eqx.field(static=True, default=300)
    length: int = eqx.field(static=True, default=100)
    generator_samples: Scalar | None = real_field("generator_samples", default=None, optional=True)
    strongest: Scalar | None = real_field("strongest", default=None, optional=True)
    top_p: Scalar = real_field("top_p", default=1.0)
    temperature: Scalar = real_field("temperature", default=1.0)

    def __check_init__(self) -> None:
        g = self.generations
        if isinstance(g, bool) or not isinstance(g, int | np.integer) or g < 0:
            raise InvalidSetting("generations", g, "a whole number >= 0")
        for name in ("vocabulary", "length"):
            require_count(name, getattr(self, name))
            if getattr(self, name) < 2:
                raise InvalidSetting(name, getattr(self, name), "a whole number >= 2")
        require("beta", self.beta, lambda v: v > 0, "an exponent > 0")
        require("T", self.T, lambda v: (v >= 0) & (v == np.round(v)), "whole numbers of sequences >= 0")
        for name in ("generator_samples", "strongest"):
            if getattr(self, name) is not None:
                whole = "a whole number of sequences >= 1"
                require(name, getattr(self, name), lambda v: (v >= 1) & (v == np.round(v)), whole)
        if self.strongest is not None and self.generator_samples is None:
            raise InvalidSetting("strongest", self.strongest, "None where there is no generator_samples")
        require("top_p", self.top_p, lambda v: (v > 0) & (v <= 1), "a probability in (0, 1]")
        require("temperature", self.temperature, lambda v: v > 0, "a temperature > 0")

    def simulate(self, key: Any, replicates: int = 5, *, progress: bool = False) -> Estimate:
        """Run the generations.

        Returns
        -------
        Estimate
            ``perplexity`` and ``risk`` of the shape (generations + 1, ...) with that of T behind, and
            ``best``, the perplexity of the truth itself.

        Raises
        ------
        InvalidSetting
            When a value is being traced by JAX: there is nothing to draw from.
        """
        if any(known(value) is None for value in (self.beta, self.T, self.top_p, self.temperature)):
            raise InvalidSetting("T", self.T, "numbers to simulate, not traced values")
        mean, error, values = run_replicates(self._replicate, key, replicates, progress=progress)
        sizes = {"T": int(np.max(np.asarray(self.T))), "vocabulary": self.vocabulary, "length": self.length}
        return Estimate(mean, error, len(values["best"]), sizes, values)

    def _replicate(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        truth = zipf_chain(rng, float(self.beta), self.vocabulary)
        matrix, occupancy = truth.matrix(), truth.occupancy(self.length)
        sizes = np.asarray(self.T)
        shape = (self.generations + 1, *sizes.shape)
        found = {name: np.empty(shape) for name in ("perplexity", "risk")}

        def test(model: Counts, place: tuple[int, ...]) -> None:
            found["perplexity"][place] = model.perplexity(matrix, occupancy)
            found["risk"][place] = model.distance(matrix, occupancy)

        if self.generator_samples is None:
            for place, size in np.ndenumerate(sizes):
                law = truth
                for generation in range(self.generations + 1):
                    model = self._train(rng, int(size), law)
                    test(model, (generation, *place))
                    law = self._writer(rng, model)
        else:
            law, pool = truth, int(self.generator_samples)
            for generation in range(self.generations + 1):
                for place, size in np.ndenumerate(sizes):
                    test(self._train(rng, int(size), law), (generation, *place))
                law = self._writer(rng, self._train(rng, pool, law))
                pool = pool if self.strongest is None else int(self.strongest)
        entropy = -(truth.rows[0] @ np.log(truth.rows[0]))
        return {**found, "best": np.exp(entropy)}

    def _train(self, rng: np.random.Generator, sequences: int, law: Chain) -> Counts:
        if law.first.sum() == 0:  # nobody has taught the writer: nothing is written
            return Counts(np.zeros(self.vocabulary), np.zeros((self.vocabulary, self.vocabulary)))
        return law.draw(rng, sequences, self.length)

    def _writer(self, rng: np.random.Generator, model: Counts) -> Chain:
        return model.generator(rng, float(self.top_p), float(self.temperature))
