"""What the AXI4-Stream wrapper takes, and what parameters in RAM do: the digits network, mapped by Yosys.

Each row stands beside the accelerator alone, with constant parameters, in the same run.

    python benchmarks/integration_size.py [FAMILY ...]
"""

from __future__ import annotations

import json
import sys
import tempfile
from importlib import resources
from pathlib import Path

from amaranth.lib import wiring
from bitweir.importers import load_model
from bitweir.synthesis import flows
from bitweir_hw.accelerator import Accelerator, component_rtlil
from bitweir_hw.axi import AxiAccelerator
from bitweir_hw.lower import lower, with_loadable_parameters
from bitweir_hw.plan import plan_from_foldings
from bitweir_hw.popcount import STYLE, Popcount
from bitweir_hw.tools import run_yosys

SHOWN = ("lut", "ff", "carry", "bram", "lutram")


def measured(component: wiring.Component, family: str) -> dict[str, int]:
    """Cells of a component."""
    with tempfile.TemporaryDirectory(prefix="bitweir-") as name:
        folder = Path(name)
        (folder / "design.il").write_text(component_rtlil(component, name="top"))
        run_yosys(flows.script(family, top="top"), folder)
        cells = json.loads((folder / "stat.json").read_text())["design"]["num_cells_by_type"]
    return flows.classify(family, cells)


def main() -> None:
    with resources.as_file(resources.files("bitweir.networks") / "digits.onnx") as path:
        network = load_model(path, input_scale="1")
    print("Digits network, folding 16x8,16x2. In parentheses: beside the accelerator alone.\n")
    for family in sys.argv[1:] or ("ecp5", "ice40"):
        plan = plan_from_foldings(network, "16x8,16x2", popcount=Popcount(style=STYLE[family]))
        fixed, loaded = lower(network, plan), lower(network, with_loadable_parameters(network, plan))
        alone = measured(Accelerator(fixed), family)
        rows = {"alone": alone, "parameters in RAM": measured(Accelerator(loaded), family)}
        for width in (1, 4, 8, 16):
            rows[f"AXI, {8 * width} bits"] = measured(AxiAccelerator(fixed, width), family)
        rows["AXI, 64 bits, RAM"] = measured(AxiAccelerator(loaded, 8), family)
        print(f"{family:<20}" + "".join(f"{name:>16}" for name in SHOWN))
        for name, row in rows.items():
            print(f"{name:<20}" + "".join(f"{row[key]:>8} ({row[key] - alone[key]:>+5})" for key in SHOWN))
        print()


if __name__ == "__main__":
    main()
