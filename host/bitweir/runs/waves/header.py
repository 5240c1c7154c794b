"""The definitions of a VCD file: which signals there are, below which scopes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

__all__ = ["Header", "Variable"]

_END = "$enddefinitions"
#: ``$var TYPE WIDTH ID NAME [RANGE] $end``, where some tools have two spaces.
_VARIABLE = re.compile(r"\s*\$var\s+(\w+)\s+(\d+)\s+(\S+)\s+(\S+)(?:\s*\[[\d:]+\])?\s+\$end")
#: Names that only a tool gave: those of nobody, and copies of others.
_UNNAMED = re.compile(r"\$signal(\$\d+)?|.+\$\d+(\$\d+)?")


@dataclass(frozen=True, kw_only=True)
class Variable:
    """A signal.

    Parameters
    ----------
    id : bytes
        What its changes are marked with.
    width : int
        Bits.
    """

    id: bytes
    width: int


@dataclass(frozen=True, kw_only=True)
class Header:
    """The definitions of a file.

    Parameters
    ----------
    lines : tuple of str
        All of them, without ``$enddefinitions``.
    variables : dict of str to Variable
        By their paths, with dots between scopes.
    """

    lines: tuple[str, ...]
    variables: dict[str, Variable]

    @classmethod
    def read(cls, source: BinaryIO, name: str) -> Header:
        """Read up to the end of the definitions, and put them below a scope `name` if they have none."""
        lines = []
        for line in source:
            text = line.decode("ascii", "replace").rstrip()
            if text.lstrip().startswith(_END):
                break
            lines.append(text)
        if any("." not in path for path in _variables(lines)):
            lines = list(_scoped(lines, name))
        return cls(lines=tuple(lines), variables=_variables(lines))

    def top(self, name: str) -> str:
        """The path of the design: where its input is, and if there are several, the one called `name`."""
        port = ".i__valid"
        found = sorted((path.removesuffix(port) for path in self.variables if path.endswith(port)), key=len)
        return next((path for path in found if path.rpartition(".")[2] == name), found[0] if found else name)

    def scope(self, name: str) -> str | None:
        """The path of the outermost module called `name`."""
        scopes = {path.rpartition(".")[0] for path in self.variables}
        return min((path for path in scopes if path.endswith(f".{name}")), key=len, default=None)


def _scoped(lines: list[str], name: str) -> Iterator[str]:
    """The same definitions below a scope; of several names of a value, those that a person gave."""
    named = {match[3] for line in lines if (match := _VARIABLE.match(line)) and not _UNNAMED.fullmatch(match[4])}
    for line in lines:
        match = _VARIABLE.match(line)
        if line.startswith("$timescale"):
            yield from (line, f"$scope module {name} $end")
        elif not match or match[3] not in named or not _UNNAMED.fullmatch(match[4]):
            yield line
    yield "$upscope $end"


def _variables(lines: list[str]) -> dict[str, Variable]:
    path: list[str] = []
    found = {}
    for line in lines:
        words = line.split()
        if words[:1] == ["$scope"]:
            path.append(words[2])
        elif words[:1] == ["$upscope"]:
            path.pop()
        elif match := _VARIABLE.match(line):
            found[".".join([*path, match[4]])] = Variable(id=match[3].encode(), width=int(match[2]))
    return found
