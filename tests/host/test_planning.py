"""What users ask for becomes a plan: goals on parts, and what cannot be had is told with what can."""

from dataclasses import replace

import numpy as np
import pytest
from bitweir.planning import PlanRequest, choose
from bitweir.planning.choose import FILL, part_limits
from bitweir_hw.cost import estimate_pipeline
from bitweir_hw.errors import PlanError
from bitweir_hw.lower import lower
from bitweir_hw.network import BIPOLAR, Dense, Network, check
from bitweir_hw.parts import PARTS
from bitweir_sim.time.sizing import fit_depths, interval
from support.samples import every_kind
from support.strategies import identity_input

CLOCK = 50e6


@pytest.fixture(scope="module")
def network():
    return every_kind()[0]


def wish(**words):
    return PlanRequest(clock=CLOCK, **words)


@pytest.mark.parametrize("part", ["ice40-up5k", "ecp5-25k", "gw1n-9", "xc7a35t"])
@pytest.mark.parametrize("goal", ["fps", "latency", "area"])
def test_plans_fit_and_keep_their_promise(network, part, goal):
    choice = choose(network, wish(part=part, goal=goal, fps=2e5 if goal == "area" else None))
    pipeline = lower(network, fit_depths(network, choice.plan))
    assert interval(pipeline) == choice.search.cycles
    assert choice.search.sites <= FILL * PARTS[part].luts
    assert choice.search.block_rams <= PARTS[part].block_rams
    total = estimate_pipeline(pipeline, PARTS[part].family)[1]
    # FIFOs were priced before they were fitted.
    assert total.bram <= PARTS[part].block_rams
    assert abs(total.sites - choice.search.sites) <= 0.25 * choice.search.sites
    if goal == "area":
        assert CLOCK / choice.search.cycles >= 2e5
        assert choice.search.bound <= choice.search.sites + 1


def test_goals_compare(network):
    fast, small, soon = (
        choose(network, wish(part="ecp5-25k", goal=goal, fps=2e5 if goal == "area" else None)).search
        for goal in ("fps", "area", "latency")
    )
    assert fast.cycles <= small.cycles
    assert small.sites <= fast.sites
    assert fast.cycles <= soon.cycles


def test_what_cannot_be_had(network):
    with pytest.raises(PlanError) as error:
        choose(network, wish(part="ecp5-25k", goal="area", fps=1e9))
    assert str(error.value).startswith("A frame takes at least 16 cycles, so it cannot take at most 0; the most that ")
    assert str(error.value).endswith(" frames/s.")
    with pytest.raises(PlanError, match="Frame rate must be positive"):
        choose(network, wish(part="ecp5-25k", goal="area", fps=-1.0))


def test_frames_go_side_by_side_where_block_ram_binds(network, monkeypatch):
    rng = np.random.default_rng(3)
    layers = (Dense(name="dense0", weights=rng.random((512, 784)) < 0.5, thresholds=np.zeros((512, 1), np.int64),
                    output=BIPOLAR), Dense(name="scores", weights=rng.random((10, 512)) < 0.5))  # fmt: skip
    large = check(Network(name="net", input=identity_input(784), layers=layers))
    monkeypatch.setitem(PARTS, "scarce", replace(PARTS["ecp5-25k"], name="scarce", block_rams=28))
    alone = choose(large, wish(part="scarce", goal="fps")).search
    wide = choose(large, wish(part="scarce", goal="fps", streams=None)).search
    assert (alone.streams, alone.block_rams > 25) == (1, True) and wide.streams > 1
    assert wide.cycles / wide.streams < alone.cycles
    assert wide.block_rams <= 28 and wide.sites <= FILL * PARTS["scarce"].luts
    assert f" It has {wide.streams} parallel frames." in wide.summary
    # Where it does not, they go alone.
    assert choose(network, wish(part="ecp5-85k", goal="fps", streams=None)).search.streams == 1


def test_registers_follow_the_clock(network):
    slow, fast = (choose(network, PlanRequest(clock=clock, part="ecp5-25k", goal="fps")) for clock in (20e6, 1e9))
    assert slow.plan.popcount.levels_per_stage >= fast.plan.popcount.levels_per_stage
    assert "A router may reach only" in fast.search.summary and "A router" not in slow.search.summary
    given = choose(network, PlanRequest(clock=1e9, part="ecp5-25k", goal="fps", stage_levels=3))
    assert given.plan.popcount.levels_per_stage == 3


@pytest.mark.parametrize("goal", ["fps", "latency"])
@pytest.mark.parametrize("part", ["ecp5-25k", "gw1n-9"])
def test_a_plan_is_the_best_at_the_clock_that_it_is_expected_to_reach(network, part, goal):
    def searched(levels):
        return choose(network, PlanRequest(clock=250e6, part=part, goal=goal, stage_levels=levels)).search

    best, alone = searched(None), [searched(levels) for levels in (1, 2)]
    assert best.fmax < 250e6
    assert best.fps == best.streams * best.fmax / best.cycles
    assert best in alone
    if goal == "fps":
        assert best.fps == max(one.fps for one in alone)


def test_a_frame_rate_holds_at_the_clock_that_is_expected(network):
    """At 400 MHz, which none reaches, four times the cycles would do."""
    wanted = 2e6
    found = choose(network, PlanRequest(clock=400e6, part="ecp5-25k", goal="area", fps=wanted)).search
    assert found.fmax < 400e6 and found.fps >= wanted
    assert found.cycles < 400e6 / wanted
    # One that no plan reaches at its clock is told with what it does reach.
    most = choose(network, PlanRequest(clock=100e6, part="ecp5-25k", goal="fps")).search
    beyond = choose(network, PlanRequest(clock=100e6, part="ecp5-25k", goal="area", fps=0.99 * 100e6 / most.cycles))
    assert beyond.search.fps < 0.99 * 100e6 / most.cycles
    assert f"not 100 MHz: about {beyond.search.fps:,.0f} frames/s." in beyond.search.summary


def test_larger_parts_of_a_family():
    """The smallest first; more of anything counts."""
    assert [name for name, _ in part_limits(PARTS["ecp5-25k"]).larger] == ["ecp5-45k", "ecp5-85k"]
    assert [name for name, _ in part_limits(PARTS["xc7a100t"]).larger] == ["xc7z020"]
    assert part_limits(PARTS["gw2a-18"]).larger == ()
    assert part_limits(PARTS["ice40-up5k"]).larger[0][1].sites == FILL * 7680
