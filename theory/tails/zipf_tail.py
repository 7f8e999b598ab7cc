"""The learner with infinite memory on Zipf data, real or generated: *A Tale of Tails*, Sections 2 and 3."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import Scalar, known, real_field, require, require_count
from freeridge.solvers.results import Code, Estimate
from freeridge.theory.tails.hutter_sampling import simulate_hutter
from freeridge.theory.tails.missed_mass import missed_mass, rank_of_mass
from freeridge.theory.tails.prediction import TailPrediction
from freeridge.theory.tails.small_pool import SMALL, Chances, chances_of

_CERTIFIED = 1e-10  # relative error up to which a sum is given


class ZipfTail(eqx.Module):
    r"""Test error of a learner that memorises, on Zipf data of which some may be generated.

    Items are ranks $i = 1, 2, \dots$ with $p_i = i^{-\beta} / \zeta(\beta)$ and a deterministic label each.
    The Hutter LLM knows the label of the items that it was trained on and errs on all others. Of $T$ training
    samples each is real, from $p$, with probability $\pi$, and else generated, from $q$; $T_{\mathrm{real}}$
    real samples may stand beside them. The test error on real data is

    $$ E = \sum_i p_i (1 - p_i)^{T_{\mathrm{real}}} \big( 1 - \pi p_i - (1 - \pi) q_i \big)^T , $$

    exactly, at any size: there is no limit here. The generator's law is $q_i \propto i^{-\beta'}$ for
    $i \le k$. It may be cut at $k$, or where its mass reaches `top_p`; narrower than the data, by its own
    exponent $\beta'$ or by a temperature, $\beta' = \beta / \tau$. With `generator_samples` $= T_0$ it is
    what a chain of `generations` leaves of it, of which each learns from $T_0$ samples of the one before; the
    error is then that of fewer samples (:mod:`freeridge.theory.tails.resampling` and, up to 2,048 in a
    generation, :mod:`freeridge.theory.tails.small_pool`). With `bought_from` $= N$ each sample is, with
    probability `bought_share`, bought from the tail, the real data of rank $N$ and more.

    Every sum is exact for its first ranks and an integral with end corrections after them
    (:mod:`freeridge.solvers.rank_sums`); the residual is the estimate of its relative error. Rates and
    prefactors are those of :func:`freeridge.theory.tails.scaling_law.scaling_law`.

    Parameters
    ----------
    beta : float
        Exponent of the data, above 1.
    T : float
        Training samples, at least 0. Whole in simulation; theory takes any, by the formula above.
    k : int, optional
        Tail cut: the largest rank that is generated. None or infinite is no cut.
    exponent : float, optional
        $\beta' > 1$ of the generator; $\beta$ when left out.
    temperature : float, optional
        $\tau > 0$ of the generator in place of `exponent`; below 1 it narrows.
    top_p : float, optional
        Mass in (0, 1] of the generator that is kept, from its head, in place of `k`.
    real_share : float
        $\pi$ in [0, 1].
    real_samples : float
        $T_{\mathrm{real}} \ge 0$.
    bought_from : int, optional
        $N$, a rank.
    bought_share : float
        Of the samples that are bought: one half in the paper.
    generator_samples : int, optional
        $T_0$.
    generations : int
        How often generated data were learned and generated again; 1 is a generator trained on real data.

    Raises
    ------
    InvalidSetting
        For values outside these ranges, and for combinations that contradict each other.

    Examples
    --------
    Clean data, a generator without the tail, and two per cent of real data that bring it back:

    >>> import freeridge as fr
    >>> setting = fr.ZipfTail(beta=1.5, T=1e8, k=1000, real_share=0.02)
    >>> round(float(setting.predict().risk), 6)
    0.007473
    >>> round(float(fr.ZipfTail(beta=1.5, T=1e8).predict().risk), 6)
    0.002029
    >>> round(float(fr.ZipfTail(beta=1.5, T=1e8, k=1000).predict().risk), 6)
    0.024204
    >>> mixed = fr.ZipfTail(beta=1.5, T=1e8, k=1000, real_share=0.02)
    >>> round(float(mixed.predict().risk), 6), mixed.predict().ok
    (0.007473, True)

    References
    ----------
    E. Dohmatob, Y. Feng, P. Yang, F. Charton, J. Kempe, A Tale of Tails: Model Collapse as a Change of
    Scaling Laws, ICML 2024, arXiv 2402.07043: equations 7 and 9, Theorems 2.1, 2.4, 3.1 and 3.2, Corollaries
    2.2, 2.3 and 3.3. M. Hutter, Learning Curve Theory, arXiv 2102.04074.
    """

    beta: Scalar = real_field("beta")
    T: Scalar = real_field("T")
    k: Scalar | None = real_field("k", default=None, optional=True)
    exponent: Scalar | None = real_field("exponent", default=None, optional=True)
    temperature: Scalar | None = real_field("temperature", default=None, optional=True)
    top_p: Scalar | None = real_field("top_p", default=None, optional=True)
    real_share: Scalar = real_field("real_share", default=0.0)
    real_samples: Scalar = real_field("real_samples", default=0.0)
    bought_from: Scalar | None = real_field("bought_from", default=None, optional=True)
    bought_share: Scalar = real_field("bought_share", default=0.5)
    generator_samples: Scalar | None = real_field("generator_samples", default=None, optional=True)
    generations: int = eqx.field(static=True, default=1)

    def __check_init__(self) -> None:
        heavy = "an exponent above 1: with 1 or less the ranks have no distribution"
        require("beta", self.beta, lambda v: v > 1, heavy)
        require("T", self.T, lambda v: v >= 0, "a number of samples >= 0")
        require("real_samples", self.real_samples, lambda v: v >= 0, "a number of samples >= 0")
        for name in ("real_share", "bought_share"):
            require(name, getattr(self, name), lambda v: (v >= 0) & (v <= 1), "a share in [0, 1]")
        if self.exponent is not None:
            require("exponent", self.exponent, lambda v: v > 1, heavy)
        if self.temperature is not None:
            require("temperature", self.temperature, lambda v: v > 0, "a temperature > 0")
            beta, temperature = known(self.beta), known(self.temperature)
            if beta is not None and temperature is not None and not beta > temperature:
                expected = "a temperature below beta: beta / temperature is the exponent, above 1"
                raise InvalidSetting("temperature", float(temperature), expected)
        if self.top_p is not None:
            require("top_p", self.top_p, lambda v: (v > 0) & (v <= 1), "a mass in (0, 1]")
        for name in ("k", "bought_from", "generator_samples"):
            if getattr(self, name) is not None:
                _require_whole(name, getattr(self, name), infinite=name == "k")
        require_count("generations", self.generations)
        self._check_company()

    def _check_company(self) -> None:
        for one, other in (("k", "top_p"), ("exponent", "temperature"), ("generator_samples", "bought_from")):
            if getattr(self, one) is not None and getattr(self, other) is not None:
                raise InvalidSetting(other, getattr(self, other), f"no {other} beside {one}")
        share = known(self.real_share)
        if self.generator_samples is None:
            if self.generations != 1:
                expected = "generator_samples, what each generation learns from"
                raise InvalidSetting("generations", self.generations, expected)
        elif share is None or share != 0:
            expected = "0 with generator_samples; real data beside them are real_samples"
            raise InvalidSetting("real_share", self.real_share, expected)
        if self.bought_from is not None and (share is None or share != 0):
            raise InvalidSetting(
                "real_share", self.real_share, "0 with bought_from, whose share is bought_share"
            )

    @property
    def generator_exponent(self) -> Float[Array, ""]:
        r"""$\beta'$."""
        if self.temperature is not None:
            return self.beta / self.temperature
        return self.beta if self.exponent is None else self.exponent

    @property
    def cut(self) -> Float[Array, ""]:
        """The largest rank that is generated, infinite without a cut."""
        if self.top_p is not None:
            return rank_of_mass(self.generator_exponent, self.top_p)
        return jnp.asarray(jnp.inf) if self.k is None else self.k

    def predict(self) -> TailPrediction:
        """The exact test error.

        Returns
        -------
        TailPrediction
            ``risk``; ``tail_risk``, the part of it on ranks beyond the cut, which no generated data can
            lower; ``local_exponent``, $-d \\log E / d \\log T$ at this $T$. The code is ``NOT_CERTIFIED``
            where the estimated relative error exceeds 1e-10: with 100 generations or more of a few thousand
            samples, and where small `generator_samples` are swept or differentiated and not one number.
        """
        (risk, tail, error), slope = _risk_and_slope(self, self._chances())
        residual = error / risk
        bad = ~(residual <= _CERTIFIED)
        quantities = {"risk": risk, "tail_risk": tail, "local_exponent": -self.T * slope / risk + 0.0}
        quantities = {name: jnp.where(bad, jnp.nan, value) for name, value in quantities.items()}
        code = jnp.where(bad, int(Code.NOT_CERTIFIED), int(Code.OK)).astype(jnp.int32)
        return TailPrediction(quantities, residual, code)

    def _chances(self) -> Chances | None:
        """Those of the samples of a generation, where they are few and not traced by JAX."""
        pool = None if self.generator_samples is None else known(self.generator_samples)
        return chances_of(int(pool)) if pool is not None and pool <= SMALL else None

    def simulate(self, key: Any, replicates: int = 20, *, progress: bool = False) -> Estimate:
        """Draw the samples, as counts of the ranks that occur, and measure what they miss.

        Parameters
        ----------
        key : int or JAX key
            Seed.
        replicates : int
            At least 2.
        progress : bool
            Show a progress bar.

        Returns
        -------
        Estimate
            ``risk`` and ``tail_risk``, for all infinitely many ranks.
        """
        return simulate_hutter(self, key, replicates, progress=progress)


@eqx.filter_jit
def _risk_and_slope(
    setting: ZipfTail, chances: Chances | None
) -> tuple[tuple[Any, Any, Any], Float[Array, ""]]:
    """All numbers of a prediction, compiled, and the derivative of the first in T."""
    found, slopes = jax.jvp(
        lambda t: missed_mass(setting, t, chances), (setting.T,), (jnp.ones_like(setting.T),)
    )
    return found, slopes[0]


def _require_whole(name: str, value: Any, infinite: bool) -> None:
    """Refuse what is not a whole number of at least 1."""
    array = known(value)
    if array is None or (infinite and array == np.inf):
        return
    require(name, array, lambda v: (v >= 1) & (v == np.floor(v)), "a whole number >= 1")
