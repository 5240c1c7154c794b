"""Values one after the other along an axis, as in DenseNets, and larger maps, as in U-Nets, against the runtime."""

from __future__ import annotations

import re

import bitweir
import numpy as np
import pytest
from bitweir.importers import ModelError, load_model
from bitweir_hw.network import BIPOLAR, Concat, Format
from bitweir_sim.simulators.compiled import compiler_missing
from support.onnxgraphs import Graph, agree, names, runtime


def first(g: Graph, channels: int = 4) -> str:
    """Signs of a map of 6 x 5 pixels."""
    return g.sign(g.norm(g.start(channels, 2, 2), channels, 20))


def sums(g: Graph, x: str, before: int, channels: int, size: int = 3) -> str:
    pads = [size // 2] * 4
    return g.norm(g.op("Conv", x, g.signs(channels, before, size, size), pads=pads), channels)


def levels(g: Graph, x: str, top: float) -> str:
    return g.op("Clip", g.op("Round", g.op("Mul", x, 0.5)), g.const(0.0), g.const(top))


@pytest.mark.parametrize("newest_first", [False, True])
def test_dense_blocks_compute_nothing_twice(tmp_path, newest_first):
    """Each layer takes the results of all layers before it, which is a Concat of the last Concat and one branch."""
    g = Graph(1)
    features, channels = [first(g)], 4
    for growth in (3, 2, 4):
        x = features[0] if len(features) == 1 else g.op("Concat", *features, axis=1)
        new = g.sign(sums(g, x, channels, growth))
        features, channels = [new, *features] if newest_first else [*features, new], channels + growth
    x = g.op("Concat", *features, axis=1)
    net = agree(g.save(tmp_path / "net.onnx", g.scores(x, channels * 30)))
    assert names(net) == "conv0 conv1 concat0 conv2 concat1 conv3 concat2 dense0"
    assert not any("several branches" in note for note in net.notes)
    assert net.placed()[-2][2].shape == (6, 5, 13)


def test_sums_of_different_scales(tmp_path):
    """Accumulators, each channel with its slope and offset, behind which the thresholds stand."""
    g = Graph(2)
    x = first(g)
    joined = g.op("Concat", sums(g, x, 4, 3), g.op("Mul", sums(g, x, 4, 2, 1), 0.3), x, axis=1)
    net = agree(g.save(tmp_path / "net.onnx", g.scores(g.sign(g.norm(joined, 9)), 9 * 30)))
    assert [end.format for layer, _, end in net.placed() if isinstance(layer, Concat)] == [None]


def test_sums_behind_relu(tmp_path):
    g = Graph(3)
    x = first(g)
    joined = g.op("Concat", *(g.op("Relu", sums(g, x, 4, n)) for n in (3, 2)), axis=1)
    agree(g.save(tmp_path / "net.onnx", g.scores(g.sign(g.norm(joined, 5)), 5 * 30)))


def test_codes_of_other_meaning_and_bits(tmp_path):
    """Signs take the offset and step of the two-bit codes; a max pool between is no hindrance."""
    g = Graph(21)
    x = first(g)
    wide = g.op("MaxPool", levels(g, sums(g, x, 4, 3), 3.0), kernel_shape=[2, 1], pads=[1, 0, 0, 0])
    near = g.op("MaxPool", g.sign(sums(g, x, 4, 2)), kernel_shape=[2, 1], pads=[1, 0, 0, 0])
    y = g.sign(sums(g, g.op("Concat", wide, near, axis=1), 5, 4))
    net = agree(g.save(tmp_path / "net.onnx", g.scores(y, 4 * 30)))
    (joined,) = [end.format for layer, _, end in net.placed() if isinstance(layer, Concat)]
    assert joined == Format(bits=2)
    conv = net.placed()[-2][0]
    assert conv.output == BIPOLAR


def test_the_input_itself(tmp_path):
    """Pixels beside codes that are made of them."""
    g = Graph(5)
    x = g.op("Sub", "x", 7.5)
    y = g.sign(g.norm(g.op("Conv", x, g.signs(3, 2, 3, 3), pads=[1, 1, 1, 1]), 3, 20))
    z = g.sign(g.norm(g.op("Conv", g.op("Concat", x, y, axis=1), g.signs(4, 5, 3, 3)), 4, 20))
    net = agree(g.save(tmp_path / "net.onnx", g.scores(z, 4 * 5 * 4)))
    assert next(layer for layer in net.layers if isinstance(layer, Concat)).branches[0] == ()


def test_a_value_beside_itself(tmp_path):
    g = Graph(6)
    x = first(g)
    y = g.sign(sums(g, g.op("Concat", x, x, axis=1), 8, 3))
    net = agree(g.save(tmp_path / "net.onnx", g.scores(y, 3 * 30)))
    assert next(layer for layer in net.layers if isinstance(layer, Concat)).branches == ((), ())


def test_parts_of_one_value_need_no_layer(tmp_path):
    """Channels in another order, as a shuffle puts them, go into the weights behind."""
    g = Graph(7)
    x = first(g)
    cut = [g.op("Slice", x, *(g.const([n], np.int64) for n in (at, at + 2, 1))) for at in (0, 2)]
    y = g.sign(sums(g, g.op("Concat", *cut[::-1], axis=1), 4, 3))
    net = agree(g.save(tmp_path / "net.onnx", g.scores(y, 3 * 30)))
    assert names(net) == "conv0 conv1 dense0"


@pytest.mark.parametrize("axis", [1, 2, -1])
def test_flat_vectors_and_other_axes(tmp_path, axis):
    """In front of a dense layer any order of the elements will do."""
    g = Graph(8)
    x = first(g)
    maps = [g.sign(sums(g, x, 4, 3)), g.sign(sums(g, x, 4, 3))]
    parts = [g.op("Flatten", one) for one in maps] if axis == 1 else maps
    agree(g.save(tmp_path / "net.onnx", g.scores(g.op("Concat", *parts, axis=axis), 6 * 30)))


RESIZED = {
    "floor": {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
    "default": {},
    "half pixel": {"coordinate_transformation_mode": "half_pixel", "nearest_mode": "round_prefer_ceil"},
    "pytorch": {"coordinate_transformation_mode": "pytorch_half_pixel"},
}


@pytest.mark.parametrize("factors", [(2, 2), (3, 1), (1, 4)])
@pytest.mark.parametrize("way", RESIZED)
@pytest.mark.parametrize("sizes", [False, True])
def test_pixels_several_times(tmp_path, factors, way, sizes):
    g = Graph(9)
    x = g.norm(g.op("Conv", first(g), g.signs(3, 4, 3, 3), strides=[2, 2]), 3)  # 2 x 2
    wanted = ["", g.const([2 * factor for factor in factors], np.int64)] if sizes else [g.const(factors)]
    x = g.op("Resize", g.sign(x), "", *wanted, mode="nearest", axes=[2, 3], **RESIZED[way])
    shape = 2 * factors[0], 2 * factors[1]
    y = g.sign(sums(g, x, 3, 4))
    net = agree(g.save(tmp_path / "net.onnx", g.scores(y, 4 * shape[0] * shape[1])))
    assert names(net) == "conv0 conv1 upsample0 conv2 dense0"
    assert net.layers[2].factors == factors


def test_the_older_operator(tmp_path):
    g = Graph(10, opset=9)
    x = g.op("Where", g.op("Greater", g.norm(g.start(4, 2, 2), 4, 20), 0.0), 1.0, -1.0)
    x = g.op("Upsample", x, g.const([1, 1, 2, 3]), mode="nearest")
    y = g.op("MaxPool", x, kernel_shape=[2, 3], strides=[2, 3])
    net = agree(g.save(tmp_path / "net.onnx", g.scores(y, 4 * 30)))
    assert names(net) == "conv0 upsample0 pool0 dense0"


def test_thresholds_go_before_the_pixels_are_repeated(tmp_path):
    g = Graph(11)
    x = g.op("Conv", g.op("Sub", "x", 7.5), g.signs(3, 2, 3, 3), strides=[2, 2])  # 3 x 2
    x = g.op("Resize", x, "", g.const([1, 1, 2, 2]), mode="nearest", **RESIZED["floor"])
    net = agree(g.save(tmp_path / "net.onnx", g.scores(g.sign(g.norm(x, 3, 20)), 3 * 24)))
    assert net.layers[0].output == BIPOLAR


@pytest.mark.skipif(compiler_missing() is not None, reason=str(compiler_missing()))
def test_a_decoder_with_a_skip_in_simulation(tmp_path):
    """As in a U-Net: a smaller map, made as large as before, beside the map that was there; from file to Verilog."""
    g = Graph(22)
    skip = first(g)  # 6 x 5
    small = g.op("MaxPool", skip, kernel_shape=[2, 5], strides=[2, 5])  # 3 x 1
    deep = g.sign(sums(g, small, 4, 6))
    large = g.op("Resize", deep, "", g.const([1, 1, 2, 5]), mode="nearest", **RESIZED["floor"])
    y = g.sign(sums(g, g.op("Concat", large, skip, axis=1), 10, 3))
    path = g.save(tmp_path / "net.onnx", g.scores(y, 3 * 30))
    net = agree(path)
    assert names(net) == "conv0 pool0 conv1 upsample0 concat0 conv2 dense0"
    model = bitweir.load(path, input_scale="1")
    assert model.comparison is not None and model.comparison.difference is None
    images = np.random.default_rng(2).integers(0, 16, (20, *net.input.shape), np.uint8)
    expected = runtime(path, images.astype(np.float32))[0]
    found = bitweir.generate(model, tmp_path / "build", fps=50e3).simulate(images)
    assert found.mismatches == 0 and len(found.result.scores) == len(images)
    assert np.array_equal(found.result.classes, expected.argmax(axis=1))
    assert len(np.unique(found.result.classes)) > 1


# ---- refused


def refused(g: Graph, y: str, inputs: int, folder) -> str:
    path = g.save(folder / "net.onnx", g.scores(y, inputs))
    with pytest.raises(ModelError) as error:
        load_model(path, input_scale="1")
    return str(error.value)


def test_maps_of_other_sizes_are_refused(tmp_path):
    g = Graph(12)
    x = first(g)
    y = g.sign(g.norm(g.op("Conv", x, g.signs(3, 4, 2, 2)), 3))
    z = g.op("Concat", g.op("Flatten", x), g.op("Flatten", y), axis=1)
    assert refused(g, z, 4 * 30 + 3 * 20, tmp_path) == (
        "Node Concat 'n11' must join what comes from maps of the same rows and columns, not of 6 x 5 and 5 x 4: pool "
        "or upsample one of them, or give each a dense layer of its own and add the results, since "
        "dense(concat(a, b)) = dense_a(a) + dense_b(b)."
    )


def test_a_constant_is_refused(tmp_path):
    g = Graph(13)
    z = g.op("Concat", first(g), g.const(np.zeros((1, 2, 6, 5))), axis=1)
    assert refused(g, z, 6 * 30, tmp_path) == (
        "Node Concat 'n5' cannot be folded: it joins constants to what depends on the image: leave them out, or give a "
        "layer a bias."
    )


def test_a_clip_of_some_is_refused(tmp_path):
    g = Graph(14)
    x = first(g)
    z = g.op("Concat", g.op("Relu", sums(g, x, 4, 3)), sums(g, x, 4, 2), axis=1)
    assert refused(g, g.sign(z), 5 * 30, tmp_path).startswith(
        "Node Concat 'n10' must join values behind the same operations, but only some come out of a ReLU or clip: put "
        "a quantiser before the node."
    )


@pytest.mark.parametrize(
    ("scales", "attributes", "told"),
    [
        (
            [1, 1, 2, 2],
            {"mode": "linear"},
            "its mode must be nearest, not linear, which mixes pixels: use nearest",
        ),
        (
            [1, 1, 1.5, 2],
            {},
            "it must make a map whole times as large, not 1 x 1 x 3/2 x 2 times: use whole scales",
        ),
        (
            [1, 1, 0.5, 2],
            {},
            "it must make a map whole times as large, not 1 x 1 x 1/2 x 2 times: use whole scales",
        ),
        ([1, 2, 2, 2], {}, "it must repeat rows and columns, not frames or channels: scale the axes of the map alone"),
        (
            [1, 1, 4, 4],
            {"coordinate_transformation_mode": "asymmetric"},
            "it must repeat each pixel as often as all others, but with asymmetric and round_prefer_floor it does not: "
            "export it with asymmetric and floor, as Upsample(mode='nearest') does",
        ),
        (
            [1, 1, 2, 2],
            {"coordinate_transformation_mode": "tf_crop_and_resize"},
            "its coordinates must be those of the whole map, not tf_crop_and_resize with round_prefer_floor: export it "
            "with asymmetric and floor, as Upsample(mode='nearest') does",
        ),
    ],
)
def test_other_sizes_are_refused(tmp_path, scales, attributes, told):
    g = Graph(15)
    x = g.op("Resize", first(g), "", g.const(scales), **{"mode": "nearest", **attributes})
    assert re.search(rf"^Node Resize 'n5' cannot be folded: {re.escape(told)}", refused(g, x, 480, tmp_path))
