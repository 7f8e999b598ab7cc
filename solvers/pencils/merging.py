r"""Unknowns that are equal merged, those that vanish dropped, the rest in the order they are solved in.

Whether two traces are the same for every choice of numbers is settled by numbers: on random symmetric
matrices that do not commute, with random scalars and dimensions, the first iterates of the equation from
zero variance agree in both exactly when their expansions in the variance begin alike; and merged unknowns
must then stay equal under the equation from random values of the merged ones, or are taken apart until they
do. Both together mean that the branch which starts at zero variance keeps them equal: the merged equation has
a solution along it, and the solution there is unique.
"""

from dataclasses import dataclass

import numpy as np
import sympy

from freeridge.solvers.pencils.dyson import DysonEquation, reachable
from freeridge.solvers.pencils.expressions import ONE
from freeridge.solvers.pencils.words import FrozenPolynomial, Letter, Polynomial, Word

_SIZE = 3  # of the random matrices: large enough not to commute
_ITERATES = 6
_SAME = 1e-9


@dataclass(frozen=True)
class MergedEquation:
    """An equation in as few unknowns as it has.

    Attributes
    ----------
    equation : DysonEquation
    place : tuple of (int, int)
        For each unknown of the equation the merged unknown it equals, and the sign; sign 0 where it vanishes.
    representatives : tuple of int
        For each merged unknown one of those it stands for.
    core : int
        So many merged unknowns come first and are solved together, by continuation.
    stages : tuple of tuple of int
        The others, in the order they follow: each stage is linear in its own unknowns, given those before.
    orders : tuple of int
        1 for the unknowns of the core, 2 for those that solve a linear equation around it, and so on.
    """

    equation: DysonEquation
    place: tuple[tuple[int, int], ...]
    representatives: tuple[int, ...]
    core: int
    stages: tuple[tuple[int, ...], ...]
    orders: tuple[int, ...]

    @property
    def all_stages(self) -> tuple[tuple[int, ...], ...]:
        """The core, where there is one, and the stages that follow."""
        return (tuple(range(self.core)), *self.stages) if self.core else self.stages


def merge(equation: DysonEquation) -> MergedEquation:
    """The equation with its unknowns merged and sorted."""
    samples = [Sample(equation, seed) for seed in (0, 1)]
    place, representatives = _classes(equation, samples)
    depends, nonlinear = _structure(samples[0], place, representatives)
    reach = reachable(depends)
    component = [{v for v in reach[u] if u in reach[v]} for u in range(len(reach))]
    core = {v for u in range(len(reach)) if nonlinear[u] for v in reach[u]}
    linear = [u for u in range(len(reach)) if u not in core]
    loops = sorted({tuple(sorted(component[u])) for u in linear}, key=lambda s: (len(reach[s[0]]), s))
    orders, depths = dict.fromkeys(core, 1), dict.fromkeys(core, 0)
    for loop in loops:
        own = any(v in depends[u] for u in loop for v in loop)
        below = [v for v in reach[loop[0]] if v in orders]
        orders.update(dict.fromkeys(loop, max((orders[v] for v in below), default=0 if own else 1) + own))
        depths.update(dict.fromkeys(loop, max((depths[v] for v in below), default=0) + 1))
    # Loops that do not depend on each other are solved together: what JAX compiles grows with the stages.
    stages = [[u for u in linear if depths[u] == depth] for depth in sorted({depths[u] for u in linear})]
    order = [*sorted(core), *(u for stage in stages for u in stage)]
    new = {u: at for at, u in enumerate(order)}
    return MergedEquation(
        equation,
        tuple((new[u] if sign else 0, sign) for u, sign in place),
        tuple(representatives[u] for u in order),
        len(core),
        tuple(tuple(new[u] for u in stage) for stage in stages),
        tuple(orders[u] for u in order),
    )


