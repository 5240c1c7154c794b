"""Frames/s that `generate --goal fps` promises beside those at the clock that nextpnr reaches with seed 1.

    python benchmarks/promised_clock.py [NETWORK@CHIP[-RESERVE%] ...]

The accelerator alone is routed, in the harness of `tools/calibrate_clock`, on a part of which a share may be kept free,
so that routing takes minutes. Prints both rates, the share of the promise that was reached, and the smallest share.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bitweir.planning import PlanRequest, choose
from bitweir_hw.cost import fmax_error
from bitweir_hw.lower import lower
from bitweir_hw.network import Network
from bitweir_sim.time.sizing import fit_depths

from tools.calibrate_clock.designs import network_of
from tools.calibrate_clock.harness import CHIPS, route, text_of

#: Ten networks and parts; BNN-PYNQ's need the shared data.
CASES = (
    "digits@icebreaker", "mlp@icebreaker", "cnn@icebreaker", "digits@tangnano9k", "cnn@tangnano9k", "maps@tangnano9k",
    "mlp@tangnano20k-30%", "maps@ulx3s_25f-10%", "cnn@ulx3s_25f-10%", "TFC_1W1A.onnx@ulx3s_25f",
)  # fmt: skip


def measure(case: str) -> float:
    """The share of the promise that is reached."""
    name, _, where = case.rpartition("@")
    chip_name, _, reserve = where.partition("-")
    chip = CHIPS[chip_name]
    network: Network = network_of(name)
    result = choose(network, PlanRequest(part=chip.part_name, goal="fps", reserve_luts=reserve or 0))
    search = result.search
    assert search
    pipeline = lower(network, fit_depths(network, result.plan))
    routed = route(pipeline, text_of(pipeline), chip)
    clock = min(routed.mhz * 1e6, search.expected_clock)
    reached = search.streams * clock / search.cycles
    print(
        f"{network.name:20} {chip.part_name:10} {search.sites:6,} sites  {search.fps:12,.0f} frames/s promised at "
        f"{search.expected_clock / 1e6:5.1f} MHz within {fmax_error(chip.part_name):.0%}; {reached:12,.0f} reached, as "
        f"{routed.mhz:5.1f} MHz were routed: {routed.mhz * 1e6 / search.expected_clock:.0%}  ({routed.seconds:.0f} s)",
        flush=True,
    )
    return routed.mhz * 1e6 / search.expected_clock


def main() -> None:
    shares = [measure(case) for case in sys.argv[1:] or CASES]
    print(f"least share of a promise: {min(shares):.0%} of {len(shares)}")


if __name__ == "__main__":
    main()
