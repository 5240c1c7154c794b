"""Models whose first and last layers have real weights: refused, or rounded to integers as the user asks for it."""

import json
from importlib import resources

import bitweir
import numpy as np
import onnx
import pytest
from bitweir.import_report import schema
from bitweir.importers import ModelError
from bitweir.importers.onnx import importer
from bitweir_hw.network import Conv, Dense
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import validate
from support.compared import run
from support.keras_runs import Model
from support.methods import INPUT, MODELS
from support.onnxgraphs import C, Graph, H, W

DOREFA = MODELS / "dorefa.onnx"
IMAGES = resources.files("bitweir.networks") / "digits_test.npz"


def real_ends(path, seed=0, *, gemm=False, twice=False, groups=1, padded=False):
    """A convolution of real weights, a binary one, and a dense layer of real weights."""
    g = Graph(seed)
    pads = [1, 1, 1, 1] if padded else [0, 0, 0, 0]
    first = g.rng.normal(size=(4, C // groups, 3, 3))
    x = g.op("Sub", "x", 7.5)
    y = g.op("Conv", x, first, pads=pads, group=groups)
    if twice:  # the same weights under another name, over other numbers
        y = g.op("Add", g.sign(g.norm(y, 4, 9)), g.sign(g.op("Conv", g.op("Neg", x), first, pads=pads, group=groups)))
        y = g.op("Sub", y, 0.5)
    y = g.sign(g.norm(g.op("Conv", g.sign(y), g.signs(4, 4, 3, 3)), 4, 5))
    inputs = 4 * (H - 4 + 2 * padded) * (W - 4 + 2 * padded)
    weights = g.rng.normal(size=(inputs, 5))
    y = g.op("Flatten", y)
    if gemm:
        y = g.op("Gemm", y, weights.T, g.rng.normal(size=5), transB=1, alpha=0.5)
    else:
        y = g.op("MatMul", y, weights)
    return g.save(path, y)


def bits_of(layer):
    """Of the largest weight, with the sign."""
    return 1 + int(np.abs(layer.weights.astype(int)).max()).bit_length()


def frames(seed, count=64):
    return np.random.default_rng(seed).integers(0, 16, (count, C, H, W))


@settings(max_examples=12)
@given(
    seed=st.integers(0, 10**6),
    bits=st.integers(3, 12),
    gemm=st.booleans(),
    twice=st.booleans(),
    groups=st.sampled_from([1, 2]),
    padded=st.booleans(),
)
def test_drawn_models_equal_the_model_with_rounded_weights(tmp_path_factory, seed, bits, gemm, twice, groups, padded):
    path = tmp_path_factory.mktemp("models") / "m.onnx"
    real_ends(path, seed, gemm=gemm, twice=twice, groups=groups, padded=padded)
    with pytest.raises(ModelError, match=r", or let bitweir round them with --weight-bits 8\. The same holds for"):
        bitweir.load(path, input_scale="1", input_range="0:15", compare=False)
    net = bitweir.load(path, input_scale="1", input_range="0:15", weight_bits=bits, compare=False)
    found = net.compare(frames(seed))
    (agreement,) = found.agreements
    assert agreement.ran and agreement.agrees and found.difference is None and found.codes > 1000
    (original,) = found.originals
    assert original.ran and sum(layer.codes for layer in original.layers) == found.codes
    layers = [layer for layer, _, _ in net.network.placed() if isinstance(layer, Conv | Dense)]
    assert max(map(bits_of, layers)) <= bits and layers[0].weights.dtype != bool


def test_a_network_of_more_bits_agrees_more(tmp_path):
    path = real_ends(tmp_path / "m.onnx", 3, padded=True)
    shares = []
    for bits in (3, 6, 12):
        net = bitweir.load(path, input_scale="1", input_range="0:15", weight_bits=bits, compare=False)
        (original,) = net.compare(frames(1, 400)).originals
        shares.append(sum(layer.ties for layer in original.layers))
    assert shares[0] > 4 * shares[1] > 16 * shares[2]


def test_layers_have_bits_of_their_own(tmp_path):
    path = real_ends(tmp_path / "m.onnx", 4)

    def sizes(bits):
        net = bitweir.load(path, input_scale="1", input_range="0:15", weight_bits=bits, compare=False)
        layers = {layer.name: layer for layer, _, _ in net.network.placed()}
        return [bits_of(layers[name]) for name in ("conv0", "dense0")]

    assert sizes("conv0=4,dense0=12") == [4, 12]
    assert sizes({"dense0": 3, "conv0": 5}) == [5, 3]
    # Names in the file do as well, and a number is for all that are not named.
    assert sizes("8,n1=4") == [4, 8]


def test_what_is_not_rounded_is_refused(tmp_path):
    path = real_ends(tmp_path / "m.onnx", 4)
    with pytest.raises(ModelError, match="^Node MatMul 'n.*' must have binary weights"):
        bitweir.load(path, input_scale="1", weight_bits={"conv0": 8})
    with pytest.raises(ModelError) as caught:
        bitweir.load(path, input_scale="1", weight_bits="8,conv1=8")
    assert str(caught.value) == (
        "The bits of weights are given for 'conv1', which is no layer with real weights; such layers are: conv0, "
        "dense0."
    )


def test_networks_without_real_weights_stay_as_they_are(tmp_path):
    plain, asked = bitweir.load("digits"), bitweir.load("digits", weight_bits=8)
    assert plain.network.notes == asked.network.notes and asked.comparison.originals == ()
    plain.save(tmp_path / "a.npz")
    asked.save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with pytest.raises(ModelError) as caught:
        bitweir.load(tmp_path / "a.npz", weight_bits="conv0=8")
    assert str(caught.value) == (
        "The bits of weights are given for 'conv0', which is no layer with real weights; the model has no such layer: "
        "leave them out."
    )


def test_what_is_told(tmp_path):
    network = tmp_path / "net.npz"
    told = json.loads(
        run("import", DOREFA, "-o", network, *INPUT, "--weight-bits", "8", "--images", IMAGES, "--json").stdout
    )
    validate(told, schema())
    assert told["notes"][-1] == (
        "Approximate: the real weights of conv0 (8 bits, off by 0.0028 of their size), dense0 (8 bits, off by 0.0042 "
        "of their size) are rounded to whole numbers times a scale for each output. The network equals the model with "
        "these weights; how far that agrees with the model file is measured on images or drawn inputs, and no bound "
        "of it is known."
    )
    (original,) = told["comparison"]["originals"]
    assert original == {
        "model": str(DOREFA), "codes": 259200, "codes_differ": 2121, "results_differ": 1,
        "accuracy": pytest.approx(347 / 360),
    }  # fmt: skip
    net = bitweir.load(DOREFA, input_scale="1/16", input_range=(0, 16), weight_bits=8)
    with np.load(IMAGES) as file:
        summary = net.compare(file["x"]).summary
    assert summary.startswith("Compared with 'dorefa.onnx' (in ONNX Runtime ")
    assert summary.endswith(
        ") with rounded weights on 360 images: 259,200 codes and the order of all scores are equal. With the weights "
        "of 'dorefa.onnx' itself, the classes are equal on 359 of 360 images; 2,121 of 259,200 codes differ (0.82%)."
    )


def test_a_wrong_network_of_rounded_weights_is_refused(tmp_path, monkeypatch):
    """Rounding excuses nothing but itself: the network must equal the model with the rounded weights."""
    path = real_ends(tmp_path / "m.onnx", 5)
    rounded = importer.with_rounded_weights

    def damaged(*given):
        """The importer reads other weights than the executor."""
        model = rounded(*given)
        other = onnx.ModelProto()
        other.CopyFrom(model)
        damaged.models.append(model)
        for tensor in other.graph.initializer:
            if tensor.name == "rounded_weights_0":
                array = onnx.numpy_helper.to_array(tensor).copy()
                array[0, 0, 0] = -array[0, 0, 0]
                tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))
        return other

    damaged.models = []
    monkeypatch.setattr(importer, "with_rounded_weights", damaged)
    net = bitweir.load(path, input_scale="1", input_range="0:15", weight_bits=8, compare=False)
    net.imported.members[0].taps.rounded.model.CopyFrom(damaged.models[0])
    found = net.compare(frames(0))
    assert found.difference.startswith("The network must compute what model file 'm.onnx' computes, but ")


