"""Defaults of options from the user's configuration file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click
import msgspec
import platformdirs
from bitweir_hw.errors import FileError

from ..part_list import toml_of

__all__ = ["configuration_file", "defaults", "without_excluded"]

#: Bytes of the file, at most.
_LIMIT_BYTES = 1 << 16
#: Names another file; empty for none.
_VARIABLE = "BITWEIR_CONFIG"
#: Options that exclude others: where one is on the command line, those others have no default from the file.
_EXCLUDES = {
    "board": {"part", "family", "streams", "weight_bandwidth"}, "part": {"board"}, "folding": {"goal", "fps"},
    "goal": {"folding"}, "fps": {"folding", "goal"}, "family": {"part", "board"},
    "jobs": {"scheduler"}, "scheduler": {"jobs"},
    "images": {"demo"}, "demo": {"images"}, "quiet": {"verbose"}, "verbose": {"quiet"},
}  # fmt: skip
#: Options that a file must not choose: what a command is about, and what it replaces or prints.
_NEVER = {"output", "save", "json", "help", "version", "toml"}


def configuration_file() -> Path | None:
    """The file: that in BITWEIR_CONFIG, or ``config.toml`` in the user's configuration folder; None for none."""
    named = os.environ.get(_VARIABLE)
    if named is not None:
        return Path(named) if named else None
    return platformdirs.user_config_path("bitweir", appauthor=False) / "config.toml"


def defaults(group: click.Group, ctx: click.Context) -> dict[str, Any]:
    """Defaults of the options of all commands, by command and parameter, as click has them.

    Raises
    ------
    FileError
        The file cannot be read, or names something that no command has, or a value that is not possible.
    """
    path = configuration_file()
    if path is None or (not os.environ.get(_VARIABLE) and not path.exists()):
        return {}
    try:
        tree = toml_of(path, dict[str, Any], _LIMIT_BYTES)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        told = " ".join(str(error).split()).rstrip(".")[:300]
        raise FileError(f"{str(path)!r} is no configuration: {told}.") from error
    found: dict[str, dict[str, Any]] = {name: {} for name in group.commands}
    # What stands alone is for all commands that have such an option; what stands in a table goes before it.
    for key in sorted(tree, key=lambda key: isinstance(tree[key], dict)):
        value = tree[key]
        if not isinstance(value, dict):
            having = [name for name, command in group.commands.items() if key in _options(command)]
            _known(path, "option", key, {option for command in group.commands.values() for option in _options(command)})
            for name in having:
                option = _options(group.commands[name])[key]
                found[name][option.name or ""] = _value(path, ctx, group.commands[name], key, value)
            continue
        _known(path, "command", key, set(group.commands))
        command = group.commands[key]
        for name, inner in value.items():
            _known(path, f"option of {key}", name, set(_options(command)))
            found[key][_options(command)[name].name or ""] = _value(path, ctx, command, name, inner)
    if any(each.get("quiet") and each.get("verbose") for each in found.values()):
        raise FileError(f"{str(path)!r} is no configuration: quiet and verbose exclude each other.")
    return found


def without_excluded(found: Mapping[str, Any], given: Iterable[str]) -> dict[str, Any]:
    """Defaults of a command, but for those that parameters on the command line exclude."""
    excluded = {other for name in given for other in _EXCLUDES.get(name, ())}
    return {name: value for name, value in found.items() if name not in excluded}


def _options(command: click.Command) -> dict[str, click.Option]:
    """Options that a file may give, by their long names."""
    return {
        name.removeprefix("--"): parameter
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for name in parameter.opts
        if name.startswith("--") and name.removeprefix("--") not in _NEVER
    }


def _known(path: Path, what: str, name: str, known: set[str]) -> None:
    if name not in known:
        close = get_close_matches(name, sorted(known), n=1)
        nearest = f": the nearest is {close[0]}" if close else ""
        raise FileError(f"In {str(path)!r} there is {name!r:.60}, which is no {what}{nearest}.")


def _value(path: Path, ctx: click.Context, command: click.Command, name: str, value: Any) -> Any:
    """A value, which must be one that the option takes on the command line."""
    option = _options(command)[name]
    try:
        if option.is_flag and type(value) is not bool:
            raise click.BadParameter("must be true or false.")
        if isinstance(value, list) != option.multiple:
            raise click.BadParameter("must be a list." if option.multiple else "must not be a list.")
        if isinstance(value, dict) or (isinstance(value, bool) and not option.is_flag):
            raise click.BadParameter("must be a number or a text.")
        cast = option.type_cast_value(ctx, value)
        if option.callback and name == "clock":
            option.callback(ctx, option, cast)
    except click.ClickException as error:
        told = error.message.rstrip(".")
        told = told if told.startswith("must") else f"is wrong: {told}"
        raise FileError(f"In {str(path)!r}, {name} of {command.name} {told}.") from error
    return value
