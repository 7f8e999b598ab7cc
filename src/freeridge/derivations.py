"""Expressions in random matrices written as text, for the command line: a TOML file of symbols and traces.

The tables of a file are ``[symbols]``, which are declared in order and may be expressions in those before;
``[traces]``, what is asked of them; and, for numbers, ``[let]`` and ``[values]`` as in files of settings. The
schema is in ``docs/command-line.md``.
"""

import ast
import operator
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import freeridge
from freeridge.expressions import Scope, evaluate
from freeridge.language import Description, read_tables, split_words
from freeridge.options import Draws
from freeridge.solvers.errors import InvalidSetting, unknown

_TABLES = ("symbols", "traces", "let", "values")
# What declares a symbol, with the name of the symbol as its first argument; and what makes one of others.
_DECLARE = ("deterministic", "gaussian", "scalar", "vector")
_MAKE = ("identity", "normalized_trace", "quadratic_form", "sqrt", "trace")


@dataclass(frozen=True)
class Derivation:
    """Traces as written, and numbers for their symbols.

    Examples
    --------
    >>> symbols = {"n": "dimension", "d": "dimension", "lam": "scalar()", "X": "gaussian(n, d, variance=1/n)"}
    >>> Derivation(symbols, {"m": "trace((X.T @ X + lam).inv())"}, Description("derive")).traces()
    {'m': tr((X.T @ X + lam*I_d).inv())}
    """

    symbols: Mapping[str, Any]
    asked: Mapping[str, Any]
    numbers: Description

    def traces(self) -> dict[str, Any]:
        """What is asked for."""
        known: dict[str, Any] = {}
        for name, written in self.symbols.items():
            if not name.isidentifier() or name in (*_DECLARE, *_MAKE, "dimension"):
                raise InvalidSetting("symbols", name, "a name of letters, digits and _ that is not taken")
            known[name] = self._read(name, written, known)
        return {name: self._read(name, written, known) for name, written in self.asked.items()}

    def values(self) -> dict[str, Any]:
        """Numbers for the symbols."""
        return self.numbers.values(self.numbers.names())

    def _read(self, name: str, written: Any, known: Mapping[str, Any]) -> Any:
        if not isinstance(written, str):
            raise InvalidSetting(name, written, 'an expression in quotes, such as "trace(X.T @ X)"')
        if written.strip() == "dimension":
            return freeridge.dims(name)
        return evaluate(written, known, name, scope=_MatrixScope)


def read_derivation(words: Sequence[str]) -> Derivation:
    """The derivation in a TOML file, with numbers that go before those of the file."""
    places, changes = split_words(words)
    if len(places) != 1:
        raise InvalidSetting("FILE", places, "the path of one TOML file")
    path = Path(places[0])
    tables = read_tables(path, _TABLES)
    if not tables["traces"]:
        raise InvalidSetting(f"traces in {path}", None, 'a table such as [traces] with risk = "trace(...)"')
    values = {**tables["values"], **changes}
    numbers = Description("derive", let=tables["let"], fields=values, folder=path.parent)
    return Derivation(tables["symbols"], tables["traces"], numbers)


def answer(derivation: Derivation, latex: bool, check: Draws | None) -> tuple[dict[str, Any], str]:
    """Equations, their numbers where there are values, and their check where it is asked for: as a record and
    as text.
    """
    equations = freeridge.derive(derivation.traces())
    values = derivation.values()
    record: dict[str, Any] = {"traces": dict(derivation.asked), "latex": equations.latex()}
    texts = [record["latex"] if latex else str(equations)]
    if values:
        found = equations.evaluate(**values)
        record |= {"let": dict(derivation.numbers.let), "values": dict(derivation.numbers.fields)}
        record |= {"result": found.quantities, "errors": found.errors, "residual": found.residual}
        record |= {"code": found.code, "ok": found.ok, "message": found.message}
        texts.append("\n".join(f"{name} = {value:.10g}" for name, value in found.quantities.items()))
    if check is not None:
        progress = sys.stderr.isatty()
        compared = equations.validate(replicates=check.number, key=check.key, progress=progress, **values)
        record |= {"seed": check.key, "validation": compared.to_dict()}
        texts.append(str(compared))
    return record, "\n\n".join(texts)


class _MatrixScope(Scope):
    """Adds to plain expressions what matrices have: ``@``, ``.T``, ``.inv()`` and the functions above."""

    def value(self, node: ast.AST) -> Any:
        match node:
            case ast.BinOp(left=left, op=ast.MatMult(), right=right):
                return self.attempt(operator.matmul, [self.value(left), self.value(right)])
            case ast.Attribute(value=inner, attr="T"):
                return self.attempt(operator.attrgetter("T"), [self.value(inner)])
            case ast.Call(func=ast.Attribute(value=inner, attr="inv"), args=[], keywords=[]):
                return self.attempt(operator.methodcaller("inv"), [self.value(inner)])
        return super().value(node)

    def call(self, called: str, arguments: list[ast.expr], named: Mapping[str | None, ast.expr]) -> Any:
        if called not in (*_DECLARE, *_MAKE):
            raise unknown(self.name, called, (*_DECLARE, *_MAKE), "an expression may call")
        if None in named:
            raise self.not_allowed("a dictionary of arguments")
        values = [self.value(argument) for argument in arguments]
        options = {str(name): self.value(value) for name, value in named.items()}
        if called in _DECLARE and not (values and isinstance(values[0], str)):
            values = [self.name, *values]
        return self.attempt(getattr(freeridge, called), values, options)
