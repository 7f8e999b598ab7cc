"""Simulations on demand, each in a process of its own: points arrive one by one, and it can be stopped."""

import multiprocessing as mp
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from threading import Lock
from typing import Any

import numpy as np

from freeridge.explorer.knobs import built
from freeridge.explorer.recipe import axis_values
from freeridge.explorer.screen import Points
from freeridge.explorer.state import State, is_whole, read_query, turned
from freeridge.plotting import apart
from freeridge.solvers.errors import InvalidSetting

POINTS, REPLICATES = 9, 20
_NEAR = 20  # rows, to either side
_MOST = 2  # simulations at a time; one more stops the oldest


@dataclass
class Job:
    """A simulation of the points of a curve.

    Parameters
    ----------
    curve : str
        Its name.
    process, pipe
        Where it runs, and where its points come from.
    total : int
        Points asked for.
    points : list
        Place on the axis, mean and standard error of each that is finished.
    refused : list of str
        What the simulation did not accept, such as half a row.
    running : bool
    """

    curve: str
    process: BaseProcess
    pipe: Connection
    total: int
    points: list[tuple[float, dict[str, float], dict[str, float]]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    running: bool = True

    def collect(self) -> None:
        """Take over what has arrived."""
        try:
            while self.running and self.pipe.poll():
                kind, content = self.pipe.recv()
                (self.points if kind == "point" else self.refused).append(content)
        except EOFError:
            self.running = False
        if self.running and not self.process.is_alive() and not self.pipe.poll():
            self.running = False

    def stop(self) -> None:
        """End it; the points that are there stay."""
        self.collect()
        self.process.terminate()
        self.process.join(timeout=5)  # it is at its end; nothing of it is left behind
        self.running = False

    def as_points(self) -> Points:
        """The finished points, in the order of the axis."""
        ordered = sorted(self.points, key=lambda point: point[0])
        names = list(ordered[0][1]) if ordered else []
        x = [place for place, _, _ in ordered]
        mean = {name: [means[name] for _, means, _ in ordered] for name in names}
        error = {name: [errors[name] for _, _, errors in ordered] for name in names}
        return Points(x, mean, error)


class Jobs:
    """The simulations of all windows, each under a name that only its window knows."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._lock = Lock()

    def start(self, state: State, allowed: Mapping[str, str], replicates: int = REPLICATES) -> str:
        """Begin to simulate a curve, and say under which name."""
        knob = state.knob(state.x)
        places = np.unique(axis_values(state, knob, POINTS)).tolist()
        context = mp.get_context("spawn")  # a fork would copy the locks of running threads
        receiving, sending = context.Pipe(duplex=False)
        query = state.query(pins=False)
        process = context.Process(
            target=_simulate, args=(query, dict(allowed), places, replicates, sending), daemon=True
        )
        process.start()
        sending.close()
        name = uuid.uuid4().hex
        with self._lock:
            running = [job for job in self._jobs.values() if job.running]
            for job in running[: len(running) - _MOST + 1]:
                job.stop()
            self._jobs[name] = Job(state.curve(), process, receiving, len(places))
        return name

    def get(self, name: str) -> Job | None:
        """A job with what has arrived by now; None when the page is older than the server."""
        with self._lock:
            job = self._jobs.get(name)
            if job is not None:
                job.collect()
            return job

    def stop(self, name: str) -> None:
        """Cancel."""
        with self._lock:
            if name in self._jobs:
                self._jobs[name].stop()

    def close(self) -> None:
        """Stop all."""
        for name in list(self._jobs):
            self.stop(name)


def _simulate(
    query: str, allowed: dict[str, str], places: list[float], replicates: int, pipe: Connection
) -> None:
    """In the process: one point after another, the middle of the axis first."""
    from freeridge.tasks import prepare_jax

    prepare_jax()
    state = read_query(query, allowed)
    middle = places[len(places) // 2]
    for place in sorted(places, key=lambda place: abs(places.index(place) - places.index(middle))):
        try:
            place, found = _near(state, place, replicates)
        except InvalidSetting as error:
            pipe.send(("refused", f"{state.x} = {place:.6g}: {error}"))
            continue
        pipe.send(("point", (place, _numbers(found.mean), _numbers(found.standard_error))))
    pipe.close()


def _near(state: State, place: float, replicates: int) -> tuple[float, Any]:
    """The simulation at a place; where shares give no whole rows, at the nearest number where they do."""
    whole = is_whole(state, state.knob(state.x))
    knob = replace(state.knob(state.x), whole=whole)
    steps = sorted(range(-_NEAR, _NEAR + 1), key=abs) if whole else [0]
    refusal: InvalidSetting | None = None
    for step in (step for step in steps if not whole or place + step >= 1):
        try:
            description = turned(state, {state.x: knob.text(place + step)}).description
            return place + step, built(description, {}).simulate(0, replicates)
        except InvalidSetting as error:
            refusal = refusal or error
    assert refusal is not None
    raise refusal


def _numbers(quantities: Mapping[str, Any]) -> dict[str, float]:
    while any(np.ndim(part) > 0 for part in quantities.values()):
        quantities = apart(quantities, 0)
    return {name: float(part) for name, part in quantities.items()}
