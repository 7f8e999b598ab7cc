"""What is asked of an expression: traces, normalised traces, quadratic forms, and their combinations."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sympy

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.pencils.expressions import ONE, Matrix, as_scalar, describe


@dataclass(frozen=True, repr=False)
class Traces:
    """A linear combination of traces; supports ``+``, ``-`` and scalar factors.

    Attributes
    ----------
    terms : tuple of (expression, coefficient)
    constant : scalar
    """

    terms: tuple[tuple[Matrix, sympy.Expr], ...]
    constant: sympy.Expr = sympy.Integer(0)

    def __add__(self, other: Any) -> "Traces":
        if isinstance(other, Traces):
            return Traces(self.terms + other.terms, self.constant + other.constant)
        return Traces(self.terms, self.constant + as_scalar(other, "summand"))

    __radd__ = __add__

    def __mul__(self, other: Any) -> "Traces":
        if isinstance(other, Traces):
            raise InvalidSetting("*", other, "a scalar: evaluate both traces and multiply their values")
        factor = as_scalar(other, "factor")
        return Traces(tuple((e, c * factor) for e, c in self.terms), self.constant * factor)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> "Traces":
        return self * (1 / as_scalar(other, "divisor"))

    def __neg__(self) -> "Traces":
        return self * -1

    def __sub__(self, other: Any) -> "Traces":
        return self + -other

    def __rsub__(self, other: Any) -> "Traces":
        return -self + other

    def __repr__(self) -> str:
        parts = [f"tr({e})" if c == 1 else f"{c}*tr({e})" for e, c in self.terms]
        parts += [str(self.constant)] if self.constant != 0 or not parts else []
        return " + ".join(parts).replace("+ -", "- ")


def trace(expression: Matrix) -> Traces:
    r"""$\mathrm{tr}\, A$ of a square expression.

    Examples
    --------
    >>> import freeridge as fr
    >>> n, d = fr.dims("n d")
    >>> X = fr.gaussian("X", n, d, variance=1 / n)
    >>> fr.trace(X.T @ X)
    tr(X.T @ X)
    >>> fr.trace(X)
    Traceback (most recent call last):
        ...
    freeridge.solvers.errors.InvalidSetting: trace = X: expected a square matrix, not X (n x d)
    """
    if not isinstance(expression, Matrix):
        raise InvalidSetting("trace", expression, "a matrix expression")
    if not expression.is_square:
        raise InvalidSetting("trace", expression, f"a square matrix, not {describe(expression)}")
    return Traces(((expression, ONE),))


def normalized_trace(expression: Matrix) -> Traces:
    r"""$\overline{\mathrm{tr}}\, A = \mathrm{tr}\, A / d$ for an expression of size $d \times d$.

    Examples
    --------
    >>> import freeridge as fr
    >>> fr.normalized_trace(fr.deterministic("Sigma", fr.dims("d")))
    1/d*tr(Sigma)
    """
    whole = trace(expression)
    return whole / expression.shape[0]


def quadratic_form(left: Matrix, middle: Matrix, right: Matrix | None = None) -> Traces:
    r"""$v^\top A w$ for vectors $v$ and $w$; $v^\top A v$ when only one is given.

    Examples
    --------
    >>> import freeridge as fr
    >>> d = fr.dims("d")
    >>> w, Sigma = fr.vector("w", d), fr.deterministic("Sigma", d)
    >>> fr.quadratic_form(w, Sigma)
    tr(w.T @ Sigma @ w)
    """
    for name, value in {"left": left, "right": left if right is None else right}.items():
        if not isinstance(value, Matrix) or value.shape[1] != ONE:
            raise InvalidSetting(name, value, "a column vector")
    return trace(left.T @ middle @ (left if right is None else right))


def as_traces(asked: Any, named: Mapping[str, Any]) -> dict[str, Traces]:
    """What was asked by position (one, called ``value``, or a mapping) and by name, all as combinations."""
    wanted = dict(asked) if isinstance(asked, Mapping) else {} if asked is None else {"value": asked}
    found = {**wanted, **named}
    if not found:
        raise InvalidSetting("expression", asked, "a trace, or traces by name")
    for name, value in found.items():
        if isinstance(value, Matrix) and value.shape == (ONE, ONE):
            found[name] = trace(value)
        elif not isinstance(value, Traces):
            raise InvalidSetting(name, value, "a trace: fr.trace, fr.normalized_trace or fr.quadratic_form")
        if not str(name).isidentifier():
            raise InvalidSetting("name", name, "a name: letters, digits and underscores")
    return found
