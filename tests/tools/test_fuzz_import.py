"""Some hundred cases of ``tools/fuzz_import``: each ends in a network that is right, or in one sentence."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import onnx
import pytest
from bitweir.importers import ModelError, load_model
from bitweir.importers.onnx.reference import numpy_executor
from bitweir_hw.network import Stored
from bitweir_sim.values.encoding import encode
from bitweir_sim.values.fast import run
from onnx import TensorProto, helper, numpy_helper

from tools.fuzz_import import cases

QONNX = "qonnx.custom_op.general"


def test_changed_models_end_in_networks_or_sentences():
    files = [(path, scale) for path, scale in cases.corpus(small=True) if path.suffix == ".onnx"]
    summary = cases.run_cases(range(240), files)
    assert not summary.failures
    assert sum(summary.counts.values()) == 240
    # A mutation that breaks all, or one that changes nothing, tests nothing.
    assert summary.counts["agrees"] >= 20 and summary.counts["refused"] >= 100


def test_a_wrong_network_and_an_exception_are_found(monkeypatch):
    """The fuzzer itself: an importer that turns signs round, and one that raises."""
    real = load_model

    def wrong(path, **options):
        network = real(path, **options)
        last = network.layers[-1]
        return replace(network, layers=(*network.layers[:-1], replace(last, weights=~last.weights)))

    files = cases.corpus(small=True)[:1]
    monkeypatch.setattr(cases, "CHANGES", {".onnx": lambda data, rng: (data, [])})
    monkeypatch.setattr("bitweir.importers.load_model", wrong)
    assert cases.run_cases([1], files).counts == {"wrong": 1}

    def broken(path, **options):
        raise KeyError(path)

    monkeypatch.setattr("bitweir.importers.load_model", broken)
    summary = cases.run_cases([1], files)
    assert summary.counts == {"raises": 1} and "KeyError" in summary.failures[0].detail

    def deadly(path, **options):
        os._exit(3)

    monkeypatch.setattr("bitweir.importers.load_model", deadly)
    summary = cases.run_cases([1, 2], files)
    assert summary.counts == {"dies": 2} and summary.failures[0].detail == "exit code 3"


# ---- what it has found


def model(path, nodes, tensors, kind=TensorProto.FLOAT, shape=(1, 4, 4)):
    """A graph from x to y; nodes are (operator, inputs, output, attributes)."""
    graph = helper.make_graph(
        [
            helper.make_node(
                op, i.split(), [o], domain="qonnx.custom_op.general" if "Quant" in op else "", **attributes
            )
            for op, i, o, attributes in nodes
        ],
        "g",
        [helper.make_tensor_value_info("x", kind, ["N", *shape])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(array, np.float32), name) for name, array in tensors.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(QONNX, 2)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


SIGNS = np.where(np.random.default_rng(3).random((16, 5)) < 0.5, -1, 1)
DENSE = [("Flatten", "q", "f", {}), ("MatMul", "f w", "y", {})]


@pytest.mark.parametrize("zero", [-1, 0, 1])
@pytest.mark.parametrize("narrow", [0, 1])
def test_one_signed_bit_has_a_zero_point(tmp_path, zero, narrow):
    """QONNX: codes are -1 and +1 where ``x / scale + zero`` is below 0 or not, whatever narrow says."""
    attributes = {"signed": 1, "narrow": narrow, "rounding_mode": "ROUND"}
    draw = np.random.default_rng(1)
    tensors = {"s": 0.5, "z": zero, "b": 1, "w": np.round(draw.normal(size=(16, 5)), 1)}
    # Activations, and weights, which are constant: both follow the rule.
    nodes = [("Quant", "x s z b", "q", attributes), ("Quant", "w s z b", "k", attributes)]
    path = model(tmp_path / "m.onnx", [*nodes, ("Flatten", "q", "f", {}), ("MatMul", "f k", "y", {})], tensors)
    x = (draw.integers(-8, 9, (50, 1, 4, 4)) / 8).astype(np.float32)
    network = load_model(path)
    want, found = numpy_executor(path, ["y"]).run(x)["y"], run(network, encode(network.input, x))
    assert (found.classes == want.argmax(axis=1)).all() and len(set(found.classes.tolist())) > 1


@pytest.mark.parametrize(
    ("nodes", "tensors", "told"),
    [
        (
            [("Quant", "x s z b", "p", {"signed": 0, "narrow": 1})],
            {"b": 1},
            "it must have 2 to 256 levels",
        ),
        ([("Quant", "x s z b", "p", {"signed": 1, "narrow": 0})], {"s": -1, "b": 1}, "its scale must be positive"),
        ([("Not", "x", "p", {})], {}, "it must turn round what a comparison says"),
    ],
)
def test_nodes_without_a_meaning(tmp_path, nodes, tensors, told):
    tensors = {"s": 1, "z": 0, "w": SIGNS, **tensors}
    path = model(tmp_path / "m.onnx", [*nodes, ("Identity", "p", "q", {}), *DENSE], tensors)
    with pytest.raises(ModelError, match=told):
        load_model(path)


def test_a_slope_that_differs_from_column_to_column(tmp_path):
    """The slope of a PRelu spreads as in NumPy: (4,) on (4, 4, 4) is one a column, not one a channel."""
    tensors = {"k": np.ones((4, 1, 1, 1)), "a": [0, 1, 2, 3], "t": -1.5, "w": np.tile(SIGNS, (4, 1))}
    nodes = [
        ("BipolarQuant", "x one", "b", {}),
        ("Conv", "b k", "c", {}),
        ("PRelu", "c a", "p", {}),
        ("Add", "p one", "u", {}),
        ("BipolarQuant", "u one", "q", {}),
        *DENSE,
    ]
    path = model(tmp_path / "m.onnx", nodes, {**tensors, "one": 1})
    with pytest.raises(ModelError, match="all pixels of a channel must be treated alike"):
        load_model(path)


@pytest.mark.parametrize("shape", [(1, 1, 1), (5, 5), (1, 2, 5)])
def test_a_constant_that_spreads_the_frame(tmp_path, shape):
    """Equal numbers are one number only where they leave the shape of the frame as it is."""
    tensors = {"one": 1, "w": SIGNS, "c": np.full(shape, 2), "v": SIGNS[:5, :3]}
    nodes = [("BipolarQuant", "x one", "q", {}), ("Flatten", "q", "f", {}), ("MatMul", "f w", "a", {})]
    nodes += [("Add", "a c", "b", {}), ("BipolarQuant", "b one", "d", {}), ("MatMul", "d v", "y", {})]
    with pytest.raises(ModelError, match=r"its constant of shape .* must fit a frame of shape \(5,\)"):
        load_model(model(tmp_path / "m.onnx", nodes, tensors))
    load_model(model(tmp_path / "m.onnx", nodes, {**tensors, "c": np.full((1, 5), 2)}))


def test_pixels_of_a_uint8_input_are_what_they_are(tmp_path):
    nodes = [("Cast", "x", "p", {"to": TensorProto.FLOAT}), ("BipolarQuant", "p s", "q", {}), *DENSE]
    path = model(tmp_path / "m.onnx", nodes, {"s": 1, "w": SIGNS}, TensorProto.UINT8)
    assert load_model(path).input.stored == load_model(path, input_scale="1").input.stored == Stored()
    for scale in ("1/16", "int8"):
        with pytest.raises(ModelError, match="it takes pixels as they are: leave out --input-scale, or give 1"):
            load_model(path, input_scale=scale)


@pytest.mark.parametrize("name", ["the_x", "the_w", "the_op"])
def test_names_that_are_no_text(tmp_path, name):
    path = model(tmp_path / "m.onnx", [("BipolarQuant", "x s", "q", {}), *DENSE], {"s": 1, "w": SIGNS})
    proto = onnx.load(path)
    proto.graph.node[0].name, proto.graph.initializer[0].name, proto.graph.doc_string = "the_op", "the_w", "the_x"
    path.write_bytes(proto.SerializeToString().replace(name.encode(), b"\xff\xfe" + name[2:].encode()))
    with pytest.raises(ModelError, match="its names must be UTF-8 text, and some are not: export the model again"):
        load_model(path)


def test_a_sentence_is_one_line_whatever_stands_in_it():
    assert (
        str(ModelError("its pads must be small, not [1\n 2\x1b[31m\u202e]."))
        == "its pads must be small, not [1 2?[31m?]."
    )
    assert len(str(ModelError("x" * 10_000_000))) == 6000
