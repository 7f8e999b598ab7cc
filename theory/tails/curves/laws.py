"""The laws that a loss curve may follow: equations, search ranges, starting values, and their plateaus."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.optimize import nnls
from scipy.special import expit, gammaln, logit

from freeridge.solvers.fields import require_count
from freeridge.theory.tails.curves.loss_curve import LossCurve
from freeridge.theory.tails.curves.shapes import (
    clean_shape,
    cut_shape,
    floor_shape,
    generations_shape,
    mixing_shape,
    recursion_shape,
)

Columns = Mapping[str, Float[np.ndarray, " n"]]
Values = Float[np.ndarray, "... p"]
Shape = Callable[..., Any]  # of T and of the parameters after A

_STARTS = 4
_ROWS = 60  # of the curve that choose the starting values
_EXPONENTS = np.array([0.05, 0.15, 0.3, 0.5, 0.75, 1.2])
_POWERS, _AMPLITUDES = (1e-3, 10.0), (1e-120, 1e120)
# Parameters of the triplet law, and its terms, by column.
_TERMS = {
    "T": (("A", "c"), "A T^{-c}"),
    "d": (("B", "c_q"), "B d^{-c_q}"),
    "k": (("C", "alpha"), r"C k^{-\alpha}"),
}


@dataclass(frozen=True, eq=False)
class Parameter:
    """A positive parameter, or a share between 0 and 1, and where it is searched.

    At the ends of the range the law has long lost its dependence on the parameter: an estimate there stands
    for 0 or infinity (1 for a share).
    """

    name: str
    low: float
    high: float
    share: bool = False


Grid = tuple[Parameter, np.ndarray]  # a parameter and the values that its search may begin at


@dataclass(frozen=True, eq=False)
class CurveLaw:
    """One law, made for one curve.

    Parameters
    ----------
    name, equation
        The equation in LaTeX.
    parameters : sequence of Parameter
    log_error : callable
        log E from columns of n rows and values of shape (..., p); of shape (..., n).
    starts : array of shape (m, p)
        Values to begin the search at.
    derived : dict of callable
        Logarithms of further quantities, from values of shape (..., p).
    plateau : tuple of str
        Names of the quantities where the plateau begins, what its level is, and where it ends; empty for
        a law without one, two names for a plateau without end.
    """

    name: str
    equation: str
    parameters: tuple[Parameter, ...]
    log_error: Callable[[Columns, Values], Float[np.ndarray, "... n"]]
    starts: Float[np.ndarray, "m p"]
    derived: Mapping[str, Callable[[Values], Any]] = field(default_factory=dict)
    plateau: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return tuple(parameter.name for parameter in self.parameters)

    @cached_property
    def box(self) -> Float[np.ndarray, "2 p"]:
        """Ends of the search on the line of :meth:`to_line`."""
        return np.stack(
            [self.to_line(np.array([getattr(p, end) for p in self.parameters])) for end in ("low", "high")]
        )

    def to_line(self, values: Values) -> Values:
        """Logarithms of positive parameters, logits of shares."""
        return np.where(self.shares, logit(np.where(self.shares, values, 0.5)), np.log(values))

    def from_line(self, line: Values) -> Values:
        """The inverse, for points that may have left the box: they count as its nearest point."""
        inside = np.minimum(np.maximum(line, self.box[0]), self.box[1])
        return np.where(self.shares, expit(inside), np.exp(inside)) if self.shares.any() else np.exp(inside)

    @cached_property
    def shares(self) -> np.ndarray:
        """Which parameters are shares."""
        return np.array([parameter.share for parameter in self.parameters])


def laws_of(curve: LossCurve, generations: int | None = None) -> dict[str, CurveLaw]:
    """The laws that the columns of a curve allow, by name; triplet where there is d or k.

    Parameters
    ----------
    curve : LossCurve
    generations : int, optional
        Number of generations of the law of that name, where it is known.

    Examples
    --------
    >>> list(laws_of(LossCurve([1, 10], [1, 0.5])))
    ['clean', 'floor', 'cut', 'generations', 'mixing']
    """
    crossovers = np.geomspace(curve.T.min() / 3, 10 * curve.T.max(), 9)
    c = (Parameter("c", *_POWERS), _EXPONENTS)
    T_b, T_k, T_s, T_0 = (
        (Parameter(name, curve.T.min() / 1e3, curve.T.max() * 1e6), crossovers)
        for name in ("T_b", "T_k", "T_s", "T_0")
    )
    share = (Parameter("pi", 1e-9, 1 - 1e-9, share=True), np.array([3e-4, 3e-3, 0.03, 0.3]))
    laws = [
        _scaled(curve, "clean", r"A T^{-c}", clean_shape, [c]),
        _scaled(
            curve, "floor", r"A T^{-c} + E_\infty, \quad E_\infty = A T_b^{-c}", floor_shape, [c, T_b],
            {"level": _power_at_crossover}, ("T_b", "level"),
        ),
        _scaled(
            curve, "cut", r"A T^{-c} [Q(c, T / T_k) + (T / T_k)^c / \Gamma(c + 1)]", cut_shape, [c, T_k],
            {"level": _cut_level}, ("T_k", "level"),
        ),
        _generations(curve, [c, T_s if generations is None else T_0], generations),
        _scaled(
            curve, "mixing", r"A T^{-c} [Q(c, T / T_k) + \pi^{-c} P(c, \pi T / T_k)]", mixing_shape,
            [c, T_k, share], {"level": _cut_level, "end": lambda v: np.log(v[..., 2] / v[..., 3])},
            ("T_k", "level", "end"),
        ),
    ]  # fmt: skip
    sizes = [name for name in curve.columns if name != "T"]
    if sizes:
        laws.append(_triplet(curve, sizes))
    return {law.name: law for law in laws}


def _power_at_crossover(values: Values) -> Any:
    return np.log(values[..., 0]) - values[..., 1] * np.log(values[..., 2])


def _cut_level(values: Values) -> Any:
    return _power_at_crossover(values) - gammaln(values[..., 1] + 1)


def _generations(curve: LossCurve, grids: Sequence[Grid], generations: int | None) -> CurveLaw:
    if generations is None:
        equation = r"A (1 / T + 1 / T_s)^c, \quad T_s = 2 T_0 / n"
        derived = {"level": _power_at_crossover, "n/T_0": lambda v: np.log(2 / v[..., 2])}
        return _scaled(curve, "generations", equation, generations_shape, grids, derived, ("T_s", "level"))
    require_count("generations", generations)
    # What T -> infinity leaves of c_n: on its plateau the curve is where a clean one is at so many times T_0.
    left = -recursion_shape(np.inf, 1.0, 1.0, generations)
    return _scaled(
        curve, "generations",
        rf"A (T_0 c_n)^{{-c}}, \quad c_0 = T / T_0, c_{{g + 1}} = 1 - e^{{-c_g}}, n = {generations}",
        lambda T, c, T_0: recursion_shape(T, c, T_0, generations), grids,
        {
            "level": lambda v: _power_at_crossover(v) - v[..., 1] * left,
            "begin": lambda v: np.log(v[..., 2]) + left,
        },
        ("begin", "level"),
    )  # fmt: skip


def _scaled(
    curve: LossCurve,
    name: str,
    equation: str,
    shape: Shape,
    grids: Sequence[Grid],
    derived: Mapping[str, Callable[[Values], Any]] | None = None,
    plateau: tuple[str, ...] = (),
) -> CurveLaw:
    """A law log A + shape. Its starting values are points of a grid, with the A that fits best."""

    def log_error(columns: Columns, values: Values) -> Any:
        A, *others = np.moveaxis(values[..., None], -2, 0)
        return np.log(A) + shape(columns["T"], *others)

    rows = _some_rows(curve)
    points = np.array(list(product(*(grid for _, grid in grids))))
    missing = curve.log_error[rows] - shape(curve.T[rows], *points.T[..., None])
    height = missing.mean(-1)
    squares = ((missing - height[:, None]) ** 2).sum(-1)
    # The best point for each crossover: near neighbours lead to one minimum.
    crossover = points[:, 1] if len(grids) > 1 else np.zeros(len(points))
    best = [min(np.flatnonzero(crossover == T), key=squares.__getitem__) for T in np.unique(crossover)]
    starts = np.column_stack([np.exp(height[best]), points[best]])
    parameters = (Parameter("A", *_AMPLITUDES), *(parameter for parameter, _ in grids))
    return CurveLaw(name, equation, parameters, log_error, starts, derived or {}, plateau)


def _triplet(curve: LossCurve, sizes: list[str]) -> CurveLaw:
    """A power of T plus a power of each size. The amplitudes >= 0 of a start fit best at its exponents."""
    columns = ["T", *sizes]
    names, written = zip(*(_TERMS[column] for column in columns), strict=True)

    def log_error(columns_of: Columns, values: Values) -> Any:
        powers = [
            np.log(values[..., 2 * j, None]) - values[..., 2 * j + 1, None] * np.log(columns_of[column])
            for j, column in enumerate(columns)
        ]
        return np.logaddexp.reduce(powers)

    def level(values: Values) -> Any:
        largest = {column: curve.columns[column].max()[None] for column in sizes}
        # In an infinite sample the first term is gone.
        return log_error({"T": np.array([np.inf]), **largest}, values)[..., 0]

    rows = _some_rows(curve)
    grid = _EXPONENTS[1::2]
    starts, misses = [], []
    for exponents in product(grid, repeat=len(columns)):
        powers = [curve.columns[column][rows] ** -c for column, c in zip(columns, exponents, strict=True)]
        relative = np.column_stack(powers) / curve.E[rows, None]
        heights, miss = nnls(relative, np.ones(len(rows)))
        # A term that is left out starts where it is a hundredth of the errors at most.
        heights = np.maximum(heights, 0.01 / relative.max(0))
        starts.append(np.column_stack([heights, exponents]).ravel())
        misses.append(miss)
    best = np.argsort(misses)[:_STARTS]
    parameters = tuple(
        Parameter(name, *limits)
        for pair in names
        for name, limits in zip(pair, (_AMPLITUDES, _POWERS), strict=True)
    )
    return CurveLaw(
        "triplet", " + ".join(written), parameters, log_error, np.array(starts)[best],
        {"level": level, "begin": lambda v: (np.log(v[..., 0]) - level(v)) / v[..., 1]}, ("begin", "level"),
    )  # fmt: skip


def _some_rows(curve: LossCurve) -> np.ndarray:
    """Rows spread over the values of T."""
    return np.argsort(curve.T)[np.linspace(0, curve.rows - 1, min(curve.rows, _ROWS)).round().astype(int)]
