"""Real trained networks of ``../shared/data``: classes and accumulators of every image."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import onnx
import pytest
from bitweir.importers import ModelError, load_model
from bitweir_hw.network import BIPOLAR, Affine, Conv, Dense, Network, Stored
from bitweir_sim.values.encoding import encode
from bitweir_sim.values.fast import run
from bitweir_sim.values.golden import trace, weight_values
from onnx import numpy_helper
from support.shared_data import DATA, mnist, needs_shared

pytestmark = needs_shared


@pytest.mark.parametrize(
    ("file", "golden", "scale", "accuracy"),
    [
        ("TFC_1W1A", "tfcW1A1", "1/255", 0.9296),
        ("TFC_1W1A_finn_dataflow", "tfcW1A1", None, 0.9296),
        ("SFC_1W1A_zybo", "sfcW1A1", "1/255", 0.9777),
        ("TFC_1W2A", "tfcW1A2", "1/255", 0.9474),
    ],
)
def test_mnist_networks(file, golden, scale, accuracy):
    net = load_model(DATA / "models" / f"{file}.onnx", input_scale=scale)
    images, labels = mnist()
    result = run(net, encode(net.input, images.reshape(-1, *net.input.shape)))
    with np.load(DATA / "golden" / f"{golden}_mnist.npz") as expected:
        assert (result.scores == expected["acc"]).all()
        assert (result.classes == expected["pred"]).all()
    assert (result.classes == labels).mean() == pytest.approx(accuracy)
    assert net.name == file and net.input.stored == Stored(scale=(scale or "1",))
    if "1W1A" in file:
        assert {net.input.format, *(layer.output for layer in net.layers[:-1])} == {BIPOLAR}


def digits_files() -> list[str]:
    folder = DATA / "digits"
    return sorted(path.name for path in folder.glob("*.onnx")) if folder.is_dir() else []


@pytest.mark.parametrize("file", digits_files())
def test_digits_networks(file):
    """Each exporter's form of each network; classes, accumulators and thresholds of all of them."""
    base = DATA / "digits" / file.split(".")[0]
    larq = file.startswith("l")
    net = load_model(DATA / "digits" / file, input_scale="int8" if larq else "1/16")
    with np.load(f"{base}.npz") as data:
        images, pixels = data["x_f32"].reshape(-1, *net.input.shape), data["x_u8"].reshape(-1, *net.input.shape)
        expected, accumulators = data["ref_argmax"], data.get("ref_acc_int")
    codes = encode(net.input, images)
    assert larq or (encode(net.input, pixels) == codes).all()
    result, outputs = run(net, codes), trace(net, codes)
    assert (result.classes == expected).all()
    assert (outputs[net.layers[-1].name].reshape(result.scores.shape) == result.scores).all()
    assert [bound.layer for bound in net.bounds] == (["sum0", "pool0"] if file.startswith("d_bireal") else [])
    if net.bounds:
        return
    path = Path(f"{base}.exact.npz")
    if path.is_file():
        with np.load(path) as exact:
            accumulators = exact["acc_int"]
            assert (result.classes == exact["exact_argmax"]).all()
            order = np.argsort(-exact["exact_scores"], axis=1, kind="stable")
            assert (np.argsort(-result.scores, axis=1, kind="stable") == order).all()
            check_thresholds(net, [exact[f"thr{k}"] for k in range(sum(name[:3] == "thr" for name in exact))])
    last = net.layers[-2] if isinstance(net.layers[-1], Affine) else net.layers[-1]
    sums = outputs[last.name].reshape(accumulators.shape)
    # Rows of a negative slope are inverted, and so are their sums.
    signs = np.where((sums == accumulators).all(axis=0), 1, -1)
    assert (signs * sums == accumulators).all()
    assert "neggamma" in file or (signs == 1).all()


