"""Whether nextpnr knows the chip and the pins of a board, told before anything long runs."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bitweir_hw.boards import Board
from bitweir_hw.errors import PlanError, ToolError
from bitweir_hw.tools import run_yosys

from .nextpnr import CONSTRAINTS, NEXTPNR, constraints, device, missing, reason

__all__ = ["check_pins"]

_INPUTS = ("clk", "rx", "button")


def check_pins(board: Board) -> None:
    """Let nextpnr pack a design of a few gates between all pins of a board, which takes seconds.

    Raises
    ------
    PlanError
        nextpnr does not know the chip, or one of the pins.
    ToolError
        A tool is missing.
    """
    if absent := missing(board.family):
        raise ToolError(absent)
    tool = NEXTPNR[board.family]
    with tempfile.TemporaryDirectory(prefix="bitweir-") as work:
        folder = Path(work)
        (folder / "pins.v").write_text(_verilog(board))
        flags = " -noiopads" if board.family == "gowin" else ""
        pads = "iopadmap -bits -inpad IBUF O:I -outpad OBUF I:O\n" if board.family == "gowin" else ""
        run_yosys(f"read_verilog pins.v\nsynth_{board.family}{flags} -top top\n{pads}write_json netlist.json\n", folder)
        (folder / CONSTRAINTS[board.family]).write_text(constraints(board))
        done = tool.run([*device(board), "--json", "netlist.json", "--pack-only", "--quiet"], folder)
    if done.returncode:
        raise PlanError(f"nextpnr does not take board {board.name}: {reason(done)}.")


def _verilog(board: Board) -> str:
    """A register that all inputs toggle, at all outputs."""
    ports = [f"{'input' if port in _INPUTS else 'output reg'} {port}" for port in board.pins]
    inputs = " ^ ".join(port for port in board.pins if port in _INPUTS and port != "clk")
    lines = [f"{port} <= {port} ^ {inputs};" for port in board.pins if port not in _INPUTS]
    return f"module top({', '.join(ports)});\nalways @(posedge clk) begin\n" + "\n".join(lines) + "\nend\nendmodule\n"
