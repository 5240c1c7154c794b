"""Boards: their pins and parts, clocks from PLLs, and the top module."""

from .boards import BOARDS, Board, BoardSdram, Pin

__all__ = ["BOARDS", "Board", "BoardSdram", "Pin"]
