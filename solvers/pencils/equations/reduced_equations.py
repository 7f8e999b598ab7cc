r"""A system of equations brought to the few that a reader expects, with names.

An unknown whose equation does not contain it is written out where it is used, unless that would put a trace
inside a matrix. What remains is named after the dimension it lives on: $e$ on samples, $\tau$ on features,
$\kappa$ on inputs and $q$ elsewhere, with a prime for each order of response.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sympy

from freeridge.solvers.pencils.equations.closed_form import ClosedForm, closed_form
from freeridge.solvers.pencils.equations.latex import latex_of
from freeridge.solvers.pencils.equations.matrix_functions import NormalizedTrace, QuadraticForm, tidy
from freeridge.solvers.pencils.equations.ratios import in_ratios, ratios_of
from freeridge.solvers.pencils.equations.symbolic import SymbolicSystem
from freeridge.solvers.pencils.equations.symbolic_numbers import Solution, solve_equations
from freeridge.solvers.pencils.expressions import Dimension
from freeridge.solvers.pencils.merging import MergedEquation
from freeridge.solvers.pencils.values import Symbols

# By the first letter of the dimension; the earlier ones are kept when one of two can be eliminated.
_LETTERS = {"n": "e", "m": "tau", "d": "kappa"}
_SPARE = ("q", "r", "s", "t", "u")

Equation = dict[sympy.Symbol, sympy.Expr]


@dataclass(frozen=True)
class ReducedEquations:
    r"""The fixed-point equations of a deterministic equivalent, as mathematics.

    Attributes
    ----------
    unknowns : tuple of SymPy symbols
        First-order ones before second-order ones.
    equations : tuple of sympy.Eq
        Each unknown and what it equals, a function of the unknowns.
    outputs : dict from name to SymPy expression
        What was asked for, in the unknowns.
    definitions : dict from SymPy symbol to SymPy expression
        The ratios of dimensions that are used.
    orders : tuple of int
        1 for the unknowns of the fixed point, 2 for their first response, and so on.
    starts : tuple of SymPy expressions
        The unknowns without randomness, from where the solution is followed.
    symbols : Symbols
        What :meth:`solve` needs numbers for.
    """

    unknowns: tuple[sympy.Symbol, ...]
    equations: tuple[sympy.Eq, ...]
    outputs: dict[str, sympy.Expr]
    definitions: dict[sympy.Symbol, sympy.Expr]
    orders: tuple[int, ...]
    starts: tuple[sympy.Expr, ...]
    symbols: Symbols

    def latex(self) -> str:
        """An aligned block: first-order equations, then those of higher order, then the outputs."""
        return latex_of(self)

    def solve(self, **values: Any) -> Solution:
        """These very equations solved in numbers, for the same keywords as :meth:`Equations.evaluate`.

        Raises
        ------
        InvalidSetting
            When a value does not make sense, or no solution is found.
        """
        return solve_equations(self, values)

    def closed_form(self, **matrices: Any) -> ClosedForm:
        """Formulas where each deterministic matrix is a multiple of the identity, 1 unless given by name."""
        return closed_form(self, matrices)

    def __str__(self) -> str:
        lines = [f"{equation.lhs} = {equation.rhs}" for equation in self.equations]
        return "\n".join(lines + [f"{name} = {value}" for name, value in self.outputs.items()])


def reduce_equations(merged: MergedEquation, symbols: Symbols) -> ReducedEquations:
    """The equations of a merged Dyson equation.

    Examples
    --------
    >>> import freeridge as fr
    >>> n, d = fr.dims("n d")
    >>> X, lam = fr.gaussian("X", n, d, variance=1 / n), fr.scalar("lambda")
    >>> eq = fr.derive(fr.normalized_trace((X.T @ X + lam).inv()))
    >>> print(reduce_equations(eq.merged, eq.symbols))
    e = 1/(phi/(e + lambda) + 1)
    value = 1/(e + lambda)
    """
    taken = set(symbols.names)
    ratios = ratios_of(symbols.dimensions, taken)
    system = SymbolicSystem(merged, ratios, symbols.matrices)
    equations = dict(zip(system.unknowns, system.images, strict=True))
    at = {unknown: place for place, unknown in enumerate(system.unknowns)}
    dimensions = {
        u: merged.equation.unknowns[merged.representatives[place]].dimension for u, place in at.items()
    }
    _eliminate(equations, system.outputs, dimensions)
    _reuse_traces(equations, system.outputs, [u for u in equations if merged.orders[at[u]] == 1])
    kept = sorted(equations, key=lambda u: (merged.orders[at[u]], _rank(dimensions[u]), at[u]))
    orders = tuple(merged.orders[at[u]] for u in kept)
    names = dict(zip(kept, _names([dimensions[u] for u in kept], orders, taken), strict=True))

    def final(expression: sympy.Expr) -> sympy.Expr:
        return in_ratios(expression, ratios).xreplace(names)

    found = [final(equations[u]) for u in kept]
    outputs = {name: final(tidy(value)) for name, value in system.outputs.items()}
    starts = tuple(system.starts[at[u]] for u in kept)
    used = {s for value in (*found, *outputs.values(), *starts) for s in value.free_symbols}
    return ReducedEquations(
        tuple(names.values()),
        tuple(sympy.Eq(names[u], f, evaluate=False) for u, f in zip(kept, found, strict=True)),
        outputs,
        {name: ratio for ratio, name in ratios.items() if name in used},
        orders,
        starts,
        symbols,
    )


def _eliminate(
    equations: Equation, outputs: dict[str, sympy.Expr], dimensions: Mapping[Any, Dimension]
) -> None:
    """Write out, in place, the unknowns that need no equation of their own."""
    while True:
        inside = {
            s
            for expression in (*equations.values(), *outputs.values())
            for function in expression.atoms(NormalizedTrace, QuadraticForm)
            for s in function.free_symbols
        }
        explicit = [
            u
            for u, image in equations.items()
            if u not in image.free_symbols and not (u in inside and image.has(NormalizedTrace))
        ]
        if not explicit:
            return
        chosen = min(
            explicit, key=lambda u: (not equations[u].has(NormalizedTrace), -_rank(dimensions[u]), str(u))
        )
        image = equations.pop(chosen)
        owner, inverted = _inverted(equations, chosen)
        for u, other in equations.items():
            if u == owner:
                equations[u] = _reciprocal(other.xreplace({chosen: image}))
            elif chosen in other.free_symbols:
                equations[u] = tidy(other.xreplace({chosen: image if inverted is None else inverted}))
        value = {chosen: image if inverted is None else inverted}
        outputs.update({name: output.xreplace(value) for name, output in outputs.items()})


def _inverted(
    equations: Equation, chosen: sympy.Symbol
) -> tuple[sympy.Symbol, sympy.Expr] | tuple[None, None]:
    r"""An unknown whose equation is as good as that of the one to go, and the latter as a function of it.

    From $e = 1/(1 + \phi q)$ follows $q$, so that only the equation of $e$ need hold the trace that $q$ is.
    """
    for u, image in equations.items():
        if chosen in image.free_symbols and u not in image.free_symbols and not image.has(NormalizedTrace):
            above, below = sympy.fraction(sympy.together(image))
            gap = sympy.Poly(above - u * below, chosen)
            if gap.degree() == 1:
                slope, rest = gap.all_coeffs()
                return u, sympy.factor(-rest / slope)
    return None, None


def _reciprocal(value: sympy.Expr) -> sympy.Expr:
    """$c/(a + b)$ as $1/(a/c + b/c)$."""
    above, below = sympy.fraction(value)
    return 1 / sympy.Add(*(tidy(term / above) for term in sympy.Add.make_args(below)))


def _reuse_traces(equations: Equation, outputs: dict[str, sympy.Expr], first: list[sympy.Symbol]) -> None:
    """Replace, in place, the trace that an unknown is a function of by what it follows to be."""
    for u in first:
        image = equations[u]
        traces = image.atoms(NormalizedTrace)
        below = sympy.Add.make_args(1 / image)
        holding = [term for term in below if term.has(NormalizedTrace)]
        if len(traces) == 1 and len(holding) == 1 and u in image.free_symbols:
            (trace,), (term,) = traces, holding
            if term.as_base_exp()[1] == 1:
                value = {trace: (1 / u - sympy.Add(*below) + term) * trace / term}
                for v, other in equations.items():
                    if v not in first and other.has(trace):
                        equations[v] = tidy(other.xreplace(value))
                outputs.update({name: tidy(output.xreplace(value)) for name, output in outputs.items()})


def _rank(dimension: Dimension) -> int:
    letters = list(_LETTERS)
    first = str(dimension)[0]
    return letters.index(first) if first in letters else len(letters)


def _names(dimensions: list[Dimension], orders: Iterable[int], taken: set[str]) -> list[sympy.Symbol]:
    """A letter for the dimension, an index where there are several, a prime for each higher order."""
    kinds = [
        (next(x for x in (_LETTERS.get(str(d)[0], "q"), *_SPARE) if x not in taken), order)
        for d, order in zip(dimensions, orders, strict=True)
    ]
    names = []
    for place, (letter, order) in enumerate(kinds):
        index = f"_{kinds[:place].count((letter, order)) + 1}" if kinds.count((letter, order)) > 1 else ""
        names.append(sympy.Symbol(letter + index + "'" * (order - 1)))
    return names
