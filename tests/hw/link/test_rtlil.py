# amaranth: UnusedElaboratable=no
"""Devices as RTLIL, and what no device can be made of."""

import re

import pytest
from bitweir_hw.accelerator import accelerator_rtlil, rtlil_to_verilog
from bitweir_hw.errors import LinkError
from bitweir_hw.link.board_core import Device, device_rtlil
from support.linkbench import identity_of
from support.linkpins import BOARDS


def test_names():
    board = BOARDS[0]
    text = device_rtlil(board.device(), name="net")
    assert text == device_rtlil(board.device(), name="net")
    found = set(re.findall(r"^module \\(\S+)", text, flags=re.MULTILINE))
    accelerator = set(re.findall(r"^module \\(\S+)", accelerator_rtlil(board.pipeline, name="net"), flags=re.MULTILINE))
    assert accelerator < found
    assert all(name == "net_device" or name.startswith("net_device__") for name in found - accelerator)
    # Names that Verilog need not escape.
    assert all(re.fullmatch(r"\w+", name) for name in found)
    cells = set(re.findall(r"^  cell \\(\S+)", text, flags=re.MULTILINE))
    assert cells == found - {"net_device"}
    verilog = rtlil_to_verilog(text)
    (ports,) = re.findall(r"^module net_device\((.*?)\);", verilog, flags=re.MULTILINE)
    assert set(ports.split(", ")) == {"clk", "rst", "link_clk", "link_rst", "rx", "tx", "busy", "dropped"}


def test_baud_is_checked():
    board = BOARDS[0]
    with pytest.raises(LinkError) as failure:
        Device(board.pipeline, board.identity, link_clock=board.CLOCK, baud=board.CLOCK // 3)
    assert str(failure.value) == "The baud rate must be between 1 and 250000, a quarter of the clock, not 333333."


def test_capacity_is_checked():
    board = BOARDS[0]
    with pytest.raises(LinkError, match="^The capacity must be a power of two from 32 bytes on, so that "):
        Device(board.pipeline, identity_of(board.pipeline, capacity=100), link_clock=board.CLOCK, baud=1000)
