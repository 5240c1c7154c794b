"""Chains of wired layers in whole accelerators: what goes on within them is compared as streams are."""

from dataclasses import replace

import numpy as np
import pytest
from bitweir_hw.accelerator import Accelerator
from bitweir_hw.lower import lower
from bitweir_hw.plan import plan_from_foldings
from bitweir_hw.popcount import Popcount
from bitweir_hw.wired import schedule
from bitweir_sim.simulators.amaranth import run_amaranth
from bitweir_sim.time.cycles import steady_state
from bitweir_sim.time.stall_analysis import stalls as waits_of
from bitweir_sim.trace import SimulationError
from bitweir_sim.values.frames import pack
from bitweir_sim.verify import expected_trace, explain
from hypothesis import given, settings
from hypothesis import strategies as st
from support.every_beat import check_every_beat
from support.samples import dense_network
from support.strategies import codes, stalls


@settings(max_examples=15)
@given(st.data())
def test_every_beat(data):
    sizes = data.draw(st.lists(st.integers(2, 14), min_size=3, max_size=5))
    network = dense_network(*sizes, seed=data.draw(st.integers(0, 9)))
    levels = data.draw(st.integers(0, 2))
    popcount = Popcount(style=data.draw(st.sampled_from(["fused", "tree", "xc7"])), levels_per_stage=levels)
    plan = plan_from_foldings(network, "wired", popcount=popcount, parallel_frames=data.draw(st.integers(1, 2)))
    frames = data.draw(codes(network, data.draw(st.integers(1, 25))))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schedule, "PART", data.draw(st.sampled_from([schedule.PART, 20])))
        check_every_beat(network, plan, frames, data.draw(stalls()), data.draw(stalls()))


def test_the_chain_takes_a_frame_in_each_cycle_and_fills_up_behind_a_stall():
    network = dense_network(20, 12, 9, 5)
    plan = plan_from_foldings(network, "wired")
    assert steady_state(lower(network, plan)).interval == 1
    frames = np.random.default_rng(1).integers(0, 2, (80, 20))
    held = np.array([True] * 70 + [False] * 60 + [True])
    check_every_beat(network, plan, frames, np.ones(0, bool), held)


def test_a_difference_is_told_by_its_layer():
    network = dense_network(8, 6, 5, 3)
    plan = plan_from_foldings(network, "wired")
    pipeline, frames = lower(network, plan), np.ones((4, 8), np.uint8)
    assert {link.stream.name for link in pipeline.links} == {"dense0", "dense1"}
    first, second, last = network.layers
    other = replace(network, layers=(first, replace(second, weights=~second.weights), last))
    with pytest.raises(SimulationError) as raised:
        run_amaranth(
            Accelerator(pipeline, taps=True), pack(frames, pipeline.input),
            expected=expected_trace(other, lower(other, plan), frames),
        )  # fmt: skip
    assert explain(raised.value.difference, pipeline).startswith("layer dense1, frame 0, cycle ")


def test_links_move_what_the_chain_takes():
    pipeline = lower(network := dense_network(16, 12, 9, 5), plan_from_foldings(network, "wired,12x9,wired"))
    assert not pipeline.links
    pipeline = lower(network, plan_from_foldings(network, "wired,wired,9x1"))
    (link,) = pipeline.links
    found = {waits.name: waits for waits in waits_of(pipeline)}
    assert list(found) == [stream.name for stream in pipeline.shown]
    inside, taken = found[link.stream.name], found["i"]
    assert (inside.sender, inside.receiver) == ("dense0", "dense1")
    assert inside.moved == taken.moved < taken.moved + taken.blocked
    assert inside.moved + inside.starved == taken.moved + taken.starved + taken.blocked + taken.idle
    assert (taken.receiver, taken.blocked_by, inside.starved_by) == ("dense0", "dense2", "dense2")
