"""What the command ``freeridge subpopulations`` answers: the benchmark, its record, and a table."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freeridge.experiment_answers import Answer, record_of

if TYPE_CHECKING:
    from xarray import Dataset

COLUMNS = ("algorithm", "told groups", "selection", "worst group (%)", "against erm", "mean (%)")


def run_experiment(
    preset: str,
    out: Path,
    key: int = 0,
    seeds: int | None = None,
    data: Path | None = None,
    *,
    progress: bool = False,
) -> Answer:
    """Run the benchmark in a folder, or go on with the one that is there.

    Parameters
    ----------
    preset : {"quick", "digits", "digits-faint"}
        See :class:`freeridge.theory.memorization.subpopulations.experiment.SubpopulationBenchmark`.
    out : Path
        Folder for the finished parts and the record.
    key : int
        Seed of everything.
    seeds : int, optional
        Repetitions, where they are not those of the preset.
    data : Path, optional
        An ``.npz`` file of features in place of the digits; see
        :func:`freeridge.theory.memorization.subpopulations.files.load_subpopulations`.
    progress : bool
        A line on standard error for every algorithm and seed.
    """
    from freeridge.plotting import text_table
    from freeridge.theory.memorization.subpopulations.experiment import SubpopulationBenchmark
    from freeridge.theory.memorization.subpopulations.files import load_subpopulations

    changes: dict[str, Any] = {} if seeds is None else {"seeds": seeds}
    if data is not None:
        changes["data"] = load_subpopulations(data)
    benchmark = SubpopulationBenchmark(preset, **changes)
    found = benchmark.run(out, key, progress=progress)
    rows = list(outcomes(found))
    record = record_of("subpopulations", benchmark, key, out, result=rows)
    return Answer(record, text_table(COLUMNS, map(_in_words, rows)))


def outcomes(data: "Dataset") -> Iterator[dict[str, Any]]:
    """Accuracies on the test data of each algorithm and selection.

    Yields
    ------
    dict
        ``algorithm``; whether it is told the groups of the training rows, ``told_groups``; ``selection``;
        ``worst_group_accuracy`` and ``mean_accuracy``, means over the seeds, each with
        ``<name>_standard_error`` and the paired ``<name>_difference`` to ``erm`` with ``<name>_low`` and
        ``<name>_high`` (95 %).
    """
    from freeridge.theory.memorization.subpopulations.algorithms import KNOWS_GROUPS
    from freeridge.theory.memorization.subpopulations.comparison import QUANTITIES, compared

    found = {quantity: compared(data, quantity) for quantity in QUANTITIES}
    for selection in data["selection"].values.tolist():
        for algorithm in data["algorithm"].values.tolist():
            row: dict[str, Any] = {
                "algorithm": algorithm,
                "told_groups": algorithm in KNOWS_GROUPS,
                "selection": selection,
            }
            for quantity, summary in found.items():
                here = summary.sel(algorithm=algorithm, selection=selection)
                row[quantity] = float(here["mean"])
                for name in ("standard_error", "difference", "low", "high"):
                    row[f"{quantity}_{name}"] = float(here[name])
            yield row


def _in_words(row: dict[str, Any]) -> dict[str, str]:
    """The same for the table, in percent."""

    def measured(name: str) -> str:
        return f"{100 * row[name]:.1f} \N{PLUS-MINUS SIGN} {100 * row[name + '_standard_error']:.1f}"

    difference, low, high = (
        100 * row[f"worst_group_accuracy_{name}"] for name in ("difference", "low", "high")
    )
    return {
        "algorithm": row["algorithm"],
        "told groups": "yes" if row["told_groups"] else "",
        "selection": f"{row['selection']} groups",
        "worst group (%)": measured("worst_group_accuracy"),
        "against erm": "" if row["algorithm"] == "erm" else f"{difference:+.1f} ({low:+.1f} to {high:+.1f})",
        "mean (%)": measured("mean_accuracy"),
    }
