"""Iterative mixing: every round trains on real data and on data labelled by the model of the round before."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import Scalar, known, real_field, require_count
from freeridge.solvers.fixed_point import MixtureProblem, solve_fixed_point
from freeridge.solvers.replicates import run_replicates
from freeridge.solvers.response import amplification
from freeridge.solvers.results import Estimate, Prediction
from freeridge.solvers.spectra import Atoms
from freeridge.theory.collapse import ModelCollapse
from freeridge.theory.covariance import Covariance
from freeridge.theory.covariance_algebra import rank_of
from freeridge.theory.experiment import factor, moment, whole
from freeridge.theory.joint import AtomicLabels
from freeridge.theory.rounds import Rounds

# Nodes of the quadrature over a Marchenko-Pastur law; it converges geometrically, at aspect ratio 0.98 to
# rounding.
_NODES = 400


class IterativeMixing(eqx.Module):
    r"""Rounds of ridge regression on real data mixed with data labelled by the model before.

    Round $t + 1$ trains on $p_1 n$ real rows and on $p_2 n$ new rows labelled by the model of round $t$; the
    labeler of the first round is $w_1 + \delta$ with test error $c_0^2$. With fresh real rows in every round
    (``reuse=False``) the limit follows by applying the mixture theorem to each eigenspace: the second
    moments of the model's error and its correlation with $w_1$ are carried from round to round, for any
    spectrum, ridge and projections. Without ridge and for many rows it is the recursion of Section 5 of the
    paper,

    $$ c_{t+1}^2 \simeq \sigma^2 \phi / (1 - \phi) + \big(p_2^2 + p_1 p_2 \phi / (1 - \phi)\big)\, c_t^2 , $$

    hence Corollary 3. With the same real rows in every round (``reuse=True``, what the paper's Figure 10
    shows) the model is, in the frame of the real rows, ridge regression towards the real-data least-squares
    fit: one fixed point on the spectrum $1 / \mu$, $\mu$ distributed by Marchenko and Pastur. That limit is
    available without ridge, with more real rows than dimensions. ``docs/theory/generations.md`` has both
    derivations.

    Parameters
    ----------
    covariance, n, real_share, quality, noise_variance, ridge, features, signal, shift :
        As in :class:`ModelCollapse`; ``quality`` is $c_0^2$ and ``ridge`` one number.
    rounds : int
        How many rounds.
    reuse : bool
        Whether every round sees the same real rows, noise included.

    Examples
    --------
    >>> import freeridge as fr
    >>> setting = fr.IterativeMixing(
    ...     fr.Isotropic(100), 10_000, 0.5, quality=1.0, noise_variance=1.0, ridge=0.0, rounds=3
    ... )
    >>> [round(float(r), 5) for r in setting.predict().risk]
    [0.26263, 0.07642, 0.0294]

    References
    ----------
    E. Dohmatob, Y. Feng, A. Subramonian, J. Kempe, Strong Model Collapse, arXiv 2410.04840v2, Section 5,
    Corollary 3, Figure 10.
    """

    covariance: Covariance
    n: Scalar = real_field("n")
    real_share: Scalar = real_field("real_share")
    quality: Scalar = real_field("quality")
    noise_variance: Scalar = real_field("noise_variance")
    ridge: Scalar = real_field("ridge")
    rounds: int = eqx.field(static=True)  # type: ignore[misc]  # mypy takes every real_field for a default
    features: Scalar | None = real_field("features", default=None, optional=True)
    signal: Covariance | None = None
    shift: Covariance | None = None
    reuse: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        require_count("rounds", self.rounds)
        if self.ridge.ndim:
            raise InvalidSetting("ridge", known(self.ridge), "one number, not a path, for iterative mixing")
        self.first_round()  # the single round checks the fields they share

    def first_round(self) -> ModelCollapse:
        """Training once on real data and on data of the first labeler (the paper's "single")."""
        return ModelCollapse(
            self.covariance,
            self.n,
            self.real_share,
            self.quality,
            self.noise_variance,
            self.ridge,
            self.features,
            self.signal,
            self.shift,
        )

    def predict(self) -> Prediction:
        """Test risk after each round, shape (rounds,)."""
        return self._predict_reused() if self.reuse else self._predict_fresh()

    def simulate(self, key: Any, replicates: int = 20, *, progress: bool = False) -> Estimate:
        """Run the rounds on drawn data, label noise and labelers averaged exactly; shape (rounds,)."""
        n = whole("n", self.n)
        real = whole("real_share * n", float(self.real_share) * n)
        first = self.first_round().mixture().populations
        (initial,) = [source for source in first[1].labeler.terms() if source not in first[0].labeler.terms()]
        (signal,) = first[0].labeler.terms()
        experiment = Rounds(
            root=factor(self.covariance),
            test=moment(self.covariance),
            signal=moment(signal.covariance),
            initial=moment(initial.covariance),
            sizes=(real, n - real, None if self.features is None else whole("features", self.features)),
            noise=float(self.noise_variance),
            ridge=float(self.ridge),
        )
        outcome = run_replicates(
            lambda rng: {"risk": experiment.run(rng, self.rounds, self.reuse)},
            key,
            replicates,
            progress=progress,
        )
        sizes = {"n": n, "d": self.covariance.d, "rounds": self.rounds}
        return Estimate(outcome.mean, outcome.standard_error, len(outcome.values["risk"]), sizes)

    def _predict_fresh(self) -> Prediction:
        problem, joint, noise = self.first_round().mixture().limit()
        spectrum, labels = problem.spectrum, joint.labels
        assert isinstance(spectrum, Atoms) and isinstance(
            labels, AtomicLabels
        )  # one covariance commutes with itself
        point = solve_fixed_point(problem)
        errors = joint.errors(problem.shares * point.x, point.theta)
        # What each eigenspace receives of the fluctuations: the amplifications towards each atom by itself.
        each = jax.vmap(lambda atom: amplification(problem, point, atom))(jnp.eye(len(joint.test)))
        towards = [jnp.eye(len(errors))[s][:, None] for s in range(len(errors))]

        def round_(moments: Array, _: None) -> tuple[Array, Array]:
            now = AtomicLabels(moments)
            off = [errors - towards[s] for s in range(len(noise))]
            seen = jnp.stack([now.product(spectrum.values[s], off[s], off[s]) for s in range(len(noise))])
            norm = now.product(joint.identity, errors + towards[-1], errors + towards[-1])
            spread = each.samples @ (problem.shares * (seen + noise)) + each.features * norm
            after = jnp.einsum("aj,bj,abj->j", errors, errors, moments) + spread
            with_truth = jnp.einsum("aj,aj->j", errors, moments[:, -1])
            moments = moments.at[1, 1].set(after).at[1, -1].set(with_truth).at[-1, 1].set(with_truth)
            return moments, joint.test @ after

        _, risk = jax.lax.scan(round_, labels.moments, None, length=self.rounds)
        return Prediction({"risk": risk}, point.residual, point.code)

    def _predict_reused(self) -> Prediction:
        real, synthetic = self.real_share * self.n, (1.0 - self.real_share) * self.n
        d = rank_of(self.covariance)
        for name, held, expected in (
            ("features", self.features is None, "None: with the real rows reused theory covers plain ridge"),
            (
                "ridge",
                known(self.ridge) in (None, 0.0),
                "0: with the real rows reused theory covers no ridge",
            ),
            (
                "real_share",
                known(real) is None or float(real) > float(d),
                "more real rows than dimensions when they are reused",
            ),
        ):
            if not held:
                raise InvalidSetting(name, getattr(self, name), expected)
        joint = self.first_round().mixture().limit()[1]
        assert isinstance(joint.labels, AtomicLabels)
        initial = joint.test @ joint.labels.moments[1, 1]
        mu, weights = marchenko_pastur(d / real)
        # Least squares on the real rows alone is off by z, the same in every round; errors are carried
        # relative to it.
        off = self.noise_variance * d * weights / (real * mu)
        problem = MixtureProblem(
            Atoms(1.0 / mu[None], d * weights, self.covariance.d),
            jnp.ones(1),
            synthetic,
            self.real_share / (1.0 - self.real_share),
        )
        point = solve_fixed_point(problem)
        keep = problem.spectrum.values[0] * problem.spectrum.resolvent(point.x, point.theta)
        each = jax.vmap(lambda atom: amplification(problem, point, atom))(jnp.diag(1.0 / mu))

        def round_(carry: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], Array]:
            apart, with_off = carry
            error = jnp.sum(apart * (1.0 - keep) ** 2) + self.noise_variance
            apart, with_off = keep**2 * apart + each.samples[:, 0] * error, keep * with_off
            return (apart, with_off), jnp.sum(apart + off + 2.0 * with_off)

        _, risk = jax.lax.scan(round_, (initial * weights + off, -off), None, length=self.rounds)
        return Prediction({"risk": risk}, point.residual, point.code)


def marchenko_pastur(aspect: Float[Array, ""]) -> tuple[Float[Array, " K"], Float[Array, " K"]]:
    r"""Nodes and weights of Gauss quadrature for the eigenvalues of $X^\top X / n$, $X$ an $n \times d$
    standard normal matrix.

    Parameters
    ----------
    aspect : float
        $d / n < 1$.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> mu, weights = marchenko_pastur(jnp.array(0.5))
    >>> [round(float(weights @ mu**k), 10) for k in (-1, 0, 1, 2)]
    [2.0, 1.0, 1.0, 1.5]
    """
    angle = jnp.pi * jnp.arange(1.0, _NODES + 1.0) / (_NODES + 1.0)
    mu = 1.0 + aspect + 2.0 * jnp.sqrt(aspect) * jnp.cos(angle)
    return mu, 2.0 / (_NODES + 1.0) * jnp.sin(angle) ** 2 / mu
