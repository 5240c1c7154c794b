"""What users ask for becomes a plan: goals on parts, and what cannot be had is told with what can."""

import re
from dataclasses import replace

import numpy as np
import pytest
from bitweir.planning import PlanRequest, choose, remedy
from bitweir.planning.hunt import Hunt
from bitweir.planning.limits import ROUTES, Reserve, part_limits
from bitweir.planning.remedy import smallest_part
from bitweir_hw.cost import estimate_pipeline, speed
from bitweir_hw.errors import PlanError
from bitweir_hw.lower import lower
from bitweir_hw.network import BIPOLAR, Dense, Network, check
from bitweir_hw.parts import PARTS, FpgaPart
from bitweir_hw.plan import least_cycles
from bitweir_hw.search import fastest
from bitweir_sim.time.sizing import fit_depths, interval
from support.samples import dense_network, every_kind
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
    routes = ROUTES[PARTS[part].family]
    assert choice.search.sites <= routes.sites * PARTS[part].luts
    assert choice.search.ffs <= routes.ffs * PARTS[part].ffs
    assert choice.search.block_rams <= PARTS[part].block_rams
    total = estimate_pipeline(pipeline, PARTS[part].family)[1]
    # FIFOs were priced before they were fitted.
    assert total.bram <= PARTS[part].block_rams
    assert total.lutram <= (PARTS[part].lut_rams or total.lutram)
    assert abs(total.sites - choice.search.sites) <= 0.25 * choice.search.sites
    if goal == "area":
        assert choice.search.fps >= 2e5
        assert choice.search.bound is None or choice.search.bound <= choice.search.sites + 1


def test_goals_compare(network):
    fast, small, soon = (
        choose(network, wish(part="ecp5-25k", goal=goal, fps=2e5 if goal == "area" else None)).search
        for goal in ("fps", "area", "latency")
    )
    assert fast.fps >= small.fps
    assert small.sites <= fast.sites
    assert fast.fps >= soon.fps


def test_what_cannot_be_had(network):
    most = choose(network, wish(part="ecp5-25k", goal="fps")).search
    with pytest.raises(PlanError) as error:
        choose(network, wish(part="ecp5-25k", goal="area", fps=1e9))
    assert str(error.value) == (
        "A frame takes at least 16 cycles, so it cannot take at most 0; the most that ecp5-25k is expected to do is "
        f"about {most.fps:,.0f} frames/s, at {most.expected_clock / 1e6:.4g} MHz."
    )
    with pytest.raises(PlanError, match="must be a positive number of frames/s"):
        choose(network, wish(part="ecp5-25k", goal="area", fps=-1.0))


def test_frames_go_side_by_side_where_block_ram_binds(network, monkeypatch):
    rng = np.random.default_rng(3)
    layers = (Dense(name="dense0", weights=rng.random((128, 784)) < 0.5, thresholds=np.zeros((128, 1), np.int64),
                    output=BIPOLAR), Dense(name="scores", weights=rng.random((10, 128)) < 0.5))  # fmt: skip
    large = check(Network(name="net", input=identity_input(784), layers=layers))
    monkeypatch.setitem(PARTS, "scarce", replace(PARTS["ecp5-25k"], name="scarce", block_rams=8))
    alone = choose(large, wish(part="scarce", goal="fps")).search
    wide = choose(large, wish(part="scarce", goal="fps", streams=None)).search
    assert (alone.streams, alone.block_rams > 6) == (1, True) and wide.streams > 1
    assert wide.cycles / wide.streams < alone.cycles
    assert wide.block_rams <= 8 and wide.sites <= ROUTES["ecp5"].sites * PARTS["scarce"].luts
    assert f" It has {wide.streams} parallel frames." in wide.summary
    # And where no layer can be faster.
    most = choose(network, wish(part="ecp5-85k", goal="fps", streams=None)).search
    assert most.streams > 1 and most.cycles == least_cycles(network)


