"""An associative memory trained on Zipf data: risk over samples, capacity and tail cut."""

from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln, zeta
from jaxtyping import Array, Float

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import Scalar, known, real_field, require, require_count
from freeridge.solvers.replicates import pick_backend, run_replicates, run_replicates_jax
from freeridge.solvers.results import Code, Estimate
from freeridge.theory.tails.memory import noise
from freeridge.theory.tails.memory.draws import jax_replicate, numpy_replicate
from freeridge.theory.tails.prediction import TailPrediction

WEIGHTS = ("counting", "thresholded")
_TOLERANCE = 1e-3  # of the coarser quadrature, ten times that of the one given; the limit is of order 1/d


class TripletLaw(NamedTuple):
    """The three limits of the risk: each term is what is left when the other two resources are unlimited."""

    sampling: Float[Array, ""]
    """Left by a sample of $T$ draws."""
    capacity: Float[Array, ""]
    """Left by embeddings of dimension $d$."""
    cut: Float[Array, ""]
    """Left by data that end at item $k$."""

    @property
    def total(self) -> Float[Array, ""]:
        """Their sum, which is the order of the risk and near the crossovers no more than that."""
        return self.sampling + self.capacity + self.cut


class AssociativeMemory(eqx.Module):
    r"""A matrix memory of embedded items and classes, trained on a sample of Zipf data with a cut tail.

    Item $i \in [N]$ belongs to class $f^*(i) = ((i - 1) \bmod m) + 1$. Items and classes have random
    embeddings $e_i, u_y$, independent and uniform on the unit sphere of $\mathbb R^d$. The memory and its
    answer are

    $$ M_T = \sum_i q_T(i)\, e_i u_{f^*(i)}^\top \in \mathbb R^{d \times d}, \qquad
       f_T(i) = \arg\max_y e_i^\top M_T u_y , $$

    with $q_T(i) = n_T(i) / T$ (counting) or $q_T(i) \propto 1[n_T(i) \ge 1]$ (thresholded), $n_T$ the counts
    of $T$ draws from $q_i \propto i^{-\beta}$, $i \le k$. The risk is on the data without the cut, $p_i
    \propto i^{-\beta}$, $i \le N$:

    $$ E = \sum_{i \le N} p_i\, P(f_T(i) \ne f^*(i)) . $$

    The zeta distribution is cut off at $N$ items, in both $p$ and $q$: the risk lacks what lies beyond,
    $N^{1 - \beta} / ((\beta - 1) \zeta(\beta))$ at most.

    :meth:`predict` is the limit of large $d$, of leading order in $1/d$ and $1/T$. The inner products are
    then independent Gaussians of variance $1/d$, and the answer is right when $q_T(i)$ plus the noise of the
    class beats the noise of all others: with $V_y = \sum_{j \in y} E q_T(j)^2$ and $V = \sum_y V_y$,

    $$ P(f_T(i) = f) = E \prod_{y \ne f} \Phi\Big(\frac{q_T(i) + \tau_i g}{\sigma_y}\Big), \quad
       \sigma_y^2 = \frac{V_y + (V - V_y)/d}{d}, \quad \tau_i^2 = \sigma_f^2 - \frac{E q_T(i)^2}{d}, $$

    the mean over $g \sim N(0, 1)$ and over the binomial count of item $i$. The part $(V - V_y)/d$ is what
    other classes leave through their overlap $u_y^\top u_{y'}$. Derivation, and how fast the simulation
    approaches it: ``docs/theory/associative-memory.md``.

    Parameters
    ----------
    beta : float
        $\beta > 1$.
    T : float, optional
        Samples, a whole number >= 1; None or infinity is the whole training distribution.
    d : float
        Dimension of the embeddings, $d \ge 1$, whole in simulation. The parameters of the memory are $d^2$.
    k : float, optional
        Items kept of the training distribution, a whole number from 1 to N; None keeps all.
    items, classes : int
        $N$ and $m \ge 2$.
    weights : {"counting", "thresholded"}
        $q_T$.

    Examples
    --------
    >>> import freeridge as fr
    >>> setting = fr.AssociativeMemory(beta=1.5, T=1000, d=400, k=100, items=200, classes=5)
    >>> theory, measured = setting.predict(), setting.simulate(key=0, replicates=20)
    >>> theory.risk.round(4), theory.ok
    (Array(0.1468, dtype=float64), True)
    >>> bool(abs(measured.risk - theory.risk) < 4 * measured.standard_error["risk"])
    True

    References
    ----------
    E. Dohmatob, Y. Feng, P. Yang, F. Charton, J. Kempe, A Tale of Tails, arXiv 2402.07043, equations (18) to
    (21) and Theorem 5.1. V. Cabannes, E. Dohmatob, A. Bietti, Scaling Laws for Associative Memories, arXiv
    2310.02984.
    """

    beta: Scalar = real_field("beta")
    T: Scalar | None = real_field("T", optional=True)
    d: Scalar = real_field("d")
    k: Scalar | None = real_field("k", default=None, optional=True)
    items: int = eqx.field(default=10_000, static=True)
    classes: int = eqx.field(default=10, static=True)
    weights: str = eqx.field(default="counting", static=True)

    def __check_init__(self) -> None:
        require("beta", self.beta, lambda v: v > 1, "an exponent > 1, or Zipf's law is no distribution")
        require_count("items", self.items)
        require_count("classes", self.classes)
        if self.classes < 2:
            raise InvalidSetting("classes", self.classes, "at least 2 classes: with one there is no error")
        if self.weights not in WEIGHTS:
            raise InvalidSetting("weights", self.weights, "one of " + ", ".join(WEIGHTS))
        require("d", self.d, lambda v: v >= 1, "a dimension >= 1")
        samples = None if self.T is None else known(self.T)
        if samples is not None and samples != np.inf:
            require("T", self.T, lambda v: v >= 1, "a number of samples >= 1, or None for infinite data")
        if self.k is not None:
            holds = f"a whole number from 1 to items = {self.items}, or None for no cut"
            require("k", self.k, lambda v: (v >= 1) & (v <= self.items) & (v == np.round(v)), holds)

    def predict(self) -> TailPrediction:
        r"""The limit of large d.

        Returns
        -------
        TailPrediction
            ``risk``, and ``memory_free_risk`` $= \sum_i p_i (1 - q_i)^T$: the mass of items never seen, which
            is the exact risk of a memory without interference that does not guess. Items never seen are
            guessed, by the noise, and in the mean over classes one in m guesses is right. The residual is of
            the quadrature, some ten times its error, and does not speak of the distance to the limit.
        """
        risk, unseen, error = _limit(self)
        bad = ~(error <= _TOLERANCE)
        code = jnp.where(bad, int(Code.NOT_CERTIFIED), int(Code.OK)).astype(jnp.int32)
        risk = jnp.where(bad, jnp.nan, risk)
        return TailPrediction({"risk": risk, "memory_free_risk": unseen}, error, code)

    def simulate(
        self, key: Any, replicates: int = 20, *, progress: bool = False, backend: str | None = None
    ) -> Estimate:
        """The same quantities from drawn embeddings and drawn counts, in double precision.

        Parameters
        ----------
        key : int, sequence of int, or JAX key
            Seed.
        replicates : int
            Independent draws of everything random, at least 2.
        progress : bool
            Show a progress bar.
        backend : {"numpy", "jax"}, optional
            By default NumPy on a processor and JAX on an accelerator; their draws differ.

        Returns
        -------
        Estimate
        """
        require("d", self.d, lambda v: v == np.round(v), "a whole number to simulate")
        samples = None
        if self.T is not None and np.isfinite(float(self.T)):
            require("T", self.T, lambda v: v == np.round(v), "a whole number to simulate")
            samples = int(self.T)
        tested, trained = (np.asarray(part) for part in self.distributions())
        plan = (int(self.d), samples, self.classes, self.weights == "thresholded")
        if pick_backend(backend) == "numpy":
            found = run_replicates(
                lambda rng: numpy_replicate(rng, tested, trained, *plan), key, replicates, progress=progress
            )
        else:
            found = run_replicates_jax(
                lambda one, p, q: jax_replicate(one, p, q, *plan),
                key,
                replicates,
                arguments=(jnp.asarray(tested), jnp.asarray(trained)),
                progress=progress,
            )
        sizes = {"d": int(self.d), "items": self.items, "classes": self.classes}
        if samples is not None:
            sizes["T"] = samples
        return Estimate(found.mean, found.standard_error, len(found.values["risk"]), sizes, found.values)

    def distributions(self) -> tuple[Float[Array, " N"], Float[Array, " N"]]:
        """Probabilities of the items in the test and in the training data."""
        ranks = jnp.arange(1, self.items + 1, dtype=jnp.float64)
        powers = ranks**-self.beta
        kept = powers if self.k is None else jnp.where(ranks <= self.k, powers, 0.0)
        return powers / jnp.sum(powers), kept / jnp.sum(kept)

    def law(self) -> TripletLaw:
        r"""The triplet law for $N \to \infty$, with the prefactor of each of its three terms.

        $$ E \asymp (1 - \tfrac1m) \frac{\Gamma(c)}{\beta \zeta^{1/\beta}} T^{-c}
             + C d^{-c_q} + (1 - \tfrac1m) \frac{k^{1 - \beta}}{(\beta - 1) \zeta}, \quad
           c = 1 - \frac1\beta, $$

        where $1/m$ is the share of lucky guesses and $\zeta = \zeta(\beta)$. Counting: $c_q = c / 2$ and $C =
        E (X_+)^c / ((\beta - 1) \zeta^{1/\beta})$, $X = \max_{y \ne f} Q_y g_y - Q_f g_f$ for $g$ standard
        normal, a class $f$ drawn evenly, and $Q_y^2 = \sum_{j \in y} p_j^2$. Thresholded: $c_q = \beta - 1$
        with no prefactor (C = 1): the order, up to a logarithm, of the risk at the best k. A memory with
        equal weights that stores many more items than it has dimensions loses all of them.
        """
        c = 1.0 - 1.0 / self.beta
        mass = zeta(self.beta, jnp.ones(()))
        wrong = 1.0 - 1.0 / self.classes
        sampling, cut = jnp.zeros(()), jnp.zeros(())
        if self.T is not None:
            clean = mass ** (-1.0 / self.beta) * jnp.exp(gammaln(c)) / self.beta
            sampling = wrong * clean * self.T**-c
        if self.k is not None:
            cut = wrong * self.k ** (1.0 - self.beta) / ((self.beta - 1.0) * mass)
        if self.weights == "thresholded":
            return TripletLaw(sampling, self.d ** (1.0 - self.beta), cut)
        tested = self.distributions()[0]
        squares = (tested / tested[0] / mass) ** 2  # of the distribution on all ranks
        moment = noise.mean_excess(squares, self.classes, c)
        capacity = moment * mass ** (-1.0 / self.beta) / (self.beta - 1.0) * self.d ** (-c / 2.0)
        return TripletLaw(sampling, capacity, cut)


@eqx.filter_jit
def _limit(setting: AssociativeMemory) -> tuple[Float[Array, ""], Float[Array, ""], Float[Array, ""]]:
    """Risk, mass of the items never seen, and the error of the first."""
    tested, trained = setting.distributions()
    points, chances, squares = noise.law_of_weights(trained, setting.T, setting.weights)
    risk, error = noise.risk(tested, points, chances, squares, setting.d, setting.classes)
    return risk, jnp.sum(tested * (1.0 - noise.seen(trained, setting.T))), error
