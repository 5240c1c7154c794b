"""Operators in float64: what the library computes otherwise than the standard, and what would be too large."""

from __future__ import annotations

import numpy as np
import pytest
from bitweir.importers.execution.operators import MAX_ELEMENTS, CannotRunError, Operator
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

OPSET = 18


def run(op, *arrays, opset=OPSET, **attributes):
    names = ["" if array is None else f"x{place}" for place, array in enumerate(arrays)]
    (result,) = Operator(helper.make_node(op, names, ["y"], **attributes), opset).run(arrays)
    return result


def whole(*numbers):
    return np.array(numbers, np.int64)


# ---- sizes


LARGE = 1 << 14  # squared it is more than may be


@pytest.mark.parametrize(
    ("op", "arrays", "attributes"),
    [
        ("Add", [np.ones((LARGE, 1)), np.ones((1, LARGE))], {}),
        ("Where", [np.ones((LARGE, 1), bool), np.ones((1, LARGE)), np.ones(1)], {}),
        ("BipolarQuant", [np.ones((LARGE, 1)), np.ones((1, LARGE))], {}),
        ("MatMul", [np.ones((LARGE, 1)), np.ones((1, LARGE))], {}),
        ("MatMul", [np.ones((LARGE, 1, 1)), np.ones((1, LARGE))], {}),
        ("Gemm", [np.ones((1, LARGE)), np.ones((LARGE, 1))], {"transA": 1, "transB": 1}),
        ("Gather", [np.ones((1, LARGE)), np.zeros(LARGE, np.int64)], {}),
        ("ConstantOfShape", [whole(1 << 40, 1 << 40)], {}),
        ("Expand", [np.ones(1), whole(1 << 40)], {}),
        ("Pad", [np.ones((4, 4)), whole(0, 0, 1 << 40, 0)], {}),
        ("Pad", [np.ones((4, 4)), whole(0, 1 << 40), None, whole(1)], {}),
        ("Conv", [np.ones((1, 1, 4, 4)), np.ones((1, 1, 1, 1))], {"pads": [LARGE] * 4}),
        ("Conv", [np.ones((1, 1, LARGE, 1)), np.ones((LARGE, 1, 1, 1))], {}),
        ("MaxPool", [np.ones((1, 1, 1 << 15, 1))], {"kernel_shape": [LARGE, 1]}),
        ("AveragePool", [np.ones((1, 1, 4, 4))], {"kernel_shape": [1, 1], "pads": [0, 0, 1 << 40, 0]}),
    ],
)
def test_what_is_too_large_is_refused_before_it_is_made(op, arrays, attributes):
    with pytest.raises(CannotRunError, match=r"^(a tensor is|the windows of a map are) too large$"):
        run(op, *arrays, **attributes)
    assert LARGE * LARGE > MAX_ELEMENTS


def test_dilated_kernels_count_with_their_gaps():
    x, weights = np.ones((1, 1, 1 << 15, 1)), np.ones((1, 1, 2, 1))
    with pytest.raises(CannotRunError, match="windows of a map are too large"):
        run("Conv", x, weights, dilations=[1 << 13, 1])
    assert run("Conv", x[:, :, :9], weights, dilations=[4, 1]).tolist() == [[[[2.0]] * 5]]


@pytest.mark.parametrize("op", ["Loop", "If", "Scan", "RandomNormal", "Einsum", "DFT", "Optional", "NoSuch"])
def test_what_is_not_listed_does_not_run(op):
    with pytest.raises(CannotRunError, match=f"^operator '{op}' is not known$"):
        run(op, np.ones(3))


def test_attributes_hold_no_graphs():
    body = helper.make_graph([], "g", [], [])
    with pytest.raises(CannotRunError, match="^operator Add has an attribute that is not known$"):
        run("Add", np.ones(3), np.ones(3), body=body)


def test_arithmetic_takes_numbers():
    truth = np.ones(3, bool)
    with pytest.raises(CannotRunError, match="^arithmetic takes numbers, not what a comparison says$"):
        run("Mul", truth, truth)
    with pytest.raises(CannotRunError, match="^a Pad cuts$"):
        run("Pad", np.ones((4, 4)), whole(0, 0, -1, 0))
    with pytest.raises(CannotRunError, match="^a batch norm is in training mode$"):
        run("BatchNormalization", *[np.ones((2, 2)), *[np.ones(2)] * 4], training_mode=1)


# ---- in place of the library's


def test_a_mean_broadcasts():
    assert run("Mean", np.array([2.0]), np.array([[4.0, 6.0]])).tolist() == [[3.0, 4.0]]


