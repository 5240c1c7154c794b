"""Runs inside Icarus: packets from AXI4-Stream sources and to sinks of cocotbext-axi, which pause at random.

`job.npz` in the folder AXI_JOB says what to send; `found.npz` tells what came.
"""

import os
import random
from pathlib import Path

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge
from cocotbext.axi import AxiStreamBus, AxiStreamFrame, AxiStreamSink, AxiStreamSource


def pauses(share, seed):
    """In which cycles an end of a stream pauses."""
    rng = random.Random(seed)
    while True:
        yield rng.random() < share


async def start(dut):
    """Clock and reset."""
    cocotb.start_soon(Clock(dut.aclk, 10, "ns").start())
    dut.aresetn.value = 0
    dut.clear_counts.value = 0
    for _ in range(4):
        await RisingEdge(dut.aclk)
    dut.aresetn.value = 1


def split(job, name):
    """Packets of bytes."""
    ends = np.cumsum(job[f"{name}_sizes"])
    return [bytes(part) for part in np.split(job[name], ends)[:-1]]


@cocotb.test()
async def packets(dut):
    """Rounds of packets: images of parameters first, if there are any, then frames."""
    folder = Path(os.environ["AXI_JOB"])
    with np.load(folder / "job.npz") as file:
        job = dict(file)

    def end(kind, prefix, share, seed):
        made = kind(AxiStreamBus.from_prefix(dut, prefix), dut.aclk, dut.aresetn, reset_active_level=False)
        made.log.setLevel("WARNING")
        made.set_pause_generator(pauses(float(share), seed))
        return made

    source = end(AxiStreamSource, "s_axis", job["shares"][0], 1)
    sink = end(AxiStreamSink, "m_axis", job["shares"][1], 2)
    loads = end(AxiStreamSource, "s_axis_load", job["shares"][0], 3) if hasattr(dut, "s_axis_load_tdata") else None
    await start(dut)
    found = []
    for number in range(int(job["rounds"])):
        for content in split(job, f"load{number}"):
            await loads.send(AxiStreamFrame(content))
        if loads:
            # Frames that come meanwhile would meet what was loaded before.
            await loads.wait()
            for _ in range(200):
                await RisingEdge(dut.aclk)
            assert dut.loaded.value and not dut.load_failed.value
        for content in split(job, f"sent{number}"):
            await source.send(AxiStreamFrame(content))
        found += [bytes((await sink.recv()).tdata) for _ in range(int(job[f"results{number}"]))]
    # All was sent, and nothing more comes.
    await source.wait()
    for _ in range(200):
        await RisingEdge(dut.aclk)
    counts = [int(dut.short_packets.value), int(dut.long_packets.value)]
    np.savez(
        folder / "found.npz",
        found=np.frombuffer(b"".join(found), np.uint8),
        found_sizes=[len(packet) for packet in found],
        counts=counts,
        left=sink.count(),
    )
