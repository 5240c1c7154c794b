"""What one engine for all layers would save, and what it would take, beside a dataflow of all layers.

bitweir gives each layer hardware of its own. Processors for binary networks as FP-BNN (Liang et al., Neurocomputing
275, 2018) compute layer by layer instead: one array of elements, and memories for whole maps. With as many lanes, both
need as many cycles a frame. For networks of ImageNet at 224x224, all weights from outside the chip, this prints

- LUT sites of the dataflow in elements, and around them (windows, FIFOs, thresholds, sums, width converters): the most
  that an engine could save, as estimated for ECP5;
- block RAM of the dataflow, without weights, and the largest map that an engine has to keep whole: where a sum of
  residual branches is one, the numbers of all its elements;
- bytes that a frame moves between the chip and a memory: weights, read once; with maps that no chip holds, these, too.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from bitweir.planning import PlanRequest, choose
from bitweir_hw.arithmetic import signed_bits
from bitweir_hw.blocks import MatVecSpec
from bitweir_hw.cost import estimate_pipeline
from bitweir_hw.lower import lower
from bitweir_hw.network import Conv, Dense, Map, Network, Parallel
from bitweir_hw.parts import PARTS
from bitweir_hw.plan import weighted
from bitweir_sim.time.sizing import fit_depths
from numpy.typing import NDArray
from support.imagenet import alexnet, bireal18

PART = PARTS["ecp5-85k"]


def bits(one: Map) -> int:
    """Of a whole map."""
    return one.size * (one.format.bits if one.format else signed_bits(one.low, one.high))


def kept(network: Network) -> list[int]:
    """Bits of the maps that an engine would keep between two layers: inputs of units, and sums of branches."""
    places = network.placed()
    inputs = [bits(source) for layer, source, _ in places if isinstance(layer, Dense | Conv)]
    return inputs + [bits(result) for layer, _, result in places if isinstance(layer, Parallel)]


def weight_bits(weights: NDArray[Any]) -> int:
    """One bit for +-1, else those of the largest."""
    each = 1 if weights.dtype == bool else signed_bits(int(weights.min()), int(weights.max()))
    return weights.size * each


def measure(network: Network) -> None:
    plan = choose(network, PlanRequest()).plan
    plan = replace(plan, foldings=tuple(replace(folding, memory="stream") for folding in plan.foldings))
    pipeline = lower(network, fit_depths(network, plan))
    costs, total = estimate_pipeline(pipeline, PART.family)
    units = sum(costs[block.name].sites for block in pipeline.blocks if isinstance(block, MatVecSpec))
    lanes = sum(folding.pe * folding.simd for folding in plan.foldings)
    weights = sum(weight_bits(layer.weights) for layer, _ in weighted(network)) / 8
    print(f"{network.name}: {lanes:,} lanes, {max(block.cycles for block in pipeline.blocks):,} cycles a frame")
    print(f"  LUT sites        {units:,} in elements, {total.sites - units:,} around them:"
          f" {(total.sites - units) / total.sites:.0%} of {PART.name}'s {total.sites:,}")  # fmt: skip
    maps = kept(network)
    largest = max(maps)
    print(f"  maps             dataflow {total.bram} of {PART.block_rams} block RAMs; an engine keeps"
          f" {largest / 1e6:.2f} Mbit at once, {largest / PART.memory_bits:.0%} of all block RAM")  # fmt: skip
    print(f"  bytes a frame    weights {weights / 1e6:.2f} MB; maps written and read"
          f" {2 * sum(maps) / 8e6:.2f} MB")  # fmt: skip


def main() -> None:
    for network in (bireal18(), alexnet()):
        measure(network)


if __name__ == "__main__":
    main()
