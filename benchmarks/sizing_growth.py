"""How the time to choose, lower and fit grows with the weights and the blocks of a network, in CPU seconds.

First Bi-Real-18 with more and more channels for small images: the blocks stay, the weights grow. Then with larger
images for few channels: beats and cycles of a frame grow. Then a chain of residual sums, which grows in blocks. Fitted
exponents are those of a straight line through the logarithms. Last the whole Bi-Real-18 at 224x224.

Before FIFOs were fitted from the cycles of all beats, each depth was a trial, stepped cycle by cycle. With ``--old``
the same run steps two frames of each network, and tells what two trials for each FIFO would take at least. ``--quick``
leaves out the largest networks.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import numpy as np
from bitweir.planning import PlanRequest, choose
from bitweir_hw.blocks import FifoSpec
from bitweir_hw.blocks.pipeline import Pipeline
from bitweir_hw.lower import lower
from bitweir_hw.network import Network
from bitweir_hw.plan import weighted
from bitweir_sim.time.flow import arrivals, least_interval
from bitweir_sim.time.sizing import interval, latency, minimum_depths
from bitweir_sim.time.stepping import stepper
from support.imagenet import bireal18
from support.residuals import residual_network

STEPS = ("plan", "lower", "interval", "latency", "sizing")
NEVER = np.zeros(0, np.uint8)


def timed(action: Callable[[], Any]) -> tuple[Any, float]:
    started = time.process_time()
    result = action()
    return result, time.process_time() - started


def measure(network: Network, old: bool) -> tuple[int, int, list[float]]:
    """Weights, blocks, and CPU seconds of each step."""
    result, plan = timed(lambda: choose(network, PlanRequest()).plan)
    pipeline, lowering = timed(lambda: lower(network, result))
    _, pace = timed(lambda: interval(pipeline))
    _, first = timed(lambda: latency(pipeline))
    depths, sizing = timed(lambda: minimum_depths(pipeline, given={}))
    weights = sum(layer.weights.size for layer, _ in weighted(network))
    seconds = [plan, lowering, pace, first, sizing]
    beats = sum(stream.beats for stream in pipeline.streams)
    told = "  ".join(f"{step} {one:.2f}" for step, one in zip(STEPS, seconds, strict=True))
    print(f"{weights:>12,} weights  {len(pipeline.nodes):>4} blocks  {beats:>12,} beats  {told}", flush=True)
    if old and depths:
        _, trial = timed(lambda: trial_by_stepping(pipeline))
        fifos = sum(isinstance(block, FifoSpec) for block in pipeline.blocks)
        print(f"{'':>14}a trial by stepping {trial:.2f}, so {2 * fifos * trial:,.1f} or more for {fifos} FIFOs,"
              f" {2 * fifos * trial / sizing:,.0f} times as long")  # fmt: skip
    return weights, len(pipeline.nodes), seconds


def trial_by_stepping(pipeline: Pipeline) -> None:
    """Two frames, as the cycle model steps them: what a trial of one depth took at least."""
    stepper(pipeline).run(outputs=2 * pipeline.output.beats, pauses=NEVER, refusals=NEVER)


def exponents(what: str, sizes: list[int], rows: list[list[float]]) -> None:
    if len(sizes) < 2:
        return
    fits = [
        float(np.polyfit(np.log(sizes), np.log(np.maximum(column, 1e-3)), 1)[0]) for column in zip(*rows, strict=True)
    ]
    told = "  ".join(f"{step} {fit:.2f}" for step, fit in zip(STEPS, fits, strict=True))
    print(f"exponents over {what}: {told}\n", flush=True)


def main() -> None:
    old, quick = "--old" in sys.argv, "--quick" in sys.argv
    # The compiler runs once.
    small = lower(network := residual_network(1), choose(network, PlanRequest()).plan)
    arrivals(small, Fraction(least_interval(small))), trial_by_stepping(small)

    widths = (2, 6, 20, 64) if quick else (2, 6, 20, 64, 190)
    measured = [measure(bireal18(32, width, 100), old) for width in widths]
    exponents("weights", [weights for weights, _, _ in measured], [seconds for *_, seconds in measured])

    sides = (32, 64, 128) if quick else (32, 64, 128, 224)
    measured = [measure(bireal18(side, 8, 100), old) for side in sides]
    exponents("pixels", [side**2 for side in sides], [seconds for *_, seconds in measured])

    sums = (2, 8, 32) if quick else (2, 8, 32, 128)
    measured = [measure(residual_network(*[1] * count, side=8, channels=8), old) for count in sums]
    exponents("blocks", [blocks for _, blocks, _ in measured], [seconds for *_, seconds in measured])

    measure(bireal18(), old)


if __name__ == "__main__":
    main()
