"""Chains of wired layers: where layers become one, what it is made of, and that no path leads through it."""

from dataclasses import replace

import numpy as np
import pytest
from bitweir_hw.blocks import ChainSpec, block_of
from bitweir_hw.lower import lower
from bitweir_hw.network import BIPOLAR, Conv, Dense, Network, Parallel, check
from bitweir_hw.plan import plan_from_foldings
from bitweir_hw.popcount import Popcount
from bitweir_hw.wired import schedule
from support.samples import dense_network, network_of_bits
from support.strategies import identity_input


def lowered(network, foldings="wired", *, levels=1, frames=1):
    popcount = Popcount(style="fused", levels_per_stage=levels)
    return lower(network, plan_from_foldings(network, foldings, popcount=popcount, parallel_frames=frames))


def places(pipeline):
    """The names of the blocks in each place."""
    return [[block.name for block in node.blocks] for node in pipeline.nodes]


def test_layers_behind_each_other_need_one_fifo():
    pipeline = lowered(dense_network(20, 12, 9, 5), levels=2)
    assert places(pipeline) == [["dense0", "dense1", "dense2"], ["argmax"]]
    chain = pipeline.nodes[0].block
    first, second, last = chain.blocks
    assert (first.before, second.before, last.before) == (None, first.latency, first.latency + second.latency)
    assert (first.after, second.after, last.after) == (second.latency + last.latency, last.latency, None)
    assert chain.latency == sum(block.latency for block in chain.blocks)
    assert chain.fifo_depth == chain.latency + 3 == first.fifo_depth
    assert [len(block.memories()) for block in chain.blocks] == [0, 0, 1]
    assert chain.memories() == last.memories()
    assert (chain.i_bits, chain.o_bits) == (20, last.o_bits)
    assert [link.stream.name for link in pipeline.links] == ["dense0", "dense1"]
    assert [link.cycles for link in pipeline.links] == [second.before, last.before]
    assert [stream.name for stream in pipeline.streams] == ["i", "dense2", "o"]
    assert [stream.name for stream in pipeline.shown] == ["i", "dense0", "dense1", "dense2", "o"]


def test_pixels_are_vectors_too():
    """A convolution, then one of single pixels, each wired; behind a window unit."""
    rng = np.random.default_rng(2)
    layers = tuple(
        Conv(
            name=f"conv{n}", weights=rng.random((outputs, size, size, inputs)) < 0.5,
            thresholds=rng.integers(-2, 3, (outputs, 1)), output=BIPOLAR,
        )
        for n, (inputs, outputs, size) in enumerate(((2, 6, 2), (6, 4, 1)))
    )  # fmt: skip
    dense = Dense(name="dense", weights=rng.random((3, 16)) < 0.5)
    network = check(
        Network(name="net", input=replace(identity_input(18), map_shape=(3, 3, 2)), layers=(*layers, dense))
    )
    found = places(lowered(network))
    assert ["conv0", "conv1"] in found
    # The dense layer takes all pixels at once.
    assert ["dense"] in found


@pytest.mark.parametrize("foldings", ["wired,12x9,wired", "20x12,wired,9x5"])
def test_what_is_folded_stands_alone(foldings):
    assert all(len(place) == 1 for place in places(lowered(dense_network(20, 12, 9, 5), foldings)))


def test_layers_that_take_bits_in_steps_stand_alone():
    assert all(len(place) == 1 for place in places(lowered(network_of_bits(), "wired/3,wired,wired/2")))


def test_what_two_take_is_a_stream():
    rng = np.random.default_rng(3)
    branches = tuple((Dense(name=f"dense{n}", weights=rng.random((4, 8)) < 0.5),) for n in range(2))
    first = Dense(
        name="first", weights=rng.random((8, 12)) < 0.5, thresholds=np.zeros((8, 1), np.int64), output=BIPOLAR
    )
    network = Network(name="net", input=identity_input(12), layers=(first, Parallel(name="sum", branches=branches)))
    assert all(len(place) == 1 for place in places(lowered(check(network))))


def test_a_wide_end_keeps_a_fifo_for_what_is_under_way_before_it():
    narrow_end, wide_end = dense_network(60, 30, 10), dense_network(90, 12, 100, 2)
    assert ["dense0", "dense1"] in places(lowered(narrow_end))
    assert ["dense0"] in places(lowered(wide_end))


@pytest.mark.parametrize("family", ["ecp5", "ice40"])
def test_what_a_chain_saves(family):
    pipeline = lowered(dense_network(40, 30, 5))
    chain = pipeline.nodes[0].block
    alone = [replace(block, before=None, after=None) for block in chain.blocks]
    both, apart = ([block_of(block).cost(block, family) for block in blocks] for blocks in (chain.blocks, alone))
    luts = [sum(sum(terms.luts.values()) + terms.ram_sites for terms in found) for found in (both, apart)]
    # A LUT for each bit that a FIFO takes from two sides, and its memory.
    assert luts[0] < luts[1] - 20
    assert sum(terms.ff for terms in both) < sum(terms.ff for terms in apart) - 30


def test_frames_side_by_side_and_parts(monkeypatch):
    network = dense_network(24, 20, 6)
    one, two = lowered(network).nodes[0].block, lowered(network, frames=2).nodes[0].block
    assert isinstance(two, ChainSpec)
    assert (two.i_bits, two.o_bits, two.latency) == (2 * one.i_bits, 2 * one.o_bits, one.latency)
    monkeypatch.setattr(schedule, "PART", 80)
    cut = lowered(network).nodes[0].block
    assert isinstance(cut, ChainSpec)
    # And a register of the inputs.
    assert cut.latency == one.latency + sum(block.schedule.parts for block in cut.blocks if block.schedule.parts > 1)
    assert cut.blocks[0].schedule.parts > 1
