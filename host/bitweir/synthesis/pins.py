"""Whether nextpnr knows the chip and the pins of a board, told before anything long runs."""

from __future__ import annotations

from bitweir_hw.boards import Board
from bitweir_hw.boards.top import INPUTS
from bitweir_hw.errors import PlanError, ToolError
from bitweir_hw.tools import run_yosys

from .logs import working_folder
from .nextpnr import CONSTRAINTS, NEXTPNR, constraints, device, missing, reason

__all__ = ["check_pins"]

#: A pin that floats while ``cs`` is high.
_FLOATING = {
    "ecp5": "OBZ {port}_pin(.I({value}), .T(cs), .O({port}));",
    "gowin": "TBUF {port}_pin(.I({value}), .OEN(cs), .O({port}));",
    "ice40": "SB_IO #(.PIN_TYPE(6'b1010_01)) {port}_pin(.D_OUT_0({value}), .OUTPUT_ENABLE(!cs), .PACKAGE_PIN({port}));",
}


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
    with working_folder() as folder:
        (folder / "pins.v").write_text(_verilog(board))
        flags = " -noiopads" if board.family == "gowin" else ""
        pads = "iopadmap -bits -inpad IBUF O:I -outpad OBUF I:O -ignore TBUF O\n" if board.family == "gowin" else ""
        run_yosys(f"read_verilog pins.v\nsynth_{board.family}{flags} -top top\n{pads}write_json netlist.json\n", folder)
        (folder / CONSTRAINTS[board.family]).write_text(constraints(board))
        done = tool.run([*device(board), "--json", "netlist.json", "--pack-only", "--quiet"], folder)
        if done.returncode:
            raise PlanError(f"nextpnr does not take board {board.name}: {reason(done)}.")


def _verilog(board: Board) -> str:
    """A register that all inputs toggle, at all outputs."""
    outputs = [port for port in board.pins if port not in INPUTS]
    inputs = " ^ ".join(port for port in board.pins if port in INPUTS and port != "clk")
    kinds = {port: "input" if port in INPUTS else "output reg" for port in board.pins}
    values = {port: port for port in outputs}
    lines = []
    if board.spi:
        kinds["cipo"], values["cipo"] = "output", "bit_of_cipo"
        lines = ["reg bit_of_cipo;", _FLOATING[board.family].format(port="cipo", value="bit_of_cipo")]
    ports = ", ".join(f"{kind} {port}" for port, kind in kinds.items())
    toggles = [f"{value} <= {value} ^ {inputs};" for value in values.values()]
    return "\n".join([f"module top({ports});", *lines, "always @(posedge clk) begin", *toggles, "end", "endmodule", ""])
