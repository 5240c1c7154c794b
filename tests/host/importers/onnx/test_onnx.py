"""ONNX import of small networks made here, in every idiom, against ONNX Runtime or exact fractions."""

from __future__ import annotations

from fractions import Fraction
from math import isqrt
from pathlib import Path

import numpy as np
import onnx
import pytest
from bitweir.importers import load_model
from bitweir_hw.network import BIPOLAR, Affine, Dense, Format, Stored
from bitweir_sim.values.encoding import encode
from bitweir_sim.values.fast import run
from bitweir_sim.values.golden import trace
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

QONNX = "qonnx.custom_op.general"
K, M, CLASSES = 9, 13, 5


class Build:
    """An ONNX graph, node by node."""

    def __init__(self, opset: int = 17) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[onnx.TensorProto] = []
        self.opset = opset

    def const(self, value, dtype=np.float32) -> str:
        name = f"c{len(self.tensors)}"
        self.tensors.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def op(self, kind: str, *inputs, domain: str = "", outputs: int = 1, **attributes) -> str:
        names = [x if isinstance(x, str) else self.const(x) for x in inputs]
        out = [f"t{len(self.nodes)}_{k}" for k in range(outputs)]
        self.nodes.append(helper.make_node(kind, names, out, name=f"n{len(self.nodes)}", domain=domain, **attributes))
        return out[-1]

    def save(self, path: Path, output: str, shape=("N", K), classes=CLASSES, kind=TensorProto.FLOAT) -> Path:
        graph = helper.make_graph(
            self.nodes,
            "g",
            [helper.make_tensor_value_info("x", kind, list(shape))],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, [shape[0], classes])],
            self.tensors,
        )
        opsets = [helper.make_opsetid("", self.opset), helper.make_opsetid(QONNX, 2)]
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
        return path


def runtime(path: Path, x) -> np.ndarray:
    ort = pytest.importorskip("onnxruntime")
    return ort.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]


def batch_norm(b: Build, x: str, rng, n: int, **attributes) -> str:
    gamma = rng.normal(size=n)
    gamma[0] = 0  # a constant neuron in each layer; about half of the slopes are negative
    params = (gamma, rng.normal(size=n), rng.normal(scale=2, size=n), rng.uniform(0.5, 4, n))
    return b.op("BatchNormalization", x, *params, **attributes)


def weights(rng, rows: int, columns: int) -> np.ndarray:
    return rng.normal(size=(rows, columns)).astype(np.float32)


def signs(rng, rows: int, columns: int) -> np.ndarray:
    return rng.choice([-1.0, 1.0], (rows, columns)).astype(np.float32)


# ---- idioms of sign


def where_like(b: Build, x: str) -> str:
    ones = b.op("ConstantOfShape", b.op("Shape", x), value=numpy_helper.from_array(np.ones(1, np.float32)))
    return b.op("Where", b.op("Greater", x, 0.0), ones, b.op("Neg", ones))


def approx_sign(b: Build, x: str) -> str:
    """Bi-Real Net's polynomial, detached: not monotone in parts, and gone after the detach rule."""
    square = b.op("Add", b.op("Mul", x, x), b.op("Mul", x, 2.0))
    mask = b.op("Cast", b.op("Less", x, -1.0), to=TensorProto.FLOAT)
    soft = b.op("Add", b.op("Mul", mask, -1.0), b.op("Mul", square, b.op("Sub", 1.0, mask)))
    return b.op("Add", b.op("Sub", b.op("Sign", x), soft), soft)


def detach(b: Build, x: str, turned: bool) -> str:
    soft = b.op("Clip", x, -1.0, 1.0)
    hard = b.op("Sub", b.op("Sign", x), b.op("Clip", x, -1.0, 1.0))  # the same node twice
    return b.op("Add", *((soft, hard) if turned else (hard, soft)))


