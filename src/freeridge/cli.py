"""The command line: the same verbs as in Python, on a setting given by name and fields or by a TOML file.

Nothing heavy is imported before it is needed: ``freeridge --help`` answers without JAX.
"""

import math
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Parameter

import freeridge
from freeridge import tasks
from freeridge.experiments import gcd, practice, subpopulations
from freeridge.exploring import explore
from freeridge.options import (
    CHECKS,
    COMMON,
    DRAWS,
    WHERE,
    Checks,
    Common,
    Draws,
    Flag,
    Size,
    Suite,
    Where,
    Words,
)
from freeridge.solvers.errors import InvalidSetting, unknown

USER_ERROR, INTERRUPTED, BROKEN_PIPE = 2, 130, 141
_USAGE = "Usage: freeridge {} [OPTIONS]"
_MUCH = 64  # simulated points for which other processes are worth their start; theory is too cheap
_MOST_SHOWN = 500  # points of a sweep that are printed beside a file that has them
_SETTING = "SETTING|FILE.toml [--FIELD VALUE ...]"

app = App(
    name="freeridge",
    help="Exact high-dimensional learning theory: predict, simulate, validate, sweep and draw.",
    version=freeridge.__version__,
    help_format="plaintext",
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)


@app.command(usage=_USAGE.format(f"predict {_SETTING}"))
def predict(*words: Words, common: Common = COMMON) -> int:
    """Predict the risk of a setting in the high-dimensional limit, with a certificate.

    Parameters
    ----------
    words
        Name of a setting or a TOML file, then fields, as in: ModelCollapse --covariance "PowerLaw(400, 1)"
        --n 800 --ridge 1e-3. Values are expressions; a field of a field is written with a dot.
    """
    task = tasks.read_task(words, common)
    found = task.setting.predict(**task.options)
    facts = {"residual": found.residual, "code": found.code}
    record = {"result": found.quantities, **facts, "ok": found.ok, "message": found.message}
    return tasks.answer("predict", common, task, record, values=found.quantities, facts=facts)


@app.command(usage=_USAGE.format(f"simulate {_SETTING}"))
def simulate(*words: Words, draws: Draws = DRAWS, where: Where = WHERE, common: Common = COMMON) -> int:
    """Simulate a setting: the same quantities from drawn data, with standard errors.

    Parameters
    ----------
    words
        As in predict.
    """
    task = tasks.read_task(words, common)
    with where.on_workers(much=False, out=common.out):
        found = task.setting.simulate(draws.key, draws.number, progress=sys.stderr.isatty(), **task.options)
        facts = {"seed": draws.key, "replicates": found.replicates, "sizes": found.sizes}
        record = {**facts, "result": found.mean, "standard_error": found.standard_error}
        parts: dict[str, Any] = {"simulated": found.mean, "errors": found.standard_error}
        return tasks.answer("simulate", common, task, record, **parts)


@app.command(usage=_USAGE.format(f"validate [{_SETTING}]"))
def validate(
    *words: Words,
    suite: Suite | None = None,
    draws: Checks = CHECKS,
    where: Where = WHERE,
    common: Common = COMMON,
) -> int:
    """Compare theory with simulation; without a setting, over a built-in suite (exit code 1: they disagree).

    Parameters
    ----------
    words
        As in predict; left out for the suite.
    suite
        Which suite: risks of ridge mixtures (the default), group risks and disparities, tails,
        pruned data, spurious features, or all.
    """
    if not words:
        return _validate_suites(suite or "mixture", draws, where, common)
    if suite is not None:
        raise InvalidSetting("suite", suite, "no setting beside it: a suite brings its own")
    if draws.size == "large":
        raise InvalidSetting("size", "large", "quick or paper for one setting; large is a suite of its own")
    task = tasks.read_task(words, common)
    progress = sys.stderr.isatty()
    with where.on_workers(much=False, out=common.out):
        found = freeridge.validate(task.setting, draws.number, draws.key, progress=progress, **task.options)
        record = {"seed": draws.key, **found.to_dict()}
        record["result"] = record.pop("quantities")
        parts: dict[str, Any] = {"simulated": found.simulation, "errors": found.standard_error}
        return tasks.answer("validate", common, task, record, str(found), values=found.theory, **parts)


def _validate_suites(suite: Suite, draws: Checks, where: Where, common: Common) -> int:
    common.check()
    if draws.size == "large" and suite != "mixture":
        raise InvalidSetting("suite", suite, "mixture: it is the one there is in size large")
    out = None if common.out is None or common.out.suffix == ".json" else common.out
    refused = {"plot": common.plot, "test": common.test, "replicates": draws.replicates, "out": out}
    for name, value in refused.items():
        if value is not None:
            raise InvalidSetting(name, str(value), "a setting to go with it; the suite is written as .json")
    tasks.prepare_jax()
    from freeridge.plotting import as_json, save
    from freeridge.solvers.storage import versions
    from freeridge.theory.bias_suite import run_bias_suite
    from freeridge.theory.large_suite import run_large_suite
    from freeridge.theory.memorization.spurious_suite import run_spurious_suite
    from freeridge.theory.pruning.pruned_suite import run_pruned_suite
    from freeridge.theory.suite import run_suite
    from freeridge.theory.tails.hutter_suite import run_tail_suite

    suites = {
        "mixture": run_large_suite if draws.size == "large" else run_suite,
        "bias": run_bias_suite,
        "tails": run_tail_suite,
        "pruning": run_pruned_suite,
        "spurious": run_spurious_suite,
    }
    chosen = suites if suite == "all" else {suite: suites[suite]}
    size = "full" if draws.size in (None, "paper") else draws.size
    with where.on_workers(much=size == "full", out=common.out):
        found = {name: run(draws.key, size, progress=True) for name, run in chosen.items()}
        record = {"command": "validate", "versions": versions(), "seed": draws.key}
        record["result"] = {name: census.to_dict() for name, census in found.items()}
        if common.out is not None:
            save(common.out, record)
    print(as_json(record) if common.json else "\n\n".join(map(str, found.values())))
    return int(not all(census.agrees for census in found.values()))


