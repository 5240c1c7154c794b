"""Runs inside Icarus: a host with AXI4-Lite and AXI4-Stream of cocotbext-axi, all channels of which pause at random.

`job.npz` in the folder AXI_JOB has images and frames; `found.json` tells the results, and what registers read as.
"""

import json
import os
from pathlib import Path

import cocotb
import numpy as np
from bitweir_hw.axi.registers import REGISTERS, WINDOW, register
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge, with_timeout
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiStreamBus, AxiStreamFrame, AxiStreamSink, AxiStreamSource
from support.axi_cocotb import pauses, split


@cocotb.test()
async def host(dut):
    """An image, frames, and a reset between two rounds."""
    folder = Path(os.environ["AXI_JOB"])
    with np.load(folder / "job.npz") as file:
        job = dict(file)
    share = float(job["share"])
    given = {"clock": dut.aclk, "reset": dut.aresetn, "reset_active_level": False}
    lite = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), **given)
    source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), **given)
    sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), **given)
    channels = [lite.write_if.aw_channel, lite.write_if.w_channel, lite.write_if.b_channel]
    channels += [lite.read_if.ar_channel, lite.read_if.r_channel, source, sink]
    for seed, channel in enumerate(channels):
        channel.log.setLevel("WARNING")
        channel.set_pause_generator(pauses(share, seed))
    for one in (lite.write_if, lite.read_if):
        one.log.setLevel("WARNING")
    cocotb.start_soon(Clock(dut.aclk, 10, "ns").start())
    dut.aresetn.value = 0
    for _ in range(4):
        await RisingEdge(dut.aclk)
    dut.aresetn.value = 1

    async def event(mask):
        await with_timeout(_event(dut, lite, mask), 1, "ms")

    found, images = [], split(job, "images")
    await lite.write_dword(register("IRQ_ENABLE").offset, 0b110)
    for number, image in enumerate(images):
        await lite.write_dword(register("CONTROL").offset, 0b100)
        # A write of many words is what a copy of memory does; no master may send more at once than there is room for.
        for at in range(0, len(image), 1024):
            await lite.write(WINDOW, image[at : at + 1024])
        await event(0b010)
        for content in split(job, f"sent{number}"):
            await source.send(AxiStreamFrame(content))
        found += [bytes((await sink.recv()).tdata).hex() for _ in split(job, f"sent{number}")]
        if number + 1 < len(images):
            await lite.write_dword(register("CONTROL").offset, 0b001)
    registers = {one.name: await lite.read_dword(one.offset) for one in REGISTERS}
    await source.send(AxiStreamFrame(b"\0"))
    await event(0b100)
    (folder / "found.json").write_text(json.dumps({"found": found, "registers": registers, "left": sink.count()}))


async def _event(dut, lite, mask):
    """Wait for the interrupt, and clear what it is for."""
    while not dut.irq.value:
        await RisingEdge(dut.aclk)
    assert await lite.read_dword(register("IRQ_STATUS").offset) & 0b110 == mask
    await lite.write_dword(register("IRQ_STATUS").offset, 0xFFFFFFFF)
    for _ in range(3):
        await RisingEdge(dut.aclk)
    assert not dut.irq.value