IDIOMS = {
    "sign": lambda b, x: b.op("Sign", x),
    "ge": lambda b, x: b.op(
        "Sub", b.op("Mul", b.op("Cast", b.op("GreaterOrEqual", x, 0.0), to=TensorProto.FLOAT), 2.0), 1.0
    ),
    "ge zero-one": lambda b, x: b.op("Cast", b.op("GreaterOrEqual", x, 0.0), to=TensorProto.FLOAT),
    "constant first": lambda b, x: b.op("Cast", b.op("LessOrEqual", 0.0, x), to=TensorProto.FLOAT),
    "less": lambda b, x: b.op("Sub", 1.0, b.op("Mul", b.op("Cast", b.op("Less", x, 0.0), to=TensorProto.FLOAT), 2.0)),
    "not less": lambda b, x: b.op("Cast", b.op("Not", b.op("Less", x, 0.0)), to=TensorProto.FLOAT),
    "less, falling": lambda b, x: b.op("Cast", b.op("Less", x, 0.0), to=TensorProto.FLOAT),
    "where": lambda b, x: b.op("Where", b.op("GreaterOrEqual", x, 0.0), 1.0, -1.0),
    "where uneven": lambda b, x: b.op("Where", b.op("GreaterOrEqual", x, 0.0), 3.0, 0.5),
    "where like": where_like,
    "detach": lambda b, x: detach(b, x, False),
    "detach turned": lambda b, x: detach(b, x, True),
    "approx sign": approx_sign,
    "hardtanh": lambda b, x: b.op("Sign", b.op("Clip", x, -1.0, 1.0)),
    "max min": lambda b, x: b.op("Sign", b.op("Max", b.op("Min", x, 1.0), -1.0)),
    "leaky": lambda b, x: b.op("Sign", b.op("LeakyRelu", x, alpha=0.25)),
    "larq": lambda b, x: b.op("Sign", b.op("Add", b.op("Sign", x), 0.1)),
    "negated": lambda b, x: b.op("Neg", b.op("Sign", b.op("Neg", x))),
    "identity": lambda b, x: b.op("Identity", b.op("Sign", b.op("Dropout", b.op("Identity", x)))),
}


@pytest.mark.parametrize("idiom", IDIOMS)
def test_idioms_of_sign(tmp_path, idiom):
    rng = np.random.default_rng(7)
    b, binarise = Build(), IDIOMS[idiom]
    x = binarise(b, b.op("Sub", b.op("Mul", "x", 16.0), 7.5))
    x = binarise(b, batch_norm(b, b.op("MatMul", x, signs(rng, K, M)), rng, M))
    x = binarise(b, batch_norm(b, b.op("MatMul", x, signs(rng, M, M)), rng, M))
    y = batch_norm(b, b.op("MatMul", x, signs(rng, M, CLASSES)), rng, CLASSES)
    path = b.save(tmp_path / "net.onnx", y)
    net = load_model(path, input_scale="1/16")
    pixels = rng.integers(0, 16, (400, K), np.uint8)
    frames = (pixels / 16).astype(np.float32)
    result = run(net, encode(net.input, pixels))
    expected = runtime(path, frames)
    assert (result.classes == expected.argmax(axis=1)).all()
    assert (result.scores.argsort(axis=1) == expected.argsort(axis=1)).all()  # the order of all classes
    assert len(np.unique(result.scores, axis=0)) > 5
    assert (result.scores == run(net, encode(net.input, frames)).scores).all()
    assert net.input.format == BIPOLAR and [layer.name for layer in net.layers] == [
        "dense0",
        "dense1",
        "dense2",
        "scores",
    ]
    assert any("of 13 neurons are constant" in note for note in net.notes)


# ---- forms of the layers


