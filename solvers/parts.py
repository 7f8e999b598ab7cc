"""Finished parts of a long computation, kept on the disk until the whole is there."""

import io
import os
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np

from freeridge.solvers.storage import StorageError, fingerprint, refused, write_atomically

Columns = dict[str, np.ndarray]


class Parts:
    """Finished parts of a long computation, one small file each, found again by whoever runs the same plan.

    Parameters
    ----------
    folder : path, optional
        Where they are kept; None keeps nothing.
    plan : str
        Fingerprint of everything the parts depend on; it is in the name of every file.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> folder = tempfile.mkdtemp() + "/parts"
    >>> Parts(folder, "plan").get("first", lambda: {"risk": np.ones(2)})["risk"]
    array([1., 1.])
    >>> again = Parts(folder, "plan")
    >>> again.get("first", lambda: {"risk": np.zeros(2)})["risk"], again.finished
    (array([1., 1.]), 1)
    """

    def __init__(self, folder: str | os.PathLike[str] | None, plan: str) -> None:
        self.folder = None if folder is None else Path(folder)
        self._plan = plan
        self._names: set[str] = set()
        if self.folder is not None:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:  # met before the computation, not after it
                raise refused("write", self.folder, error) from error

    @property
    def finished(self) -> int:
        """How many parts have been kept or found."""
        return len(self._names)

    def get(self, name: str, compute: Callable[[], Mapping[str, np.ndarray]]) -> Columns:
        """The part of that name, from its file or computed and kept."""
        part = self.find(name)
        return self.keep(name, compute()) if part is None else part

    def find(self, name: str) -> Columns | None:
        """The part of that name, if it is there."""
        if self.folder is None:
            return None
        try:
            with np.load(io.BytesIO(self._path(name).read_bytes()), allow_pickle=False) as file:
                part = {column: file[column] for column in file.files}
        except (OSError, ValueError, EOFError, zipfile.BadZipFile):
            return None  # absent, or harmed by something outside: computed anew
        self._names.add(name)
        return part

    def keep(self, name: str, part: Mapping[str, np.ndarray]) -> Columns:
        """Write a part to its file, whole or not at all."""
        if self.folder is not None:
            content = io.BytesIO()
            np.savez(content, allow_pickle=False, **part)
            path = self._path(name)
            try:
                write_atomically(path, lambda temporary: temporary.write_bytes(content.getvalue()))
            except StorageError as error:
                if not isinstance(error.__cause__, FileNotFoundError):
                    raise
                # Another process has finished the same, and tidied up beneath this one.
                write_atomically(path, lambda temporary: temporary.write_bytes(content.getvalue()))
            self._names.add(name)
        return dict(part)

    def remove(self) -> None:
        """Delete the files of this plan, and the folder when nothing else is in it."""
        if self.folder is None:
            return
        stems = {self._path(name).stem for name in self._names}
        # Those that a process which was killed had begun to write begin with a dot, and end with a number.
        begun = [one for one in self.folder.glob(".*.npz") if one.stem[1:].rpartition("-")[0] in stems]
        for path in [*map(self._path, self._names), *begun]:
            with suppress(OSError):
                path.unlink(missing_ok=True)
        with suppress(OSError):  # something else is in it, or another process has just removed it
            self.folder.rmdir()

    def _path(self, name: str) -> Path:
        assert self.folder is not None
        return self.folder / f"{name}-{fingerprint(self._plan, name)[:24]}.npz"
