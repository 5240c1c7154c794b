"""A network as those of ImageNet, only smaller, from a model file to simulated RTL with streamed weights."""

from dataclasses import replace

import bitweir
import numpy as np
from bitweir.design import Design
from bitweir.images import as_images
from bitweir.planning import PlanRequest, choose
from bitweir.runs import simulate
from bitweir.weight_memory import WeightMemory
from bitweir_hw.memory import STREAM
from bitweir_hw.network import Conv, Dense, Parallel
from support.imagenet_files import bireal18_file


def test_a_small_bireal_from_its_file_to_rtl_with_streamed_weights(tmp_path):
    path = bireal18_file(tmp_path / "bireal.onnx", 32, width=2, classes=3, stages=2, sums=1)
    model = bitweir.load(path, input_scale="1/255", weight_bits=8, compare=False)
    frames = np.random.default_rng(0).integers(0, 256, (6, 3, 32, 32)).astype(np.uint8)
    # Against ONNX Runtime, with the same weights of 8 bits: every code, and every score within its bound.
    found = model.compare(frames)
    assert found.difference is None and found.codes > 1000 and all(one.agrees for one in found.agreements)

    network = model.network
    layers = [layer for layer, _, _ in network.placed() if isinstance(layer, Conv | Dense)]
    binary = [layer.weights.dtype == bool for layer in layers]
    # The first, the 1x1 convolution of the shortcut and the last one have weights of 8 bits.
    assert binary.count(False) == 3 and not binary[0] and not binary[-1] and binary.count(True) == 2
    assert sum(isinstance(layer, Parallel) for layer in network.layers) == 2
    plan = choose(network, PlanRequest(fps=1000.0)).plan
    plan = replace(plan, foldings=tuple(replace(one, pe=1, simd=1, memory=STREAM) for one in plan.foldings))
    design = Design.fitted(network, plan)
    images = as_images(network, frames[:2])
    for memory in (None, WeightMemory(bandwidth=150e6, latency=7)):
        run = simulate(design, images, clock=1e8, weight_memory=memory)
        assert (run.engine, run.images, run.mismatches) == ("compiled", 2, 0), run.first_mismatch
