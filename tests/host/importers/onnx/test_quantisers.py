"""QONNX's Trunc, and QuantizeLinear with DequantizeLinear and clips (QCDQ), on all sums that occur."""

from __future__ import annotations

import numpy as np
import pytest
from bitweir.importers import ModelError, load_model
from hypothesis import given, settings
from hypothesis import strategies as st
from support.formulas import CHANNELS, FRAMES, K, checked, dense, told
from support.onnxgraphs import QONNX, Graph, agree, names, runtime

#: Scales with which float32 does not round.
STEPS = st.sampled_from([0.25, 0.5, 1.0, 2.0])
MODES = {"FLOOR": "Floor", "CEIL": "Ceil", "ROUND": "Round"}


def plain(g: Graph, x: str, mode: str) -> str:
    """A rounding in standard operators."""
    return g.op(MODES[mode], x)


# ---- Trunc


@settings(deadline=None, max_examples=12)
@given(data=st.data())
def test_trunc(tmp_path_factory, data):
    """Both versions, against their formula in standard operators."""
    draw, folder = data.draw, tmp_path_factory.mktemp("trunc")
    step, cut, mode = draw(STEPS), draw(st.integers(0, 3)), draw(st.sampled_from(sorted(MODES)))
    zero = draw(st.sampled_from([0.0, 0.0, 2.0]))
    g, h = Graph(), Graph()
    codes = g.op("Mul", dense(g), step * draw(st.sampled_from([0.5, 1.0])))
    h.nodes, h.tensors = list(g.nodes), list(g.tensors)
    counted = h.op("Round", h.op("Add", h.op("Div", codes, step), zero))
    if draw(st.booleans()):
        y = g.op("Trunc", codes, step, zero, 8.0, 8.0 - cut, domain=QONNX, rounding_mode=mode)
        whole = plain(h, h.op("Div", counted, 2.0**cut), mode)
        expected = h.op("Mul", h.op("Sub", whole, zero), step)
    else:
        bits, signed, narrow = draw(st.integers(2, 5)), draw(st.booleans()), draw(st.booleans())
        out = step * 2.0**cut
        y = g.op(
            "Trunc", codes, step, zero, 8.0, out, float(bits), domain=QONNX, rounding_mode=mode, signed=int(signed),
            narrow=int(narrow),
        )  # fmt: skip
        low, high = (narrow - 2.0 ** (bits - 1), 2.0 ** (bits - 1) - 1) if signed else (0.0, 2.0**bits - 1 - narrow)
        limited = h.op("Clip", h.op("Div", counted, 2.0**cut), np.float32(low), np.float32(high))
        expected = h.op("Mul", h.op("Sub", plain(h, limited, mode), zero / 2.0**cut), out)
    _, _, found = told(g, y, folder)
    weights = np.concatenate([np.eye(CHANNELS), -np.eye(CHANNELS)], axis=1)
    file = h.save(folder / "plain.onnx", h.op("MatMul", expected, weights), ("N", K))
    assert np.array_equal(found, runtime(file, FRAMES.astype(np.float32))[0])


def test_trunc_of_codes(tmp_path):
    """Behind a quantiser it maps levels."""
    g = Graph()
    codes = g.op("Quant", dense(g), 1.0, 0.0, 4.0, domain=QONNX, signed=1, narrow=0, rounding_mode="ROUND")
    y = g.op("Trunc", codes, 1.0, 0.0, 4.0, 2.0, domain=QONNX, rounding_mode="FLOOR")
    _, network, found = told(g, y, tmp_path)
    sums = np.arange(-K, K + 1, 2)[:, None] * [1, -1, 1, -1]
    expected = np.clip(sums, -8, 7) // 4
    assert np.array_equal(found, np.concatenate([expected, -expected], axis=1))
    assert names(network) == "dense0 dense1"


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ((1.0, 0.0, 4.0, 8.0), "it must cut 0 to 31 bits off, not -4: its bit widths are in the wrong order"),
        ((0.001, 0.0, 16.0, 16.0), "it must leave 2 to 256 levels, not 18003: cut more bits off"),
        ((1.0, 0.0, 8.0, 3.0, 4.0), "the scale of its result must be that of its input times one power of two: export"),
    ],
)
def test_trunc_refused(tmp_path, parameters, text):
    g = Graph()
    y = g.op("Trunc", dense(g), *parameters, domain=QONNX, rounding_mode="FLOOR")
    with pytest.raises(ModelError) as error:
        told(g, y, tmp_path)
    assert text in str(error.value)


# ---- QuantizeLinear and DequantizeLinear


@settings(deadline=None, max_examples=12)
@given(data=st.data())
def test_activations(tmp_path_factory, data):
    """With a zero point or without, clipped to fewer bits or not, of a tensor or of each channel."""
    draw = data.draw
    g = Graph(opset=draw(st.sampled_from([13, 19])))
    x = g.op("Mul", dense(g), draw(STEPS))
    steps = draw(STEPS)
    kind = draw(st.sampled_from([np.int8, np.uint8]))
    zero: tuple = ()
    given = {}
    if kind == np.int8 or draw(st.booleans()):
        zero = (g.const(draw(st.integers(0, 5)), kind),)
    if draw(st.booleans()):
        steps = [draw(STEPS)] * CHANNELS  # levels must be alike for the network to tell them, so that the form differs
        zero = tuple(g.const([draw(st.integers(0, 5))] * CHANNELS, kind) for _ in zero)
        given["axis"] = draw(st.sampled_from([1, -1]))
    y = g.op("QuantizeLinear", x, steps, *zero, **given)
    if draw(st.booleans()):
        low = draw(st.integers(0, 2))
        y = g.op("Clip", y, g.const(low, kind), g.const(low + draw(st.integers(1, 6)), kind))
    y = g.op("DequantizeLinear", y, steps, *zero, **given)
    checked(g, y, tmp_path_factory.mktemp("qdq"))


