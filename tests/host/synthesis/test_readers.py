"""What readers of streamed weights take is estimated within a band."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bitweir.board_memory import board_reader_spec
from bitweir.synthesis import flows
from bitweir_hw.accelerator import component_rtlil
from bitweir_hw.accelerator.board_memory import BoardMemory
from bitweir_hw.cost import READER_ERROR, estimate_reader
from bitweir_hw.lower import lower
from bitweir_hw.offchip import SDRAM_PARTS, ImageLayout, ReaderSpec, StreamedWeights, WishboneWeightReader
from bitweir_hw.plan import plan_from_foldings
from bitweir_hw.tools import run_yosys
from support.samples import dense_network


def measured(component: object, folder: Path) -> tuple[int, int, int]:
    """LUT sites, flip-flops and block RAMs."""
    (folder / "design.il").write_text(component_rtlil(component, name="top"))
    run_yosys(flows.script("ecp5", top="top"), folder)
    cells = json.loads((folder / "stat.json").read_text())["design"]["num_cells_by_type"]
    counts = flows.classify("ecp5", cells)
    return flows.sites("ecp5", cells), counts["ff"], counts["bram"]


def check(spec: ReaderSpec, memory: str, found: tuple[int, int, int]) -> None:
    cost = estimate_reader(spec, memory)
    assert cost.sites == pytest.approx(found[0], rel=READER_ERROR)
    assert cost.ff == pytest.approx(found[1], rel=READER_ERROR)
    assert cost.bram == found[2]


def test_the_reader_of_a_board(tmp_path: Path) -> None:
    pipeline = lower(dense_network(96, 48, 10), plan_from_foldings(dense_network(96, 48, 10), "24x4:stream,16x2"))
    memory = BoardMemory.of(pipeline, SDRAM_PARTS["ulx3s-32mb"], clock=100_000_000, late=2)
    reader, spec = memory.reader(), board_reader_spec(pipeline)
    # Its addresses are those of the chip; all else is what the estimate is of.
    assert (reader.spec.layout, reader.spec.buffer_bursts) == (spec.layout, spec.buffer_bursts)
    check(spec, "sdram", measured(reader, tmp_path))


def test_a_reader_with_its_buffers_in_luts(tmp_path: Path) -> None:
    streams = tuple(StreamedWeights(name=f"layer{n}", width=40, depth=90) for n in range(2))
    spec = ReaderSpec(layout=ImageLayout(streams=streams, beat_bytes=4, burst_beats=16), stage_levels=1)
    check(spec, "wishbone", measured(WishboneWeightReader(spec), tmp_path))
