"""Sums in fixed point have fewer bits before a layer that multiplies them, where all are too wide or too coarse."""

from __future__ import annotations

from fractions import Fraction

import bitweir
import numpy as np
import pytest
from bitweir.importers import ModelError, load_model
from bitweir_hw.network import Piecewise
from bitweir_hw.plan import plan_for_fps
from support.every_beat import check_every_beat
from support.onnxgraphs import Graph

C, SIZE = 4, 4


def halving_block(g: Graph) -> str:
    """Sums, and behind them a block whose shortcut has a mean and a convolution with weights of 8 bits."""

    def whole(*shape: int) -> np.ndarray:
        return g.rng.integers(-127, 128, shape).astype(np.float32)

    def binary(x: str) -> str:
        return g.norm(g.op("Conv", x, g.signs(C, C, 3, 3), pads=[1] * 4), C)

    x = g.op("Add", binary("x"), g.norm(g.op("Conv", "x", whole(C, C, 1, 1)), C))
    weights = whole(C, C, 1, 1) * np.float32(0.37)
    short = g.norm(g.op("Conv", g.op("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2]), weights), C)
    main = g.norm(g.op("Conv", g.sign(x), g.signs(C, C, 2, 2), strides=[2, 2]), C)
    return g.op("Add", main, short)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    g = Graph(3)
    x = g.sign(halving_block(g))
    path = g.save(tmp_path_factory.mktemp("m") / "net.onnx", g.scores(x, C * 4), ("N", C, SIZE, SIZE))
    return bitweir.load(path, input_scale="1", input_range="0:15")


def test_it_equals_the_model(loaded):
    assert loaded.comparison.frames > 99 and not loaded.comparison.wrong.any()
    assert loaded.network.bounds


def test_offsets_that_a_sum_holds_count_for_its_closest_distance(loaded):
    """Without them the closest distance would be 0, since the streams of the sum can all be 0."""
    (bound,) = [bound for bound in loaded.network.bounds if bound.layer == "sum0"]
    assert bound.closest is not None and Fraction(bound.closest) > 0


def test_a_sign_of_a_sum_that_can_be_zero_is_refused(tmp_path):
    """Also of one that is off by a bound: sums of signs are 0 together where nothing is added to them."""
    g, channels = Graph(5), 256
    signs = g.sign(g.op("Sub", "x", 7.5))
    one, other = (
        g.op(
            "Mul",
            g.op("Conv", signs, g.signs(4, channels, 2, 2)),
            np.float32([k, 1.1 * k, 0.9 * k, 1.3 * k]).reshape(4, 1, 1),
        )
        for k in (0.7371, 0.3137)
    )
    x = g.op("Sign", g.op("Add", one, other))
    path = g.save(tmp_path / "net.onnx", g.scores(x, 4 * 4), ("N", channels, 3, 3))
    with pytest.raises(ModelError, match="must not see 0, because sign.0. is 0 .* but the sum 0 in sum0 brings a 0"):
        load_model(path, input_scale="1")


def test_a_shift_leaves_fifteen_bits(loaded):
    (shift,) = [layer for layer in layers_of(loaded.network.layers) if isinstance(layer, Piecewise)]
    assert (shift.scale == 1).all() and shift.shift > 0 and (shift.offset == 1 << shift.shift - 1).all()


def test_every_beat(loaded):
    network = loaded.network
    frames = np.random.default_rng(1).integers(0, network.input.format.codes, (2, network.input.size))
    stalls = np.random.default_rng(2).random(300) < 0.7
    check_every_beat(network, plan_for_fps(network, 1e5, 100e6), frames.astype(np.uint8), stalls, ~stalls)


def layers_of(layers):
    for layer in layers:
        yield layer
        for branch in getattr(layer, "branches", ()):
            yield from layers_of(branch)
