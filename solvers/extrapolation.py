r"""Suites of settings at any dimension: theory against simulation, extrapolated to infinite size.

Theory is a limit, and a simulation at dimension d misses it by $a/d + b/d^2 + \dots$. A replicate, labels and
random labelers averaged exactly, fluctuates by a multiple of 1/d too: the ratio of bias to standard error is
the same at every dimension, measured up to 0.7 times the root of the number of replicates, and no choice of
sizes makes it small. With $\delta$ the difference between simulation and theory, what is compared is
therefore $2\delta(d) - \delta(d/2)$, which is free of a, with its own standard error. What is left,
$-2b/d^2$, is a quarter of what the same combination leaves at half the size, $2\delta(d/2) - \delta(d/4)$:
the bias reported next to the standard error. A theory off by a constant c shows in it as c / 4, and in z in
full. Each size has draws of its own.
"""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable
from zlib import crc32

import numpy as np

from freeridge.solvers.agreement import Agreement, FiniteSize
from freeridge.solvers.agreements import compute_agreements
from freeridge.solvers.census import Census
from freeridge.solvers.replicates import Key, key_entropy


@runtime_checkable
class Comparable(Protocol):
    """A setting that exists at every dimension, given by ratios of its sizes."""

    def compare(self, d: int, replicates: int, key: Key) -> Agreement:
        """Theory and simulation at one dimension."""


def run_cases(
    cases: Mapping[str, Comparable],
    d: int,
    replicates: tuple[int, int, int],
    key: Key,
    *,
    shown: tuple[str, ...] = ("risk",),
    progress: bool = False,
) -> Census:
    """Theory against simulation in every case, each with a stream of draws of its own, named by the case:
    more cases change no other.

    Parameters
    ----------
    cases : dict of Comparable
        By name.
    d, replicates
        As in :func:`extrapolate`.
    key : int or JAX key
        Seed.
    shown : tuple of str
        Quantities in the table of the census.
    progress : bool
        Show a progress bar on standard error.
    """
    entropy = key_entropy(key)
    comparisons = {
        f"{name} at {dimension}": (cases[name].compare, (dimension, count, [*seed, dimension]))
        for name in cases
        for seed in [[*entropy, crc32(name.encode())]]
        for dimension, count in zip(_dimensions(d), replicates, strict=True)
    }
    found = list(compute_agreements(comparisons, progress=progress).values())
    return Census({name: combined(*found[3 * k : 3 * k + 3]) for k, name in enumerate(cases)}, shown)


def extrapolate(case: Comparable, d: int, replicates: tuple[int, int, int], key: Key) -> Agreement:
    """Theory at dimension d against the simulation freed of its bias of order 1/d.

    Parameters
    ----------
    case : Comparable
    d : int
        A multiple of 4; d / 2 and d / 4 are simulated as well.
    replicates : tuple of int
        At d, d / 2 and d / 4.
    key : int or sequence of int
        Seed.

    Returns
    -------
    Agreement
        On the quantities compared at all three sizes, with ``finite_size``. Its degrees of freedom are those
        of Welch and Satterthwaite for a combination of two estimated variances.

    Examples
    --------
    >>> from freeridge.theory.suite import regimes
    >>> agreement = extrapolate(regimes()["plain phi 0.5"], 40, (8, 16, 32), key=1)
    >>> agreement.sizes, agreement.worst < 6
    ({'n': 80, 'd': 40}, True)
    """
    return combined(
        *(
            case.compare(dimension, count, [*key_entropy(key), dimension])
            for dimension, count in zip(_dimensions(d), replicates, strict=True)
        )
    )


def combined(whole: Agreement, half: Agreement, quarter: Agreement) -> Agreement:
    """The agreement at one dimension freed of its bias by those at a half and a quarter of it."""
    names = [q for q in whole.theory if q in half.theory and q in quarter.theory]

    def combine(*parts: tuple[float, Agreement]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """A weighted sum of simulation - theory, and its standard error."""
        value, error = {}, {}
        for q in names:
            value[q] = np.asarray(sum(c * (one.simulation[q] - one.theory[q]) for c, one in parts))
            error[q] = np.asarray(sum((c * one.standard_error[q]) ** 2 for c, one in parts) ** 0.5)
        return value, error

    parts = ((2.0, whole), (-1.0, half))
    miss, error = combine(*parts)
    freedom = {}
    for q in names:
        spread = sum((c * one.standard_error[q]) ** 4 / one.freedom[q] for c, one in parts)
        with np.errstate(divide="ignore", invalid="ignore"):
            freedom[q] = np.where(spread > 0, error[q] ** 4 / spread, np.inf)
    worst = max((whole, half, quarter), key=lambda one: (not one.ok, np.max(one.residual)))
    return Agreement(
        theory={q: whole.theory[q] for q in names},
        simulation={q: np.asarray(whole.theory[q] + miss[q]) for q in names},
        standard_error=error,
        replicates=whole.replicates,
        sizes=whole.sizes,
        freedom=freedom,
        residual=worst.residual,
        ok=worst.ok,
        message=worst.message,
        finite_size=FiniteSize(*combine((1.0, half), (-1.0, whole)), *combine((0.5, half), (-0.25, quarter))),
    )


def _dimensions(d: int) -> tuple[int, int, int]:
    return d, d // 2, d // 4