@pytest.mark.parametrize("float_weights", [False, True])
def test_a_network(tmp_path, float_weights):
    """Weights of few levels and a bias, stored as integers or quantised in the file, with a scale of each filter."""
    g = Graph(3)

    def weights(*shape: int, axis: int) -> str:
        sizes = [1] * len(shape)
        sizes[axis] = -1
        numbers = g.rng.integers(-2, 3, shape)
        numbers.reshape(-1)[:3] = 2, -2, 1
        steps = g.const(g.rng.uniform(0.1, 0.2, shape[axis]))
        none = g.const(np.zeros(shape[axis]), np.int8)
        if not float_weights:
            return g.op("DequantizeLinear", g.const(numbers, np.int8), steps, none, axis=axis)
        latent = numbers * g.rng.uniform(0.08, 0.1)
        whole = g.op("QuantizeLinear", g.const(latent), steps, none, axis=axis)
        return g.op("DequantizeLinear", g.op("Clip", whole, g.const(-2, np.int8), g.const(1, np.int8)), steps, none,
                    axis=axis)  # fmt: skip

    def activations(x: str, step: float, bits: int) -> str:
        zero = g.const(0, np.uint8)
        y = g.op("Clip", g.op("QuantizeLinear", x, step, zero), g.const(0, np.uint8), g.const(2**bits - 1, np.uint8))
        return g.op("DequantizeLinear", y, step, zero)

    bias = g.op("DequantizeLinear", g.const(g.rng.integers(-40, 40, 6), np.int32), 0.125)
    x = activations("x", 1.0, 4)
    x = g.op("Relu", g.op("Conv", x, weights(6, 2, 3, 3, axis=0), bias))
    x = activations(g.op("MaxPool", x, kernel_shape=[2, 2]), 0.7, 2)
    x = g.op("Flatten", x)
    y = g.op("MatMul", x, weights(6 * 4 * 3, 5, axis=1))
    network = agree(g.save(tmp_path / "net.onnx", y), top=17, scores=False)
    assert names(network).startswith("conv0 pool0") or names(network).startswith("conv0 dense0")


@pytest.mark.parametrize(
    ("draw", "text"),
    [
        (
            lambda g, x: g.op("QuantizeLinear", x, 1.0, g.const(0, np.int16)),
            "it must make integers of 8 bits, int8 or uint8, not int16: quantise to 8 bits or fewer",
        ),
        (
            lambda g, x: g.op("DequantizeLinear", x, 1.0),
            "it must take whole numbers of a quantiser: put QuantizeLinear before it",
        ),
        (
            lambda g, x: g.op("QuantizeLinear", x, [1.0] * CHANNELS, g.const([0, 1, 0, 1], np.int8)),
            "its zero points must all be even, or all odd, so that ties round alike: use one for all",
        ),
        (
            lambda g, x: g.op("QuantizeLinear", x, -1.0),
            "its scale must be positive: train the model again, or export its absolute value",
        ),
        (
            lambda g, x: g.op("QuantizeLinear", x, np.ones((2, 2))),
            "its parameters of shape (2, 2) must be one number, or one for each place of axis 1: blocks are not",
        ),
        (
            lambda g, x: g.op("MatMulInteger", x, g.const(np.ones((CHANNELS, 3)), np.int8)),
            "belongs to a model whose sums are integers in the file, a form that is not read: export it with "
            "QuantizeLinear and DequantizeLinear around float operators (the QDQ or QCDQ format), or with the "
            "operators of QONNX.",
        ),
    ],
)
def test_refused(tmp_path, draw, text):
    g = Graph(opset=21)
    file = g.save(tmp_path / "net.onnx", draw(g, dense(g)), ("N", K))
    with pytest.raises(ModelError) as error:
        load_model(file, input_scale="1", input_range="0:1")
    assert text in str(error.value)


# ---- curves that rise and fall


@pytest.mark.parametrize("form", ["erf", "Gelu", "HardSwish", "gelu of its formula"])
def test_activations_that_fall_and_rise(tmp_path, form):
    """GELU and hard swish before a quantiser of four levels, as operators and as exporters write them."""
    g = Graph(opset=20)
    x = g.op("Mul", dense(g), np.float32(0.375))
    if form == "erf":
        y = g.op("Add", g.op("Erf", x), 1.0)
    elif form == "gelu of its formula":
        y = g.op("Mul", g.op("Mul", x, g.op("Add", g.op("Erf", g.op("Div", x, np.sqrt(2.0))), 1.0)), 0.5)
    else:
        y = g.op(form, x)
    y = g.op("Round", g.op("Clip", g.op("Mul", y, np.float32(4)), np.float32(-1), np.float32(6)))
    checked(g, y, tmp_path)


def test_the_approximate_gelu_is_refused(tmp_path):
    g = Graph(opset=20)
    file = g.save(tmp_path / "net.onnx", g.op("Gelu", dense(g), approximate="tanh"), ("N", K))
    with pytest.raises(ModelError, match="its approximate must be none, not tanh: export it with the error function"):
        load_model(file, input_scale="1", input_range="0:1")
