"""Layers of a plan that are better wired."""

from bitweir_hw.cost import estimate_pipeline
from bitweir_hw.lower import lower
from bitweir_hw.plan import plan_for_fps, weighted, wired
from bitweir_hw.popcount import Popcount
from bitweir_hw.search import prices, wiring, with_wired_layers
from support.samples import dense_network


def test_layers_are_wired_where_that_takes_fewer_sites(monkeypatch):
    network = dense_network(30, 16, 4)
    plan = plan_for_fps(network, 1e8, 1e8, popcount=Popcount.of("ecp5"))
    found = with_wired_layers(network, plan, "ecp5")
    assert found.foldings == tuple(wired(layer) for layer, _ in weighted(network))
    sites = [estimate_pipeline(lower(network, one), "ecp5")[1].sites for one in (plan, found)]
    assert sites[1] < sites[0]
    assert max(block.cycles for block in lower(network, found).blocks) == 1
    # Only where all weights serve in each cycle, and neither in large layers nor where it takes more.
    slower = plan_for_fps(network, 5e7, 1e8, popcount=Popcount.of("ecp5"))
    assert with_wired_layers(network, slower, "ecp5") == slower
    monkeypatch.setattr(wiring, "MOST_WIRED", 100)
    assert with_wired_layers(network, plan, "generic").foldings == (plan.foldings[0], wired(network.layers[1]))
    assert prices.MOST_WIRED > 100


def test_a_layer_that_is_smaller_without_is_left_alone(monkeypatch):
    network = dense_network(30, 16, 4)
    plan = plan_for_fps(network, 1e8, 1e8)

    def estimates(pipeline, family):
        names = [type(block).__name__ for block in pipeline.blocks]
        return {}, type("Total", (), {"sites": 100 + names.count("WiredSpec")})

    monkeypatch.setattr(wiring, "estimate_pipeline", estimates)
    assert with_wired_layers(network, plan, "generic") == plan
