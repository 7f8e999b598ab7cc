"""Numbers for the symbols of an equation: checked at the door, brought to joint atoms or to matrices."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import sympy
from jaxtyping import Array

from freeridge.solvers.common_basis import common_eigenvectors, merged_ends
from freeridge.solvers.errors import InvalidSetting, require_float64
from freeridge.solvers.fields import as_real, known, require
from freeridge.solvers.pencils.algebra import AtomAlgebra, MatrixAlgebra, SectorAlgebra
from freeridge.solvers.pencils.expressions import ONE, Deterministic, Dimension, Vector
from freeridge.solvers.pencils.words import Letter

# What Python reserves and people write.
_ALIASES = {"lambda": "lam"}


@runtime_checkable
class DiagonalCovariance(Protocol):
    """A spectrum in blocks of consecutive coordinates, such as :class:`freeridge.PowerLaw`."""

    @property
    def d(self) -> int: ...
    def blocks(self) -> tuple[Any, Any]: ...
    def at(self, positions: Any) -> Any: ...


class Symbols(NamedTuple):
    """Everything that needs a number."""

    scalars: tuple[sympy.Symbol, ...]
    dimensions: tuple[sympy.Symbol, ...]
    matrices: tuple[Deterministic, ...]
    vectors: tuple[Vector, ...]
    roots: frozenset[str]
    """Names of the matrices of which a root is taken, and which are positive semi-definite therefore."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of all symbols."""
        return tuple(s.name for s in (*self.scalars, *self.dimensions, *self.matrices, *self.vectors))


class Numbers(NamedTuple):
    """The numbers of one point."""

    scalars: dict[str, Array]
    """Scalars and dimensions, by name."""
    algebras: dict[str, SectorAlgebra]
    """By the name of the dimension."""


def argument(name: str) -> str:
    """The keyword a symbol goes by: ``lam`` for ``lambda``, which Python reserves."""
    return _ALIASES.get(name, name)


def read_numbers(symbols: Symbols, given: Mapping[str, Any]) -> Numbers:
    """The numbers of one point, from keywords.

    Raises
    ------
    InvalidSetting
        When a symbol has no number, a keyword no symbol, or a number does not make sense.
    """
    require_float64()
    names = {argument(name) for name in symbols.names}
    for name in given:
        if name not in names:
            raise InvalidSetting(name, given[name], f"one of the symbols {', '.join(sorted(names))}")
    scalars = {s.name: _scalar(argument(s.name), _given(given, s.name)) for s in symbols.scalars}
    sizes: dict[str, tuple[str, int]] = {}
    algebras = {}
    for dimension in symbols.dimensions:
        matrices = {
            m.name: _matrix(m.name, _given(given, m.name), m.name in symbols.roots)
            for m in symbols.matrices
            if m.shape[0] == dimension
        }
        vectors = {
            v.name: _vector(v.name, _given(given, v.name)) for v in symbols.vectors if v.shape[0] == dimension
        }
        for name, value in {**matrices, **vectors}.items():
            size = _size(value)
            known_as, other = sizes.setdefault(dimension.name, (name, size)) if size else (name, size)
            if size and size != other:
                raise InvalidSetting(
                    name,
                    given[argument(name)],
                    f"dimension {dimension} = {other}, as of {known_as}; it has {size}",
                )
        scalars[dimension.name] = _dimension(dimension, given, sizes.get(dimension.name))
        algebras[dimension.name] = _algebra(matrices, vectors, sizes.get(dimension.name, ("", 1))[1])
    if any(jnp.iscomplexobj(value) for value in scalars.values()):
        scalars = {name: value.astype(jnp.complex128) for name, value in scalars.items()}
        algebras = {name: _as_complex(algebra) for name, algebra in algebras.items()}
    return Numbers(scalars, algebras)


def symbols_of(
    coefficients: Iterable[sympy.Expr], dimensions: Iterable[Dimension], letters: Iterable[Letter]
) -> Symbols:
    """The symbols of an equation, in alphabetical order."""
    letters, dimensions = list(letters), set(dimensions)
    every = {s for c in (*coefficients, *dimensions) for s in c.free_symbols}
    matrices = {x.base for x in letters if isinstance(x.base, Deterministic)}
    vectors = {
        Vector(x.base.name, (max(x.base.shape, key=str), ONE)) for x in letters if isinstance(x.base, Vector)
    }
    sized = dimensions | {m.shape[0] for m in (*matrices, *vectors)}
    # Scalars carry no assumption, dimensions are positive.
    sized |= {s for s in every if s.is_positive}

    def by_name(found: Iterable[Any]) -> tuple[Any, ...]:
        return tuple(sorted(found, key=lambda s: s.name))

    roots = {x.base.name for x in letters if isinstance(x.base, Deterministic) and not x.power.is_Integer}
    groups = (by_name(found) for found in (every - sized, sized - {ONE}, matrices, vectors))
    scalars, named, symmetric, columns = groups
    return Symbols(scalars, named, symmetric, columns, frozenset(roots))


def _given(given: Mapping[str, Any], name: str) -> Any:
    if argument(name) not in given:
        raise InvalidSetting(argument(name), None, f"a value for the symbol {name}")
    return given[argument(name)]


