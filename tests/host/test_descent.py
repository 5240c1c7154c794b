"""At the end of a search no single change of its plan is better: none that a report advises, and none of one layer."""

from dataclasses import replace

import pytest
from bitweir import shipped
from bitweir.design import Design
from bitweir.loading import load
from bitweir.planning import PlanRequest, choose
from bitweir.planning.descent import changes, descend
from bitweir.planning.limits import board_limits, part_limits
from bitweir.planning.link import link_rate
from bitweir.planning.variants import variants
from bitweir_hw.boards import BOARDS
from bitweir_hw.cost import estimate_pipeline, fmax, fmax_error, highest_clock
from bitweir_hw.errors import PlanError
from bitweir_hw.parts import PARTS
from bitweir_hw.plan import check_plan, plan_from_foldings
from support.samples import dense_network, depthwise_network, every_kind


@pytest.fixture(scope="module")
def networks():
    bundled = shipped.NETWORKS["digits"]
    return {
        "digits": load(shipped.model_file("digits"), input_scale=bundled.input_scale, compare=False).network,
        "dense": dense_network(64, 48, 10),
        "depthwise": depthwise_network(),
        "branched": every_kind(wired=False)[0],
    }


def _found(network, plan, part, clock):
    """What the design is expected to do, as reports tell it: resources, frames/s, frames/s that are sure, seconds."""
    design = Design.fitted(network, plan)
    reached = fmax(design.pipeline, part)
    cycles = float(design.timing.interval) / plan.parallel_frames
    hertz, sure = min(clock, reached), min(clock, reached * (1 - fmax_error(part)))
    cost = estimate_pipeline(design.pipeline, part.family)[1]
    return cost, hertz / cycles, sure / cycles, design.timing.latency / hertz


def _measure(goal, fps):
    """What the goal is about: the smaller, the better."""
    if goal == "fps":
        return lambda found: -found[1]
    if goal == "latency":
        return lambda found: found[3]
    rate = 2 if goal == "link" else 1
    return lambda found: found[0].sites if found[rate] >= fps * (1 - 1e-9) else float("inf")


@pytest.mark.parametrize(
    ("name", "where", "goal", "clock", "fps"),
    [
        # Each of these was missed before single changes were tried.
        ("dense", "ice40-up5k", "area", None, 1e3),
        ("dense", "gw1n-9", "area", 50e6, 1e5),
        ("digits", "xc7a35t", "latency", 50e6, None),
        ("digits", "gw1n-9", "fps", 50e6, None),
        ("dense", "hx8k_breakout", "link", None, None),
        # And these not.
        ("dense", "icebreaker", "fps", 30e6, None),
        ("depthwise", "ice40-hx8k", "fps", None, None),
        ("depthwise", "xc7a35t", "area", 50e6, 2e4),
        ("branched", "ecp5-25k", "area", 50e6, 2e5),
        ("branched", "ecp5-25k", "latency", 50e6, None),
    ],
)
def test_nothing_that_a_report_advises_is_better(networks, name, where, goal, clock, fps):
    network, board = networks[name], BOARDS.get(where)
    part = board.part if board else PARTS[where]
    alone = 1 if board or goal != "fps" else None
    request = PlanRequest(part=None if board else part, board=board, goal=goal, fps=fps, clock=clock, streams=alone)
    plan = choose(network, request).plan
    limits = board_limits(network, board) if board else part_limits(part)
    measure = _measure(goal, link_rate(network, board) if goal == "link" else fps)
    hertz = clock or highest_clock(part)
    best = measure(_found(network, plan, part, hertz))
    tried = 0
    for variant in variants(network, plan, parallel=alone is None):
        other = _found(network, variant.plan, part, hertz)
        cost = other[0]
        if cost.sites > limits.sites or cost.bram > limits.block_rams:
            continue
        if cost.ff > limits.ffs or cost.lutram > limits.lut_rams:
            continue
        tried += 1
        assert measure(other) >= best * (1 - 1e-9 if best > 0 else 1 + 1e-9), variant.options
    assert tried or "wired" in str(plan.foldings)


def test_layers_are_wired_with_other_adder_levels_where_that_is_faster(networks):
    """With one level between registers, they would take more flip-flops than route."""
    found = choose(networks["dense"], PlanRequest(part="ice40-hx8k", goal="fps"))
    assert [str(each) for each in found.plan.foldings] == ["64x48:wired", "48x10:wired"]
    assert found.plan.popcount.levels_per_stage == 2 and found.search.cycles == 1


def test_what_is_given_stays(networks):
    """Adder levels and parallel frames that are named, and parameters in RAM, which cannot be wired."""
    plan = plan_from_foldings(networks["dense"], "16x4,8x2")
    found = list(changes(networks["dense"], plan, levels=(2,), parallel=False))
    assert {each.popcount.levels_per_stage for each in found} == {2}
    assert {each.parallel_frames for each in found} == {1}
    assert any(each.memory == "wired" for other in found for each in other.foldings)
    loaded = changes(networks["dense"], replace(plan, weights="ram"), levels=(2,), parallel=False)
    assert not any(each.memory == "wired" for other in loaded for each in other.foldings)


def test_a_descent_goes_on_until_nothing_is_better(networks):
    network = networks["dense"]

    def judge(plan):
        try:
            return check_plan(network, plan)
        except PlanError:
            return None

    def lanes(plan):
        return (float(sum(each.pe * each.simd for each in plan.foldings)),)

    start = plan_from_foldings(network, "16x12,8x10")
    found = descend(
        start, plan_of=lambda plan: plan, judge=judge, rank=lanes,
        around=lambda plan: changes(network, plan, levels=(2,), parallel=False),
    )  # fmt: skip
    assert [(each.simd, each.pe) for each in found.foldings] == [(1, 1), (1, 1)]
