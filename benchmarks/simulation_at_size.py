"""Whole accelerators in compiled simulation: what building takes, and clock cycles a second, against Verilator.

Verilator has a main of its own, the same RTL and -O2; both begin with an empty cache. The outputs and the cycles of
all beats must be equal. CPU seconds are used throughout: machines are shared.

Run: python benchmarks/simulation_at_size.py [--networks lfcW1A1_mnist,cnvW1A1_cifar10] [--backends direct,verilator]
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from bitweir_hw.accelerator import accelerator_rtlil
from bitweir_hw.lower import lower
from bitweir_sim.simulators.compiled import compile_design
from bitweir_sim.time.sizing import fit_depths
from bitweir_sim.trace import Trace
from generate import DATA, NETWORKS, bnn_npz, plan_from_foldings
from simulation_speed import timed

#: Frames that are simulated: some 10**6 clock cycles.
FRAMES = {"lfcW1A1_mnist": 2000, "cnvW1A1_cifar10": 20}


def measure(name: str, backends: list[str]) -> None:
    network = bnn_npz(DATA / f"models/{name}.npz")
    pipeline = lower(network, fit_depths(network, plan_from_foldings(network, NETWORKS[name])))
    text = accelerator_rtlil(pipeline, name="design")
    frames = FRAMES[name]
    rng = np.random.default_rng(0)
    runs: dict[str, Trace] = {}
    speeds: dict[str, float] = {}
    for backend in backends:
        with tempfile.TemporaryDirectory() as folder:
            os.environ["BITWEIR_CACHE_DIR"] = str(Path(folder) / "cache")
            design, built = timed(lambda b=backend: compile_design(text, top="design", backend=b))
            if not runs:
                shape = pipeline.input.beats * frames, -(-design.i_bits // 64)
                beats = rng.integers(0, 2**64, size=shape, dtype=np.uint64)
                if design.i_bits % 64:
                    beats[:, -1] &= np.uint64((1 << design.i_bits % 64) - 1)
            limits: dict[str, Any] = {"expected_outputs": frames * pipeline.output.beats, "max_cycles": 10**9}
            runs[backend], seconds = timed(lambda d=design, b=beats, v=limits: d.run(b, **v))
        first, trace = runs[backends[0]], runs[backend]
        assert trace.cycles_run == first.cycles_run
        assert np.array_equal(trace.o.cycles, first.o.cycles) and np.array_equal(trace.o.payloads, first.o.payloads)
        speeds[backend] = trace.cycles_run / seconds
        ratio = speeds[backends[0]] / speeds[backend]
        print(
            f"{name:<18}{backend:<10}{built:>8.1f} CPU s to build{trace.cycles_run:>10,} cycles"
            f"{speeds[backend] / 1e3:>8.0f} kcycles/s{ratio:>7.2f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", default=",".join(FRAMES))
    parser.add_argument("--backends", default="direct,verilator", help="speeds are told as ratios to the first")
    arguments = parser.parse_args()
    for name in arguments.networks.split(","):
        measure(name, arguments.backends.split(","))


if __name__ == "__main__":
    main()
