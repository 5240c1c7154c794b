"""Write ``docs/methods.md``: ``python -m tools.methods_page [NAME ...]`` in the root of the repository.

What each method is and what it reaches in torch comes from ``tests/methods``; what becomes of it is measured here, by
the commands that a user has. With names, only these are measured, and the measured cells of the others stay as they
are in the page.
"""

from __future__ import annotations

import json
import sys
import tempfile
from fractions import Fraction
from importlib import resources
from pathlib import Path
from typing import Any

from bitweir.cli import main as bitweir
from click.testing import CliRunner
from support import ROOT
from support.methods import METHODS, Method

PAGE = ROOT / "docs" / "methods.md"
IMAGES = Path(str(resources.files("bitweir.networks"))) / "digits_test.npz"
FRAMES = 360
FAMILY = "ecp5"
STATIC = ("network", "method", "paper", "what it computes", "works on", "in training", "becomes", "float", "torch")
MEASURED = ("bound", "here", "LUT sites", "block RAM", "DSP", "cycles")
ABSENT = " | ".join(["-"] * len(MEASURED))

HEAD = """\
# Methods

Methods of the survey of binary neural networks (Qin et al., arXiv:2004.03333), and some that are newer, as small
networks for 8x8 digits. The scripts in `tests/methods/train/` write the forward pass as each paper has it, train it and
export it with `torch.onnx`. The tests import each file and compare every code and class of 360 images with ONNX
Runtime; `make test-long` runs 20 images through the gateware of each.

- **exact**: every integer follows from the numbers in the file.
- **fixed point**: integers stand for real numbers in sums of real-valued streams or in scores. *Bound* is the largest
  error of a score, or of what is closest to it among the sums; `bitweir import` tells the bound of each.
- **rounded**: integers stand for real weights, mostly of the first and the last layer, as `--weight-bits 8` asks for
  it. The tests compare with the model that has the rounded weights, and count the classes that differ from the file.
- **training only**: exact. The method changes how the network is trained, and leaves nothing in the file.
- **refused**: the second table has what `bitweir import` says, and what hardware could compute.

*Float* is the accuracy of the same architecture without quantisation and *torch* that of the method, both in PyTorch;
*here* is that of the integers. The networks are tiny and trained for 40 epochs: this tells how a method is written and
what it costs, not which one is best. *LUT sites*, *block RAM* and *DSP* are what the [cost model](cost-model.md)
estimates for the plan that `bitweir generate --family ecp5` chooses, for 100,000 frames/s at 100 MHz, and *cycles* are
those of a frame in that plan. *Works on* is the survey's class: quantisation error, loss or gradient. *In training* is
what [`bitweir.train`](training.md) has of the method, so that a network can be trained with it; those of this page were
trained by the scripts above, which know nothing of it.

`python -m tools.methods_page` writes this page.

"""


def cell(text: str) -> str:
    """Text that a table takes."""
    return text.replace("|", "\\|")


def percent(count: int) -> str:
    """A share of the test images."""
    return f"{100 * count / FRAMES:.1f} %"


def static_row(method: Method) -> str:
    """The cells of a row that need no measurement, as they stand in the page."""
    has = ", ".join(f"`{name}`" for name in method.train.split(", ")) if method.train else "-"
    told = (f"`{method.name}`", method.method, method.paper, method.writes, method.aim, has, method.outcome)
    return f"| {' | '.join([*map(cell, told), percent(method.float_right), percent(method.right)])} |"


def command(*words: object) -> dict[str, Any]:
    """The JSON object that a command of bitweir prints."""
    run = CliRunner().invoke(bitweir, [*map(str, words), "--json"])
    if run.exit_code:
        raise SystemExit(run.stderr)
    told: dict[str, Any] = json.loads(run.stdout)
    return told


def measured(method: Method, folder: Path) -> str:
    """The cells of `MEASURED`."""
    network = folder / f"{method.name}.npz"
    told = command("import", method.file, "-o", network, *method.options, "--images", IMAGES)
    bounds = [Fraction(bound["error"]) for bound in told["diagnostics"]["bounds"] if not bound["exact"]]
    bound = f"{float(bounds[-1]):.1e}" if bounds else "-"
    report = command("generate", network, "-o", folder / method.name, "--family", FAMILY)["report"]
    total = report["estimates"][FAMILY]["total"]
    accuracy = f"{100 * told['comparison']['accuracy']:.1f} %"
    cycles = f"{report['timing']['cycles_per_frame']:,.0f}"
    return " | ".join([bound, accuracy, f"{total['sites']:,}", str(total["bram"]), str(total["dsp"]), cycles])


def kept() -> dict[str, str]:
    """The measured cells of the page as it stands, by the name of the network."""
    lines = PAGE.read_text(encoding="utf-8").splitlines() if PAGE.exists() else []
    rows = [line for line in lines if line.startswith("| `")]
    return {row.split("`")[1]: " | ".join(row.split(" | ")[-len(MEASURED) :]).removesuffix(" |") for row in rows}


def page(only: list[str]) -> str:
    """The whole page, in which only some rows are measured anew."""
    before = kept() if only else {}
    lines = [f"| {' | '.join(STATIC + MEASURED)} |", "|---" * len(STATIC + MEASURED) + "|"]
    with tempfile.TemporaryDirectory() as folder:
        for method in METHODS:
            if method.outcome == "refused":
                cells = ABSENT
            elif only and method.name not in only:
                cells = before.get(method.name, ABSENT)
            else:
                cells = measured(method, Path(folder))
                print(method.name, cells, flush=True)
            lines.append(f"{static_row(method)} {cells} |")
    lines += [
        "",
        "## Refused",
        "",
        "| method | what hardware could compute | what `bitweir import` says |",
        "|---|---|---|",
    ]
    refused = [method for method in METHODS if method.outcome == "refused"]
    lines += [f"| {method.method} | {cell(method.possible)} | {cell(method.told)} |" for method in refused]
    return HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(sys.argv[1:]), encoding="utf-8")
