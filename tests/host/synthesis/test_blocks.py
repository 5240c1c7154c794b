"""What Yosys makes of blocks for ECP5: memories where they belong, and no more cells than a good construction takes."""

import json

import pytest
from amaranth.back import rtlil
from bitweir.synthesis import flows
from bitweir_hw.blocks import FifoSpec, WidthSpec, WindowSpec
from bitweir_hw.blocks.fifo.gateware import Buffer
from bitweir_hw.blocks.width.gateware import WidthConverter
from bitweir_hw.blocks.window.gateware import Window
from bitweir_hw.tools import run_yosys


def mapped(component, folder):
    """Cells by their type."""
    (folder / "design.il").write_text(rtlil.convert(component, name="top"))
    run_yosys(flows.script("ecp5", top="top"), folder)
    return json.loads((folder / "stat.json").read_text())["design"]["num_cells_by_type"]


def test_deep_fifos_become_block_memory(tmp_path):
    spec = FifoSpec(name="fifo", layer="dense", depth=512, bits=32, beats=1)
    cells = flows.classify("ecp5", mapped(Buffer(spec), tmp_path))
    assert (cells["bram"], cells["lutram"]) == (1, 0)
    # Two words, two addresses with marks of their ends, a level and its marks; nothing that emulates the memory.
    assert cells["ff"] <= 2 * 32 + 3 * 9 + 16
    assert cells["lut"] <= 3 * 32 + 60


@pytest.mark.parametrize(
    ("length", "lanes", "most"), [(104, (13, 26), 40), (256, (32, 64), 80), (256, (64, 32), 112), (144, (16, 9), 165)]
)
def test_sites_of_width_converters(length, lanes, most, tmp_path):
    # A new construction must not take more.
    i_lanes, o_lanes = lanes
    spec = WidthSpec(
        name="width", layer="dense", i_length=length, o_length=length, i_lanes=i_lanes, o_lanes=o_lanes, lane_bits=1
    )
    assert flows.sites("ecp5", mapped(WidthConverter(spec), tmp_path)) <= most


def test_the_buffer_of_a_window_becomes_block_memory(tmp_path):
    spec = WindowSpec(
        name="window", layer="conv", shape=(30, 30, 64), kernel=(3, 3), stride=(1, 1), pads=(0, 0, 0, 0), groups=1,
        lanes=32, taps=1, lane_bits=1,
    )  # fmt: skip
    cells = flows.classify("ecp5", mapped(Window(spec), tmp_path))
    assert cells["bram"] == 1
    # The register behind the memory and the output's (32 each), addresses and levels and what is added to
    # them, counters; nothing that emulates the memory, which would be two more for each bit of a word.
    assert cells["ff"] <= 156
    # Each address and that behind its turn are computed side by side.
    assert cells["lut"] + 2 * cells["carry"] <= 200
