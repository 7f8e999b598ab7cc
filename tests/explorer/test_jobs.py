"""Simulations on demand: the points are those of the setting, and a stop keeps what is there."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing import Pipe, active_children
from typing import Any

import numpy as np
import pytest

from freeridge.explorer import jobs as module
from freeridge.explorer.jobs import Job, Jobs
from freeridge.explorer.state import State, start, with_axis
from freeridge.settings import settings

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("cache")]  # each starts a process

ALLOWED = settings()


def _state(**texts: str) -> State:
    state = start("ModelCollapse")
    plain = {"covariance": "Isotropic(20)", "features": "None", "noise_variance": "0.1"}
    fields = {**state.description.fields, **plain, **texts}
    return replace(state, description=replace(state.description, fields=fields), low=10.0, high=160.0)


SMALL, LARGE = _state(), replace(_state(covariance="Isotropic(600)"), low=2000.0, high=2500.0)


@pytest.fixture
def jobs() -> Iterator[Jobs]:
    jobs = Jobs()
    yield jobs
    jobs.close()
    assert not active_children()


def _until(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.05)


def _job(jobs: Jobs, name: str) -> Job:
    job = jobs.get(name)
    assert job is not None
    return job


def test_the_points_are_those_of_the_setting(jobs: Jobs) -> None:
    name = jobs.start(SMALL, ALLOWED, replicates=3)
    _until(lambda: not _job(jobs, name).running)
    job = _job(jobs, name)
    assert job.curve == SMALL.curve() and job.total == len(job.points) + len(job.refused) > 5
    found = job.as_points()
    assert list(found.x) == sorted(found.x)
    for place, n in enumerate(found.x):
        fields = {**SMALL.description.fields, "n": str(int(n))}
        description = replace(SMALL.description, fields=fields)
        expected = description.build(description.values(description.names())).simulate(0, 3)
        assert {name: part[place] for name, part in found.mean.items()} == expected.mean
        assert {name: part[place] for name, part in found.error.items()} == expected.standard_error


def test_a_stop_keeps_the_points_and_ends_the_process(jobs: Jobs) -> None:
    name = jobs.start(LARGE, ALLOWED, replicates=20)
    _until(lambda: bool(_job(jobs, name).points))
    jobs.stop(name)
    job = _job(jobs, name)
    assert not job.running and 0 < len(job.points) < job.total
    assert not job.process.is_alive()
    kept = list(job.points)
    time.sleep(0.5)
    assert _job(jobs, name).points == kept


def test_a_third_simulation_stops_the_oldest(jobs: Jobs) -> None:
    names = [jobs.start(LARGE, ALLOWED) for _ in range(3)]
    assert [_job(jobs, name).running for name in names] == [False, True, True]
    assert not _job(jobs, names[0]).process.is_alive()


def test_the_middle_of_the_axis_comes_first_and_what_is_refused_is_said() -> None:
    """In this process: shares of rows that are no whole numbers move to the next number of rows that is."""
    sent = _sent(_state(real_share="0.5"), [11.0, 40.0, 90.0])
    places = [content[0] for kind, content in sent if kind == "point"]
    assert places[0] == 40.0
    assert np.allclose(sorted(places), [11.0, 40.0, 90.0], atol=1.0) and all(n % 2 == 0 for n in places)
    ((kind, words),) = _sent(with_axis(SMALL, "ridge"), [-1.0])
    assert kind == "refused" and "ridge = -1" in words


def _sent(state: State, places: list[float]) -> list[Any]:
    receiving, sending = Pipe(duplex=False)
    with receiving:
        module._simulate(state.query(), dict(ALLOWED), places, 2, sending)
        found = []
        try:
            while True:
                found.append(receiving.recv())
        except EOFError:
            return found


def test_an_unknown_name_is_nothing(jobs: Jobs) -> None:
    assert jobs.get("of a page that is older than the server") is None
    jobs.stop("of a page that is older than the server")