def keras_model(path):
    model = Model((6, 6, 2), 1)
    model("Conv2D", weights={"kernel": model.latent(3, 3, 2, 4)}, kernel_size=[3, 3], use_bias=False, name="first")
    model.norm(4)
    model.conv(4, 5, 3, 3, input_quantizer="ste_sign")
    model.norm(5)
    model("Activation", activation="ste_sign")
    model("Flatten")
    kernel, bias = model.latent(20, 3), model.latent(3)
    model("Dense", weights={"kernel": kernel, "bias": bias}, use_bias=True, name="last")
    return model.save(path)


@pytest.mark.parametrize("name", ["m.h5", "m.keras"])
def test_keras_models(tmp_path, name):
    path = keras_model(tmp_path / name)
    with pytest.raises(ModelError, match="^Layer Conv2D 'first' must have quantised weights"):
        bitweir.load(path, input_scale="1/15", input_range="0:15")
    net = bitweir.load(path, input_scale="1/15", input_range="0:15", weight_bits={"first": 6, "dense0": 9})
    assert net.comparison.agreements[0].agrees and net.comparison.originals[0].ran
    layers = {layer.name: layer for layer, _, _ in net.network.placed()}
    assert [bits_of(layers[name]) for name in ("conv0", "dense0")] == [6, 9]
    assert "the real weights of conv0 (6 bits, off by 0.0" in net.network.notes[-1]


def test_a_network_of_rounded_weights_runs_in_gateware(tmp_path):
    net = bitweir.load(DOREFA, input_scale="1/16", input_range=(0, 16), weight_bits=8, compare=False)
    design = bitweir.generate(net, tmp_path / "design", family="ecp5")
    with np.load(IMAGES) as file:
        simulated = design.simulate(file["x"][:6])
    assert simulated.images == 6 and simulated.mismatches == 0


def test_votes_of_rounded_networks(tmp_path):
    paths = [real_ends(tmp_path / f"m{seed}.onnx", seed) for seed in (1, 2)]
    net = bitweir.load(*paths, input_scale="1", input_range="0:15", weight_bits=8, vote=True)
    assert net.comparison.difference is None and len(net.comparison.originals) == 2
