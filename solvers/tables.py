"""Numbers as plain text for people and as plain values for JSON."""

from collections.abc import Sequence
from typing import Any

import numpy as np


def aligned(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A plain table: first column to the left, the others to the right.

    Examples
    --------
    >>> print(aligned(["name", "z"], [["a", "0.5"]]))
    name    z
    a     0.5
    """
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if k else cell.ljust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in [head, *rows]
    )


def jsonable(value: Any) -> Any:
    """Numbers and nested lists of them for JSON, which knows neither infinity nor NaN.

    Examples
    --------
    >>> import numpy as np
    >>> jsonable(np.array([0.5, np.inf, np.nan])), jsonable(np.float64(2))
    ([0.5, 'inf', 'nan'], 2.0)
    """
    plain = np.asarray(value).tolist()
    if isinstance(plain, list):
        return [jsonable(item) for item in plain]
    return str(plain) if isinstance(plain, float) and not np.isfinite(plain) else plain
