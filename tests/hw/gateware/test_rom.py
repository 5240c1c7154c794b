"""Words in their order, whatever lies between a memory and what takes them."""

from __future__ import annotations

from typing import Any

import numpy as np
from amaranth.sim import Simulator
from bitweir_hw.gateware.rom import Rom
from bitweir_hw.memory import EIGHTEEN, Layout, Memory
from hypothesis import given, settings
from hypothesis import strategies as st


@settings(max_examples=30)
@given(
    depth=st.integers(2, 20),
    width=st.integers(1, 20),
    share=st.integers(0, 7),
    registers=st.integers(0, 3),
    seed=st.integers(0, 2**32),
)
def test_each_step_brings_the_next_word(depth: int, width: int, share: int, registers: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    words = rng.integers(0, 1 << width, depth).tolist()
    laid = Layout(depth=depth, registers=registers, share=share)
    parts = laid.shares(width)
    assert [bit for part in parts for bit in range(part.start, part.stop)] == list(range(width))
    assert all(part.stop - part.start <= (share or width) for part in parts)
    dut = Rom(words=words, width=width, style="block", layout=laid)
    steps = rng.random(50) < 0.6

    async def bench(ctx: Any) -> None:
        # A word stands at the output so many cycles after the step that asks for it.
        asked: list[int | None] = [None] * registers
        count = 0
        for step in steps.tolist():
            asked.append(words[count % depth] if step else None)
            count += step
            ctx.set(dut.step, step)
            await ctx.tick()
            expected = asked[-1 - registers]
            assert expected is None or ctx.get(dut.data) == expected

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


@given(
    depth=st.integers(2, 3000), width=st.integers(1, 3000), writable=st.booleans(), landing=st.booleans(),
    levels=st.integers(1, 2),
)  # fmt: skip
def test_words_of_many_block_rams_have_addresses_of_their_own(
    depth: int, width: int, writable: bool, landing: bool, levels: int
) -> None:
    memory = Memory(role="weights", depth=depth, width=width, writable=writable, levels=levels, style="block")
    laid, plain = Memory(**{**vars(memory), "landing": landing}).layout, memory.layout
    if laid.share:
        assert landing and laid.banks == 1 and laid.registers == plain.registers + 1
        # The bits of eight block RAMs, of 512 words of 36 bits, 1,024 of 18, ...
        assert laid.share == 8 * max(bits for words, bits in EIGHTEEN if words >= depth)
        assert len(laid.shares(width)) >= 2
    else:
        assert laid == plain