@pytest.mark.parametrize(
    "form", ["matmul", "matmul transposed", "gemm", "gemm transB", "gemm bias", "unsqueezed", "reshape"]
)
def test_forms_of_layers(tmp_path, form):
    rng = np.random.default_rng(3)
    b = Build(12 if form == "unsqueezed" else 17)

    def layer(x: str, n: int, m: int) -> str:
        w = signs(rng, n, m)
        if form == "matmul transposed":
            return b.op("MatMul", x, b.op("Transpose", b.op("Sign", w.T * 0.3), perm=[1, 0]))
        if form == "gemm":
            return b.op("Gemm", x, w)
        if form == "gemm transB":
            return b.op("Gemm", x, w.T, transB=1, alpha=0.5)
        if form == "gemm bias":
            return b.op("Gemm", x, w.T * 0.25, rng.normal(size=m), transB=1, beta=3.0)
        y = b.op("MatMul", x, w)
        return (
            b.op("Squeeze", batch_norm(b, b.op("Unsqueeze", y, axes=[2]), rng, m), axes=[2])
            if form == "unsqueezed"
            else y
        )

    x = b.op("Sign", b.op("Sub", "x", 7.5))
    if form == "reshape":
        first = b.op("Gather", b.op("Shape", x), b.const(0, np.int64), axis=0)
        ends = b.op("Concat", b.op("Unsqueeze", first, b.const([0], np.int64)), b.const([-1], np.int64), axis=0)
        x = b.op("Reshape", b.op("Flatten", x), ends)
    x = b.op("Sign", batch_norm(b, layer(x, K, M), rng, M))
    y = batch_norm(b, layer(x, M, CLASSES), rng, CLASSES)
    path = b.save(tmp_path / "net.onnx", b.op("Softmax", y), shape=("N", 3, 3) if form == "reshape" else ("N", K))
    net = load_model(path, input_scale="1")
    pixels = rng.integers(0, 16, (300, *net.input.shape), np.uint8)
    assert (
        run(net, encode(net.input, pixels)).classes == runtime(path, pixels.astype(np.float32)).argmax(axis=1)
    ).all()
    assert any("Softmax" in note for note in net.notes)


def test_batch_norm_fused_into_weights_and_alphas(tmp_path):
    """What the default exporter of PyTorch makes: rows +-A and a bias; XNOR-Net's alphas; IR-Net's centred weights."""
    rng = np.random.default_rng(5)
    b = Build()
    x = b.op("Sign", b.op("Sub", "x", 7.5))
    slope = rng.normal(size=(M, 1)).astype(np.float32)
    x = b.op("Sign", b.op("Gemm", x, signs(rng, M, K) * slope, rng.normal(size=M), transB=1))
    latent = b.const(weights(rng, M, M))
    alpha = b.op("ReduceMean", b.op("Abs", latent), axes=[1], keepdims=1)
    x = b.op("Gemm", x, b.op("Mul", b.op("Sign", latent), alpha), transB=1)
    x = b.op("Sign", b.op("Add", x, rng.normal(size=M)))
    latent = b.const(weights(rng, CLASSES, M))
    centred = b.op("Sub", latent, b.op("ReduceMean", latent, axes=[1], keepdims=1))
    power = b.op("Pow", 2.0, b.op("Round", b.op("Log", b.op("ReduceMean", b.op("Abs", centred), axes=[1], keepdims=1))))
    y = b.op("Gemm", x, b.op("Mul", b.op("Sign", centred), power), rng.normal(size=CLASSES), transB=1)
    path = b.save(tmp_path / "net.onnx", y)
    net = load_model(path, input_scale="1")
    pixels = rng.integers(0, 16, (300, K), np.uint8)
    assert (
        run(net, encode(net.input, pixels)).classes == runtime(path, pixels.astype(np.float32)).argmax(axis=1)
    ).all()
    assert isinstance(net.layers[-1], Affine)


