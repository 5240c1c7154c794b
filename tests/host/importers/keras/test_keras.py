"""Keras and Larq files: networks made here against an independent NumPy reference, and real files."""

from __future__ import annotations

import re

import numpy as np
import pytest
from bitweir.importers import ModelError, load_model
from bitweir.importers.compare.agreement import Member
from bitweir.importers.compare.comparison import compare_drawn
from bitweir.importers.folding.provenance import Taps
from bitweir.model_files import load_networks
from bitweir.results import numbers
from bitweir_hw.network import BIPOLAR, Affine, Network, Parallel, Stored
from bitweir_sim.values.encoding import encode
from bitweir_sim.values.fast import run
from bitweir_sim.values.golden import trace
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.keras_runs import (
    C,
    H,
    Model,
    W,
    agree,
    larq,
    named,
    pixels,
    quantiser,
)
from support.shared_data import DATA, mnist, needs_shared

DRAWN = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


# ---- real files


@needs_shared
@pytest.mark.parametrize("form", ["h5", "quantized_scope.h5", "keras"])
@pytest.mark.parametrize("name", ["l1_larq_mlp", "l2_larq_cnn_same_pad0"])
def test_larq_networks_for_digits(name, form):
    net = load_model(DATA / "digits" / f"{name}.{form}", input_scale="int8")
    with np.load(DATA / "digits" / f"{name}.npz") as data:
        codes = encode(net.input, data["x_f32"])
        result, outputs = run(net, codes), trace(net, codes)
        assert len(codes) == 360 and (result.classes == data["ref_argmax"]).all()
        assert (outputs[net.layers[-2].name].reshape(360, 10) == data["ref_acc_int"]).all()
    assert isinstance(net.layers[-1], Affine)
    (note,) = (note for note in net.notes if "left out" in note)
    assert re.fullmatch(r"Activation 'activation(_1)?' at the end is left out: it does not change the class\.", note)


@needs_shared
def test_larq_network_for_mnist():
    """Zeros around maps of -1 and +1, and pools before the signs."""
    net = load_model(DATA / "models" / "larq_tiny_conv_mnist.h5", input_scale="1")
    images, labels = mnist()
    codes = encode(net.input, (images > 127).astype(np.float32).reshape(-1, 28, 28, 1))
    result, last = run(net, codes), net.layers[-1]
    with np.load(DATA / "golden" / "larq_tiny_conv_mnist.npz") as golden:
        assert (result.classes == golden["pred"]).all()
        assert (result.scores == last.scale * golden["acc"].astype(np.int64) + last.offset).all()
    assert (last.scale > 0).all() and len(codes) == 10_000
    assert (result.classes == labels).mean() == pytest.approx(0.8284)
    assert [layer.name for layer in net.layers] == ["conv0", "pool0", "conv1", "pool1", "dense0", "scores"]


def kinds(net: Network) -> str:
    return " ".join(layer.name for layer, _, _ in net.placed())


FORMS = [
    ("m.h5", "sequential"),
    ("m.keras", "sequential"),
    ("m.h5", "keras2"),
    ("m.keras", "keras3"),
    ("m.hdf5", "keras3"),
]


@pytest.mark.parametrize(("file", "style"), FORMS)
def test_forms_of_files(tmp_path, file, style):
    model = Model()
    model.conv(C, 4, 3, 3, padding="same")
    model.norm(4, 20)
    model("MaxPooling2D", pool_size=[2, 2], strides=None)
    model.conv(4, 6, 3, 2, input_quantizer="ste_sign", use_bias=True)
    model.norm(6, scale=False)
    model("Dropout", rate=0.5)
    model.head(6 * 1 * 2)
    net = agree(model, tmp_path / file, style)
    assert kinds(net) == "conv0 pool0 conv1 dense0" and net.name == "m"
    assert net.input.map_shape == (H, W, C) and net.layers[0].output == BIPOLAR


