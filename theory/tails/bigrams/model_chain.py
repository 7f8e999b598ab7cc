"""Generations of models, each of which learns from what the one before writes: pairs or sequences."""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import known, require

Law = TypeVar("Law")
Model = TypeVar("Model")


def check_chain(setting: Any, unit: str) -> None:
    """Refuse fields of a chain of models that make no sense.

    Parameters
    ----------
    setting : setting
        With the fields ``T``, ``generations``, ``generator_samples``, ``strongest``, ``top_p``,
        ``temperature``.
    unit : str
        What T counts, in the plural.
    """
    generations = setting.generations
    if isinstance(generations, bool) or not isinstance(generations, int | np.integer) or generations < 0:
        raise InvalidSetting("generations", generations, "a whole number >= 0")
    require("T", setting.T, lambda v: (v >= 0) & (v == np.round(v)), f"whole numbers of {unit} >= 0")
    for name in ("generator_samples", "strongest"):
        if getattr(setting, name) is not None:
            whole = f"a whole number of {unit} >= 1"
            require(name, getattr(setting, name), lambda v: (v >= 1) & (v == np.round(v)), whole)
    if setting.strongest is not None and setting.generator_samples is None:
        raise InvalidSetting("strongest", setting.strongest, "None where there is no generator_samples")
    require("top_p", setting.top_p, lambda v: (v > 0) & (v <= 1), "a probability in (0, 1]")
    require("temperature", setting.temperature, lambda v: v > 0, "a temperature > 0")


def check_known(setting: Any) -> None:
    """Refuse to simulate values that JAX is tracing: there is nothing to draw from."""
    if any(known(value) is None for value in (setting.beta, setting.T, setting.top_p, setting.temperature)):
        raise InvalidSetting("T", setting.T, "numbers to simulate, not traced values")


def run_chain(
    setting: Any,
    truth: Law,
    train: Callable[[int, Law], Model],
    write: Callable[[Model], Law],
    test: Callable[[Model, tuple[int, ...]], None],
) -> None:
    """Train and test a model of every size in every generation.

    Without ``generator_samples`` each size is a chain of its own, in which a model of that size writes for
    the next. With it one chain of models of that size writes for models of all sizes; from generation 2 on
    the writer has the size ``strongest``, where that is given.

    Parameters
    ----------
    setting : setting
        As in :func:`check_chain`.
    truth : law
        What generation 0 learns from.
    train : callable
        From a size and a law to a model.
    write : callable
        From a model to the law by which it writes.
    test : callable
        Gets each model with its place: the generation, then the place of its size in T.
    """
    sizes, count = np.asarray(setting.T), setting.generations + 1
    if setting.generator_samples is None:
        for place, size in np.ndenumerate(sizes):
            law = truth
            for generation in range(count):
                model = train(int(size), law)
                test(model, (generation, *place))
                law = write(model)
        return
    law, pool = truth, int(setting.generator_samples)
    for generation in range(count):
        for place, size in np.ndenumerate(sizes):
            test(train(int(size), law), (generation, *place))
        law = write(train(pool, law))
        pool = pool if setting.strongest is None else int(setting.strongest)
