"""Measures blocks on all families, fits the cost model to them, and compares it with whole networks.

Every block of a sweep goes through Yosys, kept whole beside a few others; so does every block of the networks,
which the fit does not see. What was measured once is kept in a folder for temporary files.

    python -m tools.calibrate_cost [--quick] [--write] [--large] [--family ecp5]

--write puts coefficients and error bands into the package; --large adds the networks LFC and CNV.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence

import numpy as np
from bitweir.synthesis import flows
from bitweir_hw.cost.model import coefficients
from bitweir_hw.tools import yosys_version

from tools.calibrate_cost import FILE
from tools.calibrate_cost.fit import calibrate, refine
from tools.calibrate_cost.measure import RESOURCES
from tools.calibrate_cost.networks import compare, print_head
from tools.calibrate_cost.sweep import PARTS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="a quarter of the blocks, and two networks")
    parser.add_argument("--write", action="store_true", help="put coefficients and error bands into the package")
    parser.add_argument("--large", action="store_true", help="the networks LFC and CNV, too")
    parser.add_argument("--networks", action="store_true", help="no fit: networks with the coefficients there are")
    parser.add_argument("--part", choices=PARTS, action="append", help="fit only what this part of the sweep has")
    parser.add_argument("--family", choices=flows.FAMILIES, action="append")
    options = parser.parse_args()
    families = options.family or flows.FAMILIES
    found = {"tool": f"Yosys {yosys_version()}", "coefficients": {}, "errors": {}, "networks": {}, **coefficients()}
    for family in families if not options.networks else ():
        found["coefficients"][family], found["errors"][family] = (
            refine(family, options.part) if options.part else calibrate(family, quick=options.quick)
        )
        print_bands(family, found["errors"][family])
    if options.write:
        FILE.write_text(json.dumps(found, indent=1) + "\n")
        coefficients.cache_clear()
    print("\nWhole networks, estimated / measured\n")
    print_head("network")
    for family in families:
        errors_found = compare(family, quick=options.quick, large=options.large)
        found["networks"][family] = {
            name: [float(np.median(sizes := [abs(entry[name]) for entry in errors_found])), max(sizes)]
            for name in RESOURCES
        }
    if options.write:
        FILE.write_text(json.dumps(found, indent=1) + "\n")


def print_bands(family: str, bands: Mapping[str, Mapping[str, Sequence[float]]]) -> None:
    print(f"\n{family}: median / 95 % / worst error in %\n")
    print("| block | " + " | ".join(RESOURCES) + " |")
    print("|---" * (1 + len(RESOURCES)) + "|")
    for group, values in bands.items():
        print(f"| {group} | " + " | ".join(" / ".join(f"{v:g}" for v in values[name]) for name in RESOURCES) + " |")


if __name__ == "__main__":
    main()
