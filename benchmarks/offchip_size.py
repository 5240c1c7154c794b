"""What readers of weights take, and the clock that they reach on ECP5 alone (LFE5U-85F, speed grade 6).

Streams of words are folded to a bit each behind registers, as there are not enough pins.

    python benchmarks/offchip_size.py
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from bitweir.synthesis import flows
from bitweir.synthesis.nextpnr import NEXTPNR
from bitweir.synthesis.output_registers import absorb_registers
from bitweir_hw.accelerator import component_rtlil
from bitweir_hw.offchip import (
    SDRAM_PARTS,
    AxiWeightReader,
    ImageLayout,
    ReaderSpec,
    SdramSpec,
    SdramWeightReader,
    StreamedWeights,
    WishboneWeightReader,
)
from bitweir_hw.tools import run_yosys

SHOWN = ("lut", "ff", "carry", "bram", "lutram")
#: Bits of a word and words: layers as those of Bi-Real-18, of which a part is streamed.
LAYERS = ((256, 1152), (512, 2304), (128, 9216), (256, 4608))


class Folded(wiring.Component):
    """A reader with few ports: what goes in comes from shift registers, what comes out is folded to a bit."""

    def __init__(self, reader: Any) -> None:
        self.reader = reader
        self.kept = {name: member for name, member in reader.signature.members.items() if name == "pins"}
        super().__init__({"i": In(1), "o": Out(1), **self.kept})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.reader = reader = self.reader
        moved, bits = self.i, []
        for path, member, value in reader.signature.flatten(reader):
            if path[0] in self.kept:
                continue
            value = Value.cast(value)
            held = Signal(len(value), name="_".join(map(str, path)))
            if member.flow is In:
                m.d.sync += held.eq(Cat(moved, held))
                m.d.comb += value.eq(held)
                moved = held[-1]
            else:
                m.d.sync += held.eq(value)
                bits += list(held)
        while len(bits) > 1:
            folded = [Signal(name="folded") for _ in range(0, len(bits), 4)]
            m.d.sync += [bit.eq(Cat(bits[4 * n : 4 * n + 4]).xor()) for n, bit in enumerate(folded)]
            bits = folded
        m.d.comb += self.o.eq(bits[0])
        for name in self.kept:
            wiring.connect(m, getattr(reader, name), wiring.flipped(getattr(self, name)))
        return m


def measured(component: Any) -> tuple[dict[str, int], float]:
    """Cells of a component alone, and MHz that it reaches."""
    with tempfile.TemporaryDirectory(prefix="bitweir-") as name:
        folder = Path(name)
        (folder / "design.il").write_text(component_rtlil(component, name="top"))
        run_yosys(flows.script("ecp5", top="top"), folder)
        cells = flows.classify("ecp5", json.loads((folder / "stat.json").read_text())["design"]["num_cells_by_type"])
        (folder / "folded.il").write_text(component_rtlil(Folded(component), name="folded"))
        run_yosys(flows.script("ecp5", top="folded", source="folded.il", netlist="folded.json"), folder)
        # As builds for boards do.
        netlist = json.loads((folder / "folded.json").read_text())
        absorb_registers(netlist["modules"]["folded"])
        (folder / "folded.json").write_text(json.dumps(netlist))
        options = "--85k --package CABGA381 --speed 6 --freq 150 --seed 1 --lpf-allow-unconstrained --timing-allow-fail"
        files = ["--json", "folded.json", "--report", "report.json", "--quiet", "--log", "nextpnr.log"]
        done = NEXTPNR["ecp5"].run([*options.split(), *files], folder)
        assert not done.returncode, done.stderr
        report = json.loads((folder / "report.json").read_text())
        return cells, min(clock["achieved"] for clock in report["fmax"].values())


def main() -> None:
    streams = tuple(
        StreamedWeights(name=f"layer{n}", width=width, depth=depth) for n, (width, depth) in enumerate(LAYERS)
    )
    print(f"{'':<20}" + "".join(f"{name:>8}" for name in SHOWN) + f"{'MHz':>8}")
    for count in (1, 4):
        beats = ImageLayout(streams=streams[:count], beat_bytes=8, burst_beats=32)
        short = ImageLayout(streams=streams[:count], beat_bytes=2, burst_beats=128)
        spec = ReaderSpec(layout=beats, stage_levels=1)
        sdram = SdramSpec(part=SDRAM_PARTS["ulx3s-32mb"], clock=142_000_000, layout=short)
        rows = {
            "AXI4": AxiWeightReader(spec),
            "Wishbone": WishboneWeightReader(spec),
            "SDRAM": SdramWeightReader(sdram, stage_levels=1),
        }
        for name, reader in rows.items():
            cells, mhz = measured(reader)
            print(f"{f'{name}, layers: {count}':<20}" + "".join(f"{cells[key]:>8}" for key in SHOWN) + f"{mhz:>8.0f}")


if __name__ == "__main__":
    main()
