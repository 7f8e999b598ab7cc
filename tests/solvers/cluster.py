"""A real cluster of dask on this machine, and a sweep that can be watched, held up and killed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import Any
from uuid import uuid4

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import xarray as xr

import freeridge as fr
from freeridge.solvers.results import Estimate, Prediction

ROOT = Path(__file__).parents[2]
FOLDER = "FREERIDGE_TESTS_WATCH"  # the variable with the folder of the notes
LIMIT = 120.0  # seconds for what takes a few
POINTS, HELD = 24, 8  # from the eighth on, points wait until they may go on
AXES: dict[str, Any] = {"x": np.arange(float(POINTS)), "ridge": [0.1, 1.0]}
REQUEST: dict[str, Any] = {"chunk": 10, "replicates": 3, "key": 7}


class Watched(eqx.Module):
    """Notes the points that are simulated, with the process that does it."""

    x: Any = eqx.field(converter=jnp.asarray)
    ridge: Any = eqx.field(converter=jnp.asarray)

    def predict(self) -> Prediction:
        risk = self.x**2 + self.ridge
        return Prediction({"risk": risk}, jnp.zeros_like(risk), jnp.zeros(jnp.shape(risk), jnp.int32))

    def simulate(self, key: Any, replicates: int = 2) -> Estimate:
        notes, x = Notes(Path(os.environ[FOLDER])), int(self.x)
        notes.begin(x)
        if x >= HELD:
            wait_until(notes.open.exists)
        draws = np.random.default_rng(key).standard_normal((replicates, *np.shape(self.ridge)))
        return Estimate({"risk": draws.mean(0)}, {"risk": draws.std(0)}, replicates, {})


class Notes:
    """What the processes of a computation tell each other: files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.open = folder, folder / "open"

    def begin(self, x: int) -> None:
        """Note that a point is being simulated; it may be meant to kill its process, once or every time."""
        (self.folder / f"begun-{x}-{os.getpid()}-{uuid4().hex}").touch()
        if (self.folder / f"always-{x}").exists():
            os.kill(os.getpid(), signal.SIGKILL)
        with suppress(FileNotFoundError):
            (self.folder / f"once-{x}").unlink()
            os.kill(os.getpid(), signal.SIGKILL)

    def begun(self) -> Counter[int]:
        """How often each point was."""
        return Counter(int(path.name.split("-")[1]) for path in self.folder.glob("begun-*"))

    def processes(self) -> set[int]:
        """Where."""
        return {int(path.name.split("-")[2]) for path in self.folder.glob("begun-*")}

    def held(self) -> bool:
        """Whether nothing goes on but what waits for permission, in two processes."""
        return sum(x >= HELD for x in self.begun().elements()) >= 2

    def forget(self) -> None:
        """Begin anew."""
        for path in self.folder.glob("begun-*"):
            path.unlink()


class Cluster:
    """A scheduler with its workers, in processes of their own that talk over TCP.

    Parameters
    ----------
    folder : path
        For what they say, and their files.
    """

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder, self.environment = folder, environment
        self.workers: list[subprocess.Popen[bytes]] = []
        self._all: list[subprocess.Popen[bytes]] = []
        file = folder / f"scheduler-{uuid4().hex}.json"
        self.scheduler = self._dask("scheduler", "--port", "0", "--scheduler-file", str(file))
        wait_until(lambda: file.exists() and "address" in file.read_text())
        self.address = str(json.loads(file.read_text())["address"])

    def start_worker(self, nanny: str = "--no-nanny", **environment: str) -> subprocess.Popen[bytes]:
        """One more process with one thread."""
        worker = self._dask("worker", self.address, "--nthreads", "1", nanny, **environment)
        self.workers.append(worker)
        return worker

    def stop(self) -> None:
        """Kill every process, and the processes of these."""
        for process in self._all:
            kill(process)

    def _dask(self, *words: str, **environment: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "dask", *words, "--no-dashboard", "--host", "127.0.0.1"]
        with open(self.folder / "dask.log", "ab") as log:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=os.environ | {"NPROC": "1", "OMP_NUM_THREADS": "1"} | self.environment | environment,
            )
        self._all.append(process)
        return process


def kill(process: "subprocess.Popen[bytes]") -> None:
    """Without warning, as a node that goes down."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_until(holds: Callable[[], object]) -> None:
    """Wait for a condition, not for a time."""
    end = time.monotonic() + LIMIT
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError("what was waited for has not come")
        time.sleep(0.01)


@contextmanager
def meanwhile(action: Callable[[], object], notes: Notes) -> Iterator[None]:
    """Do something while the sweep is held up, and let it go on afterwards."""

    over = Event()

    def act() -> None:
        try:
            wait_until(lambda: over.is_set() or notes.held())
            if not over.is_set():
                action()
        finally:
            notes.open.touch()

    with ThreadPoolExecutor(1) as executor:
        done = executor.submit(act)
        try:
            yield
        finally:
            over.set()
        done.result()


def sweep(**changes: Any) -> xr.Dataset:
    """The sweep that is killed in many ways."""
    return fr.sweep(Watched(1.0, 0.5), AXES, **(REQUEST | changes))


def assert_same(found: xr.Dataset, undisturbed: xr.Dataset) -> None:
    """To the last bit; what lies in a file has the fingerprint of its sweep beside it."""
    attributes = {name: value for name, value in found.attrs.items() if name != "fingerprint"}
    xr.testing.assert_identical(found.load().assign_attrs(attributes).drop_attrs(), undisturbed.drop_attrs())
    assert attributes == undisturbed.attrs


def kept(out: Path) -> list[str]:
    """Names of the finished parts of simulations."""
    return sorted(path.name for path in Path(f"{out}.parts").glob("simulation-*.npz"))


def killed_while_it_asks(where: str, out: Path, notes: Notes) -> Path:
    """A script that sweeps into a file, ended by force when some points are there and others are held."""
    script = out.with_name("ask.py")
    # As people write it: processes of this machine do not run the script again.
    script.write_text(
        "import jax\njax.config.update('jax_enable_x64', True)\n"
        "from tests.solvers.cluster import sweep\n"
        f"sweep({where}, out={str(out)!r})\n"
    )
    asking = subprocess.Popen([sys.executable, script], start_new_session=True)
    try:
        wait_until(lambda: notes.held() and kept(out))
    finally:
        kill(asking)
    assert not out.exists() and len(kept(out)) < POINTS
    notes.open.touch()
    return script
