"""Lines that say how a verb is called, against the verb: the same options, with the same choices."""

import re

from freeridge.cli import app

SYNOPSIS = re.compile(r"freeridge .*(\[--|SETTING|FILE\.|\[NAME)")
# An option in small letters, and the choices written behind it; --FIELD stands for a field of a setting.
_OPTION = re.compile(r"--([a-z][\w-]*)(?: ([\w-]+(?:\|[\w-]+)+))?")
# What a line that ends in dots leaves out.
_DOTS = "predict"

Options = dict[str, set[str]]


def check_synopsis(lines: list[str]) -> None:
    """Every option named exists, and the other way round; a verb may have several lines."""
    said: dict[str, Options] = {}
    for line in lines:
        verb, rest = line.split()[1], line.split("#")[0]
        options = {name: set(choices.split("|")) - {""} for name, choices in _OPTION.findall(rest)}
        if rest.rstrip().endswith(" ..."):
            options |= said[_DOTS]
        said[verb] = said.get(verb, {}) | options
    for verb, options in said.items():
        assert options == known(verb), f"freeridge {verb}"


def known(verb: str) -> Options:
    """Options of a verb, and their choices."""
    arguments = app[verb].assemble_argument_collection()
    return {
        argument.name.removeprefix("--"): set(argument.get_choices() or ())
        for argument in arguments
        if argument.show and argument.index is None
    }


def verbs() -> set[str]:
    """All that the command line has."""
    return {verb for verb in app if not verb.startswith("-")}
