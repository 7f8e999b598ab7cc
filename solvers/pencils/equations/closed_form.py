r"""Reduced equations solved by formulas, where every deterministic matrix is a multiple of the identity.

The equations are then rational in the unknowns. Those of first order are eliminated by resultants down to
one polynomial; its root, up to degree three, is the one that agrees with the numbers at random points. The
rest follows by linear equations.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import sympy

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.pencils.equations.matrix_functions import MatrixSymbol, QuadraticForm
from freeridge.solvers.pencils.equations.symbolic_numbers import follow
from freeridge.solvers.pencils.expressions import as_scalar

if TYPE_CHECKING:
    from freeridge.solvers.pencils.equations.reduced_equations import ReducedEquations

_HIGHEST_DEGREE = 3
_POINTS = 12
_AGREES = 1e-8

Formulas = dict[sympy.Symbol, sympy.Expr]


class ClosedForm(NamedTuple):
    """The unknowns by their symbols and the outputs by their names, as formulas.

    Where the first unknown is the root of a cubic the formulas after it are in the unknowns before them,
    since they would fill pages otherwise; the formula of a cubic holds for real parameters.
    """

    unknowns: Formulas
    outputs: dict[str, sympy.Expr]


def closed_form(equations: "ReducedEquations", matrices: Mapping[str, Any]) -> ClosedForm:
    r"""Formulas for isotropic matrices.

    Parameters
    ----------
    equations : ReducedEquations
    matrices : mapping from name to scalar
        The multiple of the identity that each deterministic matrix is; 1 where none is given.

    Raises
    ------
    InvalidSetting
        When a name is not that of a matrix, or no formula is found: the polynomial has too high a
        degree, or no one of its roots is the solution everywhere.

    Examples
    --------
    The Marchenko-Pastur law:

    >>> import freeridge as fr
    >>> n, d = fr.dims("n d")
    >>> X, lam = fr.gaussian("X", n, d, variance=1 / n), fr.scalar("lambda")
    >>> eq = fr.derive(fr.normalized_trace((X.T @ X + lam).inv()))
    >>> ((symbol, formula),) = closed_form(eq.system_of_equations, {}).unknowns.items()
    >>> print(formula)
    -(lambda + phi - 1)/2 + sqrt(lambda**2 + 2*lambda*phi + 2*lambda + phi**2 - 2*phi + 1)/2
    """
    known = {m.name for m in equations.symbols.matrices}
    for name, value in matrices.items():
        if name not in known:
            raise InvalidSetting(name, value, f"a deterministic matrix: {', '.join(sorted(known)) or 'none'}")
    multiples = {name: as_scalar(matrices.get(name, 1), name) for name in known}
    images = {e.lhs: _isotropic(e.rhs, multiples) for e in equations.equations}
    orders = dict(zip(equations.unknowns, equations.orders, strict=True))
    first = {u: image for u, image in images.items() if orders[u] == 1}
    starts = [_isotropic(start, multiples) for start in equations.starts[: len(first)]]
    samples = [_sample(first, starts, equations.definitions, seed) for seed in range(_POINTS)]
    root = _first_order(first, samples)
    found: Formulas = {}
    for order in sorted(set(equations.orders) - {1}):
        found |= _linear({u: image.xreplace(found) for u, image in images.items() if orders[u] == order})
    outputs = {
        name: root.formula(_isotropic(value, multiples).xreplace(found))
        for name, value in equations.outputs.items()
    }
    return ClosedForm({u: root.formula(found.get(u, u)) for u in equations.unknowns}, outputs)


def _isotropic(expression: sympy.Expr, multiples: Mapping[str, sympy.Expr]) -> sympy.Expr:
    """With numbers for matrices: a trace becomes one, a quadratic form a product of vectors."""
    return expression.xreplace({s: multiples[s.name] for s in expression.atoms(MatrixSymbol)})


def _sample(
    images: Formulas, starts: list[sympy.Expr], definitions: Formulas, seed: int
) -> dict[sympy.Symbol, float]:
    """A random point where every symbol is positive, with the first-order unknowns there."""
    random = np.random.default_rng(seed)
    unknowns = list(images)
    expressions = [*images.values(), *starts, *definitions.values()]
    symbols = sorted({s for e in expressions for s in e.free_symbols} - {*unknowns, *definitions}, key=str)
    point = dict(zip(symbols, np.exp(random.uniform(-3.0, 1.0, len(symbols))).tolist(), strict=True))
    point |= {name: float(ratio.subs(point)) for name, ratio in definitions.items()}
    names = list(point)
    function = sympy.lambdify([unknowns, names], list(images.values()), "numpy")
    start = sympy.lambdify([names], starts, "numpy")(list(point.values()))
    solution = follow(lambda q: np.array(function(q, list(point.values()))), np.array(start) * 1.0)
    if solution is None:
        raise InvalidSetting("expression", list(images.values()), "equations that a positive point solves")
    return point | dict(zip(unknowns, solution.tolist(), strict=True))


class _Root(NamedTuple):
    """An unknown as the root of a polynomial, and the other first-order unknowns rational in it."""

    unknown: sympy.Symbol | None = None
    polynomial: sympy.Expr = sympy.Integer(0)
    value: sympy.Expr = sympy.Integer(0)
    others: Mapping[sympy.Symbol, sympy.Expr] = {}

    def formula(self, expression: sympy.Expr) -> sympy.Expr:
        """A function of the first-order unknowns written out, when that takes no more than a square root."""
        if self.unknown is None or sympy.degree(self.polynomial, self.unknown) > 2:
            return self.value if expression == self.unknown else self.others.get(expression, expression)
        expression = expression.xreplace(dict(self.others))
        radicals = [r for r in self.value.atoms(sympy.Pow) if r.exp == sympy.Rational(1, 2)]
        if self.unknown not in expression.free_symbols or not radicals:
            return expression.xreplace({self.unknown: self.value})
        vectors = {form: sympy.Dummy() for form in expression.atoms(QuadraticForm)}
        above, below = sympy.fraction(sympy.together(expression.xreplace(vectors)))
        parameters = sorted((above.free_symbols | below.free_symbols | self.polynomial.free_symbols), key=str)
        field = sympy.QQ.frac_field(*(s for s in parameters if s != self.unknown))
        top, bottom, zero = (
            sympy.Poly(p, self.unknown, domain=field) for p in (above, below, self.polynomial)
        )
        reduced = (top * bottom.rem(zero).invert(zero)).rem(zero).as_expr()
        (radical,), name = radicals, sympy.Dummy()
        powers = sympy.Poly(reduced.xreplace({self.unknown: self.value.xreplace({radical: name})}), name)
        found = sympy.Add(*(sympy.factor(c) * name**k for (k,), c in powers.terms()))
        return found.xreplace({name: radical, **{x: form for form, x in vectors.items()}})


def _first_order(images: Formulas, samples: list[dict[sympy.Symbol, float]]) -> _Root:
    """The unknowns of the fixed point; two are brought down to one by a resultant."""
    unknowns = list(images)
    equations = [sympy.numer(sympy.together(u - image)) for u, image in images.items()]
    match unknowns:
        case []:
            return _Root()
        case [unknown]:
            return _Root(unknown, *_solved(equations[0], unknown, samples))
        case [kept, other]:
            linear = [p for p in sympy.subresultants(*equations, other) if sympy.degree(p, other) == 1]
            if linear:
                polynomial, value = _solved(sympy.resultant(*equations, other), kept, samples)
                slope, rest = sympy.Poly(linear[-1], other).all_coeffs()
                return _Root(kept, polynomial, value, {other: sympy.cancel(-rest / slope)})
    raise InvalidSetting("expression", unknowns, "equations of first order that two unknowns at most solve")


def _solved(
    polynomial: sympy.Expr, unknown: sympy.Symbol, samples: list[dict[sympy.Symbol, float]]
) -> tuple[sympy.Expr, sympy.Expr]:
    """The factor of a polynomial that vanishes at the solution, and its root that is the solution."""
    for factor, _ in sympy.factor_list(polynomial)[1]:
        if 1 <= sympy.degree(factor, unknown) <= _HIGHEST_DEGREE:
            for root in _roots(sympy.Poly(factor, unknown)):
                if all(_agrees(root, unknown, sample) for sample in samples):
                    return factor, root
    raise InvalidSetting(
        "expression",
        polynomial,
        f"a polynomial of degree at most {_HIGHEST_DEGREE} one of whose roots is the solution everywhere",
    )


def _roots(polynomial: sympy.Poly) -> list[sympy.Expr]:
    """Roots by formulas that are real for real parameters: of a cubic Cardano's where it has one real root,
    and the k-th in cosines where it has three.
    """
    if polynomial.degree() < 3:
        return list(sympy.roots(polynomial))
    a, b, c, d = polynomial.all_coeffs()
    p = sympy.factor((3 * a * c - b**2) / (3 * a**2))
    q = sympy.factor((2 * b**3 - 9 * a * b * c + 27 * a**2 * d) / (27 * a**3))
    discriminant = q**2 / 4 + p**3 / 27
    single = sympy.Add(*(_cube_root(-q / 2 + sign * sympy.sqrt(discriminant)) for sign in (1, -1)))
    radius = sympy.sqrt(-p / 3)
    angle = sympy.acos(-q / (2 * radius**3)) / 3
    return [
        sympy.Piecewise(
            (single, discriminant >= 0), (2 * radius * sympy.cos(angle - 2 * sympy.pi * k / 3), True)
        )
        - b / (3 * a)
        for k in range(3)
    ]


def _cube_root(value: sympy.Expr) -> sympy.Expr:
    return sympy.sign(value) * sympy.Abs(value) ** sympy.Rational(1, 3)


def _agrees(root: sympy.Expr, unknown: sympy.Symbol, sample: dict[sympy.Symbol, float]) -> bool:
    value = complex(root.xreplace({s: sympy.Float(sample[s], 30) for s in root.free_symbols}).evalf())
    return bool(abs(value - sample[unknown]) <= _AGREES * abs(sample[unknown]))


def _linear(images: Formulas) -> Formulas:
    """Unknowns of higher order: linear, given those of lower order."""
    unknowns = list(images)
    (solution,) = sympy.linsolve([u - image for u, image in images.items()], unknowns)
    return {u: sympy.factor(value) for u, value in zip(unknowns, solution, strict=True)}
