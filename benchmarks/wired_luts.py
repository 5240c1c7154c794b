"""Prints LUT sites of wired layers, beside the same layers by da4ml, with one and the same synthesis.

Weights are constants, a frame goes through in every cycle, and no argmax is counted. Every netlist is evaluated on
random frames against the product with the matrix.

    python benchmarks/wired_luts.py [--layer mini random64 tfc] [--family ecp5 xilinx] [--levels 0 2] [--without-da4ml]

- mini: 64-32-10 (2,368 weights of +-1, trained), thresholds between the layers, scores at the end.
- random64: 64 x 64 random weights of +-1, with a threshold for each neuron.
- tfc: the first 32 neurons of TFC's first layer, 784 inputs, with their thresholds.

Files of networks are looked for in `--data`. da4ml (0.6.*) is installed into an environment of its own, in `--peers`;
it makes logic without registers, its default strategy is used, and its thresholds are comparisons.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.hdl import Cat, Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from bitweir.loading import load
from bitweir.synthesis import flows
from bitweir_hw.arithmetic import signed_bits
from bitweir_hw.tools import convert, run_yosys
from bitweir_hw.wired import STYLE, Circuit, build, naive, wire
from bitweir_hw.wired.arithmetic import elaborate, stages

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.netlist_eval import Netlist

_VECTORS = 256


@dataclass(frozen=True)
class Layer:
    """Weights of +-1 for inputs of +-1, and a threshold for each row, or None: it gives its sum."""

    weights: Any
    thresholds: Any

    def values(self, bits: Any) -> Any:
        sums = (2 * bits - 1) @ self.weights.T
        return sums if self.thresholds is None else (sums >= self.thresholds).astype(int)

    @property
    def arguments(self) -> dict[str, Any]:
        """Those of `wire`: an input of +-1 is twice a bit, less one."""
        return {
            "matrix": 2 * self.weights,
            "inputs": [(0, 1)] * self.weights.shape[1],
            "constants": -self.weights.sum(1),
            "thresholds": None if self.thresholds is None else self.thresholds[:, None],
        }


class Wires(wiring.Component):
    """Layers one after the other; registers every so many levels and between layers, or none."""

    def __init__(self, circuits: list[Circuit], layers: list[Layer], levels: int) -> None:
        self.circuits, self.levels = circuits, levels
        last = layers[-1]
        bound = last.weights.shape[1]
        self.width = signed_bits(-bound, bound) if last.thresholds is None else 1
        super().__init__({"x": In(layers[0].weights.shape[1]), "y": Out(len(last.weights) * self.width)})

    @property
    def latency(self) -> int:
        return sum(stages(circuit, self.levels) for circuit in self.circuits) + bool(self.levels) * len(self.circuits)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        inputs: Any = list(self.x)
        for n, circuit in enumerate(self.circuits):
            m.submodules[f"layer{n}"] = part = Module()
            outputs = elaborate(part, circuit, inputs, levels_per_stage=self.levels)
            width = self.width if n == len(self.circuits) - 1 else 1
            inputs = []
            for i, (bits, offset) in enumerate(outputs):
                number = Signal(signed(width + 1) if width > 1 else 1, name=f"y{n}_{i}", reset_less=True)
                domain = m.d.sync if self.levels else m.d.comb
                domain += number.eq(bits + offset if len(bits) else offset)
                inputs.append(number[:width])
        m.d.comb += self.y.eq(Cat(*inputs))
        return m


def layers_of(name: str, data: Path) -> list[Layer]:
    if name == "random64":
        rng = np.random.default_rng(1)
        return [Layer(rng.choice((-1, 1), (64, 64)), rng.integers(-8, 9, 64))]
    network = load(data / ("faults/figures/mini.npz" if name == "mini" else "data/models/TFC_1W1A.onnx")).network
    found = []
    for layer in network.layers[: 2 if name == "mini" else 1]:
        weights = np.where(np.asarray(layer.weights) > 0, 1, -1)
        thresholds = None if layer.thresholds is None else np.asarray(layer.thresholds)[:, 0]
        found.append(Layer(weights, thresholds))
    if name == "tfc":
        found = [Layer(found[0].weights[:32], found[0].thresholds[:32])]
    return found


def measure(
    folder: Path, family: str, layers: list[Layer], latency: int, ports: tuple[str, str], shapes: list[tuple[int, int]]
) -> tuple[int, int]:
    """LUT sites of design.il in the folder, and frames for which its netlist is wrong.

    `shapes` are the bits of each output, and how many zeros below them are left out.
    """
    run_yosys(flows.script(family, top="top"), folder)
    module = json.loads((folder / "netlist.json").read_text())["modules"]["top"]
    cells = Counter(cell["type"] for cell in module["cells"].values())
    count = flows.sites(family, cells, lone=flows.lone_carries(family, module))
    rng = np.random.default_rng(0)
    size = layers[0].weights.shape[1]
    frames = np.vstack([np.zeros(size, int), np.ones(size, int), rng.integers(0, 2, (_VECTORS - 4, size))])
    frames = np.vstack([frames, layers[0].weights[:2] > 0]).astype(int)
    expected = frames
    for layer in layers:
        expected = layer.values(expected)
    netlist = Netlist(folder / "netlist.json", "top", _VECTORS)
    netlist.set(ports[0], [sum(int(bit) << n for n, bit in enumerate(frame)) for frame in frames])
    for _ in range(latency):
        netlist.tick()
    words = []
    for row in expected:
        word = place = 0
        for value, (width, zeros) in zip(row, shapes, strict=True):
            word |= (int(value) >> zeros & (1 << width) - 1) << place
            place += width
        words.append(word)
    return count, sum(got != word for got, word in zip(netlist.get(ports[1]), words, strict=True))


_DA4ML = """
import json, sys, numpy as np
from pathlib import Path
from da4ml.trace import FixedVariableArray, HWConfig, comb_trace
from da4ml.codegen import VerilogModel
from da4ml.types import minimal_kif
data, folder = np.load(sys.argv[1]), Path(sys.argv[2])
size = data["w0"].shape[1]
zeros, ones = np.zeros(size, int), np.ones(size, int)
x = inputs = FixedVariableArray.from_kif(zeros, ones, zeros, HWConfig(1, -1, -1))
for n in range(len(data.files) // 2):
    weights, thresholds = data[f"w{n}"].astype(float), data[f"t{n}"]
    total = weights.sum(1)
    x = x @ weights.T
    # 2 x - total >= threshold, as thresholds of x.
    x = x >= np.ceil((thresholds + total) / 2) if len(thresholds) else x * 2 - total
logic = comb_trace(inputs, x)
VerilogModel(logic, "peer", folder).write()
# Sign bit, bits before and after the point of each output.
print(json.dumps([[int(part) for part in minimal_kif(interval)] for interval in logic.out_qint]))
"""


def environment(folder: Path, *packages: str) -> Path:
    """The Python of an environment with some packages, which is made where it is not there."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *packages], check=True)
    return python


def plain_environment() -> dict[str, str]:
    """Variables for a peer, to which nothing of this Python belongs."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def run_peer(peers: Path, program: str, folder: Path) -> list[list[int]]:
    """Run a program with da4ml on layers.npz in the folder; formats of its outputs, as it prints them."""
    python = environment(peers / "da4ml", "da4ml==0.6.*")
    command = [python, "-c", program, folder / "layers.npz", folder / "peer"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=plain_environment())
    found: list[list[int]] = json.loads(done.stdout.splitlines()[-1])
    return found


def peer_rtlil(folder: Path) -> None:
    """Leave the Verilog of da4ml as design.il in the folder."""
    sources = sorted((folder / "peer" / "src").rglob("*.v"))
    names = [str(path.relative_to(folder)) for path in sources if not path.stem.endswith("_wrapper")]
    reading = "\n".join(f"read_verilog -sv -defer {name}" for name in names)
    run_yosys(f"{reading}\nhierarchy -top peer\nproc\nflatten\nrename peer top\nwrite_rtlil design.il\n", folder)


def da4ml(peers: Path, layers: list[Layer], folder: Path) -> list[tuple[int, int]]:
    """Leave what da4ml makes as design.il in the folder, and tell the shapes of its outputs."""
    arrays = {}
    for n, layer in enumerate(layers):
        arrays[f"w{n}"] = layer.weights
        arrays[f"t{n}"] = np.zeros(0) if layer.thresholds is None else layer.thresholds
    np.savez(folder / "layers.npz", **arrays)
    formats = run_peer(peers, _DA4ML, folder)
    peer_rtlil(folder)
    return [(sum(parts), -parts[2]) for parts in formats]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layer", nargs="*", default=("mini", "random64", "tfc"))
    parser.add_argument("--family", nargs="*", default=("ecp5", "xilinx"), choices=flows.FAMILIES)
    parser.add_argument("--levels", nargs="*", type=int, default=(0, 2), help="levels between registers, 0: none")
    parser.add_argument("--without-da4ml", action="store_true")
    parser.add_argument(
        "--data", type=Path, default=Path(__file__).parents[2] / "shared", help="folder of the networks"
    )
    parser.add_argument("--peers", type=Path, default=Path("peers"), help="folder of the peers' environments")
    options = parser.parse_args()
    print("layer     family  design             sites  a weight  wrong  planned  depth  additions (of)   seconds")
    for name in options.layer:
        layers = layers_of(name, options.data)
        weights = sum(layer.weights.size for layer in layers)
        for family in options.family:
            start = time.monotonic()
            wired = [wire(**layer.arguments, family=family) for layer in layers]
            seconds = time.monotonic() - start
            circuits = [build(layer.graph, STYLE[family]) for layer in wired]
            shared = sum(layer.graph.operations for layer in wired)
            alone = sum(naive(**layer.arguments).operations for layer in layers)
            for levels in options.levels:
                component = Wires(circuits, layers, levels)
                shapes = [(component.width, 0)] * len(layers[-1].weights)
                with tempfile.TemporaryDirectory(dir=".") as folder:
                    (Path(folder) / "design.il").write_text(convert(component, name="top"))
                    count, wrong = measure(Path(folder), family, layers, component.latency, ("x", "y"), shapes)
                print(
                    f"{name:9} {family:7} {f'wired, levels {levels}':17} {count:6}  {count / weights:8.3f}  {wrong:5}  "
                    f"{sum(circuit.sites for circuit in circuits):7}  {sum(circuit.depth for circuit in circuits):5}  "
                    f"{shared:6} ({alone:6})  {seconds:8.1f}",
                    flush=True,
                )
            print("         ", *(f"{layer.way};" for layer in wired), flush=True)
            if not options.without_da4ml:
                with tempfile.TemporaryDirectory(dir=".") as folder:
                    shapes = da4ml(options.peers.resolve(), layers, Path(folder).resolve())
                    count, wrong = measure(Path(folder), family, layers, 0, ("model_inp", "model_out"), shapes)
                title = f"{name:9} {family:7} {'da4ml, no registers':17}"
                print(f"{title} {count:6}  {count / weights:8.3f}  {wrong:5}", flush=True)


if __name__ == "__main__":
    main()