def test_one_scale_for_all_classes_is_left_out(tmp_path):
    rng = np.random.default_rng(1)
    b = Build()
    w = signs(rng, K, CLASSES)
    x = b.op("MatMul", b.op("Where", b.op("Greater", "x", 0.25), 1.0, -1.0), w)
    y = b.op("Mul", b.op("Div", b.op("Sub", x, [0.45]), b.op("Pow", [318.2], 0.5)), [0.73])
    path = b.save(tmp_path / "3 layers.net.onnx", b.op("ArgMax", y, axis=1))
    net = load_model(path)
    assert net.name == "net_3_layers_net" and net.input.stored is None
    assert load_model(path, name="mine").name == "mine"
    frames = rng.uniform(0, 0.5, (50, K)).astype(np.float32)
    assert (run(net, encode(net.input, frames)).scores == np.where(frames > 0.25, 1, -1) @ w).all()
    assert net.notes == (
        "The affine map after the last layer is one for all classes; it is left out, the class is the same.",
    )
    # Strict: the smallest float32 above a quarter.
    assert net.input.thresholds.tolist() == [[float(np.nextafter(np.float32(0.25), np.float32(1)))]]


def test_a_negative_scale_for_all_classes_inverts_all_rows(tmp_path):
    rng = np.random.default_rng(1)
    b = Build()
    w = signs(rng, K, CLASSES)
    x = b.op("MatMul", b.op("Where", b.op("Greater", "x", 0.25), 1.0, -1.0), w)
    net = load_model(b.save(tmp_path / "net.onnx", b.op("Div", x, -3.0)))
    (layer,) = net.layers
    assert isinstance(layer, Dense) and (layer.weights == (w.T < 0)).all()


# ---- the input


def test_thermometer_code(tmp_path):
    rng = np.random.default_rng(11)
    b = Build()
    levels = [2.5, 5.5, 9.5]
    x = b.op("Concat", *(b.op("Sign", b.op("Sub", "x", t)) for t in levels), axis=1)
    w = signs(rng, 3 * K, CLASSES)
    path = b.save(tmp_path / "net.onnx", b.op("MatMul", x, w))
    net = load_model(path, input_scale="1")
    assert net.input.source.tolist() == [*range(K)] * 3
    assert net.input.thresholds.ravel().tolist() == np.repeat(levels, K).tolist()
    pixels = rng.integers(0, 16, (100, K), np.uint8)
    assert (run(net, encode(net.input, pixels)).scores == runtime(path, pixels.astype(np.float32))).all()


def test_falling_input_maps_turn_the_weights(tmp_path):
    """One threshold an element, half of them falling."""
    rng = np.random.default_rng(12)
    b = Build()
    slope = np.where(np.arange(K) % 2, -1.5, 0.5)
    x = b.op("Add", b.op("Mul", "x", slope), rng.normal(size=K))
    w = signs(rng, K, CLASSES)
    path = b.save(tmp_path / "net.onnx", b.op("MatMul", b.op("Where", b.op("GreaterOrEqual", x, 0.0), 1.0, -1.0), w))
    net = load_model(path)
    frames = rng.normal(size=(200, K)).astype(np.float32)
    assert net.input.thresholds.shape == (K, 1)
    assert (run(net, encode(net.input, frames)).scores == runtime(path, frames)).all()


def test_raw_pixels_through_an_affine_map(tmp_path):
    """A first layer of 8-bit inputs: the affine map goes into format and thresholds, exactly."""
    rng = np.random.default_rng(13)
    b = Build()
    x = b.op("MatMul", b.op("Sub", b.op("Mul", "x", 16.0), 8.0), signs(rng, K, M))
    x = b.op("Where", b.op("GreaterOrEqual", b.op("Add", x, rng.integers(-9, 9, M) + 0.5), 0.0), 1.0, -1.0)
    path = b.save(tmp_path / "net.onnx", b.op("MatMul", x, signs(rng, M, CLASSES)))
    net = load_model(path, input_scale="0.0625")
    assert net.input.format == Format(bits=8, offset=-8) and net.input.stored == Stored(scale=("1/16",))
    pixels = rng.integers(0, 256, (200, K), np.uint8)
    frames = (pixels / 16).astype(np.float32)
    assert (run(net, encode(net.input, pixels)).scores == runtime(path, frames)).all()


