"""Files that are refused: all that keeps them from being imported, each thing with its reason and a way out."""

from __future__ import annotations

import re

import numpy as np
import onnx
import pytest
from bitweir.importers import ModelError, load_model
from bitweir.importers.keras.layers.quantisers import QUANTISERS, larq_quantiser
from bitweir.importers.keras.layers.refusals import LAYERS, refused_layer
from bitweir.importers.keras.layers.rules import KERAS_RULES
from bitweir.importers.onnx.constants import CONSTANT_OPS
from bitweir.importers.onnx.operators.refusals import DOMAINS, OPERATORS
from bitweir.importers.onnx.operators.rules import RULES
from onnx import TensorProto, helper, numpy_helper
from support.onnxgraphs import Graph, agree

SCHEMAS = sorted({(schema.domain, schema.name) for schema in onnx.defs.get_all_schemas()})
#: What no text may hold: names of Python's and NumPy's exceptions, and the repr of objects.
LEAKS = re.compile(r"\w(Error|Exception)\b|Traceback|object at 0x|None")


def test_every_operator_of_onnx_is_in_the_table_once():
    """With a rule, or with a reason and a way out; a new release of ONNX brings new ones."""
    standard = {name for domain, name in SCHEMAS if not domain}
    assert standard <= {*RULES, *OPERATORS}
    assert not set(OPERATORS) & set(RULES)
    assert set(CONSTANT_OPS) <= {*RULES, *OPERATORS}
    assert all(any(domain.startswith(start) for start in DOMAINS) for domain, _ in SCHEMAS if domain)
    for entry in [*OPERATORS.values(), *DOMAINS.values()]:
        assert entry.of("Node X 'x'").endswith(".") and ":" not in entry.reason + entry.remedy
        assert not LEAKS.search(entry.of("Node X 'x'"))


def one_node(path, domain, name, operands, **attributes):
    node = helper.make_node(name, operands, ["t"], name="it", domain=domain, **attributes)
    last = helper.make_node("MatMul", ["t", "w"], ["y"], name="last")
    tensors = {"w": np.ones((4, 3), np.float32), "c": np.ones(4, np.float32), "i": np.array([1, 2], np.int64)}
    graph = helper.make_graph(
        [node, last],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, key) for key, array in tensors.items()],
    )
    domains = [helper.make_opsetid(one, 21 if not one else 1) for one in {"", domain}]
    onnx.save(helper.make_model(graph, opset_imports=domains, ir_version=10), path)
    return path


@pytest.mark.parametrize("operands", [["x"], ["x", "c"], ["c", "x"], ["x", "x"], ["x", "i", "c"], ["x"] * 6, ["c"], []])
def test_every_operator_of_onnx_imports_or_is_refused(tmp_path, operands):
    """On the input, with constants of every number and order, on constants alone, and on nothing."""
    refused = 0
    for domain, name in SCHEMAS:
        try:
            load_model(one_node(tmp_path / "net.onnx", domain, name, operands), input_scale="1")
        except ModelError as error:
            refused += 1
            text = str(error)
            assert not LEAKS.search(text), text
            assert text.endswith("."), text
            if "last" not in text and "The model must have one input" not in text:
                # The operator, then what is wrong, then what to do.
                assert re.search(rf"Node {name} 'it'", text), text
                assert ": " in text, text
    assert refused > 150


def save(tmp_path, g, output):
    return g.save(tmp_path / "net.onnx", output)


def refused(path, **options):
    with pytest.raises(ModelError) as caught:
        load_model(path, input_scale="1", **options)
    return str(caught.value)


