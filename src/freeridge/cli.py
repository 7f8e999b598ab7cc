"""The command line: the same verbs as in Python, on a setting given by name and fields or by a TOML file.

Nothing heavy is imported before it is needed: ``freeridge --help`` answers without JAX.
"""

import inspect
import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from cyclopts import App, CycloptsError, Parameter

import freeridge
from freeridge.options import COMMON, DRAWS, Common, Draws, Flag, Size, Suite, Words
from freeridge.solvers.errors import InvalidSetting

if TYPE_CHECKING:
    from freeridge.language import Description

USER_ERROR, INTERRUPTED, BROKEN_PIPE = 2, 130, 141
_USAGE = "Usage: freeridge {} [OPTIONS]"
_SETTING = "SETTING|FILE.toml [--FIELD VALUE ...]"

app = App(
    name="freeridge",
    help="Exact high-dimensional learning theory: predict, simulate, validate, sweep and draw.",
    version=freeridge.__version__,
    help_format="plaintext",
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)


class Task(NamedTuple):
    """What was asked for: the setting as written and as built, and options of its methods."""

    description: "Description"
    values: Mapping[str, Any]
    setting: Any
    options: Mapping[str, Any]
    axes: Mapping[str, Any]


@app.command(usage=_USAGE.format(f"predict {_SETTING}"))
def predict(*words: Words, common: Common = COMMON) -> int:
    """Predict the risk of a setting in the high-dimensional limit, with a certificate.

    Parameters
    ----------
    words
        Name of a setting or a TOML file, then fields, as in: ModelCollapse --covariance "PowerLaw(400, 1)"
        --n 800 --ridge 1e-3. Values are expressions; a field of a field is written with a dot.
    """
    task = _read(words, common)
    found = task.setting.predict(**task.options)
    facts = {"residual": found.residual, "code": found.code}
    record = {"result": found.quantities, **facts, "ok": found.ok, "message": found.message}
    return _answer("predict", common, task, record, values=found.quantities, facts=facts)


@app.command(usage=_USAGE.format(f"simulate {_SETTING}"))
def simulate(*words: Words, draws: Draws = DRAWS, common: Common = COMMON) -> int:
    """Simulate a setting: the same quantities from drawn data, with standard errors.

    Parameters
    ----------
    words
        As in predict.
    """
    task = _read(words, common)
    found = task.setting.simulate(draws.key, draws.number, progress=sys.stderr.isatty(), **task.options)
    facts = {"seed": draws.key, "replicates": found.replicates, "sizes": found.sizes}
    record = {**facts, "result": found.mean, "standard_error": found.standard_error}
    return _answer("simulate", common, task, record, simulated=found.mean, errors=found.standard_error)


@app.command(usage=_USAGE.format(f"validate [{_SETTING}]"))
def validate(*words: Words, suite: Suite | None = None, draws: Draws = DRAWS, common: Common = COMMON) -> int:
    """Compare theory with simulation; without a setting, over a built-in suite (exit code 1: they disagree).

    Parameters
    ----------
    words
        As in predict; left out for the suite.
    suite
        Which suite: risks of ridge mixtures (the default), group risks and disparities, or both.
    """
    if not words:
        return _validate_suites(suite or "mixture", draws, common)
    if suite is not None:
        raise InvalidSetting("suite", suite, "no setting beside it: a suite brings its own")
    task = _read(words, common)
    progress = sys.stderr.isatty()
    found = freeridge.validate(task.setting, draws.number, draws.key, progress=progress, **task.options)
    record = {"seed": draws.key, **found.to_dict()}
    record["result"] = record.pop("quantities")
    parts: dict[str, Any] = {"simulated": found.simulation, "errors": found.standard_error}
    return _answer("validate", common, task, record, str(found), values=found.theory, **parts)


def _validate_suites(suite: Suite, draws: Draws, common: Common) -> int:
    common.check()
    out = None if common.out is None or common.out.suffix == ".json" else common.out
    refused = {"plot": common.plot, "test": common.test, "replicates": draws.replicates, "out": out}
    for name, value in refused.items():
        if value is not None:
            raise InvalidSetting(name, str(value), "a setting to go with it; the suite is written as .json")
    prepare_jax()
    from freeridge.plotting import as_json, save
    from freeridge.solvers.storage import versions
    from freeridge.theory.bias_suite import run_bias_suite
    from freeridge.theory.suite import run_suite

    suites = {"mixture": run_suite, "bias": run_bias_suite}
    chosen = suites if suite == "all" else {suite: suites[suite]}
    size = "quick" if draws.size == "quick" else "full"
    found = {name: run(draws.key, size, progress=True) for name, run in chosen.items()}
    record = {"command": "validate", "versions": versions(), "seed": draws.key}
    record["result"] = {name: census.to_dict() for name, census in found.items()}
    if common.out is not None:
        save(common.out, record)
    print(as_json(record) if common.json else "\n\n".join(map(str, found.values())))
    return int(not all(census.agrees for census in found.values()))


