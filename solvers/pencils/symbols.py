"""The symbols an expression is written in: dimensions, scalars, Gaussian and deterministic matrices."""

from typing import Any

import sympy

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.pencils.expressions import (
    ONE,
    Deterministic,
    Dimension,
    Gaussian,
    Identity,
    Matrix,
    Root,
    Vector,
    as_scalar,
    describe,
)


def dims(names: str) -> Any:
    """Dimensions that grow together, such as samples, inputs and features; scalars like any other.

    Parameters
    ----------
    names : str
        Separated by spaces or commas.

    Returns
    -------
    sympy.Symbol or tuple of sympy.Symbol

    Examples
    --------
    >>> import freeridge as fr
    >>> n, d = fr.dims("n d")
    >>> d / n
    d/n
    """
    found = [sympy.Symbol(_name(name), positive=True) for name in names.replace(",", " ").split()]
    if not found or len(set(found)) < len(found):
        raise InvalidSetting("names", names, "different names, separated by spaces")
    return found[0] if len(found) == 1 else tuple(found)


def scalar(name: str) -> sympy.Symbol:
    """A scalar that gets its value later: a ridge, a weight, a spectral parameter.

    Examples
    --------
    >>> import freeridge as fr
    >>> 2 * fr.scalar("lambda")
    2*lambda
    """
    return sympy.Symbol(_name(name))


def gaussian(
    name: str,
    rows: Any,
    columns: Any,
    variance: Any = 1,
    *,
    row_covariance: Matrix | None = None,
    column_covariance: Matrix | None = None,
) -> Matrix:
    r"""A real Gaussian matrix $R^{1/2} Z C^{1/2}$, with $Z$ of independent entries $N(0, v)$.

    Parameters
    ----------
    name : str
        Two Gaussians of different names are independent; one name is one matrix.
    rows, columns : dimension
        From :func:`dims`; 1 for a random vector.
    variance : scalar
        $v$, for instance ``1 / n``.
    row_covariance, column_covariance : matrix, optional
        $R$ and $C$, deterministic; the identity by default.

    Examples
    --------
    >>> import freeridge as fr
    >>> n, d = fr.dims("n d")
    >>> Sigma = fr.deterministic("Sigma", d)
    >>> fr.gaussian("X", n, d, variance=1 / n, column_covariance=Sigma)
    X @ Sigma**(1/2)
    >>> fr.gaussian("Z", n, d) @ fr.gaussian("S", n, d)
    Traceback (most recent call last):
        ...
    freeridge.solvers.errors.InvalidSetting: @ = Z @ S: expected equal inner dimensions; Z (n x d) has d
    columns and S (n x d) has n rows
    """
    shape = (_dimension("rows", rows), _dimension("columns", columns))
    spread = as_scalar(variance, "variance")
    if spread.is_number and not (spread.is_real and spread > 0):
        raise InvalidSetting("variance", spread, "a positive scalar")
    matrix: Matrix = Gaussian(_name(name), shape, spread)
    if row_covariance is not None:
        matrix = sqrt(row_covariance) @ matrix
    return matrix if column_covariance is None else matrix @ sqrt(column_covariance)


def deterministic(name: str, dimension: Any) -> Matrix:
    """A symmetric matrix that gets its spectrum, or its entries, later.

    Examples
    --------
    >>> import freeridge as fr
    >>> Sigma = fr.deterministic("Sigma", fr.dims("d"))
    >>> Sigma @ (Sigma + 1).inv()
    Sigma @ (Sigma + I_d).inv()
    """
    return Deterministic(_name(name), (_dimension("dimension", dimension),) * 2)


def vector(name: str, dimension: Any) -> Matrix:
    """A deterministic column vector; ``w @ w.T`` is the rank-one matrix.

    Examples
    --------
    >>> import freeridge as fr
    >>> w = fr.vector("w", fr.dims("d"))
    >>> w.shape, (w @ w.T).shape
    ((d, 1), (d, d))
    """
    return Vector(_name(name), (_dimension("dimension", dimension), ONE))


def identity(dimension: Any) -> Matrix:
    """The identity matrix of a dimension.

    Examples
    --------
    >>> import freeridge as fr
    >>> fr.identity(fr.dims("d"))
    I_d
    """
    return Identity((_dimension("dimension", dimension),) * 2)


def sqrt(matrix: Matrix) -> Matrix:
    r"""The symmetric square root of a deterministic positive semi-definite matrix.

    Examples
    --------
    >>> import freeridge as fr
    >>> fr.sqrt(fr.deterministic("Sigma", fr.dims("d")))
    Sigma**(1/2)
    """
    if not isinstance(matrix, Matrix):
        raise InvalidSetting("sqrt", matrix, "a deterministic matrix")
    if matrix.is_random or matrix != matrix.T:
        raise InvalidSetting("sqrt", matrix, f"a symmetric deterministic matrix, not {describe(matrix)}")
    return matrix if isinstance(matrix, Identity) else Root(matrix, sympy.Rational(1, 2))


def _name(name: Any) -> str:
    if not isinstance(name, str) or not name.isidentifier():
        raise InvalidSetting("name", name, "letters, digits and underscores, not beginning with a digit")
    return name


def _dimension(field: str, value: Any) -> Dimension:
    if value == 1:
        return ONE
    if not isinstance(value, sympy.Symbol) or not value.is_positive:
        raise InvalidSetting(field, value, "a dimension from fr.dims, or 1")
    return value
