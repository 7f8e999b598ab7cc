"""Errors at the door: bad input is refused with the name of the field, its value, and what would be right."""

import difflib
from collections.abc import Iterable
from typing import Any

_LONGEST = 80  # characters of a value shown in a message, so that the sentence after it stays in sight
_MOST_ITEMS = 6  # entries of a list shown in a message


class InvalidSetting(ValueError):
    """A field of a setting holds a value that the theory or the solver cannot take.

    Parameters
    ----------
    field : str
        Name of the field or argument as the user wrote it.
    value : object
        What was given; a long value is shortened in the message, an array to its shape and ends.
    expected : str
        What would be right, as the end of the sentence "expected ...".

    Examples
    --------
    >>> from freeridge.solvers.errors import InvalidSetting
    >>> raise InvalidSetting("ridge", -0.1, "a finite number >= 0")
    Traceback (most recent call last):
        ...
    freeridge.solvers.errors.InvalidSetting: ridge = -0.1: expected a finite number >= 0
    """

    def __init__(self, field: str, value: object, expected: str) -> None:
        # All three go to Exception.args: that is what lets the error travel between worker processes.
        super().__init__(field, value, expected)
        self.field = field
        self.value = value
        self.expected = expected

    def __str__(self) -> str:
        return f"{self.field} = {shorten(self.value)}: expected {self.expected}"


class Float64Required(InvalidSetting):
    """JAX computes in float32, where thresholds and small ridges are out of reach of any solver.

    Examples
    --------
    >>> from freeridge.solvers.errors import Float64Required
    >>> print(Float64Required())
    jax_enable_x64 = False: expected float64; run jax.config.update("jax_enable_x64", True) first, or set
    JAX_ENABLE_X64=1 in the environment
    """

    def __init__(
        self,
        field: str = "jax_enable_x64",
        value: object = False,
        expected: str = (
            'float64; run jax.config.update("jax_enable_x64", True) first, '
            "or set JAX_ENABLE_X64=1 in the environment"
        ),
    ) -> None:
        super().__init__(field, value, expected)


def unknown(name: str, value: object, known: Iterable[str], owner: str) -> InvalidSetting:
    """The error for a name that is none of the known ones; points out the one that was probably meant.

    Examples
    --------
    >>> print(unknown("rigde", 0.1, ["n", "ridge"], "the fields are"))
    rigde = 0.1: expected a known name, perhaps ridge; the fields are n, ridge
    """
    known = list(known)
    close = [match for word in (name, str(value)) for match in difflib.get_close_matches(word, known, 1)]
    hint = f", perhaps {close[0]}" if close else ""
    return InvalidSetting(name, value, f"a known name{hint}; {owner} {', '.join(known)}")


def require_float64() -> None:
    """Refuse to go on while JAX is in its single-precision mode.

    Raises
    ------
    Float64Required
        With the exact line that switches double precision on.

    Examples
    --------
    >>> import jax
    >>> from freeridge.solvers.errors import require_float64
    >>> jax.config.update("jax_enable_x64", True)
    >>> require_float64()
    """
    import jax  # here, not above: naming a bad field must not cost a second of import

    if jax.dtypes.canonicalize_dtype("float64") != "float64":
        raise Float64Required()


def shorten(value: object) -> str:
    """One line that stands for `value` in a message.

    Numbers are written plainly, arrays by their ends, shape and type; whatever is still longer than a
    terminal line is cut in the middle.

    Examples
    --------
    >>> import numpy as np
    >>> from freeridge.solvers.errors import shorten
    >>> shorten(np.float64(0.5)), shorten("gauss")
    ('0.5', "'gauss'")
    >>> shorten(np.arange(1000.0))
    '[0. 1. ... 998. 999.] (shape (1000,), float64)'
    """
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        text = _shorten_array(value)
    elif isinstance(value, list | tuple):
        shown = [shorten(item) for item in value[:_MOST_ITEMS]]
        more = [f"... {len(value)} in all"] if len(value) > _MOST_ITEMS else []
        text = f"[{', '.join(shown + more)}]"
    else:
        text = repr(value)
    text = " ".join(text.split())
    if len(text) <= _LONGEST:
        return text
    keep = (_LONGEST - 5) // 2
    return f"{text[:keep]} ... {text[-keep:]}"


def _shorten_array(value: Any) -> str:
    """Ends, shape and type of a NumPy or JAX array; a bare number for one without dimensions."""
    import numpy as np

    kind = f"shape {tuple(value.shape)}, {value.dtype}"
    try:
        array = np.asarray(value)
    except TypeError:  # under jit, vmap or grad: there are no numbers to show yet
        return f"traced array ({kind})"
    if array.ndim == 0:
        return repr(array.item())
    ends = " ".join(np.array2string(array, threshold=_MOST_ITEMS, edgeitems=2, precision=6).split())
    ends = ends.replace("[ ", "[")
    if len(ends) + len(kind) + 3 > _LONGEST:
        return f"array ({kind})"
    return f"{ends} ({kind})"