@app.command(usage=_USAGE.format(f"sweep {_SETTING}"))
def sweep(
    *words: Words, replicates: int | None = None, key: int = 0, chunk: int = 2048, common: Common = COMMON
) -> int:
    """Predict over a grid: a list is an axis, as in --ridge 1e-3,1e-2 or --ridge "logspace(-6, 1, 50)".

    Parameters
    ----------
    words
        As in predict; the table [sweep] of a TOML file names axes too.
    replicates
        Simulate every point as well, with this many draws.
    key
        Seed of the simulation.
    chunk
        Points computed at a time.
    """
    task = _read(words, common, swept=True)
    # The sweep writes a .nc file by itself: started again after an interruption, it goes on where it was.
    out = common.out if common.out is not None and common.out.suffix == ".nc" else None
    options = {"out": out, "chunk": chunk, "replicates": replicates, "key": key, **task.options}
    dataset = freeridge.sweep(task.setting, task.axes, progress=sys.stderr.isatty(), **options)
    from freeridge.plotting import grid_of_dataset
    from freeridge.solvers.results import tally

    grid = grid_of_dataset(dataset, task.setting)
    result = {name: column for name, column in grid.columns().items() if name not in grid.facts}
    ok, message = tally(dataset["code"].values)
    record = {"result": result, **grid.facts, "ok": ok, "message": message}
    record |= {"seed": key, "replicates": replicates} if replicates else {}
    return _answer("sweep", common, task, record, grid=grid)


@app.command(usage=_USAGE.format("derive FILE.toml [--SYMBOL VALUE ...]"))
def derive(
    *words: Annotated[str, Parameter(name="FILE", allow_leading_hyphen=True)],
    latex: Flag = False,
    validate: Flag = False,
    draws: Draws = DRAWS,
    json: Flag = False,
    out: Path | None = None,
) -> int:
    """Derive the equations of traces of random matrices, written in a TOML file, and their numbers.

    Parameters
    ----------
    words
        The file, then numbers for symbols that go before those of the file, as in: --lam 1e-3.
    latex
        Print the equations in LaTeX.
    validate
        Draw the matrices at growing size and compare.
    json
        Print JSON for machines instead of text.
    out
        Write the answer to this file too, which ends in .json.
    """
    from freeridge.derivations import answer, read_derivation

    Common(out=out).check()
    if out is not None and out.suffix != ".json":
        raise InvalidSetting("out", str(out), "a file name that ends in .json")
    derivation = read_derivation(words)
    prepare_jax()
    from freeridge.plotting import as_json, save
    from freeridge.solvers.storage import versions

    found, text = answer(derivation, latex, draws if validate else None)
    record = {"command": "derive", "versions": versions(), **found}
    if not found.get("ok", True):
        _say(found["message"])
    if out is not None:
        save(out, record)
    print(as_json(record) if json else text)
    return 0


@app.command
def figures(
    *names: str,
    list_: Annotated[Flag, Parameter(name="--list")] = False,
    size: Size = "quick",
    out: Path = Path("out/figures"),
    json: Flag = False,
) -> int:
    """Draw figures of the papers, theory over simulation, as PDF and PNG with their data as NetCDF.

    Parameters
    ----------
    names
        Which figures; the main ones when left out.
    list_
        List the figures instead: paper, figure, what it shows, its cost.
    size
        Quick, or as large as in the paper.
    out
        Folder for the files.
    json
        Print JSON instead of text.
    """
    prepare_jax()
    from freeridge.figures.catalogue import catalogue, draw_figures
    from freeridge.language import unknown
    from freeridge.plotting import as_json, print_table, text_table

    entries = {entry.name: entry for entry in catalogue()}
    if list_:
        columns = ("name", "paper", "figure", "shows", "cost", "main")
        rows = [{column: getattr(entry, column) for column in columns} for entry in entries.values()]
        print(as_json(rows)) if json else print_table(text_table(columns, rows))
        return 0
    for name in names:
        if name not in entries:
            raise unknown("figure", name, entries, "freeridge figures --list has")
    chosen = names or [name for name, entry in entries.items() if entry.main]
    files = draw_figures(chosen, size, out, progress=True)
    print(as_json(files) if json else "\n".join(map(str, files)))
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; every error of the user's becomes one line on standard error and exit code 2.

    Returns 0 when the answer was given, 1 when the suite found a disagreement, 2 for an error in the input or
    the output, 130 when interrupted.

    Examples
    --------
    >>> main(["predict", "RidgeMixtrue"])
    2
    """
    warned: list[str] = []

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        warned.append(_say(str(message)))

    with warnings.catch_warnings():
        warnings.showwarning = show
        try:
            code = app(arguments, exit_on_error=False, print_error=False) or 0
            sys.stdout.flush()
        except BrokenPipeError:
            _abandon_output()  # whoever read the answer has seen enough
            return BROKEN_PIPE
        except (InvalidSetting, CycloptsError, OSError, MemoryError) as error:
            _abandon_output()
            _say(str(error) or "not enough memory")
            return USER_ERROR
        except KeyboardInterrupt:
            _say("interrupted")
            return INTERRUPTED
    # A simulation that is interrupted answers with the replicates it has, and a warning.
    return INTERRUPTED if any(text.startswith("interrupted") for text in warned) else int(code)


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


def _read(words: Sequence[str], common: Common, *, swept: bool = False) -> Task:
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


def _answer(
    command: str, common: Common, task: Task, found: Mapping[str, Any], text: str | None = None, **parts: Any
) -> int:
    """Write the files that were asked for, then print."""
    from freeridge.plotting import as_json, grid_of, print_table, save
    from freeridge.solvers.storage import versions, write_atomically

    grid = parts["grid"] if "grid" in parts else grid_of(task.setting, **parts)
    record = {"command": command, "versions": versions(), **task.description.record(task.values)}
    record |= {"axes": grid.axes} | dict(found)
    if not found.get("ok", True):
        _say(found["message"])
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


def _abandon_output() -> None:
    """Drop what the output no longer takes: at its end Python would flush, and complain, once more."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(message: str) -> str:
    """One line to the person, apart from the answer."""
    print(f"freeridge: {' '.join(message.split())}", file=sys.stderr)
    return message


if __name__ == "__main__":
    sys.exit(main())