@pytest.mark.parametrize("how", ["uint8", "annotation", "div 255"])
def test_graphs_that_take_raw_pixels_say_so(tmp_path, how):
    b = Build()
    x = b.op("Cast", "x", to=TensorProto.FLOAT) if how == "uint8" else "x"
    x = b.op("Div", x, 255.0) if how == "div 255" else x
    x = b.op("Where", b.op("GreaterOrEqual", x, 0.5 if how == "div 255" else 127.5), 1.0, -1.0)
    y = b.op("MatMul", x, signs(np.random.default_rng(0), K, CLASSES))
    kind = TensorProto.UINT8 if how == "uint8" else TensorProto.FLOAT
    path = b.save(tmp_path / "net.onnx", y, kind=kind)
    if how == "annotation":
        model = onnx.load(path)
        note = model.graph.quantization_annotation.add(tensor_name="x")
        note.quant_parameter_tensor_names.add(key="finn_datatype", value="UINT8")
        onnx.save(model, path)
    net = load_model(path)
    assert net.input.stored == Stored()
    assert net.input.thresholds.tolist() == [[127.5]]


# ---- quantisers of QONNX, against fractions


def exact_quant(y: Fraction, scale: Fraction, low: int, high: int, mode: str) -> Fraction:
    q = y / scale
    floor = q.numerator // q.denominator
    half = q - floor - Fraction(1, 2)
    away = floor if q < 0 else floor + 1
    near = {"ROUND": floor + floor % 2, "HALF_UP": away, "HALF_DOWN": 2 * floor + 1 - away}
    whole = {
        "CEIL": -(-q.numerator // q.denominator),
        "FLOOR": floor,
        "UP": q if q == floor else away,
        "DOWN": q if q == floor else 2 * floor + 1 - away,
    }
    level = whole[mode] if mode in whole else floor if half < 0 else floor + 1 if half > 0 else near[mode]
    return min(max(Fraction(level), Fraction(low)), Fraction(high)) * scale


@pytest.mark.parametrize("mode", ["ROUND", "CEIL", "FLOOR", "UP", "DOWN", "HALF_UP", "HALF_DOWN"])
@pytest.mark.parametrize(("bits", "signed", "narrow"), [(2, 1, 1), (2, 0, 0), (3, 1, 0)])
def test_activations_of_more_bits(tmp_path, mode, bits, signed, narrow):
    rng = np.random.default_rng(2)
    b, scale = Build(), 1.5  # sums / 1.5 hit halves and wholes
    w = [signs(rng, K, M), signs(rng, M, CLASSES)]
    x = b.op("BipolarQuant", b.op("Sub", "x", 7.5), 1.0, domain=QONNX)
    quant = {"signed": signed, "narrow": narrow, "rounding_mode": mode, "domain": QONNX}
    x = b.op("Quant", b.op("Mul", b.op("MatMul", x, w[0]), 0.75), scale, 0.0, float(bits), **quant)
    net = load_model(b.save(tmp_path / "net.onnx", b.op("MatMul", x, w[1])), input_scale="1")
    low, high = (-(1 << bits - 1) + narrow, (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1 - narrow)
    pixels = rng.integers(0, 16, (20, K), np.uint8)
    sums = np.where(pixels > 7.5, 1, -1) @ w[0]
    value = np.vectorize(lambda a: exact_quant(Fraction(a) * Fraction(3, 4), Fraction(scale), low, high, mode))(sums)
    expected = (value / Fraction(scale)).astype(int) @ w[1].astype(int)
    assert (run(net, encode(net.input, pixels)).scores == expected).all()
    assert net.layers[0].output.bits == bits


@pytest.mark.parametrize("domain", ["onnx.brevitas", QONNX, "finn.custom_op.general"])
def test_multi_threshold_and_bipolar_quant(tmp_path, domain):
    rng = np.random.default_rng(4)
    b = Build()
    w = [signs(rng, K, M), signs(rng, M, M), signs(rng, M, CLASSES)]
    table = rng.integers(-4, 5, (M, 1)) + 0.0
    x = b.op("MultiThreshold", "x", [[0.5]], domain=domain, out_scale=2.0, out_bias=-1.0)
    x = b.op("MatMul", x, b.op("BipolarQuant", w[0] * 0.2, 1.0, domain=domain))
    x = b.op("MultiThreshold", x, table, domain=domain)  # 0 or 1
    x = b.op("MatMul", x, b.op("BipolarQuant", w[1], rng.uniform(0.1, 1, (1, M)), domain=domain))
    x = b.op("BipolarQuant", b.op("Sub", x, 0.25), 0.7, domain=domain)
    net = load_model(b.save(tmp_path / "net.onnx", b.op("MatMul", x, w[2])), input_scale="1/255")
    pixels = rng.integers(0, 256, (50, K), np.uint8)
    bits = np.where(pixels > 127.5, 1, -1) @ w[0] >= table.T
    alpha = onnx.load(tmp_path / "net.onnx").graph.initializer
    size = next(numpy_helper.to_array(t) for t in alpha if list(t.dims) == [1, M]).astype(np.float64)
    expected = np.where((bits @ w[1]) * size >= 0.25, 1, -1) @ w[2]
    assert (run(net, encode(net.input, pixels)).scores == expected).all()


# ---- whole networks, drawn


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1), coarse=st.booleans(), sizes=st.lists(st.integers(1, 12), min_size=2, max_size=4))
def test_drawn_networks_with_ties_against_fractions(tmp_path, seed, coarse, sizes):
    """Every hidden bit and the order of the scores; coarse parameters make exact ties, gamma 0 and equal classes."""
    rng = np.random.default_rng(seed)
    b, x, plain = Build(), "x", []
    x = b.op("BipolarQuant", b.op("Sub", x, 0.5), 1.0, domain=QONNX)
    for n, m in zip(sizes, sizes[1:], strict=False):
        draw = (lambda: rng.integers(-4, 5, m) / 2) if coarse else (lambda: rng.normal(size=m).astype(np.float32))  # noqa: B023
        w, gamma, beta, mean = signs(rng, n, m), draw(), draw(), draw()
        var = (rng.integers(1, 5, m) ** 2 - 2.0**-10 if coarse else rng.uniform(0.1, 3, m)).astype(np.float32)
        x = b.op("BatchNormalization", b.op("MatMul", x, w), gamma, beta, mean, var, epsilon=2.0**-10)
        plain.append((w, *([Fraction(float(v)) for v in p] for p in (gamma, beta, mean, var))))
        if len(plain) < len(sizes) - 1:
            x = b.op("BipolarQuant", x, 1.0, domain=QONNX)
    path = b.save(tmp_path / f"net{seed}.onnx", x, shape=("N", sizes[0]), classes=sizes[-1])
    net = load_model(path)
    frames = rng.integers(0, 2, (12, sizes[0])).astype(np.float32)
    codes = encode(net.input, frames)
    values = np.where(frames > 0.5, 1, -1)
    for w, gamma, beta, mean, var in plain:
        sums = (values @ w).astype(int)
        scores = [
            [normed(g, be, me, v, int(a)) for g, be, me, v, a in zip(gamma, beta, mean, var, row, strict=True)]
            for row in sums
        ]
        values = np.array([[1 if s >= 0 else -1 for s in row] for row in scores])
        hidden = values
    assert hidden.shape == (12, sizes[-1])
    # A network with one output has a score and no class.
    assert np.argmax(run(net, codes).scores, axis=1).tolist() == [row.index(max(row)) for row in scores]
    path.unlink()


