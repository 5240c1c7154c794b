"""What Yosys makes of blocks, kept in a folder for temporary files."""

from __future__ import annotations

import hashlib
import json
import re
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from amaranth.back import rtlil
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import Out
from bitweir.synthesis import flows
from bitweir.synthesis.measure import absorb
from bitweir_hw.blocks import (
    BlockSpec,
    MatVecSpec,
    WiredSpec,
    block_of,
)
from bitweir_hw.parts import COUNTED_AS
from bitweir_hw.resources.memories import OUTPUT_REGISTERS
from bitweir_hw.tools import run_yosys, yosys_version

__all__ = ["RESOURCES", "measure"]

CACHE = Path(tempfile.gettempdir()) / "bitweir-cost-model"
#: Blocks and input bits that one Yosys run maps.
BATCH, BATCH_BITS = 12, 6000
#: Resources whose errors are given.
RESOURCES = ("lut", "ff", "carry", "bram", "lutram", "dsp", "sites")


class _Batch(wiring.Component):
    """Blocks side by side, each with all its ports."""

    def __init__(self, blocks: Mapping[str, BlockSpec]) -> None:
        self.parts = {name: block_of(block).component(block) for name, block in blocks.items()}
        super().__init__({name: Out(part.signature) for name, part in self.parts.items()})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for name, part in self.parts.items():
            m.submodules[name] = part
            wiring.connect(m, wiring.flipped(getattr(self, name)), part)
        return m


def _rtlil(part: wiring.Component, name: str) -> str:
    text = rtlil.convert(part, name=name, emit_src=False)
    return re.sub(
        rf"^(module|  cell) (\\{name}\.\S+)",
        lambda match: f"{match[1]} {match[2].replace('.', '__')}",
        text,
        flags=re.M,
    )


def measure(blocks: Sequence[BlockSpec], family: str) -> list[dict[str, int]]:
    """What Yosys maps each block to, by `flows.CLASSES` and "sites"."""
    CACHE.mkdir(exist_ok=True)
    # The recipe is part of the key.
    absorbed = COUNTED_AS[family] in OUTPUT_REGISTERS
    recipe = flows.script(family, top="top") + yosys_version() + ("absorbed" if absorbed else "")
    files = [
        CACHE
        / f"{hashlib.sha256((recipe + _rtlil(block_of(block).component(block), 'top')).encode()).hexdigest()[:32]}.json"
        for block in blocks
    ]
    todo = {file: block for file, block in zip(files, blocks, strict=True) if not file.is_file()}
    batch: dict[Path, BlockSpec] = {}
    for file, block in sorted(todo.items(), key=lambda item: _size(item[1])):
        if batch and (len(batch) == BATCH or sum(map(_size, batch.values())) + _size(block) > BATCH_BITS):
            _run(batch, family)
            batch = {}
        batch[file] = block
    if batch:
        _run(batch, family)
    return [json.loads(file.read_text()) for file in files]


def _size(block: BlockSpec) -> int:
    """About how much there is to map."""
    if isinstance(block, MatVecSpec):
        return block.weight_width * block.lane_bits * block.parallel_frames + 300
    if isinstance(block, WiredSpec):
        return len(block.circuit.steps) + 300
    return 100 + max(block.o_bits, 1)


def _run(batch: Mapping[Path, BlockSpec], family: str) -> None:
    started = time.perf_counter()
    names = {f"b{number}": file for number, file in enumerate(batch)}
    with tempfile.TemporaryDirectory(prefix="bitweir-cost-") as work:
        folder = Path(work)
        part = _Batch({name: batch[file] for name, file in names.items()})
        (folder / "design.il").write_text(_rtlil(part, "top"))
        run_yosys(flows.script(family, top="top", keep=[f"top__{name}" for name in names]), folder)
        stat = json.loads((folder / "stat.json").read_text())["modules"]
        mapped = json.loads((folder / "netlist.json").read_text())["modules"]
    for name, file in names.items():
        cells = stat[f"\\top__{name}"]["num_cells_by_type"]
        if COUNTED_AS[family] in OUTPUT_REGISTERS:
            absorb(cells, mapped[f"top__{name}"])
        lone = flows.lone_carries(family, mapped[f"top__{name}"])
        row = {**flows.classify(family, cells), "sites": flows.sites(family, cells, lone=lone), "cells": cells}
        file.write_text(json.dumps(row))
    sys.stderr.write(f"{family}: {len(names)} blocks in {time.perf_counter() - started:.0f} s\n")
