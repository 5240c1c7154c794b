"""Operators on parameters alone are computed at import, as ONNX Runtime computes them; none may take long or much."""

from __future__ import annotations

import re

import numpy as np
import onnx
import onnxruntime
import pytest
from bitweir.importers import ModelError, load_model
from bitweir.importers.execution.operators import OPERATORS
from bitweir.importers.onnx.constants import CONSTANT_OPS, LIBRARY_OPS, fold_constant
from bitweir.importers.onnx.graph import Node
from bitweir_hw.errors import BitweirError
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper
from support.onnxgraphs import Graph, agree


def folded(op, *arrays, outputs=1, opset=18, **attributes):
    names = tuple("" if array is None else f"x{place}" for place, array in enumerate(arrays))
    node = Node(op, "", "it", names, tuple(f"y{k}" for k in range(outputs)), attributes)
    return fold_constant(node, opset, list(arrays))


def by_runtime(op, *arrays, outputs=1, opset=18, **attributes):
    names = ["" if array is None else f"x{place}" for place, array in enumerate(arrays)]
    node = helper.make_node(op, names, [f"y{k}" for k in range(outputs)], **attributes)
    tensors = [numpy_helper.from_array(a, n) for n, a in zip(names, arrays, strict=True) if a is not None]
    graph = helper.make_graph([node], "g", [], [onnx.ValueInfoProto(name=name) for name in node.output], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, {})


def whole(*numbers):
    return np.array(numbers, np.int64)


def _drawn(data, op, x, axis):
    """Further operands, outputs and attributes of an operator that takes x."""
    size = x.shape[axis]
    channels = x.shape[1]
    match op:
        case "TopK":
            count = data.draw(st.integers(0, size))
            return [whole(count)], 2, {"axis": axis, "largest": data.draw(st.integers(0, 1))}
        case "Split":
            outputs = data.draw(st.integers(1, size))
            cuts = sorted(data.draw(st.lists(st.integers(0, size), min_size=outputs - 1, max_size=outputs - 1)))
            return [whole(*np.diff([0, *cuts, size]))], outputs, {"axis": axis}
        case "Squeeze" | "Unsqueeze":
            return [whole(0)], 1, {}
        case "ReduceL1" | "ReduceL2" | "ReduceSumSquare" | "ReduceSum":
            return [whole(axis)], 1, {"keepdims": data.draw(st.integers(0, 1))}
        case "ArgMax" | "ArgMin":
            return [], 1, {"axis": axis, "select_last_index": data.draw(st.integers(0, 1))}
        case "CumSum":
            return [np.array(axis)], 1, {name: data.draw(st.integers(0, 1)) for name in ("exclusive", "reverse")}
        case "Gather":
            return (
                [whole(*data.draw(st.lists(st.integers(-size, size - 1), min_size=1, max_size=4)))],
                1,
                {"axis": axis},
            )
        case "Softmax" | "LogSoftmax":
            return [], 1, {"axis": axis}
        case "Tile":
            return [whole(*data.draw(st.lists(st.integers(0, 3), min_size=x.ndim, max_size=x.ndim)))], 1, {}
        case "Pad":
            pads = data.draw(st.lists(st.integers(0, 2), min_size=2 * x.ndim, max_size=2 * x.ndim))
            return [whole(*pads), np.float32(2.5)], 1, {}
        case "BatchNormalization":
            rows = [np.linspace(0.5, 2, channels, dtype=np.float32) for _ in range(4)]
            return rows, 1, {"epsilon": 1e-3}
        case "PRelu":
            return [np.linspace(-1, 1, x.shape[-1], dtype=np.float32)], 1, {}
        case "LeakyRelu" | "HardSigmoid":
            return [], 1, {"alpha": 0.25}
        case "Sum" | "Mean":
            return [x[:1], np.float32([0.5])], 1, {}
        case _:
            return [], 1, {}


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_constants_are_what_onnx_runtime_makes_of_them(data):
    op = data.draw(
        st.sampled_from(
            [
                *sorted(LIBRARY_OPS),
                "Gather",
                "ReduceL1",
                "ReduceL2",
                "ReduceSum",
                "ReduceSumSquare",
                "Sigmoid",
                "Split",
                "Squeeze",
                "Unsqueeze",
            ]
        )
    )
    shape = (1, *data.draw(st.lists(st.integers(1, 4), min_size=2, max_size=3)))
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    # Equal numbers occur, so that the order of what is equal counts.
    x = np.random.default_rng(data.draw(st.integers(0, 99))).integers(-3, 4, shape).astype(np.float32) / 2
    rest, outputs, attributes = _drawn(data, op, x, axis)
    found = folded(op, x, *rest, outputs=outputs, **attributes)
    expected = by_runtime(op, x, *rest, outputs=outputs, **attributes)
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype and one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_products_and_ranges(data):
    a, b, c = (
        np.random.default_rng(data.draw(st.integers(0, 9))).normal(size=s).astype(np.float32)
        for s in ((3, 4), (5, 4), (5,))
    )
    attributes = {"transB": 1, "alpha": 0.5, "beta": data.draw(st.sampled_from([0.0, 1.0, 2.0]))}
    np.testing.assert_allclose(
        folded("Gemm", a, b, c, **attributes)[0], by_runtime("Gemm", a, b, c, **attributes)[0], rtol=1e-5
    )
    ends = [np.array(data.draw(st.integers(-9, 9))) for _ in range(2)] + [
        np.array(data.draw(st.sampled_from([-2, 1, 3])))
    ]
    np.testing.assert_array_equal(folded("Range", *ends)[0], by_runtime("Range", *ends)[0])


