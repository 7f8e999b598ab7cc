"""Covariances of the inputs: named spectra in the coordinate basis, and dense matrices.

All but :class:`Dense` are diagonal in one common basis and therefore commute: a problem made of them is
solved on joint eigenvalues, at the price of the distinct ones only. Normalisation: $x \\sim N(0, \\Sigma)$
with $\\Sigma$ of size $d \\times d$, so a unit isotropic input has $|x|^2 \\approx d$.
"""

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import (
    Matrix,
    Scalar,
    Vector,
    as_real,
    known,
    real_field,
    require,
    require_count,
)


class Covariance(eqx.Module):
    """A positive semi-definite $d \\times d$ matrix."""

    if TYPE_CHECKING:

        @property
        def d(self) -> int:
            """Dimension."""

    else:
        d: eqx.AbstractVar[int]


class Diagonal(Covariance):
    """A covariance diagonal in the coordinate basis, constant on consecutive blocks of coordinates."""

    @abstractmethod
    def blocks(self) -> tuple[Float[Array, " J"], Float[Array, " J"] | Float[np.ndarray, " J"]]:
        """Eigenvalue of each block, and the coordinate at which the block ends (the last one is d).

        The ends are a NumPy array whenever they are known while JAX is tracing.
        """

    def at(self, positions: Array | np.ndarray) -> Array:
        """Eigenvalues at positions in (0, d); coordinate i occupies the interval from i to i + 1."""
        values, ends = self.blocks()
        # Known positions stay in NumPy: each small operation of JAX costs a compilation in a fresh process.
        xp = np if isinstance(ends, np.ndarray) and isinstance(positions, np.ndarray) else jnp
        index = xp.searchsorted(xp.asarray(ends), xp.asarray(positions))
        return values[xp.minimum(index, len(values) - 1)]

    def coordinates(self) -> Float[Array, " d"]:
        """One eigenvalue per coordinate."""
        return self.at(np.arange(self.d) + 0.5)


class Isotropic(Diagonal):
    r"""$\Sigma = s I_d$.

    Parameters
    ----------
    d : int
    scale : float
        $s \ge 0$, the variance of each coordinate.

    Examples
    --------
    >>> import freeridge as fr
    >>> fr.Isotropic(3, scale=2.0).coordinates()
    Array([2., 2., 2.], dtype=float64)
    """

    d: int = eqx.field(static=True)
    scale: Scalar = real_field("scale", default=1.0)

    def __check_init__(self) -> None:
        require_count("d", self.d)
        require("scale", self.scale, lambda v: v >= 0, "a finite number >= 0")

    def blocks(self) -> tuple[Array, np.ndarray]:
        return self.scale[None], np.array([float(self.d)])


class TwoAtoms(Diagonal):
    r"""Diatomic spectrum: a fraction of the coordinates has the first eigenvalue, the rest the second.

    Parameters
    ----------
    d : int
    values : array, shape (2,)
    fraction : float
        Share of the dimensions, in [0, 1], that has ``values[0]``. For theory any share will do; simulation
        asks for a whole number of coordinates.

    Examples
    --------
    >>> import freeridge as fr
    >>> fr.TwoAtoms(4, values=(3.0, 0.5), fraction=0.25).coordinates()
    Array([3. , 0.5, 0.5, 0.5], dtype=float64)
    """

    d: int = eqx.field(static=True)
    values: Vector = real_field("values", dimensions=1)
    fraction: Scalar = real_field("fraction")

    def __check_init__(self) -> None:
        require_count("d", self.d)
        require("values", self.values, lambda v: v.shape == (2,) and v >= 0, "two finite numbers >= 0")
        require("fraction", self.fraction, lambda v: (v >= 0) & (v <= 1), "a share between 0 and 1")

    def blocks(self) -> tuple[Array, Array | np.ndarray]:
        fraction = known(self.fraction)
        if fraction is None:
            return self.values, jnp.stack([self.fraction * self.d, jnp.full((), float(self.d))])
        return self.values, np.array([float(fraction) * self.d, float(self.d)])


class PowerLaw(Diagonal):
    r"""Eigenvalues $C / j^a$ for $j = 1, \dots, d$.

    Parameters
    ----------
    d : int
    exponent : float
        $a$; 0 is isotropic.
    trace : float, optional
        Choose $C$ so that $\mathrm{tr}\, \Sigma$ is this; without it $C = 1$.

    Examples
    --------
    >>> import freeridge as fr
    >>> fr.PowerLaw(2, exponent=1.0, trace=3.0).coordinates()
    Array([2., 1.], dtype=float64)
    """

    d: int = eqx.field(static=True)
    exponent: Scalar = real_field("exponent")
    trace: Scalar | None = real_field("trace", default=None, optional=True)

    def __check_init__(self) -> None:
        require_count("d", self.d)
        require("exponent", self.exponent, lambda v: True, "a finite number")
        if self.trace is not None:
            require("trace", self.trace, lambda v: v > 0, "a finite number > 0")

    def blocks(self) -> tuple[Array, np.ndarray]:
        index = np.arange(1.0, self.d + 1.0)
        values = jnp.exp(-self.exponent * np.log(index))
        if self.trace is not None:
            values = values * (self.trace / jnp.sum(values))
        return values, index