@app.command(usage=_USAGE.format(f"sweep {_SETTING}"))
def sweep(
    *words: Words,
    replicates: int | None = None,
    key: int = 0,
    chunk: int = 2048,
    where: Where = WHERE,
    common: Common = COMMON,
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
    task = tasks.read_task(words, common, swept=True)
    # The sweep writes a .nc file by itself: started again after an interruption, it goes on where it was.
    out = common.out if common.out is not None and common.out.suffix == ".nc" else None
    options = {"out": out, "chunk": chunk, "replicates": replicates, "key": key, **task.options}
    points = math.prod(len(axis) for axis in task.axes.values())
    with where.on_workers(much=bool(replicates) and points >= _MUCH):
        dataset = freeridge.sweep(task.setting, task.axes, progress=sys.stderr.isatty(), **options)
    from freeridge.plotting import grid_of_dataset
    from freeridge.solvers.results import tally

    if out is not None and points > _MOST_SHOWN and not common.json and common.plot is None:
        print(f"{points} points are in {out}")  # more than a person reads, or than there is memory for
        return 0
    grid = grid_of_dataset(dataset, task.setting)
    result = {name: column for name, column in grid.columns().items() if name not in grid.facts}
    ok, message = tally(dataset["code"].values)
    record = {"result": result, **grid.facts, "ok": ok, "message": message}
    record |= {"seed": key, "replicates": replicates} if replicates else {}
    return tasks.answer("sweep", common, task, record, grid=grid)


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

    _check_json(out)
    derivation = read_derivation(words)
    tasks.prepare_jax()
    from freeridge.plotting import as_json, save
    from freeridge.solvers.storage import versions

    found, text = answer(derivation, latex, draws if validate else None)
    record = {"command": "derive", "versions": versions(), **found}
    if not found.get("ok", True):
        tasks.say(found["message"])
    if out is not None:
        save(out, record)
    print(as_json(record) if json else text)
    return 0


@app.command(usage=_USAGE.format("fit FILE.csv"))
def fit(
    file: Path,
    *,
    law: str | None = None,
    generations: int | None = None,
    confidence: float = 0.95,
    json: Flag = False,
    out: Path | None = None,
    plot: Path | None = None,
) -> int:
    """Fit scaling laws to a measured loss curve, and say in which regime it is.

    Parameters
    ----------
    file
        CSV with a head: T (samples, tokens) and E (error, loss), perhaps standard_error, d and k.
    law
        Fit this law alone, instead of comparing all of them.
    generations
        How many generations of generated data lie behind the curve, where that is known.
    confidence
        Of the intervals.
    json
        Print JSON for machines instead of text.
    out
        Write the answer to this file too, which ends in .json.
    plot
        Draw the data and the laws into this file: .pdf, .png or .svg.
    """
    _check_json(out, plot)
    tasks.prepare_jax()
    from freeridge.fitting import answer, draw, fit_file
    from freeridge.plotting import as_json, save
    from freeridge.solvers.storage import versions, write_atomically

    found = fit_file(file, law, confidence, generations)
    record, text = answer(file, found)
    record = {"command": "fit", "versions": versions(), **record}
    if out is not None:
        save(out, record)
    if plot is not None:
        write_atomically(plot, lambda temporary: draw(found, temporary))
    print(as_json(record) if json else text)
    return 0


@app.command
def figures(
    *names: str,
    list_: Annotated[Flag, Parameter(name="--list")] = False,
    size: Size = "quick",
    out: Path = Path("out/figures"),
    where: Where = WHERE,
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
    tasks.prepare_jax()
    from freeridge.figures.catalogue import catalogue, draw_figures
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
    with where.on_workers(much=size == "paper"):
        files = draw_figures(chosen, size, out, progress=True)
    print(as_json(files) if json else "\n".join(map(str, files)))
    return 0


app.command(explore)
app.command(gcd)
app.command(practice)
app.command(subpopulations)


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
        warned.append(tasks.say(str(message)))

    with warnings.catch_warnings():
        warnings.showwarning = show
        try:
            code = app(arguments, exit_on_error=False, print_error=False) or 0
            sys.stdout.flush()
        except BrokenPipeError:
            _abandon_output()  # whoever read the answer has seen enough
            return BROKEN_PIPE
        except (InvalidSetting, CycloptsError, ImportError, OSError, MemoryError) as error:
            _abandon_output()
            tasks.say(str(error) or "not enough memory")
            return USER_ERROR
        except KeyboardInterrupt:
            tasks.say("interrupted")
            return INTERRUPTED
    # A simulation that is interrupted answers with the replicates it has, and a warning.
    return INTERRUPTED if any(text.startswith("interrupted") for text in warned) else int(code)


def _check_json(out: Path | None, plot: Path | None = None) -> None:
    """Refuse a place for the answer, which is JSON, or for the picture before anything is computed."""
    Common(out=out, plot=plot).check()
    if out is not None and out.suffix != ".json":
        raise InvalidSetting("out", str(out), "a file name that ends in .json")


def _abandon_output() -> None:
    """Drop what the output no longer takes: at its end Python would flush, and complain, once more."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
