"""Activation formulas as papers write them: each is a staircase of one integer, equal to ONNX Runtime on all of it."""

from __future__ import annotations

import numpy as np
import pytest
from bitweir.importers import ModelError, load_model
from hypothesis import given, settings
from hypothesis import strategies as st
from support.formulas import CHANNELS, K, checked, dense
from support.onnxgraphs import Graph, agree, names

#: Numbers with which float32 does not round.
NUMBERS = st.integers(-24, 24).map(lambda n: n / 4)
EACH = st.lists(NUMBERS, min_size=CHANNELS, max_size=CHANNELS)
SLOPES = st.sampled_from([-1.5, -0.5, 0.25, 2.0])


UNARY = {
    "Abs": lambda draw, g, x: g.op("Abs", x),
    "Neg": lambda draw, g, x: g.op("Neg", x),
    "Add": lambda draw, g, x: g.op("Add", x, draw(NUMBERS)),
    "Add, of each channel": lambda draw, g, x: g.op("Add", x, draw(EACH)),
    "Mul": lambda draw, g, x: g.op("Mul", x, draw(SLOPES)),
    "Clip": lambda draw, g, x: g.op("Clip", x, *(np.float32(c) for c in sorted([draw(NUMBERS), draw(NUMBERS)]))),
    "Relu": lambda draw, g, x: g.op("Relu", x),
    "LeakyRelu": lambda draw, g, x: g.op("LeakyRelu", x, alpha=draw(SLOPES)),
    "PRelu": lambda draw, g, x: g.op("PRelu", x, draw(EACH)),
    "Max": lambda draw, g, x: g.op("Max", x, draw(NUMBERS)),
    "Min": lambda draw, g, x: g.op("Min", x, draw(NUMBERS)),
    "Pow": lambda draw, g, x: g.op("Pow", x, 2.0),
}
BINARY = ("Add", "Sub", "Mul", "Max", "Min")


@st.composite
def formulas(draw):
    """A graph up to the values of a staircase."""
    g = Graph(0)
    start = dense(g)

    def curve(depth: int) -> str:
        if not depth:
            return start
        if draw(st.integers(0, 2)):
            return UNARY[draw(st.sampled_from(sorted(UNARY)))](draw, g, curve(depth - 1))
        return g.op(draw(st.sampled_from(BINARY)), curve(depth - 1), curve(draw(st.integers(0, depth - 1))))

    def stairs(depth: int) -> str:
        kind = draw(st.integers(0, 3 if depth else 1))
        if kind == 0:
            test = draw(st.sampled_from(["Greater", "GreaterOrEqual", "Less", "LessOrEqual"]))
            return g.op(
                "Where", g.op(test, curve(draw(st.integers(0, 3))), draw(NUMBERS)), draw(NUMBERS), draw(NUMBERS)
            )
        if kind == 1:
            low = draw(st.integers(-3, 1))
            whole = g.op("Round", g.op("Clip", curve(draw(st.integers(0, 3))), np.float32(low), np.float32(low + 3)))
            return g.op("Mul", whole, draw(SLOPES))
        if kind == 2:
            return g.op(draw(st.sampled_from(["Mul", "Max", "Min"])), stairs(depth - 1), stairs(depth - 1))
        test = g.op("Greater", curve(draw(st.integers(0, 2))), draw(NUMBERS))
        return g.op("Where", test, stairs(depth - 1), stairs(depth - 1))

    return g, stairs(2)


@settings(deadline=None, max_examples=60)
@given(made=formulas())
def test_drawn_formulas(tmp_path_factory, made):
    """All of them come in; but a staircase of few uneven steps only."""
    g, x = made
    try:
        checked(g, x, tmp_path_factory.mktemp("net"))
    except ModelError as error:
        assert "activations must have one even spacing" in str(error) or "rise and fall" in str(error)


def test_the_forms_of_papers(tmp_path):
    """PACT (equation 1), TBN as a product, HWGQ as a chain of choices, RPReLU before RSign: layers without a detour."""
    g = Graph(0)
    x = g.op("Mul", dense(g), 0.5)
    y = g.op("Sub", g.op("Abs", x), g.op("Abs", g.op("Sub", x, 2.5)))
    y = g.op("Mul", g.op("Round", g.op("Mul", g.op("Add", y, 2.5), 0.5)), 2.0)
    assert names(checked(g, y, tmp_path)) == "dense0 dense1"
    g = Graph(0)
    x = dense(g)
    y = g.op("Mul", g.op("Sign", x), g.op("Cast", g.op("Greater", g.op("Abs", x), 2.5), to=1))
    assert names(checked(g, y, tmp_path)) == "dense0 dense1"
    g = Graph(0)
    x, y = dense(g), np.zeros(1)
    for level in (1.0, 2.0, 3.0):
        y = g.op("Where", g.op("Greater", x, level * 2 - 1), level, y)
    assert names(checked(g, y, tmp_path)) == "dense0 dense1"
    g = Graph(0)
    bent = g.op("PRelu", g.op("Add", dense(g), 0.5), [0.5, -0.5, 0.25, -1.0])
    network = checked(g, g.sign(g.op("Sub", bent, 2.25)), tmp_path)
    # Where it falls and rises again: a sum of two comparisons, and a threshold behind it.
    assert names(network).endswith("dense1") and "sum0" in names(network)
    assert network.layers[-2].output.bits == 1


