"""Prints accuracy on digits against LUT sites: dense networks of several widths and bits, and which are on the front.

    python benchmarks/training_pareto.py [--seeds 1] [--json FILE]

The cost of each candidate is known before it is trained (`bitweir.train.cost`): LUT sites and block RAMs on ECP5, of
the plan with the fewest lanes for 100,000 frames/s at 100 MHz. Accuracy is the mean over seeds on the 360 test images,
of the integer network. It needs ``pip install 'bitweir[train]'``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from functools import partial
from pathlib import Path
from typing import Any

import torch
from bitweir.train import Binary, Linear, ScoreScale, Sign, Uniform, Unsigned, cost, export, fit
from bitweir.train.recipes.digits import METHODS, PIXELS, images
from torch import nn

FPS = 100_000
EPOCHS = 25
BITS = {
    "W1A1": (Binary, Sign, 1),
    "W1A2": (Binary, partial(Unsigned, 2), 3),
    "W2A2": (partial(Uniform, 2), partial(Unsigned, 2), 6),
}
WIDTHS = ((16,), (32,), (64,))


def build(bits: str, widths: tuple[int, ...]) -> nn.Sequential:
    weights, sign, size = BITS[bits]
    parts: list[nn.Module] = []
    for taken, made in zip((64, *widths), widths, strict=False):
        parts += [Linear(taken, made, weights()), nn.BatchNorm1d(made), sign()]
    return nn.Sequential(*parts, Linear(widths[-1], 10, weights()), ScoreScale(2 / widths[-1] ** 0.5 / size))


def measured(bits: str, widths: tuple[int, ...], seeds: int) -> dict[str, Any]:
    x, y, x_test, y_test = images(METHODS["bnn"])
    began = time.process_time()
    told = cost(build(bits, widths), (64,), input_range=PIXELS, part="ecp5-25k", fps=FPS)
    priced = time.process_time() - began
    found = []
    for seed in range(seeds):
        torch.manual_seed(seed)
        model = build(bits, widths)
        fit(model, x, y, epochs=EPOCHS, seed=seed)
        network = export(model, (64,), input_range=PIXELS, compare=False)
        found.append(float((network.classify(x_test.numpy().astype(int)) == y_test.numpy()).mean()))
    return {
        "bits": bits, "widths": widths, "accuracy": found, "sites": told.lut_sites, "bram": told.block_rams,
        "cycles": told.cycles, "priced": priced,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--json", type=Path, help="file for all figures; what is in it is not trained again")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = json.loads(options.json.read_text()) if options.json and options.json.exists() else []
    for widths in WIDTHS:
        for bits in BITS:
            if not any(row["bits"] == bits and tuple(row["widths"]) == widths for row in rows):
                rows.append(measured(bits, widths, options.seeds))
                if options.json:
                    options.json.write_text(json.dumps(rows, indent=1) + "\n")
    print("| network | bits | accuracy, % | LUT sites | block RAM | cycles | |")
    print("|---|---|---|---|---|---|---|")
    best = 0.0
    for row in sorted(rows, key=lambda row: (row["sites"], -statistics.mean(row["accuracy"]))):
        mean = statistics.mean(row["accuracy"])
        front, best = ("front" if mean > best else ""), max(best, mean)
        shape = "-".join(map(str, (64, *row["widths"], 10)))
        costs = f"{row['sites']:,} | {row['bram']} | {row['cycles']:,.0f}"
        print(f"| {shape} | {row['bits']} | {100 * mean:.1f} | {costs} | {front} |")
    priced = statistics.median(row["priced"] for row in rows)
    print(f"\nthe cost of a candidate took {1000 * priced:.0f} ms of CPU time")


if __name__ == "__main__":
    main()
