"""Waveforms as a person opens them: under the name of the design, and with its streams in order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from bitweir_hw.blocks.pipeline import Pipeline

__all__ = ["is_ours", "save_file", "with_top_scope"]

#: The first line of a save file that is written here.
_FIRST = "[*] bitweir"
_END = "$enddefinitions"
#: ``$var TYPE WIDTH ID NAME $end``.
_VARIABLE = re.compile(r"\$var (\w+) (\d+) (\S+) (\S+) \$end")
#: Names that only a tool gave: those of nobody, and copies of others.
_UNNAMED = re.compile(r"\$signal(\$\d+)?|.+\$\d+(\$\d+)?")
#: Bytes of values that are copied at once.
_CHUNK = 1 << 20
#: How GTKWave shows a value: one bit; a number in hexadecimal digits; a line of text.
_BIT, _HEX, _TEXT = "@28", "@22", "@200"
#: Signals of the streams of a block, and of the design.
_PORTS = tuple(f"{side}__{signal}" for side in "io" for signal in ("valid", "ready", "payload"))


def with_top_scope(file: Path, name: str) -> None:
    """Put all signals of a VCD file below a scope with the name of the design, without names that mean nothing.

    Parameters
    ----------
    file : Path
        As the compiled simulator writes it; what is no ordinary file stays as it is.
    name : str
        Of the design.
    """
    if not file.is_file():
        return
    rest = file.with_name(f"{file.name}.scoped")
    try:
        with file.open(encoding="ascii", errors="replace") as source, rest.open("w", encoding="ascii") as target:
            lines = list(_header(source))
            target.write("\n".join(_scoped(lines, name)) + "\n")
            while part := source.read(_CHUNK):
                target.write(part)
        rest.replace(file)
    finally:
        rest.unlink(missing_ok=True)


def _header(source: Iterator[str]) -> Iterator[str]:
    """The lines up to the end of the definitions."""
    for line in source:
        yield line.rstrip("\n")
        if line.startswith(_END):
            return


def _scoped(lines: Sequence[str], name: str) -> Iterator[str]:
    """The same definitions below a scope; of several names of a value, those that a person gave."""
    named = {match[3] for line in lines if (match := _VARIABLE.match(line)) and not _UNNAMED.fullmatch(match[4])}
    for line in lines:
        match = _VARIABLE.match(line)
        if line.startswith("$timescale"):
            yield from (line, f"$scope module {name} $end")
        elif line.startswith(_END):
            yield from ("$upscope $end", line)
        elif not match or match[3] not in named or not _UNNAMED.fullmatch(match[4]):
            yield line


def save_file(file: Path, dump: str, name: str, pipeline: Pipeline) -> str | None:
    """Content of a save file for GTKWave: clock, reset, and the streams of each block, in the order of the pipeline.

    Parameters
    ----------
    file : Path
        The waveform, as `with_top_scope` leaves it.
    dump : str
        The name of the waveform, seen from where the save file will be.
    name : str
        Of the design.
    pipeline : Pipeline
    """
    if not file.is_file():
        return None
    with file.open(encoding="ascii", errors="replace") as source:
        widths = _widths(_header(source))
    lines = [_FIRST, f'[dumpfile] "{dump}"', "[timestart] 0"]
    lines += _group("clock and reset", name, ("clk", "rst"), widths)
    lines += _group("input and result", name, _PORTS, widths)
    scopes = sorted({path.rpartition(".")[0] for path in widths}, key=len)
    for block in pipeline.blocks:
        # Around a design that loads its parameters there is another module.
        scope = next((path for path in scopes if path.endswith(f".{block.name}")), "")
        lines += _group(f"{block.name}, of layer {block.layer}", scope, _PORTS, widths)
    return "\n".join(lines) + "\n"


def is_ours(place: Path) -> bool:
    """Whether a save file may be written there: what GTKWave itself has saved stays."""
    if not place.exists():
        return True
    with place.open(errors="replace") as file:
        return file.read(len(_FIRST)) == _FIRST


def _group(title: str, scope: str, signals: Sequence[str], widths: dict[str, int]) -> list[str]:
    """The lines of some signals of a scope, below a title; none where the waveform has none of them."""
    found = []
    for signal in signals:
        width = widths.get(f"{scope}.{signal}")
        if width is not None:
            bits = f"[{width - 1}:0]" if width > 1 else ""
            found += [_HEX if width > 1 else _BIT, f"{scope}.{signal}{bits}"]
    return [_TEXT, f"-{title}", *found] if found else []


def _widths(lines: Iterator[str]) -> dict[str, int]:
    """The bits of each signal, by its path."""
    path: list[str] = []
    found = {}
    for line in lines:
        words = line.split()
        if words[:1] == ["$scope"]:
            path.append(words[2])
        elif words[:1] == ["$upscope"]:
            path.pop()
        elif match := _VARIABLE.match(line):
            found[".".join([*path, match[4]])] = int(match[2])
    return found
