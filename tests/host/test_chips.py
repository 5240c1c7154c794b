"""Several chips: where networks are cut, the folder, and the simulation of all as one."""

import json
from itertools import combinations
from math import inf
from types import SimpleNamespace

import bitweir
import numpy as np
import pytest
from bitweir.chips import ChipsDesign, ChipsFolder, ChipsRequest, SeveralChips, choose_chips
from bitweir.chips import plan as planning
from bitweir.chips.design import fitted_credits
from bitweir.manifest import write_manifest
from bitweir.target import Target
from bitweir_hw.chips import joined, with_credits
from bitweir_hw.errors import FileError, PlanError
from bitweir_hw.network import BIPOLAR, Dense, Network, check
from bitweir_hw.network.cuts import cut_places, split
from bitweir_hw.plan import plan_from_foldings
from bitweir_sim.time.sizing import interval, latency
from hypothesis import given, settings
from hypothesis import strategies as st
from support.strategies import identity_input

RNG = np.random.default_rng(8)


def dense_network(*sizes):
    layers = [
        Dense(
            name=f"dense{n}", weights=RNG.random((outputs, inputs)) < 0.5,
            **({} if n == len(sizes) - 2 else {"thresholds": np.zeros((outputs, 1), np.int64), "output": BIPOLAR}),
        )
        for n, (inputs, outputs) in enumerate(zip(sizes, sizes[1:], strict=False))
    ]  # fmt: skip
    return check(Network(name="net", input=identity_input(sizes[0]), layers=tuple(layers)))


def on_two_chips(network, **channel):
    parts = split(network, [1])
    plans = [plan_from_foldings(part, ",".join(["8x4"] * len(part.layers))) for part in parts]
    return ChipsDesign.fitted(network, [1], plans, [Target(), Target()], **channel)


def test_two_chips_simulate_as_one(tmp_path):
    network = dense_network(24, 16, 12, 5)
    written = on_two_chips(network, latency=4, width=3).write(tmp_path / "chips")
    again = SeveralChips(written=ChipsFolder.open(written.folder))
    assert [one.channel for one in again.design.joints] == [one.channel for one in written.design.joints]
    images = RNG.integers(0, 2, (12, 24)).astype(np.float64)
    run = again.simulate(images)
    assert (run.mismatches, run.cycles_per_frame_from) == (0, "simulation")
    assert run.cycles_per_frame == again.cycles_per_frame and run.latency_cycles == again.latency_cycles
    assert (run.result.classes == again.network.classify(images)).all()
    assert again.simulate(images, engine="golden").mismatches == 0
    # Each chip has a build folder of its own.
    assert bitweir.open(written.folder / "chip1").network.outputs == 5


def test_what_does_not_belong_together_is_refused(tmp_path):
    folder = on_two_chips(dense_network(8, 6, 4)).write(tmp_path / "chips").folder
    with pytest.raises(FileError, match="several chips: name one of them, as .*chip0"):
        bitweir.open(folder)
    with pytest.raises(FileError, match="no chips.json"):
        bitweir.open_chips(folder / "chip0")
    verilog = folder / "chip1" / "net_1_chip.v"
    kept = verilog.read_text()
    verilog.write_text(kept.replace("endmodule", "initial $finish; endmodule", 1))
    with pytest.raises(FileError, match="'net_1_chip.v' is not what bitweir wrote"):
        bitweir.open_chips(folder)
    verilog.write_text(kept)
    told = folder / "chips.json"
    tree = json.loads(told.read_text())
    tree["channels"][0]["latency"] = 3
    told.write_text(json.dumps(tree))
    with pytest.raises(FileError, match="not what bitweir wrote"):
        bitweir.open_chips(folder)


def test_verilog_of_somebody_else_is_never_simulated(tmp_path):
    folder = on_two_chips(dense_network(8, 6, 4)).write(tmp_path / "chips").folder
    for name in ("net.v", "chip0/net_0_chip.v"):
        path = folder / name
        kept = path.read_text()
        path.write_text(kept.replace("endmodule", "initial $finish; endmodule", 1))
        for place in (folder / "chip0", folder):
            write_manifest(place)
        with pytest.raises(FileError, match="is not what the networks and plans beside it give"):
            bitweir.open_chips(folder).simulate(np.zeros((1, 8)))
        path.write_text(kept)