def _scalar(name: str, value: Any) -> Array:
    if isinstance(value, complex) or getattr(getattr(value, "dtype", None), "kind", "") == "c":
        array = jnp.asarray(value, jnp.complex128)
    else:
        array = as_real(name, value)
    if array.ndim:
        raise InvalidSetting(name, value, "one number; for many points use jax.vmap")
    require(name, array, lambda v: True, "a finite number")
    return array


def _dimension(dimension: sympy.Symbol, given: Mapping[str, Any], size: tuple[str, int] | None) -> Array:
    name = argument(dimension.name)
    if name not in given and size is not None:
        return jnp.asarray(float(size[1]))
    value = as_real(name, _given(given, dimension.name))
    if value.ndim:
        raise InvalidSetting(name, value, "one number; for many points use jax.vmap")
    require(name, value, lambda v: v > 0, "a number > 0")
    number = known(value)
    if size is not None and number is not None and float(number) != size[1]:
        raise InvalidSetting(name, value, f"the dimension of {size[0]}, which is {size[1]}")
    return value


def _matrix(name: str, value: Any, rooted: bool) -> Any:
    """A number, a diagonal covariance, an array of eigenvalues, or a symmetric matrix."""
    if isinstance(value, DiagonalCovariance):
        return value
    array = as_real(name, getattr(value, "matrix", value))
    require(name, array, lambda v: True, "finite entries")
    if array.ndim > 2 or array.size == 0 or (array.ndim == 2 and array.shape[0] != array.shape[1]):
        raise InvalidSetting(name, value, "a number, eigenvalues, a covariance or a square matrix")
    entries = known(array)
    if (
        array.ndim == 2
        and entries is not None
        and np.max(np.abs(entries - entries.T)) > 1e-10 * np.max(np.abs(entries))
    ):
        raise InvalidSetting(name, value, "a symmetric matrix")
    if rooted and entries is not None:
        spectrum = np.linalg.eigvalsh(entries) if array.ndim == 2 else entries
        if np.min(spectrum) < -1e-10 * np.max(np.abs(spectrum)):
            smallest = f"its smallest eigenvalue is {np.min(spectrum):.3g}"
            raise InvalidSetting(
                name, value, f"a positive semi-definite matrix, of which a root exists; {smallest}"
            )
    return array


def _vector(name: str, value: Any) -> Array:
    array = as_real(name, value)
    if array.ndim != 1 or array.size == 0:
        raise InvalidSetting(name, value, "a vector: one number for each dimension")
    require(name, array, lambda v: True, "finite entries")
    return array


def _size(value: Any) -> int:
    """The dimension that a value fixes; 0 for a multiple of the identity."""
    if isinstance(value, DiagonalCovariance):
        return int(value.d)
    return len(value) if value.ndim else 0


def _algebra(matrices: dict[str, Any], vectors: dict[str, Array], size: int) -> SectorAlgebra:
    dense = [v for v in matrices.values() if not isinstance(v, DiagonalCovariance) and v.ndim == 2]
    if not dense:
        return _atoms(matrices, vectors, size)
    full = {name: _full(value, size) for name, value in matrices.items()}
    basis = common_eigenvectors(
        [full[n] for n, v in matrices.items() if isinstance(v, DiagonalCovariance) or v.ndim]
    )
    if basis is None:
        return MatrixAlgebra(full, vectors, size)
    eigenvalues = {name: jnp.diag(basis.T @ matrix @ basis) for name, matrix in full.items()}
    return AtomAlgebra(eigenvalues, {n: basis.T @ v for n, v in vectors.items()}, jnp.full(size, 1.0 / size))


def _as_complex(algebra: SectorAlgebra) -> SectorAlgebra:
    """Entries complex, weights real: strict promotion of types mixes no kinds."""
    entries = (algebra.matrices, algebra.vectors)
    converted = jax.tree.map(lambda x: x.astype(jnp.complex128), entries)
    return eqx.tree_at(lambda a: (a.matrices, a.vectors), algebra, converted)


def _full(value: Any, size: int) -> Array:
    if isinstance(value, DiagonalCovariance):
        return jnp.diag(value.at(np.arange(size) + 0.5))
    return value if value.ndim == 2 else jnp.diag(jnp.broadcast_to(value, (size,)))


def _atoms(matrices: dict[str, Any], vectors: dict[str, Array], size: int) -> AtomAlgebra:
    each = np.arange(1.0, size + 1.0)
    single = any(not isinstance(v, DiagonalCovariance) and v.ndim for v in matrices.values())
    blocks = [v.blocks()[1] for v in matrices.values() if isinstance(v, DiagonalCovariance)]
    ends = each if vectors or single else merged_ends([np.array([float(size)]), *blocks])
    counts = (np if isinstance(ends, np.ndarray) else jnp).diff(ends, prepend=0.0)
    values = {
        name: value.at(ends - 0.5 * counts)
        if isinstance(value, DiagonalCovariance)
        else jnp.broadcast_to(value, ends.shape)
        for name, value in matrices.items()
    }
    return AtomAlgebra(values, vectors, jnp.asarray(counts) / size)
