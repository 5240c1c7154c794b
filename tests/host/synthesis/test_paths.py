"""The paths that blocks state: short with one level between registers, and those of the mapped netlist."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from bitweir_hw.arithmetic import ceil_div
from bitweir_hw.blocks import (
    BlockSpec,
    ConcatSpec,
    FifoSpec,
    ForkSpec,
    MatVecSpec,
    PoolSpec,
    RunningMaxSpec,
    UpsampleSpec,
    WidthSpec,
    WindowSpec,
    block_of,
)
from bitweir_hw.blocks.width.beats import Beats
from bitweir_hw.lower import lower
from bitweir_hw.popcount import Popcount
from bitweir_hw.popcount.dot_product import FULL_CHAIN
from bitweir_hw.resources.paths import Path, behind
from bitweir_hw.resources.terms import index_bits
from hypothesis import given
from hypothesis import strategies as st
from support import levels
from support.strategies import networks, plans

#: By block, the LUTs that may lie behind or before a carry chain, and those without one: all exceptions from none and
#: two. A loop from beat to beat bears no register: what is decided in a cycle changes what is decided in the next.
MOST_LUTS = {
    # A LUT takes a gate or a preset, or says which way a fill level goes.
    MatVecSpec: (1, 3),
    # The handshake of a queue whose words come several at once, and how many are left.
    WidthSpec: (2, 3),
    # A beat that leaves and a word that comes are both added to a fill level; ends of six nested loops.
    WindowSpec: (2, 3),
    # A partial result is chosen, compared, and chosen again.
    PoolSpec: (2, 3),
    # Of few words, what was chosen is compared in the next cycle.
    RunningMaxSpec: (3, 3),
    UpsampleSpec: (1, 3),
    # A multiplexer of the inputs.
    ConcatSpec: (1, 4),
    ForkSpec: (1, 2),
    # A new beat or the oldest one; see below.
    FifoSpec: (1, 2),
}


@given(st.data())
def test_one_level_between_registers_is_one_short_chain_or_a_few_luts(data):
    network = data.draw(networks())
    plan = data.draw(plans(network))
    plan = replace(plan, popcount=replace(plan.popcount, levels_per_stage=1))
    for block in lower(network, plan).blocks:
        if type(block) not in MOST_LUTS:
            continue
        with_chain, alone = MOST_LUTS[type(block)]
        longest = FULL_CHAIN
        if isinstance(block, MatVecSpec):
            # Accumulators of more bits have chains as long as they are.
            longest = max(longest, block.acc_bits)
            if block.popcount.style == "tree":
                # Memories are left to synthesis, as block RAM of iCE40 has no registers.
                alone = max(alone, *(path.luts for memory in block.sources for path in behind(memory)))
        if isinstance(block, FifoSpec) and not block.memories()[0].block:
            # LUT RAM of more than 16 words has multiplexers.
            alone = max(alone, 2 + index_bits(ceil_div(block.depth, 16)))
        if isinstance(block, WidthSpec) and block.shift_stages:
            # Behind a shifter a multiplexer chooses among the words that come at once.
            alone = max(alone, 1 + index_bits(Beats(block).most))
        for path in block_of(block).paths(block):
            assert len(path.adders) <= 1 and sum(path.adders) <= longest, (block, path)
            assert path.luts <= (with_chain if path.adders else alone), (block, path)


def nanoseconds(path: Path) -> float:
    """As the search in the netlist counts."""
    chains = sum(levels.CHAIN + levels.POSITION * positions for positions in path.adders)
    return levels.REGISTER + chains + levels.LUT * path.luts


def unit(**changes) -> MatVecSpec:
    rng = np.random.default_rng(2)
    usual = {
        "name": "unit", "layer": "unit", "weights": rng.random((1, 12, 24)) < 0.5, "threshold": True, "pe": 2,
        "simd": 6,
        "initial_accumulators": rng.integers(-20, 4, (1, 1, 12)), "acc_bits": 6,
        "popcount": Popcount(style="ecp5", levels_per_stage=1), "memory": "lut",
    }  # fmt: skip
    return MatVecSpec(**(usual | changes))


BLOCKS: dict[str, BlockSpec] = {
    "unit": unit(),
    "shifter": WidthSpec(
        name="width", layer="width", i_length=100, o_length=100, i_lanes=7, o_lanes=12, lane_bits=1, stage_levels=1
    ),
    "window": WindowSpec(
        name="window", layer="window", shape=(9, 11, 2), kernel=(3, 3), stride=(1, 1), pads=(1, 1, 1, 1), groups=1,
        lanes=2, taps=1, lane_bits=1,
    ),
    "pool": PoolSpec(
        name="pool", layer="pool", kind="sum", shape=(9, 9, 3, 1), kernel=(2, 2), stride=(2, 3), lanes=1, taps=3,
        i_lane_bits=5, o_lane_bits=9, stage_levels=1,
    ),
    "running": RunningMaxSpec(
        name="pool", layer="pool", lines=1, places=9, words=6, kernel=3, stride=2, pads=(1, 0), lanes=1, lane_bits=9,
        stage_levels=1,
    ),
    "upsample": UpsampleSpec(name="upsample", layer="upsample", shape=(4, 5, 2), factors=(2, 2), word_bits=2),
}  # fmt: skip


@pytest.mark.parametrize("name", BLOCKS)
def test_the_longest_path_of_the_netlist_is_no_longer_than_what_the_block_states(name, tmp_path):
    block = BLOCKS[name]
    found = levels.longest_path(levels.map_block(block, tmp_path))
    stated = max(nanoseconds(path) for path in block_of(block).paths(block))
    assert not found.block
    # A position more or less of a chain is none.
    assert 0.7 * stated <= found.delay <= stated + 3 * levels.POSITION, f"{found}; {block_of(block).paths(block)}"
