"""The fastest plans of large networks on an ECP5-85, and their estimates beside what Yosys makes of them.

Prints how long the search took, how far from the best the plan can be, frames/s at 100 MHz, block RAMs beside those
of the part, and LUTs, LUT sites and flip-flops as estimated and as measured.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from bitweir.design import Design, DesignFolder
from bitweir.planning import PlanRequest, choose
from bitweir.synthesis.measure import synthesise
from bitweir_hw.cost import estimate_pipeline, fmax
from bitweir_hw.parts import PARTS
from bitweir_sim.time.sizing import fit_depths
from support.shared_data import DATA, bnn_npz

PART, CLOCK = "ecp5-85k", 100e6


def measure(name: str) -> None:
    network = bnn_npz(DATA / f"models/{name}.npz")
    part = PARTS[PART]
    started = time.perf_counter()
    choice = choose(network, PlanRequest(clock=CLOCK, part=PART, goal="fps"))
    searched = time.perf_counter() - started
    plan = fit_depths(network, choice.plan)
    fitted = time.perf_counter() - started - searched
    assert choice.search
    bound, cycles = choice.search.bound, choice.search.cycles
    with tempfile.TemporaryDirectory() as folder:
        build = DesignFolder(folder=Path(folder), design=Design(network=network, plan=plan))
        found = synthesise(build, part.family)
    estimate = estimate_pipeline(build.pipeline, part.family)[1]
    print(f"{name} on {part.name}: folding {','.join(map(str, plan.foldings))}")
    print(f"search       {searched:.1f} s; FIFO depths {fitted:.1f} s; Yosys {found.seconds:.0f} s")
    print(f"cycles       {cycles:,} a frame in the search, {float(build.timing.interval):,.6g} in the cycle model;"
          f" bound {bound:,.0f}, ratio {cycles / bound:.3f}")  # fmt: skip
    print(f"frames/s     {CLOCK / float(build.timing.interval):,.0f} at {CLOCK / 1e6:g} MHz;"
          f" estimated Fmax {fmax(build.pipeline, part.name) / 1e6:.0f} MHz")  # fmt: skip
    for title, key, limit in (
        ("LUTs", "lut", 0), ("LUT sites", "sites", part.luts), ("FFs", "ff", part.ffs),
        ("block RAMs", "bram", part.block_rams),
    ):  # fmt: skip
        guess, real = getattr(estimate, key), getattr(found.total, key)
        share = f", {real / limit:.1%} of {limit:,}" if limit else ""
        print(f"{title:12} {guess:,} estimated / {real:,} measured, ratio {guess / real:.3f}{share}")
    print()


def main() -> None:
    if not DATA.is_dir():
        sys.exit(f"This benchmark needs {DATA}.")
    for name in sys.argv[1:] or ("cnvW1A1_cifar10", "lfcW1A1_mnist"):
        measure(name)


if __name__ == "__main__":
    main()
