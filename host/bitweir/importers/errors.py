"""Mistakes in model files."""

from __future__ import annotations

import re
from pathlib import Path

from bitweir_hw.errors import BitweirError

__all__ = ["ModelError", "shown", "shown_path"]

#: Characters of a sentence: room for the longest path, and what is said of it.
_MOST = 6000


class ModelError(BitweirError):
    """A model file cannot be read, or cannot become an integer network exactly.

    The text is one printable line of moderate length, whatever a file holds that it tells of.
    """

    exit_code = 3

    def __init__(self, text: str) -> None:
        if len(text) > _MOST:
            text = text[: _MOST - 3] + "..."
        super().__init__("".join(c if c.isprintable() else "?" for c in re.sub(r"\s*\n\s*", " ", text)))


def shown(text: object, most: int = 60) -> str:
    """Text from a file, quoted, without control characters, and short enough for a message."""
    quoted = ascii(str(text)[:most])
    return quoted if len(str(text)) <= most else quoted[:-1] + "...'"


def shown_path(path: Path) -> str:
    """A path that the user gave, quoted, without control characters, and whole: its end is what matters."""
    return shown(path, most=4096)
