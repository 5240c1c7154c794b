"""Straight pieces of sums: no integer is farther from the real value than the bound says, whatever the sums are off."""

from fractions import Fraction

import bitweir
import numpy as np
import pytest
from bitweir.importers.exact.fold import absolute, clip, leaky, norm, scale, shift, tanh
from bitweir.importers.exact.surd import between
from bitweir.importers.folding.accuracy import Accuracy
from bitweir.importers.folding.network_builder import NetworkBuilder
from bitweir.importers.folding.rectify import straightened
from bitweir.importers.folding.symbols import Point, Signal, Stream
from bitweir.importers.folding.units import FixedPoint
from bitweir_hw.network import Map
from bitweir_sim.values.golden import EXECUTORS
from hypothesis import given
from hypothesis import strategies as st
from support.onnxgraphs import Graph, names

CHANNELS = 3
NAME = "pieces0"


def column(numbers):
    return np.array([Fraction(float(number)) for number in numbers], object).reshape(-1, 1, 1)


def values(*, size):
    """A number for each channel."""
    return st.lists(st.floats(-size, size, width=32), min_size=CHANNELS, max_size=CHANNELS)


STEPS = st.one_of(
    values(size=4).map(lambda x: scale(column(x))),
    values(size=20).map(lambda x: shift(column(x))),
    values(size=3).map(lambda x: norm(column(x), column(x[::-1]), column(np.multiply(x, 5)), column(np.square(x) + 1))),
    values(size=2).map(lambda x: leaky(column(x))),
    values(size=9).map(lambda x: clip(column(x), column(np.array(x) + 7))),
    st.just(clip(0, None)),
    st.just(absolute()),
)


