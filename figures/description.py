"""What is said of a figure on its page in the gallery; the words are in one TOML file per paper or family.

Texts are Markdown with formulas in LaTeX; links in them are relative to ``docs/gallery``.
"""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Description:
    """The words of one page.

    Parameters
    ----------
    parameters : str
        What the paper states.
    chosen : str
        What it leaves open, or is not known to us, and what we took.
    see : str
        What to look at.
    bars : str
        What points and bars are, in both sizes.
    notes : str
        How open parameters were found, and where figure and paper differ.
    """

    parameters: str
    chosen: str
    see: str
    bars: str
    notes: str = ""


@cache
def descriptions() -> dict[str, Description]:
    """The words of every figure, by its name.

    Examples
    --------
    >>> descriptions()["strong-model-collapse-5"].chosen
    'Nothing; the vertical axis ends at 5.'
    """
    found = {name: words for file in _files() for name, words in file["figures"].items()}
    return {
        name: Description(**{part: text.strip() for part, text in words.items()})
        for name, words in found.items()
    }


@cache
def introductions() -> dict[str, str]:
    """What is common to the figures of a paper, by the number of the paper on arXiv."""
    return {number: text.strip() for file in _files() for number, text in file.get("papers", {}).items()}


def _files() -> list[dict[str, Any]]:
    paths = sorted(Path(__file__).parent.glob("*.toml"))
    return [tomllib.loads(path.read_text(encoding="utf-8")) for path in paths]