class Eigenvalues(Diagonal):
    r"""Any spectrum: eigenvalues with the number of coordinates that each occupies.

    The cost of the theory is that of the distinct eigenvalues, whatever the dimension.

    Parameters
    ----------
    values : array, shape (J,)
    multiplicities : sequence of J numbers, optional
        They sum to the dimension; 1 each when left out. Known when JAX traces, hence not differentiable.

    Examples
    --------
    >>> import freeridge as fr
    >>> fr.Eigenvalues([4.0, 1.0], multiplicities=[10, 999_990]).d
    1000000
    """

    values: Vector = real_field("values", dimensions=1)
    multiplicities: tuple[float, ...] | None = eqx.field(static=True, default=None)

    def __init__(self, values: Any, multiplicities: Any = None) -> None:
        self.values = as_real("values", values)
        if self.values.ndim != 1 or self.values.size == 0:
            raise InvalidSetting("values", self.values, "a list of eigenvalues, at least one")
        if multiplicities is not None:
            try:
                counts = np.asarray(multiplicities, dtype=np.float64)
            except (TypeError, ValueError):
                raise InvalidSetting("multiplicities", multiplicities, "numbers > 0") from None
            if counts.shape != self.values.shape:
                raise InvalidSetting(
                    "multiplicities", multiplicities, f"one per eigenvalue, {len(self.values)} in all"
                )
            require("multiplicities", counts, lambda v: v > 0, "numbers > 0")
            total = float(counts.sum())
            if abs(total - round(total)) > 1e-9 * total:
                raise InvalidSetting(
                    "multiplicities", multiplicities, "a sum that is a whole number, the dimension"
                )
            multiplicities = tuple(float(c) for c in counts)
        self.multiplicities = multiplicities

    def __check_init__(self) -> None:
        require("values", self.values, lambda v: v >= 0, "finite eigenvalues >= 0")

    @property
    def d(self) -> int:
        """Dimension: the sum of the multiplicities."""
        return len(self.values) if self.multiplicities is None else round(sum(self.multiplicities))

    def blocks(self) -> tuple[Array, np.ndarray]:
        counts = np.ones(len(self.values)) if self.multiplicities is None else np.array(self.multiplicities)
        return self.values, np.cumsum(counts)


class Dense(Covariance):
    r"""Any symmetric positive semi-definite matrix, given in the same coordinates as the other covariances.

    Parameters
    ----------
    matrix : array, shape (d, d)

    Raises
    ------
    InvalidSetting
        When the matrix is not square, not symmetric to 1e-10 of its largest entry, or has an eigenvalue
        below -1e-10 of the largest.

    Examples
    --------
    >>> import freeridge as fr
    >>> fr.Dense([[2.0, 1.0], [1.0, 2.0]]).d
    2
    >>> fr.Dense([[1.0, 2.0], [2.0, 1.0]])
    Traceback (most recent call last):
        ...
    freeridge.solvers.errors.InvalidSetting: matrix = [[1. 2.] [2. 1.]] (shape (2, 2), float64): expected a
    positive semi-definite matrix; its smallest eigenvalue is -1
    """

    matrix: Matrix = real_field("matrix", dimensions=2)

    def __check_init__(self) -> None:
        shape = self.matrix.shape
        if len(shape) != 2 or shape[0] != shape[1] or shape[0] == 0:
            raise InvalidSetting("matrix", self.matrix, "a square matrix")
        matrix = known(self.matrix)
        if matrix is None:
            return
        require("matrix", matrix, lambda v: True, "finite entries")
        if np.max(np.abs(matrix - matrix.T)) > 1e-10 * np.max(np.abs(matrix)):
            raise InvalidSetting("matrix", matrix, "a symmetric matrix")
        spectrum = np.linalg.eigvalsh(matrix)
        if spectrum[0] < -1e-10 * max(abs(spectrum[-1]), abs(spectrum[0])):
            raise InvalidSetting(
                "matrix",
                matrix,
                f"a positive semi-definite matrix; its smallest eigenvalue is {spectrum[0]:.3g}",
            )

    @property
    def d(self) -> int:
        """Dimension."""
        return int(self.matrix.shape[0])


def from_data(rows: Any) -> Dense:
    r"""Sample covariance of data, $\frac1n \sum_i (x_i - \bar x)(x_i - \bar x)^\top$.

    Parameters
    ----------
    rows : array, shape (n, d)
        One example per row, at least two.

    Examples
    --------
    >>> import numpy as np, freeridge as fr
    >>> fr.from_data(np.random.default_rng(0).standard_normal((500, 3))).d
    3
    """
    data = known(as_real("rows", rows))
    if data is None or data.ndim != 2 or len(data) < 2:
        raise InvalidSetting("rows", rows, "a matrix with one example per row, at least two rows")
    require("rows", data, lambda v: True, "finite entries")
    centred = data - data.mean(axis=0)
    return Dense(centred.T @ centred / len(data))