def test_all_of_it_is_told(tmp_path):
    """Operators first, each kind once; then what else is wrong, also behind what is refused."""
    g = Graph(1)
    x = g.op("Conv", g.op("Sub", "x", 7.5), g.rng.normal(size=(4, 2, 3, 3)))
    x = g.op("Mish", g.op("LayerNormalization", g.op("Mish", x), np.ones(4)))
    x = g.op("Mul", x, g.op("Softplus", g.op("GlobalAveragePool", x)))
    x = g.op("Mish", g.op("Mish", g.op("Mish", g.op("Mish", x))))
    x = g.op("MatMul", g.op("Flatten", x), g.rng.normal(size=(80, 3)))
    assert refused(save(tmp_path, g, x)) == (
        "The model cannot be imported for 5 reasons. (1) Node Mish 'n2' is not monotone, and only monotone operations "
        "fold into the thresholds of a quantiser: use ReLU, Clip (Hardtanh), Tanh or Sigmoid. The same holds for Mish "
        "'n4', Mish 'n8', Mish 'n9' and 2 more. (2) Node LayerNormalization 'n3' divides by a statistic of each "
        "image, which no constant threshold can follow: train with a batch norm, whose statistics are constant. (3) "
        "Node Softplus 'n6' is a curve of which no exact thresholds are known here: use ReLU, Clip (Hardtanh), Tanh "
        "or Sigmoid before the quantiser, or leave it out where only a sign follows that it does not change. (4) Node "
        "Conv 'n1' must have binary weights, +a or -a with one a for each output, or whole multiples of one number "
        "for each output (up to 32767 if the weights are exactly these products, else up to 255), but output 0 holds "
        "sizes from 0.0284222 to 1.30316: quantise the weights in the model, to signs, or to integers of up to 16 "
        "bits times a power of two, or let bitweir round them with --weight-bits 8. The same holds for MatMul 'n13'. "
        "(5) Node Mul 'n7' multiplies two values that both depend on the image, as a gate or a scale computed from "
        "each image (squeeze-and-excitation, XNOR-Net's K, HORQ's betas) does: use a constant factor for each channel; "
        "only sums of such values are supported."
    )


def test_more_than_ten_are_counted(tmp_path):
    g = Graph(2)
    x = g.op("Conv", "x", g.signs(4, 2, 3, 3))
    for _ in range(3):
        x = g.op("Conv", g.op("Mish", g.op("MyOwn", x)), g.rng.normal(size=(4, 4, 1, 1)))
    for name in ("Col2Im", "LSTM", "Einsum", "Trilu", "If", "Attention", "Reciprocal", "Det", "OneHot"):
        x = g.op(name, x)
    text = refused(save(tmp_path, g, g.scores(x, 80)))
    assert text.startswith("The model cannot be imported for 12 reasons. (1) Node MyOwn 'n1' is no operator")
    assert "(10) Node Det " in text and "(11)" not in text and text.endswith(" And 2 more.")


def test_hundreds_of_mistakes_end_the_search(tmp_path):
    g = Graph(2)
    x = "x"
    for _ in range(3000):
        x = g.op("Mish", x)
    assert refused(save(tmp_path, g, x)).endswith("The same holds for Mish 'n1', Mish 'n2', Mish 'n3' and 96 more.")


def test_the_shape_of_what_is_refused_is_a_constant(tmp_path):
    """As sign functions of PyTorch make constants of the shape of their input."""
    g = Graph(3)
    x = g.op("Mish", "x")
    x = g.op("Where", g.op("Greater", x, 0.0), g.op("ConstantOfShape", g.op("Shape", x)), -1.0)
    text = refused(save(tmp_path, g, g.scores(x, 84)))
    assert text.startswith(
        "Node Mish 'n0' is not monotone, and only monotone operations fold into the thresholds of a "
    )


def test_constants_that_are_refused_are_no_gates(tmp_path):
    g = Graph(3)
    weights = g.op("Hardmax", g.signs(84, 3))
    text = refused(save(tmp_path, g, g.op("MatMul", g.op("Flatten", "x"), weights)))
    assert text == "Node Hardmax 'n0' must not end a network: export it up to its scores, or end with ArgMax."


