"""Mistakes in model files."""

from __future__ import annotations

from bitweir_hw.errors import BitweirError

__all__ = ["ModelError", "shown"]


class ModelError(BitweirError):
    """A model file cannot be read, or cannot become an integer network exactly."""

    exit_code = 3


def shown(text: object) -> str:
    """Text from a file, quoted, without control characters, and short enough for a message."""
    quoted = ascii(str(text)[:60])
    return quoted if len(str(text)) <= 60 else quoted[:-1] + "...'"
