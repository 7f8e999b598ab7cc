"""Generations of models of sequences, Figures 22 to 27 of A Tale of Tails (arXiv 2402.07043)."""

from functools import partial

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from freeridge.figures.record import Plan, record
from freeridge.figures.style import MARKERS, legend, line_and_points, panels, plain_ticks, shades
from freeridge.theory.tails.bigrams.sequences import BigramSequences

BETA, VOCABULARY, LENGTH, GENERATIONS = 1.5, 300, 100, 4
SHARPENED = {22: {}, 23: {"top_p": 0.9}, 24: {"temperature": 0.9}}
STRONGEST = {"generator_samples": 10_000, "strongest": 100_000}
# Figure -> what generates; 25 to 27 are 22 to 24 with a generator of 10,000 sequences.
WRITERS = {
    **SHARPENED,
    **{number + 3: {**writer, **STRONGEST} for number, writer in SHARPENED.items()},
}


def sequences(number: int, plan: Plan) -> xr.Dataset:
    """Data of one of the figures: perplexity and distance of each generation, simulated."""
    sizes = np.round(np.geomspace(10.0, 1e5, plan.choose(5, 9)))
    setting = BigramSequences(BETA, sizes, GENERATIONS, VOCABULARY, LENGTH, **WRITERS[number])
    found = setting.simulate((plan.seed, number), plan.choose(2, 5))
    plan.report(1, 1)
    dims = ["generation", "T"]
    columns = {
        f"{name}_{ending}": (dims, part[name])
        for name in ("perplexity", "risk")
        for ending, part in (("simulated", found.mean), ("standard_error", found.standard_error))
    }
    coords = {"generation": np.arange(GENERATIONS + 1), "T": sizes}
    data = xr.Dataset(columns, coords=coords).assign(best=float(found.best))
    return record(
        {"": [data]},
        {"setting": setting},
        plan,
        printed=["beta = 3/2", "sequence length 100"],
        chosen=["300 tokens", "one pseudo-count per context in the perplexity"],
    )


def draw_sequences(data: xr.Dataset) -> Figure:
    """Perplexity and distance, one colour per generation; dotted lines guide the eye."""
    figure, axes = panels(1, 2, width=3.6, height=3.2)
    colors = shades(len(data.generation))
    for panel, name in zip(axes.flat, ("perplexity", "risk"), strict=True):
        for index, color in enumerate(colors):
            here = data.isel(generation=index)
            curve = (here["T"], here[f"{name}_simulated"])
            points = (*curve, here[f"{name}_standard_error"])
            line_and_points(panel, curve, points, color=color, marker=MARKERS[index], line=":")
        panel.set(xscale="log", yscale="log", xlabel="training sequences $T$")
    axes[0, 0].axhline(float(data.best), color="0.35", linewidth=1.0, zorder=1)
    axes[0, 0].set_ylabel("test perplexity")
    plain_ticks(axes[0, 0].yaxis)
    axes[0, 1].set_ylabel("distance to the truth $E$")
    labels = [f"generation {g}" for g in data.generation.values]
    legend(figure, labels, colors, lines=[":"] * len(colors), predicted="truth (perplexity)")
    return figure


figures = {number: partial(sequences, number) for number in WRITERS}