def test_credits_are_as_few_as_cost_no_cycle():
    design = on_two_chips(dense_network(24, 16, 12, 5), latency=9)
    pipelines, joints = design.pipelines, design.joints

    def speed(count):
        whole = joined(pipelines, with_credits(joints, [count]))
        return interval(whole), latency(whole)

    found = joints[0].channel.credits
    assert speed(found) == speed(joints[0].channel.whole_rate + joints[0].channel.beats)
    assert found == 2 or speed(found - 1) > speed(found)
    assert fitted_credits(pipelines, joints, []) == joints


def price(monkeypatch, costs, room):
    """Plans whose frames/s follow from costs of layers, in place of those of searches."""

    def choose(network, request, progress=None, **pace):
        cost = sum(costs[layer.name] for layer in network.layers)
        if cost > room:
            raise PlanError(f"It costs {cost}.")
        return SimpleNamespace(search=SimpleNamespace(
            part=request.part, fps=1e6 / cost, cycles=cost, streams=1, expected_clock=1e6
        ))  # fmt: skip

    for name in ("choose_fastest", "choose_in_step"):
        monkeypatch.setattr(planning, name, choose)


@settings(max_examples=60)
@given(st.lists(st.integers(1, 30), min_size=2, max_size=8), st.integers(2, 4), st.integers(1, 90), st.data())
def test_cuts_are_the_best_of_all(costs, chips, room, data):
    sizes = [data.draw(st.integers(1, 9)) for _ in costs]
    network = dense_network(8, *sizes[:-1], 2)
    bandwidth = data.draw(st.one_of(st.none(), st.floats(1e3, 60e3)))
    table = {f"dense{n}": cost for n, cost in enumerate(costs)}

    def rate(cuts):
        ends = [0, *cuts, len(costs)]
        parts = [sum(costs[a:b]) for a, b in zip(ends, ends[1:], strict=False)]
        links = [inf if bandwidth is None else 8 * bandwidth / sizes[cut - 1] for cut in cuts]
        return 0 if max(parts) > room else min(*links, *(1e6 / part for part in parts))

    ways = list(combinations(range(1, len(costs)), chips - 1))
    best = max(map(rate, ways), default=0)
    request = ChipsRequest(parts=("ecp5-25k",) * chips, bandwidth=bandwidth)
    with pytest.MonkeyPatch.context() as patch:
        price(patch, table, room)
        if not best:
            with pytest.raises(PlanError):
                choose_chips(network, request)
            return
        assert rate(choose_chips(network, request).cuts) == pytest.approx(best)


def test_refusals_say_what_binds():
    network = dense_network(8, 6, 4)
    for parts, told in (
        (("ecp5-25k",), "2 to 16 parts, not 1"),
        (("ecp5-25k", "no"), "not 'no'"),
        (("ecp5-25k",) * 3, "can be cut into 2 at most with weights in each, too few for 3 chips"),
    ):
        with pytest.raises(PlanError, match=told):
            choose_chips(network, ChipsRequest(parts=parts))
    two = ("ecp5-25k", "ecp5-25k")
    for cuts, told in (
        (("dense1",), "behind dense0, not behind 'dense1'"),
        (("a", "b"), "2 parts take 1 cuts, or none"),
    ):
        with pytest.raises(PlanError, match=told):
            choose_chips(network, ChipsRequest(parts=two, cuts=cuts))
    with pytest.raises(PlanError, match="positive number of bytes/s"):
        ChipsRequest(parts=two, bandwidth=0.0)
    large = dense_network(16, 12, 600, 600, 10)
    with pytest.raises(PlanError, match="cannot be cut and does not fit is dense2 on ice40-up5k"):
        choose_chips(large, ChipsRequest(parts=("ice40-up5k",) * 3))


def test_a_plan_for_two_parts_ends_in_a_folder(tmp_path):
    network = dense_network(16, 12, 8, 4)
    design = bitweir.generate_chips(network, tmp_path / "chips", parts=["ice40-up5k", "ice40-up5k"], latency=2)
    assert len(cut_places(network)) == 2 and design.design.cuts in ((1,), (2,))
    told = design.to_dict()
    assert {chip["part"] for chip in told["chips"]} == {"ice40-up5k"}
    # Neither chip is slower than the other needs, and the whole is as fast as its slowest one.
    assert told["cycles_per_frame"] >= max(chip["cycles_per_frame"] for chip in told["chips"])
    assert design.clock <= min(search.expected_clock for search in design.searches)
    assert design.simulate(np.ones((5, 16)), engine="golden").mismatches == 0
    with pytest.raises(PlanError, match="carry a bit in a cycle"):
        bitweir.generate_chips(network, tmp_path / "slow", parts=["ice40-up5k"] * 2, bandwidth=100.0, cuts=["dense0"])
