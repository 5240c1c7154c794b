"""Layers of a plan that are better wired."""

from dataclasses import replace

import numpy as np
from bitweir_hw.cost import estimate_pipeline
from bitweir_hw.lower import lower
from bitweir_hw.network import BIPOLAR, Dense, Format, Input, Network, check
from bitweir_hw.plan import plan_for_fps, weighted, wired
from bitweir_hw.popcount import Popcount
from bitweir_hw.search import wiring, with_wired_layers
from bitweir_hw.search.wiring import wirings
from support.samples import dense_network, network_of_bits


def test_layers_are_wired_where_that_takes_fewer_sites(monkeypatch):
    network = dense_network(30, 16, 4)
    plan = plan_for_fps(network, 1e8, 1e8, popcount=Popcount.of("ecp5"))
    found = with_wired_layers(network, plan, "ecp5")
    assert found.foldings == tuple(wired(layer) for layer, _ in weighted(network))
    sites = [estimate_pipeline(lower(network, one), "ecp5")[1].sites for one in (plan, found)]
    assert sites[1] < sites[0]
    assert max(block.cycles for block in lower(network, found).blocks) == 1
    # Neither where there is much time, nor in large layers.
    slower = plan_for_fps(network, 1e7, 1e8, popcount=Popcount.of("ecp5"))
    assert with_wired_layers(network, slower, "ecp5") == slower
    monkeypatch.setattr(wiring, "MOST_WIRED", 100)
    assert with_wired_layers(network, plan, "generic").foldings == (plan.foldings[0], wired(network.layers[1]))


def test_layers_take_bits_in_steps_where_there_is_time():
    """48 inputs of 2 bits, 16 neurons: in two cycles, a circuit for one bit takes the fewest sites."""
    rng = np.random.default_rng(4)
    source = Input(
        shape=(48,), format=Format(bits=2), thresholds=np.arange(1, 4)[None] / 4, source=np.arange(48),
        map_shape=(1, 1, 48),
    )  # fmt: skip
    layer = Dense(
        name="dense", weights=rng.random((16, 48)) < 0.5, thresholds=rng.integers(-9, 9, (16, 1)), output=BIPOLAR
    )
    last = Dense(name="scores", weights=rng.random((2, 16)) < 0.5)
    network = check(Network(name="net", input=source, layers=(layer, last)))
    plan = plan_for_fps(network, 5e7, 1e8, popcount=Popcount.of("ecp5"))
    found = with_wired_layers(network, plan, "ecp5")
    assert found.foldings[0] == replace(wired(layer), steps=2)
    pipeline = lower(network, found)
    assert max(block.cycles for block in pipeline.blocks) == 2
    sites = [estimate_pipeline(one, "ecp5")[1].sites for one in (lower(network, plan), pipeline)]
    assert sites[1] < sites[0]


def test_which_wirings_are_tried():
    network = network_of_bits()
    conv, padded, dense = (layer for layer, _ in weighted(network))
    steps = lambda layer, cycles: [folding.steps for folding in wirings(network, layer, cycles)]  # noqa: E731
    assert [steps(conv, cycles) for cycles in (0, 1, 2, 3, 5, 6, 7)] == [[], [1], [1, 2], [1, 3], [1, 3], [1, 3], []]
    assert steps(padded, 4) == [1, 2]
    # Inputs of a bit cannot be divided.
    bits = dense_network(6, 4)
    assert [folding.steps for folding in wirings(bits, bits.layers[0], 6)] == [1]
    assert not list(wirings(bits, bits.layers[0], 7))


def test_a_layer_that_is_smaller_without_is_left_alone(monkeypatch):
    network = dense_network(30, 16, 4)
    plan = plan_for_fps(network, 1e8, 1e8)

    def estimates(pipeline, family):
        names = [type(block).__name__ for block in pipeline.blocks]
        return {}, type("Total", (), {"sites": 100 + names.count("WiredSpec")})

    monkeypatch.setattr(wiring, "estimate_pipeline", estimates)
    assert with_wired_layers(network, plan, "generic") == plan
