"""Mapped netlists of whole accelerators, layers with weights among them, against the Verilog that is generated."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from bitweir.design import Design
from bitweir.synthesis.flows import script
from bitweir.synthesis.proof import prove_netlist, verilog_ports
from bitweir_hw.accelerator import accelerator_rtlil
from bitweir_hw.network import BIPOLAR, Conv, Dense, Input, Network, Pool, check
from bitweir_hw.plan import Folding, Plan
from bitweir_hw.popcount import STYLE, Popcount
from bitweir_hw.tools import run_yosys
from bitweir_sim.formal import Verdict

from .claim import Case, Claim
from .netlists import FAMILIES, plant

__all__ = ["CLAIMS"]


def convolutional() -> tuple[Network, tuple[Folding, ...]]:
    """A convolution behind its window, a pool, a FIFO, scores and their class: 6x6 pixels, 4 channels, 3 classes."""
    rng = np.random.default_rng(5)
    layers = (
        Conv(
            name="conv", weights=rng.random((4, 3, 3, 1)) < 0.5, thresholds=rng.integers(-2, 3, (4, 1)), output=BIPOLAR
        ),
        Pool(name="pool", kind="max", kernel=(2, 2), stride=(2, 2)),
        Dense(name="dense", weights=rng.random((3, 16)) < 0.5),
    )
    entry = Input(
        shape=(36,), format=BIPOLAR, thresholds=np.array([[0.5]]), source=np.arange(36), map_shape=(6, 6, 1)
    )  # fmt: skip
    return check(Network(name="net", input=entry, layers=layers)), (Folding(pe=2, simd=3), Folding(pe=1, simd=4))


def dense() -> tuple[Network, tuple[Folding, ...]]:
    """One layer, whose class is the result: 16 inputs, 3 classes."""
    weights = np.random.default_rng(3).random((3, 16)) < 0.5
    entry = Input(shape=(16,), format=BIPOLAR, thresholds=np.array([[0.5]]), source=np.arange(16))
    return check(Network(name="net", input=entry, layers=(Dense(name="dense", weights=weights),))), (
        Folding(pe=1, simd=8),
    )


def proved(network: Network, foldings: tuple[Folding, ...], family: str, fault: str = "") -> Verdict:
    """Prove all blocks of an accelerator: the worst verdict.

    Parameters
    ----------
    fault : str
        Planted into the netlist of the layer called ``dense``: see `netlists.plant`.
    """
    start = time.perf_counter()
    design = Design.fitted(network, Plan(foldings=foldings, popcount=Popcount(style=STYLE[family])))
    top = network.name
    modules = {f"{top}__{block.name}": block.name for block in design.pipeline.blocks}
    with tempfile.TemporaryDirectory(prefix="bitweir-") as work:
        folder = Path(work)
        written = design.write(folder / "build")
        cells = [path for path in written.folder.glob("*.v") if path != written.verilog]
        (folder / "design.il").write_text(accelerator_rtlil(design.pipeline, name=top))
        run_yosys(script(family, top=top, keep=modules), folder)
        mapped = json.loads((folder / "netlist.json").read_text())["modules"]
        netlist = {name: module for name, module in mapped.items() if name in (top, *modules)}
        if fault:
            plant(netlist[f"{top}__dense"]["cells"], fault)
        proofs = prove_netlist(
            folder,
            top=top,
            modules=modules,
            family=family,
            sources=[written.verilog, *cells],
            netlist=netlist,
            ports=verilog_ports(design.pipeline, top),
        )
    told = {status: [f"{block}: {proof.told}" for block, proof in proofs.items() if proof.result == status]
            for status in ("refuted", "unknown", "proved")}  # fmt: skip
    status = next(status for status in ("refuted", "unknown", "proved") if told[status])
    return Verdict(
        status=status, method="register correspondence", tool="MiniSat 2.2 (python-sat)",
        seconds=round(time.perf_counter() - start, 2), told="\n".join(told[status]) if status != "proved" else "",
    )  # fmt: skip


def _cases() -> Iterator[Case]:
    yield Case(name="ecp5, a dense layer", run=partial(proved, *dense(), "ecp5"), quick=True)
    for family in FAMILIES:
        yield Case(name=f"{family}, convolution to class", run=partial(proved, *convolutional(), family))


def _faults() -> Iterator[Case]:
    yield Case(
        name="ecp5, a carry cell is lost", run=partial(proved, *dense(), "ecp5", "lost carry"), quick=True
    )  # fmt: skip
    for family in FAMILIES[1:]:
        yield Case(
            name=f"{family}, an entry of a table", run=partial(proved, *convolutional(), family, "table")
        )  # fmt: skip


CLAIMS = (
    Claim(
        name="netlists",
        says="The mapped netlist of an accelerator does what its Verilog does, in every cycle after reset.",
        parameters="ECP5, iCE40, Gowin and Xilinx 7, each with its own popcounts; a convolution of 3x3 with its "
        "window, a pool, a dense layer and the class, weights in ROM",
        method="registers that correspond, words that hold few numbers, sweeping",
        tool="MiniSat 2.2 (python-sat)",
        fault="a carry cell that synthesis has lost, or an entry of a table",
        cases=_cases,
        faults=_faults,
    ),
)
