"""Mistakes in model files."""

from __future__ import annotations

from pathlib import Path

from bitweir_hw.errors import BitweirError

__all__ = ["ModelError", "shown", "shown_path"]


class ModelError(BitweirError):
    """A model file cannot be read, or cannot become an integer network exactly."""

    exit_code = 3


def shown(text: object, most: int = 60) -> str:
    """Text from a file, quoted, without control characters, and short enough for a message."""
    quoted = ascii(str(text)[:most])
    return quoted if len(str(text)) <= most else quoted[:-1] + "...'"


def shown_path(path: Path) -> str:
    """A path that the user gave, quoted, without control characters, and whole: its end is what matters."""
    return shown(path, most=4096)
