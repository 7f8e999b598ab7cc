"""All trainings of one seed of the benchmark, in parts that can be kept and found again."""

from functools import partial
from typing import NamedTuple

import numpy as np

from freeridge.solvers.perceptron import uniform_perceptron
from freeridge.theory.memorization.subpopulations.algorithms import Draw, train_algorithm
from freeridge.theory.memorization.subpopulations.data import SubpopulationData
from freeridge.theory.memorization.training.course import Course
from freeridge.theory.memorization.training.measures import GroupAccuracy
from freeridge.theory.memorization.training.twins import Twins, train_twins

MOMENTUM = 0.9
_START, _TWINS, _TRAINING = 30, 31, 32  # streams of random numbers


class Trial(NamedTuple):
    """One seed: data, hyperparameters, and how the network is trained.

    Attributes
    ----------
    data : SubpopulationData
    draws : sequence of Draw
    width, epochs, batch, every : int
        As in :class:`freeridge.theory.memorization.subpopulations.experiment.SubpopulationBenchmark`.
    key : tuple of int
        Seed of weights, batches and twins.
    """

    data: SubpopulationData
    draws: tuple[Draw, ...]
    width: int
    epochs: int
    batch: int
    every: int
    key: tuple[int, ...]

    def twins(self) -> dict[str, np.ndarray]:
        """Train twins with every draw of the hyperparameters, and take those that flip the most labels.

        As :func:`freeridge.theory.memorization.training.twins.best_twins` has it, twins that ran away are
        taken when there are no others; so are those that diverged.

        Returns
        -------
        dict
            ``held_out``: their logits of the training rows, each of the network that has not learned it;
            ``mistaken``: whether these name another label; ``validation_mistaken``: whether either network is
            wrong about a validation row; ``flip_rate`` of every draw.
        """
        data = self.data
        found = [
            train_twins(
                partial(uniform_perceptron, sizes=self._sizes),
                data.train.inputs,
                data.train.labels,
                self._course(draw),
                (*self.key, _TWINS, number),
                balanced=True,
            )
            for number, draw in enumerate(self.draws)
        ]
        best = max(found, key=_worth)
        return {
            "held_out": best.held_out,
            "mistaken": best.mistaken,
            "validation_mistaken": best.either_mistaken(data.validation.inputs, data.validation.labels),
            "flip_rate": np.array([twins.flip_rate for twins in found]),
        }

    def accuracies(self, algorithm: str, twins: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Train by an algorithm with every draw.

        Parameters
        ----------
        algorithm : str
        twins : dict
            Of :meth:`twins`.

        Returns
        -------
        dict
            ``train``, ``validation``, ``test``: accuracies in the true groups, shape (draws, checkpoints,
            groups); ``inferred``: of the validation data, in the inferred groups. NaN of groups without rows.
        """
        data, count = self.data, len(self.data.group_names)
        inferred = 2 * data.validation.labels + twins["validation_mistaken"]
        measures = {
            "train": GroupAccuracy(*data.train, count=count),
            "validation": GroupAccuracy(*data.validation, count=count),
            "inferred": GroupAccuracy(*data.validation[:2], inferred, count=2 * len(data.label_names)),
            "test": GroupAccuracy(*data.test, count=count),
        }
        records = []
        for number, draw in enumerate(self.draws):
            seed = np.random.SeedSequence(self.key, spawn_key=(_START, number))
            trained = train_algorithm(
                algorithm,
                data.train,
                draw,
                uniform_perceptron(np.random.default_rng(seed), self._sizes),
                self._course(draw),
                (*self.key, _TRAINING, number),
                held_out=twins["held_out"],
                groups=count,
                measures=measures,
                every=self.every,
            )
            records.append(trained.record)
        # Without the network before training.
        return {
            name: np.stack([record[f"{name}_group_accuracies"][1:] for record in records]).astype(np.float64)
            for name in measures
        }

    @property
    def _sizes(self) -> list[int]:
        return [self.data.train.inputs.shape[1], self.width, len(self.data.label_names)]

    def _course(self, draw: Draw) -> Course:
        return Course(
            epochs=self.epochs, rate=draw.rate, batch=self.batch, momentum=MOMENTUM, decay=draw.decay
        )


def _worth(twins: Twins) -> tuple[bool, bool, float]:
    return bool(np.all(np.isfinite(twins.held_out))), twins.sound, twins.flip_rate
