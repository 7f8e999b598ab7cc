"""What a function does, in terms of JSON: its code, and every value that the code reaches."""

import functools
import hashlib
import inspect
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import is_dataclass
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

Describe = Callable[[Any], Any]

_INSTALLED = [sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")]


def describe_callable(value: Any, describe: Describe, seen: dict[Any, int]) -> Any:
    """A function by its body, what it holds and the globals that it names; an object by its state.

    Functions of other modules are given by name: versions and the digest of the source stand for them.

    Parameters
    ----------
    value : callable
    describe : callable
        For the values that it holds.
    seen : dict
        Functions on the way here, for those that call themselves.

    Examples
    --------
    >>> def shifted(by):
    ...     return lambda x: x + by
    >>> one, two, same = (describe_callable(shifted(by), str, {}) for by in (1, 2, 1))
    >>> one == two, one == same
    (False, True)
    """
    if isinstance(value, functools.partial):
        return {"partial": [describe(value.func), describe(list(value.args)), describe(value.keywords)]}
    if isinstance(value, MethodType):
        return {"method": describe(value.__func__), "of": _owner(value.__self__, describe)}
    wrapped = getattr(value, "__wrapped__", None)
    if wrapped is not None and not isinstance(value, FunctionType):  # compiled by JAX
        return describe(wrapped)
    if isinstance(value, FunctionType) and value.__module__.startswith("freeridge."):
        value = inspect.unwrap(value)  # what is around our own functions checks their arguments
        if "<locals>" not in value.__qualname__:
            return {"function": f"{value.__module__}.{value.__qualname__}"}
    if isinstance(value, FunctionType):
        return _function(value, describe, seen)
    if isinstance(value, type | BuiltinFunctionType) or not hasattr(value, "__dict__"):
        return {"function": f"{getattr(value, '__module__', None)}.{_name(value)}"}
    return {"callable": _name(value), "with": describe(vars(value)), **describe_class(type(value), describe)}


def describe_class(kind: type, describe: Describe) -> dict[str, Any]:
    """What the methods of a class do, where no digest of the source stands for it: that of one's own.

    Examples
    --------
    >>> describe_class(functools.partial, str)  # the version of Python does
    {}
    """
    if not _is_own(kind):
        return {}
    methods = {}
    for name in sorted(vars(kind)):
        value = getattr(kind, name)
        value = value.fget if isinstance(value, property) else value
        if isinstance(value, FunctionType | MethodType) and (name == "__call__" or not name.startswith("__")):
            try:
                methods[name] = describe(value)
            except (ValueError, TypeError):  # it holds what cannot be described
                methods[name] = _name(value)
    return {"methods": methods}


def _owner(value: Any, describe: Describe) -> Any:
    """The object of a bound method, which need be nothing that could be recorded by itself."""
    if isinstance(value, type) or is_dataclass(value) or not hasattr(value, "__dict__"):
        return describe(value)
    return {"with": describe(vars(value)), **describe_class(type(value), describe)}


def _is_own(kind: type) -> bool:
    """Whether a class is of a script, a notebook or a folder, and neither installed nor of this library."""
    if kind.__module__.partition(".")[0] in ("builtins", "freeridge"):
        return False
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    return file is None or not any(Path(file).is_relative_to(folder) for folder in _INSTALLED)


def _function(value: FunctionType, describe: Describe, seen: dict[Any, int]) -> Any:
    if value in seen:
        return {"function": value.__qualname__, "again": seen[value]}
    seen[value] = len(seen)
    cells = [cell.cell_contents for cell in value.__closure__ or ()]
    used = sorted(name for name in _names(value.__code__) if name in value.__globals__)
    near = {
        name: _global(value.__globals__[name], value.__module__, describe)
        for name in used
        if not isinstance(value.__globals__[name], ModuleType)
    }
    return {
        "function": value.__qualname__,
        "body": _body(value.__code__),
        "defaults": describe([value.__defaults__, value.__kwdefaults__]),
        "with": describe(cells),
        "near": near,
    }


def _global(value: Any, module: str, describe: Describe) -> Any:
    """A global of a function's module; what is imported there, or belongs to this library, by its name."""
    home = getattr(value, "__module__", None)
    if isinstance(home, str) and (home != module or home.startswith("freeridge.")):
        return {"function": f"{home}.{_name(value)}"}
    try:
        return describe(value)
    except (ValueError, TypeError):
        return {"value": type(value).__qualname__}


def _name(value: Any) -> str:
    return str(getattr(value, "__qualname__", getattr(value, "__name__", type(value).__qualname__)))


def _codes(code: CodeType) -> list[CodeType]:
    """The code and that of the functions in it, which are among its constants."""
    inner = [one for one in code.co_consts if isinstance(one, CodeType)]
    return [code, *(deeper for one in inner for deeper in _codes(one))]


def _names(code: CodeType) -> set[str]:
    return {name for one in _codes(code) for name in one.co_names}


def _body(code: CodeType) -> str:
    """Hash of what a function does; where it stands in its file is left out."""
    text = []
    for one in _codes(code):
        constants = [_constant(value) for value in one.co_consts if not isinstance(value, CodeType)]
        text.append(f"{one.co_code.hex()} {one.co_names} {constants}")
    return hashlib.sha256("\n".join(text).encode()).hexdigest()


def _constant(value: Any) -> str:
    # The order of a set is another one in every process.
    return f"set {sorted(map(repr, value))}" if isinstance(value, frozenset) else repr(value)
