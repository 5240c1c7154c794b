"""What the device's end of the link takes: LUT sites mapped by Yosys, and with --route the routed clock.

The accelerator is replaced by wires: what goes in as a frame of 64 bits comes back as the score of one class. Both go
through a crossing to and from another clock, as on a board.

    python benchmarks/link_size.py [--route] [--family ice40]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any

from amaranth.back import rtlil
from amaranth.hdl import DomainRenamer, Elaboratable, Module
from amaranth.lib import wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import In, Out
from bitweir.synthesis import flows
from bitweir_hw.blocks import ArgmaxSpec
from bitweir_hw.blocks.pipeline import Node, Pipeline, Stream
from bitweir_hw.link.crossing import Crossing
from bitweir_hw.link.endpoint import Endpoint
from bitweir_hw.link.protocol import Identity
from bitweir_hw.link.uart import UartReceiver, UartTransmitter
from bitweir_hw.parts import PARTS
from bitweir_hw.tools import run_yosys

CLOCK, BAUD, CAPACITY = 12_000_000, 115_200, 512
BEAT, CLASSES, SCORE_BITS = 64, 10, 10
ROUTES = {
    "ice40 UP5K": ("ice40", ["--up5k", "--package", "sg48"]),
    "ice40 HX8K": ("ice40", ["--hx8k", "--package", "ct256"]),
    "ecp5 85k-6": ("ecp5", ["--85k", "--package", "CABGA381", "--speed", "6", "--lpf-allow-unconstrained"]),
}


def ends() -> Pipeline:
    """An accelerator of wires."""
    block = ArgmaxSpec(name="argmax", layer="argmax", classes=CLASSES, lanes=1, lane_bits=SCORE_BITS)
    common: dict[str, Any] = {"vectors": 1, "signed": False}
    first = Stream(name="i", layer="input", length=BEAT, lanes=BEAT, lane_bits=1, **common)
    last = Stream(name="argmax", layer="argmax", length=CLASSES, lanes=1, lane_bits=SCORE_BITS, **common)
    return Pipeline(nodes=(Node(block=block, inputs=(0,), outputs=(1,)),), streams=(first, last))


class Loop(wiring.Component):
    """The link, from pins to pins."""

    def __init__(self) -> None:
        super().__init__({"rx": In(1), "tx": Out(1), "busy": Out(1), "dropped": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        noise = sha256(b"bitweir").digest()
        identity = Identity.of(
            ends(), capacity=CAPACITY, clock=CLOCK, cycles=100, latency=300, digest=noise, plan=noise[::-1]
        )
        link = Endpoint(ends(), identity)
        receiver = UartReceiver(clock=CLOCK, baud=BAUD)
        transmitter = UartTransmitter(clock=CLOCK, baud=BAUD)
        for name, part in {"link": link, "receiver": receiver, "transmitter": transmitter}.items():
            m.submodules[name] = DomainRenamer("link")(part)
        m.submodules.frames = frames = Crossing(BEAT, i_domain="link", o_domain="sync")
        m.submodules.results = results = Crossing(link.spec.o_bits, i_domain="sync", o_domain="link")
        wiring.connect(m, link.frames, frames.i)
        wiring.connect(m, results.o, link.results)
        wiring.connect(m, receiver.o, link.i)
        wiring.connect(m, link.o, transmitter.i)
        m.d.comb += [
            receiver.rx.eq(self.rx),
            self.tx.eq(transmitter.tx),
            self.busy.eq(link.busy),
            self.dropped.eq(link.dropped | receiver.error),
            results.i.payload.eq(frames.o.payload),
            results.i.valid.eq(frames.o.valid),
            frames.o.ready.eq(results.i.ready),
        ]
        return m


class CheckSum(wiring.Component):
    """A CRC-32 of so many bits a cycle."""

    def __init__(self, bits: int) -> None:
        self.bits = bits
        super().__init__({"data": In(bits), "valid": In(1), "start": In(1), "match": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.crc = crc = CRC32_ISO_HDLC(self.bits).create()
        m.d.comb += [
            crc.data.eq(self.data),
            crc.valid.eq(self.valid),
            crc.start.eq(self.start),
            self.match.eq(crc.match_detected),
        ]
        return m


def mapped(design: Elaboratable, family: str, folder: Path) -> dict[str, int]:
    """Cells by class, and LUT sites; the netlist stays in the folder."""
    (folder / "design.il").write_text(rtlil.convert(design, name="top"))
    run_yosys(flows.script(family, top="top"), folder)
    cells = json.loads((folder / "stat.json").read_text())["design"]["num_cells_by_type"]
    module = json.loads((folder / "netlist.json").read_text())["modules"]["top"]
    lone = flows.lone_carries(family, module)
    return {**flows.classify(family, cells), "sites": flows.sites(family, cells, lone=lone)}


def route(family: str, part: list[str], folder: Path) -> tuple[float, int]:
    """Fmax in MHz, and logic cells."""
    tool = f"yowasp_nextpnr_{family}"
    subprocess.run(
        [
            sys.executable, "-c", f"import sys, {tool}; sys.exit({tool}.run_nextpnr_{family}(sys.argv[1:]))", *part,
            *("--json", "netlist.json", "--report", "report.json", "--freq", "200", "--timing-allow-fail", "--quiet"),
        ],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    report = json.loads((folder / "report.json").read_text())
    cells = {kind: entry["used"] for kind, entry in report["utilization"].items()}
    (fmax,) = (entry["achieved"] for clock, entry in report["fmax"].items() if "link_clk" in clock)
    return fmax, cells.get("ICESTORM_LC") or cells["TRELLIS_COMB"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--family", choices=flows.FAMILIES)
    parser.add_argument("--route", action="store_true")
    options = parser.parse_args()
    luts = PARTS["ice40-up5k"].luts
    print("family   LUT sites    FF  block RAMs  with check sums of a byte a cycle")
    with tempfile.TemporaryDirectory(dir=".") as name:
        folder = Path(name)
        for family in flows.FAMILIES:
            if options.family in (None, family):
                bit, byte = (mapped(CheckSum(bits), family, folder)["sites"] for bits in (1, 8))
                found = mapped(Loop(), family, folder)
                sites = found["sites"]
                share = f"  ({sites / luts:.1%} of an UP5K)" if family == "ice40" else ""
                more = sites + 2 * (byte - bit)
                print(
                    f"{family:8} {sites:9} {found['ff']:5} {found['bram']:11}  {more} ({more / sites:.2f}){share}",
                    flush=True,
                )
        if options.route:
            print("part        Fmax MHz  logic cells")
            for label, (family, part) in ROUTES.items():
                if options.family in (None, family):
                    mapped(Loop(), family, folder)
                    fmax, cells = route(family, part, folder)
                    print(f"{label:10} {fmax:9.1f} {cells:12}", flush=True)


if __name__ == "__main__":
    main()
