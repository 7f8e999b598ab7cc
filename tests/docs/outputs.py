"""What a page says that its code prints, and whether it does.

The comment after a ``print`` that begins with a value states what is printed, up to a semicolon; ``, then``
stands between the outputs of a line that prints several times. A block of text right below code is what it
prints. In both numbers may be rounded, and ``...`` stands for anything.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator

from tests.docs.blocks import Block

# A comment that begins so is held to be a value.
_VALUE = re.compile(r"""[-+]?\.?\d|[\[({'"]|(True|False|None|nan|inf)\b|[A-Z]\w+\(|\.\.\.""")
_NUMBER = r"[-+]?\d+\.?\d*(?:e[-+]?\d+)?"


def claims(block: Block) -> Iterator[tuple[int, list[str]]]:
    """Where a ``print`` begins whose comment states values, and what it says is printed each time."""
    comments = {
        token.start[0]: token.string.lstrip("# ").split(";")[0].strip()
        for token in tokenize.generate_tokens(io.StringIO(block.placed).readline)
        if token.type == tokenize.COMMENT
    }
    for node in ast.walk(ast.parse(block.placed)):
        stated = comments.get(getattr(node, "end_lineno", None) or 0, "")
        if not isinstance(node, ast.Expr) or not _VALUE.match(stated):
            continue
        prints = isinstance(node.value, ast.Call) and ast.unparse(node.value.func) == "print"
        assert prints, f"{block}: line {node.lineno} states a value that a script does not show: print it"
        yield node.lineno, stated.split(", then ")


def says(stated: str, printed: str) -> bool:
    """Whether a statement is what was printed.

    Examples
    --------
    >>> says("(0.13, True) ... 2.5e-3", "(0.1349, True) or   0.00251")
    True
    >>> says("0.13", "0.1351"), says("a 1", "b 1"), says("1", "1 2")
    (False, False, False)
    """
    gaps = [".*?".join(map(_literal, gap.split("..."))) for gap in re.split(_NUMBER, stated.strip())]
    match = re.fullmatch(f"({_NUMBER})".join(gaps), printed.strip(), re.DOTALL)
    return match is not None and all(map(_rounds, match.groups(), re.findall(_NUMBER, stated)))


def _literal(text: str) -> str:
    return r"\s+".join(map(re.escape, re.split(r"\s+", text)))


def _rounds(printed: str, stated: str) -> bool:
    digits, _, exponent = stated.partition("e")
    half = 0.5 * 10.0 ** (int(exponent or 0) - len(digits.partition(".")[2]))
    # The last of sixteen digits, and what is zero but for rounding, differ from machine to machine.
    rounding = 1e-9 * abs(float(stated)) + 1e-14
    return abs(float(printed) - float(stated)) <= half + rounding
