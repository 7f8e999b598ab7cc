"""The verbs of the command line that train networks, each an experiment in a folder of its own."""

import sys
from pathlib import Path
from typing import Literal

from freeridge import tasks
from freeridge.experiment_answers import Answer
from freeridge.options import Flag


def gcd(
    *,
    preset: Literal["quick", "small", "paper"] = "small",
    out: Path = Path("out/gcd"),
    base: int | None = None,
    key: int = 0,
    json: Flag = False,
) -> int:
    """Train transformers on greatest common divisors: clean, generated and mixed data.

    Parameters
    ----------
    preset
        Size: quick takes seconds and learns little, small shows the staircase in minutes, paper is for a GPU.
    out
        Folder for checkpoints and the record; started again, the experiment goes on where it was.
    base
        Base of the digits, where it is not that of the preset.
    key
        Seed.
    json
        Print JSON instead of a table.
    """
    tasks.prepare_jax()
    from freeridge.arithmetic import run_experiment

    return _say(run_experiment(preset, out, key, base, progress=sys.stderr.isatty()), json)


def practice(
    *,
    preset: Literal["quick", "digits", "digits-plain", "mixture"] = "digits",
    out: Path = Path("out/practice"),
    seeds: int | None = None,
    key: int = 0,
    json: Flag = False,
) -> int:
    """Deliberate practice against static generation and generate-then-prune, on a generator of digits.

    Parameters
    ----------
    preset
        Quick takes seconds and shows nothing. Digits trains a diffusion model on them, in minutes;
        digits-plain has a learner without label smoothing, mixture an exact generator.
    out
        Folder for the generator, the runs and the record; started again, the experiment goes on where it was.
    seeds
        Repetitions of every run, where they are not those of the preset.
    key
        Seed.
    json
        Print JSON instead of a table.
    """
    tasks.prepare_jax()
    from freeridge.practising import run_experiment

    return _say(run_experiment(preset, out, key, seeds, progress=sys.stderr.isatty()), json)


def subpopulations(
    *,
    preset: Literal["quick", "digits", "digits-faint"] = "digits",
    out: Path = Path("out/subpopulations"),
    data: Path | None = None,
    seeds: int | None = None,
    key: int = 0,
    json: Flag = False,
) -> int:
    """Worst-group accuracy with spurious attributes: plain, memorisation-aware, group DRO and balancing.

    Parameters
    ----------
    preset
        Quick takes seconds and shows nothing. Digits are coloured ones with noise to memorise, in minutes;
        the colours of digits-faint are hard to tell.
    out
        Folder for the finished parts and the record; started again, the benchmark goes on where it was.
    data
        An .npz file with features, labels, attributes and split, in place of the digits.
    seeds
        Repetitions, where they are not those of the preset.
    key
        Seed.
    json
        Print JSON instead of a table.
    """
    tasks.prepare_jax()
    from freeridge.subpopulations import run_experiment

    return _say(run_experiment(preset, out, key, seeds, data, progress=sys.stderr.isatty()), json)


def _say(answer: Answer, json: bool) -> int:
    from freeridge.plotting import as_json, print_table

    print(as_json(answer.record)) if json else print_table(answer.table)
    return 0
