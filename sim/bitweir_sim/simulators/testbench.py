"""The cocotb testbench: drives a design, and compares every cycle with the expected trace.

`cocotb.run_cocotb` starts it inside Icarus or Verilator. The folder in BITWEIR_TESTBENCH holds
``job.npz``: the beats, the stall patterns, the limits and the expected trace. The testbench writes
``found.npz`` there: the trace, the first problem in one sentence, and the difference, if it is one.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import Timer

from bitweir_sim.simulators.drive import FEED, Feed, Run, is_port
from bitweir_sim.trace import SimulationError, Trace, load_trace, save_trace

__all__ = ["every_cycle"]


class _Stream:
    """The three signals of a stream in the simulator."""

    def __init__(self, dut: Any, prefix: str) -> None:
        self.payload = getattr(dut, f"{prefix}__payload")
        self.valid = getattr(dut, f"{prefix}__valid")
        self.ready = getattr(dut, f"{prefix}__ready")

    def sample(self, name: str, cycle: int) -> tuple[bool, bool, int]:
        """Read valid, ready, and the payload if it is valid."""
        valid = self.valid.value
        if not valid.is_resolvable:
            raise SimulationError(f"Stream {name}, cycle {cycle}: valid must be 0 or 1, not {valid}.")
        if not valid:
            return False, False, 0
        ready, payload = self.ready.value, self.payload.value
        if not (ready.is_resolvable and payload.is_resolvable):
            raise SimulationError(f"Stream {name}, cycle {cycle}: a bit of the offered beat is unknown ({payload}).")
        return True, bool(ready), int(payload)


@cocotb.test()
async def every_cycle(dut: Any) -> None:
    """Run the job; a difference ends it, and the caller reports it."""
    folder = Path(os.environ["BITWEIR_TESTBENCH"])
    with np.load(folder / "job.npz") as file:
        job = dict(file)
    streams = {"i": _Stream(dut, "i"), "o": _Stream(dut, "o")}
    streams |= {str(name): _Stream(dut, f"tap_{name}") for name in job["taps"]}
    feeds = {
        str(name): Feed(words=job[f"feed{n}_words"], stalls=job[f"feed{n}_stalls"])
        for n, name in enumerate(job["feeds"])
    }
    streams |= {FEED + name: _Stream(dut, f"weights_{name}") for name in feeds}
    outputs, max_cycles, drain = (int(limit) for limit in job["limits"])
    words = {name: -(-len(stream.payload) // 64) for name, stream in streams.items()}
    run = Run(
        job["beats"],
        i_stalls=job["i_stalls"],
        o_stalls=job["o_stalls"],
        expected_outputs=None if outputs < 0 else outputs,
        max_cycles=max_cycles,
        drain=drain,
        o_words=words["o"],
        taps={name: words[name] for name in streams if not is_port(name)},
        expected=_expected(job),
        feeds=feeds,
    )
    problem, difference = "", None
    try:
        await _drive(dut, streams, run)
    except SimulationError as error:
        problem, difference = str(error), error.difference
    differs = json.dumps(asdict(difference) if difference else None)
    save_trace(folder / "found.npz", run.trace(), problem=np.array(problem), difference=np.array(differs))


def _expected(job: dict[str, Any]) -> Trace | None:
    trace = load_trace(job)
    return trace if trace.streams else None


async def _drive(dut: Any, streams: dict[str, _Stream], run: Run) -> None:
    """Drive the clock in two steps a cycle, so that no edge races with what is applied."""
    source, sink, clock = streams["i"], streams["o"], dut.clk
    half = Timer(5, "ns")
    reset = getattr(dut, "rst", None)
    source.valid.value, sink.ready.value, source.payload.value = 0, 0, 0
    fed = {name: stream for name, stream in streams.items() if name.startswith(FEED)}
    words: dict[str, int | None] = dict.fromkeys(fed)
    for stream in fed.values():
        stream.valid.value, stream.payload.value = 0, 0
    for _ in range(2):
        if reset is not None:
            reset.value = 1
        clock.value = 0
        await half
        clock.value = 1
        await half
    if reset is not None:
        reset.value = 0
    applied: tuple[int | None, bool] = (None, False)
    while run.running():
        clock.value = 0
        now = run.drive()
        # Writes cost as much as reads, so only changes are written.
        if now[0] != applied[0]:
            source.valid.value = now[0] is not None
            if now[0] is not None:
                source.payload.value = now[0]
        if now[1] != applied[1]:
            sink.ready.value = now[1]
        applied = now
        for name, stream in fed.items():
            word = run.feed(name)
            if word != words[name]:
                stream.valid.value = word is not None
                if word is not None:
                    stream.payload.value = word
            words[name] = word
        await half
        for name, stream in streams.items():
            run.observe(name, *stream.sample(name, run.cycle))
        clock.value = 1
        await half
        run.cycle += 1
