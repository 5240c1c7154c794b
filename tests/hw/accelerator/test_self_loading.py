"""An accelerator that loads itself, on memories that do not answer at once."""

import numpy as np
import pytest
from amaranth.hdl import Value
from amaranth.lib import memory
from amaranth.sim import Simulator
from bitweir_hw.accelerator import BootedAccelerator, boot_cycles, parameter_image, self_loading
from bitweir_hw.lower import lower, with_loadable_parameters
from bitweir_hw.network import BIPOLAR, Dense, Network, check
from bitweir_hw.plan import Folding, Plan
from bitweir_sim.values.frames import expected_beats, pack
from support.loadbench import beats_of
from support.strategies import identity_input


def small(load_width):
    """A network whose parameters begin with zeros, and a plan with them in RAM."""
    rng = np.random.default_rng(1)
    weights = rng.random((6, 9)) < 0.5
    weights[:4] = False
    layers = (
        Dense(name="a", weights=weights, thresholds=rng.integers(-3, 4, (6, 1)), output=BIPOLAR),
        Dense(name="b", weights=rng.random((3, 6)) < 0.5),
    )
    network = check(Network(name="net", input=identity_input(9), layers=layers))
    plan = Plan(foldings=(Folding(pe=2, simd=9), Folding(pe=3, simd=3)))
    return network, with_loadable_parameters(network, plan, load_width=load_width)


@pytest.mark.parametrize("asleep", [0, 1, 36, 300])
@pytest.mark.parametrize("late", [0, 1])
@pytest.mark.parametrize("width", [1, 4])
def test_block_ram_that_reads_as_zeros_at_first(monkeypatch, asleep, late, width):
    # An iCE40 after configuration. With `late`, the beat behind the image reads right before the image does.
    network, plan = small(width)
    pipeline = lower(network, plan)
    content = parameter_image(pipeline)
    image = beats_of(content, width)
    memories = []

    class Caught(memory.Memory):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            memories.append(self)

    monkeypatch.setattr(self_loading.memory, "Memory", Caught)
    dut = BootedAccelerator(pipeline, content)
    frames = np.random.default_rng(7).integers(0, 2, (3, 9))
    beats = [int.from_bytes(row.tobytes(), "little") for row in pack(frames, pipeline.input)]
    wanted = [int.from_bytes(row.tobytes(), "little") for row in expected_beats(network, pipeline, frames)[-1]]
    found, first = [], []

    async def bench(ctx):
        (rom,) = (each for each in memories if each.depth == len(image) + 1)
        for at in range(rom.depth - late if asleep else 0):
            ctx.set(rom.data[at], 0)
        ctx.set(dut.i.valid, 1)
        ctx.set(dut.o.ready, 1)
        at = cycle = 0
        while len(found) < len(wanted):
            assert cycle < 2000
            if cycle == asleep:
                for place, beat in enumerate([*image, self_loading.MARK]):
                    ctx.set(rom.data[place], beat)
            ctx.set(dut.i.valid, at < len(beats))
            ctx.set(dut.i.payload, beats[min(at, len(beats) - 1)])
            if at < len(beats) and ctx.get(dut.i.ready):
                first.append(cycle)
                at += 1
            if ctx.get(dut.o.valid):
                found.append(ctx.get(Value.cast(dut.o.payload)))
            await ctx.tick()
            cycle += 1

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert found == wanted
    if not late or not asleep:
        assert first[0] == boot_cycles(pipeline) + asleep
