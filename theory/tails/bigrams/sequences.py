"""Autoregressive Hutter++: generations of models of sequences (*A Tale of Tails*, Figures 22 to 27)."""

from typing import Any

import equinox as eqx
import numpy as np

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import Scalar, ScalarOrPath, real_field, require, require_count
from freeridge.solvers.replicates import run_replicates
from freeridge.solvers.results import Estimate
from freeridge.theory.tails.bigrams.model_chain import check_chain, check_known, run_chain
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
        for name in ("vocabulary", "length"):
            require_count(name, getattr(self, name))
            if getattr(self, name) < 2:
                raise InvalidSetting(name, getattr(self, name), "a whole number >= 2")
        require("beta", self.beta, lambda v: v > 0, "an exponent > 0")
        check_chain(self, "sequences")

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
        check_known(self)
        mean, error, values = run_replicates(self._replicate, key, replicates, progress=progress)
        sizes = {"T": int(np.max(np.asarray(self.T))), "vocabulary": self.vocabulary, "length": self.length}
        return Estimate(mean, error, len(values["best"]), sizes, values)

    def _replicate(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        truth = zipf_chain(rng, float(self.beta), self.vocabulary)
        matrix, occupancy = truth.matrix(), truth.occupancy(self.length)
        shape = (self.generations + 1, *np.shape(self.T))
        found = {name: np.empty(shape) for name in ("perplexity", "risk")}

        def test(model: Counts, place: tuple[int, ...]) -> None:
            found["perplexity"][place] = model.perplexity(matrix, occupancy)
            found["risk"][place] = model.distance(matrix, occupancy)

        run_chain(
            self,
            truth,
            lambda sequences, law: self._train(rng, sequences, law),
            lambda model: self._writer(rng, model),
            test,
        )
        entropy = -(truth.rows[0] @ np.log(truth.rows[0]))
        return {**found, "best": np.exp(entropy)}

    def _train(self, rng: np.random.Generator, sequences: int, law: Chain) -> Counts:
        if law.first.sum() == 0:  # nobody has taught the writer: nothing is written
            return Counts(np.zeros(self.vocabulary), np.zeros((self.vocabulary, self.vocabulary)))
        return law.draw(rng, sequences, self.length)

    def _writer(self, rng: np.random.Generator, model: Counts) -> Chain:
        return model.generator(rng, float(self.top_p), float(self.temperature))
