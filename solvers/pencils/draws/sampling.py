"""Monte Carlo for the compiler: the Gaussian matrices are drawn and the expression is computed as written."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import known
from freeridge.solvers.pencils.algebra import AtomAlgebra, SectorAlgebra
from freeridge.solvers.pencils.derive import Equations
from freeridge.solvers.pencils.draws.drawing import (
    Draw,
    Draws,
    Value,
    WholeNumbers,
    real_if_real,
    trace_of_product,
)
from freeridge.solvers.pencils.expressions import (
    ONE,
    Dimension,
    Identity,
    Matrix,
    Product,
    Root,
    Scaled,
    Sum,
)
from freeridge.solvers.pencils.pencil import Pencil
from freeridge.solvers.pencils.traces import Traces
from freeridge.solvers.pencils.values import Numbers, Symbols, argument, read_numbers
from freeridge.solvers.pencils.words import Letter, Polynomial, Word
from freeridge.solvers.replicates import Key, run_replicates
from freeridge.solvers.results import Estimate

Sample = Callable[[np.random.Generator], Mapping[str, Any]]


def simulate(
    equations: Equations, key: Key, replicates: int, *, progress: bool = False, **values: Any
) -> Estimate:
    r"""The traces of an expression, measured on draws of its Gaussian matrices.

    Nothing of the theory is used: every draw evaluates the expression itself, or inverts the pencil where one
    was given.

    Parameters
    ----------
    equations : Equations
    key : int, sequence of int, or JAX key
        Seed.
    replicates : int
        At least 2.
    progress : bool
        Show a progress bar on standard error.
    **values
        As in :meth:`Equations.evaluate`; dimensions are whole numbers.

    Returns
    -------
    Estimate
        Means over draws with standard errors, under the names of the traces; ``values`` has every draw. Where
        traces are complex the standard error is $s_{\Re} + i s_{\Im}$, those of the real and the imaginary
        part.

    Raises
    ------
    InvalidSetting
        When a dimension is not a whole number, or a value is refused.
    numpy.linalg.LinAlgError
        When a matrix to be inverted is singular in a draw.

    Examples
    --------
    >>> import freeridge as fr
    >>> from freeridge.solvers.pencils.draws.sampling import simulate
    >>> n, d = fr.dims("n d")
    >>> X, lam = fr.gaussian("X", n, d, variance=1 / n), fr.scalar("lambda")
    >>> eq = fr.derive(fr.normalized_trace((X.T @ X + lam).inv()))
    >>> estimate = simulate(eq, key=0, replicates=20, n=200, d=100, lam=0.5)
    >>> float(estimate.value.round(2)), estimate.sizes
    (0.83, {'d': 100, 'n': 200})
    """
    numbers = read_numbers(equations.symbols, values)
    return simulate_scaled(equations, numbers, 1, key, replicates, progress=progress)


def simulate_scaled(
    equations: Equations,
    numbers: Numbers,
    factor: int,
    key: Key,
    replicates: int,
    *,
    progress: bool = False,
) -> Estimate:
    r"""As :func:`simulate`, with all dimensions multiplied by a factor $f$.

    Every eigenvalue is repeated $f$ times, a matrix is its Kronecker product with $I_f$, and vectors are
    repeated and divided by $\sqrt f$: normalised traces and quadratic forms keep their limit.
    """
    whole = on_whole_coordinates(equations.symbols, numbers, factor)
    sample = _expression(equations.traces, whole) if equations.traces else _pencil(equations.pencil, whole)

    def replicate(rng: np.random.Generator) -> Mapping[str, Any]:
        # Real and imaginary parts are averaged side by side.
        return {name: np.array([value.real, value.imag]) for name, value in sample(rng).items()}

    found = run_replicates(replicate, key, replicates, progress=progress)
    complex_traces = any(np.iscomplexobj(value) for value in numbers.scalars.values())
    complex_traces |= any(np.any(parts[..., 1]) for parts in found.values.values())

    def joined(parts: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Axis of the parts last: real and imaginary."""
        return {
            name: np.asarray(part[..., 0] + 1j * part[..., 1] if complex_traces else part[..., 0])
            for name, part in parts.items()
        }

    return Estimate(
        joined(found.mean),
        joined(found.standard_error),
        len(next(iter(found.values.values()))),
        {dimension.name: size for dimension, size in whole.sizes.items()},
        joined(found.values),
    )


