"""Bi-Real-18 at 224x224 and VGG-16 from network files to Verilog with streamed weights: CPU seconds, memory, frames/s.

    python benchmarks/large_networks.py [bireal18 | vgg] [pixels]

The plan has the fewest lanes for a frame rate; weights of layers with more than 40,000 bits come from outside the chip,
and up to eight pixels of a row share them. Limits: from the file to Verilog 3 minutes of CPU time and 4 GiB. Frames/s
are those of the cycle model at 50 MHz: with the SDRAM of ULX3S at 142.8 MHz (96.2 % of 285.6 MB/s, see
`docs/outside-memory.md`), and with a memory of 12.8 GB/s. Last the estimate for ECP5, beside what an LFE5U-85F has.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import bitweir
from bitweir.design import Design
from bitweir.planning import PlanRequest, choose
from bitweir.weight_memory import WeightMemory
from bitweir_hw.cost import estimate_pipeline
from bitweir_hw.files import save_network
from bitweir_hw.lower import lower
from bitweir_hw.memory import STREAM
from bitweir_hw.network import Network
from bitweir_hw.parts import PARTS
from bitweir_hw.plan import Plan, weighted
from support.imagenet import bireal18, vgg

SECONDS, GIB = 180.0, 4.0
CLOCK = 50e6
MEMORIES = {"SDRAM of ULX3S": 0.962 * 285.6e6, "12.8 GB/s": 12.8e9}
#: What is made, and frames/s that the plan is to reach at `CLOCK`.
NETWORKS = {"bireal18": (bireal18, 224, 20.0), "vgg": (vgg, 32, 100.0)}
#: Layers with more bits than these are streamed, and at most so many pixels share a word.
LEAST_BITS, MOST_SHARE = 40_000, 8


def used() -> tuple[float, float]:
    """CPU seconds so far, and the peak of memory of the largest process in GiB."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in both), max(one.ru_maxrss for one in both) / 2**20


def streamed(network: Network, plan: Plan) -> Plan:
    """The plan with the weights of large layers from outside, shared by as many pixels as divide a row."""
    foldings = []
    for one, (layer, result) in zip(plan.foldings, weighted(network), strict=True):
        bits = layer.weights.size * (1 if layer.weights.dtype == bool else 8)
        share = max(count for count in range(1, MOST_SHARE + 1) if result.shape[1] % count == 0)
        large = bits > LEAST_BITS and one.pe * one.simd < layer.weights.size
        foldings.append(replace(one, memory=STREAM, share=share) if large else one)
    return replace(plan, foldings=tuple(foldings))


def measure(name: str, side: int) -> None:
    make, _, fps = NETWORKS[name]
    with tempfile.TemporaryDirectory() as folder:
        save_network(make(side), path := Path(folder) / "network.npz")
        before, _ = used()
        network = bitweir.load(path).network
        plan = streamed(network, choose(network, PlanRequest(fps=fps, clock=CLOCK)).plan)
        design = Design.fitted(network, plan, pipeline=lower(network, plan))
        build = design.write(Path(folder) / "build")
        (now, peak), size = used(), build.verilog.stat().st_size
    seconds = now - before
    timing, pipeline = design.timing, design.pipeline
    weights = sum(layer.weights.size for layer, _ in weighted(network))
    print(f"{network.name}, {weights:,} weights, folding {','.join(map(str, plan.foldings))}")
    print(f"{len(pipeline.nodes)} blocks, {size:,} bytes of Verilog")
    print(f"time         {seconds:6.1f} s    {seconds / SECONDS:5.2f} of the limit of {SECONDS:g} s")
    print(f"peak memory  {peak:6.2f} GiB  {peak / GIB:5.2f} of the limit of {GIB:g} GiB (largest process)")
    megabytes = pipeline.weight_bits / 8e6
    print(f"a frame takes {float(timing.interval):,.0f} cycles and {megabytes:,.2f} MB of weights")
    for memory, rate in MEMORIES.items():
        found = WeightMemory(bandwidth=rate).weights(pipeline, timing, CLOCK).timing
        print(f"{memory:16} {CLOCK / float(found.interval):6.2f} frames/s at {CLOCK / 1e6:g} MHz")
    total, part = estimate_pipeline(pipeline, "ecp5")[1], PARTS["ecp5-85k"]
    print(f"estimate for ECP5: {total.sites:,} LUT sites of {part.luts:,}, {total.ff:,} flip-flops, "
          f"{total.bram} block RAMs of {part.block_rams}")  # fmt: skip


def main() -> None:
    if len(sys.argv) > 1:
        measure(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else NETWORKS[sys.argv[1]][1])
        return
    # A process each, as memory is that of the largest one so far.
    for name in NETWORKS:
        subprocess.run([sys.executable, __file__, name], check=True)


if __name__ == "__main__":
    main()
