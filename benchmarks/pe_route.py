"""Routes arrays of processing elements and prints their clock.

An array sits in a harness that shifts its inputs in and its outputs out, so that pins do not bind;
registers surround it on all sides.

    python benchmarks/pe_route.py [--quick] [--seeds 1 2 3]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from amaranth.back import rtlil
from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from bitweir.synthesis import flows
from bitweir_hw.popcount import DotProduct, Popcount
from bitweir_hw.popcount.elements import ProcessingElements
from bitweir_hw.tools import run_yosys

_NEXTPNR = {
    "ecp5": ["--85k", "--package", "CABGA381", "--speed", "6", "--lpf-allow-unconstrained"],
    "ice40": ["--hx8k", "--package", "ct256"],
}


class Harness(wiring.Component):
    """Shift registers in front of the inputs, and one that takes the accumulators out."""

    def __init__(self, elements: ProcessingElements) -> None:
        self.elements = elements
        super().__init__({"i": In(1), "load": In(1), "o": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.elements = elements = self.elements
        inputs = Cat(elements.x, elements.w, elements.preset, elements.valid, elements.first)
        shift = Signal(len(inputs))
        m.d.sync += shift.eq(Cat(self.i, shift))
        m.d.comb += inputs.eq(shift)
        # Shift and XOR share the LUT in front of each flip-flop.
        out = Signal(len(elements.acc))
        m.d.sync += out.eq(Cat(out[1:], self.load) ^ elements.acc)
        m.d.comb += self.o.eq(out[0])
        return m


@dataclass(frozen=True)
class Case:
    """What to route."""

    family: str
    style: str
    pe: int
    simd: int
    levels_per_stage: int
    width: int = 11


CASES = (
    Case("ecp5", "ecp5", 8, 64, 1),
    Case("ecp5", "ecp5", 8, 64, 2),
    Case("ecp5", "fused", 8, 64, 1),
    Case("ice40", "tree", 4, 64, 1),
    Case("ice40", "tree", 4, 64, 2),
    Case("ice40", "tree", 4, 64, 0),
)


def route(case: Case, folder: Path, seed: int, limit: int) -> tuple[float, dict[str, int], float] | None:
    """Fmax in MHz, cells used, seconds; None if it did not end in time."""
    start = time.monotonic()
    tool = f"yowasp_nextpnr_{case.family}"
    command = [sys.executable, "-c", f"import sys, {tool}; sys.exit({tool}.run_nextpnr_{case.family}(sys.argv[1:]))"]
    options = [*_NEXTPNR[case.family], "--json", "netlist.json", "--report", "report.json", "--freq", "250"]
    try:
        done = subprocess.run(
            [*command, *options, "--timing-allow-fail", "--seed", str(seed)],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=limit,
        )
    except subprocess.TimeoutExpired:
        return None
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    report = json.loads((folder / "report.json").read_text())
    (clock,) = report["fmax"].values()
    used = {kind: entry["used"] for kind, entry in report["utilization"].items() if entry["used"]}
    return clock["achieved"], used, time.monotonic() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="the first case of each family only")
    parser.add_argument("--seeds", type=int, nargs="*", default=[1])
    parser.add_argument("--limit", type=int, default=180, help="seconds for one place-and-route run")
    parser.add_argument("--family", choices=list(_NEXTPNR))
    options = parser.parse_args()
    seen = set()
    print("family style  P x S   levels/stage seed  Fmax MHz  logic cells     FF  seconds")
    for case in CASES:
        if options.family not in (None, case.family) or (options.quick and case.family in seen):
            continue
        seen.add(case.family)
        with tempfile.TemporaryDirectory(dir=".") as name:
            folder = Path(name)
            popcount = Popcount(style=case.style, levels_per_stage=case.levels_per_stage)
            dot = DotProduct(simd=case.simd)
            elements = ProcessingElements(pe=case.pe, dot=dot, width=case.width, popcount=popcount)
            (folder / "design.il").write_text(rtlil.convert(Harness(elements), name="top"))
            run_yosys(flows.script(case.family, top="top"), folder)
            for seed in options.seeds:
                result = route(case, folder, seed, options.limit)
                label = f"{case.family:6} {case.style:6} {case.pe} x {case.simd:3} {case.levels_per_stage:9} {seed:8}"
                if result is None:
                    print(f"{label}  did not route in {options.limit} s", flush=True)
                    continue
                fmax, used, seconds = result
                cells = used.get("TRELLIS_COMB") or used.get("ICESTORM_LC")
                print(f"{label} {fmax:9.1f} {cells:11} {used.get('TRELLIS_FF', '-'):>6} {seconds:8.0f}", flush=True)


if __name__ == "__main__":
    main()
