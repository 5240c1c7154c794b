"""The drawn networks of ImageNet's size are what they are meant to be."""

import numpy as np
import pytest
from bitweir_hw.lower import lower
from bitweir_hw.plan import Folding, Plan, weighted
from bitweir_sim.time.flow import Ending, arrivals
from bitweir_sim.time.sizing import fit_depths, interval
from bitweir_sim.values.golden import run_slow, trace
from support.imagenet import alexnet, bireal18


def weights(network):
    return sum(layer.weights.size for layer, _ in weighted(network))


def test_bireal18_has_its_size():
    assert round(weights(bireal18()) / 1e6, 1) == 11.7


@pytest.mark.parametrize("network", [bireal18(32, width=4, classes=5), alexnet(64, width=8, wide=64, classes=5)])
def test_values_differ_from_image_to_image(network):
    codes = np.random.default_rng(3).integers(0, 256, (3, network.input.size))
    scores = run_slow(network, codes).scores
    assert len(np.unique(scores, axis=0)) > 1
    for name, values in trace(network, codes).items():
        assert len(np.unique(values)) > 1, name


def test_fifos_of_bireal18_cost_no_cycle():
    network = bireal18(32, width=2, classes=3)
    plan = Plan(foldings=tuple(Folding(pe=1, simd=1) for _ in weighted(network)))
    roomy, fitted = lower(network, plan), lower(network, fit_depths(network, plan))
    pace = interval(roomy)
    usual = arrivals(roomy, pace).finished
    assert interval(fitted) == pace
    assert arrivals(fitted, pace, deadlines=usual).ending is Ending.SETTLED