def test_a_global_max_pool_of_one_dimension():
    x = np.arange(12.0).reshape(2, 2, 3)
    assert run("GlobalMaxPool", x).tolist() == [[[2.0], [5.0]], [[8.0], [11.0]]]


@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax"])
def test_a_softmax_before_opset_13_is_over_all_axes_from_one_on(op):
    x = np.arange(8.0).reshape(1, 2, 2, 2)
    powers = np.exp(x - 7) if op == "Softmax" else x
    whole_ = powers / np.exp(x - 7).sum() if op == "Softmax" else x - 7 - np.log(np.exp(x - 7).sum())
    np.testing.assert_allclose(run(op, x, opset=11), whole_, rtol=1e-12)
    np.testing.assert_allclose(run(op, x, opset=13, axis=-1).reshape(-1, 2)[0], run(op, x[0, 0, 0], opset=13))


def test_one_tensor_twice():
    x = np.array([3.0, -2.0])
    node = helper.make_node("Mul", ["x", "x"], ["y"])
    (result,) = Operator(node, OPSET).run([x, 2 * x])
    assert result.tolist() == [18.0, 8.0]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("ROUND", [-2, -2, -1, 0, 0, 1, 2, 2]),
        ("half_even", [-2, -2, -1, 0, 0, 1, 2, 2]),
        ("CEIL", [-2, -1, 0, 0, 1, 1, 2, 3]),
        ("FLOOR", [-3, -2, -1, -1, 0, 0, 1, 2]),
        ("UP", [-3, -2, -1, -1, 1, 1, 2, 3]),
        ("DOWN", [-2, -1, 0, 0, 0, 0, 1, 2]),
        ("HALF_UP", [-3, -2, -1, -1, 1, 1, 2, 3]),
        ("HALF_DOWN", [-2, -1, -1, 0, 0, 1, 1, 2]),
    ],
)
def test_rounding_of_quantisers(mode, expected):
    x = np.array([-2.5, -1.5, -0.75, -0.5, 0.5, 0.75, 1.5, 2.5])
    numbers = [np.array(number) for number in (1.0, 0.0, 4.0)]
    assert run("Quant", x, *numbers, signed=1, narrow=0, rounding_mode=mode).tolist() == expected


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_windows_as_onnx_runtime_sees_them(data):
    ort = pytest.importorskip("onnxruntime")
    op = data.draw(st.sampled_from(["Conv", "MaxPool", "AveragePool"]))
    rank = data.draw(st.integers(1, 2))
    sizes, kernel, strides = (
        data.draw(st.lists(st.integers(*ends), min_size=rank, max_size=rank)) for ends in ((3, 9), (1, 3), (1, 3))
    )
    dilations = (
        [1] * rank if op == "AveragePool" else data.draw(st.lists(st.integers(1, 2), min_size=rank, max_size=rank))
    )
    pads = [data.draw(st.integers(0, width - 1)) for width in kernel + kernel]
    attributes = {"kernel_shape": kernel, "strides": strides, "dilations": dilations}
    how = data.draw(st.sampled_from(["pads", "SAME_UPPER", "SAME_LOWER", "VALID"]))
    attributes |= {"pads": pads} if how == "pads" else {"auto_pad": how}
    if op == "AveragePool":
        del attributes["dilations"]
        attributes["count_include_pad"] = data.draw(st.integers(0, 1))
    if op != "Conv" and how == "pads" and not attributes.get("count_include_pad"):
        attributes["ceil_mode"] = data.draw(st.integers(0, 1))
    assume(all(n >= (k - 1) * d + 1 for n, k, d in zip(sizes, kernel, dilations, strict=True)))
    # Of dilated kernels, and of longer steps than kernels, ONNX Runtime makes no such pads.
    same = how.startswith("SAME")
    assume(not same or all(s <= k and d == 1 for s, k, d in zip(strides, kernel, dilations, strict=True)))
    rng = np.random.default_rng(0)
    arrays = [rng.integers(-9, 10, (2, 4, *sizes)).astype(np.float32)]
    groups = data.draw(st.sampled_from([1, 2])) if op == "Conv" else 1
    if op == "Conv":
        attributes["group"] = groups
        arrays.append(rng.integers(-9, 10, (6, 4 // groups, *kernel)).astype(np.float32))
    names = ["x", "w"][: len(arrays)]
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in (*names, "y")]
    graph = helper.make_graph([helper.make_node(op, names, ["y"], **attributes)], "g", infos[:-1], infos[-1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (expected,) = session.run(None, dict(zip(names, arrays, strict=True)))
    found = run(op, *(array.astype(np.float64) for array in arrays), **attributes)
    np.testing.assert_allclose(found, expected, atol=1e-4)