def test_parts_of_an_old_split():
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    for attributes in ({"axis": 1}, {"axis": 1, "split": [3, 1]}, {"axis": -2, "split": [1, 2]}):
        found, expected = (f("Split", x, outputs=2, opset=11, **attributes) for f in (folded, by_runtime))
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)


def unbound(g, weights, bases, opset):
    """The bases of a parameter, as `torch.unbind` takes them apart."""
    parts = [f"part{k}" for k in range(bases)]
    attributes = {"num_outputs": bases} if opset >= 18 else {}
    g.nodes.append(helper.make_node("Split", [g.const(weights)], parts, name="split", axis=0, **attributes))
    return [g.op("Squeeze", part, g.const(whole(0), np.int64)) for part in parts]


@pytest.mark.parametrize("opset", [13, 18])
def test_bases_that_unbind_takes_apart(tmp_path, opset):
    g = Graph(3, opset)
    x = g.sign(g.norm(g.start(4, 3, 3), 4))
    one, other = unbound(g, g.signs(2, 6, 4, 3, 3), 2, opset)
    y = g.op("Add", g.op("Conv", x, one), g.op("Mul", g.op("Conv", x, other), 0.5))
    agree(g.save(tmp_path / "net.onnx", g.scores(g.sign(g.norm(y, 6)), 6 * 3 * 2)))


def test_the_largest_weights_of_a_filter(tmp_path):
    """Where a threshold of the weights is their third largest one, as in networks that are pruned in training."""
    g = Graph(4)
    weights = g.const(g.rng.normal(size=(6, 36)))
    g.nodes.append(
        helper.make_node(
            "TopK", [g.op("Abs", weights), g.const(whole(9), np.int64)], ["top", "places"], name="top", axis=1
        )
    )
    least = g.op("ReduceMin", "top", g.const(whole(1), np.int64))
    mask = g.op("Cast", g.op("GreaterOrEqual", g.op("Abs", weights), least), to=onnx.TensorProto.FLOAT)
    kernel = g.op("Reshape", g.op("Mul", g.op("Sign", weights), mask), g.const(whole(6, 4, 3, 3), np.int64))
    x = g.op("Conv", g.sign(g.norm(g.start(4, 3, 3), 4)), kernel)
    net = agree(g.save(tmp_path / "net.onnx", g.scores(g.sign(g.norm(x, 6)), 6 * 3 * 2)))
    assert [int(abs(row).sum()) for row in net.layers[1].weights] == [9] * 6


# ---- what is refused


LARGE = 1 << 13


def ones(*shape):
    """Ones without memory."""
    return np.broadcast_to(np.float32(1), shape)


@pytest.mark.parametrize(
    ("op", "operands", "attributes", "why"),
    [
        ("Split", [ones(4, 3), whole(3, 2)], {"outputs": 2}, "cut 4 elements into 2 parts, not of the sizes [3, 2]"),
        ("Split", [ones(2, 3)], {"outputs": 4}, "cut 2 elements into 4 parts, not of the sizes [1, 1, 1, -1]"),
        ("TopK", [ones(4), whole(1 << 40)], {"outputs": 2}, "a TopK chooses more than there is"),
        ("Tile", [ones(1, 1), whole(1 << 20, 1 << 20)], {}, "a tensor is too large"),
        ("Range", [np.float32(k) for k in (0, 2**40, 1)], {}, "at most 268435456 elements in 8 axes"),
        ("Gemm", [ones(1, 1 << 17), ones(1 << 17, 1)], {"transA": 1, "transB": 1}, "at most 268435456 elements"),
        ("Gemm", [ones(1 << 12, 1 << 13), ones(1 << 13, 1 << 12)], {}, "it must be a matrix product of moderate size"),
        ("CumSum", [ones(LARGE, LARGE), np.array(0)], {}, "its constants must have at most 16777216 elements"),
    ],
)
def test_what_is_too_large_or_wrong(op, operands, attributes, why):
    with pytest.raises(BitweirError, match=re.escape(why)):
        folded(op, *operands, **attributes)


def test_many_operators_of_the_library_take_too_long_together(tmp_path):
    """Each takes as many elements as it may, and makes one."""
    g = Graph(5)
    shape = g.const(whole(1, (1 << 24) - 1), np.int64)
    total = g.const(0.0)
    for k in range(17):
        x = g.op("Add", g.op("ConstantOfShape", shape), np.float32([k]))
        total = g.op(
            "Add", total, g.op("ReduceMax", g.op("CumSum", x, g.const(1, np.int64)), g.const(whole(0, 1), np.int64))
        )
    y = g.scores(g.sign(g.start(3, 3, 3)), 3 * 5 * 4)
    with pytest.raises(ModelError, match="^The constant parts of the graph must be of moderate size; they take too"):
        load_model(g.save(tmp_path / "net.onnx", g.op("Add", y, total)), input_scale="1")


def test_a_refused_node_makes_nothing_that_is_malformed(tmp_path):
    """All outputs of what is refused are unknown: what reads the second one gets no reason of its own."""
    g = Graph(6)
    x = g.sign(g.norm(g.start(4, 3, 3), 4))
    g.nodes.append(helper.make_node("Unique", [x], ["a", "b"], name="parts", axis=1))
    y = g.scores(g.sign(g.op("Add", "a", g.op("Neg", "b"))), 2 * 5 * 4)
    with pytest.raises(ModelError) as caught:
        load_model(g.save(tmp_path / "net.onnx", y), input_scale="1")
    assert str(caught.value).startswith("Node Unique 'parts' picks or places values one by one, which a stream of")


def test_every_operator_for_constants_runs_in_the_reference():
    assert set(CONSTANT_OPS) <= OPERATORS
