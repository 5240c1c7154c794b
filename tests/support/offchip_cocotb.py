"""Runs inside Icarus: weights from the AXI RAM of cocotbext-axi, whose channels pause at random.

`job.npz` in the folder OFFCHIP_JOB has the memory and what to take; `found.npz` tells what came.
"""

import os
import random
from pathlib import Path

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge
from cocotbext.axi import AxiRamRead, AxiReadBus


def pauses(share, seed):
    """In which cycles a channel pauses."""
    rng = random.Random(seed)
    while True:
        yield rng.random() < share


class Slow(AxiRamRead):
    """An AXI RAM that takes a drawn time for each beat of its inside."""

    longest = 0
    rng = random.Random(7)

    async def _read(self, address, length):
        for _ in range(self.rng.randint(0, self.longest)):
            await RisingEdge(self.clock)
        return await super()._read(address, length)


@cocotb.test()
async def weights(dut):
    """Words of all layers, each as many as it shall take."""
    folder = Path(os.environ["OFFCHIP_JOB"])
    with np.load(folder / "job.npz") as file:
        job = dict(file)
    cocotb.start_soon(Clock(dut.clk, 10, "ns").start())
    bus = AxiReadBus.from_prefix(dut, "m_axi")
    ram = Slow(bus, dut.clk, dut.rst, size=int(job["size"]))
    ram.log.setLevel("WARNING")
    ram.longest = int(job["longest"])
    ram.ar_channel.set_pause_generator(pauses(float(job["shares"][0]), 1))
    ram.r_channel.set_pause_generator(pauses(float(job["shares"][1]), 2))
    base = int(job["base"])
    ram.write(base, job["image"].tobytes())
    layers = len(job["counts"])
    ports = [
        [getattr(dut, f"weights__layer{n}__{name}") for name in ("payload", "valid", "ready")] for n in range(layers)
    ]
    dut.rst.value, dut.enable.value, dut.base.value = 1, 0, base
    for *_, ready in ports:
        ready.value = 0
    for _ in range(4):
        await RisingEdge(dut.clk)
    dut.rst.value, dut.enable.value = 0, 1
    rng, found = random.Random(3), [[] for _ in range(layers)]
    takes = [False] * layers
    cycles = 0
    while any(len(words) < count for words, count in zip(found, job["counts"], strict=True)):
        await RisingEdge(dut.clk)
        cycles += 1
        assert cycles < int(job["limit"]), "nothing moves any more"
        for n, (payload, valid, ready) in enumerate(ports):
            # What held before the edge has moved at it.
            if takes[n] and valid.value == 1:
                found[n].append(int(payload.value))
            takes[n] = bool(len(found[n]) < job["counts"][n] and rng.random() >= job["shares"][2])
            ready.value = takes[n]
    assert not dut.error.value
    text = "\n".join(" ".join(f"{word:x}" for word in words) for words in found)
    (folder / "found.txt").write_text(text)
