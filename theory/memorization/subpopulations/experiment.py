"""The benchmark: worst-group accuracy of five algorithms, selected with true or with inferred groups."""

import os
import sys
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import equinox as eqx
import numpy as np
import xarray as xr

from freeridge.solvers.checkpoints import claim
from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import preset_fields, require_count
from freeridge.solvers.parts import Parts
from freeridge.solvers.replicates import key_entropy
from freeridge.solvers.storage import fingerprint, provenance, save_dataset
from freeridge.theory.memorization.subpopulations.algorithms import ALGORITHMS, Draw, random_draws
from freeridge.theory.memorization.subpopulations.data import SubpopulationData
from freeridge.theory.memorization.subpopulations.digits import spurious_digits
from freeridge.theory.memorization.subpopulations.record import seed_record
from freeridge.theory.memorization.subpopulations.selection import worst_group
from freeridge.theory.memorization.subpopulations.trials import Trial

_DIGITS: dict[str, Any] = {
    "data": None,
    "majority": 0.9,
    "noise_std": 0.2,
    "noise_coordinates": 500,
    "contrast": 1.0,
    "width": 32,
    "epochs": 40,
    "batch": 64,
    "every": 4,
    "rates": (1e-3, 1e-1),
    "decays": (1e-4, 1e-1),
    "temperatures": (1e-3, 1e-2, 1e-1),
    "algorithms": ALGORITHMS,
    "draws": 10,
    "seeds": 16,
}
PRESETS: dict[str, dict[str, Any]] = {
    # Seconds: every part is run, nothing is shown.
    "quick": {
        **_DIGITS,
        "noise_coordinates": 20,
        "width": 8,
        "epochs": 4,
        "every": 2,
        "draws": 2,
        "seeds": 2,
    },
    # Minutes on two cores. Colour is so plain that the twins find the minority without an error.
    "digits": _DIGITS,
    # Colours that are much alike: the twins err, and what rests on them with them.
    "digits-faint": {**_DIGITS, "contrast": 0.2},
}