def sums(reach, step, error):
    """A stream of drawn integers, which may be off by so many of them."""
    low, high = np.full(CHANNELS, -reach), np.full(CHANNELS, -reach + 2 * reach // step * step)
    point = Point(Map(shape=(1, 1, CHANNELS), low=-reach, high=reach))
    accuracy = None
    if error:
        unit, off = (np.full(CHANNELS, number, object) for number in (Fraction(1), error))
        accuracy = Accuracy(unit, off, (), frozenset({"sum0"}), "sum0")
    return Stream("sum0", point, low, high, step, accuracy)


def layer_of(stream, steps, plan):
    x = Signal(stream, (CHANNELS, 1, 1), np.arange(CHANNELS), tuple(steps))
    return x, straightened(NetworkBuilder(None, plan), x, "Relu 'a'")


def plans():
    return st.sampled_from(["plain", "feeding", "common", "ratios"]).map(plan)


def plan(kind):
    found = FixedPoint()
    if kind == "feeding":
        found.feeding.add(NAME)
    if kind == "common":
        found.common.add(NAME)
    if kind == "ratios":
        found.ratios[NAME] = np.array([Fraction(1), Fraction(3, 7), Fraction(5)], object)
    return found


@given(
    steps=st.lists(STEPS, min_size=1, max_size=4), reach=st.integers(3, 1 << 20), step=st.integers(1, 3),
    error=st.sampled_from([Fraction(0), Fraction(1, 3), Fraction(9)]), plan=plans(), seed=st.integers(0, 99),
)  # fmt: skip
def test_no_value_is_farther_than_the_bound(steps, reach, step, error, plan, seed):
    stream = sums(reach, step, error)
    x, y = layer_of(stream, steps, plan)
    if y is x:
        assert all(one.name in ("scale", "shift", "norm") for one in steps)
        return
    made, rng = y.origin, np.random.default_rng(seed)
    places = rng.integers(0, (2 * reach) // step + 1, (12, 1, 1, CHANNELS))
    places[:2] = [[[[0]]], [[[2 * reach // step]]]]
    numbers = -reach + step * places
    found = EXECUTORS[type(made.point.layer)](made.point.layer, numbers, stream.map)
    assert (found >= made.low).all() and (found <= made.high).all()
    for row, integers in zip(numbers.reshape(12, -1).tolist(), found.reshape(12, -1).tolist(), strict=True):
        for channel, (n, k) in enumerate(zip(row, integers, strict=True)):
            real = Fraction(n) + error * Fraction(int(rng.integers(-4, 5)), 4)
            for one in steps:
                real = one.apply(real, *(param.reshape(-1)[channel % param.size] for param in one.params))
            for one in y.steps[1:]:  # what is straight behind the last bend stays in the chain
                assert one in steps
            wanted = real
            told = y.steps[0].params[0].reshape(-1)
            value = told[channel % told.size] * k
            for one in y.steps[1:]:
                value = one.apply(value, *(param.reshape(-1)[channel % param.size] for param in one.params))
            slope = Fraction(1)
            for one in y.steps[1:]:
                slope *= one.steepness(*(param.reshape(-1)[channel % param.size] for param in one.params))
            bound = made.accuracy.error[channel] * made.accuracy.unit[channel] * slope
            low, high = between(wanted - value)
            assert max(abs(low), abs(high)) <= bound + Fraction(1, 1 << 60)


def test_a_relu_of_whole_numbers_is_exact_and_needs_no_multiplier():
    _, y = layer_of(sums(100, 1, Fraction(0)), [scale(Fraction(3, 16)), clip(0, None)], plan("plain"))
    layer = y.origin.point.layer
    assert y.origin.exact and set(layer.scale.ravel().tolist()) == {0, 1} and layer.shift == 0
    assert y.origin.accuracy.unit.tolist() == [Fraction(3, 16)] * CHANNELS
    assert y.origin.low.tolist() == [0] * CHANNELS and y.origin.high.tolist() == [100] * CHANNELS


def test_a_linear_layer_gets_one_unit_of_few_bits():
    steps = [scale(column([0.3, 1.7, 2.9])), shift(column([0.1, -0.2, 0.3])), clip(0, None)]
    _, y = layer_of(sums(1000, 1, Fraction(0)), steps, plan("common"))
    assert len(set(y.origin.accuracy.unit)) == 1 and y.origin.high.max() < 1 << 15 <= 2 * y.origin.high.max() + 2


def test_limits_of_a_clip_are_whole():
    steps = [scale(column([0.013, 0.017, 0.029])), clip(-1, 1)]
    _, y = layer_of(sums(1000, 1, Fraction(1, 100)), steps, plan("plain"))
    units = y.origin.accuracy.unit
    assert all((1 / unit).denominator == 1 for unit in units)
    assert y.origin.high.tolist() == [1 / unit for unit in units] == (-y.origin.low).tolist()


def test_what_no_layer_of_pieces_computes_stays():
    for steps in ([tanh()], [clip(0, None), tanh()]):
        x, y = layer_of(sums(100, 1, Fraction(0)), steps, plan("plain"))
        assert y is x


def test_one_value_has_one_layer():
    builder, stream = NetworkBuilder(None, FixedPoint()), sums(100, 1, Fraction(0))
    x = Signal(stream, (CHANNELS, 1, 1), np.arange(CHANNELS), (clip(0, 6),))
    assert straightened(builder, x, "a").origin is straightened(builder, x, "b").origin


# ---- whole graphs


def bent(g, kind, x):
    """A ReLU, a clip or a PReLU behind a batch norm of maps of four channels."""
    x = g.norm(x, 4, 20)
    if kind == "prelu":
        slopes = np.array([0.5, -0.25, 0, 1.5], np.float32).reshape(4, 1, 1)
        return g.op("Add", g.op("PRelu", x, slopes), np.array([0.3, 1, -2, 0], np.float32).reshape(4, 1, 1))
    return g.op("Relu", x) if kind == "relu" else g.op("Clip", x, -2.0, 3.0)


@pytest.mark.parametrize("kind", ["relu", "clip", "prelu"])
@pytest.mark.parametrize("into", ["add", "both", "conv", "mean", "dense"])
def test_what_takes_bent_sums(tmp_path, kind, into):
    g = Graph(7)
    x = bent(g, kind, g.start(4, 3, 3))
    match into:
        case "add":
            x = g.sign(g.op("Add", x, g.norm(g.start(4, 3, 3), 4)))
        case "both":
            x = bent(g, kind, g.op("Add", x, g.norm(g.op("Conv", g.sign(x), g.signs(4, 4, 1, 1)), 4)))
        case "conv":
            x = g.sign(g.norm(g.op("Conv", x, g.signs(4, 4, 2, 2), pads=[1, 1, 0, 0]), 4, 20))
        case "mean":
            x = g.op("AveragePool", x, kernel_shape=[2, 2])
    size = 4 * (12 if into == "mean" else 20)
    loaded = bitweir.load(g.save(tmp_path / "net.onnx", g.scores(x, size)), input_scale="1")
    assert loaded.comparison.frames > 99 and not loaded.comparison.wrong.any()
    net = loaded.network
    assert "pieces0" in names(net) and net.bounds
