r"""Spectral densities of self-adjoint expressions."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import sympy

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.pencils.densities.edges import Resolvent, Support, find_support, nodes
from freeridge.solvers.pencils.densities.outliers import Outliers, columns, find_outliers
from freeridge.solvers.pencils.densities.spectral_branch import SpectralBranch, is_real
from freeridge.solvers.pencils.densities.spectrum import Spectrum
from freeridge.solvers.pencils.derive import ADVICE, Equations, derive
from freeridge.solvers.pencils.draws.drawing import Draws, WholeNumbers
from freeridge.solvers.pencils.expressions import ONE, Deterministic, Matrix, Vector
from freeridge.solvers.pencils.traces import normalized_trace, quadratic_form, trace
from freeridge.solvers.pencils.values import Numbers, read_numbers
from freeridge.solvers.results import Code, Prediction

_Z = sympy.Symbol("z")


class SpectralValues(Prediction):
    """``trace`` or ``density`` at an array of points; NaN with a code where it is not certified."""

    advice: ClassVar[Mapping[Code, str]] = ADVICE


def spectral_density(expression: Matrix) -> "SpectralDensity":
    r"""The limiting eigenvalue distribution of a self-adjoint expression in Gaussian matrices.

    Its Stieltjes transform $m(z) = \overline{\mathrm{tr}}\, (H - z)^{-1}$ is derived as every trace is,
    and solved at complex z down to the real axis: $\rho(x) = \frac{1}{\pi} \mathrm{Im}\, m(x + i0)$.

    Parameters
    ----------
    expression : Matrix
        H. Its scalars stand for real numbers.

    Returns
    -------
    SpectralDensity
        ``density(x, ...)``, ``edges(...)``, ``point_masses(...)``, ``outliers(...)``,
        ``spectrum(...).plot()``.

    Raises
    ------
    InvalidSetting
        When H is not self-adjoint, holds no Gaussian, or holds a scalar named z.

    Examples
    --------
    Marchenko and Pastur, with twice as many columns as rows:

    >>> import freeridge as fr
    >>> n, d = fr.dims("n d")
    >>> X = fr.gaussian("X", n, d, variance=1 / n)
    >>> law = fr.spectral_density(X.T @ X)
    >>> law.density([1.0, 9.0], n=100, d=200).density.round(6)
    Array([0.159155, 0.      ], dtype=float64)
    >>> law.edges(n=100, d=200).intervals.round(6)
    array([[0.171573, 5.828427]])
    >>> law.point_masses(n=100, d=200)
    {0.0: 0.5}

    A rank-one term that tears an eigenvalue off (Baik, Ben Arous and Peche):

    >>> Z, w, theta = fr.gaussian("Z", d, d, variance=1 / (2 * d)), fr.vector("w", d), fr.scalar("theta")
    >>> spiked = fr.spectral_density(Z + Z.T + theta * w @ w.T)
    >>> out = spiked.outliers(theta=2.0, w=[0.1] * 100)
    >>> out.locations.round(9), out.overlaps["w"].round(9)
    (array([2.5]), array([0.75]))
    """
    if not isinstance(expression, Matrix) or not expression.is_square:
        raise InvalidSetting("expression", expression, "a square matrix expression")
    if not expression.is_random:
        raise InvalidSetting("expression", expression, "a Gaussian matrix in it")
    scalars = _scalars(expression)
    if _Z in scalars:
        raise InvalidSetting("expression", expression, "no scalar named z: it is the spectral parameter")
    if expression != expression.T and not _is_self_adjoint(expression, scalars):
        raise InvalidSetting(
            "expression", expression, "a self-adjoint expression, equal to its transpose for every draw"
        )
    return SpectralDensity(expression)


class SpectralDensity:
    """The limiting eigenvalue distribution of a self-adjoint expression; made by :func:`spectral_density`.

    All methods take the numbers of the symbols as keywords, as :meth:`Equations.evaluate` does.

    Attributes
    ----------
    expression : Matrix
    equations : Equations
        Of the normalised trace of the resolvent, named ``trace``, with the spectral parameter ``z``; and of
        the forms that outliers are read off.
    """

    def __init__(self, expression: Matrix) -> None:
        self.expression = expression
        self._columns = columns(expression)
        resolvent = (expression - _Z).inv()
        forms = {}
        for i, column in enumerate(self._columns):
            forms[f"form_{i}"] = quadratic_form(column, resolvent)
            forms[f"norm_{i}"] = trace(column.T @ column)
        self.equations: Equations = derive(trace=normalized_trace(resolvent), **forms)

    def resolvent(self, z: Any, /, **values: Any) -> SpectralValues:
        r"""$m(z) = \overline{\mathrm{tr}}\, (H - z)^{-1}$, as ``trace``, at an array of complex z.

        On the real axis it is the limit from the upper half plane. Differentiable in z and in every value.
        """
        points = jnp.asarray(z).astype(jnp.complex128)
        below = jnp.imag(points) < 0.0
        found = self._branch(self._numbers(values), jnp.where(below, jnp.conj(points), points))
        trace = found.values["trace"]
        return SpectralValues({"trace": jnp.where(below, jnp.conj(trace), trace)}, found.residual, found.code)

    def density(self, x: Any, /, eta: Any = 0.0, **values: Any) -> SpectralValues:
        r"""$\frac{1}{\pi} \mathrm{Im}\, m(x + i \eta)$, as ``density``, at an array of real x.

        At ``eta`` 0 it is the density of the continuous part, exactly 0 outside the bulk; with ``eta`` > 0
        the whole measure smoothed by a Cauchy kernel of that half-width. Nothing is certified on an
        edge itself.
        """
        height = jnp.asarray(eta, jnp.float64)
        found = self.resolvent(
            jax.lax.complex(*jnp.broadcast_arrays(jnp.asarray(x, jnp.float64), height)), **values
        )
        zero = (height == 0.0) & is_real(found.trace)
        density = jnp.where(zero, 0.0, jnp.imag(found.trace) / jnp.pi)
        return SpectralValues({"density": density}, found.residual, found.code)

    def edges(self, **values: Any) -> Support:
        """The intervals of the support, and the point masses."""
        return self._support(self._numbers(values))

    def point_masses(self, **values: Any) -> dict[float, float]:
        """Eigenvalues that a positive part of all equal, each with that part; 0 for a rank deficiency."""
        found = self.edges(**values)
        return dict(zip(found.atoms.tolist(), found.atom_masses.tolist(), strict=True))

    def outliers(self, **values: Any) -> Outliers:
        """Single eigenvalues outside the bulk, from rank-one terms."""
        numbers = self._numbers(values)
        return self._outliers(numbers, self._support(numbers))

    def spectrum(self, points: int = 400, **values: Any) -> Spectrum:
        """Everything at once, to look at: a curve with ``points`` points on each interval, and the rest."""
        numbers = self._numbers(values)
        support = self._support(numbers)
        x = np.array([nodes(a, b, points)[0] for a, b in support.intervals]).reshape(-1, points)
        density = self._values(numbers)(x.astype(complex))["trace"].imag / np.pi
        return Spectrum(str(self.expression), x, density, support, self._outliers(numbers, support))

    @cached_property
    def _branch(self) -> SpectralBranch:
        return SpectralBranch(self.equations, _Z)

    def _numbers(self, values: Mapping[str, Any]) -> Numbers:
        if _Z.name in values:
            raise InvalidSetting(_Z.name, values[_Z.name], "no value: it is the spectral parameter")
        return read_numbers(self.equations.symbols, {**values, _Z.name: 0j})

    def _values(self, numbers: Numbers) -> Resolvent:
        def values(z: np.ndarray) -> dict[str, np.ndarray]:
            found = self._branch(numbers, jnp.asarray(z))
            return {name: np.asarray(value) for name, value in found.values.items()}

        return values

    def _support(self, numbers: Numbers) -> Support:
        return find_support(self._values(numbers), float(self._branch.scale(numbers)))

    def _outliers(self, numbers: Numbers, support: Support) -> Outliers:
        return find_outliers(self._values(numbers), support, [str(c) for c in self._columns])


def _scalars(expression: Matrix) -> set[sympy.Symbol]:
    """Every scalar and dimension in an expression."""
    found = {s for dimension in expression.shape for s in dimension.free_symbols}
    for name in ("factor", "variance"):
        found |= getattr(expression, name, ONE).free_symbols
    return found.union(*(_scalars(operand) for operand in expression.operands))


def _is_self_adjoint(expression: Matrix, scalars: set[sympy.Symbol]) -> bool:
    """Whether it is for one small draw of everything in it, and so for all."""
    random = np.random.default_rng(0)
    sizes = {s: int(random.integers(3, 7)) for s in sorted(scalars, key=str) if s.is_positive}
    numbers = {s: sizes.get(s, random.uniform(0.7, 1.4)) for s in sorted(scalars, key=str)}
    leaves: dict[Matrix, np.ndarray] = {}
    for leaf in expression.leaves():
        if isinstance(leaf, Deterministic):
            square = random.standard_normal((sizes[leaf.shape[0]],) * 2)
            leaves.setdefault(leaf, np.eye(len(square)) + square @ square.T)
        elif isinstance(leaf, Vector):
            column = leaf.T if leaf.transposed else leaf
            leaves.setdefault(column, random.standard_normal((sizes[column.shape[0]], 1)))
    draw = Draws([expression], [], WholeNumbers(numbers, sizes, leaves)).draw(random)
    value = draw.value(expression)
    return value.ndim == 1 or bool(np.allclose(value, value.conj().T, rtol=1e-9, atol=0.0))
