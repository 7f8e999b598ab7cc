"""The settings in which the theory of bias amplification is held against simulation, as ratios of sizes.

A disparity is an absolute value, or the largest risk minus the smallest, and ADD a ratio to one. Where the
risks compared are within the errors of a simulation, such a quantity is not normal around its limit, however
right the limit: it is then left out, and the signed disparities, which are differences of means, and the
risks themselves are compared all the same. That is decided by theory and standard errors alone.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from freeridge.solvers.agreement import Agreement, validate
from freeridge.solvers.census import Census, require_size
from freeridge.solvers.extrapolation import run_cases
from freeridge.solvers.replicates import Key
from freeridge.theory.bias import BiasAmplification
from freeridge.theory.minority import MinorityGroups
from freeridge.theory.suite import SPECTRA, Case

# Largest dimension, and replicates at d, d / 2 and d / 4.
SIZES = {"full": (200, (24, 96, 192)), "quick": (100, (16, 64, 128))}
SHOWN = ("group_risks", "signed_odd", "signed_edd")
# Risks are apart when this many standard errors are between them.
_APART = 10.0


class Disparity(ABC):
    """A setting of bias amplification that exists at every dimension."""

    @abstractmethod
    def build(self, d: int) -> BiasAmplification:
        """The setting at one dimension."""

    def compare(self, d: int, replicates: int, key: Key) -> Agreement:
        """Theory and simulation at one dimension."""
        return _what_is_clear(validate(self.build(d), replicates, key))


@dataclass(frozen=True)
class Groups(Disparity):
    """Groups are the populations of a case of the mixture, tested one by one.

    Parameters
    ----------
    mixture : Case
    time, step_size : float, optional
        Stop gradient flow, or gradient descent, at this time.

    Examples
    --------
    >>> case = Groups(Case(0.5, 0.1, None, ("isotropic", "small"), (0.8, 0.2)), time=2.0)
    >>> case.build(100).mixture().n, len(case.build(100).groups)
    (Array(200., dtype=float64), 2)
    """

    mixture: Case
    time: float | None = None
    step_size: float | None = None

    def build(self, d: int) -> BiasAmplification:
        """The setting at one dimension."""
        setting, _ = self.mixture.build(d)
        trained = (setting.n, setting.ridge, setting.features, self.time, self.step_size)
        return BiasAmplification(setting.populations, *trained)


@dataclass(frozen=True)
class Minority(Disparity):
    """A minority with extraneous features of its own: 0.6 of the dimensions are the core, 0.2 each
    extraneous.

    Parameters
    ----------
    phi, ridge, gamma
        As in :class:`freeridge.theory.suite.Case`.
    share : float
        Of the minority.
    core, extraneous : str
        Names of ``SPECTRA``.
    noise : tuple of float
        Variances, the majority first.
    signal : float
        Of the extraneous features.
    """

    phi: float
    ridge: float
    gamma: float | None = None
    share: float = 0.2
    core: str = "isotropic"
    extraneous: str = "isotropic"
    noise: tuple[float, float] = (0.25, 0.5)
    signal: float = 0.0

    def build(self, d: int) -> BiasAmplification:
        """The setting at one dimension."""
        core, own = SPECTRA[self.core](3 * d // 5), SPECTRA[self.extraneous](d // 5)
        features = None if self.gamma is None else round(self.gamma * d)
        n, (noise, of_minority) = round(d / self.phi), self.noise
        groups = MinorityGroups(
            *(core, own, n, self.share, noise, self.ridge, features),
            minority_noise_variance=of_minority,
            extraneous_signal=self.signal,
        )
        return groups.amplification()


def disparities() -> dict[str, Groups | Minority]:
    """Named settings that span the theory of bias amplification.

    Examples
    --------
    >>> len(disparities()) >= 30
    True
    """
    two, rich, scales = ("two atoms", "other atoms"), ("power law", "five levels"), ("isotropic", "small")
    three = ("isotropic", "power law", "two atoms")
    most, even, thirds, tenth, rare = (0.8, 0.2), (0.5, 0.5), (0.4, 0.4, 0.2), (0.9, 0.1), (0.99, 0.01)
    mixtures = {
        # plain ridge: phi, and phi of the own models, below, at and above 1
        "plain phi 0.25 ridgeless": Case(0.25, 0.0, None, two, even),
        "plain phi 1.25 ridgeless": Case(1.25, 0.0, None, two, even, "shifted"),
        "plain phi 1": Case(1.0, 0.1, None, two, most, "shifted"),
        "plain phi 2": Case(2.0, 0.3, None, rich, most, "independent"),
        "plain own phi 1": Case(0.5, 0.05, None, two, even),
        "plain scales": Case(0.5, 0.1, None, scales, most, "correlated"),
        "plain noise": Case(0.5, 0.1, None, scales, even, noise=(0.1, 1.0)),
        "plain ridge 10": Case(0.5, 10.0, None, rich, even, "correlated"),
        "plain ridge 0.001": Case(0.25, 1e-3, None, two, most, "shifted"),
        "plain weighted": Case(0.5, 0.1, None, rich, most, "shifted", weights=(1.0, 3.0)),
        "plain fixed": Case(0.25, 0.1, None, two, even, "fixed"),
        "plain fixed and random": Case(0.5, 0.1, None, rich, most, "fixed and random"),
        "plain ten percent": Case(0.25, 0.1, None, rich, tenth, "shifted"),
        "plain one percent": Case(0.1, 0.01, None, two, rare, "shifted"),
        "plain three": Case(0.5, 0.1, None, three, thirds, "correlated"),
        "plain three phi 2.5": Case(2.5, 0.5, None, three, thirds, "shifted", weights=(2.0, 1.0, 0.5)),
        # random projections: psi, and psi of the own models, below, at and above 1
        "projected psi 0.2 ridgeless": Case(0.25, 0.0, 0.8, two, even, "shifted"),
        "projected psi 4 ridgeless": Case(2.0, 0.0, 2.0, two, most, "shifted"),
        "projected psi 0.5": Case(0.5, 0.1, 1.0, rich, most),
        "projected psi 1": Case(0.5, 0.1, 2.0, two, even, "shifted"),
        "projected own psi 1": Case(0.25, 0.05, 2.0, two, even, "correlated"),
        "projected psi 2": Case(1.0, 0.01, 2.0, two, most, "shifted"),
        "projected ridge 0.001": Case(0.25, 1e-3, 0.8, rich, most, "correlated"),
        "projected ridge 10": Case(0.5, 10.0, 1.6, rich, most, "independent"),
        "projected weighted": Case(1.25, 0.1, 0.8, two, even, "shifted", weights=(1.0, 0.2)),
        "projected fixed": Case(0.25, 0.1, 0.8, two, even, "fixed"),
        "projected ten percent": Case(0.25, 0.01, 0.8, rich, tenth, "shifted"),
        "projected one percent": Case(0.1, 0.1, 0.8, two, rare, "independent"),
        "projected three": Case(1.0, 0.05, 0.8, three, thirds, "independent"),
        # axes of their own: covariances that do not commute
        "rotated": Case(0.5, 0.1, None, rich, most, "shifted", rotated=True),
        "rotated ridgeless": Case(0.25, 0.0, None, two, even, "shifted", rotated=True),
        "rotated projected": Case(1.0, 0.1, 0.8, rich, even, "correlated", rotated=True),
        "rotated three projected": Case(0.5, 0.05, 0.8, three, thirds, "correlated", rotated=True),
    }
    flat = ("isotropic", "other atoms")
    return {
        **{name: Groups(mixture) for name, mixture in mixtures.items()},
        # core and extraneous features
        "minority plain": Minority(0.5, 0.1),
        "minority ten percent": Minority(0.25, 0.01, share=0.1, core="five levels"),
        "minority with signal": Minority(0.5, 0.05, share=0.2, extraneous="power law", signal=0.5),
        "minority projected": Minority(0.5, 0.1, 0.8, core="power law"),
        "minority wide": Minority(0.5, 0.01, 4.0, share=0.1),
        # stopped before the end
        "flow plain": Groups(Case(0.5, 0.0, None, two, even, "shifted"), time=3.0),
        "flow ten percent": Groups(Case(0.25, 0.01, None, rich, tenth, "correlated"), time=20.0),
        "flow projected": Groups(Case(0.5, 0.01, 1.6, two, most, "shifted"), time=5.0),
        "flow three": Groups(Case(1.0, 0.1, 0.8, three, thirds, "correlated"), time=1.0),
        "descent plain": Groups(Case(0.5, 0.0, None, flat, most, "shifted"), time=4.0, step_size=0.1),
        "descent projected": Groups(Case(0.5, 0.05, 0.8, flat, even, "correlated"), time=10.0, step_size=0.2),
    }


# A handful for the tests.
QUICK = ("plain phi 1", "projected psi 1", "plain three", "minority projected", "flow plain")


def run_bias_suite(key: Key = 0, size: str = "full", *, progress: bool = False) -> Census:
    """Group risks and disparities against simulation, by :mod:`freeridge.solvers.extrapolation`.

    Parameters
    ----------
    key : int or JAX key
        Seed.
    size : {"full", "quick"}
        All settings in a few minutes, or a handful at smaller dimension in seconds.
    progress : bool
        Show a progress bar on standard error.

    Returns
    -------
    Census
        ODD and EDD in its table are the signed ones.
    """
    require_size(size, SIZES)
    cases = disparities()
    chosen = cases if size == "full" else {name: cases[name] for name in QUICK}
    return run_cases(chosen, *SIZES[size], key, shown=SHOWN, progress=progress)


def _what_is_clear(found: Agreement) -> Agreement:
    """Without the absolute values, maxima and ratios of what is within the errors."""
    theory, error = found.theory, found.standard_error

    def apart(risks: str) -> bool:
        """Whether the largest and the smallest are so by far."""
        order = np.argsort(theory[risks])
        values, errors = theory[risks][order], error[risks][order]
        gaps = np.diff(values) > _APART * np.hypot(errors[1:], errors[:-1])
        return bool(gaps[0] and gaps[-1])

    unclear: set[str] = set()
    if not apart("group_risks"):
        unclear |= {"odd", "add", "worst_group_risk"}
    if not apart("own_risks"):
        unclear |= {"edd", "add"}
    if not abs(theory["signed_edd"]) > _APART * error["signed_edd"]:
        unclear |= {"signed_add"}

    def clear(values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {name: value for name, value in values.items() if name not in unclear}

    return replace(
        found,
        theory=clear(theory),
        simulation=clear(found.simulation),
        standard_error=clear(error),
        freedom=clear(found.freedom),
    )