INPUTS = {
    "ste_sign": BIPOLAR.bits,
    "approx_sign": 1,
    "swish_sign": 1,
    "ste_heaviside": 1,
    "ste_tern": 2,
    "dorefa_quantizer": 2,
}


INPUT_SPECS = [
    *INPUTS,
    larq("SteSign", clip_value=1.0),
    larq("ApproxSign"),
    larq("SwishSign", beta=5.0),
    larq("SteHeaviside"),
    larq("SteTern", threshold_value=0.7, ternary_weight_networks=False),
    larq("SteTern", threshold_value=0.0),
    larq("DoReFa", k_bit=1, mode="activations"),
    larq("DoReFa", k_bit=3, mode="activations"),
]


KERNEL_SPECS = [
    "ste_sign",
    "approx_sign",
    "swish_sign",
    "magnitude_aware_sign",
    "ste_tern",
    "dorefa_quantizer",
    "ste_heaviside",
    larq("MagnitudeAwareSign"),
    larq("SteTern", threshold_value=0.3),
    larq("SteTern", ternary_weight_networks=True),
    larq("DoReFa", k_bit=3, mode="activations"),
    larq("DoReFa", k_bit=1, mode="weights"),
    larq("DoReFa", k_bit=4, mode="weights"),
]


def title(spec) -> str:
    return spec if isinstance(spec, str) else "-".join(map(str, (spec["class_name"], *spec["config"].values())))


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("spec", INPUT_SPECS, ids=title)
def test_quantisers_of_inputs(tmp_path, spec):
    """Zeros around the map are zeros whatever the quantiser; integers of batch norms meet ties exactly."""
    model = Model(seed=1)
    model.conv(C, 4, 3, 3)
    whole = np.float32([8, 24, -8, 2])
    norm_weights = {
        "beta": np.float32([0, 1, 0, 0.5]),
        "moving_mean": whole,
        "moving_variance": np.full(4, 16, np.float32),
    }
    model("BatchNormalization", weights=norm_weights, axis=3, epsilon=0.0, scale=False, center=True)
    model.conv(4, 6, 3, 3, padding="same", input_quantizer=spec)
    model.norm(6)
    model.head(5 * 4 * 6)
    net = agree(model, tmp_path / "m.h5")
    if isinstance(spec, str):
        assert net.layers[0].output.bits == INPUTS[spec]


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("spec", KERNEL_SPECS, ids=title)
def test_quantisers_of_kernels(tmp_path, spec):
    model = Model(seed=2)
    model.conv(C, 4, 3, 3, kernel_quantizer=spec, use_bias=True)
    model.norm(4, 10)
    model.conv(4, 6, 3, 3, padding="same", strides=[2, 2], input_quantizer="ste_sign", kernel_quantizer=spec)
    model.norm(6)
    model.head(3 * 2 * 6, kernel_quantizer=spec)
    model.reference(pixels(model.shape), calibrate=True)
    agree(model, tmp_path / "m.keras", exactly=False)


