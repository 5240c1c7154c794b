"""How time and memory grow with the weights, the pixels and the blocks of a network, in CPU seconds and MiB.

VGG-16 with more and more channels comes in from ONNX files of 1e4 to 1e8 weights. Bi-Real-18 with more and more
channels, its weights streamed from outside the chip, goes the whole way from a network file to Verilog. Then larger
images for few channels: beats and cycles of a frame grow. Then a chain of residual sums, which grows in blocks. Fitted
exponents are those of a straight line through the logarithms, over sizes that take at least a tenth of a second.

``--quick`` leaves out the largest networks. ``--only WHAT`` measures one of weights, import, pixels and blocks.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import bitweir
import numpy as np
from bitweir.design import Design
from bitweir.planning import PlanRequest, choose
from bitweir_hw.files import save_network
from bitweir_hw.lower import lower
from bitweir_hw.memory import STREAM
from bitweir_hw.plan import Plan, weighted
from bitweir_sim.values.fast import run
from support.imagenet import VGG_STAGES, bireal18
from support.onnxgraphs import Graph
from support.residuals import residual_network

#: Frames that the golden model computes.
FRAMES = 2
#: CPU seconds from which a step counts for an exponent.
ENOUGH = 0.1
SWEEPS = {
    "import": ("weights", (1, 3, 8, 25, 64, 110)),
    "weights": ("weights", (2, 6, 20, 64, 190)),
    "pixels": ("pixels", (32, 64, 128, 224)),
    "blocks": ("blocks", (2, 8, 32, 128)),
}


def vgg_file(path: Path, width: int) -> None:
    """VGG-16 for 32x32 pixels as an ONNX file, its weights -1 and +1."""
    graph, channels = Graph(), 3
    x = graph.op("Sub", "x", 0.5)
    for count, factor in VGG_STAGES:
        for _ in range(count):
            x = graph.op("Conv", x, graph.signs(factor * width, channels, 3, 3), pads=[1] * 4)
            x, channels = graph.sign(graph.norm(x, factor * width)), factor * width
        x = graph.op("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = graph.op("Flatten", x)
    for outputs in (64 * width, 64 * width):
        x = graph.op("MatMul", x, graph.signs(channels, outputs))
        x, channels = graph.sign(graph.norm(x, outputs)), outputs
    graph.save(path, graph.op("MatMul", x, graph.signs(channels, 10)), ("N", 3, 32, 32))


def streamed(network: Any, plan: Plan) -> Plan:
    """The plan with all weights that are more than one word from outside the chip."""
    foldings = [
        replace(one, memory=STREAM) if one.pe * one.simd < layer.weights.size else one
        for one, (layer, _) in zip(plan.foldings, weighted(network), strict=True)
    ]
    return replace(plan, foldings=tuple(foldings))


class Clock:
    """CPU seconds of steps, those of tools that they start included."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def time(self, step: str, action: Callable[[], Any]) -> Any:
        started = self._now()
        result = action()
        self.seconds[step] = self._now() - started
        return result

    @staticmethod
    def _now() -> float:
        own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def whole_way(network: Any) -> tuple[Any, Clock]:
    """From a network file to Verilog, cycles and golden results."""
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.npz"
        save_network(network, path)
        network = clock.time("import", lambda: bitweir.load(path)).network
        plan = streamed(network, clock.time("plan", lambda: choose(network, PlanRequest())).plan)
        pipeline = clock.time("lower", lambda: lower(network, plan))
        design = clock.time("sizing", lambda: Design.fitted(network, plan, pipeline=pipeline))
        clock.time("cycles", lambda: design.timing)
        clock.time("generate", lambda: design.write(Path(folder) / "build"))
    codes = np.random.default_rng(0).integers(0, 1 << network.input.format.bits, (FRAMES, network.input.size))
    clock.time("golden", lambda: run(network, codes))
    return network, clock


def measure(what: str, size: int) -> dict[str, Any]:
    """The size that grows, CPU seconds of each step, and the peak of memory of the largest process in MiB."""
    if what == "import":
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "vgg.onnx"
            vgg_file(path, size)
            (clock := Clock()).time("import", lambda: bitweir.load(path, input_scale="1/255"))
            weights = path.stat().st_size // 4
        return told(weights, clock)
    made = {
        "weights": lambda: bireal18(32, size, 100),
        "pixels": lambda: bireal18(size, 8, 100),
        "blocks": lambda: residual_network(*[1] * size, side=8, channels=8),
    }[what]()
    network, clock = whole_way(made)
    weights = sum(layer.weights.size for layer, _ in weighted(network))
    return told({"weights": weights, "pixels": size * size, "blocks": size}[what], clock)


def told(size: int, clock: Clock) -> dict[str, Any]:
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {"size": size, "seconds": clock.seconds, "MiB": peak / 1024}


def exponents(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Of each step, over the sizes that take long enough."""
    found = {}
    for step in rows[0]["seconds"]:
        points = [(row["size"], row["seconds"][step]) for row in rows if row["seconds"][step] >= ENOUGH]
        if len(points) > 1:
            found[step] = float(np.polyfit(*np.log(np.array(points)).T, 1)[0])
    return found


def main() -> None:
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps(measure(sys.argv[2], int(sys.argv[3]))))
        return
    only = sys.argv[sys.argv.index("--only") + 1] if "--only" in sys.argv else None
    for what, (unit, sizes) in SWEEPS.items():
        if only not in (None, what):
            continue
        rows = []
        for size in sizes[: -1 if "--quick" in sys.argv else None]:
            # A process each, as memory is that of the largest one so far.
            command = [sys.executable, __file__, "--measure", what, str(size)]
            rows.append(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))
            steps = "  ".join(f"{step} {seconds:.2f}" for step, seconds in rows[-1]["seconds"].items())
            print(f"{rows[-1]['size']:>12,} {unit}  {steps}  {rows[-1]['MiB']:,.0f} MiB", flush=True)
        fits = "  ".join(f"{step} {fit:.2f}" for step, fit in exponents(rows).items())
        print(f"exponents of {what} over {unit}: {fits or 'nothing takes long enough'}\n", flush=True)


if __name__ == "__main__":
    main()
