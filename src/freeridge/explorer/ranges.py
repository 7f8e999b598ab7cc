"""How far a knob may be turned: as far as the setting itself accepts, on a scale that fits."""

import math
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

from freeridge.explorer.knobs import Knob, accepts, knobs_of
from freeridge.language import Description

STEPS = 200  # positions of a slider
# Factors to try on either side of a positive number: small ones span decades, exponents do not.
_FACTORS = (1e3, 100.0, 30.0, 10.0, 4.0, 2.0, 1.2)


class Range(NamedTuple):
    """Ends of a slider, whose positions are decades where the scale is logarithmic.

    Examples
    --------
    >>> decades = Range(0.01, 100.0, log=True, whole=False)
    >>> decades.position(10.0), round(decades.value(-1.0), 12)
    (1.0, 0.1)
    """

    low: float
    high: float
    log: bool
    whole: bool

    def position(self, value: float) -> float:
        """Where a value is on the slider; at an end when it lies beyond."""
        inside = min(max(value, self.low), self.high)
        return math.log10(inside) if self.log else inside

    def value(self, position: float) -> float:
        """What a position stands for."""
        value = 10.0**position if self.log else position
        return float(round(value)) if self.whole else value

    @property
    def ends(self) -> tuple[float, float]:
        """Positions of the ends."""
        return self.position(self.low), self.position(self.high)

    @property
    def step(self) -> float:
        """Between two positions; whole numbers of a short range one by one."""
        low, high = self.ends
        return 1.0 if self.whole and not self.log and high - low <= STEPS else (high - low) / STEPS


@lru_cache(maxsize=64)
def _ranges(setting: str, folder: object, let: tuple, fields: tuple) -> dict[str, Range]:  # type: ignore[type-arg]
    description = Description(setting, dict(let), dict(fields), folder=folder)  # type: ignore[arg-type]
    found = {knob.name: _range(description, knob) for knob in knobs_of(description)}
    return {name: one for name, one in found.items() if one is not None}


def ranges_of(description: Description) -> dict[str, Range]:
    """The ranges of the knobs that have room to move, with all others as they stand.

    Examples
    --------
    >>> from freeridge.language import Description
    >>> pruned = Description("PrunedClassifier", fields={"phi": "0.1", "ridge": "0.01", "rho": "0.8"})
    >>> ranges_of(pruned)["rho"]
    Range(low=-1.0, high=1.0, log=False, whole=False)
    """
    tables = (tuple((k, str(v)) for k, v in table.items()) for table in (description.let, description.fields))
    return _ranges(description.setting, description.folder, *tables)


def _range(description: Description, knob: Knob) -> Range | None:
    def takes(value: float) -> bool:
        return accepts(description, knob, value)

    value, whole = knob.value, knob.whole
    if not knob.live and whole:  # a dimension: far above, its program takes long to compile
        return _scaled(takes, value, (4.0, 2.0), log=False, whole=True)
    bounded = not whole and not takes(max(1.5, 1.5 * value))
    if value <= 0 or bounded:
        low = next((end for end in (-1.0, 0.0, 0.01) if end < value and takes(end)), value)
        high = next((end for end in (1.0, 0.99) if end > value and takes(end)), value)
        return Range(low, high, log=False, whole=whole) if low < high else None
    skipped = 0 if value < 0.05 else 3 if 0.5 <= value <= 5 and not whole else 1
    return _scaled(takes, value, _FACTORS[skipped:], log=True, whole=whole)


def _scaled(
    takes: Callable[[float], bool], value: float, factors: tuple[float, ...], log: bool, whole: bool
) -> Range | None:
    """Factors below and above a positive number, as large as the setting accepts."""

    def end(candidates: Iterator[float]) -> float:
        rounded = (float(round(one)) if whole else float(f"{one:.3g}") for one in candidates)
        return next((one for one in rounded if one > 0 and takes(one)), value)

    low, high = end(value / factor for factor in factors), end(value * factor for factor in factors)
    return Range(low, high, log, whole) if low < high else None