def test_registers_follow_the_clock(network):
    slow, fast = (choose(network, PlanRequest(clock=clock, part="ecp5-25k", goal="fps")) for clock in (20e6, 1e9))
    assert "A router may not reach 1,000 MHz: about" in fast.search.summary
    assert "It is expected to reach 20 MHz" in slow.search.summary and slow.search.fps == 20e6 / slow.search.cycles
    given = choose(network, PlanRequest(clock=1e9, part="ecp5-25k", goal="fps", stage_levels=3))
    assert given.plan.popcount.levels_per_stage == 3


@pytest.mark.parametrize("goal", ["fps", "latency"])
@pytest.mark.parametrize("part", ["ecp5-25k", "gw1n-9", "xc7a35t"])
def test_a_plan_is_the_best_at_the_clock_that_it_is_expected_to_reach(network, part, goal):
    """It is as good as the best with each number of adder levels, less what is not searched as it promises little."""

    def searched(levels):
        return choose(network, PlanRequest(part=part, goal=goal, stage_levels=levels))

    best, alone = searched(None), [searched(levels) for levels in range(4)]
    assert best.search.fps == best.search.expected_clock / best.search.cycles
    if goal == "fps":
        assert best.search.fps >= 0.95 * max(one.search.fps for one in alone)
    assert best.search in [one.search for one in alone]


def test_a_plan_of_more_cycles_with_a_faster_clock_wins(monkeypatch):
    """Where block RAM is slow, weights are in LUTs: they cost sites and so cycles, and are worth it."""
    rng = np.random.default_rng(3)
    layers = (Dense(name="dense0", weights=rng.random((64, 128)) < 0.5, thresholds=np.zeros((64, 1), np.int64),
                    output=BIPOLAR), Dense(name="scores", weights=rng.random((10, 64)) < 0.5))  # fmt: skip
    network = check(Network(name="net", input=identity_input(128), layers=layers))
    monkeypatch.setitem(PARTS, "small", replace(PARTS["ecp5-25k"], name="small", luts=5_525))
    slow = replace(speed.delays("ecp5-25k"), block=20.0, output=20.0)
    monkeypatch.setattr(speed, "delays", lambda part: slow)
    hunt = Hunt(
        network=network,
        part=PARTS["small"],
        family="ecp5",
        limits=part_limits(PARTS["small"]),
        clock=300e6,
        levels=(1,),
    )
    fewest = hunt.expected(hunt.search(1, 1).fastest(hunt.limits))
    best = hunt.most_frames()
    assert best.found.cycles > fewest.found.cycles and best.fmax > fewest.fmax
    assert best.fps > fewest.fps


def test_a_frame_rate_holds_at_the_clock_that_is_expected(network):
    """At 400 MHz, which none reaches, four times the cycles would do."""
    wanted = 2e6
    found = choose(network, PlanRequest(clock=400e6, part="ecp5-25k", goal="area", fps=wanted)).search
    assert found.fmax < 400e6 and found.fps >= wanted
    assert found.cycles < 400e6 / wanted
    # One that no plan is expected to reach, but may reach, is told with what is expected.
    most = choose(network, PlanRequest(part="ecp5-25k", goal="fps")).search
    beyond = choose(network, PlanRequest(part="ecp5-25k", goal="area", fps=1.05 * most.fps)).search
    assert beyond.fps == most.fps
    assert f"No plan that was found is expected to reach {1.05 * most.fps:,.0f} frames/s." in beyond.summary
    with pytest.raises(PlanError, match=f"is expected to do is about {most.fps:,.0f} frames/s"):
        choose(network, PlanRequest(part="ecp5-25k", goal="area", fps=1.5 * most.fps))