def test_a_rule_that_constants_have_not(tmp_path):
    g = Graph(3)
    weights = g.op("GlobalMaxPool", g.signs(84, 3, 2, 2))
    weights = g.op("Flatten", weights)
    text = refused(save(tmp_path, g, g.op("MatMul", g.op("Flatten", "x"), weights)))
    assert text == (
        "Node GlobalMaxPool 'n0' takes constants alone, and is not computed before the import: export the model with "
        "constant folding."
    )


# ---- texts of one kind each

SENTENCES = {
    "Node Relu 'n6' must not follow ArgMax 'n5', which chooses a class and ends the network: export it up to the "
    "scores, "
    "and leave what follows to the program that takes the results.": lambda g: g.op(
        "Relu", g.op("ArgMax", g.scores(g.sign(g.op("Sub", "x", 7.5)), 84), axis=1)
    ),
    "Node LSTM 'n0' is a recurrent layer, and recurrent networks are not supported unless they are unrolled: write "
    "each "
    "step as layers of its own, without gates, or use convolutions over the steps.": lambda g: g.op(
        "LSTM", "x", g.signs(1, 8, 4), g.signs(1, 8, 2)
    ),
    "Node MatMul 'n1' multiplies two values that both depend on the image, as attention does: use a dense layer or a "
    "convolution with constant weights.": lambda g: g.op("MatMul", "x", g.op("Transpose", "x", perm=[0, 1, 3, 2])),
    "Node MatMul 'n1' cannot be folded: its weights must be the second operand: transpose the product, as x @ W "
    "instead of "
    "W @ x.": lambda g: g.op("MatMul", g.signs(3, 84), g.op("Flatten", "x")),
    "Node GlobalMaxPool 'n3' must not choose the largest of what comes out of a function |x| that rises and falls: put "
    "a quantiser between them.": lambda g: g.op("GlobalMaxPool", g.op("Abs", g.start(4, 3, 3))),
    "Node AveragePool 'n3' must not average what comes out of a tanh: put a quantiser between them.": lambda g: g.op(
        "AveragePool", g.op("Tanh", g.start(4, 3, 3)), kernel_shape=[2, 2]
    ),
    "Node Where 'n5' cannot be folded: it must choose between constants and functions of what its condition compares, "
    "element by element: values that come from different layers cannot be chosen from.": lambda g: g.op(
        "Where", g.op("Greater", g.start(4, 3, 3), 3.0), 2.0, g.op("Relu", g.op("Conv", "x", g.signs(4, 2, 3, 3)))
    ),
    "Node Where 'n3' cannot be folded: it must choose by a comparison: put one before it.": lambda g: g.op(
        "Where", g.op("Cast", g.start(4, 3, 3), to=1), 2.0, 1.0
    ),
    "Node Concat 'n1' cannot be folded: it joins constants to what depends on the image: leave them out, or give a "
    "layer a bias.": lambda g: g.op("Concat", g.op("Sub", "x", 7.5), np.zeros((1, 1, 7, 6)), axis=1),
    "Node Transpose 'n0' cannot be folded: it must leave the batch axis first, and its perm is [1, 0, 2, 3]: export "
    "with "
    "the batch first, as by batch_first=True.": lambda g: g.op("Transpose", "x", perm=[1, 0, 2, 3]),
    "Node Exp 'n2' is a curve of which no exact thresholds are known here: use ReLU, Clip (Hardtanh), Tanh or Sigmoid "
    "before the quantiser, or leave it out where only a sign follows that it does not change.": lambda g: g.op(
        "Exp", g.start(4, 3, 3)
    ),
    "Node FusedConv 'n0' of domain 'com.microsoft' is an operator of ONNX Runtime's own, which its optimiser makes: "
    "import "
    "the file as it was exported.": lambda g: g.op("FusedConv", "x", g.signs(4, 2, 3, 3), domain="com.microsoft"),
}


@pytest.mark.parametrize("text", SENTENCES)
def test_sentences(tmp_path, text):
    g = Graph(4)
    y = SENTENCES[text](g)
    if "MatMul" not in text:
        y = g.op("MatMul", g.op("Flatten", y), g.signs(4, 3))
    assert refused(save(tmp_path, g, y)) == text


