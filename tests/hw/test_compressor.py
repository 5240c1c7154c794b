"""Plans of popcounts: every lane once, exact costs and stages, errors."""

from __future__ import annotations

import pytest
from bitweir_hw.compressor import STYLE, STYLES, Add, Lanes, Popcount, best_count, walk, xc7_split
from bitweir_hw.errors import PlanError
from hypothesis import given
from hypothesis import strategies as st


@given(style=st.sampled_from(STYLES), levels=st.integers(0, 4), lanes=st.integers(1, 300))
def test_every_lane_is_counted_once(style: str, levels: int, lanes: int) -> None:
    count = best_count(style, levels, lanes)
    assert (count.tree.size if count.tree else 0) + count.carry == lanes
    for node in walk(count.tree) if count.tree else ():
        if isinstance(node, Add):
            assert node.level > max(node.a.level, node.b.level)
            assert node.size < 1 << (node.positions + 1)
        else:
            assert isinstance(node, Lanes)


def test_a_full_chain_tends_to_one_and_a_half_positions_a_lane() -> None:
    # A k-bit adder costs k + 1 positions and takes 2 * (2**k - 1) + 1 lanes.
    costs = [best_count("ecp5", 0, (1 << k) - 1).cost for k in range(2, 9)]
    assert costs == [2, 7, 18, 41, 88, 183, 374]


def test_levels_are_the_fewest_that_can_count() -> None:
    # Level n counts 2**(n + 1) - 1 lanes, and the accumulator takes one more.
    for lanes in range(2, 300):
        power = lanes & (lanes - 1) == 0
        assert Popcount(style="fused", levels_per_stage=1).stages(lanes) == lanes.bit_length() - 1 - power


@given(lanes=st.integers(1, 300), levels=st.integers(0, 4))
def test_stages_follow_from_levels(lanes: int, levels: int) -> None:
    for style in STYLES:
        popcount = Popcount(style=style, levels_per_stage=levels)
        assert popcount.stages(lanes) == (popcount.levels(lanes) // levels if levels else 0)
    ecp5 = Popcount(style="ecp5", levels_per_stage=levels)
    assert ecp5.portable().style == "fused"
    assert ecp5.portable().stages(lanes) == ecp5.stages(lanes)


@given(lanes=st.integers(1, 300))
def test_xc7_counts_sum_and_carry_bits_apart(lanes: int) -> None:
    plan = xc7_split(lanes)
    sums = (plan.sums.tree.size if plan.sums.tree else 0) + plan.sums.carry
    carries = (plan.carries.size if plan.carries else 0) + plan.merge_carry
    assert sums == -(-lanes // 3)
    assert carries == (lanes + 1) // 3


def test_planning_large_popcounts_is_quick_and_keeps_its_price() -> None:
    for style, price in (("tree", 2.6), ("fused", 2.3), ("ecp5", 1.55)):
        assert best_count(style, 0, 1000).cost < 1000 * price


def test_each_family_has_a_style() -> None:
    assert set(STYLE.values()) <= set(STYLES)


def test_errors_name_the_value_and_what_is_legal() -> None:
    with pytest.raises(PlanError, match="must be one of tree, fused, ecp5, xc7, not 'wallace'"):
        Popcount(style="wallace")
    with pytest.raises(PlanError, match="must be 0 .* or more, not -1"):
        Popcount(levels_per_stage=-1)
