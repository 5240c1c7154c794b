"""Components in Amaranth's own simulator."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.sim import Simulator

from ..trace import SimulationError, Stalls, Trace, Words, as_words, stall_pattern
from .drive import FEED, Feed, Run, limits

__all__ = ["run_amaranth"]


#: Terms of one expression, and bytes of stack, with which Python compiles what Amaranth makes of a design.
_TERMS, _STACK = 100_000, 512 << 20


def run_amaranth(
    component: wiring.Component,
    beats: Words | Sequence[int],
    *,
    expected: Trace | None = None,
    i_stalls: Stalls = None,
    o_stalls: Stalls = None,
    expected_outputs: int | None = None,
    max_cycles: int | None = None,
    drain: int = 0,
    taps: Mapping[str, Any] | None = None,
    feeds: Mapping[str, Feed] | None = None,
    waves: Path | None = None,
) -> Trace:
    """Simulate a component in Amaranth's own simulator, which is slow but needs no build.

    Parameters
    ----------
    component : wiring.Component
        With streams `i` and `o`.
    taps : dict of str to stream
        Inner streams to record; those that the component has as ``tap_<name>`` are recorded in any case.
    beats, expected, i_stalls, o_stalls, expected_outputs, max_cycles, drain, feeds, waves
        As for `run_cocotb`.

    Raises
    ------
    SimulationError
        As `run_cocotb`.
    """
    expected_outputs, max_cycles = limits(expected, expected_outputs, max_cycles, drain)
    streams: dict[str, Any] = {"i": component.i, "o": component.o}
    streams |= {
        name.removeprefix("tap_"): getattr(component, name)
        for name in component.signature.members
        if name.startswith("tap_")
    }
    streams |= taps or {}
    fed = {FEED + name: getattr(component, f"weights_{name}") for name in feeds or {}}
    streams |= fed
    payloads = {name: Value.cast(stream.payload) for name, stream in streams.items()}
    words = {name: max(1, -(-len(payload) // 64)) for name, payload in payloads.items()}
    run = Run(
        as_words(beats, len(payloads["i"])),
        i_stalls=stall_pattern(i_stalls),
        o_stalls=stall_pattern(o_stalls),
        expected_outputs=expected_outputs,
        max_cycles=max_cycles,
        drain=drain,
        o_words=words["o"],
        taps={name: count for name, count in words.items() if name not in ("i", "o") and name not in fed},
        expected=expected,
        feeds=feeds,
    )
    watched = [signal for name, stream in streams.items() for signal in (stream.valid, stream.ready, payloads[name])]

    async def bench(context: Any) -> None:
        while run.running():
            beat, ready = run.drive()
            context.set(streams["i"].valid, beat is not None)
            if beat is not None:
                context.set(payloads["i"], beat)
            context.set(streams["o"].ready, ready)
            for name, weights in fed.items():
                word = run.feed(name)
                context.set(weights.valid, word is not None)
                if word is not None:
                    context.set(payloads[name], word)
            _, _, *seen = await context.tick().sample(*watched)
            for number, name in enumerate(streams):
                valid, moves, payload = seen[3 * number : 3 * number + 3]
                run.observe(name, bool(valid), bool(moves), int(payload))
            run.cycle += 1

    simulator = _simulator(component)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    try:
        if waves:
            with simulator.write_vcd(str(waves)):
                simulator.run()
        else:
            simulator.run()
    except SimulationError as problem:
        problem.trace = run.trace()
        raise
    return run.trace()


def _simulator(component: wiring.Component) -> Simulator:
    """The simulator of a component, whose memories may have words of many thousand bits.

    Amaranth writes such words as decimal numbers, and their enables as expressions with a term for each bit,
    for which Python's compiler goes one call deeper.
    """
    recursion, stack, digits = sys.getrecursionlimit(), threading.stack_size(_STACK), sys.get_int_max_str_digits()
    sys.setrecursionlimit(max(recursion, _TERMS))
    sys.set_int_max_str_digits(0)
    try:
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(Simulator, component).result()
    finally:
        sys.setrecursionlimit(recursion)
        sys.set_int_max_str_digits(digits)
        threading.stack_size(stack)
