r"""Where wrong labels come from and who looks at them: by chance, or both by linear classifiers.

Inputs are $x = y\, s\, w_* + N(0, I_d)$ with $y = \pm 1$, $|w_*| = 1$. The kept rows enter learning through
the coordinates of $y' x$, the input signed by its label, in the span of $w_*$ and the classifiers; all
others are standard normal. The first coordinate is that along $w_*$.
"""

from typing import NamedTuple, Protocol, runtime_checkable

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import Scalar, known, real_field, require
from freeridge.solvers.logistic_limit import Clusters
from freeridge.theory.pruning.verification.quadrant import half_line_rule, polar_rule, sector_probability
from freeridge.theory.pruning.verification.rates import VerifierRates

# Nodes of three quadratures, in the angle and in the radius: to find a solution, to solve, and to certify.
_NODES = ((8, 24), (24, 56), (30, 72))


class Candidates(NamedTuple):
    """Generated rows before verification."""

    coordinates: Float[np.ndarray, "rows k"]
    """Signed by the label given."""
    wrong: Bool[np.ndarray, " rows"]
    kept: Bool[np.ndarray, " rows"]


@runtime_checkable
class LabelErrors(Protocol):
    """Labels, some of them wrong, and a verifier; a new kind needs these four and works everywhere."""

    coordinates: int
    """$k$."""

    def rates(self, signal: Float[Array, ""]) -> VerifierRates:
        """How often labels are wrong, and how often right and wrong ones are kept."""

    def law(self, signal: Float[Array, ""], level: int) -> Clusters:
        """Of the coordinates of a kept row; with more nodes at level 1 than at 0, and still more at 2."""

    def draw(self, rng: np.random.Generator, signal: float, rows: int) -> Candidates:
        """Rows, labelled and looked at one by one."""


class RandomErrors(eqx.Module):
    """Labels wrong by chance, kept by chance: nothing depends on the input.

    Parameters
    ----------
    rate : float
        $p$, the share of wrong labels.
    keep_right, keep_wrong : float
        $\\phi$ and $\\psi$, how often the verifier keeps a right and a wrong label. It must keep something.

    Examples
    --------
    >>> rates = RandomErrors(rate=0.6, keep_right=0.9, keep_wrong=0.3).rates(jnp.array(1.0))
    >>> round(float(rates.kept), 6), round(float(rates.wrong), 6)
    (0.54, 0.333333)
    """

    rate: Scalar = real_field("rate")
    keep_right: Scalar = real_field("keep_right", default=1.0)
    keep_wrong: Scalar = real_field("keep_wrong", default=1.0)

    coordinates = 1

    def __check_init__(self) -> None:
        for name in ("rate", "keep_right", "keep_wrong"):
            require(name, getattr(self, name), lambda v: (v >= 0) & (v <= 1), "a probability, in [0, 1]")
        kept = known((1.0 - self.rate) * self.keep_right + self.rate * self.keep_wrong)
        if kept is not None and kept == 0:
            value = (float(self.rate), float(self.keep_right), float(self.keep_wrong))
            raise InvalidSetting("(rate, keep_right, keep_wrong)", value, "a verifier that keeps something")

    def rates(self, signal: Float[Array, ""]) -> VerifierRates:
        """How often labels are wrong, and how often right and wrong ones are kept."""
        return VerifierRates(self.rate, self.keep_right, self.keep_wrong)

    def law(self, signal: Float[Array, ""], level: int) -> Clusters:
        """Of the coordinates of a kept row, with more nodes at a higher level."""
        wrong = self.rates(signal).wrong
        means = signal * jnp.array([[1.0], [-1.0]])
        return Clusters(jnp.stack([1.0 - wrong, wrong]), means, jnp.ones((1, 1)))

    def draw(self, rng: np.random.Generator, signal: float, rows: int) -> Candidates:
        """Rows, labelled and looked at one by one."""
        wrong = rng.random(rows) < float(self.rate)
        kept = rng.random(rows) < np.where(wrong, float(self.keep_wrong), float(self.keep_right))
        along = signal + rng.standard_normal(rows)  # signed by the true label
        return Candidates(np.where(wrong, -along, along)[:, None], wrong, kept)


