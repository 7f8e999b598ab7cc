"""Several devices: a processor that poses as four computes what one device does."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from tests.solvers import device_work

from freeridge.solvers.devices import device_count, over_devices, rounded_up

REFUSED = """
import numpy as np
from freeridge.solvers.devices import over_devices
over_devices(lambda x: x)(np.ones(7))
"""


def environment(devices: int, threads: int) -> dict[str, str]:
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
    told = {"XLA_FLAGS": flags, "NPROC": str(threads), "OPENBLAS_NUM_THREADS": "1", "JAX_PLATFORMS": "cpu"}
    return os.environ | told


def on_four_devices(path: Path, *parts: str) -> dict[str, Any]:
    script = [sys.executable, device_work.__file__, str(path), "4", *parts]
    subprocess.run(script, check=True, env=environment(4, 8), timeout=600)
    return dict(np.load(path))


def compare(found: dict[str, Any], wanted: dict[str, Any], tolerance: float) -> None:
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        scale = np.max(np.abs(value), axis=0)
        difference = np.abs(found[name] - value) / scale
        assert np.max(difference) < tolerance, name


def test_four_devices_compute_what_one_does(tmp_path: Path) -> None:
    wanted = device_work.loops() | device_work.draws()
    assert len(wanted) == 3
    compare(on_four_devices(tmp_path / "found.npz", "loops", "draws"), wanted, 1e-14)


@pytest.mark.slow
def test_theory_and_simulation_on_four_devices(tmp_path: Path) -> None:
    wanted = device_work.theory() | device_work.simulations()
    assert {"mixture risk", "bias add", "mismatch", "memory"} <= wanted.keys()
    compare(on_four_devices(tmp_path / "found.npz", "theory", "simulations"), wanted, 1e-10)


@pytest.mark.slow
def test_what_devices_cannot_share_and_cannot_finish(tmp_path: Path) -> None:
    refused = subprocess.run(
        [sys.executable, "-c", REFUSED], env=environment(4, 4), capture_output=True, text=True, timeout=600
    )
    assert "lanes = 7: expected a multiple of the 4 devices, such as 8" in refused.stderr
    assert "set NPROC=8 and OPENBLAS_NUM_THREADS=1" in refused.stderr


def test_one_device_is_jit() -> None:
    assert device_count() == 1 and rounded_up(7) == 7
    compiled = over_devices(lambda x: x + 1.0)
    assert isinstance(compiled, type(jax.jit(lambda x: x)))
    np.testing.assert_array_equal(compiled(np.zeros(7)), np.ones(7))
