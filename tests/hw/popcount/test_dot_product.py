"""Plans of popcounts: every lane once, exact costs and stages, errors."""

from __future__ import annotations

import pytest
from bitweir_hw.errors import PlanError
from bitweir_hw.popcount import STYLE, STYLES, DotProduct, Plane, Popcount
from bitweir_hw.popcount.trees import Add, Lanes, best_count, walk, xc7_split
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


dots = st.builds(
    DotProduct,
    simd=st.integers(1, 70),
    bits=st.integers(1, 9),
    planes=st.sampled_from([1, 2, 3, 8]).map(lambda count: tuple(Plane(exponent=n) for n in range(count)))
    | st.sampled_from([(Plane(xnor=True),), (Plane(), Plane(negative=True)), (Plane(exponent=2), Plane(exponent=5))]),
)


@given(dot=dots, style=st.sampled_from(STYLES), levels=st.integers(0, 4))
def test_parts_of_a_dot_product_reach_its_highest_sum(dot: DotProduct, style: str, levels: int) -> None:
    plan = dot.plan(Popcount(style=style, levels_per_stage=levels))
    assert sum(part.most + part.count.carry << part.exponent for part in plan.parts) == dot.most
    assert plan.tree.most + plan.parts[0].count.carry << plan.exponent == dot.most
    assert sorted(n for operand in plan.operands for n in operand) == list(range(len(plan.parts)))
    for operand in plan.operands:
        # Side by side in a word, no part reaches into the next.
        for low, high in zip(operand, operand[1:], strict=False):
            assert plan.parts[low].exponent + plan.parts[low].most.bit_length() <= plan.parts[high].exponent
    lanes = sum(dot.simd * len(part.sources) for part in plan.parts)
    assert lanes == dot.simd * len(dot.planes) * (1 if plan.words else dot.bits)


@given(dot=dots, levels=st.integers(0, 4))
def test_dot_products_without_vendor_cells_take_the_same_cycles(dot: DotProduct, levels: int) -> None:
    ecp5 = Popcount(style="ecp5", levels_per_stage=levels)
    assert dot.stages(ecp5) == dot.stages(ecp5.portable())


@given(simd=st.integers(1, 300), style=st.sampled_from(STYLES), levels=st.integers(0, 4))
def test_a_plain_dot_product_is_a_popcount(simd: int, style: str, levels: int) -> None:
    dot, popcount = DotProduct(simd=simd), Popcount(style=style, levels_per_stage=levels)
    assert dot.plain
    assert dot.stages(popcount) == popcount.stages(simd)
    assert dot.plan(popcount).levels == popcount.levels(simd)


def test_counts_that_do_not_meet_need_no_adder() -> None:
    dot = DotProduct(simd=1, planes=tuple(Plane(exponent=n) for n in range(8)))
    assert dot.plan(Popcount()).levels == 0
    # Sums of two bits: those of even and of odd planes make a word each.
    plan = DotProduct(simd=3, planes=dot.planes).plan(Popcount(style="xc7"))
    assert plan.tree.level == 1


def test_planning_large_popcounts_is_quick_and_keeps_its_price() -> None:
    for style, price in (("tree", 2.6), ("fused", 2.3), ("ecp5", 1.55)):
        assert best_count(style, 0, 1000).cost < 1000 * price


def test_each_family_has_a_style() -> None:
    assert set(STYLE.values()) <= set(STYLES)


def test_errors_name_the_value_and_what_is_legal() -> None:
    with pytest.raises(PlanError, match="must be one of tree, fused, ecp5, xc7, not 'wallace'"):
        Popcount(style="wallace")
    with pytest.raises(PlanError, match="must be a whole number of 0 or more, not -1"):
        Popcount(levels_per_stage=-1)
    with pytest.raises(PlanError, match="must have lanes and bits, not 0 lanes of 2 bits"):
        DotProduct(simd=0, bits=2)
    with pytest.raises(PlanError, match="must have planes of exponents from 0 on, not \\(\\)"):
        DotProduct(simd=1, planes=())
