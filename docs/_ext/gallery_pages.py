"""The text of the pages of the gallery, in Markdown as MyST reads it."""

import inspect
import json
import os
from itertools import groupby
from pathlib import Path
from typing import Any

import xarray as xr
from PIL import Image

from freeridge.figures.description import descriptions, introductions
from freeridge.figures.entry import Entry
from freeridge.figures.style import PARAMETERS
from freeridge.solvers.results import Code

NOT_DRAWN = "The picture is drawn by `make docs`; this build of the pages left it out."
WIDE = 700  # pixels of a screen: pictures of several panels side by side
# Where a figure of ours stands beside the paper.
PLACES = {"none": "not in the paper", "number unknown": "its number in the paper is not known to us"}


def title(entry: Entry) -> str:
    """Paper and number, or what there is to see where there is no number."""
    paper, _ = source(entry)
    return _capital(entry.shows) if entry.figure in PLACES else f"{paper}, {entry.figure}"


def source(entry: Entry) -> tuple[str, str]:
    """Name and arXiv number of the paper."""
    paper, number = entry.paper.rsplit(", arXiv ", 1)
    return paper, number


def page(entry: Entry, folder: Path, pictures: Path | None, data: xr.Dataset | None) -> str:
    """The page of a figure, to be written to a folder."""
    words, (paper, number) = descriptions()[entry.name], source(entry)
    where = f"*{paper}*, [arXiv {number}](https://arxiv.org/abs/{number}): {_place(entry)}."
    parts = [
        "---\nhide-toc: true\n---",
        f"# {title(entry)}",
        where if entry.figure in PLACES else f"{_capital(entry.shows)}. {where}",
        NOT_DRAWN if pictures is None else _picture(entry, folder, pictures),
        f"## What to see\n\n{words.see}",
        "## Parameters",
        f"**Stated in the paper.** {words.parameters}",
        f"**Chosen or inferred by us.** {words.chosen}",
        f"**Common to the figures of this paper.** {introductions()[number]}",
        f"## Lines, points and bars\n\n{words.bars}",
        *([] if data is None else [_facts(data)]),
        *([f"## Notes\n\n{words.notes}"] if words.notes else []),
        f"## How to make it\n\n{_commands(entry)}",
        f"Cost, in processor time: {entry.cost}.",
        f"## Source\n\n{_sources(entry, folder)}",
    ]
    return "\n\n".join(parts) + "\n"


def contents(entries: list[Entry], folder: Path, pictures: Path | None) -> str:
    """All figures by paper, for the page that includes it."""
    parts = []
    for _, group in groupby(entries, lambda entry: entry.paper):
        figures = list(group)
        paper, number = source(figures[0])
        parts += [
            f"## {paper}",
            f"[arXiv {number}](https://arxiv.org/abs/{number}). {introductions()[number]}",
            "\n".join(
                ["``````{container} gallery", *(_cell(one, folder, pictures) for one in figures), "``````"]
            ),
            "\n".join(["```{toctree}", ":hidden:", "", *(f"{e.name} <{e.name}>" for e in figures), "```"]),
        ]
    return "\n\n".join(parts) + "\n"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _place(entry: Entry) -> str:
    return PLACES.get(entry.figure, entry.figure)


def _picture(entry: Entry, folder: Path, pictures: Path) -> str:
    path = pictures / f"{entry.name}.png"
    with Image.open(path) as picture:
        width = round(picture.width * PARAMETERS["figure.dpi"] / PARAMETERS["savefig.dpi"])
    kind = "gallery-picture gallery-wide" if width > WIDE else "gallery-picture"
    options = {"alt": entry.shows, "width": f"{width}px", "class": kind}
    lines = [
        f"```{{image}} {_relative(path, folder)}",
        *(f":{key}: {value}" for key, value in options.items()),
    ]
    return "\n".join([*lines, "```"])


def _cell(entry: Entry, folder: Path, pictures: Path | None) -> str:
    """A small picture that leads to the page, and a line below it."""
    lines = ["`````{container} gallery-figure"]
    if pictures is not None:
        small = _relative(pictures / "small" / f"{entry.name}.png", folder)
        lines += [f"[![{entry.shows}]({small})]({entry.name}.md)", ""]
    name = "" if entry.figure in PLACES else f"{entry.figure}: "
    return "\n".join([*lines, f"[{name}{entry.shows}]({entry.name}.md)", "`````"])


def _facts(data: xr.Dataset) -> str:
    """What the data of the picture say of themselves."""
    codes = [array for name, array in data.items() if str(name).rsplit("_", 1)[-1] == "code"]
    residuals = [array for name, array in data.items() if str(name).rsplit("_", 1)[-1] == "residual"]
    made = ", ".join(f"{name} {version}" for name, version in json.loads(data.attrs["versions"]).items())
    text = f"This picture: size {data.attrs['size']}, seed {data.attrs['seed']}, {made}."
    if codes:
        points = sum(array.size for array in codes)
        certified = sum(int((array == Code.OK).sum()) for array in codes)
        text += f" Points of theory: {points}, of which {certified} are certified"
        largest = max((float(array.max()) for array in residuals), default=0.0)
        text += f", with residuals of at most {largest:.1e}." if largest else "."
    return text


def _commands(entry: Entry) -> str:
    return f"""```{{code-block}} console
freeridge figures {entry.name} --size quick --out out/figures
```

```{{code-block}} python
import jax
import xarray as xr

jax.config.update("jax_enable_x64", True)
from freeridge.figures.catalogue import draw_figures

draw_figures(["{entry.name}"], size="quick", out="out/figures")  # PDF, PNG and the data
data = xr.open_dataset("out/figures/{entry.name}.nc")  # every number that is drawn
```"""


def _sources(entry: Entry, folder: Path) -> str:
    """The functions that compute and draw, folded."""
    parts = []
    for heading, function in (("Data", entry.compute), ("Picture", entry.draw)):
        inner: Any = getattr(function, "func", function)  # of a family of figures with a number filled in
        # Not the file of a wrapper, such as the one that checks types in tests.
        path = Path(inspect.getsourcefile(inspect.unwrap(inner)) or "").resolve()
        filled = "".join(f" for {number}" for number in getattr(function, "args", ()))
        parts.append(
            f"````{{admonition}} {heading}: {inner.__name__}{filled}, in figures/{path.name}\n"
            f":collapsible: closed\n\n```{{literalinclude}} {_relative(path, folder)}\n"
            f":language: python\n:pyobject: {inner.__name__}\n```\n````"
        )
    return "\n\n".join(parts)


def _relative(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path, folder.resolve())).as_posix()
