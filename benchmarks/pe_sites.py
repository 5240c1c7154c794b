"""Prints LUT sites per lane of one whole processing element, on four FPGA families.

A lane is one input bit and its weight. Whole means XNOR, popcount, accumulator (11 bits) and
threshold preset; inputs and weights are ports, and there are no pipeline registers. Every mapped
netlist is evaluated on random and extreme vectors against Python.

    python benchmarks/pe_sites.py [--quick] [--family ecp5] [--simd 8 64 256] [--bits 2 4 8]

- best: the style that `STYLE` names for the family, with the recipe of `bitweir.synthesis.flows`.
- portable: style "fused", same recipe.
- naive: a sum of XNOR bits, an accumulator that is cleared, and a comparison with the threshold;
  Yosys' recipe for the family with default options.
- prototype: what first prototypes of the same circuits took, in the same order; "-" where it has none.

Then the same for 32 inputs of more bits, with the best style: counted bit by bit, or added as words.
The accumulator has as many bits more as an input has, and the last column is what gets built.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from amaranth.back import rtlil
from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from bitweir.synthesis import flows
from bitweir_hw.popcount import STYLE, DotPlan, DotProduct, Popcount, plan_as
from bitweir_hw.popcount.elements import ProcessingElements
from bitweir_hw.tools import run_yosys

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.netlist_eval import Netlist

WIDTH = 11
_SIMDS = (8, 16, 32, 64, 128, 256)
# Best, portable, naive; the naive Gowin numbers there are with -nowidelut.
PROTOTYPE: dict[str, tuple[tuple[int | None, ...], ...]] = {
    "ecp5": ((26, 40, 66, 116, 214, 410), (40, 61, 99, 173, 319, 609), (69, 96, 225, 392, 657, 1379)),
    "ice40": ((None,) * 6, (36, 54, 90, 162, 306, 594), (57, 79, 125, 218, 401, 754)),
    "gowin": ((39, 58, 95, 168, 313, 603), (39, 58, 95, 168, 313, 603), (47, 69, 114, 208, 386, 743)),
    "xilinx": (
        (None, None, 62, 111, 208, 403),
        (None, None, 70, 125, 238, 464),
        (None, None, 92, 165, 326, 622),
    ),
}


@dataclass(frozen=True, kw_only=True)
class Forced(DotProduct):
    """A dot product that is built as told."""

    words: bool

    def plan(self, popcount: Popcount) -> DotPlan:
        return plan_as(self, popcount.style, popcount.levels_per_stage, self.words)


class Naive(wiring.Component):
    """What one would write first: a sum, an accumulator that is cleared, a comparison."""

    def __init__(self, simd: int) -> None:
        self.simd = simd
        super().__init__(
            {"x": In(simd), "w": In(simd), "valid": In(1), "first": In(1), "preset": In(signed(WIDTH)), "o": Out(1)}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        acc = Signal(signed(WIDTH), reset_less=True)
        with m.If(self.valid):
            m.d.sync += acc.eq(Mux(self.first, 0, acc) + sum(~(self.x ^ self.w)))  # type: ignore[arg-type]
        m.d.comb += self.o.eq(acc >= self.preset)
        return m


def synthesise(component: wiring.Component, family: str, script: str, folder: Path) -> int:
    """LUT sites of a component; the netlist is left in the folder."""
    (folder / "design.il").write_text(rtlil.convert(component, name="top"))
    run_yosys(script, folder)
    module = json.loads((folder / "netlist.json").read_text())["modules"]["top"]
    cells = Counter(cell["type"] for cell in module["cells"].values())
    return flows.sites(family, cells, lone=flows.lone_carries(family, module))


def mismatches(folder: Path, simd: int, *, naive: bool = False, bits: int = 1, vectors: int = 256) -> int:
    """Vectors for which the netlist differs from Python, over three beats."""
    rng = random.Random(simd)
    top, size, width = (1 << bits) - 1, simd * bits, WIDTH + bits - 1
    netlist = Netlist(folder / "netlist.json", "top", vectors)

    def word(size: int) -> int:
        return rng.choice((0, (1 << size) - 1, 1 << rng.randrange(size), rng.getrandbits(size), rng.getrandbits(size)))

    def dot(x: int, w: int) -> int:
        if bits == 1:
            return (~(x ^ w) & (1 << simd) - 1).bit_count()
        codes = ((x >> s * bits & top, w >> s & 1) for s in range(simd))
        return sum(code if positive else top - code for code, positive in codes)

    accs = [0] * vectors
    # Near the count, so that comparisons go either way.
    presets = [rng.randrange(3 * simd) for _ in range(vectors)]
    for beat in range(3):
        xs = [word(size) for _ in range(vectors)]
        ws = [x % (1 << simd) ^ word(simd) for x in xs]
        for port, values in {"x": xs, "w": ws, "preset": presets}.items():
            netlist.set(port, values)
        netlist.set("valid", [1] * vectors)
        netlist.set("first", [beat == 0] * vectors)
        netlist.tick()
        for n in range(vectors):
            start = (0 if naive else presets[n]) if beat == 0 else accs[n]
            accs[n] = start + dot(xs[n], ws[n])
    if naive:
        return sum(got != (acc >= preset) for got, acc, preset in zip(netlist.get("o"), accs, presets, strict=True))
    return sum(got != acc % (1 << width) for got, acc in zip(netlist.get("acc"), accs, strict=True))


_NAIVE = {
    "ecp5": "synth_ecp5 -top top",
    "ice40": "synth_ice40 -top top",
    "gowin": "synth_gowin -top top -noiopads",
    "xilinx": "synth_xilinx -top top -flatten -noiopad -noclkbuf",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="SIMD 8 and 64, without the naive column")
    parser.add_argument("--family", choices=flows.FAMILIES, nargs="*", default=flows.FAMILIES)
    parser.add_argument("--simd", type=int, nargs="*", default=_SIMDS)
    parser.add_argument("--bits", type=int, nargs="*", default=(2, 4, 8))
    options = parser.parse_args()
    print("family  SIMD   best        portable    naive       mismatches  prototype best/portable/naive  seconds")
    for family in options.family:
        for simd in (8, 64) if options.quick else options.simd:
            start = time.monotonic()
            columns, wrong = [], []
            script = flows.script(family, top="top")
            variants = [(STYLE[family], script), ("fused", script), (None, _NAIVE[family])]
            for style, commands in variants[: 2 if options.quick else 3]:
                if style is None:
                    commands = f"read_rtlil design.il\n{commands}\nwrite_json netlist.json\n"
                    component: wiring.Component = Naive(simd)
                else:
                    popcount = Popcount(style=style, levels_per_stage=0)
                    component = ProcessingElements(pe=1, dot=DotProduct(simd=simd), width=WIDTH, popcount=popcount)
                with tempfile.TemporaryDirectory(dir=".") as name:
                    sites = synthesise(component, family, commands, Path(name))
                    wrong.append(mismatches(Path(name), simd, naive=style is None))
                columns.append(f"{sites:4} ({sites / simd:.2f}) ")
            cited = "/".join(
                str(row[_SIMDS.index(simd)] or "-") if simd in _SIMDS else "-" for row in PROTOTYPE[family]
            )
            print(
                f"{family:7} {simd:4}   {' '.join(columns)} {'+'.join(map(str, wrong)):10}  {cited:25} "
                f"{time.monotonic() - start:7.0f}",
                flush=True,
            )
    print("\nfamily  bits   counted     as words    mismatches  planned          built")
    for family in options.family:
        for bits in (4,) if options.quick else options.bits:
            print(f"{family:7} {bits:4}   {more_bits(family, bits)}", flush=True)


def more_bits(family: str, bits: int, simd: int = 32) -> str:
    """A row of the second table."""
    popcount = Popcount(style=STYLE[family], levels_per_stage=0)
    columns, wrong, planned = [], [], []
    for words in (False, True):
        dot = Forced(simd=simd, bits=bits, words=words)
        component = ProcessingElements(pe=1, dot=dot, width=WIDTH + bits - 1, popcount=popcount)
        with tempfile.TemporaryDirectory(dir=".") as name:
            sites = synthesise(component, family, flows.script(family, top="top"), Path(name))
            wrong.append(mismatches(Path(name), simd, bits=bits))
        columns.append(f"{sites:4} ({sites / simd:.2f}) ")
        planned.append(f"{dot.plan(popcount).cost / simd:.2f}")
    built = "as words" if DotProduct(simd=simd, bits=bits).plan(popcount).words else "counted"
    return f"{' '.join(columns)} {'+'.join(map(str, wrong)):10}  {' '.join(planned):15}  {built}"


if __name__ == "__main__":
    main()
