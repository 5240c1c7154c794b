"""What the link of a board carries, and what it needs."""

from __future__ import annotations

from bitweir_hw.arithmetic import ceil_div, signed_bits
from bitweir_hw.boards import Board
from bitweir_hw.link.protocol import HEADER
from bitweir_hw.network import Network

__all__ = ["capacity_of", "frame_bytes", "link_rate"]


def capacity_of(board: Board, frame_bytes: int) -> int:
    """Bytes of requests that a device holds: those of the board, or what one frame takes."""
    return max(board.capacity, 1 << (HEADER.size + frame_bytes - 1).bit_length())


def link_rate(network: Network, board: Board) -> float:
    """Frames a second that the wires carry at most, headers left out."""
    return board.byte_rate / max(frame_bytes(network), _result_bytes(network))


def _result_bytes(network: Network) -> int:
    """Bytes of a class, or of labels, scores or codes where these are the result."""
    if network.readout.kind == "class":
        return ceil_div(max(network.outputs - 1, 1).bit_length(), 8)
    end = network.end
    return ceil_div(end.size * (signed_bits(end.low, end.high) if end.format is None else end.format.bits), 8)


def frame_bytes(network: Network) -> int:
    """Bytes of a frame; those that fill up its last beats are not known before there is a plan."""
    return ceil_div(network.input.size * network.input.format.bits, 8)