def test_levels_of_no_common_distance(tmp_path):
    """Three comparisons, each with a weight of its own."""
    g = Graph(0)
    x, y = dense(g), np.zeros(1)
    for level, value in ((1.0, 0.5), (3.0, 1.25), (5.0, 3.0)):
        y = g.op("Where", g.op("Greater", x, level), value, y)
    assert "sum1" in names(checked(g, y, tmp_path))


def test_maxima_of_curves_that_only_rise_here(tmp_path):
    """PACT's form before a max pool: it rises over all sums, although its parts do not."""
    g = Graph(5)
    x = g.op("Mul", g.start(4, 3, 3), 1 / 16)
    y = g.op("Sub", g.op("Abs", x), g.op("Abs", g.op("Sub", x, 3.0)))
    y = g.op("Round", g.op("Clip", g.op("MaxPool", y, kernel_shape=[2, 2]), np.float32(-3), np.float32(4)))
    assert names(agree(g.save(tmp_path / "net.onnx", g.scores(y, 4 * 4 * 3)))).startswith("conv0 pool0")


def test_pixels_of_which_the_size_counts(tmp_path):
    """Formulas of the input, of which it is known what it brings."""
    g = Graph(6)
    y = g.sign(g.op("Sub", g.op("Abs", g.op("Sub", "x", 7.5)), 4.0))
    network = agree(g.save(tmp_path / "net.onnx", g.op("MatMul", y, g.signs(K, 5)), ("N", K)))
    # Two comparisons of the code of a pixel, and a threshold behind their sum.
    assert network.input.levels == 3 and "sum0" in names(network)
    g = Graph(6)
    y = g.sign(g.op("Sub", g.op("Abs", g.op("Add", "x", 1.0)), 4.0))
    agree(g.save(tmp_path / "net.onnx", g.op("MatMul", y, g.signs(K, 5)), ("N", K)))


@pytest.mark.parametrize("falling", [False, True])
def test_clips_before_a_sum_are_counted(tmp_path, falling):
    """A ReLU of sums that take few values, and batch norms behind it, in a shortcut."""
    g = Graph(7)
    x = g.start(4, 3, 3)
    bits = g.sign(g.norm(x, 4, 20))
    inner = g.op("Conv", bits, g.signs(4, 4, 3, 3), pads=[1, 1, 1, 1])
    inner = g.op("Relu", g.op("Neg", inner) if falling else inner)
    inner = g.op("Mul", inner, np.array([0.5, -1.5, 2.0, 0.25]).reshape(4, 1, 1))
    y = g.op("MatMul", g.op("Flatten", g.sign(g.op("Add", inner, g.op("Add", x, 0.25)))), g.signs(80, 5))
    network = agree(g.save(tmp_path / "net.onnx", y))
    assert "sum0" in names(network) and not network.bounds


def test_clips_of_many_values_are_pieces_before_a_sum(tmp_path):
    g = Graph(7)
    x = g.start(4, 3, 3)
    bits = g.sign(g.norm(x, 4, 20))
    inner = g.op("Relu", g.op("Add", g.op("Conv", bits, g.signs(4, 4, 3, 3), pads=[1, 1, 1, 1]), 0.5))
    y = g.op("MatMul", g.op("Flatten", g.sign(g.op("Add", inner, x))), g.signs(80, 5))
    network = agree(g.save(tmp_path / "net.onnx", y))
    assert "pieces0" in names(network) and "sum0" in names(network)


def test_formulas_that_double_with_each_operation_are_refused(tmp_path):
    g = Graph()
    x = dense(g)
    for _ in range(40):
        x = g.op("Mul", x, x)
    file = g.save(tmp_path / "net.onnx", g.op("MatMul", g.op("Sign", x), np.eye(CHANNELS)), ("N", K))
    with pytest.raises(ModelError) as error:
        load_model(file, input_scale="1", input_range="0:1")
    assert (
        "A product is a formula of more than 128 operations on one value, in which a value that is used twice"
        in str(error.value)
    )