def test_what_is_kept_free(network):
    part = PARTS["ecp5-25k"]
    assert Reserve(luts="10%", bram=3).of(part) == (2_429, 3)
    assert Reserve(luts="0", bram="12.5%").of(part) == (0, 7)
    whole, less = part_limits(part), part_limits(part, Reserve(luts=8_000, bram="50%"))
    assert (whole.sites - less.sites, whole.block_rams - less.block_rams) == (8_000, 28)
    assert less.ffs < whole.ffs
    free = choose(network, PlanRequest(part=part.name, goal="fps")).search
    kept = choose(network, PlanRequest(part=part.name, goal="fps", reserve_luts=8_000, reserve_bram=44)).search
    assert kept.sites <= kept.available_sites == int(whole.sites - 8_000) < free.sites
    assert kept.block_rams <= kept.available_block_rams == 6
    assert (
        f"of {kept.available_sites:,} and 6 that it may use after the reserve of 8,000 LUTs and 44 block RAMs."
        in kept.summary
    )
    with pytest.raises(
        PlanError, match=r"must fit into [0-9,]+ LUT sites and 50 block RAMs after the reserve of 20,000 LUTs"
    ):
        choose(network, PlanRequest(part=part.name, goal="fps", reserve_luts=20_000))


@pytest.mark.parametrize("text", ["x", "-1", -1, "101%", "%", "1.5"])
def test_a_reserve_is_a_count_or_a_share(text):
    with pytest.raises(
        PlanError, match=f"The reserve of LUTs must be a count or a share of 0 to 100 %, .* not {text!r}"
    ):
        PlanRequest(part="ecp5-25k", goal="fps", reserve_luts=text)


def test_a_reserve_needs_something_to_keep_it_of():
    with pytest.raises(PlanError, match="A reserve needs a part and a goal, or a board"):
        PlanRequest(reserve_luts=1)
    with pytest.raises(PlanError, match="must leave some of ice40-hx8k, which has 32 block RAMs, not 33"):
        part_limits(PARTS["ice40-hx8k"], Reserve(bram=33))


def test_what_does_not_route_is_told(network):
    """By count it fits, but no router has done it."""
    part = PARTS["ecp5-25k"]
    needs = choose(network, PlanRequest(part=part.name, goal="area", fps=1000.0)).search
    # What is left is more than it needs by count, and less by what routes.
    kept = int(part.luts - needs.sites * 1.2)
    with pytest.raises(PlanError) as error:
        choose(network, PlanRequest(part=part.name, goal="area", fps=1000.0, reserve_luts=kept))
    assert str(error.value).partition("By count it fits; ")[2].startswith(f"{ROUTES['ecp5'].why}.")


def test_a_model_says_so(network):
    found = choose(network, PlanRequest(part="xc7a35t", goal="fps")).search
    assert found.to_dict()["fmax_from"] == "model"
    assert "MHz expected, within 40%, by a model, not by routed designs." in found.summary
    assert choose(network, PlanRequest(part="ecp5-25k", goal="fps")).search.to_dict()["fmax_from"] == "routed"


TINY = FpgaPart(name="tiny", family="ecp5", luts=600, ffs=600, block_rams=1)


@pytest.mark.parametrize("words", [{"goal": "fps"}, {"goal": "latency"}, {"goal": "area", "fps": 1e5}])
def test_the_part_that_is_named_would_do(network, monkeypatch, words):
    """By the same search: it has a plan for what was asked for, and no smaller listed part has."""
    few = {name: PARTS[name] for name in ("ice40-up5k", "gw1n-9", "ecp5-25k")}
    monkeypatch.setattr(
        remedy, "PARTS", few | {"small": replace(TINY, name="small", luts=700, family="gowin", speed="")}
    )
    with pytest.raises(PlanError) as error:
        choose(network, wish(part=TINY, **words))
    told = re.search(
        r"or take (\S+), of all listed parts that hold it by estimate the one|: take (\S+), of", str(error.value)
    )
    name = told[1] or told[2]
    assert choose(network, wish(part=name, **words)).search.part is PARTS[name]
    for part in few.values():
        if part.luts < PARTS[name].luts:
            with pytest.raises(PlanError):
                choose(network, wish(part=part, **words))


def test_where_no_part_would_do(network, monkeypatch):
    monkeypatch.setattr(remedy, "PARTS", {"tiny": TINY})
    with pytest.raises(PlanError, match="make the network smaller, since no listed part holds it"):
        choose(network, wish(part=TINY, goal="fps"))


