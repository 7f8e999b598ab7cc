r"""The interpretable experiment: a linear network on a core feature, a spurious one and noise, in three runs.

Empirical risk minimisation (ERM) without noise, the same with noise by which rows can be memorised, and
memorisation-aware training (MAT) with that noise. Rows are those of
:mod:`freeridge.theory.memorization.experiments.spurious_rows`; every step is one of gradient descent on all
rows, in single precision.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import numpy as np
import xarray as xr
from jaxtyping import Float
from scipy.special import expit

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import as_real, require, require_count
from freeridge.solvers.perceptron import Perceptron, uniform_perceptron
from freeridge.solvers.replicates import key_entropy
from freeridge.solvers.storage import provenance
from freeridge.theory.memorization.experiments.spurious_rows import SpuriousRows, draw_rows
from freeridge.theory.memorization.training.course import Course
from freeridge.theory.memorization.training.learning import train
from freeridge.theory.memorization.training.measures import GroupAccuracy
from freeridge.theory.memorization.training.rows import shifted_rows
from freeridge.theory.memorization.training.shift import calibrated_shift
from freeridge.theory.memorization.training.twins import train_twins

TRAIN_MAJORITY, TEST_MAJORITY = 0.9, 0.5
SPLITS, GROUPS, FEATURES = ("train", "test"), ("majority", "minority"), ("core", "spurious")
SHARPNESS = 10.0  # of the decision map
_TRAIN, _TEST, _WEIGHTS, _TWINS = range(4)  # streams of random numbers


class Lesson(NamedTuple):
    r"""One of the runs.

    Attributes
    ----------
    name : str
    noise : float
        $\sigma_\epsilon$.
    rate : float
        Step size, of the twins as well.
    temperature : float, optional
        Of the calibrated shift; ERM without it.
    """

    name: str
    noise: float
    rate: float
    temperature: float | None = None


LESSONS = (
    Lesson("ERM, no noise", 0.0, 0.03),
    Lesson("ERM", 0.5, 0.01),
    Lesson("MAT", 0.5, 0.01, 0.1),
)


class InterpretableExperiment(eqx.Module):
    r"""The experiment; what is not given is as published, but random numbers, which are not those of PyTorch.

    Parameters
    ----------
    rows : int
        Of the training and of the test data each.
    dimension : int
        Inputs, two of them features.
    epochs : int
        Steps of gradient descent.
    lessons : sequence of Lesson

    Examples
    --------
    >>> [lesson.name for lesson in InterpretableExperiment().lessons]
    ['ERM, no noise', 'ERM', 'MAT']

    References
    ----------
    The Pitfalls of Memorization: When Memorization Hurts Generalization, Figure 1.
    """

    rows: int = eqx.field(static=True, default=1000)
    dimension: int = eqx.field(static=True, default=1800)
    epochs: int = eqx.field(static=True, default=1000)
    lessons: tuple[Lesson, ...] = eqx.field(static=True, default=LESSONS, converter=tuple)

    def __check_init__(self) -> None:
        for name in ("rows", "dimension", "epochs"):
            require_count(name, getattr(self, name))
        if self.rows < 11:
            raise InvalidSetting("rows", self.rows, "at least 11 rows, of which one is of the minority")
        if self.dimension < 2:
            raise InvalidSetting("dimension", self.dimension, "at least the 2 features")
        if not self.lessons or len({lesson.name for lesson in self.lessons}) < len(self.lessons):
            raise InvalidSetting("lessons", self.lessons, "one or more, of different names")
        for lesson in self.lessons:
            require("noise", as_real("noise", lesson.noise), lambda v: v >= 0, "a finite number >= 0")
            for name in ("rate", "temperature"):
                value = getattr(lesson, name)
                if value is not None:
                    require(name, as_real(name, value), lambda v: v > 0, "a finite number > 0")

    def run(
        self, key: Any = 0, seeds: int = 1, report: Callable[[int, int], None] = lambda done, total: None
    ) -> xr.Dataset:
        """Train every run with every seed; runs of one seed share features, labels, $z$ and first weights.

        Parameters
        ----------
        key : int, sequence of int or JAX key
        seeds : int
        report : callable
            Called before each training with the number done and their number.

        Returns
        -------
        xarray.Dataset
            Over (``run``, ``seed``), and

            - (``epoch``, ``split``, ``group``), the ``accuracy`` after so many steps;
            - ``feature``, the ``weights`` in the end, of the second logit minus the first, and
              ``noise_norm``, the norm of the others;
            - ``group``, the mean ``shift`` of the training rows of MAT: that of the logit of the label minus
              that of the other one. NaN for ERM.

            Over (``run``, ``core``, ``spurious``), the ``decision`` of the first seed. Over ``row``, the
            training data of that seed: ``features``, ``label``, ``is_majority``.
        """
        require_count("seeds", seeds)
        entropy, total = key_entropy(key), len(self.lessons) * seeds
        found: list[list[xr.Dataset]] = []
        for place, lesson in enumerate(self.lessons):
            column = []
            for seed in range(seeds):
                report(place * seeds + seed, total)
                column.append(self._one(lesson, (*entropy, seed)))
            found.append(column)
        runs = xr.concat([xr.concat(column, "seed") for column in found], "run")
        rows = self.draw((*entropy, 0), noise=0.0)[0]
        core, spurious = np.linspace(-2.0, 2.0, 100), np.linspace(-10.0, 10.0, 100)
        maps = [decision_map(weights, core, spurious) for weights in runs.weights.isel(seed=0).values]
        return runs.assign(
            decision=(("run", "core", "spurious"), np.stack(maps)),
            features=(("row", "feature"), rows.inputs[:, :2].astype(np.float64)),
            label=("row", rows.labels),
            is_majority=("row", rows.majority),
        ).assign_coords(
            run=[lesson.name for lesson in self.lessons], core=core, spurious=spurious
        ).assign_attrs(parameters=provenance(self, key), precision="float32")  # fmt: skip

    def beginner(self, rng: np.random.Generator) -> Perceptron:
        """A linear network without offsets, before training."""
        return uniform_perceptron(rng, [self.dimension, 2], offsets=False)

    def draw(self, key: tuple[int, ...], noise: float) -> tuple[SpuriousRows, SpuriousRows]:
        """Training rows, a tenth of them of the minority, rounded down, and test rows, half of them."""
        first, second = (
            draw_rows(_rng(key, purpose), self.rows, self.dimension, majority, noise)
            for purpose, majority in ((_TRAIN, TRAIN_MAJORITY), (_TEST, TEST_MAJORITY))
        )
        return first, second

    def _one(self, lesson: Lesson, key: tuple[int, ...]) -> xr.Dataset:
        train_rows, test_rows = self.draw(key, lesson.noise)
        course = Course(epochs=self.epochs, rate=lesson.rate)
        shift, of_groups = None, np.full(len(GROUPS), np.nan)
        if lesson.temperature is not None:
            twins = train_twins(self.beginner, train_rows.inputs, train_rows.labels, course, (*key, _TWINS))
            shift = calibrated_shift(twins.held_out, train_rows.labels, lesson.temperature)
            own = (shift[:, 1] - shift[:, 0]) * (2.0 * train_rows.labels - 1.0)
            of_groups = np.array([own[train_rows.majority].mean(), own[~train_rows.majority].mean()])
        measures = {
            split: GroupAccuracy(rows.inputs, rows.labels, np.where(rows.majority, 0, 1), len(GROUPS))
            for split, rows in zip(SPLITS, (train_rows, test_rows), strict=True)
        }
        labels = shifted_rows(train_rows.labels, 2, shift=shift)
        start = self.beginner(_rng(key, _WEIGHTS))
        trained = train(start, train_rows.inputs, labels, course, measures=measures)
        accuracy = np.stack([trained.record[f"{split}_group_accuracies"] for split in SPLITS], axis=1)
        weights = np.asarray(trained.network.weights[0], np.float64) @ [-1.0, 1.0]
        return xr.Dataset(
            {
                "accuracy": (("epoch", "split", "group"), accuracy.astype(np.float64)),
                "weights": ("feature", weights[:2]),
                "noise_norm": ((), np.linalg.norm(weights[2:])),
                "shift": ("group", of_groups),
            },
            coords={
                "epoch": trained.epochs,
                "split": list(SPLITS),
                "group": list(GROUPS),
                "feature": list(FEATURES),
            },
        )


def decision_map(
    weights: Float[np.ndarray, "2"], core: Float[np.ndarray, " a"], spurious: Float[np.ndarray, " b"]
) -> Float[np.ndarray, "a b"]:
    r"""Sigmoid of ten times the difference of the logits, where the noise is zero.

    Parameters
    ----------
    weights : array
        Of the core and the spurious feature in the second logit minus the first.
    core, spurious : array
        The two axes of the map.

    Examples
    --------
    >>> decision_map(np.array([-1.0, 0.0]), np.array([-1.0, 0.0]), np.array([5.0])).round(3)
    array([[1. ],
           [0.5]])
    """
    return expit(SHARPNESS * (weights[0] * core[:, None] + weights[1] * spurious))


def _rng(key: tuple[int, ...], purpose: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(key, spawn_key=(purpose,)))