class Sample:
    """The equation with random numbers in all its symbols."""

    def __init__(self, equation: DysonEquation, seed: int) -> None:
        self.equation = equation
        self.random = np.random.default_rng(seed)
        self.matrices: dict[object, np.ndarray] = {}
        coefficients = sorted(coefficients_of(equation), key=str)
        symbols = sorted({s for c in coefficients for s in c.free_symbols}, key=str)
        values = sympy.lambdify(symbols, coefficients, "math")(*self.random.uniform(0.7, 1.4, len(symbols)))
        self.numbers = dict(zip(coefficients, values, strict=True))
        self.sectors = {d: equation.sector(d) for d in equation.dimensions}
        place = {b: at for blocks in self.sectors.values() for at, b in enumerate(blocks)}
        self.blocks = {b: slice(_SIZE * at, _SIZE * at + _SIZE) for b, at in place.items()}
        self.base = {d: np.zeros((_SIZE * len(b),) * 2) for d, b in self.sectors.items()}
        for (i, j), found in equation.deterministic.items():
            self.base[equation.pencil.dimensions[i]][self.blocks[i], self.blocks[j]] = self.polynomial(found)
        self.terms = [
            (
                equation.pencil.dimensions[i],
                self.blocks[i],
                self.blocks[j],
                t.unknown,
                self.numbers[t.coefficient] * self.word(t.word),
            )
            for (i, j), terms in equation.feedback.items()
            if equation.pencil.dimensions[i] != ONE
            for t in terms
        ]
        self.tests = [self.word(u.word) for u in equation.unknowns]

    def polynomial(self, items: Polynomial | FrozenPolynomial) -> np.ndarray:
        pairs = items.items() if isinstance(items, dict) else items
        return sum((self.numbers[c] * self.word(w) for w, c in pairs), np.zeros((_SIZE, _SIZE)))

    def word(self, word: Word) -> np.ndarray:
        found = np.eye(_SIZE)
        for letter in word:
            found = found @ self.letter(letter)
        return found

    def letter(self, letter: Letter) -> np.ndarray:
        if letter not in self.matrices:
            if isinstance(letter.base, frozenset):
                base = self.polynomial(letter.base)
            else:
                if letter.base not in self.matrices:
                    square = self.random.standard_normal((_SIZE, _SIZE))
                    self.matrices[letter.base] = square @ square.T / _SIZE + 0.3 * np.eye(_SIZE)
                base = self.matrices[letter.base]
            values, vectors = np.linalg.eigh(base)
            self.matrices[letter] = (vectors * np.abs(values) ** float(letter.power)) @ vectors.T
        return self.matrices[letter]

    def __call__(self, unknowns: np.ndarray, variance: float) -> np.ndarray:
        """The right-hand side of the equation."""
        inverse = {}
        for dimension, base in self.base.items():
            matrix = base.copy()
            for where, rows, columns, unknown, factor in self.terms:
                if where == dimension:
                    matrix[rows, columns] -= variance * unknowns[unknown] * factor
            inverse[dimension] = np.linalg.inv(matrix)
        return np.array(
            [
                np.trace(inverse[u.dimension][self.blocks[u.column], self.blocks[u.row]] @ test) / _SIZE
                for u, test in zip(self.equation.unknowns, self.tests, strict=True)
            ]
        )


def _classes(equation: DysonEquation, samples: list[Sample]) -> tuple[list[tuple[int, int]], list[int]]:
    """For each unknown its class and sign; and for each class its first member."""
    count = len(equation.unknowns)
    if not count:
        return [], []
    traces = []
    for sample in samples:
        values = sample(np.zeros(count), 0.0)
        traces.append(values)
        for _ in range(_ITERATES):
            values = sample(values, 0.3)
            traces.append(values)
    histories = np.array(traces).reshape(-1, count)
    place: list[tuple[int, int]] = []
    representatives: list[int] = []
    for u in range(count):
        mine = histories[:, u]
        if np.max(np.abs(mine)) < _SAME * np.max(np.abs(histories)):
            place.append((0, 0))
            continue
        for at, other in enumerate(representatives):
            theirs = histories[:, other]
            sign = next((s for s in (1, -1) if np.allclose(mine, s * theirs, rtol=_SAME, atol=0)), 0)
            if sign and equation.unknowns[u].dimension == equation.unknowns[other].dimension:
                place.append((at, sign))
                break
        else:
            place.append((len(representatives), 1))
            representatives.append(u)
    while True:
        finer = _split(samples, place, representatives)
        if finer == (place, representatives):
            return finer
        place, representatives = finer


