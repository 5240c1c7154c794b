"""Runs inside Icarus: bytes to a device's rx, bit by bit, and what comes on tx.

`job.json` in the folder LINK_JOB says what to send; `found.json` tells what came.
"""

import json
import os
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge, Timer


async def send(rx, data, bit):
    """Bytes, one right after the other; a bit lasts so many ns."""
    for value in data:
        for level in (0, *(value >> place & 1 for place in range(8)), 1):
            rx.value = level
            await Timer(bit, "ns")


async def receive(tx, bit, found):
    """Bytes until for ever; a bit is sampled in its middle."""
    while True:
        await FallingEdge(tx)
        await Timer(bit * 3 // 2, "ns")
        value = 0
        for place in range(8):
            value |= int(tx.value) << place
            await Timer(bit, "ns")
        assert tx.value == 1, "a byte has no stop bit"
        found.append(value)


@cocotb.test()
async def exchange(dut):
    folder = Path(os.environ["LINK_JOB"])
    job = json.loads((folder / "job.json").read_text())
    found = []
    dut.rx.value, dut.rst.value, dut.link_rst.value = 1, 1, 1
    cocotb.start_soon(Clock(dut.link_clk, job["cycle"], "ns").start())
    cocotb.start_soon(Clock(dut.clk, job["core_cycle"], "ns").start())
    for clock, reset in ((dut.link_clk, dut.link_rst), (dut.clk, dut.rst)):
        for _ in range(8):
            await RisingEdge(clock)
        reset.value = 0
    cocotb.start_soon(receive(dut.tx, job["bit"], found))
    await send(dut.rx, bytes.fromhex(job["data"]), job["bit_sent"])
    for _ in range(job["patience"]):
        await Timer(100 * job["bit"], "ns")
        if found.count(0) > job["answers"]:
            break
    # Nothing more comes.
    await Timer(100 * job["bit"], "ns")
    (folder / "found.json").write_text(json.dumps({"data": bytes(found).hex(), "busy": int(dut.busy.value)}))