def test_kernels_saved_in_the_quantized_scope(tmp_path):
    def made(scope: bool) -> Model:
        model = Model(seed=3)
        model.conv(C, 4, 3, 3, kernel_quantizer="magnitude_aware_sign")
        model.norm(4, 20)
        model.head(5 * 4 * 4)
        if scope:
            for _, _, config, weights, _ in model.layers:
                if "kernel" in weights:
                    own = quantiser(weights["kernel"], config["kernel_quantizer"], kernel=True)
                    weights["kernel"] = own.astype(np.float32)
        return model

    nets = [agree(made(scope), tmp_path / f"{scope}.h5") for scope in (False, True)]
    for one, other in zip(nets[0].layers, nets[1].layers, strict=True):
        assert (one.weights == other.weights).all()
    assert (nets[0].layers[0].thresholds == nets[1].layers[0].thresholds).all()


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("value", [0.0, 1.0, -1.0])
@pytest.mark.parametrize("kind", ["QuantDepthwiseConv2D", "QuantSeparableConv2D"])
def test_depthwise_and_separable(tmp_path, kind, value):
    """Sums of the depthwise part go into the pointwise part unquantised; filters of a channel stay together."""
    model = Model(seed=4)
    model.conv(C, 3, 2, 2)
    model.norm(3, 20)
    weights = {"depthwise_kernel": model.latent(3, 3, 3, 2)}
    quantisers = {"input_quantizer": "ste_sign", "depthwise_quantizer": "ste_sign", "pointwise_quantizer": "ste_sign"}
    outputs = 6
    if kind == "QuantSeparableConv2D":
        weights["pointwise_kernel"], outputs = model.latent(1, 1, 6, 5), 5
    weights["bias"] = model.latent(outputs)
    options = {"padding": "same", "strides": [2, 2], "pad_values": value, "depth_multiplier": 2, "use_bias": True}
    model(kind, weights=weights, **quantisers, **options)
    model.norm(outputs)
    model.head(3 * 3 * outputs)
    net = agree(model, tmp_path / "m.keras")
    assert net.layers[1].groups == 3 and net.layers[1].pad_value == value
    assert kinds(net).split()[1:-1] == (["conv1"] if kind == "QuantDepthwiseConv2D" else ["conv1", "conv2"])


