"""Prints LUT sites and latency of whole networks, all of whose layers are wired: a frame in every cycle.

    python benchmarks/wired_networks.py [--network tfc digits] [--part xc7z020 ecp5-85k] [--levels 1] [--route]

- tfc: TFC_1W1A, 784-64-64-64-10, 59,008 weights, for MNIST.
- digits: the network that bitweir brings, 192-256-10, 51,712 weights.

For each part: the LUT sites of the whole accelerator, with FIFOs and argmax, as `bitweir report --synth` counts them;
cycles from the beat of a frame to that of its class; and the time that this takes at the clock that the cost model
expects, or with --route at the one that nextpnr reaches in the harness of `tools/calibrate_clock` (ECP5 only).

The layers without FIFOs and argmax are mapped, too, and that netlist is evaluated on real frames: test images of MNIST
from `--data`, or the images that bitweir brings. Their classes are compared with those of the golden model.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import bitweir
import numpy as np
from bitweir.design import Design
from bitweir.model import images_for
from bitweir.synthesis import flows
from bitweir.synthesis.measure import synthesise
from bitweir_hw.cost import fmax, fmax_error
from bitweir_hw.network import Network
from bitweir_hw.parts import part_of
from bitweir_hw.plan import plan_from_foldings
from bitweir_hw.popcount import Popcount
from bitweir_hw.tools import convert, run_yosys
from bitweir_hw.wired import STYLE, build, wire
from wired_luts import Layer, Wires

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.netlist_eval import Netlist

from tools.calibrate_clock.harness import CHIPS, route, text_of

#: Frames for which a netlist is evaluated.
_FRAMES = 256


def network_of(name: str, data: Path) -> tuple[Network, Any, Any, float]:
    """A network, codes of real frames, scores of the golden model for them, and its accuracy on all of the set."""
    if name == "digits":
        model = bitweir.load("digits")
        images, labels = bitweir.demo_images()
    else:
        model = bitweir.load(data / "data/models/TFC_1W1A.onnx", input_scale="1/255")
        with np.load(data / "data/sets/mnist_t10k.npz") as file:
            images, labels = file["x"].reshape(-1, *model.network.input.shape), file["y"]
    codes, result = images_for(model.network, images).codes, model.run(images)
    return model.network, codes[:_FRAMES], result.scores[:_FRAMES], float((result.classes == labels).mean())


def wrong_frames(network: Network, family: str, levels: int, codes: Any, scores: Any) -> tuple[int, int]:
    """LUT sites of the layers alone, and frames for which their netlist has other scores than the golden model."""
    layers = []
    for layer in network.layers:
        weights = np.where(np.asarray(layer.weights) > 0, 1, -1)
        layers.append(Layer(weights, None if layer.thresholds is None else np.asarray(layer.thresholds)[:, 0]))
    circuits = [build(wire(**layer.arguments, family=family).graph, STYLE[family]) for layer in layers]
    component = Wires(circuits, layers, levels)
    with tempfile.TemporaryDirectory(dir=".") as work:
        folder = Path(work)
        (folder / "design.il").write_text(convert(component, name="top"))
        run_yosys(flows.script(family, top="top"), folder)
        module = json.loads((folder / "netlist.json").read_text())["modules"]["top"]
        netlist = Netlist(folder / "netlist.json", "top", len(codes))
    cells = Counter(cell["type"] for cell in module["cells"].values())
    netlist.set("x", [sum(int(bit) << n for n, bit in enumerate(frame)) for frame in codes])
    for _ in range(component.latency):
        netlist.tick()
    mask = (1 << component.width) - 1
    words = [sum((int(score) & mask) << n * component.width for n, score in enumerate(row)) for row in scores]
    wrong = sum(got != word for got, word in zip(netlist.get("y"), words, strict=True))
    return flows.sites(family, cells, lone=flows.lone_carries(family, module)), wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", nargs="*", default=("tfc", "digits"), choices=("tfc", "digits"))
    parser.add_argument("--part", nargs="*", default=("xc7z020", "ecp5-85k"))
    parser.add_argument("--levels", nargs="*", type=int, default=(1,), help="levels between registers")
    parser.add_argument("--route", action="store_true", help="route on ECP5-85 with nextpnr")
    parser.add_argument(
        "--data", type=Path, default=Path(__file__).parents[2] / "shared", help="folder of networks and frames"
    )
    options = parser.parse_args()
    for name in options.network:
        network, codes, scores, accuracy = network_of(name, options.data)
        print(f"{name}: {accuracy:.2%} of the test set")
        for part in options.part:
            family = part_of(part).family
            for levels in options.levels:
                alone, wrong = wrong_frames(network, family, levels, codes, scores)
                print(f"  {part}, levels {levels}: layers alone {alone:,} sites; {wrong} of {len(codes)} frames wrong")
                popcount = Popcount.of(family, levels)
                design = Design.fitted(network, plan_from_foldings(network, "wired", popcount=popcount))
                with tempfile.TemporaryDirectory(dir=".") as work:
                    total = synthesise(design.write(Path(work) / "build"), family).total
                timing, clock = design.timing, fmax(design.pipeline, part)
                print(
                    f"    accelerator: {total.sites:,} sites (LUTs {total.lut:,}, carries {total.carry:,}, flip-flops "
                    f"{total.ff:,}); a frame every {float(timing.interval):g} cycles, latency {timing.latency} cycles: "
                    f"{timing.latency / clock * 1e9:.0f} ns at {clock / 1e6:.0f} MHz, expected within "
                    f"{fmax_error(part):.0%}",
                    flush=True,
                )
                if options.route and family == "ecp5":
                    pipeline = design.pipeline
                    routed = route(pipeline, text_of(pipeline), CHIPS["ulx3s_85f"])
                    print(
                        f"    routed: {routed.mhz:.1f} MHz, latency {timing.latency / routed.mhz * 1e3:.0f} ns; from "
                        f"{routed.start} to {routed.end}; {routed.cells}; {routed.seconds:.0f} s",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
