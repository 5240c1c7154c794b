"""Clock cycles a second of every simulator on one unit, in one run, as ratios.

The unit is 832 -> 256 neurons with SIMD 64 and PE 16: 1024 lanes, 208 cycles a vector. All runs
must give the same trace. CPU seconds are used throughout: machines are shared.

Run: python benchmarks/simulation_speed.py [--style fused]
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.back import rtlil
from bitweir_hw.blocks import MatVecSpec
from bitweir_hw.blocks.matvec.gateware import MatVec
from bitweir_hw.popcount import STYLES, Popcount
from bitweir_hw.tools import run_yosys
from bitweir_sim.simulators.amaranth import run_amaranth
from bitweir_sim.simulators.cocotb import available, build, run_cocotb
from bitweir_sim.simulators.compiled import compile_design
from bitweir_sim.trace import Trace, check_trace


def cpu() -> float:
    """CPU seconds of this process and its children."""
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in usage)


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    start = cpu()
    result = work()
    return result, cpu() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--style", default="fused", choices=STYLES, help="how the popcount is built")
    style = parser.parse_args().style
    rng = np.random.default_rng(0)
    spec = MatVecSpec(
        name="fc",
        layer="fc",
        weights=rng.integers(0, 2, (1, 256, 832)).astype(bool),
        initial_accumulators=np.full((1, 1, 256), -416),
        threshold=True,
        pe=16,
        simd=64,
        acc_bits=11,
        popcount=Popcount(style=style),
    )
    vectors = {"amaranth": 20, "icarus": 20, "verilator": 100, "compiled": 5000}
    beats = rng.integers(0, 2**64, size=(13 * max(vectors.values()), 1), dtype=np.uint64)

    def limits(engine: str) -> dict[str, int]:
        return {"expected_outputs": 16 * vectors[engine], "max_cycles": 10**9, "drain": 0}

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["BITWEIR_CACHE_DIR"] = str(folder / "cache")
        (folder / "unit.il").write_text(rtlil.convert(MatVec(spec), name="unit"))
        run_yosys("read_rtlil unit.il\nwrite_verilog -noattr unit.v\n", folder)
        rows: list[tuple[str, Trace, float, float]] = []
        rows.append(
            ("Amaranth", *timed(lambda: run_amaranth(MatVec(spec), beats, **limits("amaranth"))), 0.0),
        )
        for simulator in ("icarus", "verilator"):
            if missing := available(simulator):
                print(missing)
                continue
            _, built = timed(lambda s=simulator: build([folder / "unit.v"], top="unit", simulator=s))
            settings = {"top": "unit", "simulator": simulator, "i_bits": 64, **limits(simulator)}
            # Starting a simulator and cocotb takes its time too, which is not the speed.
            _, start = timed(
                lambda s=settings: run_cocotb([folder / "unit.v"], beats=beats, **{**s, "expected_outputs": 0})
            )
            trace, seconds = timed(lambda s=settings: run_cocotb([folder / "unit.v"], beats=beats, **s))
            rows.append((f"cocotb, {simulator}", trace, seconds - start, built))
        for backend in ("cxxrtl", "verilator"):
            if backend == "verilator" and available("verilator"):
                continue
            design, built = timed(lambda b=backend: compile_design(folder / "unit.il", top="unit", backend=b))
            rows.append((f"compiled, {backend}", *timed(lambda d=design: d.run(beats, **limits("compiled"))), built))
    fastest = rows[-2][1]
    base = rows[0][1].cycles_run / rows[0][2]
    print(f"{'simulator':<22}{'kcycles/s':>12}{'ratio':>8}{'build, CPU s':>14}")
    for label, trace, seconds, built in rows:
        end = trace.cycles_run
        check_trace(fastest.before(end), trace)
        speed = end / seconds
        print(f"{label:<22}{speed / 1e3:>12.1f}{speed / base:>8.1f}{built:>14.1f}")


if __name__ == "__main__":
    main()
