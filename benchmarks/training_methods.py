"""Prints accuracy on digits and cost of each method that bitweir.train has: mean and spread over seeds.

    python benchmarks/training_methods.py [--method NAME ...] [--seeds 5] [--json FILE]

Each model is trained by ``bitweir.train.recipes.digits`` and compared with its integer network on all 360 test images
(`bitweir.check`); the accuracy of the network is told beside that of the model. LUT sites, block RAMs and cycles are
estimates for ECP5, of the plan with the fewest lanes for 100,000 frames/s at 100 MHz, of the first seed. With --json,
models that are in the file are not trained again. It needs ``pip install 'bitweir[train]'``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

from bitweir import check
from bitweir.importers import ModelError
from bitweir.train import accuracy, cost
from bitweir.train.recipes.digits import METHODS, PIXELS, images, train_digits

FPS = 100_000


def measured(name: str, seed: int) -> dict[str, Any]:
    """One model: accuracy in PyTorch and in hardware, and what differs."""
    method = METHODS[name]
    began = time.process_time()
    model = train_digits(name, seed)
    _, _, x, y = images(method)
    row: dict[str, Any] = {"torch": accuracy(model, x, y), "seconds": time.process_time() - began}
    if not method.quantised:
        return row
    try:
        found = check(model, x.numpy().astype(int), input_range=PIXELS)
    except ModelError as error:
        return row | {"refused": str(error)}
    assert found.difference is None, found.difference
    classes = found.network.classify(x.numpy().astype(int))
    told = cost(found.network, part="ecp5-25k", fps=FPS)
    return row | {
        "hardware": float((classes == y.numpy()).mean()), "codes": found.module.codes, "ties": found.module.ties,
        "bounded": found.module.bounded, "classes": int(found.module.excused.sum()),
        "sites": told.lut_sites, "bram": told.block_rams, "dsp": told.dsps, "cycles": told.cycles,
    }  # fmt: skip


def spread(values: list[float]) -> str:
    """Mean in per cent, and the standard deviation if there are several."""
    mean = f"{100 * statistics.mean(values):.1f}"
    return f"{mean} ± {100 * statistics.stdev(values):.1f}" if len(values) > 1 else mean


def line(name: str, rows: list[dict[str, Any]]) -> str:
    """A row of the table in Markdown."""
    refused = sum("refused" in row for row in rows)
    cells = [f"`{name}`", METHODS[name].title, str(len(rows)), spread([row["torch"] for row in rows])]
    rows = [row for row in rows if "hardware" in row]
    if rows:
        first = rows[0]
        same = all(row["ties"] == row["bounded"] == row["classes"] == 0 for row in rows)
        off = sum(row["ties"] + row["bounded"] for row in rows)
        codes = sum(row["codes"] for row in rows)
        classes = sum(row["classes"] for row in rows)
        some = f"all but {off:,} of {codes:,} codes, {classes} of {360 * len(rows):,} classes"
        cells += [
            spread([row["hardware"] for row in rows]),
            ("all codes and classes" if same else some) + (f"; {refused} refused" if refused else ""),
        ]
        cells += [f"{first['sites']:,}", f"{first['bram']}", f"{first['dsp']}", f"{first['cycles']:,.0f}"]
    else:
        cells += ["-"] * 6
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", nargs="*", default=list(METHODS), choices=METHODS)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="file for all figures")
    options = parser.parse_args()
    known: dict[str, Any] = json.loads(options.json.read_text()) if options.json and options.json.exists() else {}
    for seed in range(options.seeds):
        for name in options.method:
            key = f"{name} {seed}"
            if key not in known:
                known[key] = measured(name, seed)
                if options.json:
                    options.json.write_text(json.dumps(known, indent=1) + "\n")
    print("| | method | seeds | PyTorch, % | hardware, % | equal | LUT sites | block RAM | DSP | cycles |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name in options.method:
        rows = [row for key, row in known.items() if key.rpartition(" ")[0] == name]
        if rows:
            print(line(name, rows))
    print(f"\n{sum(row['seconds'] for row in known.values()):.0f} CPU seconds of training")


if __name__ == "__main__":
    main()
