"""Boards: their pins and parts, clocks from PLLs, and the top module."""

from .boards import Board, BoardSdram, BoardSpi, Pin
from .listed import BOARDS, board_of

__all__ = ["BOARDS", "Board", "BoardSdram", "BoardSpi", "Pin", "board_of"]
