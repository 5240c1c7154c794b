"""What readers call boards."""

from __future__ import annotations

from bitweir_hw.boards import BOARDS

__all__ = ["board_title"]


def board_title(name: str) -> str:
    """Title of a listed board; a board of one's own is called by its name."""
    return BOARDS[name].title if name in BOARDS else name
