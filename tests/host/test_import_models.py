"""Real trained networks of ``../shared/data``: classes and accumulators of every image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from bitweir.importers import ModelError, load_model
from bitweir_hw.network import BIPOLAR, Affine, Network
from bitweir_sim.encoding import encode
from bitweir_sim.fast import run
from shared_data import SHARED, mnist, needs_shared

pytestmark = needs_shared
DATA = SHARED / "data"


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
    assert net.name == file and net.input.pixel_scale == (scale or "1")
    if "1W1A" in file:
        assert {net.input.format, *(layer.output for layer in net.layers[:-1])} == {BIPOLAR}


def without_scores(net: Network) -> Network:
    return replace(net, layers=net.layers[:-1]) if isinstance(net.layers[-1], Affine) else net


DENSE = [
    f"{net}.{form}.onnx"
    for net, forms in (
        ("a2_mlp_w1a1_in8", ("qonnx", "dynamo.qonnx", "clean")),
        ("c2_mlp_w1a2_relu2u", ("qonnx", "dynamo.qonnx", "clean")),
        *((plain, ("ts", "dyn")) for plain in ("t1_signfunc", "t2b_clampdetach", "t5_bireal_approxsign")),
        ("t7_irnet_weightnorm", ("ts", "dyn")),
    )
    for form in forms
]


@pytest.mark.parametrize("file", DENSE)
def test_dense_digits_networks_of_8_bit_inputs(file):
    """Both exporters, batch norms fused or not. The importer knows more than the first hardware takes."""
    base = DATA / "digits" / file.split(".")[0]
    net = load_model(DATA / "digits" / file, input_scale="1/16")
    with np.load(f"{base}.npz") as data, np.load(f"{base}.exact.npz") as exact:
        images = data["x_u8"].reshape(-1, *net.input.shape)
        codes = encode(net.input, images)
        assert (encode(net.input, data["x_f32"].reshape(images.shape)) == codes).all()
        assert (run(without_scores(net), codes).scores == exact["acc_int"]).all()
        result = run(net, codes)
        assert (result.classes == exact["exact_argmax"]).all()
        assert (result.classes == data["ref_argmax"]).all()
        order = np.argsort(-exact["exact_scores"], axis=1, kind="stable")
        assert (np.argsort(-result.scores, axis=1, kind="stable") == order).all()


@pytest.mark.parametrize("net", ["b1_cnn_w1a1_pad0_poolfirst", "d_bireal", "e_mixed_w8first_w8last"])
def test_convolutions_are_refused_with_the_node(net):
    with pytest.raises(
        ModelError, match=r"^Node Conv 'Conv_0' needs convolution, which is not yet supported: only dense"
    ):
        load_model(DATA / "digits" / f"{net}.clean.onnx")


def test_a_first_layer_of_many_bits_asks_what_a_pixel_is():
    with pytest.raises(
        ModelError, match=r"takes the input of the model as it is, without a quantiser: say what a pixel"
    ):
        load_model(DATA / "digits" / "t1_signfunc.dyn.onnx")