def on_whole_coordinates(symbols: Symbols, numbers: Numbers, factor: int) -> WholeNumbers:
    """Numbers of an equation as diagonals and matrices of a whole size, `factor` times that given.

    Raises
    ------
    InvalidSetting
        When a dimension is not a whole number.
    """
    sizes: dict[Dimension, int] = {}
    leaves: dict[Matrix, Value] = {}
    for dimension in symbols.dimensions:
        given = known(numbers.scalars[dimension.name])
        if given is None or given.real != np.round(given.real) or given.real < 1:
            expected = "a positive whole number: matrices of this size are drawn"
            shown = numbers.scalars[dimension.name] if given is None else float(given.real)
            raise InvalidSetting(argument(dimension.name), shown, expected)
        sizes[dimension] = factor * int(given.real)
        algebra = numbers.algebras[dimension.name]
        for matrix in symbols.matrices:
            if matrix.shape[0] == dimension:
                leaves[matrix] = _grown(algebra, algebra.matrices[matrix.name], sizes[dimension], factor)
        for vector in symbols.vectors:
            if vector.shape[0] == dimension:
                coordinates = real_if_real(np.asarray(algebra.vectors[vector.name]))
                leaves[vector] = np.repeat(coordinates, factor)[:, None] / factor**0.5
    scalars = {s: numbers.scalars[s.name] for s in symbols.scalars}
    return WholeNumbers(
        {**{s: np.asarray(value).item() for s, value in scalars.items()}, **sizes}, sizes, leaves
    )


def _grown(algebra: SectorAlgebra, matrix: Any, size: int, factor: int) -> Value:
    value = real_if_real(np.asarray(matrix))
    if not isinstance(algebra, AtomAlgebra):
        return np.kron(value, np.eye(factor))
    # The atom that the middle of each coordinate lies in: an atom may end inside of one.
    ends = size * np.cumsum(np.asarray(algebra.weights).real)
    middle = np.minimum(np.arange(size) + 0.5, ends[-1])
    return value[np.searchsorted(ends, middle)]


def _expression(traces: Mapping[str, Traces], numbers: WholeNumbers) -> Sample:
    """The traces of expressions in one draw."""
    matrices = [matrix for one in traces.values() for matrix, _ in one.terms]
    coefficients = [c for one in traces.values() for c in (one.constant, *(c for _, c in one.terms))]
    draws = Draws(matrices, coefficients, numbers)

    def sample(rng: np.random.Generator) -> Mapping[str, Any]:
        draw = draws.draw(rng)
        return {
            name: sum((draws.numbers[c] * draw.trace(m) for m, c in one.terms), draws.numbers[one.constant])
            for name, one in traces.items()
        }

    return sample


def _pencil(pencil: Pencil, numbers: WholeNumbers) -> Sample:
    """The traces of the inverse of a block matrix in one draw."""
    entries = {
        (i, j): _matrix_of(found, (pencil.dimensions[i], pencil.dimensions[j]))
        for (i, j), found in pencil.entries.items()
    }
    words = {
        (term.word, term.dimension): _matrix_of({term.word: ONE}, (term.dimension, term.dimension))
        for terms in pencil.readouts.values()
        for term in terms
    }
    coefficients = [term.coefficient for terms in pencil.readouts.values() for term in terms]
    draws = Draws([*entries.values(), *words.values()], coefficients, numbers)
    sizes = [draws.sizes[dimension] for dimension in pencil.dimensions]
    ends = np.cumsum(sizes)
    places = [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]
    complex_entries = any(isinstance(number, complex) for number in draws.numbers.values())

    def inverse(draw: Draw) -> Value:
        whole = np.zeros((ends[-1], ends[-1]), complex if complex_entries else float)
        for (i, j), entry in entries.items():
            value = draw.value(entry)
            whole[places[i], places[j]] = value if value.ndim == 2 else np.diag(value)
        return np.linalg.inv(whole)

    def sample(rng: np.random.Generator) -> Mapping[str, Any]:
        draw = draws.draw(rng)
        whole = inverse(draw) if sizes else np.zeros((0, 0))
        found: dict[str, Any] = {}
        for name, terms in pencil.readouts.items():
            found[name] = np.float64(0.0)
            for term in terms:
                word = words[term.word, term.dimension]
                if term.column is None or term.row is None:
                    part = draw.trace(word)
                else:
                    block = whole[places[term.column], places[term.row]]
                    part = trace_of_product(block, draw.value(word))
                found[name] = found[name] + draws.numbers[term.coefficient] * part
        return found

    return sample


def _matrix_of(polynomial: Polynomial, shape: tuple[Dimension, Dimension]) -> Matrix:
    """A sum of words as an expression."""
    terms = tuple(Scaled(c, _word_of(word, shape)) for word, c in polynomial.items())
    return terms[0] if len(terms) == 1 else Sum(terms)


def _word_of(word: Word, shape: tuple[Dimension, Dimension]) -> Matrix:
    if not word:
        return Identity(shape)
    factors: list[Matrix] = []
    for letter in word:
        factors.append(_letter_of(letter, factors[-1].shape[1] if factors else shape[0]))
    return factors[0] if len(factors) == 1 else Product(tuple(factors), shape)


def _letter_of(letter: Letter, dimension: Dimension) -> Matrix:
    base = (
        letter.base
        if isinstance(letter.base, Matrix)
        else _matrix_of(dict(letter.base), (dimension, dimension))
    )
    return base if letter.power == 1 else Root(base, letter.power)
