"""How far the cost model is off: whole networks and drawn accelerators, to which no coefficient was fitted.

    python benchmarks/cost_errors.py [--family ecp5] [--count 16]

Estimates stand beside what Yosys makes of the same blocks. ``python -m tools.calibrate_cost`` fits the coefficients.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bitweir.synthesis import flows

sys.path.insert(0, str(Path(__file__).parents[1]))
from tools.calibrate_cost import drawn, networks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--family", choices=flows.FAMILIES, action="append")
    parser.add_argument("--count", type=int, default=drawn.COUNT, help="drawn designs of each family")
    options = parser.parse_args()
    families = options.family or flows.FAMILIES
    print("Whole networks, estimated / measured\n")
    networks.print_head("network")
    for family in families:
        networks.compare(family, quick=False, large=False)
    print("\nDrawn designs, estimated / measured\n")
    networks.print_head("design")
    found = {}
    for family in families:
        compared, kinds = drawn.compare(family, 0, options.count)
        found[family] = drawn.bands(compared) | {"kinds": kinds}
    print("\nDrawn designs, median / 95 % / worst error in %\n")
    print(drawn.table(found))


if __name__ == "__main__":
    main()