def test_parts_are_asked_for_by_size():
    """Not those that hold no more than one that was refused."""
    asked = []
    found = smallest_part(lambda part: asked.append(part.name) or part.luts > 60_000, beside=PARTS["ecp5-45k"])
    assert found is PARTS["xc7a100t"] and "ecp5-25k" not in asked
    assert asked == sorted(asked, key=lambda name: PARTS[name].luts)
    assert smallest_part(lambda part: False, beside=TINY) is None


def test_weights_from_outside_are_told_with_their_speed():
    """At the bandwidth that is stated, a plan is as fast as the refusal says, or faster."""
    rng = np.random.default_rng(3)
    layers = (Dense(name="dense0", weights=rng.random((512, 784)) < 0.5, thresholds=np.zeros((512, 1), np.int64),
                    output=BIPOLAR), Dense(name="scores", weights=rng.random((10, 512)) < 0.5))  # fmt: skip
    large = check(Network(name="net", input=identity_input(784), layers=layers))
    part = replace(PARTS["ecp5-25k"], name="scarce", block_rams=10)
    with pytest.raises(PlanError) as error:
        choose(large, wish(part=part, goal="fps"))
    text = str(error.value)
    assert "or let weights of 1 layer come from outside the chip" in text
    told = re.search(
        r"from a memory of 1,000 MB/s \(--weight-bandwidth 1e9\) a plan is expected to reach about ([\d,]+) ", text
    )
    found = choose(large, wish(part=part, goal="fps", weight_bandwidth=1e9)).search
    assert found.streamed == ("dense0",) and found.fps >= 0.999 * int(told[1].replace(",", ""))


@pytest.mark.parametrize("words", [{"goal": "fps"}, {"goal": "latency"}, {"goal": "area", "fps": 1000}])
def test_a_search_tells_how_far_it_is(network, words):
    told = []
    choose(network, PlanRequest(part="ecp5-25k", **words), progress=told.append)
    shares = [share for share in told if not isinstance(share, str)]
    searches = [word for word in told if isinstance(word, str)]
    assert searches == [f"search {n} of {len(shares)}" for n in range(1, len(shares) + 1)]
    assert shares[0] == 0
    assert shares == sorted(shares)
    assert len(shares) > 1
    assert shares[-1] < 1


def test_few_luts_of_a_gowin_part_can_be_memory(network):
    # Half of 17,280 bits, of 64 each.
    limits = part_limits(PARTS["gw1n-9"])
    assert limits.lut_rams == 135
    free = fastest(network, limits=replace(limits, lut_rams=np.inf), family="gowin")
    few = fastest(network, limits=replace(limits, lut_rams=free.lut_rams - 1), family="gowin")
    assert few.lut_rams < free.lut_rams
    assert few.cycles >= free.cycles
    with pytest.raises(PlanError, match=r"about [\d,]+ LUT RAMs, of which it may have 1"):
        fastest(network, limits=replace(limits, lut_rams=1), family="gowin")


def test_large_layers_that_were_not_tried_wired_are_told():
    network = dense_network(256, 64, 5)
    told = choose(network, PlanRequest(part="ecp5-25k", goal="fps", stage_levels=1)).search
    assert told.folded == ("dense0",) and told.cycles > 1
    assert told.summary.endswith(
        " Layers of more than 8,192 weights were not tried wired (dense0), where each takes a frame in a cycle: "
        "compare --folding wired."
    )
    # Where it has no room, where it is seldom busy, and where weights are loaded, nothing is to be compared.
    for part, goal, weights in (("ice40-up5k", "fps", "rom"), ("ecp5-25k", "area", "rom"), ("ecp5-25k", "fps", "ram")):
        fps = 1e5 if goal == "area" else None
        request = PlanRequest(part=part, goal=goal, fps=fps, stage_levels=1, weights=weights)
        assert choose(network, request).search.folded == (), (part, goal, weights)