def test_plain_layers_whose_weights_are_whole(tmp_path):
    model = Model(seed=5)
    levels = (model.rng.integers(-3, 4, (3, 3, C // 2, 4)) * 0.125).astype(np.float32)
    model("Conv2D", weights={"kernel": levels}, use_bias=False, groups=2, strides=[1, 1], padding="valid")
    model.norm(4, 4)
    model("SteSign", clip_value=1.0)
    signs = np.where(model.latent(3, 3, 4, 1) > 0, 0.5, -0.5).astype(np.float32)
    model("DepthwiseConv2D", weights={"depthwise_kernel": signs, "bias": model.latent(4)}, use_bias=True)
    model("QuantActivation", quantizer="ste_sign")
    model("Flatten")
    signs = np.where(model.latent(3 * 2 * 4, 5) > 0, 1, -1).astype(np.float32)
    model("Dense", weights={"kernel": signs}, use_bias=False, activation="softmax")
    net = agree(model, tmp_path / "m.h5")
    assert net.layers[0].groups == 2 and net.layers[0].weights.dtype == np.int64


def test_a_border_before_an_input_quantiser_is_quantised(tmp_path):
    """ZeroPadding2D stands before the quantiser of the next layer, so that its zeros become +1."""
    model = Model(seed=6)
    model.conv(C, 4, 3, 3)
    model.norm(4, 20)
    model("ZeroPadding2D", padding=[[1, 0], [0, 1]])
    model.conv(4, 5, 3, 3, input_quantizer="ste_sign")
    model.norm(5)
    model("ZeroPadding2D", padding=[[1, 1], [1, 1]])
    model.conv(5, 6, 3, 3, input_quantizer="ste_heaviside", strides=[2, 2])
    model.norm(6)
    model.head(2 * 2 * 6)
    net = agree(model, tmp_path / "m.h5")
    assert [layer.pad_value for layer in net.layers[:3]] == [0, 1, -1]  # 0 is the lower of the codes {0, 1}
    assert net.layers[1].pads == (1, 0, 0, 1)


def test_a_cut_image(tmp_path):
    model = Model(seed=7)
    model("Cropping2D", cropping=[[1, 0], [0, 2]])
    model.conv(C, 4, 3, 2)
    model.norm(4, 20)
    model.head(4 * (H - 3) * (W - 3))
    net = agree(model, tmp_path / "m.h5")
    assert net.input.map_shape == (H - 1, W - 2, C) and net.input.shape == model.shape


def test_pools(tmp_path):
    model = Model((9, 8, 2), seed=7)
    model.conv(C, 6, 2, 2)
    model("MaxPooling2D", pool_size=[2, 3], strides=[2, 1], padding="same")
    model.norm(6, 20)  # falling where gamma is negative
    model.conv(6, 8, 2, 2, input_quantizer="ste_sign")
    model("AveragePooling2D", pool_size=[2, 2], strides=[1, 2])
    model.norm(8)
    model.conv(8, 8, 1, 1, input_quantizer="ste_sign")
    model("GlobalMaxPooling2D", keepdims=True)
    model.norm(8)
    model.conv(8, 9, 1, 1, input_quantizer="ste_sign")
    model("GlobalAveragePooling2D")
    model.norm(9)
    model.head(9)
    model.reference(pixels(model.shape), calibrate=True)
    assert kinds(agree(model, tmp_path / "m.h5")).count("pool") == 4


def test_activations_and_rescaling(tmp_path):
    """Clips before quantisers fold; a model that scales pixels by itself needs no input scale."""
    model = Model(seed=8)
    model("Rescaling", scale=1 / 255, offset=0.0)
    model.conv(C, 4, 3, 3, activation="relu")
    model.norm(4, 0.1)
    model("ReLU", max_value=6.0, negative_slope=0.0, threshold=0.0)
    model.conv(
        4,
        5,
        2,
        2,
        input_quantizer=larq("DoReFa", k_bit=2),
        activation={"class_name": "function", "config": "hard_tanh"},
    )
    model("LeakyReLU", alpha=0.3)
    model.norm(5, 0.2)
    model("Activation", activation="ste_sign")
    model.conv(5, 4, 2, 2)
    model("Activation", activation="linear")
    model.norm(4)
    model.head(3 * 2 * 4)
    model("Softmax", axis=-1)
    model.reference(pixels(model.shape, top=255), calibrate=True)
    net = agree(model, tmp_path / "m.h5", scale=None, top=255)
    assert net.input.stored == Stored()


def test_reshape_of_a_flat_input(tmp_path):
    model = Model((H * W * C,), seed=9)
    model("Reshape", target_shape=[H, W, C])
    model.conv(C, 4, 3, 3)
    model.norm(4, 20)
    model.head(5 * 4 * 4)
    assert agree(model, tmp_path / "m.h5").input.shape == (H * W * C,)
    model.layers[1][2]["target_shape"] = [H, -1, C]
    assert load_model(model.save(tmp_path / "n.h5"), input_scale="1").input.map_shape == (H, W, C)


@pytest.mark.parametrize("style", ["keras2", "keras3"])
def test_shortcuts(tmp_path, style):
    """Sums of maps become parallel branches; dense ones too. A layer that nobody reads is left out."""
    model = Model(seed=10)
    model.conv(C, 4, 3, 3, padding="same")
    x = model("SteSign")
    model.conv(4, 4, 3, 3, padding="same", input_quantizer="ste_sign")
    y = model.norm(4)
    model("Add", y, x)
    model("AveragePooling2D", pool_size=[7, 6])
    model.norm(4, 0.3)
    model("Flatten")
    a = model("SteSign")
    b = model("QuantDense", a, weights={"kernel": model.latent(4, 4)}, kernel_quantizer="ste_sign", use_bias=False)
    model("Add", a, b, a)
    x = model.head(4)
    unused = Model()
    unused.layers = [layer for layer in model.layers if layer[1] != x]
    unused.conv(C, 1, 1, 1, before="inputlayer_0", name="unused")
    unused.layers.append(model.layers[-1])
    for path, one in (("m.keras", model), ("n.h5", unused)):
        net = agree(one, tmp_path / path, style, varied=False)
        assert sum(isinstance(layer, Parallel) for layer in net.layers) == 2


def test_a_layer_that_is_called_twice(tmp_path):
    model = Model(seed=11)
    model.conv(C, 3, 3, 3)
    model("SteSign")
    twice = model.conv(3, 3, 3, 3, padding="same", input_quantizer="ste_sign")
    model.head(5 * 4 * 3)
    config = model.config("keras2")
    nodes = {entry["name"]: entry["inbound_nodes"] for entry in config["config"]["layers"]}
    nodes[twice].append([[twice, 0, 0, {}]])
    nodes[model.layers[-2][1]][0][0][1] = 1
    net = load_model(model.save(tmp_path / "m.h5", config=config), input_scale="1")
    model.layers.insert(4, (*model.layers[3][:1], "copy", *model.layers[3][2:4], [twice]))
    model.layers[5][4][0] = "copy"
    x = pixels(model.shape)
    assert (run(net, encode(net.input, x)).scores == model.reference(x)).all()


@settings(DRAWN, max_examples=100)
@given(data=st.data())
def test_drawn_convolutions(tmp_path, in_process, data):
    """Any window, padding and quantiser of two convolutions."""
    draw = data.draw
    model = Model((draw(st.integers(4, 9)), draw(st.integers(4, 9)), draw(st.integers(1, 3))), draw(st.integers(0, 99)))
    rows, columns, channels = model.shape
    for place in range(2):
        kernel = [draw(st.integers(1, min(3, size))) for size in (rows, columns)]
        strides, padding = [draw(st.integers(1, 2)) for _ in range(2)], draw(st.sampled_from(["same", "valid"]))
        filters, depthwise = draw(st.integers(1, 4)), place == 1 and draw(st.booleans())
        options = {"strides": strides, "padding": padding, "pad_values": float(draw(st.integers(-1, 1)))}
        if place:
            options["input_quantizer"] = draw(st.sampled_from(INPUT_SPECS[:-2]))
            if named(options["input_quantizer"])[0] == "dorefa_quantizer":
                options["pad_values"] = 0.0
        kernel_quantizer = draw(st.sampled_from(KERNEL_SPECS[:3] + KERNEL_SPECS[4:5]))
        if depthwise:
            weights = {"depthwise_kernel": model.latent(*kernel, channels, filters)}
            options |= {"depthwise_quantizer": kernel_quantizer, "use_bias": False}
            model("QuantDepthwiseConv2D", weights=weights, **options)
            filters *= channels
        else:
            model.conv(channels, filters, *kernel, kernel_quantizer=kernel_quantizer, **options)
        sizes = zip((rows, columns), kernel, strides, strict=True)
        rows, columns = (-(-n // s) if padding == "same" else (n - k) // s + 1 for n, k, s in sizes)
        channels = filters
        model.norm(channels, 10, scale=draw(st.booleans()), center=draw(st.booleans()))
    model.head(rows * columns * channels)
    model.reference(pixels(model.shape), calibrate=True)
    agree(model, tmp_path / draw(st.sampled_from(["m.h5", "m.keras"])), varied=False)


@pytest.mark.parametrize("file", ["m.h5", "m.keras"])
def test_a_rule_for_each_channel(tmp_path, file):
    """Frames have their channels last; scales that differ become integer weights."""
    model = Model(shape=(5, 4, 3), seed=9)
    model.conv(3, 4, 2, 2)
    model.norm(4, 2)
    model.head(4 * 3 * 4)
    net = load_model(model.save(tmp_path / file), input_scale="(x-[10,20,35])/[30,60,90]")
    assert net.input.stored.axis == 2 and set(np.unique(abs(net.layers[0].weights))) == {2, 3, 6}
    q = np.random.default_rng(1).integers(0, 256, (30, 5, 4, 3))
    scores = run(net, encode(net.input, q)).scores
    expected = model.reference((q - np.array([10, 20, 35])) / np.array([30, 60, 90]))
    gaps = expected[:, :, None] - expected[:, None]
    assert (scores[:, :, None] > scores[:, None])[gaps > 1e-9 * (1 + abs(expected).max())].all()
    assert len(np.unique(scores, axis=0)) > 10


# ---- results


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("end", ["sigmoid", "", "ste_sign", "softmax"])
def test_results(tmp_path, in_process, end, outputs):
    """Labels behind a sigmoid, codes behind a quantiser, a score of one output, else a class."""
    model = Model(seed=outputs)
    model.conv(C, 4, 3, 3)
    model.norm(4, 20)
    model.head(4 * 5 * 4, outputs)
    model.norm(outputs, 9)
    x = pixels(model.shape)
    logits = model.reference(x)
    if end:
        model("Activation", activation=end)
    path, taps = model.save(tmp_path / "m.h5"), Taps()
    if end == "softmax" and outputs == 1:
        with pytest.raises(ModelError, match="at the end chooses among one output, so that it always says the same"):
            load_model(path, input_scale="1")
        return
    net = load_model(path, input_scale="1", taps=taps)
    found = run(net, encode(net.input, x))
    kind = {"sigmoid": "labels", "ste_sign": "codes", "softmax": "class"}.get(end, "class" if outputs > 1 else "scores")
    assert net.readout.kind == kind
    if kind == "labels":
        assert np.array_equal(found.labels, logits > 0)
    elif kind == "class":
        assert np.array_equal(found.classes, logits.argmax(axis=1))
    else:
        wanted = logits if kind == "scores" else np.where(logits >= 0, 1.0, -1.0)
        assert np.allclose(numbers(net, found.scores), wanted, atol=1e-6)
    compared = compare_drawn(net, [Member(path=path, network=net, taps=taps, last=net.layers[-1].name)])
    assert compared.agreements[0].ran and compared.agreements[0].agrees


@pytest.mark.parametrize(
    ("end", "kind"), [("", "scores"), ("softmax", "classes"), ("sigmoid", "labels"), ("ste_sign", "codes")]
)
def test_results_of_pixels(tmp_path, in_process, end, kind):
    model = Model(seed=4)
    model.conv(C, 4, 3, 3)
    model.norm(4, 20)
    model.conv(4, 3, 1, 1, input_quantizer="ste_sign")
    model.norm(3, 2)
    x = pixels(model.shape)
    wanted = model.reference(x).reshape(len(x), 5, 4, 3)
    if end:
        model("Activation", activation=end)
    imported = load_networks([model.save(tmp_path / "m.h5")], input_scale="1")
    net = imported.network
    found = run(net, encode(net.input, x))
    assert net.readout.kind == kind and net.result_shape == (5, 4, 3)[: 2 if kind == "classes" else 3]
    if kind == "classes":
        told = np.take_along_axis(wanted, found.classes.reshape(len(x), 5, 4, 1), 3)
        assert (told >= wanted.max(axis=3, keepdims=True) - 1e-6).all()
    elif kind == "labels":
        assert np.array_equal(found.labels.reshape(wanted.shape), wanted > 0)
    else:
        wanted = wanted if kind == "scores" else np.where(wanted >= 0, 1.0, -1.0)
        assert np.allclose(numbers(net, found.scores).reshape(wanted.shape), wanted, atol=1e-6)
    assert imported.drawn.difference is None and imported.drawn.frames > 100


def test_the_activation_of_a_layer_is_named_as_such(tmp_path, in_process):
    model = Model()
    model.conv(C, 4, 3, 3)
    model.norm(4, 20)
    model.head(4 * 5 * 4, 4, activation="softmax")
    net = load_model(model.save(tmp_path / "m.h5"), input_scale="1")
    (note,) = (note for note in net.notes if "left out" in note)
    assert re.fullmatch(r"The softmax of QuantDense '\w+' at the end is left out: it does not change the class\.", note)


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("value", [0.5, -0.3, 2.0])
def test_borders_of_any_number_around_signs(tmp_path, value):
    """What lies outside the map need not be a code: the sums at the edges start with numbers of their own."""
    model = Model(seed=3)
    model.conv(C, 4, 3, 3)
    model.norm(4, 20)
    model.conv(4, 6, 3, 3, padding="same", input_quantizer="ste_sign", pad_values=value)
    model.norm(6)
    model.head(5 * 4 * 6)
    agree(model, tmp_path / "m.h5")