class LinearErrors(eqx.Module):
    r"""Labels of a linear classifier $w_g$, kept where another one, $w_v$, gives the same.

    $y' = \mathrm{sign}(x^\top w_g)$, and the row is kept when $y'\, x^\top w_v > 0$. With
    $c_g = -s \cos\theta_g$, $c_v = -s \cos\theta_v$ and $\theta$ the angle between the two,

    $$ p = \Phi(c_g), \qquad \phi = \frac{\Phi_2(-c_g, -c_v; \cos\theta)}{\Phi(-c_g)}, \qquad
       \psi = \frac{\Phi_2(c_g, c_v; \cos\theta)}{\Phi(c_g)} . $$

    The numerator of $\psi$ is printed as $\Phi(c_g) + \Phi(c_v) - \Phi_2$, which makes it larger than one.

    Parameters
    ----------
    generator, verifier : float
        $\theta_g$ and $\theta_v$ in $[0, \pi]$, the angles to the truth; a verifier at 0 is an oracle, and
        None keeps everything.
    shared : float
        Cosine in [-1, 1] between the parts of $w_g$ and $w_v$ that are orthogonal to the truth: how much the
        two err in the same places. 0, two that learned from different samples, is the paper's; then
        $\cos\theta = \cos\theta_g \cos\theta_v$.

    Examples
    --------
    >>> rates = LinearErrors(generator=0.9, verifier=0.3).rates(jnp.array(1.5))
    >>> [round(float(rate), 4) for rate in rates]
    [0.1756, 0.9618, 0.2533]
    """

    generator: Scalar = real_field("generator")
    verifier: Scalar | None = real_field("verifier", default=0.0, optional=True)
    shared: Scalar = real_field("shared", default=0.0)

    coordinates = 3

    def __check_init__(self) -> None:
        for name in ("generator", "verifier"):
            if getattr(self, name) is not None:
                require(name, getattr(self, name), lambda v: (v >= 0) & (v <= np.pi), "an angle in [0, pi]")
        require("shared", self.shared, lambda v: (v >= -1) & (v <= 1), "a cosine in [-1, 1]")
        angle = known(self._plane()[1])
        if angle is not None and angle > np.pi - 1e-7:
            expected = "no verifier opposite to the generator: it keeps nothing"
            raise InvalidSetting("verifier", self.verifier, expected)

    def rates(self, signal: Float[Array, ""]) -> VerifierRates:
        """How often labels are wrong, and how often right and wrong ones are kept."""
        basis, angle = self._plane()
        mean = signal * basis[:2, 0]
        right, wrong = sector_probability(mean, angle), sector_probability(-mean, angle)
        correct = sector_probability(mean, jnp.zeros(()))
        error = sector_probability(-mean, jnp.zeros(()))
        return VerifierRates(error, right / correct, wrong / error)

    def law(self, signal: Float[Array, ""], level: int) -> Clusters:
        """Of the coordinates of a kept row, with more nodes at a higher level."""
        basis, angle = self._plane()
        if self.verifier is None:
            return self._unverified(signal, basis[0], level)
        mean = signal * basis[:, 0]
        parts = [polar_rule(sign * mean[:2], angle, *_NODES[level]) for sign in (1.0, -1.0)]
        means = [
            part.points @ basis[:2] + sign * mean[2] * basis[2]
            for part, sign in zip(parts, (1.0, -1.0), strict=True)
        ]
        weights = jnp.concatenate([part.weights for part in parts])
        return Clusters(weights / jnp.sum(weights), jnp.concatenate(means), jnp.outer(basis[2], basis[2]))

    def _unverified(self, signal: Float[Array, ""], generator: Float[Array, " 3"], level: int) -> Clusters:
        """All labels of the generator: positive in its direction, and normal in all others."""
        along = signal * generator[0]
        aside = signal * jnp.eye(3)[0] - along * generator
        means, weights = [], []
        for sign in (1.0, -1.0):
            node, weight = half_line_rule(sign * along, 2 * _NODES[level][1])
            means.append(node[:, None] * generator + sign * aside)
            weights.append(weight)
        return Clusters(
            jnp.concatenate(weights), jnp.concatenate(means), jnp.eye(3) - jnp.outer(generator, generator)
        )

    def draw(self, rng: np.random.Generator, signal: float, rows: int) -> Candidates:
        """Rows, labelled and looked at one by one."""
        generator, verifier = (np.asarray(vector) for vector in self._classifiers())
        truth = np.where(rng.random(rows) < 0.5, 1.0, -1.0)
        x = rng.standard_normal((rows, 3))
        x[:, 0] += signal * truth
        label = np.where(x @ generator > 0, 1.0, -1.0)
        return Candidates(label[:, None] * x, label != truth, label * (x @ verifier) > 0)

    def _classifiers(self) -> tuple[Float[Array, " 3"], Float[Array, " 3"]]:
        """Unit vectors of generator and verifier; the first coordinate is along the truth."""
        zero = jnp.zeros(())
        first = jnp.stack([jnp.cos(self.generator), jnp.sin(self.generator), zero])
        if self.verifier is None:
            return first, first
        apart = jnp.sqrt(jnp.maximum(1.0 - self.shared**2, 0.0))
        side = jnp.stack([zero, self.shared, apart]) * jnp.sin(self.verifier)
        return first, side.at[0].set(jnp.cos(self.verifier))

    def _plane(self) -> tuple[Float[Array, "3 3"], Float[Array, ""]]:
        """A basis, as rows: the generator, the direction from it to the verifier, what is orthogonal to both;
        and the angle between the two.
        """
        first, second = self._classifiers()
        apart = second - (first @ second) * first
        size = jnp.sum(apart**2)
        same = size <= 1e-30  # any direction does where there is no second classifier
        other = jnp.stack([-first[1], first[0], jnp.zeros(())])
        length = jnp.sqrt(jnp.where(same, 1.0, size))
        across = jnp.where(same, other, apart / length)
        angle = jnp.arctan2(jnp.where(same, 0.0, length), first @ second)
        return jnp.stack([first, across, jnp.cross(first, across)]), angle
