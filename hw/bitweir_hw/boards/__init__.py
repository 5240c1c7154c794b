"""Boards: their pins and parts, clocks from PLLs, and the top module."""

from .boards import BOARDS, Board, Pin

__all__ = ["BOARDS", "Board", "Pin"]
