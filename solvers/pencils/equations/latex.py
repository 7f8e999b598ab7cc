r"""LaTeX of reduced equations, as the field writes them.

Inverses of matrices are powers and not fractions, a number next to a matrix carries its $I$, and
$\overline{\mathrm{tr}}$ is the normalised trace.
"""

from typing import TYPE_CHECKING

import sympy
from sympy.printing.latex import LatexPrinter

from freeridge.solvers.pencils.equations.matrix_functions import (
    MatrixSymbol,
    NormalizedTrace,
    QuadraticForm,
    VectorSymbol,
    is_matrix,
    split,
)

if TYPE_CHECKING:
    from freeridge.solvers.pencils.equations.reduced_equations import ReducedEquations


def latex_of(equations: "ReducedEquations") -> str:
    r"""An aligned block: the equations by order, then the outputs.

    Examples
    --------
    >>> import freeridge as fr
    >>> n, d = fr.dims("n d")
    >>> Sigma = fr.deterministic("Sigma", d)
    >>> X = fr.gaussian("X", n, d, variance=1 / n, column_covariance=Sigma)
    >>> eq = fr.derive(fr.normalized_trace((X.T @ X + fr.scalar("lambda")).inv()))
    >>> print(eq.latex())
    \begin{aligned}
    \frac{1}{e} &= 1 + \phi \overline{\mathrm{tr}} \, \Sigma \left(e \Sigma + \lambda I\right)^{-1} \\
    \mathrm{value} &= \overline{\mathrm{tr}} \, \left(e \Sigma + \lambda I\right)^{-1}
    \end{aligned}
    """
    lines = [_equation(e.lhs, e.rhs) for e in equations.equations]
    lines += [
        rf"\mathrm{{{name.replace('_', ' ')}}} &= {latex(value)}" for name, value in equations.outputs.items()
    ]
    body = " \\\\\n".join(lines)
    return f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}"


def latex(expression: sympy.Expr) -> str:
    """One expression."""
    return str(_Printer().doprint(expression))


def _equation(unknown: sympy.Symbol, value: sympy.Expr) -> str:
    """One line; the reciprocal of a sum is written 1/e = ..., as it is solved."""
    above, below = sympy.fraction(value)
    if above == 1 and isinstance(below, sympy.Add):
        return rf"\frac{{1}}{{{latex(unknown)}}} &= {latex(below)}"
    return f"{latex(unknown)} &= {latex(value)}"


class _Printer(LatexPrinter):  # type: ignore[misc]
    """SymPy's printer, with matrices."""

    def _print_Symbol(self, symbol: sympy.Symbol, style: str = "plain") -> str:
        name = symbol.name.rstrip("'")
        text = super()._print_Symbol(sympy.Symbol(name), style)
        # Several letters side by side would read as a product.
        text = rf"\mathrm{{{text}}}" if text.isalpha() and len(text) > 1 else text
        return text + "'" * (len(symbol.name) - len(name))

    def _print_MatrixSymbol(self, symbol: MatrixSymbol) -> str:
        stem, *rest = super()._print_Symbol(sympy.Symbol(symbol.name)).split("_", 1)
        return "_".join([stem if stem.startswith("\\") else rf"\mathbf{{{stem}}}", *rest])

    def _print_VectorSymbol(self, symbol: VectorSymbol) -> str:
        return self._print_Symbol(symbol)

    def _print_NormalizedTrace(self, trace: sympy.Expr, exp: str | None = None) -> str:
        return self._raised(rf"\overline{{\mathrm{{tr}}}} \, {self._print(trace.args[0])}", exp)

    def _print_QuadraticForm(self, form: sympy.Expr, exp: str | None = None) -> str:
        left, matrix, right = form.args
        middle = "" if matrix == 1 else f"{self._print(matrix)} "
        return self._raised(rf"{self._print(left)}^{{\top}} {middle}{self._print(right)}", exp)

    def _raised(self, text: str, exp: str | None) -> str:
        return text if exp is None else rf"\left({text}\right)^{{{exp}}}"

    def _print_Add(self, total: sympy.Expr, order: str | None = None) -> str:
        terms = total.as_ordered_terms()
        if not is_matrix(total):
            return _joined([self._print(t) for t in sorted(terms, key=_late)])
        # One term for each product of matrices, the multiple of the identity last.
        collected: dict[sympy.Expr, sympy.Expr] = {}
        for scalar, matrix in map(split, terms):
            collected[matrix] = collected.get(matrix, sympy.Integer(0)) + scalar
        number = sympy.factor(collected.pop(sympy.Integer(1), sympy.Integer(0)))
        shown = [self._scaled(sympy.factor(c), self._print(m)) for m, c in collected.items()]
        return _joined(shown + ([self._scaled(number, "I")] if number != 0 else []))

    def _print_Mul(self, product: sympy.Expr) -> str:
        if is_matrix(product):
            scalar, matrix = split(product)
            factors = matrix.args if isinstance(matrix, sympy.Mul) else (matrix,)
            if matrix.is_commutative:
                factors = tuple(sorted(factors, key=lambda f: isinstance(f.as_base_exp()[0], sympy.Add)))
            shown = " ".join(map(self._factor, factors))
        else:
            # Traces last, since they reach as far as the term does.
            above, below = sympy.fraction(product)
            functions = [f for f in sympy.Mul.make_args(above) if _is_function(f)]
            if not functions or (below != 1 and _has_function(below)):
                return str(super()._print_Mul(product))
            scalar = product / sympy.Mul(*functions)
            shown = " ".join(map(self._print, functions))
        return self._scaled(scalar, shown)

    def _print_Pow(self, power: sympy.Expr) -> str:
        if is_matrix(power):
            base = self._factor(power.base)
            return f"{base}^{{{self._print(power.exp)}}}"
        return str(super()._print_Pow(power))

    def _scaled(self, scalar: sympy.Expr, shown: str) -> str:
        if all(term.could_extract_minus_sign() for term in sympy.Add.make_args(scalar)):
            return f"-{self._scaled(-scalar, shown)}"
        if scalar == 1:
            return shown
        return f"{self._factor(scalar)} {shown}"

    def _factor(self, factor: sympy.Expr) -> str:
        text = self._print(factor)
        return rf"\left({text}\right)" if isinstance(factor, sympy.Add) else text


def _joined(terms: list[str]) -> str:
    return " + ".join(terms).replace("+ - ", "- ").replace("+ -", "- ")


def _is_function(factor: sympy.Expr) -> bool:
    return isinstance(factor.as_base_exp()[0], NormalizedTrace | QuadraticForm)


def _late(term: sympy.Expr) -> tuple[bool, bool]:
    """In a sum positive numbers come first and traces last."""
    return _has_function(term), not (term.is_number and term.is_positive)


def _has_function(term: sympy.Expr) -> bool:
    return bool(term.has(NormalizedTrace, QuadraticForm))
