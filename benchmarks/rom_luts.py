"""LUTs of read-only memories that are too deep for one LUT a bit: what Yosys needs beside what the cost model expects.

    python benchmarks/rom_luts.py [FAMILY ...]

The words are random. Many functions of one address share LUTs, so a bit costs less in a wide memory; the table in
`bitweir_hw/resources/memories.py` has these figures for ECP5.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from amaranth.back import rtlil
from bitweir.synthesis import flows
from bitweir_hw.gateware.rom import Rom
from bitweir_hw.resources.memories import DEPTHS, WIDTHS, rom
from bitweir_hw.tools import run_yosys


def measure(family: str, depth: int, width: int) -> tuple[float, float]:
    """LUTs of a bit as mapped, and as estimated; without the counter of the address."""
    rng = np.random.default_rng([depth, width])
    words = [int.from_bytes(rng.bytes(width // 8), "little") for _ in range(depth)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        design = rtlil.convert(Rom(words=words, width=width, style="lut"), name="top", emit_src=False)
        (folder / "design.il").write_text(design)
        run_yosys(flows.script(family, top="top"), folder)
        cells = json.loads((folder / "stat.json").read_text())["modules"]["\\top"]["num_cells_by_type"]
    expected = rom(lambda: words, depth, width, family, style="lut").luts
    counter = sum(expected.values()) - expected["deep rom"]
    return (flows.classify(family, cells)["lut"] - counter) / width, expected["deep rom"] / width


def main() -> None:
    for family in sys.argv[1:] or ("ecp5",):
        print(f"{family}: LUTs a bit, measured / estimated (ratio)")
        for width in WIDTHS:
            for depth in DEPTHS:
                real, guess = measure(family, depth, width)
                print(f"{depth:4} x {width:5}  {real:.3f} / {guess:.3f} ({guess / real:.2f})", flush=True)


if __name__ == "__main__":
    main()