class SubpopulationBenchmark(eqx.Module):
    r"""Worst-group and mean accuracy of the algorithms of
    :mod:`freeridge.theory.memorization.subpopulations.algorithms`.

    For every seed there are a data set, random hyperparameters, twins for each of these (those that flip the
    most labels are kept), and then for each algorithm and each draw of hyperparameters a training: the same
    network, initial weights, batches and number of steps. Selection takes the draw and the checkpoint of the
    highest worst-group accuracy on the validation data, whose groups are ``true`` ones (label and attribute)
    or ``inferred`` (label, and whether either twin is wrong). Accuracies are those on the test data.

    Networks have one hidden layer with ReLU and are trained in single precision by gradient descent with
    momentum 0.9.

    Parameters
    ----------
    preset : {"quick", "digits", "digits-faint"}
        Where fields that are not given are taken from.
    data : SubpopulationData, optional
        Features of one's own, the same for all seeds; without it coloured digits, drawn anew for each seed.
    majority, noise_std, noise_coordinates, contrast
        Of :func:`freeridge.theory.memorization.subpopulations.digits.spurious_digits`; of no account with
        ``data``.
    width : int
        Units of the hidden layer.
    epochs, batch : int
        Passes over the training data, and rows in a step.
    every : int
        Epochs between checkpoints.
    rates, decays : pair of float
        Between which step size and weight decay are drawn.
    temperatures : sequence of float
        From which that of the held-out answers is drawn.
    algorithms : sequence of str
        ``erm`` and any others.
    draws, seeds : int

    Examples
    --------
    >>> benchmark = SubpopulationBenchmark("digits", noise_std=0.5)
    >>> benchmark.noise_std, benchmark.draws
    (0.5, 10)

    References
    ----------
    The Pitfalls of Memorization: When Memorization Hurts Generalization, ICLR 2025, Table 1.
    """

    data: SubpopulationData | None
    majority: float = eqx.field(static=True)
    noise_std: float = eqx.field(static=True)
    noise_coordinates: int = eqx.field(static=True)
    contrast: float = eqx.field(static=True)
    width: int = eqx.field(static=True)
    epochs: int = eqx.field(static=True)
    batch: int = eqx.field(static=True)
    every: int = eqx.field(static=True)
    rates: tuple[float, float] = eqx.field(static=True)
    decays: tuple[float, float] = eqx.field(static=True)
    temperatures: tuple[float, ...] = eqx.field(static=True)
    algorithms: tuple[str, ...] = eqx.field(static=True)
    draws: int = eqx.field(static=True)
    seeds: int = eqx.field(static=True)

    def __init__(self, preset: str = "digits", **changes: Any) -> None:
        for name, value in preset_fields(PRESETS, preset, changes).items():
            setattr(self, name, value)
        for name in ("rates", "decays", "temperatures", "algorithms"):
            values = getattr(self, name)
            if not isinstance(values, list | tuple):
                raise InvalidSetting(name, values, "several in a list")
            setattr(self, name, tuple(values))

    def __check_init__(self) -> None:
        for name in ("width", "epochs", "batch", "every", "draws", "seeds"):
            require_count(name, getattr(self, name))
        if self.epochs % self.every:
            raise InvalidSetting("every", self.every, f"a divisor of the {self.epochs} epochs")
        if "erm" not in self.algorithms or not set(self.algorithms) <= set(ALGORITHMS):
            expected = "erm, to which the others are compared, and any of " + ", ".join(ALGORITHMS[1:])
            raise InvalidSetting("algorithms", self.algorithms, expected)
        self.draws_of(0)
        self.data_of(0)

    def data_of(self, key: Any) -> SubpopulationData:
        """The data of a seed.

        Parameters
        ----------
        key : int, sequence of int or JAX key
        """
        if self.data is not None:
            return self.data
        return spurious_digits(
            key,
            majority=self.majority,
            noise_std=self.noise_std,
            noise_coordinates=self.noise_coordinates,
            contrast=self.contrast,
        )

    def draws_of(self, key: Any) -> tuple[Draw, ...]:
        """The hyperparameters of a seed."""
        return random_draws(
            key, self.draws, rates=self.rates, decays=self.decays, temperatures=self.temperatures
        )

    def run(
        self, folder: str | os.PathLike[str] | None = None, key: Any = 0, *, progress: bool = False
    ) -> xr.Dataset:
        """Make all trainings, or go on with those that an earlier call left in the folder.

        Parameters
        ----------
        folder : path, optional
            For the finished parts and ``record.nc``. It must be empty or of this benchmark.
        key : int, sequence of int or JAX key
            Seed of everything.
        progress : bool
            A line on standard error for every algorithm and seed.

        Returns
        -------
        xarray.Dataset
            Over (``algorithm``, ``selection``, ``seed``): ``worst_group_accuracy`` and ``mean_accuracy`` on
            the test data, and the ``chosen_draw`` and ``chosen_epoch`` they are of. Over (``algorithm``,
            ``seed``, ``draw``, ``epoch``, ``group``): ``train_accuracy``, ``validation_accuracy`` and
            ``test_accuracy``, NaN where there are no rows; ``inferred_accuracy`` of the validation data over
            ``inferred_group`` in place of the last. Over (``seed``, ``draw``): the hyperparameters and the
            ``flip_rate`` of the twins. Over (``seed``, ``group``): ``test_rows``, and ``held_out_error``, the
            share of training rows of which the twins name another label when held out.

        Raises
        ------
        InvalidSetting
            When the folder holds another experiment or was seeded otherwise.
        ImportError
            When scikit-learn is not there, and needed for the digits.

        Warns
        -----
        RuntimeWarning
            When interrupted (Ctrl-C): the seeds that are finished are returned, and the same call goes on
            from there.
        """
        place = None if folder is None else Path(folder)
        if place is not None:
            claim(place / "subpopulations.json", provenance(self, key_entropy(key)))
        parts = Parts(None if place is None else place / "runs", fingerprint(self, key_entropy(key)))
        seeds: list[xr.Dataset] = []
        try:
            for seed in range(self.seeds):
                seeds.append(self._seed(seed, (*key_entropy(key), seed), parts, progress))
        except KeyboardInterrupt:
            if not seeds:
                raise
            done = f"interrupted: {len(seeds)} of {self.seeds} seeds are finished"
            warnings.warn(done, RuntimeWarning, stacklevel=2)
        found = xr.concat(seeds, "seed", data_vars="all", join="exact").assign_coords(
            seed=np.arange(len(seeds))
        )
        found = found.assign_attrs(parameters=provenance(self, key_entropy(key)), precision="float32")
        if place is not None:
            save_dataset(found, place / "record.nc")
        return found

    def _seed(self, seed: int, key: tuple[int, ...], parts: Parts, progress: bool) -> xr.Dataset:
        """All algorithms with one seed."""
        data = self.data_of(key)
        draws = self.draws_of(key)
        trial = Trial(data, draws, self.width, self.epochs, self.batch, self.every, key)
        twins = parts.get(f"twins-{seed}", trial.twins)
        found: list[dict[str, np.ndarray]] = []
        for algorithm in self.algorithms:
            found.append(parts.get(f"{algorithm}-{seed}", partial(trial.accuracies, algorithm, twins)))
            if progress:
                best = np.max(worst_group(found[-1]["validation"]))
                print(
                    f"seed {seed}: {algorithm}, worst-group validation accuracy {best:.3f}",
                    file=sys.stderr,
                    flush=True,
                )
        return seed_record(data, draws, twins, dict(zip(self.algorithms, found, strict=True)), self.every)
