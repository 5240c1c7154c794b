"""Files that open a waveform with its streams in order: for GTKWave, and for Surfer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from .probes import Group

__all__ = ["commands", "is_ours", "save_file"]

#: The first lines of files that are written here.
_GTKWAVE, _SURFER = "[*] bitweir", "# bitweir"
#: How GTKWave shows a value, by the flags of its save files; a title is a line of text.
_FLAGS = {"bit": "@28", "bits": "@22", "number": "@24", "text": "@820", "title": "@200"}
#: About 50 cycles at once; no marker is set, of 26.
_ZOOM = " ".join(["*-5.000000", *["-1"] * 27])
#: How Surfer does, by the names of its translators.
_FORMATS = {"bits": "Hexadecimal", "number": "Unsigned"}


def save_file(dump: str, groups: Sequence[Group]) -> str:
    """Content of a save file for GTKWave.

    Parameters
    ----------
    dump : str
        The name of the waveform, seen from where the save file will be.
    groups : sequence of Group
    """
    lines = [
        _GTKWAVE,
        f'[dumpfile] "{dump}"',
        "[timestart] 0",
        "[size] 1400 800",
        _ZOOM,
        "[signals_width] 260",
        "[sst_expanded] 0",
    ]
    for group in groups:
        lines += [_FLAGS["title"], f"-{group.title}"]
        for one in group.signals:
            ranged = one.kind in ("bits", "number")
            lines += [_FLAGS[one.kind], one.path + (f"[{one.width - 1}:0]" if ranged else "")]
    return "\n".join(lines) + "\n"


def commands(dump: str, view: str, groups: Sequence[Group]) -> str:
    """Content of a command file for Surfer.

    Parameters
    ----------
    dump, view : str
        The names of the waveform and of the command file.
    groups : sequence of Group
    """
    lines = [f"{_SURFER}: surfer {dump} -c {view}"]
    formats: list[tuple[int, str]] = []
    items = 0
    for group in groups:
        # A divider takes a single word.
        lines.append(f"divider_add {re.sub(r'[^A-Za-z0-9]+', '_', group.title)}")
        items += 1
        for one in group.signals:
            lines.append(f"variable_add {one.path}")
            if one.kind in _FORMATS:
                formats.append((items, _FORMATS[one.kind]))
            items += 1
    # What is added goes below the item in focus, so all is there before the first is.
    for item, form in formats:
        lines += [f"item_focus {_letters(item)}", f"item_set_format {form}"]
    return "\n".join([*lines, "item_unfocus", "zoom_fit"]) + "\n"


def _letters(item: int) -> str:
    """The number of an item as Surfer's commands have it: hexadecimal, with a for 0 to p for 15."""
    return "".join(chr(ord("a") + int(digit, 16)) for digit in f"{item:x}")


def is_ours(place: Path) -> bool:
    """Whether a file may be written there: what somebody has saved stays."""
    if not place.exists():
        return True
    with place.open(errors="replace") as file:
        return file.read(len(_GTKWAVE)).startswith((_GTKWAVE, _SURFER))
