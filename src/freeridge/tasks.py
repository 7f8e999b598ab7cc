"""What the verbs of the command line share: the task as it was put, and the answer in its forms."""

import inspect
import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import freeridge
from freeridge.options import Common
from freeridge.solvers.errors import InvalidSetting

if TYPE_CHECKING:
    from freeridge.language import Description


class Task(NamedTuple):
    """What was asked for: the setting as written and as built, and options of its methods."""

    description: "Description"
    values: Mapping[str, Any]
    setting: Any
    options: Mapping[str, Any]
    axes: Mapping[str, Any]


def prepare_jax() -> None:
    """Double precision, and compiled programs kept in the user's cache: a second call does not compile."""
    import jax

    jax.config.update("jax_enable_x64", True)
    if os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        return
    home = os.environ.get("XDG_CACHE_HOME")
    try:
        folder = (Path(home) if home else Path.home() / ".cache") / "freeridge"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return  # no home, or one that cannot be written to: compile each time
    if not os.access(folder, os.W_OK):
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    # A full disk, or an entry harmed by something outside, costs a compilation and no word.
    warnings.filterwarnings("ignore", message=".*persistent compilation cache.*")


def read_task(words: Sequence[str], common: Common, *, swept: bool = False) -> Task:
    """The task in words; in a sweep a field that is a list is an axis."""
    from freeridge.expressions import evaluate
    from freeridge.language import describe

    common.check()
    description = describe(words)
    prepare_jax()
    names = description.names()
    values = description.values(names)
    axes = {}
    if swept:
        axes = description.values(names, description.sweep) | {
            name: value for name, value in values.items() if _is_axis(value)
        }
    # A sweep starts from the first value of each axis, in the fields that the setting cannot do without.
    for name, axis in axes.items():
        if not _is_axis(axis) or len(axis) == 0:
            raise InvalidSetting(name, axis, "a list of at least one value")
    start = {name: axis[0] for name, axis in axes.items() if "." not in name}
    setting = description.build({name: value for name, value in values.items() if name not in axes} | start)
    options = {}
    if common.test is not None:
        options["test"] = evaluate(common.test, names, "test", description.folder)
        if "test" not in inspect.signature(setting.predict).parameters:
            raise InvalidSetting("test", common.test, f"no such option: {description.setting} has one test")
    return Task(description, values, setting, options, axes)


def _is_axis(value: Any) -> bool:
    """Whether a value is a list of values, and not the list of populations that one setting has."""
    several = isinstance(value, list | tuple) or getattr(value, "ndim", 0) == 1
    return several and not any(isinstance(item, freeridge.Population) for item in value)


def answer(
    command: str, common: Common, task: Task, found: Mapping[str, Any], text: str | None = None, **parts: Any
) -> int:
    """Write the files that were asked for, then print."""
    from freeridge.plotting import as_json, grid_of, print_table, save
    from freeridge.solvers.storage import versions, write_atomically

    grid = parts["grid"] if "grid" in parts else grid_of(task.setting, **parts)
    record = {"command": command, "versions": versions(), **task.description.record(task.values)}
    record |= {"axes": grid.axes} | dict(found)
    if not found.get("ok", True):
        say(found["message"])
    title = f"{command} {task.description.setting}"
    if common.out is not None and not (command == "sweep" and common.out.suffix == ".nc"):
        save(common.out, record, grid)
    if common.plot is not None:
        write_atomically(common.plot, lambda temporary: grid.draw(temporary, title))
    if common.json or text is not None:
        print(as_json(record) if common.json else text)
    else:
        print_table(grid.as_table(title))
    return 0


def say(message: str) -> str:
    """One line to the person, apart from the answer."""
    print(f"freeridge: {' '.join(message.split())}", file=sys.stderr)
    return message