def normed(gamma: Fraction, beta: Fraction, mean: Fraction, var: Fraction, acc: int) -> Fraction:
    """With 200 decimal places cut off, so that exact ties of different classes come out equal."""
    v = var + Fraction(1, 1024)
    factor = 10**400
    whole = isqrt(v.numerator * factor * v.denominator)
    return Fraction(round((gamma * (acc - mean) * v.denominator * 10**200 / whole + beta) * 10**150))


def test_hidden_codes_equal_those_of_the_runtime(tmp_path):
    rng = np.random.default_rng(21)
    b = Build()
    x = b.op("Sign", b.op("Sub", "x", 7.5))
    hidden = [x := b.op("Sign", batch_norm(b, b.op("MatMul", x, signs(rng, n, M)), rng, M)) for n in (K, M)]
    y = b.op("MatMul", x, signs(rng, M, CLASSES))
    path = b.save(tmp_path / "net.onnx", y)
    net = load_model(path, input_scale="1")
    pixels = rng.integers(0, 16, (200, K), np.uint8)
    codes = encode(net.input, pixels)
    outputs = trace(net, codes)
    model = onnx.load(path)
    model.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in hidden)
    onnx.save(model, tmp_path / "all.onnx")
    ort = pytest.importorskip("onnxruntime")
    session = ort.InferenceSession(str(tmp_path / "all.onnx"), providers=["CPUExecutionProvider"])
    found = session.run(hidden, {"x": pixels.astype(np.float32)})
    for layer, bits in enumerate(found):
        assert (np.asarray(outputs[f"dense{layer}"]) == (bits > 0)).all()


