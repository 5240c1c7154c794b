"""Memories as banks: every word comes from its address, so many cycles later."""

from __future__ import annotations

from dataclasses import replace
from math import ceil
from typing import Any

import numpy as np
import pytest
from amaranth.sim import Simulator
from bitweir_hw.gateware.store import Store
from bitweir_hw.memory import EIGHTEEN, Layout, Memory, in_luts, layout
from bitweir_hw.resources.memories import block_rams
from bitweir_hw.resources.paths import behind
from hypothesis import given, settings
from hypothesis import strategies as st


@st.composite
def layouts(draw: st.DrawFn) -> tuple[int, Layout]:
    """A depth, and banks of a power of two words that hold as many."""
    words, banks = 1 << draw(st.integers(1, 4)), draw(st.integers(1, 18))
    depth = (banks - 1) * words + draw(st.integers(1, words))
    registers, direct = draw(st.integers(0, 4)), draw(st.booleans())
    return max(depth, 2), Layout(
        depth=words, banks=banks, shared=draw(st.booleans()), registers=registers, direct=direct
    )


@settings(max_examples=40)
@given(drawn=layouts(), writable=st.booleans(), seed=st.integers(0, 2**32))
def test_each_word_comes_from_its_address(drawn: tuple[int, Layout], writable: bool, seed: int) -> None:
    depth, laid = drawn
    rng = np.random.default_rng(seed)
    width = int(rng.integers(1, 8))
    words = rng.integers(0, 1 << width, depth).tolist()
    if writable:
        laid = replace(laid, shared=False)
    dut = Store(depth=depth, width=width, layout=laid, words=None if writable else words, attrs={})
    asked = rng.integers(0, depth, 60).tolist()

    async def bench(ctx: Any) -> None:
        if writable:
            ctx.set(dut.write, 1)
            for address in rng.permutation(depth).tolist():
                ctx.set(dut.w_address, address)
                ctx.set(dut.w_data, words[address])
                await ctx.tick()
            ctx.set(dut.write, 0)
            ctx.set(dut.w_data, (1 << width) - 1)
        for at, address in enumerate(asked):
            ctx.set(dut.address, address)
            await ctx.tick()
            if at >= laid.registers:
                assert ctx.get(dut.data) == words[asked[at - laid.registers]]

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


@given(depth=st.integers(2, 70_000), levels=st.integers(0, 3), writable=st.booleans())
def test_memories_in_luts_are_read_in_few_levels(depth: int, levels: int, writable: bool) -> None:
    laid = in_luts(depth, writable=writable, levels=levels)
    assert laid.depth * (laid.banks - 1) < depth <= laid.depth * laid.banks
    assert laid.registers == (ceil(laid.levels / levels) if levels else 0)
    memory = Memory(role="weights", depth=depth, width=1, writable=writable, style="lut", levels=levels)
    assert memory.layout == laid
    longest = max(path.luts for path in behind(memory))
    assert not any(path.block for path in behind(memory))
    if levels:
        # A bank of 32 or 64 words, and a multiplexer of four more for each level.
        assert longest <= 1 + 2 * levels
    else:
        assert laid.banks == 1


@given(depth=st.integers(2, 70_000), width=st.integers(1, 150), writable=st.booleans(), levels=st.integers(0, 3))
def test_layouts_take_as_many_block_rams_as_synthesis_would(
    depth: int, width: int, writable: bool, levels: int
) -> None:
    laid = layout(depth, width, writable=writable, levels=levels)
    assert laid.depth * (laid.banks - 1) < depth <= laid.depth * laid.banks
    assert not (laid.shared and writable)
    assert laid.registers == (1 + ceil(laid.levels / levels) if levels else 1)
    alone, banks = block_rams(depth, width, "ecp5", writable=writable)
    if not levels:
        assert laid.banks == 1
        return
    sizes = [min(laid.depth, depth - at) for at in range(0, depth, laid.depth)]
    parts = [(laid.depth, laid.banks * width)] if laid.shared else [(size, width) for size in sizes]
    found = [block_rams(*part, "ecp5", writable=writable) for part in parts]
    # Each is one bank, whose outputs are those of block RAMs.
    assert all(one == 1 for _, one in found)
    # Banks that are written do not share block RAMs.
    assert sum(count for count, _ in found) <= alone + (max(1, alone // 4) if writable else 0)
    if banks == 1:
        assert laid.banks == 1
    elif not laid.shared:
        assert laid.depth in dict(EIGHTEEN)


@pytest.mark.parametrize(
    ("depth", "width", "levels", "expected"),
    [
        (40, 30, 1, Layout(depth=40, registers=1)),
        (18_432, 32, 1, Layout(depth=2048, banks=9, shared=True, registers=3)),
        (18_432, 32, 2, Layout(depth=2048, banks=9, shared=True, registers=2)),
        (18_432, 32, 0, Layout(depth=18_432, registers=1)),
        (32_768, 4, 1, Layout(depth=16_384, banks=2, registers=2)),
    ],
)
def test_layouts(depth: int, width: int, levels: int, expected: Layout) -> None:
    assert layout(depth, width, writable=False, levels=levels) == expected
    memory = Memory(role="weights", depth=depth, width=width, levels=levels)
    assert memory.layout == expected
    # What is left to synthesis has its multiplexers before the register.
    assert memory.inner_levels == (2 if levels == 0 else 0)


def test_what_is_shallow_has_no_register() -> None:
    assert Memory(role="buffer", depth=16, width=64, levels=1).layout == Layout(depth=16, direct=False)