def test_control_flow(tmp_path):
    g = Graph(5)
    inner = helper.make_graph([], "inner", [], [])
    x = g.op("If", "x", then_branch=inner, else_branch=inner)
    assert refused(save(tmp_path, g, g.scores(x, 84))) == (
        "Node If 'n0' is control flow, which a fixed pipeline cannot follow: export the model with fixed shapes and "
        "without branches, so that loops are unrolled."
    )
    h = Graph(5)
    y = h.op("Relu", "x", body=inner)
    assert refused(save(tmp_path, h, h.scores(y, 84))) == (
        "Node Relu 'n0' holds a graph of its own, and control flow is not supported: export the model with fixed "
        "shapes, without branches."
    )


# ---- where in the user's code


def named(tmp_path, name, **metadata):
    g = Graph(6)
    x = g.op("Conv", "x", g.rng.normal(size=(4, 2, 3, 3)))
    g.nodes[0].name = name
    for key, value in metadata.items():
        g.nodes[0].metadata_props.add(key=f"pkg.torch.onnx.{key}", value=value)
    text = refused(save(tmp_path, g, g.scores(x, 80)))
    return re.match(r"Node (.*) must have binary weights", text)[1]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("/layer1/layer1.0/conv1/Conv", "(module layer1.0.conv1)"),
        ("/2/f/f.1/Conv_3", "(module 2.f.1)"),
        ("/Conv", ""),
        ("/a/Mul", ""),
        ("model/quant_conv/Conv", ""),
        ("/x\x1b[31m/Conv", "(module x\\x1b[31m)"),
    ],
)
def test_names_of_the_older_exporter(tmp_path, name, told):
    assert named(tmp_path, name) == f"Conv {ascii(name)} {told}".strip()


TRACE = (
    'File "/home/me/net.py", line 12, in forward\n    y = self.f(x)\n  File "/home/me/layers.py", line 7, in forward\n'
    '    return conv(x)\n  File "/venv/lib/python3.12/site-packages/torch/nn/modules/conv.py", line 9, in forward'
)


@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        ({"name_scopes": "['', 'f', 'f.0', 'conv2d']", "stack_trace": TRACE}, " (module f.0, layers.py line 7)"),
        ({"name_scopes": "['', 'conv2d']", "stack_trace": TRACE[:60]}, " (net.py line 12)"),
        ({"name_scopes": "[" * 5000}, ""),
        ({"name_scopes": "__import__('os')"}, ""),
        ({"name_scopes": "[1, 2, 3]", "stack_trace": "File 'x'"}, ""),
        ({"stack_trace": 'File "C:\\\\me\\\\n\x1b[31m.py", line 3, in f'}, " (n\\x1b[31m.py line 3)"),
    ],
)
def test_metadata_of_the_newer_exporter(tmp_path, metadata, told):
    assert named(tmp_path, "node_conv2d", **metadata) == f"Conv 'node_conv2d'{told}"


# ---- layers of Keras and Larq

