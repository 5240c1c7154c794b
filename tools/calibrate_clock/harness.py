"""An accelerator with three pins, and the chips that it is routed on.

The link of a board would bring paths and a clock of its own; here shift registers bring the input, and one takes the
output away, so that what nextpnr finds longest is in the accelerator.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from amaranth.back import rtlil
from amaranth.hdl import Cat, ClockDomain, ClockSignal, Const, Module, ResetSignal, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from bitweir.synthesis import route as routing
from bitweir.synthesis.nextpnr import CONSTRAINTS, NEXTPNR, constraints, device, in_parts, placing
from bitweir.synthesis.paths import longest_path
from bitweir_hw.accelerator import Accelerator
from bitweir_hw.blocks.pipeline import Pipeline
from bitweir_hw.boards import BOARDS, Board
from bitweir_hw.cost import estimate_pipeline, fmax
from bitweir_hw.cost.speed import longest
from bitweir_hw.parts import PARTS

__all__ = ["CHIPS", "Routed", "key_of", "paths_of", "route", "text_of"]

_ULX3S = BOARDS["ulx3s_85f"]
#: Boards, and others with more of the parts: ULX3S has three sizes of FPGA with the same pins. Only the pins of clock,
#: input and output count here.
CHIPS: dict[str, Board] = {
    **BOARDS,
    "ulx3s_25f": replace(
        _ULX3S, name="ulx3s_25f", part=PARTS["ecp5-25k"], variant="", device="LFE5U-25F-6BG381C"
    ),
    "ulx3s_45f": replace(
        _ULX3S, name="ulx3s_45f", part=PARTS["ecp5-45k"], variant="", device="LFE5U-45F-6BG381C"
    ),
    "hx8k": BOARDS["hx8k_breakout"],
}  # fmt: skip
_TOP, _PINS = "top", ("clk", "rx", "tx")
#: How much faster than expected the router is to make a design.
_AIM = 1.2


class _Shell(wiring.Component):
    """The accelerator between a shift register that makes beats and one that takes results away."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        super().__init__({"rx": In(1), "tx": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.accelerator = accelerator = Accelerator(self.pipeline)
        # Accelerators in parts are all over the chip, and a reset of their ends would cross it. A link is at its end.
        apart = in_parts(self.pipeline)
        arriving = Signal(len(accelerator.i.payload) + 1, reset_less=apart)
        m.d.sync += arriving.eq(Cat(self.rx, arriving))
        beat = Signal(len(accelerator.i.payload), reset_less=True)
        valid = Signal()
        with m.If(~valid | accelerator.i.ready):
            m.d.sync += [beat.eq(arriving), valid.eq(arriving[-1])]
        m.d.comb += [accelerator.i.payload.eq(beat), accelerator.i.valid.eq(valid)]
        result = Signal(len(accelerator.o.payload), reset_less=True)
        leaving = Signal.like(result, reset_less=apart)
        take, ready = Signal(), Value.cast(self.rx)
        if apart:
            ready = Signal(name="near")
            m.d.sync += ready.eq(self.rx)
        m.d.sync += [take.eq(ready), result.eq(accelerator.o.payload)]
        # Shift and XOR share the LUT in front of each flip-flop.
        m.d.sync += leaving.eq(Cat(leaving[1:], Const(0, 1)) ^ result)
        m.d.comb += [accelerator.o.ready.eq(take), self.tx.eq(leaving[0])]
        return m


class _Harness(wiring.Component):
    """A shell with a clock, and a reset after power-on."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        super().__init__({"clk": In(1), "rx": In(1), "tx": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.domains.start = start = ClockDomain(reset_less=True)
        m.domains.sync = ClockDomain()
        m.d.comb += [start.clk.eq(self.clk), ClockSignal("sync").eq(self.clk)]
        waited = Signal(5)
        reset = Signal(init=1)
        with m.If(~waited[-1]):
            m.d.start += waited.eq(waited + 1)
        m.d.start += reset.eq(~waited[-1])
        m.d.comb += ResetSignal("sync").eq(reset)
        # Where a design for a board has it, so that blocks bear the same names.
        m.submodules.device = shell = _Shell(self.pipeline)
        rx = Signal()
        m.d.sync += rx.eq(self.rx)
        m.d.comb += [shell.rx.eq(rx), self.tx.eq(shell.tx)]
        return m


@dataclass(frozen=True, kw_only=True)
class Routed:
    """What nextpnr made of an accelerator.

    Parameters
    ----------
    mhz : float
        Fmax.
    start, end : str
        Blocks in which the longest path begins and ends.
    logic, wires : float
        Nanoseconds of it.
    cells : dict
        In use, by kind.
    seconds : float
        It took to synthesise and route.
    """

    mhz: float
    start: str
    end: str
    logic: float
    wires: float
    cells: dict[str, int]
    seconds: float


def text_of(pipeline: Pipeline) -> str:
    """The accelerator with its harness in RTLIL, with the top module ``top``."""
    text: str = rtlil.convert(_Harness(pipeline), name=_TOP, emit_src=False)
    return text


def key_of(text: str, chip: Board) -> str:
    """What a result depends on: the design, and the tool."""
    tool = NEXTPNR[chip.family]
    return hashlib.sha256(f"{text}{device(chip)}{tool.version}{_AIM}".encode()).hexdigest()


def paths_of(pipeline: Pipeline, family: str) -> dict[str, Any]:
    """What an estimate is made of: block RAMs of the design, and the paths of each block."""
    return {
        "block_rams": estimate_pipeline(pipeline, family)[1].bram,
        "blocks": {block.name: [asdict(path) for path in longest(block, family)] for block in pipeline.blocks},
    }


def route(pipeline: Pipeline, text: str, chip: Board) -> Routed:
    """Synthesise an accelerator as a design for a board is, and route it with seed 1.

    Raises
    ------
    RuntimeError
        nextpnr failed.
    """
    started = time.perf_counter()
    layers = {block.name: block.layer for block in pipeline.blocks}
    tool = NEXTPNR[chip.family]
    with tempfile.TemporaryDirectory(prefix="bitweir-") as work:
        folder = Path(work)
        signals = routing._synthesise(text, chip, layers, folder)[1]
        lines = constraints(chip).splitlines(keepends=True)
        kept = [line for line in lines if re.search(rf"\b({'|'.join(_PINS)})\b", line)]
        (folder / CONSTRAINTS[chip.family]).write_text("".join(kept))
        aim = fmax(pipeline, chip.part_name) * _AIM / 1e6
        placer = placing(chip.family, in_parts=in_parts(pipeline))
        done = tool.run(
            [
                *device(chip), *placer, "--seed", "1", "--freq", f"{aim:.3f}", "--json", "netlist.json", "--report",
                "report.json", "--timing-allow-fail", "--quiet", "--log", "nextpnr.log",
            ],
            folder,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{tool.title} failed: {(done.stderr or done.stdout)[-500:]}")
        report = json.loads((folder / "report.json").read_text())
    inner = [
        path["path"] for path in report["critical_paths"] if path["from"] == path["to"] and "async" not in path["from"]
    ]
    steps = max(inner, key=lambda path: sum(step["delay"] for step in path))
    path = longest_path(steps, layers, signals)
    return Routed(
        mhz=round(min(entry["achieved"] for entry in report["fmax"].values()), 3),
        start=path.start.block,
        end=path.end.block,
        logic=path.logic_ns,
        wires=path.routing_ns,
        cells={kind: cells["used"] for kind, cells in report["utilization"].items() if cells["used"]},
        seconds=round(time.perf_counter() - started, 1),
    )
