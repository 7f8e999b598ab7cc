"""What the command ``freeridge gcd`` answers: the experiment, its record, and a table."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freeridge.experiment_answers import Answer, record_of

if TYPE_CHECKING:
    from xarray import Dataset

COLUMNS = ("run", "true labels", "examples", "learned", "divisors", "accuracy", "first learned")


def run_experiment(
    preset: str, out: Path, key: int = 0, base: int | None = None, *, progress: bool = False
) -> Answer:
    """Make the GCD experiment in a folder, or go on with the one that is there.

    Parameters
    ----------
    preset : {"quick", "small", "paper"}
        Size; see :class:`freeridge.theory.arithmetic.experiment.GCDExperiment`.
    out : Path
        Folder for checkpoints and the record.
    key : int
        Seed.
    base : int, optional
        Base of the digits, where it is not that of the preset.
    progress : bool
        A line on standard error at every test.
    """
    from freeridge.plotting import text_table
    from freeridge.theory.arithmetic.experiment import GCDExperiment

    experiment = GCDExperiment(preset, **({} if base is None else {"base": base}))
    data = experiment.run(out, key, progress=progress)
    rows = list(outcomes(data))
    result = {row["run"]: {name: row[name] for name in row if name != "run"} for row in rows}
    record = record_of("gcd", experiment, key, out, result=result)
    return Answer(record, text_table(COLUMNS, map(_in_words, rows)))


def outcomes(data: "Dataset") -> Iterator[dict[str, Any]]:
    """What each run has come to.

    Yields
    ------
    dict
        ``run``, ``true labels`` (their share), ``examples`` seen, the ``learned`` divisors, ``accuracy`` on
        uniform pairs, and for each prime power the examples after which it was ``first learned``.
    """
    from freeridge.theory.arithmetic.record import first_learned, learned_sets
    from freeridge.theory.arithmetic.skills import factors

    for name in data["run"].values.tolist():
        known = learned_sets(data, name)
        if not known:
            continue
        here = data.sel(run=name).isel(examples=len(known) - 1)
        yield {
            "run": name,
            "true labels": float(here["share"]),
            "examples": int(here["examples"]),
            "learned": known[-1],
            # Divisors above the last label are left out: the test set has none of them.
            "accuracy": float((data["law"].values[1:] * here["accuracy"].values).sum()),
            "first learned": {
                divisor: examples
                for divisor, examples in first_learned(data, name).items()
                if len(factors(divisor)) == 1
            },
        }


def _in_words(row: dict[str, Any]) -> dict[str, str]:
    """The same for the table, examples in millions."""
    from freeridge.theory.arithmetic.skills import in_words

    return {
        "run": row["run"],
        "true labels": f"{row['true labels']:.0%}",
        "examples": f"{row['examples'] / 1e6:g} M",
        "learned": str(len(row["learned"])),
        "divisors": in_words(row["learned"]),
        "accuracy": f"{row['accuracy']:.1%}",
        "first learned": ", ".join(
            f"{divisor}: {examples / 1e6:g} M" for divisor, examples in row["first learned"].items()
        ),
    }