def _split(
    samples: list[Sample], place: list[tuple[int, int]], representatives: list[int]
) -> tuple[list[tuple[int, int]], list[int]]:
    """Classes whose members part under the equation, from some values of the merged unknowns, taken apart."""
    starts = [_expand(s.random.uniform(0.5, 1.5, len(representatives)), place) for s in samples]
    images = np.array([sample(start, 0.3) for sample, start in zip(samples, starts, strict=True)])
    zero = 1e-9 * np.max(np.abs(images), axis=1)
    finer: list[tuple[int, int]] = []
    leaders: list[int] = []
    for u, (at, sign) in enumerate(place):
        if not sign and np.all(np.abs(images[:, u]) <= zero):
            finer.append((0, 0))
            continue
        for new, leader in enumerate(leaders):
            same = sign * place[leader][1]
            gap = np.abs(images[:, u] - same * images[:, leader])
            if sign and place[leader][0] == at and np.all(gap <= zero + 1e-7 * np.abs(images[:, u])):
                finer.append((new, same))
                break
        else:
            finer.append((len(leaders), 1))
            leaders.append(u)
    return finer, leaders


def _expand(merged: np.ndarray, place: list[tuple[int, int]]) -> np.ndarray:
    return np.array([sign * merged[at] if sign else 0.0 for at, sign in place])


def _structure(
    sample: Sample, place: list[tuple[int, int]], representatives: list[int]
) -> tuple[list[set[int]], list[bool]]:
    """Which merged unknowns each one depends on, and whether its equation is not linear in those that in
    turn depend on it.
    """
    count = len(representatives)

    def image(values: np.ndarray) -> np.ndarray:
        return sample(_expand(values, place), 0.3)[representatives]

    start = sample.random.uniform(0.5, 1.5, count)
    base = image(start)
    moved = np.array([image(start + 0.1 * unit) - base for unit in np.eye(count)]).reshape(count, count)
    depends = [
        set(np.flatnonzero(np.abs(moved[:, u]) > _SAME * (1 + np.abs(base[u]))).tolist())
        for u in range(count)
    ]
    reach = reachable(depends)
    nonlinear = []
    for u in range(count):
        loop = [v for v in reach[u] if u in reach[v]]
        step = np.zeros(count)
        step[loop] = sample.random.uniform(0.1, 0.2, len(loop))
        bend = image(start + step)[u] - 2 * base[u] + image(start - step)[u]
        nonlinear.append(bool(abs(bend) > _SAME * (1 + abs(base[u]))))
    return depends, nonlinear


def coefficients_of(equation: DysonEquation) -> set[sympy.Expr]:
    """Every scalar coefficient in the equation, those inside powers of polynomials included."""
    found: set[sympy.Expr] = set()

    def visit(word: Word) -> None:
        for letter in word:
            if isinstance(letter.base, frozenset):
                visit_all(letter.base)

    def visit_all(items: FrozenPolynomial | Polynomial) -> None:
        for word, coefficient in items.items() if isinstance(items, dict) else items:
            found.add(coefficient)
            visit(word)

    for polynomial in equation.pencil.entries.values():
        visit_all(polynomial)
    for terms in equation.feedback.values():
        for term in terms:
            found.add(term.coefficient)
            visit(term.word)
    for readouts in equation.pencil.readouts.values():
        for readout in readouts:
            found.add(readout.coefficient)
            visit(readout.word)
    return found
