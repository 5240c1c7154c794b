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
    """Packets of bytes: the content, and how many bytes belong to each."""
    ends = np.cumsum(job[f"{name}_sizes"])
    return [bytes(part) for part in np.split(job[name], ends[:-1])]


@cocotb.test()
async def packets(dut):
    folder = Path(os.environ["AXI_JOB"])
    with np.load(folder / "job.npz") as file:
        job = dict(file)
    source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), dut.aclk, dut.aresetn, reset_active_level=False)
    sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), dut.aclk, dut.aresetn, reset_active_level=False)
    source.log.setLevel("WARNING")
    sink.log.setLevel("WARNING")
    await start(dut)
    for end, share, seed in ((source, job["shares"][0], 1), (sink, job["shares"][1], 2)):
        end.set_pause_generator(pauses(float(share), seed))
    for content in split(job, "sent"):
        await source.send(AxiStreamFrame(content))
    found = [bytes((await sink.recv()).tdata) for _ in range(int(job["results"]))]
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