#: All classes of layers of Keras 2 and 3, of Larq, and of what may stand beside them in a file.
KERAS = """
Activation ActivityRegularization Add AdditiveAttention AlphaDropout Attention Average AveragePooling1D
AveragePooling2D AveragePooling3D BatchNormalization Bidirectional CategoryEncoding CenterCrop Concatenate Conv1D
Conv1DTranspose Conv2D Conv2DTranspose Conv3D Conv3DTranspose ConvLSTM1D ConvLSTM2D ConvLSTM3D Cropping1D Cropping2D
Cropping3D Dense DepthwiseConv1D DepthwiseConv2D Discretization Dot Dropout ELU EinsumDense Embedding Flatten FlaxLayer
GRU GRUCell GaussianDropout GaussianNoise GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D
GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D GroupNormalization GroupQueryAttention HashedCrossing Hashing
Identity IntegerLookup JaxLayer LSTM LSTMCell Lambda LayerNormalization LeakyReLU LocallyConnected1D LocallyConnected2D
Masking MaxPooling1D MaxPooling2D MaxPooling3D Maximum MelSpectrogram Minimum MultiHeadAttention Multiply Normalization
PReLU Permute Pipeline QuantActivation QuantConv1D QuantConv2D QuantConv2DTranspose QuantConv3D QuantConv3DTranspose
QuantDense QuantDepthwiseConv2D QuantLocallyConnected1D QuantLocallyConnected2D QuantSeparableConv1D
QuantSeparableConv2D RMSNormalization RNN RandomBrightness RandomContrast RandomCrop RandomFlip RandomHeight
RandomRotation RandomTranslation RandomWidth RandomZoom ReLU RepeatVector Rescaling Reshape Resizing STFTSpectrogram
SeparableConv1D SeparableConv2D SimpleRNN SimpleRNNCell Softmax SpatialDropout1D SpatialDropout2D SpectralNormalization
StackedRNNCells StringLookup Subtract TFOpLambda TFSMLayer TextVectorization ThresholdedReLU TimeDistributed
TorchModuleWrapper UnitNormalization UpSampling1D UpSampling2D UpSampling3D ZeroPadding1D ZeroPadding2D ZeroPadding3D
""".split()  # noqa: SIM905


def test_every_layer_of_keras_is_in_a_table_once():
    assert set(KERAS) <= {*KERAS_RULES, *LAYERS}
    assert not set(LAYERS) & set(KERAS_RULES)
    for entry in LAYERS.values():
        assert ":" not in entry.reason + entry.remedy and not LEAKS.search(entry.of("Layer X 'x'"))
    assert refused_layer("MyLayer", "MyLayer 'it'") == (
        "Layer MyLayer 'it' is of a class that is not known here: replace it by layers of Keras or Larq."
    )


@pytest.mark.parametrize("name", QUANTISERS)
def test_every_quantiser_of_larq_is_read(name):
    found = larq_quantiser(name)
    assert found is None if "no_op" in name or "NoOp" in name else found.name == name
    assert found is None or larq_quantiser({"class_name": name, "config": {}}) == found


# ---- other formats


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        (
            "net.pth",
            b"",
            "is a checkpoint of PyTorch, which holds weights but not what the network computes: build the model, load "
            "the weights, and export it with torch.onnx.export(model.eval(), example, 'model.onnx').",
        ),
        ("net.PT", b"", "is a checkpoint of PyTorch, which holds weights"),
        ("net.onnx", b"PK\x03\x04", "is a checkpoint of PyTorch, which holds weights"),
        ("net.safetensors", b"", "is a checkpoint of PyTorch, which holds weights"),
        ("net.onnx", b"\x89HDF\r\n", "is an HDF5 file: give it the suffix .h5."),
        (
            "net.tflite",
            b"",
            "is of TensorFlow Lite, which is not read: save the Keras model that it was made from as .keras or .h5, or "
            "convert it with tf2onnx.",
        ),
        (
            "saved_model.pb",
            b"",
            "is a SavedModel of TensorFlow, which is not read: save the model with model.save('model.keras') or "
            "model.save('model.h5'), or convert it with tf2onnx.",
        ),
        (
            "net.pkl",
            b"",
            "is a Python pickle, which can run code when it is read, so it is not: export the model to ONNX.",
        ),
        (
            "net.mlmodel",
            b"",
            "must end in .onnx, .keras, .h5, .hdf5 or .npz: export the model to ONNX, which all frameworks can.",
        ),
        (
            "net.onnx",
            b"version https://git-lfs.github.com/spec/v1",
            "is a pointer of Git LFS and not the file itself: fetch it with git lfs pull.",
        ),
        ("net.h5", b"<!DOCTYPE html>", "is a web page: download the file itself."),
        ("net.onnx", b"text", "is no ONNX file, or it is damaged: export the model again."),
    ],
)
def test_other_formats(tmp_path, name, content, told):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        load_model(path)
    assert str(caught.value).startswith(f"Model file {str(path)!r} {told}")


