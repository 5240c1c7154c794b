"""What it takes to load parameters 1 to 16 bytes a cycle: cycles, bytes of the image, LUTs, flip-flops.

    python benchmarks/load_width.py [FAMILY ...]

Digits, and the LFC of BNN-PYNQ (784-1024-1024-1024-10) with drawn weights, as those that are loaded change no hardware.
Yosys maps the accelerator with the wrapper for AXI4-Stream of 16 bytes. In parentheses: ratios to a byte a cycle.
"""

from __future__ import annotations

import sys
from importlib import resources
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from bitweir.importers import load_model
from bitweir_hw.accelerator import load_cycles, parameter_image
from bitweir_hw.axi import AxiAccelerator
from bitweir_hw.lower import lower, with_loadable_parameters
from bitweir_hw.network import BIPOLAR, Dense, Input, Network, check
from bitweir_hw.plan import LOAD_WIDTHS, plan_from_foldings
from bitweir_hw.popcount import STYLE, Popcount

from benchmarks.integration_size import measured


def lfc() -> Network:
    """The network of BNN-PYNQ with drawn weights and thresholds."""
    rng, sizes = np.random.default_rng(1), (784, 1024, 1024, 1024, 10)
    layers = [
        Dense(
            name=f"dense{n}", weights=rng.random((outputs, inputs)) < 0.5,
            **({"thresholds": rng.integers(-20, 20, (outputs, 1)), "output": BIPOLAR} if n < 3 else {}),
        )
        for n, (inputs, outputs) in enumerate(zip(sizes[:-1], sizes[1:], strict=True))
    ]  # fmt: skip
    frame = Input(shape=(784,), format=BIPOLAR, thresholds=np.array([[0.5]]), source=np.arange(784))
    return check(Network(name="lfc", input=frame, layers=tuple(layers)))


def main() -> None:
    with resources.as_file(resources.files("bitweir.networks") / "digits.onnx") as path:
        digits = load_model(path, input_scale="1")
    cases = ((digits, "16x8,16x2"), (lfc(), "64x32,32x64,64x32,8x16"))
    for family in sys.argv[1:] or ("ecp5", "ice40"):
        print(f"{family:8}{'folding':26}{'bytes/cycle':>12}{'cycles':>18}{'image bytes':>20}{'lut':>16}{'ff':>16}")
        for network, folding in cases:
            plan = plan_from_foldings(network, folding, popcount=Popcount(style=STYLE[family]))
            first: list[int] = []
            for width in LOAD_WIDTHS:
                pipeline = lower(network, with_loadable_parameters(network, plan, load_width=width))
                cells = measured(AxiAccelerator(pipeline, 16), family)
                row = [load_cycles(pipeline), len(parameter_image(pipeline)), cells["lut"], cells["ff"]]
                first = first or row
                told = "".join(f"{n:>10,} ({n / one:5.3f})" for n, one in zip(row, first, strict=True))
                print(f"{network.name:8}{folding:26}{width:>12}{told}", flush=True)
        print()


if __name__ == "__main__":
    main()
