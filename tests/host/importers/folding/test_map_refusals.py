"""Graphs over maps that are refused, and those that nearly are; parts and orders of the input."""

from __future__ import annotations

import numpy as np
import pytest
from bitweir.importers import ModelError, load_model
from support.onnxgraphs import C, Graph, H, W, agree, names

# ---- what is refused


def first(g: Graph) -> str:
    return g.sign(g.norm(g.start(4, 3, 3), 4, 20))


def bn(g: Graph) -> str:
    return g.norm(g.start(4, 3, 3), 4, 20)


REFUSED = {
    "Node MaxPool 'n5' cannot be folded: its dilations must be 1, because only convolutions may be dilated: pool "
    "without dilation.": lambda g: g.op("MaxPool", first(g), kernel_shape=[2, 2], dilations=[2, 2]),
    "Node Conv 'n5' cannot be folded: its dilations must be two whole numbers of 1 or more, not [0, 1].": lambda g: (
        g.op("Conv", first(g), g.signs(4, 4, 2, 2), dilations=[0, 1])
    ),
    "Node Conv 'n5' cannot be folded: its kernel [5, 5] must fit into the padded map of [5, 4].": lambda g: g.op(
        "Conv", first(g), g.signs(4, 4, 2, 2), dilations=[4, 4]
    ),
    "Node Conv 'n1' cannot be folded: its dilated kernel must have at most 16,777,216 weights, with those of 0 between "
    "its own, not 33,521,672: dilate less.": lambda g: g.op(
        "Conv",
        g.op("Pad", "x", g.const([0, 0, 2047, 2047, 0, 0, 2047, 2047], np.int64)),
        g.signs(4, C, 2, 2),
        dilations=[2046, 2046],
    ),
    "Node Conv 'n5' cannot be folded: "
    "it must pad less than its kernel [2, 2] on each side, not [2, 0, 0, 0].": lambda g: g.op(
        "Conv", first(g), g.signs(4, 4, 2, 2), pads=[2, 0, 0, 0]
    ),
    "Node Conv 'n5' cannot be folded: its kernel [6, 2] must fit into the padded map of [5, 4].": lambda g: g.op(
        "Conv", first(g), g.signs(4, 4, 6, 2)
    ),
    "Node Conv 'n5' must divide 4 channels into 2 groups for its weights of shape (4, 4, 2, 2): the file is "
    "damaged.": lambda g: g.op("Conv", first(g), g.signs(4, 4, 2, 2), group=2),
    "Node Conv 'n3' must take quantised activations, but the sums of conv0 arrive unquantised: put a quantiser of 1 "
    "to 8 bits between the two layers, such as a sign.": lambda g: g.op("Conv", bn(g), g.signs(4, 4, 2, 2)),
    "Node Conv 'n6' must take the map that conv0 hands on, of 5 rows, 4 columns and 4 channels, with its pixels in "
    "their order, not reshaped to (4, 1, 20): what moves pixels, as": lambda g: g.op(
        "Conv", g.op("Reshape", first(g), g.const([-1, 4, 20], np.int64)), g.signs(4, 4, 2)
    ),
    "Node Conv 'n6' must take the map that conv0 hands on, of 5 rows, 4 columns and 4 channels, with its pixels in "
    "their order, not reshaped to (4, 4, 5): what moves pixels, as": lambda g: g.op(
        "Conv", g.op("Reshape", first(g), g.const([-1, 4, 4, 5], np.int64)), g.signs(4, 4, 2, 2)
    ),
    "Node MatMul 'n4' must follow a quantiser: the padding of conv0 with 0 lies between two integers of its input, "
    "which is exact only where thresholds follow. Put a sign behind that layer, pad with a value that an integer of "
    "the input means, or leave out the padding.": lambda g: g.op(
        "Conv", g.op("Sub", "x", 0.3), g.signs(4, C, 3, 3), pads=[1, 1, 1, 1]
    ),
    "Node Sign 'n6' must not take a padded map: only convolutions and max pools may follow a Pad.": lambda g: g.op(
        "Sign", g.op("Pad", first(g), g.const([0, 0, 1, 1, 0, 0, 1, 1], np.int64))
    ),
    "Node MaxPool 'n6' takes a map with a border of 0, which can be the largest value of a window: pad with the lowest "
    "value that the map can have, or let the pool pad.": lambda g: g.op(
        "MaxPool", g.op("Pad", first(g), g.const([0, 0, 1, 1, 0, 0, 0, 0], np.int64)), kernel_shape=[2, 2]
    ),
    "Node Pad 'n5' cannot be folded: its mode must be constant: pad with a constant, or not at all.": lambda g: g.op(
        "Pad", first(g), g.const([0, 0, 1, 1, 0, 0, 0, 0], np.int64), mode="reflect"
    ),
    "Node Pad 'n5' cannot be folded: it must add a border of one finite number around a frame, and cut nothing: cut "
    "with a "
    "Slice, or not at all.": lambda g: g.op("Pad", first(g), g.const([0, 0, -1, 1, 0, 0, 0, 0], np.int64)),
    "Node MatMul 'n8' must follow a quantiser: the means of conv1 have other divisors at the edges of the map, which "
    "is exact only where thresholds follow. Put a sign behind that pool, count the padding with count_include_pad=1, "
    "or pool without padding.": lambda g: g.op("AveragePool", first(g), kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    "Node AveragePool 'n5' cannot be folded: it counts its padding and rounds up, and files do not agree on the "
    "divisors at the edges then: leave out count_include_pad or ceil_mode.": lambda g: g.op(
        "AveragePool", first(g), kernel_shape=[3, 3], pads=[1, 1, 1, 1], ceil_mode=1, count_include_pad=1
    ),
    "Node AveragePool 'n4' must not average what comes out of a tanh: put a quantiser between them.": lambda g: g.op(
        "AveragePool", g.op("Tanh", bn(g)), kernel_shape=[2, 2]
    ),
    "Node ReduceMean 'n5' cannot be folded: it must reduce the rows and columns of a map, no other axes: a "
    "mean over features, as layer norm computes it, depends on the image, so use a batch norm.": lambda g: g.op(
        "ReduceMean", first(g), g.const([1], np.int64)
    ),
    "Node Add 'n7' must not add what comes out of a tanh, unless it takes at most 256 evenly spaced "
    "values: put a quantiser between them.": lambda g: g.op("Add", g.op("Tanh", bn(g)), g.norm(g.start(4, 3, 3), 4)),
    "Node Add 'n6' must add maps of one shape, not (4, 5, 4) and (4, 1, 1): sums that spread one value over a map are "
    "not supported, so give both the same shape.": lambda g: g.op("Add", x := first(g), g.op("GlobalAveragePool", x)),
    "Node Mul 'n6' multiplies two values that both depend on the image, as a gate or a scale computed from each image "
    "(squeeze-and-excitation, XNOR-Net's K, HORQ's betas) does: use a constant factor for each channel; only sums of "
    "such "
    "values are supported.": lambda g: g.op("Mul", x := first(g), g.op("GlobalAveragePool", x)),
    "Node Round 'n3' cannot be folded: it must round to 2 to 256 levels, not to": lambda g: g.op(
        "Round", g.op("Mul", g.start(4, 3, 3), 3.0)
    ),
}


@pytest.mark.parametrize("text", REFUSED)
def test_graphs_that_are_refused(tmp_path, text):
    g = Graph(20)
    x = REFUSED[text](g)
    x = g.op("GlobalMaxPool", x) if "Sign" not in text else x
    with pytest.raises(ModelError) as caught:
        load_model(g.save(tmp_path / "net.onnx", g.op("MatMul", g.op("Flatten", x), g.signs(4, 3))), input_scale="1")
    assert str(caught.value)[: len(text)] == text and str(caught.value).endswith(".")


@pytest.mark.parametrize("pads", [[1, 1, 1, 1], [1, 0, 0, 2]])
@pytest.mark.parametrize("low", [-1, 0])
def test_averages_that_count_zeros_around_the_map(tmp_path, pads, low):
    """A depthwise convolution with weights of 1, whose zeros around the map count: of codes, and of a map of sums."""
    g = Graph(22)
    x = g.op("Where", g.op("GreaterOrEqual", g.norm(g.start(4, 3, 3), 4, 6), 0.0), 1.0, float(low))
    x = g.op("AveragePool", x, kernel_shape=[3, 3], pads=pads, strides=[2, 1], count_include_pad=1)
    rows, columns = (5 + pads[0] + pads[2] - 3) // 2 + 1, 4 + pads[1] + pads[3] - 2
    path = g.save(tmp_path / "net.onnx", g.scores(g.op("Mul", x, 9.0), 4 * rows * columns))
    assert names(agree(path, scores=low == -1)).startswith("conv0 conv1 dense0")


def test_averages_of_sums_that_count_zeros(tmp_path):
    """Scaled sums have a border of 0; shifted ones would have one that no integer means."""
    g = Graph(23)
    x = g.op("Mul", g.op("Conv", g.sign(g.op("Sub", "x", 7.5)), g.signs(4, C, 3, 3)), 0.25)
    pooled = g.op("AveragePool", x, kernel_shape=[3, 3], pads=[1] * 4, count_include_pad=1)
    agree(g.save(tmp_path / "net.onnx", g.scores(g.op("Mul", pooled, 36.0), 4 * 5 * 4)))
    pooled = g.op("AveragePool", g.norm(x, 4), kernel_shape=[3, 3], pads=[1] * 4, count_include_pad=1)
    path = g.save(tmp_path / "no.onnx", g.scores(g.sign(pooled), 4 * 5 * 4))
    with pytest.raises(ModelError, match="must take quantised activations, but the sums of conv0 arrive unquantised"):
        load_model(path, input_scale="1")


def test_thresholds_that_differ_from_pixel_to_pixel(tmp_path):
    g = Graph(21)
    x = g.op("Flatten", g.start(4, 3, 3))
    x = g.sign(g.op("Add", x, g.rng.normal(size=80)))
    with pytest.raises(ModelError, match=r"all pixels of a channel must be treated alike, but its parameters differ"):
        load_model(g.save(tmp_path / "net.onnx", g.op("MatMul", x, g.signs(80, 5))), input_scale="1")


# ---- parts and orders of the input


def test_channels_in_another_order(tmp_path):
    """As images of blue, green and red for a network of red, green and blue."""
    g = Graph(24)
    x = g.op("Gather", "x", g.const([1, 0], np.int64), axis=1)
    x = g.sign(g.norm(g.op("Conv", x, g.signs(4, C, 3, 3)), 4, 20))
    net = agree(g.save(tmp_path / "net.onnx", g.scores(x, 4 * 5 * 4)))
    assert net.input.source[:4].tolist() == [H * W, 0, H * W + 1, 1]


@pytest.mark.parametrize(
    ("op", "operands", "attributes", "inputs"),
    [
        ("Gather", [3], {"axis": 2}, C * W),
        ("Gather", [[0, -1, 2]], {"axis": -1}, C * H * 3),
        ("Slice", [[1, 0], [9, -1], [2, 3]], {}, C * 6 * 5),
        ("Slice", [[6], [-9], [2], [-2]], {}, C * 4 * W),
    ],
)
def test_parts_of_the_input(tmp_path, op, operands, attributes, inputs):
    g = Graph(25)
    x = g.op(op, "x", *(g.const(operand, np.int64) for operand in operands), **attributes)
    x = g.sign(g.norm(g.op("MatMul", g.op("Flatten", x), g.signs(inputs, 16)), 16, 20))
    agree(g.save(tmp_path / "net.onnx", g.scores(x, 16)))


def test_channels_of_a_layer_in_another_order(tmp_path):
    g = Graph(26)
    x = g.op("Gather", g.sign(g.norm(g.start(4, 3, 3), 4, 9)), g.const([2, 0, 3, 1], np.int64), axis=1)
    x = g.sign(g.norm(g.op("Conv", x, g.signs(4, 4, 3, 3)), 4, 3))
    agree(g.save(tmp_path / "net.onnx", g.scores(x, 4 * 3 * 2)))


def test_some_elements_of_a_layer_before_a_dense_one(tmp_path):
    """Elements that a dense layer leaves out have weights of 0, and one that it takes twice has the sum of two."""
    g = Graph(27)
    x = g.op("Flatten", g.sign(g.norm(g.start(4, 3, 3), 4, 9)))
    x = g.op("Gather", x, g.const([3, 70, 41, 3, 3, 12], np.int64), axis=1)
    net = agree(g.save(tmp_path / "net.onnx", g.op("MatMul", x, g.signs(6, 5))))
    assert np.count_nonzero(net.layers[-1].weights, axis=1).tolist() == [4] * 5


def test_sums_of_several_values_and_steps_of_a_sigmoid(tmp_path):
    g = Graph(28)
    x = g.start(4, 3, 3)
    y = g.op("HardSigmoid", g.norm(x, 4, 9), alpha=0.25, beta=0.5)
    y = g.op("Expand", g.op("Round", g.op("Mul", y, 3.0)), g.const([1, 4, 1, 4], np.int64))
    parts = [g.op("Conv", y, g.signs(4, 4, 3, 3)) for _ in range(3)]
    y = g.sign(g.norm(g.op("Sum", *parts, 0.5), 4))
    z = g.sign(g.norm(g.op("Mean", *parts), 4, 1))
    y = g.op("Add", g.op("Conv", y, g.signs(4, 4, 1, 1)), g.op("Conv", z, g.signs(4, 4, 1, 1)))
    agree(g.save(tmp_path / "net.onnx", g.scores(g.sign(g.norm(y, 4, 1)), 4 * 3 * 2)))