def test_a_folder_of_tensorflow(tmp_path):
    (tmp_path / "saved_model.pb").touch()
    with pytest.raises(ModelError, match="is a SavedModel of TensorFlow, which is not read: save the model with"):
        load_model(tmp_path)


# ---- the ways out that are told are ways out: each network is taken, with the codes of ONNX Runtime


def joined(g):
    """conv(concat(a, b)) as conv_a(a) + conv_b(b)."""
    a, b = (g.sign(g.norm(g.start(4, 3, 3), 4, 9)) for _ in range(2))
    x = g.op("Add", g.op("Conv", a, g.signs(4, 4, 2, 2)), g.op("Conv", b, g.signs(4, 4, 2, 2)))
    return g.scores(g.sign(g.norm(x, 4, 2)), 4 * 4 * 3)


def magnitudes(g):
    """|x| > t as (x > t) + (x < -t)."""
    x = g.norm(g.start(4, 3, 3), 4, 20)
    parts = [g.op("Cast", g.op(op, x, end), to=1) for op, end in (("Greater", 0.75), ("Less", -0.75))]
    return g.scores(g.sign(g.norm(g.op("Conv", g.op("Add", *parts), g.signs(4, 4, 2, 2)), 4, 2)), 4 * 4 * 3)


def staircase(g):
    """Levels 0, 1 and 4, which are not evenly spaced."""
    x = g.norm(g.start(4, 3, 3), 4, 20)
    parts = [g.op("Cast", g.op("GreaterOrEqual", x, end), to=1) for end in (-0.5, 0.75)]
    x = g.op("Add", g.op("Mul", parts[0], 1.0), g.op("Mul", parts[1], 3.0))
    return g.scores(g.sign(g.norm(g.op("Conv", x, g.signs(4, 4, 2, 2)), 4, 4)), 4 * 4 * 3)


def ternary(g):
    """p * matmul(x, P) - n * matmul(x, N)."""
    x = g.op("Flatten", g.sign(g.norm(g.start(4, 3, 3), 4, 20)))
    kind = g.rng.integers(-1, 2, (80, 6))
    plus, minus = (g.op("MatMul", x, (kind == sign).astype(np.float32)) for sign in (1, -1))
    x = g.op("Sub", g.op("Mul", plus, 0.5), g.op("Mul", minus, 0.3125))
    return g.op("MatMul", g.sign(g.norm(x, 6, 3)), g.signs(6, 5))


def unrolled(g):
    """Two steps of a recurrent layer, each over the whole frame, with zeros in the weights for the other step."""
    x = g.op("Flatten", g.sign(g.op("Sub", "x", 7.5)))
    kernel = g.signs(42, 8)
    first, second = np.zeros((84, 8), np.float32), np.zeros((84, 8), np.float32)
    first[:42], second[42:] = kernel, kernel
    h = g.sign(g.norm(g.op("MatMul", x, first), 8))
    h = g.sign(g.norm(g.op("Add", g.op("MatMul", x, second), g.op("MatMul", h, g.signs(8, 8))), 8))
    return g.op("MatMul", h, g.signs(8, 5))


@pytest.mark.parametrize("build", [joined, magnitudes, staircase, ternary, unrolled])
def test_ways_out(tmp_path, build):
    g = Graph(7)
    agree(save(tmp_path, g, build(g)))


def test_memory_that_runs_out(tmp_path, monkeypatch):
    def greedy(*operands):
        raise MemoryError

    monkeypatch.setitem(RULES, "MatMul", greedy)
    g = Graph(8)
    assert refused(save(tmp_path, g, g.scores("x", 84))) == (
        "Node MatMul 'n1' needs more memory than there is: make the model smaller."
    )
