"""What the command ``freeridge practice`` answers: the experiment, its record, and a table."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freeridge.experiment_answers import Answer, record_of

if TYPE_CHECKING:
    from xarray import Dataset

COLUMNS = ("strategy", "examples", "generated", "generator calls", "test accuracy", "fewer than static")


def run_experiment(
    preset: str, out: Path, key: int = 0, seeds: int | None = None, *, progress: bool = False
) -> Answer:
    """Make the experiment in a folder, or go on with the one that is there.

    Parameters
    ----------
    preset : {"quick", "digits", "digits-plain", "mixture"}
        See :class:`freeridge.theory.practice.experiment.PracticeExperiment`.
    out : Path
        Folder for the generator, the runs and the record.
    key : int
        Seed of everything.
    seeds : int, optional
        Repetitions of every run, where they are not those of the preset.
    progress : bool
        A line on standard error at every run.
    """
    from freeridge.plotting import text_table
    from freeridge.theory.practice.experiment import PracticeExperiment

    experiment = PracticeExperiment(preset, **({} if seeds is None else {"seeds": seeds}))
    data = experiment.run(out, key, progress=progress)
    rows = list(outcomes(data))
    record = record_of("practice", experiment, key, out, result=rows, saving=savings(data))
    return Answer(record, text_table(COLUMNS, map(_in_words, rows)))


def outcomes(data: "Dataset") -> Iterator[dict[str, Any]]:
    """Accuracy and cost of each run, means over the seeds.

    Yields
    ------
    dict
        ``strategy``; ``samples`` trained on and ``generated``; ``gradients`` of the learner and
        ``generator_evaluations``; ``test_accuracy`` with ``standard_error`` (NaN of one seed); and the
        ``factor`` by which static generation needs more examples for it, with ``factor_low`` and
        ``factor_high`` (95 %) and whether it is a lower bound (``beyond``), None for static runs.
    """
    import numpy as np

    names = ("samples", "generated", "gradients", "generator_evaluations", "test_accuracy")
    found = _savings(data)
    for strategy in dict.fromkeys(data["strategy"].values.tolist()):
        here = data.isel(run=data["strategy"].values == strategy)
        for place in range(here.sizes["run"]):
            row = {name: float(here[name][place].mean()) for name in names}
            scores, factor = here["test_accuracy"][place].values, {}
            error = float(np.std(scores, ddof=1) / len(scores) ** 0.5) if len(scores) > 1 else float("nan")
            if strategy in found:
                one = found[strategy]
                factor = {
                    "factor": float(one.factors[place]),
                    "factor_low": float(one.low[place]),
                    "factor_high": float(one.high[place]),
                    "beyond": bool(one.beyond[place]),
                }
            yield {"strategy": strategy, **row, "standard_error": error, "factor": None, **factor}


def savings(data: "Dataset") -> dict[str, dict[str, float]]:
    """The overall factor of each strategy, with its 95 % interval; none from a single seed."""
    return {
        name: {"factor": one.overall, "low": one.overall_low, "high": one.overall_high}
        for name, one in _savings(data).items()
    }


def _savings(data: "Dataset") -> dict[str, Any]:
    from freeridge.theory.practice.efficiency import saving

    if data.sizes["seed"] < 2:
        return {}
    names = dict.fromkeys(data["strategy"].values.tolist())
    return {name: saving(data, name) for name in names if name != "static"}


def _in_words(row: dict[str, Any]) -> dict[str, str]:
    """The same for the table."""
    factor = ""
    if row["factor"] is not None:
        sign = ">" if row["beyond"] else ""
        factor = f"{sign}{row['factor']:.2g} ({row['factor_low']:.2g} to {row['factor_high']:.2g})"
    return {
        "strategy": row["strategy"],
        "examples": f"{row['samples']:.0f}",
        "generated": f"{row['generated']:.0f}",
        "generator calls": f"{row['generator_evaluations']:.3g}",
        "test accuracy": f"{row['test_accuracy']:.2%} \N{PLUS-MINUS SIGN} {row['standard_error']:.2%}",
        "fewer than static": factor,
    }
