"""The CRC-32 of beats beside that of `zlib`."""

import zlib

from amaranth.sim import Simulator
from bitweir_hw.gateware.crc import LATENCY, BeatCrc
from hypothesis import given, settings
from hypothesis import strategies as st


@settings(max_examples=25)
@given(
    width=st.sampled_from((1, 2, 4, 8, 16)),
    before=st.binary(max_size=3),
    images=st.lists(st.tuples(st.binary(min_size=1, max_size=40), st.integers(0, 4095)), min_size=1, max_size=3),
    pauses=st.lists(st.booleans(), max_size=20),
)
def test_beats_end_with_their_crc(width, before, images, pauses):
    # With an odd number, a bit is flipped somewhere.
    dut = BeatCrc(load_width=width, initial=zlib.crc32(before))

    async def bench(ctx):
        pause = iter(pauses)
        for content, flip in images:
            content += bytes(-(len(content) + 4) % width)
            content += zlib.crc32(before + content).to_bytes(4, "little")
            if flip % 2:
                place = flip // 2 % (8 * len(content))
                content = bytes(byte ^ (1 << place % 8) * (at == place // 8) for at, byte in enumerate(content))
            ctx.set(dut.valid, 1)
            await ctx.tick()
            ctx.set(dut.start, 1)
            ctx.set(dut.valid, 0)
            await ctx.tick()
            ctx.set(dut.start, 0)
            for at in range(0, len(content), width):
                while next(pause, False):
                    ctx.set(dut.valid, 0)
                    ctx.set(dut.data, 1)
                    await ctx.tick()
                ctx.set(dut.valid, 1)
                ctx.set(dut.data, int.from_bytes(content[at : at + width], "little"))
                await ctx.tick()
            ctx.set(dut.valid, 0)
            await ctx.tick().repeat(LATENCY - 1)
            assert ctx.get(dut.match_detected) == (flip % 2 == 0)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
