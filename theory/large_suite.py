"""Theory against simulation up to d = 10^4, as a rate: how fast the one comes to the other.

The other suites remove the bias of finite size and ask whether nothing is left. This one watches it go: each
regime is simulated at growing dimension, rows in blocks, and the relative distance between simulation and
theory has to fall as 1/d (`freeridge.solvers.convergence`). It is the check in which a constant that theory
misses would show: at d = 10^4 a relative one of some 1e-4.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import product
from zlib import crc32

import numpy as np

from freeridge.solvers.census import require_size
from freeridge.solvers.convergence import Convergence
from freeridge.solvers.convergence_census import ConvergenceCensus
from freeridge.solvers.cores import available_cores
from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.parts import Columns
from freeridge.solvers.replicates import Key, key_entropy
from freeridge.solvers.results import Prediction
from freeridge.solvers.ridge_path import RidgeExperiment
from freeridge.solvers.row_blocks import product_peak, replicate_in_blocks
from freeridge.solvers.source_digest import library_digest
from freeridge.solvers.storage import fingerprint
from freeridge.solvers.workers import Piece, compute_pieces, place
from freeridge.theory.experiment import experiment_of
from freeridge.theory.suite import Case

# Replicates at every dimension: the largest ones cost nearly everything, and the small ones carry the rate.
SIZES = {300: 48, 600: 32, 1250: 24, 2500: 12, 5000: 6, 10_000: 3}

REGIMES = {
    "plain": Case(0.5, 0.1),
    "plain power law": Case(0.5, 0.01, spectra=("power law",)),
    "shifted mix": Case(
        0.5, 0.1, spectra=("power law", "five levels"), shares=(0.8, 0.2), labelers="shifted"
    ),
    "one percent tested": Case(
        0.5,
        0.1,
        spectra=("two atoms", "other atoms"),
        shares=(0.99, 0.01),
        labelers="shifted",
        noise=(0.5, 0.25),
        test=1,
    ),
    "mix phi 2": Case(2.0, 0.3, spectra=("two atoms", "other atoms"), shares=(0.5, 0.5), labelers="shifted"),
    "projected mix psi 1": Case(0.8, 0.1, 1.25, ("two atoms", "other atoms"), (0.8, 0.2), labelers="shifted"),
}
_QUANTITIES = ("risk", "bias", "variance", "mismatch")


def run_large_suite(
    key: Key = 0,
    size: str = "large",
    *,
    sizes: Mapping[int, int] = SIZES,
    regimes: Mapping[str, Case] = REGIMES,
    progress: bool = False,
) -> ConvergenceCensus:
    """Theory against simulation in a handful of regimes at growing dimension.

    Inside :func:`freeridge.solvers.workers.on_workers` replicates are kept as they finish, and found again by
    the same code with the same key; with a scheduler they are computed on its workers.

    Parameters
    ----------
    key : int or JAX key
        Seed. Every replicate has draws of its own: more regimes, sizes or replicates change no other.
    size : {"large"}
        As the other suites have it.
    sizes : dict of int
        Replicates at every dimension, ascending: at least three dimensions, and two replicates of each.
    regimes : dict of Case
        By name.
    progress : bool
        Show a progress bar on standard error.
    """
    from rich.console import Console
    from rich.progress import Progress

    require_size(size, {"large": sizes})
    if len(sizes) < 3 or list(sizes) != sorted(sizes) or min(sizes.values()) < 2:
        raise InvalidSetting(
            "sizes", dict(sizes), "at least three, ascending, each with two replicates or more"
        )
    entropy = key_entropy(key)
    limits: dict[tuple[str, int], Prediction] = {}
    found: dict[tuple[str, int], dict[int, Columns]] = {}

    def pieces() -> Iterator[Piece]:
        for (d, count), (name, case) in product(sizes.items(), regimes.items()):
            setting, test = case.build(d)
            limits[name, d], found[name, d] = setting.predict(test), {}
            experiment = experiment_of(setting, setting.test_population(test))
            seed = (*entropy, crc32(name.encode()), d)
            label = f"{name.replace(' ', '-')}-{fingerprint(case)[:8]}-{d}"
            for index in range(count):
                yield Piece(
                    f"{label}-{index}", measured_replicate, (experiment, seed, index), (name, d, index)
                )

    parts = place().parts(lambda: fingerprint("large suite", entropy, library_digest()))
    bar = Progress(console=Console(stderr=True), disable=not progress)
    task = bar.add_task("replicates", total=len(regimes) * sum(count * d**3 for d, count in sizes.items()))
    with bar:
        for piece, columns in compute_pieces(pieces(), parts, place().pool):
            assert not isinstance(columns, Exception)  # none is refused
            name, d, index = piece.about
            found[name, d][index] = columns
            bar.advance(task, d**3)
    return _census(limits, found, tuple(sizes), tuple(regimes))


def measured_replicate(experiment: RidgeExperiment, seed: Sequence[int], index: int) -> Columns:
    """A replicate by blocks, with the peak of the process that computes it."""
    peak = _peak(available_cores())
    return {**replicate_in_blocks(experiment, seed, index), "peak": np.array(peak)}


@cache
def _peak(cores: int) -> float:
    return product_peak()


def _census(
    limits: Mapping[tuple[str, int], Prediction],
    found: Mapping[tuple[str, int], Mapping[int, Columns]],
    sizes: tuple[int, ...],
    names: tuple[str, ...],
) -> ConvergenceCensus:
    """Relative distances of what has been computed, in order."""
    replicates = {place: [columns[index] for index in sorted(columns)] for place, columns in found.items()}
    convergences: dict[str, dict[str, Convergence]] = {}
    for name in names:
        convergences[name] = {}
        for quantity in _QUANTITIES:
            theory = [float(limits[name, d].quantities[quantity]) for d in sizes]
            if 0.0 not in theory:
                distances = [
                    np.array([one[quantity].item() for one in replicates[name, d]]) / limit - 1.0
                    for d, limit in zip(sizes, theory, strict=True)
                ]
                convergences[name][quantity] = Convergence(sizes, distances)
    speeds = {
        d: np.array([(one["rate"], one["peak"]) for name in names for one in replicates[name, d]])
        for d in sizes
    }
    return ConvergenceCensus(
        convergences,
        {d: speed[:, 0] / speed[:, 1] for d, speed in speeds.items()},
        float(np.max(np.concatenate([speed[:, 1] for speed in speeds.values()]))),
        tuple(f"{name} (d = {d})" for (name, d), prediction in limits.items() if not prediction.ok),
    )
