"""The sweep whose simulations are watched and held up: see ``cluster.py``."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import xarray as xr
    from tests.solvers.cluster import Notes

ROOT = Path(__file__).parents[2]


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Notes":
    """For the processes that a test starts."""
    from tests.solvers.cluster import FOLDER, Notes  # not earlier: it imports freeridge

    folder = tmp_path / "notes"
    folder.mkdir()
    monkeypatch.setenv(FOLDER, str(folder))
    monkeypatch.syspath_prepend(ROOT)  # processes of loky get the path of this one
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ["PYTHONPATH"]]))
    return Notes(folder)


@pytest.fixture
def undisturbed(notes: "Notes") -> "xr.Dataset":
    """What the sweep is, computed here."""
    from tests.solvers.cluster import sweep

    notes.open.touch()
    found = sweep()
    notes.open.unlink()
    notes.forget()
    return found
