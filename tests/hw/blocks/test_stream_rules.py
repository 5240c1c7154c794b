"""Rule 4 of the streams, block by block: what one side does is not seen on the other in the same cycle."""

import itertools

import numpy as np
import pytest
from amaranth.sim import Simulator
from bitweir_hw.blocks import BLOCKS, block_of
from bitweir_hw.gateware.fifo import Fifo
from bitweir_hw.lower import lower
from support.samples import every_kind

SPECS = {block.name: block for kind in ("class", "scores") for block in lower(*every_kind(kind=kind)).blocks}
COMPONENTS = {name: block_of(spec).component(spec) for name, spec in SPECS.items()}
COMPONENTS |= {f"fifo of {depth}": Fifo(width=4, depth=depth) for depth in (2, 3, 5)}


def test_every_kind_is_there():
    assert {type(spec) for spec in SPECS.values()} == {block.spec for block in BLOCKS}


def streams(dut, letter):
    """The streams of a block on one side: `i`, or `i0`, `i1` ..."""
    if hasattr(dut, letter):
        return [getattr(dut, letter)]
    return [getattr(dut, f"{letter}{n}") for n in itertools.takewhile(lambda n: hasattr(dut, f"{letter}{n}"), range(9))]


@pytest.mark.parametrize("name", COMPONENTS)
def test_no_path_through_a_block(name):
    dut = COMPONENTS[name]
    inputs, outputs = streams(dut, "i"), streams(dut, "o")
    rng = np.random.default_rng(7)
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    seen = set()

    async def bench(ctx):
        offered = [0] * len(inputs)
        for cycle in range(400):
            for n, stream in enumerate(inputs):
                if not offered[n] and rng.random() < 0.8:
                    ctx.set(stream.payload, int.from_bytes(rng.bytes(40), "little") % (1 << len(stream.payload)))
                    offered[n] = 1
            # What the outputs show never depends on an input, and what the inputs show never on an output.
            shown, taken = set(), {}
            for valid, ready in itertools.product((0, 1), (0, 1)):
                for n, stream in enumerate(inputs):
                    # An input of several may wait for the others: only all or none of them change here.
                    ctx.set(stream.valid, offered[n] if len(inputs) > 1 else valid)
                for stream in outputs:
                    ctx.set(stream.ready, ready)
                shown.add(tuple((ctx.get(s.valid), ctx.get(s.valid) and ctx.get(s.payload)) for s in outputs))
                taken.setdefault(valid if len(inputs) > 1 else 0, set()).add(tuple(ctx.get(s.ready) for s in inputs))
            assert len(shown) == 1
            assert all(len(states) == 1 for states in taken.values())
            for n, stream in enumerate(inputs):
                ctx.set(stream.valid, offered[n])
            for stream in outputs:
                # At the end nobody takes anything, so that every block gets full.
                ctx.set(stream.ready, int(cycle < 200 and rng.random() < 0.4))
            seen.add((any(ctx.get(s.ready) for s in inputs), any(ctx.get(s.valid) for s in outputs)))
            offered = [0 if ctx.get(s.ready) else was for s, was in zip(inputs, offered, strict=True)]
            await ctx.tick()

    simulator.add_testbench(bench)
    simulator.run()
    # The block was full at times, and empty, so that the paths would have shown.
    assert {ready for ready, _ in seen} == {False, True}
    assert {valid for _, valid in seen} == {False, True}
