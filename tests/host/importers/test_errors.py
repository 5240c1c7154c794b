"""What the importer refuses: the sentences are part of the interface, and no file may break it."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import onnx
import pytest
from bitweir.importers import ModelError, load_model
from bitweir.results import numbers
from bitweir_hw.errors import BitweirError
from bitweir_hw.network import Network, Stored
from bitweir_sim.values.encoding import encode
from bitweir_sim.values.fast import run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

SIGNS = np.where(np.random.default_rng(0).random((4, 3)) > 0.5, 1, -1).astype(np.float32)


def node(kind, inputs, output, **attributes):
    return helper.make_node(kind, inputs.split(), [output], name=f"the_{output}", **attributes)


def save(path: Path, nodes, tensors=(), shape=("N", 4), output="y", kind=TensorProto.FLOAT, opset=17) -> Path:
    arrays = {"w": SIGNS, "half": np.float32(0.5), "one": np.float32(1), "minus": np.float32(-1), **dict(tensors)}
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", kind, list(shape))],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(a), n) for n, a in arrays.items()],
    )
    domains = [helper.make_opsetid("", opset), helper.make_opsetid("qonnx.custom_op.general", 2)]
    onnx.save(helper.make_model(graph, opset_imports=domains, ir_version=8), path)
    return path


FIRST = [node("GreaterOrEqual", "x half", "g"), node("Where", "g one minus", "b")]
LAST = node("MatMul", "b w", "y")


def says(text: str):
    return pytest.raises(ModelError, match=f"^{re.escape(text)}")


# ---- files


def test_missing_file(tmp_path):
    with says("Model file '/nowhere/net.onnx' does not exist: check the path."):
        load_model("/nowhere/net.onnx")
    assert ModelError.exit_code == 3 and issubclass(ModelError, BitweirError)


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(ModelError, match=r"must be a file; it is a directory or a device\.$"):
        load_model(tmp_path)


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x08\x07" * 1000, bytes(range(256))])
def test_garbage(tmp_path, content):
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"is no ONNX file, or .*: export the model again\.$"):
        load_model(path)


def test_other_suffix(tmp_path):
    (tmp_path / "net.pb").touch()
    with pytest.raises(ModelError, match=r"is a SavedModel of TensorFlow, which is not read"):
        load_model(tmp_path / "net.pb")


@pytest.mark.parametrize(
    ("scale", "stored"),
    [
        ("2/510", Stored(scale=("1/255",))),
        ("0.5", Stored(scale=("1/2",))),
        (" 16 ", Stored(scale=("16",))),
        ("int4", Stored(low=-8, high=7)),
    ],
)
def test_input_scale_in_lowest_terms(tmp_path, scale, stored):
    assert load_model(save(tmp_path / "n.onnx", [*FIRST, LAST]), input_scale=scale).input.stored == stored


# ---- graphs


def sign_of(*more):
    return [node("Sub", "x half", "s"), node("Sign", "s", "b"), *more]


BN = {"n": np.ones(3, np.float32), "z": np.zeros(3, np.float32)}
CASES = {
    "Node Foo 'the_f' is no operator that is known here: write it with standard operators of ONNX, or remove it.": [
        node("Foo", "x", "f"),
        node("MatMul", "f w", "y"),
    ],
    "Node Sign 'the_b' of domain 'evil' is no operator that is known here: write it "
    "with standard operators of ONNX, ": [
        helper.make_node("Sign", ["x"], ["b"], name="the_b", domain="evil"),
        LAST,
    ],
    "Node Col2Im 'the_b' makes a larger map of a smaller one in another way than by repeating pixels, which is "
    "not supported: ": [
        node("Col2Im", "x w", "b"),
        LAST,
    ],
    "Node Sign 'the_b' must not see 0, because sign(0) is 0 and one bit holds only -1 and +1, but the input 0.5 brings "
    "a 0: say what pixels bring with --input-scale if they never bring this value, or use x >= 0.": sign_of(LAST),
    "Node Sign 'the_c' must not see 0, because sign(0) is 0 and one bit holds only -1 and +1, but the sum 0 in dense0 "
    "brings a 0: use x >= 0, or train with a batch norm before it.": [
        *FIRST,
        node("MatMul", "b w", "a"),
        node("Sign", "a", "c"),
        node("MatMul", "c v", "y"),
    ],
    "Node BatchNormalization 'the_y' must use the statistics of training, but it is in training mode: call "
    "model.eval() before the export.": [
        *FIRST,
        node("MatMul", "b w", "a"),
        node("BatchNormalization", "a n n z n", "y", training_mode=1),
    ],
    "Node MatMul 'the_y' must have binary weights, +a or -a with one a for each output, or whole multiples of one "
    "number for each output (up to 32767 if the weights are exactly these products, else up to 255), but output 1 "
    "holds sizes from 1 to 1.41421: quantise the weights in the model, to signs, or to integers of up to 16 bits times "
    "a power of two, or let bitweir round them with --weight-bits 8.": [*FIRST, node("MatMul", "b real", "y")],
    "Node MatMul 'the_y' must have finite numbers as weights": [*FIRST, node("MatMul", "b nan", "y")],
    "Node Mul 'the_s' cannot be folded: parameters must be finite, but one is NaN or "
    "infinite: train the model again.": [
        node("Mul", "x infinite", "s"),
        node("Sign", "s", "b"),
        LAST,
    ],
    "Node MatMul 'the_y' takes the input of the model as it is, without a quantiser: say what a pixel becomes with "
    "--input-scale (8-bit inputs), or quantise the input in the model (1-bit inputs).": [node("MatMul", "x w", "y")],
    "Node MatMul 'the_y' must take quantised activations, but the sums of dense0 arrive unquantised: put a "
    "quantiser of 1 to 8 bits between the two layers, such as a sign.": [
        *FIRST,
        node("MatMul", "b w", "a"),
        node("Tanh", "a", "r"),
        node("MatMul", "r v", "y"),
    ],
    "Node Sign 'the_b' cannot be folded: what comes before it rises and falls, and the numbers of the input that it "
    "takes are not known: say what pixels bring with --input-scale.": [
        node("Abs", "x", "s"),
        node("Sign", "s", "b"),
        LAST,
    ],
    "Node Mul 'the_s' multiplies two values that both depend on the image, as a gate or a scale computed from each "
    "image (squeeze-and-excitation, XNOR-Net's K, HORQ's betas) does: use a constant factor for each channel; only "
    "sums "
    "of such values are supported.": [
        *FIRST,
        node("MatMul", "b w", "a"),
        node("Neg", "b", "m"),
        node("MatMul", "m w", "c"),
        node("Mul", "a c", "s"),
        node("MatMul", "s v", "y"),
    ],
    "Node Div 'the_s' cannot be folded: it divides by 0: check what it divides by in the model.": [
        node("Div", "x zero", "s"),
        node("Sign", "s", "b"),
        LAST,
    ],
    "Node MatMul 'the_y' must multiply frames of shape (3,), not (4,)": [*FIRST, node("MatMul", "b v", "y")],
    "Node Relu 'the_y' must not follow Softmax 'the_s', because each result of a softmax depends on all of its inputs: "
    "leave the softmax out and work on the scores themselves, or export the network up to it.": [
        *FIRST,
        node("MatMul", "b w", "a"),
        node("Softmax", "a", "s"),
        node("Relu", "s", "y"),
    ],
    "After the last layer only an affine map may follow, not a ReLU or clip: it makes ties; export the model "
    "without it.": [
        *FIRST,
        node("MatMul", "b w", "a"),
        node("Relu", "a", "y"),
    ],
    "The output of the model must come from a last layer, not be the input or a constant: export the network": [
        *FIRST[:1],
        node("Where", "g one minus", "y"),
    ],
    "Node Concat 'the_y' cannot be folded: its attribute 'axis' is missing: export the model again.": [
        *FIRST,
        node("Concat", "b b", "y"),
    ],
    "The graph must have no cycle, but node Neg 'the_b' depends on itself.": [
        node("Neg", "c", "b"),
        node("Neg", "b", "c"),
        LAST,
    ],
    "Node MatMul 'the_y' needs tensor 'gone', which nothing makes: the file is cut off.": [
        *FIRST,
        node("MatMul", "b gone", "y"),
    ],
    "Tensor 'b' must be made once, but node Where 'the_b' makes it again.": [*FIRST, FIRST[1], LAST],
    "The output 'y' must be made by a node: the file is cut off.": FIRST,
    "The model must have one input on which its output depends, not 0 (none): export it with the image as its only "
    "input.": [node("MatMul", "w v", "y")],
}
TENSORS = {
    "v": SIGNS[:3],
    "zero": np.float32(0),
    "infinite": np.float32(np.inf),
    "nan": SIGNS * np.float32(np.nan),
    "real": SIGNS * np.array([[1], [1.1], [2**0.5], [1.3]], np.float32) ** np.array([0, 1, 0], np.float32),
    **BN,
}


@pytest.mark.parametrize("text", CASES)
def test_graphs_that_are_refused(tmp_path, text):
    with says(text):
        load_model(save(tmp_path / "net.onnx", CASES[text], TENSORS))


def test_scores_per_channel_of_activations(tmp_path):
    quant = helper.make_node("BipolarQuant", ["x", "per"], ["b"], name="q", domain="qonnx.custom_op.general")
    scales = np.array([1, 0.7, 1, 1], np.float32)
    net = load_model(save(tmp_path / "net.onnx", [quant, LAST], {"per": scales}))
    x = 1.0 - 2 * ((np.arange(16)[:, None] >> np.arange(4)) & 1)
    sums = (x * scales.astype(np.float64)) @ SIGNS
    assert (run(net, encode(net.input, x)).scores * float(Fraction(net.readout.scale[0])) == sums).all()
    assert not net.bounds


@pytest.mark.parametrize(
    ("shape", "kind", "text"),
    [
        (
            (4,),
            TensorProto.FLOAT,
            "Input 'x' must have a batch axis and fixed positive sizes after it, not the shape '[4]'",
        ),
        (("N", "K"), TensorProto.FLOAT, "Input 'x' must have a batch axis and fixed positive sizes after it"),
        (("N", 0), TensorProto.FLOAT, "Input 'x' must have a batch axis and fixed positive sizes after it"),
        (("N", 1 << 40), TensorProto.FLOAT, "Input 'x' must have a batch axis and fixed positive sizes after it"),
        (("N", 1 << 20, 1 << 20), TensorProto.FLOAT, "Input 'x' must have at most 1048576 elements"),
        (("N", 4), TensorProto.INT64, "Input 'x' must be float32 or uint8: export the model for one of these."),
    ],
)
def test_inputs_that_are_refused(tmp_path, shape, kind, text):
    with says(text):
        load_model(save(tmp_path / "net.onnx", [*FIRST, LAST], shape=shape, kind=kind))


def test_two_outputs(tmp_path):
    path = save(tmp_path / "net.onnx", [*FIRST, LAST])
    model = onnx.load(path)
    model.graph.output.append(helper.make_tensor_value_info("b", TensorProto.FLOAT, None))
    onnx.save(model, path)
    with says("The model must have one output, not 2 ('y', 'b'): choose one (--head NAME, in Python head="):
        load_model(path)


def test_a_very_long_chain_is_no_deep_recursion(tmp_path):
    nodes = [node("Neg", "x", "t0"), *(node("Neg", f"t{k}", f"t{k + 1}") for k in range(5000))]
    nodes += [node("Sign", "t5000", "b"), LAST]
    with pytest.raises(ModelError, match="more than 64 operations in a row do not fold"):
        load_model(save(tmp_path / "net.onnx", nodes))


def test_a_weight_made_of_nothing_is_bounded(tmp_path):
    nodes = [node("ConstantOfShape", "huge", "big"), *FIRST, node("MatMul", "b big", "y")]
    with says("Node ConstantOfShape 'the_big' cannot be folded: its result must have at most 268435456 elements"):
        load_model(save(tmp_path / "net.onnx", nodes, {"huge": np.array([1 << 20, 1 << 20])}))


def test_names_of_the_file_do_not_reach_messages_raw(tmp_path):
    evil = helper.make_node("Foo\n\x1b[31m<b>", ["x"], ["y"], name="\x1b[31m" * 50)
    with pytest.raises(ModelError) as caught:
        load_model(save(tmp_path / "net.onnx", [evil]))
    assert str(caught.value).isprintable() and len(str(caught.value)) < 700


# ---- side files


def with_side_file(tmp_path, location, **fields) -> Path:
    path = save(tmp_path / "net.onnx", [*FIRST, LAST])
    model = onnx.load(path)
    tensor = next(t for t in model.graph.initializer if t.name == "w")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **fields}.items():
        tensor.external_data.add(key=key, value=str(value))
    path.write_bytes(model.SerializeToString())
    return path


def test_side_file(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "w.bin").write_bytes(b"1234" + SIGNS.tobytes())
    net = load_model(with_side_file(tmp_path, "sub/w.bin", offset=4, length=48))
    assert (net.layers[0].weights == (SIGNS.T > 0)).all()


@pytest.mark.parametrize(
    ("location", "text"),
    [
        ("../w.bin", "must lie in the folder of the model: a path with '..' or backslashes is refused."),
        ("sub/../../w.bin", "must lie in the folder of the model: a path with '..' or backslashes is refused."),
        ("..\\w.bin", "must lie in the folder of the model: a path with '..' or backslashes is refused."),
        ("/etc/passwd", "must lie in the folder of the model: an absolute path is refused."),
        ("C:/w.bin", "must lie in the folder of the model: an absolute path is refused."),
        ("link.bin", "must lie in the folder of the model: a symbolic link is refused."),
        ("there/w.bin", "must lie in the folder of the model: a symbolic link is refused."),
        ("", "must lie in the folder of the model: a path with '..' or backslashes is refused."),
        ("gone.bin", "does not exist: check the path."),
        (".", "must lie in the folder of the model"),
    ],
)
def test_side_files_that_are_refused(tmp_path, location, text):
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "w.bin").write_bytes(SIGNS.tobytes())
    (folder / "link.bin").symlink_to(tmp_path / "w.bin")
    (folder / "there").symlink_to(tmp_path)
    with pytest.raises(ModelError, match=re.escape(text)):
        load_model(with_side_file(folder, location))


@pytest.mark.parametrize("fields", [{"offset": 1}, {"length": 47}, {"offset": -4}, {"offset": "x"}, {"offset": 10**30}])
def test_side_files_that_are_cut_off(tmp_path, fields):
    (tmp_path / "w.bin").write_bytes(SIGNS.tobytes())
    with pytest.raises(
        ModelError, match=r"must lie inside its side file .*: the file is cut off or belongs to another"
    ):
        load_model(with_side_file(tmp_path, "w.bin", **fields))


# ---- mutations


def victim(tmp_path) -> bytes:
    names = {"n": np.ones(3, np.float32), "z": np.zeros(3, np.float32), "v": SIGNS[:3]}
    nodes = [*FIRST, node("MatMul", "b w", "a"), node("BatchNormalization", "a n z z n", "c"), node("Relu", "c", "r")]
    nodes += [node("Reshape", "r shape", "q"), node("Greater", "q half", "d"), node("Cast", "d", "e", to=1)]
    nodes += [node("Gemm", "e v n", "y", alpha=2.0)]
    return save(tmp_path / "v.onnx", nodes, {**names, "shape": np.array([1, -1])}, shape=(1, 4)).read_bytes()


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_mutated_bytes_end_in_a_network_or_a_sentence(tmp_path, data):
    content = bytearray(victim(tmp_path))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        how = data.draw(st.sampled_from(["set", "cut", "insert"]))
        if how == "set":
            content[at] = data.draw(st.integers(0, 255))
        elif how == "cut":
            del content[at : at + data.draw(st.integers(1, 20))]
        else:
            content[at:at] = data.draw(st.binary(min_size=1, max_size=4))
        if not content:
            break
    path = tmp_path / "mutant.onnx"
    path.write_bytes(bytes(content))
    expect_network_or_sentence(path)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_mutated_graphs_end_in_a_network_or_a_sentence(tmp_path, data):
    model = onnx.load_model_from_string(victim(tmp_path))
    graph = model.graph
    names = [*(t.name for t in graph.initializer), *(n.output[0] for n in graph.node), "x", ""]
    kinds = sorted(
        {n.op_type for n in graph.node}
        | {"Sign", "Sub", "Pow", "Unsqueeze", "Squeeze", "TopK", "Shape", "Clip", "Div", "Slice"}
    )
    for _ in range(data.draw(st.integers(1, 3))):
        chosen = data.draw(st.sampled_from(list(graph.node)))
        how = data.draw(st.sampled_from(["input", "kind", "drop", "tensor", "attribute"]))
        if how == "input" and chosen.input:
            chosen.input[data.draw(st.integers(0, len(chosen.input) - 1))] = data.draw(st.sampled_from(names))
        elif how == "kind":
            chosen.op_type = data.draw(st.sampled_from(kinds))
        elif how == "drop" and chosen.input:
            chosen.input.pop()
        elif how == "tensor":
            tensor = data.draw(st.sampled_from(list(graph.initializer)))
            values = st.sampled_from(
                [np.nan, np.inf, 0.0, -1.0, 1e-45, 3e38, [1.0, 2.0, 3.0], np.ones((4, 3)), np.array([1, -1])]
            )
            tensor.CopyFrom(numpy_helper.from_array(np.asarray(data.draw(values), np.float32), tensor.name))
        else:
            key = data.draw(st.sampled_from(["axis", "to", "alpha", "transB", "epsilon", "axes"]))
            chosen.attribute.append(helper.make_attribute(key, data.draw(st.integers(-3, 20))))
    path = tmp_path / "mutant.onnx"
    path.write_bytes(model.SerializeToString())
    net = expect_network_or_sentence(path)
    if net:
        expect_the_same_classes(path, net)


def expect_network_or_sentence(path: Path) -> Network | None:
    try:
        return load_model(path)
    except BitweirError as error:
        text = str(error)
        assert text[0].isupper() and text.endswith((".", "...")) and text.isprintable() and len(text) <= 6000
        # Of a sentence each, if there are several; and nothing of Python.
        assert all(len(one) < 900 for one in re.split(r"\(\d+\) Node", text))
        assert not re.search(r"\w(Error|Exception)\b|Traceback", text)
        return None


def expect_the_same_classes(path: Path, net: Network) -> None:
    """ONNX Runtime must agree wherever it accepts the file, and is sure."""
    ort = pytest.importorskip("onnxruntime")
    options = ort.SessionOptions()
    options.log_severity_level = 4
    frames = np.array(list(np.ndindex((2,) * 4)), np.float32)
    try:
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        scores = np.concatenate([session.run(None, {"x": frame[None]})[0].reshape(1, -1) for frame in frames])
    except Exception:  # it knows no sentence either
        return
    if scores.shape[1] != net.outputs or scores.dtype != np.float32 or not np.isfinite(scores).all():
        return
    top = np.sort(scores, axis=1)
    found = run(net, encode(net.input, frames))
    if found.classes is None:
        told = scores > 0.5 if net.readout.kind == "labels" else scores
        have = found.labels if net.readout.kind == "labels" else numbers(net, found.scores)
        off = abs(told.astype(np.float64) - have) > 1e-4 * (1 + abs(scores))
        assert not off[abs(scores - 0.5) > 1e-5].any()
        return
    sure = top[:, -1] - top[:, -2] > 1e-5 * np.abs(scores).max()
    assert (found.classes == scores.argmax(axis=1))[sure].all()
