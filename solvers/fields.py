"""Numeric fields of a setting: converted to float64 once, and refused at the door when they make no sense."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from freeridge.solvers.errors import InvalidSetting, require_float64

# What a numeric field holds. Type checkers do not know that the field converts what it is given.
if TYPE_CHECKING:
    Scalar = Any
    Vector = Any
    Matrix = Any
    ScalarOrPath = Any
else:
    Scalar = Float[Array, ""]
    Vector = Float[Array, " J"]
    Matrix = Float[Array, "d d"]
    ScalarOrPath = Float[Array, "*path"]


def real_field(name: str, *, default: Any = ..., optional: bool = False, dimensions: int = 0) -> Any:
    """A field that holds a float64 array (or a traced one); integers and Python numbers are converted.

    Parameters
    ----------
    name : str
        As the user writes it.
    default : object
        None of it: the field must be given.
    optional : bool
        Whether None is a value.
    dimensions : int
        The most that the array may have: 0 is a number.

    Raises
    ------
    InvalidSetting
        When the value is not a real number or array, has too many dimensions, or is held in less than
        float64.
    """
    convert = _converter(name, optional, dimensions)
    return eqx.field(converter=convert) if default is ... else eqx.field(converter=convert, default=default)


def _converter(name: str, optional: bool, dimensions: int) -> Callable[[Any], Array | None]:
    def convert(value: Any) -> Array | None:
        if optional and value is None:
            return None
        array = as_real(name, value)
        if array.ndim > dimensions or array.size == 0:
            most = ("one number", "a number or a list of numbers, not empty", "a matrix")[dimensions]
            raise InvalidSetting(name, value, most)
        return array

    return convert


def as_real(name: str, value: Any) -> Array:
    """The value as a float64 JAX array.

    Examples
    --------
    >>> as_real("ridge", 1).dtype
    dtype('float64')
    >>> as_real("ridge", "large")
    Traceback (most recent call last):
        ...
    freeridge.solvers.errors.InvalidSetting: ridge = 'large': expected a real number or array
    """
    require_float64()
    # Placeholders of JAX's own transformations pass through modules as if they were values.
    if isinstance(value, jax.Array) and value.dtype == jnp.float64:
        return value
    if isinstance(value, jax.core.Tracer) and jnp.issubdtype(value.dtype, jnp.integer):
        return value.astype(jnp.float64)
    if isinstance(value, list | tuple) and any(isinstance(entry, jax.core.Tracer) for entry in value):
        return jnp.stack([as_real(name, entry) for entry in value])
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):
        raise InvalidSetting(name, value, "a real number or array") from None
    if array.dtype.kind == "f" and array.dtype.itemsize < 8:
        raise InvalidSetting(name, value, "float64: thresholds and small ridges are lost in less")
    if array.dtype.kind not in "fiu":
        raise InvalidSetting(name, value, "a real number or array")
    return jnp.asarray(array.astype(np.float64))


def known(value: Any) -> np.ndarray | None:
    """The value as a NumPy array, or None while JAX is tracing and there is no value to look at.

    Examples
    --------
    >>> import jax, jax.numpy as jnp
    >>> known(jnp.ones(2))
    array([1., 1.])
    """
    return None if isinstance(value, jax.core.Tracer) else np.asarray(value)


def require(name: str, value: Any, holds: Callable[[np.ndarray], Any], expected: str) -> None:
    """Refuse a known value that is not finite or does not fulfil a condition; traced values pass.

    Examples
    --------
    >>> require("ridge", -1.0, lambda v: v >= 0, "a finite number >= 0")
    Traceback (most recent call last):
        ...
    freeridge.solvers.errors.InvalidSetting: ridge = -1.0: expected a finite number >= 0
    """
    array = known(value)
    if array is not None and not (np.all(np.isfinite(array)) and np.all(holds(array))):
        raise InvalidSetting(name, array.item() if array.ndim == 0 else array, expected)


def require_count(name: str, value: Any) -> None:
    """Refuse a dimension that is not a positive whole number."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise InvalidSetting(name, value, "a positive whole number")


def preset_fields(
    presets: Mapping[str, Mapping[str, Any]], preset: str, changes: Mapping[str, Any]
) -> dict[str, Any]:
    """The fields of a preset, some of them changed.

    Examples
    --------
    >>> preset_fields({"small": {"width": 8, "depth": 2}}, "small", {"depth": 3})
    {'width': 8, 'depth': 3}
    """
    if preset not in presets:
        raise InvalidSetting("preset", preset, "one of " + ", ".join(presets))
    fields = presets[preset]
    for name in changes:
        if name not in fields:
            raise InvalidSetting(name, changes[name], "a field among " + ", ".join(fields))
    return {**fields, **changes}