@pytest.mark.parametrize(
    ("mean", "note"),
    [
        (
            3.0,
            "dense0: a sum that occurs lies exactly on a threshold; float32 may round it to the other side",
        ),
        (3 + 2.0**-21, "dense0: a threshold lies within 5e-07 of a sum that occurs; float32 may miss it."),
        (2.0, None),  # an odd number of inputs has odd sums only
    ],
)
def test_ties_and_near_ties_are_told(tmp_path, mean, note):
    rng = np.random.default_rng(0)
    b = Build()
    x = b.op("MatMul", b.op("BipolarQuant", b.op("Sub", "x", 0.5), 1.0, domain=QONNX), signs(rng, K, M))
    x = b.op("BatchNormalization", x, *(np.full(M, v) for v in (0.3, 0.0, mean, 2.0)))
    x = b.op("BipolarQuant", x, 1.0, domain=QONNX)
    net = load_model(b.save(tmp_path / "net.onnx", b.op("MatMul", x, signs(rng, M, CLASSES))))
    assert [text[: len(note or text)] for text in net.notes] == ([note] if note else [])
    assert (net.layers[0].thresholds == int(np.ceil(mean))).all()


def test_a_fixed_batch_is_no_part_of_the_frame(tmp_path):
    b = Build()
    x = b.op("Reshape", "x", b.const([2, K], np.int64))
    x = b.op("Where", b.op("Greater", x, 0.0), np.ones((2, K)), -np.ones((2, K)))
    w = signs(np.random.default_rng(0), K, CLASSES)
    path = b.save(tmp_path / "net.onnx", b.op("MatMul", x, w), shape=(2, 1, 3, 3))
    net = load_model(path)
    frames = np.random.default_rng(1).normal(size=(2, 1, 3, 3)).astype(np.float32)
    assert net.input.shape == (1, 3, 3)
    assert (run(net, encode(net.input, frames)).scores == runtime(path, frames)).all()


def test_order_of_a_transposed_frame(tmp_path):
    b = Build()
    x = b.op("Flatten", b.op("Transpose", b.op("Where", b.op("Greater", "x", 0.0), 1.0, -1.0), perm=[0, 2, 3, 1]))
    path = b.save(tmp_path / "net.onnx", b.op("MatMul", x, signs(np.random.default_rng(0), 24, 4)), ("N", 2, 3, 4), 4)
    net = load_model(path)
    frames = np.random.default_rng(1).normal(size=(20, 2, 3, 4)).astype(np.float32)
    assert (run(net, encode(net.input, frames)).scores == runtime(path, frames)).all()
