"""The regimes in which theory is held against simulation: ratios of sizes, so that each exists at every
dimension.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from freeridge.solvers.agreement import Agreement, validate
from freeridge.solvers.census import Census, require_size
from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.extrapolation import run_cases
from freeridge.solvers.replicates import Key
from freeridge.theory.covariance import (
    Covariance,
    Dense,
    Diagonal,
    Eigenvalues,
    Isotropic,
    PowerLaw,
    TwoAtoms,
)
from freeridge.theory.labeler import Labeler, RandomVector, as_labeler
from freeridge.theory.mixture import RidgeMixture
from freeridge.theory.population import Population

# Largest dimension, and replicates at d, d / 2 and d / 4: the small ones cost little and sharpen the bias.
SIZES = {"full": (400, (24, 96, 192)), "quick": (200, (16, 64, 128))}

# Spectra with a limit. The power laws are scaled as (j / d)^-a: steep, with the largest eigenvalues growing
# with d, and yet with a limit of everything else.
SPECTRA: dict[str, Callable[[int], Diagonal]] = {
    "isotropic": Isotropic,
    "small": lambda d: Isotropic(d, 0.3),
    "two atoms": lambda d: TwoAtoms(d, (3.0, 0.5), 0.2),
    "other atoms": lambda d: TwoAtoms(d, (0.2, 1.5), 0.4),
    "five levels": lambda d: Eigenvalues([0.1, 0.4, 1.0, 1.6, 2.5], [d / 5] * 5),
    "half rank": lambda d: Eigenvalues([2.0, 0.0], [d / 2] * 2),
    "power law": lambda d: PowerLaw(d, 0.5, trace=d),
    "steep": lambda d: PowerLaw(d, 1.2, trace=float(np.sum((np.arange(1, d + 1) / d) ** -1.2))),
}

LABELERS = ("random", "shifted", "correlated", "independent", "fixed", "fixed and random")


@dataclass(frozen=True)
class Case:
    r"""A regime: ratios of sizes and kinds of populations, for any dimension.

    Parameters
    ----------
    phi : float
        $d / n$.
    ridge : float
    gamma : float, optional
        $m / d$; None is plain ridge.
    spectra : tuple of str
        One population each, names of ``SPECTRA``.
    shares, noise, weights : tuple of float
        One per population; noise is the variance.
    labelers : str
        Of ``LABELERS``. "random": one for all; "shifted": with independent errors; "correlated": 0.6 of the
        first and 0.8 of an independent one; "fixed": vectors, a different one each.
    test : int or str
        Population tested on, or "other": one that is not in the training data.
    rotated : bool
        Turn each population to its own random axes: dense covariances that do not commute.

    Examples
    --------
    >>> case = Case(phi=0.5, ridge=0.1, gamma=0.8, spectra=("isotropic", "power law"), shares=(0.6, 0.4))
    >>> case.psi, case.commuting, case.sizes(100)
    (0.4, True, {'n': 200, 'd': 100, 'features': 80})
    """

    phi: float
    ridge: float
    gamma: float | None = None
    spectra: tuple[str, ...] = ("isotropic",)
    shares: tuple[float, ...] = (1.0,)
    labelers: str = "random"
    noise: tuple[float, ...] = (0.25, 0.5, 0.1)
    weights: tuple[float, ...] = (1.0, 1.0, 1.0)
    test: int | str = 0
    rotated: bool = False

    @property
    def psi(self) -> float | None:
        """$m / n$."""
        return None if self.gamma is None else self.phi * self.gamma

    @property
    def commuting(self) -> bool:
        """Whether the covariances commute."""
        return not self.rotated

    def sizes(self, d: int) -> dict[str, int]:
        """Whole numbers of rows, inputs and features."""
        counts = [round(d / self.phi * share) for share in self.shares]
        features = {} if self.gamma is None else {"features": round(self.gamma * d)}
        return {"n": sum(counts), "d": d} | features

    def build(self, d: int) -> tuple[RidgeMixture, int | Population]:
        """The setting at one dimension, and the population to test on."""
        # Fixed vectors and axes are part of the setting, not of its simulation: seeded by the dimension.
        rng = np.random.default_rng(d)
        sizes = self.sizes(d)
        covariances = [self._covariance(name, d, rng) for name in self.spectra]
        labelers = self._labelers(len(covariances) + 1, d, rng)
        populations = tuple(
            Population(covariance, labeler, noise, round(d / self.phi * share) / sizes["n"], weight)
            for covariance, labeler, noise, share, weight in zip(
                covariances, labelers, self.noise, self.shares, self.weights, strict=False
            )
        )
        setting = RidgeMixture(populations, sizes["n"], self.ridge, sizes.get("features"))
        if isinstance(self.test, int):
            return setting, self.test
        return setting, Population(self._covariance("five levels", d, rng), labelers[-1])

    def compare(self, d: int, replicates: int, key: Key) -> Agreement:
        """Theory and simulation at one dimension."""
        setting, test = self.build(d)
        return validate(setting, replicates, key, test=test)

    def _covariance(self, name: str, d: int, rng: np.random.Generator) -> Covariance:
        diagonal = SPECTRA[name](d)
        if not self.rotated:
            return diagonal
        q, r = np.linalg.qr(rng.standard_normal((d, d)))
        q = q * np.sign(np.diag(r))  # uniform on the orthogonal group
        matrix = (q * np.asarray(diagonal.coordinates())) @ q.T
        return Dense((matrix + matrix.T) / 2)

    def _labelers(self, count: int, d: int, rng: np.random.Generator) -> list[Labeler]:
        """Of the training populations, and of another one that is only tested on."""
        unit = Isotropic(d, 1 / d)
        truth = RandomVector(PowerLaw(d, 0.3, trace=1.0))
        fixed = [as_labeler(rng.standard_normal(d) / d**0.5) for _ in range(count)]
        fresh = [RandomVector(unit) for _ in range(count)]
        kinds: dict[str, list[Labeler]] = {
            "random": [truth] * count,
            "shifted": [truth, *(truth + 0.5 * w for w in fresh[1:])],
            "correlated": [truth, *(0.6 * truth + 0.8 * w for w in fresh[1:])],
            "independent": [truth, *fresh[1:]],
            "fixed": fixed,
            "fixed and random": [fixed[0], *(fixed[0] + 0.7 * w for w in fresh[1:])],
        }
        if self.labelers not in kinds:
            raise InvalidSetting("labelers", self.labelers, f"one of {', '.join(kinds)}")
        return kinds[self.labelers]


def regimes() -> dict[str, Case]:
    """Named settings that span the theory of ridge on a mixture.

    Examples
    --------
    >>> len(regimes()) >= 40
    True
    """
    two, rich, three = (
        ("two atoms", "other atoms"),
        ("power law", "five levels"),
        ("isotropic", "power law", "two atoms"),
    )
    flat, atoms = ("isotropic", "isotropic"), ("five levels", "two atoms", "other atoms")
    most, even, thirds, rare = (0.8, 0.2), (0.5, 0.5), (0.4, 0.4, 0.2), (0.99, 0.01)
    return {
        # one population, plain ridge: phi below, at and above 1
        "plain phi 0.5 ridgeless": Case(0.5, 0.0),
        "plain phi 0.5": Case(0.5, 0.1),
        "plain phi 1": Case(1.0, 0.1),
        "plain phi 2 ridgeless": Case(2.0, 0.0),
        "plain phi 2": Case(2.0, 0.3),
        "plain phi 0.25 ridge 10": Case(0.25, 10.0),
        "plain power law": Case(0.5, 0.01, spectra=("power law",)),
        "plain steep": Case(2.0, 1.0, spectra=("steep",)),
        "plain half rank": Case(1.0, 0.0, spectra=("half rank",)),
        "plain fixed": Case(0.5, 0.1, spectra=("power law",), labelers="fixed"),
        "plain tested elsewhere": Case(
            0.625, 0.1, spectra=("two atoms",), labelers="correlated", test="other"
        ),
        # one population, projections: psi and gamma below, at and above 1
        "projected psi 0.25 ridgeless": Case(0.5, 0.0, 0.5),
        "projected psi 0.4": Case(0.5, 0.1, 0.8),
        "projected psi 1": Case(0.5, 0.1, 2.0),
        "projected psi 1 phi 2": Case(2.0, 0.2, 0.5),
        "projected psi 1.6": Case(1.0, 0.01, 1.6),
        "projected psi 4 ridgeless": Case(2.0, 0.0, 2.0),
        "projected power law": Case(0.625, 0.01, 0.8, ("power law",)),
        "projected steep": Case(2.0, 1.0, 1.0, ("steep",)),
        "projected fixed ridge 1": Case(1.25, 1.0, 0.8, ("five levels",), labelers="fixed"),
        # two populations on common axes
        "mix of noise": Case(0.5, 0.1, spectra=flat, shares=most),
        "mix ridgeless": Case(0.5, 0.0, spectra=two, shares=even, labelers="shifted"),
        "mix phi 1": Case(1.0, 0.1, spectra=two, shares=most, labelers="shifted"),
        "mix phi 2 ridgeless": Case(2.0, 0.0, spectra=two, shares=most, labelers="shifted"),
        "mix ridge 10": Case(0.5, 10.0, spectra=two, shares=even, labelers="correlated", test=1),
        "mix tested on second": Case(0.5, 0.01, spectra=rich, shares=most, labelers="independent", test=1),
        "mix tested elsewhere": Case(
            1.25, 0.1, spectra=rich, shares=even, labelers="correlated", test="other"
        ),
        "mix weighted": Case(0.5, 0.1, spectra=rich, shares=even, labelers="shifted", weights=(1.0, 3.0)),
        "mix of scales": Case(0.5, 0.01, spectra=("small", "steep"), shares=even, labelers="shifted"),
        "mix one percent": Case(0.5, 0.1, spectra=flat, shares=rare, labelers="independent"),
        "mix one percent tested": Case(0.25, 0.01, spectra=two, shares=rare, labelers="shifted", test=1),
        "mix fixed": Case(1.25, 0.05, spectra=rich, shares=even, labelers="fixed"),
        "mix fixed and random": Case(0.5, 0.1, spectra=rich, shares=most, labelers="fixed and random"),
        # two populations, projections
        "projected mix psi 0.5": Case(1.0, 0.05, 0.5, two, most, "shifted"),
        "projected mix psi 1": Case(0.625, 0.1, 1.6, two, even, "shifted"),
        "projected mix psi 2": Case(1.0, 0.01, 2.0, two, even, "correlated"),
        "projected mix ridgeless": Case(0.5, 0.0, 0.8, two, even, "shifted"),
        "projected mix ridgeless psi 4": Case(2.0, 0.0, 2.0, two, most, "shifted"),
        "projected mix ridge 10": Case(0.5, 10.0, 1.6, rich, most, "independent", test=1),
        "projected mix elsewhere": Case(0.625, 0.1, 0.8, rich, most, "correlated", test="other"),
        "projected mix weighted": Case(1.25, 0.1, 0.8, rich, even, "shifted", weights=(1.0, 0.2)),
        "projected mix one percent": Case(0.25, 0.01, 0.8, two, rare, "independent", test=1),
        "projected mix fixed": Case(0.5, 0.1, 0.5, rich, most, "fixed", test=1),
        # three populations on common axes
        "three": Case(0.5, 0.1, spectra=three, shares=thirds, labelers="correlated"),
        "three weighted phi 5": Case(
            5.0, 0.5, None, three, thirds, "shifted", weights=(2.0, 1.0, 0.5), test=1
        ),
        "three projected": Case(1.0, 0.05, 0.8, atoms, thirds, "independent", test=2),
        "three projected elsewhere": Case(0.5, 0.01, 1.6, three, thirds, "correlated", test="other"),
        # axes of their own: covariances that do not commute
        "rotated tested elsewhere": Case(
            0.5, 0.1, None, ("power law",), (1.0,), "correlated", test="other", rotated=True
        ),
        "rotated mix": Case(0.5, 0.1, None, rich, most, "shifted", rotated=True),
        "rotated mix phi 2": Case(2.0, 0.01, None, rich, most, "correlated", test=1, rotated=True),
        "rotated mix ridgeless": Case(0.5, 0.0, None, two, even, "shifted", rotated=True),
        "rotated mix projected": Case(1.0, 0.1, 0.8, rich, even, "correlated", test=1, rotated=True),
        "rotated mix projected psi 2": Case(1.0, 0.01, 2.0, two, most, "shifted", rotated=True),
        "rotated fixed": Case(0.5, 0.1, None, rich, even, "fixed", test=1, rotated=True),
        "rotated three": Case(1.0, 1.0, None, three, thirds, "independent", test="other", rotated=True),
        "rotated three projected": Case(0.5, 0.05, 0.8, three, thirds, "correlated", test=1, rotated=True),
    }


# A handful for the tests: few, because each combination of populations and features compiles anew.
QUICK = (
    "plain phi 0.5 ridgeless",
    "plain phi 1",
    "projected psi 1",
    "projected psi 4 ridgeless",
    "mix phi 1",
    "mix one percent tested",
    "rotated mix projected",
)


def run_suite(key: Key = 0, size: str = "full", *, progress: bool = False) -> Census:
    """Theory against simulation in every regime, by :mod:`freeridge.solvers.extrapolation`.

    Parameters
    ----------
    key : int or JAX key
        Seed.
    size : {"full", "quick"}
        All regimes in a few minutes, or a handful at smaller dimension in seconds.
    progress : bool
        Show a progress bar on standard error.

    Returns
    -------
    Census
        Its scores are independent standard normal draws wherever theory is right, but for the bias left.
    """
    require_size(size, SIZES)
    cases = regimes()
    chosen = cases if size == "full" else {name: cases[name] for name in QUICK}
    return run_cases(chosen, *SIZES[size], key, progress=progress)