def check_thresholds(net: Network, tables: list[np.ndarray]) -> None:
    """Thresholds equal those of another importer: rows of a slope and of T, for ``slope * acc >= slope * T``."""
    layers = [
        (layer, source)
        for layer, source, _ in net.placed()
        if isinstance(layer, (Dense, Conv)) and layer.thresholds is not None
    ]
    each = len(tables) // len(layers)
    for place, (layer, source) in enumerate(layers):
        weights = weight_values(layer).reshape(layer.outputs, -1)
        positive, negative = (np.maximum(w, 0).sum(axis=1) for w in (weights, -weights))
        low, high = positive * source.low - negative * source.high, positive * source.high - negative * source.low
        levels = layer.thresholds.shape[1]  # a Sign that never sees 0 has one, the table two
        for ours, table in zip(layer.thresholds.T, tables[place * each :][:levels], strict=True):
            slope, cut = table.T
            assert (np.clip(ours, low, high + 1) == np.clip(slope * cut, low, high + 1)).all()


def test_sums_in_fixed_point_have_the_signs_of_real_numbers():
    """Bi-Real Net: signs of the first sum against float64, for all images and pixels."""
    path = DATA / "digits" / "d_bireal.qonnx.onnx"
    net = load_model(path, input_scale="1/16")
    with np.load(DATA / "digits" / "d_bireal.npz") as data:
        outputs = trace(net, encode(net.input, data["x_f32"]))
    tensors = {
        tensor.name: numpy_helper.to_array(tensor).astype(np.float64) for tensor in onnx.load(path).graph.initializer
    }
    total = 0
    for name, norm, unit in (("conv0", "b0", 2**-7), ("conv1", "b.0", 1)):
        gamma, beta, mean, var = (tensors[f"{norm}.{p}"] for p in ("weight", "bias", "running_mean", "running_var"))
        sums = outputs[name].reshape(-1, 16) * unit
        total = total + gamma * (sums - mean) / np.sqrt(var + float(np.float32(1e-5))) + beta
    codes = outputs["threshold1"].reshape(-1, 16)
    assert codes.size == 360 * 64 * 16 and (codes == (total >= 0)).all()
    first, pooled = net.bounds
    assert (first.layer, pooled.layer) == ("sum0", "pool0")
    assert Fraction(first.error) < 1e-6 and Fraction(pooled.error) < 1e-5
    assert first.exact and not pooled.exact and pooled.closest is None
    assert abs(total).min() > float(Fraction(first.closest))
    assert net.notes[-2:] == (
        "sum0: its integers stand for real numbers and are off by at most 9.5e-07, but no value that can occur is as "
        "near to a threshold as that in its channel: every code is exact.",
        "Approximate: a code of pool0 is right wherever the real value is more than 6.5e-06 from its threshold; "
        "in channels that are off at all, the closest distance that can occur is not known.",
    )


def test_cifar10_convolutions():
    net = load_model(DATA / "models" / "cnvW1A1_cifar10_multithreshold.onnx", input_scale="int8")
    with (
        np.load(DATA / "sets" / "cifar10_test300.npz") as images,
        np.load(DATA / "models" / "cnvW1A1_cifar10.npz") as table,
    ):
        frames = table["input_lut"][images["x"]].astype(np.float32)
    result = run(net, encode(net.input, frames))
    with np.load(DATA / "golden" / "cnvW1A1_cifar10.npz") as expected:
        assert (result.scores == expected["acc"]).all() and (result.classes == expected["pred"]).all()
    assert net.input.map_shape == (32, 32, 3) and net.notes == ()
    kinds = "conv0 conv1 pool0 conv2 conv3 pool1 conv4 conv5 dense0 dense1 dense2"
    assert [layer.name for layer in net.layers] == kinds.split()


def test_a_first_layer_of_many_bits_asks_what_a_pixel_is():
    with pytest.raises(
        ModelError, match=r"takes the input of the model as it is, without a quantiser: say what a pixel"
    ):
        load_model(DATA / "digits" / "t1_signfunc.dyn.onnx")
