"""Rule 4 of the streams, block by block: what one side does is not seen on the other in the same cycle."""

import numpy as np
import pytest
from amaranth.sim import Simulator
from bitweir_hw.blocks import lower
from bitweir_hw.gateware.accelerator import GATEWARE, block_names
from bitweir_hw.gateware.fifo import Fifo
from bitweir_hw.network import BIPOLAR, Affine, Dense, Network, check
from bitweir_hw.plan import plan_from_foldings
from strategies import identity_input


def blocks():
    """One of each kind, and layers that are folded and not."""
    rng = np.random.default_rng(6)
    hidden = Dense(
        name="dense0", weights=rng.random((9, 12)) < 0.5, thresholds=rng.integers(-5, 5, (9, 1)), output=BIPOLAR
    )
    last = Dense(name="dense1", weights=rng.random((3, 9)) < 0.5)
    scores = Affine(name="scores", scale=np.array([1, -2, 3]), offset=np.array([4, 5, -6]))
    network = check(Network(name="net", input=identity_input(12), layers=(hidden, last, scores)))
    specs = lower(network, plan_from_foldings(network, "5x2,9x3"))
    return dict(zip(block_names(specs), specs, strict=True))


BLOCKS = blocks()
COMPONENTS = {name: GATEWARE[type(spec)](spec) for name, spec in BLOCKS.items()}
COMPONENTS |= {f"fifo of {depth}": Fifo(width=4, depth=depth) for depth in (2, 3, 5)}


@pytest.mark.parametrize("name", COMPONENTS)
def test_no_path_through_a_block(name):
    dut = COMPONENTS[name]
    rng = np.random.default_rng(7)
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    seen = set()

    async def bench(ctx):
        offered = 0
        for _ in range(300):
            if not offered and rng.random() < 0.7:
                ctx.set(dut.i.payload, int(rng.integers(0, 1 << len(dut.i.payload))))
                offered = 1
            states = []
            for valid, ready in ((0, 0), (0, 1), (1, 0), (1, 1)):
                ctx.set(dut.i.valid, valid)
                ctx.set(dut.o.ready, ready)
                states.append(
                    (ctx.get(dut.i.ready), ctx.get(dut.o.valid), ctx.get(dut.o.valid) and ctx.get(dut.o.payload))
                )
            assert len(set(states)) == 1
            seen.add(states[0][:2])
            ctx.set(dut.i.valid, offered)
            ctx.set(dut.o.ready, int(rng.random() < 0.4))
            if ctx.get(dut.i.ready):
                offered = 0
            await ctx.tick()

    simulator.add_testbench(bench)
    simulator.run()
    # The block was full at times, and empty, so that the paths would have shown.
    assert {ready for ready, _ in seen} == {0, 1}
    assert {valid for _, valid in seen} == {0, 1}
