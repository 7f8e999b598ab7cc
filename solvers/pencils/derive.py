"""The compiler: from traces of an expression to equations that can be read, evaluated and checked."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import jax
import jax.numpy as jnp
import sympy
from jaxtyping import Array, Float, Inexact

from freeridge.solvers.pencils.dyson import dyson_equation
from freeridge.solvers.pencils.equations.closed_form import ClosedForm
from freeridge.solvers.pencils.equations.reduced_equations import ReducedEquations, reduce_equations
from freeridge.solvers.pencils.expressions import Matrix
from freeridge.solvers.pencils.linearize import linearize
from freeridge.solvers.pencils.merging import MergedEquation, coefficients_of, merge
from freeridge.solvers.pencils.pencil import Pencil
from freeridge.solvers.pencils.rounding import rounding_errors
from freeridge.solvers.pencils.schur import reduced
from freeridge.solvers.pencils.solve import solve
from freeridge.solvers.pencils.system import System
from freeridge.solvers.pencils.traces import Traces, as_traces
from freeridge.solvers.pencils.values import Numbers, Symbols, read_numbers, symbols_of
from freeridge.solvers.pencils.words import Letter, Word
from freeridge.solvers.replicates import Key
from freeridge.solvers.results import Code, Estimate, Prediction

if TYPE_CHECKING:
    from freeridge.solvers.pencils.draws.convergence import Convergence

# A trace of which rounding has left fewer than three digits is not given.
_LARGEST_ERROR = 1e-3

ADVICE = {
    Code.OK: "certified",
    Code.INVALID: "a dimension is not positive, or a number is NaN or infinite.",
    Code.NOT_CERTIFIED: (
        "no solution with residual <= 1e-9 was found on the branch that starts without randomness, or "
        "rounding has left fewer than three digits of a trace; no number is given then. Where the "
        "expression is about to become singular (a ridge near 0 at an interpolation threshold, a spectral "
        "parameter on the spectrum) move away from it: a larger ridge, or an imaginary part."
    ),
}


class Evaluation(Prediction):
    """The numbers of equations at one point: each trace under its name, with residual and code.

    ``unknowns`` holds the solution of the fixed-point equations, in their order; ``residual`` is the largest
    relative change that one more Newton step would make in them; ``errors`` has for each trace the absolute
    error that rounding leaves, to an order of magnitude.
    """

    unknowns: Inexact[Array, "... unknowns"]
    errors: dict[str, Float[Array, "..."]]
    advice: ClassVar[Mapping[Code, str]] = ADVICE


class Equations:
    """The deterministic equivalent of traces of an expression; made by :func:`derive`.

    Attributes
    ----------
    traces : dict from name to combination of traces, or None
        What was asked for; None when a pencil was given.
    pencil : Pencil
        The block matrix whose inverse holds them.
    merged : MergedEquation
        The matrix Dyson equation of the pencil in as few unknowns as it has.
    symbols : Symbols
        What :meth:`evaluate` needs numbers for.
    """

    def __init__(self, pencil: Pencil, traces: Mapping[str, Traces] | None = None) -> None:
        self.traces = None if traces is None else dict(traces)
        self.merged: MergedEquation = merge(dyson_equation(reduced(pencil)))
        self.pencil: Pencil = self.merged.equation.pencil
        self._coefficients = sorted(coefficients_of(self.merged.equation), key=str)
        letters = list(_letters(self.pencil))
        self.symbols: Symbols = symbols_of(self._coefficients, self.merged.equation.dimensions, letters)

    def evaluate(self, **values: Any) -> Evaluation:
        """The traces at one point, certified.

        Parameters
        ----------
        **values
            A number for each scalar (``lam`` for the symbol lambda) and each dimension; a covariance, array
            of eigenvalues, symmetric matrix or number (times the identity) for each deterministic matrix; an
            array for each vector. A dimension that a matrix or vector fixes may be left out. Deterministic
            matrices of one dimension share coordinates; when they do not commute the equation is solved on
            dense matrices. A complex scalar makes everything complex.

        Returns
        -------
        Evaluation
            Each trace is an attribute. NaN with a code and advice where no solution is certified. May be
            used under ``jax.jit``, ``jax.vmap`` and ``jax.grad``, in every value.

        Raises
        ------
        InvalidSetting
            When a value is missing, unknown, of the wrong shape, or does not make sense.

        Examples
        --------
        The Marchenko-Pastur law at n = 2d, whose transform at -1/2 is 2 (sqrt(2) - 1):

        >>> import freeridge as fr
        >>> n, d = fr.dims("n d")
        >>> X, lam = fr.gaussian("X", n, d, variance=1 / n), fr.scalar("lambda")
        >>> eq = fr.derive(fr.normalized_trace((X.T @ X + lam).inv()))
        >>> point = eq.evaluate(n=200, d=100, lam=0.5)
        >>> point.ok, round(float(point.value), 12)
        (True, 0.828427124746)
        """
        return self.evaluate_numbers(read_numbers(self.symbols, values))

    @cached_property
    def system_of_equations(self) -> ReducedEquations:
        """The fixed-point equations as mathematics, in SymPy: as few as they come to, named and ordered."""
        return reduce_equations(self.merged, self.symbols)

    def _repr_latex_(self) -> str:
        """What a notebook shows."""
        return f"$$ {self.latex()} $$"

    def latex(self) -> str:
        r"""The equations and what is read off them in LaTeX, with the ratios $\phi$, $\psi$ and $\gamma$.

        Examples
        --------
        >>> import freeridge as fr
        >>> n, d = fr.dims("n d")
        >>> X, lam = fr.gaussian("X", n, d, variance=1 / n), fr.scalar("lambda")
        >>> print(fr.derive(fr.normalized_trace((X.T @ X + lam).inv())).latex())
        \begin{aligned}
        \frac{1}{e} &= 1 + \frac{\phi}{e + \lambda} \\
        \mathrm{value} &= \frac{1}{e + \lambda}
        \end{aligned}
        """
        return self.system_of_equations.latex()

    def __str__(self) -> str:
        return str(self.system_of_equations)

    def closed_form(self, **matrices: Any) -> ClosedForm:
        """Formulas where each deterministic matrix is a multiple of the identity, 1 unless given by name.

        Raises
        ------
        InvalidSetting
            When SymPy finds none: the polynomial has too high a degree.
        """
        return self.system_of_equations.closed_form(**matrices)

    def simulate(self, key: Key, replicates: int = 20, *, progress: bool = False, **values: Any) -> Estimate:
        """The traces measured on draws of the Gaussian matrices, by evaluating the expression itself.

        Arguments are those of :func:`freeridge.solvers.pencils.draws.sampling.simulate`; dimensions are whole
        numbers.
        """
        from freeridge.solvers.pencils.draws.sampling import simulate

        return simulate(self, key, replicates, progress=progress, **values)

    def validate(
        self,
        scales: Sequence[int] = (1, 2, 4),
        replicates: int = 40,
        key: Key = 0,
        *,
        progress: bool = False,
        **values: Any,
    ) -> "Convergence":
        """Theory against simulation at growing size, and how fast the gap closes.

        Arguments are those of :func:`freeridge.solvers.pencils.draws.finite_size.validate`.
        """
        from freeridge.solvers.pencils.draws.finite_size import validate

        return validate(self, scales, replicates, key, progress=progress, **values)

    @cached_property
    def evaluate_numbers(self) -> Any:
        """:meth:`evaluate` for numbers that have been read; compiled once for each structure of them.

        That is, for each combination of sizes and of what commutes.
        """
        return jax.jit(lambda numbers: _evaluate(self.system(numbers), numbers))

    def system(self, numbers: Numbers) -> System:
        """The Dyson equation with numbers in it."""
        by_coefficient = self._number_of(numbers)
        dimensions = {str(d): d for d in self.merged.equation.dimensions}
        algebras = {dimensions[name]: a for name, a in numbers.algebras.items() if name in dimensions}
        by_coefficient.update({d: numbers.scalars[name] for name, d in dimensions.items()})
        return System(self.merged, by_coefficient, algebras)

    def _number_of(self, numbers: Numbers) -> dict[sympy.Expr, Array]:
        symbols = [*self.symbols.scalars, *self.symbols.dimensions]
        function = sympy.lambdify(symbols, self._coefficients, modules="jax")
        values = function(*(numbers.scalars[s.name] for s in symbols))
        kind = jnp.result_type(*numbers.scalars.values()) if numbers.scalars else jnp.float64
        return {c: jnp.asarray(v, kind) for c, v in zip(self._coefficients, values, strict=True)}


def derive(
    expression: Traces | Matrix | Pencil | Mapping[str, Any] | None = None, /, **named: Any
) -> Equations:
    r"""The exact high-dimensional limit of traces of an expression in Gaussian matrices.

    The expression is brought to a linear pencil, whose matrix Dyson equation is solved, printed and checked;
    ``docs/compiler.md`` has the mathematics.

    Parameters
    ----------
    expression : trace, mapping from names to traces, or Pencil, optional
        One trace is called ``value``. A quadratic form $v^\top A w$ counts as a trace.
    **named
        Further traces, each under its name. Traces derived together share one pencil.

    Returns
    -------
    Equations
        ``latex()``, ``evaluate(...)``, ``validate(...)``.

    Raises
    ------
    InvalidSetting
        When an inverse does not exist without the Gaussians, from where the solution is followed.

    Examples
    --------
    Bias and variance of ridge regression with $n$ rows of covariance $\Sigma$:

    >>> import freeridge as fr
    >>> n, d = fr.dims("n d")
    >>> X = fr.gaussian("X", n, d, variance=1 / n, column_covariance=fr.deterministic("Sigma", d))
    >>> Sigma, w, lam = fr.deterministic("Sigma", d), fr.vector("w", d), fr.scalar("lambda")
    >>> Q = (X.T @ X + lam).inv()
    >>> eq = fr.derive(
    ...     bias=lam**2 * fr.quadratic_form(w, Q @ Sigma @ Q), variance=fr.trace(Q @ Sigma @ Q @ X.T @ X) / n
    ... )
    >>> spectrum, labeler = fr.PowerLaw(100, exponent=1), [0.1] * 100
    >>> risk = eq.evaluate(n=200, lam=0.1, Sigma=spectrum, w=labeler)
    >>> risk.ok, round(float(risk.bias), 10), round(float(risk.variance), 10)
    (True, 0.0165217922, 0.0400465627)
    >>> known = fr.RidgeMixture([fr.Population(spectrum, labeler, 1.0, 1.0)], n=200, ridge=0.1).predict()
    >>> round(float(known.bias), 10), round(float(known.variance), 10)
    (0.0165217922, 0.0400465627)

    References
    ----------
    J. W. Helton, T. Mai and R. Speicher, Applications of realizations (aka linearizations) to free
    probability, J. Funct. Anal. 274 (2018).
    """
    if isinstance(expression, Pencil) and not named:
        return Equations(expression)
    traces = as_traces(expression, named)
    return Equations(linearize(traces), traces)


def _evaluate(system: System, numbers: Numbers) -> Evaluation:
    solved = solve(system)
    found = system.readout(solved.unknowns)
    errors, sizes = rounding_errors(system, solved), system.sizes(solved.unknowns)
    clear = {name: errors[name] <= _LARGEST_ERROR * sizes[name] for name in found}
    values = [*numbers.scalars.values()]
    valid = jnp.all(jnp.stack([jnp.isfinite(v) for v in values])) if values else jnp.ones((), bool)
    for dimension in system.algebras:
        valid &= jnp.real(system.numbers[dimension]) > 0
    given = valid & (solved.code == Code.OK)
    hidden = {name: jnp.where(given & clear[name], value, jnp.nan) for name, value in found.items()}
    code = jnp.where(jnp.all(jnp.stack([*clear.values()])), solved.code, Code.NOT_CERTIFIED)
    code = jnp.where(valid, code, Code.INVALID).astype(jnp.int32)
    return Evaluation(hidden, solved.residual, code, solved.unknowns, errors)


def _letters(pencil: Pencil) -> Iterator[Letter]:
    """Every letter of a pencil that is a matrix symbol to some power."""

    def of_word(word: Word) -> Iterator[Letter]:
        for letter in word:
            if isinstance(letter.base, Matrix):
                yield letter
            else:
                for inner, _ in letter.base:
                    yield from of_word(inner)

    for polynomial in pencil.entries.values():
        for word in polynomial:
            yield from of_word(word)
    for readouts in pencil.readouts.values():
        for readout in readouts:
            yield from of_word(readout.word)
