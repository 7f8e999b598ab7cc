"""In which regime a loss curve is, and what its data do not determine, in words."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from freeridge.theory.tails.curves.loss_curve import LossCurve
from freeridge.theory.tails.curves.profile_likelihood import Interval

POWER_LAW, BEFORE, ON, PAST = "power law", "before a plateau", "on a plateau", "past a plateau"


class Plateau(NamedTuple):
    r"""Where a plateau begins in T, its level in E, and where it ends; None when it has no end.

    Its begin is the crossover of the law. There E is above the level by at most a third on a cut curve, by
    $2^c$ after generations and by 2 with a constant floor.
    """

    begin: Interval
    level: Interval
    end: Interval | None


class Regime(NamedTuple):
    """A name, and the sentences that explain it."""

    name: str
    sentences: tuple[str, ...]


def regime_of(
    law: str, parameters: Mapping[str, Interval], plateau: Plateau | None, curve: LossCurve, confidence: float
) -> Regime:
    """What a fitted law says about the place of the last T.

    Examples
    --------
    >>> curve = LossCurve([1, 10, 100], [1, 0.3, 0.1])
    >>> regime_of("clean", {"c": Interval(0.5, 0.4, 0.6)}, None, curve, 0.95).name
    'power law'
    """
    name, sentences = _place(plateau, float(curve.T.max()))
    if law == "triplet" and plateau is not None:
        sentences.append("The plateau is that of the largest sizes in the data.")
    c = parameters["c"]
    if c.high < 1:
        beta = Interval(*(1 / (1 - end) for end in c))
        sentences.append(f"On Zipf data c would mean an exponent beta = {_written(beta)}.")
    bounds = [
        f"{name} ({' and '.join(open_ends)})"
        for name, interval in parameters.items()
        if (open_ends := _open_ends(interval, name == "pi"))
    ]
    if bounds:
        sentences.append(f"Not bounded at {100 * confidence:g} % by these data: {', '.join(bounds)}.")
    return Regime(name, tuple(sentences))


def _place(plateau: Plateau | None, last: float) -> tuple[str, list[str]]:
    if plateau is None:
        return POWER_LAW, [f"A power law up to the last T = {last:.3g}: no plateau is seen."]
    begin, level, end = plateau
    reaches = f"level E = {_written(level)}"
    if last < begin.value or not np.isfinite(begin.value):
        sentences = [
            f"Before a plateau: the last T = {last:.3g} is below its begin, T = {_written(begin)}; {reaches}."
        ]
        name = BEFORE
    elif end is None or last < end.value:
        sentences = [f"On a plateau that began at T = {_written(begin)}; {reaches}."]
        name = ON
    else:
        sentences = [f"Past a plateau from T = {_written(begin)} to T = {_written(end)}; {reaches}."]
        name = PAST
    if begin.low < last < begin.high and name != PAST:
        sentences.append("The interval of its begin holds the last T: whether it has begun is not settled.")
    if end is None:
        sentences.append("By this law the plateau does not end: more of the same data does not help.")
    elif name != PAST:
        sentences.append(f"It is expected to end at T = {_written(end)}.")
    elif last < end.high:
        sentences.append("The interval of its end holds the last T: whether it has ended is not settled.")
    return name, sentences


def _written(interval: Interval) -> str:
    """Value and ends."""
    return f"{interval.value:.3g} ({interval.low:.3g} to {interval.high:.3g})"


def _open_ends(interval: Interval, share: bool) -> list[str]:
    most = 1.0 if share else np.inf
    return [
        end for end, is_open in (("below", interval.low == 0), ("above", interval.high >= most)) if is_open
    ]
