"""ONNX import of convolutional and residual networks made here, against ONNX Runtime."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from bitweir.importers import ModelError, load_model
from bitweir_hw.network import BIPOLAR, Conv, Dense, Format, Parallel, Threshold
from bitweir_sim.values.encoding import encode
from bitweir_sim.values.fast import run
from bitweir_sim.values.golden import trace
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import numpy_helper
from support.onnxgraphs import C, Graph, H, W, agree, names, runtime

# ---- convolutions

WINDOWS = {
    "plain": {},
    "stride": {"strides": [2, 1]},
    "pads": {"pads": [1, 1, 1, 1]},
    "uneven pads": {"pads": [2, 0, 1, 1], "strides": [2, 2]},
    "same upper": {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
    "same lower": {"auto_pad": "SAME_LOWER", "strides": [2, 2]},
    "valid": {"auto_pad": "VALID"},
}


@pytest.mark.parametrize("window", WINDOWS)
def test_windows_of_convolutions(tmp_path, window):
    """Pixels of 8 bits feed the first convolution, signs the second, both with zeros around the map."""
    g, attributes = Graph(), WINDOWS[window]
    x = g.op("Conv", "x", g.signs(4, C, 3, 3), **attributes)
    x = g.sign(g.norm(x, 4, 20))
    x = g.sign(g.norm(g.op("Conv", x, g.signs(6, 4, 3, 2), g.rng.normal(size=6), pads=[1, 0, 2, 1]), 6))
    shape = runtime(g.save(tmp_path / "part.onnx", x), np.zeros((1, C, H, W), np.float32))[0].shape
    net = agree(g.save(tmp_path / "net.onnx", g.scores(x, int(np.prod(shape)))))
    assert names(net) == "conv0 conv1 dense0"
    assert net.input.map_shape == (H, W, C) and net.input.format == Format(bits=8)
    assert net.layers[0].output == BIPOLAR and net.layers[0].pad_value == 0
    assert net.placed()[1][2].shape == (shape[2], shape[3], 6)


@pytest.mark.parametrize("groups", [2, 4])
def test_groups(tmp_path, groups):
    """Grouped, and depthwise with two filters a channel."""
    g = Graph(1)
    x = g.sign(g.norm(g.start(4, 2, 2), 4, 20))
    x = g.sign(g.norm(g.op("Conv", x, g.signs(8, 4 // groups, 3, 3), group=groups, pads=[1, 1, 1, 1]), 8))
    net = agree(g.save(tmp_path / "net.onnx", g.scores(x, 8 * 6 * 5)))
    assert net.layers[1].groups == groups and net.layers[1].weights.shape == (8, 3, 3, 4 // groups)


def test_scales_of_filters_and_norms_fused_into_them(tmp_path):
    g = Graph(2)
    latent = g.const(g.rng.normal(size=(4, C, 3, 3)))
    alpha = g.op("ReduceMean", g.op("Abs", latent), g.const([1, 2, 3], np.int64), keepdims=1)
    x = g.op("Conv", "x", g.op("Mul", g.op("Sign", latent), alpha))
    x = g.sign(g.op("Add", x, g.rng.normal(scale=3, size=(1, 4, 1, 1))))
    fused = g.signs(6, 4, 3, 3) * g.rng.normal(size=(6, 1, 1, 1))
    x = g.sign(g.op("Conv", x, fused, g.rng.normal(size=6)))
    net = agree(g.save(tmp_path / "net.onnx", g.scores(x, 6 * 3 * 2)))
    assert net.layers[1].weights.dtype == np.bool_


@pytest.mark.parametrize("low", [-1, 0])
def test_zeros_around_codes_of_zero_and_one(tmp_path, low):
    """What a pad means on the stream depends on what the codes mean: 0 is code 0 of {0, 1}, no code of {-1, 1}."""
    g = Graph(3)
    x = g.start(3, 3, 3)
    x = g.op("Where", g.op("GreaterOrEqual", g.norm(x, 3, 20), 0.0), 1.0, float(low))
    x = g.sign(g.norm(g.op("Conv", x, g.signs(4, 3, 3, 3), pads=[1, 1, 1, 1]), 4))
    net = agree(g.save(tmp_path / "net.onnx", g.scores(x, 4 * 5 * 4)))
    assert net.layers[1].pad_value == (0 if low else -1)


@pytest.mark.parametrize(("pads", "value"), [([0, 0, 1, 1, 0, 0, 1, 1], 1.0), ([0, 0, 1, 0, 0, 0, 0, 2], -1.0)])
@pytest.mark.parametrize("own", [[0, 0, 0, 0], [1, 1, 1, 1]])
def test_borders(tmp_path, pads, value, own):
    """Pad nodes go into the next convolution; two different borders around one map do not."""
    g = Graph(4)
    x = g.sign(g.norm(g.start(3, 3, 3), 3, 20))
    x = g.op("Pad", x, g.const(pads, np.int64), g.const(value))
    x = g.op("Conv", x, g.signs(4, 3, 4, 4), pads=own)
    path = g.save(tmp_path / "net.onnx", g.scores(x, int(np.prod((4, *(5 + sum(pads[2::4]) - 3 + 2 * own[0],))))))
    if any(own):
        with pytest.raises(
            ModelError, match=rf"^Node Conv 'n6' must not pad with zeros a map that has a border of {value:g}\.$"
        ):
            load_model(path, input_scale="1")
        return
    rows, columns = 5 + pads[2] + pads[6] - 3, 4 + pads[3] + pads[7] - 3
    g.nodes = g.nodes[:-2]
    net = agree(g.save(tmp_path / "net.onnx", g.scores(g.sign(g.op("Add", x, 0.5)), 4 * rows * columns)))
    assert net.layers[1].pad_value == value and net.layers[1].pads == (pads[2], pads[3], pads[6], pads[7])


def test_channels_last(tmp_path):
    """As TensorFlow exports: transposes around convolutions, a border before one, rows first in the flat vector."""
    g = Graph(5)
    x = g.op("Transpose", "x", perm=[0, 3, 1, 2])
    x = g.op("Transpose", g.norm(g.op("Conv", x, g.signs(3, C, 3, 3), pads=[1, 1, 1, 1]), 3, 20), perm=[0, 2, 3, 1])
    x = g.op("Pad", g.sign(x), g.const([0, 1, 1, 0, 0, 1, 1, 0], np.int64), g.const(1.0))
    x = g.op("Conv", g.op("Transpose", x, perm=[0, 3, 1, 2]), g.signs(4, 3, 3, 3))
    x = g.op("Reshape", g.op("Transpose", g.norm(x, 4), perm=[0, 2, 3, 1]), g.const([-1, 4 * H * W], np.int64))
    y = g.op("MatMul", g.sign(x), g.signs(4 * H * W, 5))
    net = agree(g.save(tmp_path / "net.onnx", y, ("N", H, W, C)))
    assert net.input.shape == net.input.map_shape == (H, W, C)
    assert (net.input.source == np.arange(H * W * C)).all()


def test_preprocessing_goes_into_codes(tmp_path):
    """One scale, an offset for each channel."""
    g = Graph(6)
    x = g.op("Div", g.op("Sub", "x", np.array([3.25, 5.5]).reshape(1, 2, 1, 1)), 4.0)
    x = g.sign(g.norm(g.op("Conv", x, g.signs(4, C, 3, 3)), 4))
    agree(g.save(tmp_path / "net.onnx", g.scores(x, 4 * 5 * 4)))


def test_a_centred_input_is_padded_with_its_zero(tmp_path):
    g = Graph(7)
    x = g.op("Sub", g.op("Mul", "x", 2.0), 15.0)
    x = g.sign(g.norm(g.op("Conv", x, g.signs(4, C, 3, 3), pads=[1, 1, 1, 1]), 4, 30))
    net = agree(g.save(tmp_path / "net.onnx", g.scores(x, 4 * H * W)))
    assert net.input.format == Format(bits=8, offset=-15, step=2) and net.layers[0].pad_value == 0


# ---- weights of more bits


@pytest.mark.parametrize("kind", ["ternary", "8 bits", "rounded scale", "dorefa", "a row of zeros"])
def test_weights_of_more_bits(tmp_path, kind):
    """A convolution and a dense layer whose weights are whole multiples of a scale for each output."""
    g = Graph(8)

    def weights(*shape: int) -> np.ndarray | str:
        whole = g.rng.integers(-1 if kind == "ternary" else -127, 2 if kind == "ternary" else 128, shape)
        column = (shape[0], *(1,) * (len(shape) - 1))
        if kind == "dorefa":
            latent = g.const(g.rng.normal(size=shape))
            half = g.op("Add", g.op("Div", g.op("Tanh", latent), 6.0), 0.5)
            return g.op("Sub", g.op("Mul", g.op("Div", g.op("Round", g.op("Mul", half, 7.0)), 7.0), 2.0), 1.0)
        if kind == "a row of zeros":
            whole[1] = 0
        scale = np.full(column, 0.25) if kind != "rounded scale" else g.rng.uniform(0.01, 0.1, column)
        return whole.astype(np.float32) * scale.astype(np.float32)

    x = g.sign(g.norm(g.op("Conv", "x", weights(4, C, 3, 3), pads=[1, 1, 1, 1]), 4))
    x = g.sign(g.norm(g.op("Gemm", g.op("Flatten", x), weights(9, 4 * H * W), transB=1), 9))
    net = agree(g.save(tmp_path / "net.onnx", g.scores(x, 9)))
    assert [layer.weights.dtype for layer in net.layers] == [np.int64, np.int64, np.bool_]
    top = {"ternary": 1, "dorefa": 7}.get(kind, 127)
    assert all(abs(layer.weights).max() <= top for layer in net.layers[:2])
    rounded = [note for note in net.notes if "float32 has rounded" in note]
    assert len(rounded) == (2 if kind == "dorefa" else 0)


def test_one_scale_of_all_classes_stays_one(tmp_path):
    """A row that could be divided further is not, so that the accumulators compare; the scale is left out."""
    g = Graph(24)
    whole = g.rng.integers(-127, 128, (5, 30))
    whole[2] = 2 * g.rng.integers(-20, 20, 30)
    g.tensors.append(numpy_helper.from_array(whole.astype(np.float32) * np.float32(0.0123), "w"))
    y = g.op("Gemm", g.sign(g.op("Sub", "x", 7.5)), "w", transB=1)
    net = load_model(g.save(tmp_path / "net.onnx", y, ("N", 30)), input_scale="1")
    (layer,) = net.layers
    assert isinstance(layer, Dense) and (layer.weights == whole).all()
    assert net.notes == (
        "The affine map after the last layer is one for all classes; it is left out, the class is the same.",
    )


# ---- pools


@pytest.mark.parametrize("place", ["sums", "norm", "codes", "relu"])
@pytest.mark.parametrize(
    "window", [{"kernel_shape": [2, 2], "strides": [2, 2]}, {"kernel_shape": [3, 2], "pads": [1, 0, 2, 1]}]
)
def test_max_pools_anywhere_before_the_next_layer(tmp_path, place, window):
    """Before a norm of negative slope, the smallest is wanted. In the end all of them pool codes."""
    g = Graph(9)
    x = g.start(8, 2, 3)
    x = g.op("MaxPool", x, **window) if place == "sums" else x
    x = g.norm(x, 8, 20)
    x = g.op("MaxPool", x, **window) if place == "norm" else x
    x = g.op("MaxPool", g.op("Relu", x), **window) if place == "relu" else x
    x = g.sign(g.op("Sub", x, 0.25))
    x = g.op("MaxPool", x, **window) if place == "codes" else x
    size = 8 * 3 * 2 if "strides" in window else 8 * 7 * 4
    net = agree(g.save(tmp_path / "net.onnx", g.scores(x, size)))
    assert names(net) == "conv0 pool0 dense0"
    assert (net.layers[1].least is not None) == (place == "sums")
    assert net.layers[0].output == BIPOLAR


@pytest.mark.parametrize("size", [5, 6, 7, 8])
@pytest.mark.parametrize("window", [(2, 2, 0), (3, 2, 1), (2, 3, 0), (3, 3, 1), (3, 2, 0), (1, 2, 0)])
def test_pools_that_round_up(tmp_path, size, window):
    """A last window that would start behind the map is none."""
    (kernel, stride, pad), shape = window, (1, size, size)
    g = Graph(10)
    x = g.op("MaxPool", "x", kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4, ceil_mode=1)
    frames = g.rng.integers(0, 256, (5, *shape), np.uint8)
    pooled = runtime(g.save(tmp_path / "part.onnx", x, ("N", *shape)), frames.astype(np.float32))[0].reshape(5, -1)
    net = load_model(g.save(tmp_path / "net.onnx", g.scores(x, pooled.shape[1]), ("N", *shape)), input_scale="1")
    assert (trace(net, encode(net.input, frames))["pool0"] == pooled).all()


@pytest.mark.parametrize("how", ["average", "global", "mean", "mean kept", "sum", "mean of codes", "channels last"])
def test_means_are_sums(tmp_path, how):
    g = Graph(11)
    x = g.norm(g.start(6, 2, 3), 6, 20)
    x = g.sign(x) if how in ("mean of codes", "average") else x
    axes = g.const([2, 3], np.int64)
    if how == "average":
        x = g.op("AveragePool", x, kernel_shape=[3, 2], strides=[3, 2])
    elif how == "global":
        x = g.op("GlobalAveragePool", x)
    elif how == "channels last":
        x = g.op("ReduceMean", g.op("Transpose", x, perm=[0, 2, 3, 1]), g.const([1, 2], np.int64), keepdims=0)
    else:
        x = g.op("ReduceSum" if how == "sum" else "ReduceMean", x, axes, keepdims=int(how == "mean kept"))
    x = g.sign(g.op("Sub", x, 0.3))
    net = agree(g.save(tmp_path / "net.onnx", g.scores(x, 6 * 4 if how == "average" else 6)))
    assert names(net).endswith("pool0 threshold0 dense0") and net.placed()[1][0].kind == "sum"


def test_scores_from_a_global_pool(tmp_path):
    """A network without dense layers: per-class offsets behind the pool."""
    g = Graph(12)
    x = g.sign(g.norm(g.start(4, 3, 3), 4, 20))
    x = g.op("Conv", x, g.signs(5, 4, 3, 3), g.rng.normal(scale=0.1, size=5))
    net = agree(g.save(tmp_path / "net.onnx", g.op("Flatten", g.op("GlobalAveragePool", x))), scores=False)
    assert names(net) == "conv0 conv1 pool0 scores"


def test_a_border_of_the_lowest_value_before_a_max_pool(tmp_path):
    g = Graph(13)
    x = g.sign(g.norm(g.start(3, 3, 3), 3, 20))
    x = g.op("Pad", x, g.const([0, 0, 1, 0, 0, 0, 0, 1], np.int64), g.const(-1.0))
    x = g.op("MaxPool", x, kernel_shape=[2, 2], strides=[2, 1])
    net = agree(g.save(tmp_path / "net.onnx", g.scores(x, 3 * 3 * 4)))
    assert net.layers[1].pads == (1, 0, 0, 1)


# ---- activations of more bits


def test_round_and_clip_is_a_quantiser(tmp_path):
    """DoReFa: ``round(clip(x, 0, 1) * 3) / 3``, and pooling of such codes."""
    g = Graph(14)

    def quantise(x: str) -> str:
        return g.op("Div", g.op("Round", g.op("Mul", g.op("Clip", x, 0.0, 1.0), 3.0)), 3.0)

    x = quantise(g.norm(g.start(6, 2, 3), 6, 20))
    x = g.op("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = quantise(g.norm(g.op("Conv", x, g.signs(4, 6, 2, 2), pads=[1, 1, 0, 0]), 4))
    net = agree(g.save(tmp_path / "net.onnx", g.op("Mul", g.scores(x, 4 * 3 * 2), 3.0)))
    assert [layer.output.bits for layer in net.layers if isinstance(layer, Conv)] == [2, 2]
    assert names(net) == "conv0 pool0 conv1 dense0"


# ---- sums


def test_exact_sums(tmp_path):
    """Codes as shortcuts: whole multiples of one number, so nothing is rounded."""
    g = Graph(15)
    x = g.sign(g.norm(g.start(4, 3, 3), 4, 20))
    y = g.op("Mul", g.op("Conv", x, g.signs(4, 4, 3, 3), pads=[1, 1, 1, 1]), 0.25)
    z = g.op("Conv", g.sign(g.op("Add", y, 0.3)), g.signs(4, 4, 3, 3), pads=[1, 1, 1, 1])
    s = g.sign(g.op("Add", g.op("Sub", g.op("Add", y, x), g.op("Mul", z, 0.5)), 0.1))
    net = agree(g.save(tmp_path / "net.onnx", g.scores(s, 4 * 5 * 4)))
    assert not any("Approximate" in note for note in net.notes)
    outer = next(layer for layer in net.layers if isinstance(layer, Parallel))
    assert len(outer.branches) == 2 and isinstance(net.layers[2], Threshold)
    # The first sum ends where its shortcut began, so the second one has no common point with it behind conv1.
    assert net.notes[-1] == "conv1: several branches need it, and each computes it."
    assert {"conv1", "conv1_2"} < set(names(net).split())


def test_a_sum_of_one_tensor_with_itself_needs_no_layer(tmp_path):
    g = Graph(16)
    x = g.start(4, 3, 3)
    x = g.sign(g.op("Sub", g.op("Add", g.norm(x, 4), g.op("Mul", x, 0.5)), 1.0))
    net = agree(g.save(tmp_path / "net.onnx", g.scores(x, 4 * 5 * 4)))
    assert names(net) == "conv0 dense0"


def test_bases_of_a_layer_meet_in_a_sum(tmp_path):
    """Two dense layers that read the same codes: the sum of both is the scores."""
    g = Graph(17)
    x = g.sign(g.op("Sub", g.op("Flatten", "x"), 7.5))
    y = g.op("Add", g.op("MatMul", x, g.signs(C * H * W, 5)), g.op("MatMul", x, g.signs(C * H * W, 5)))
    net = agree(g.save(tmp_path / "net.onnx", y))
    assert names(net) == "dense0 dense1 sum0" and [len(b) for b in net.layers[0].branches] == [1, 1]


def test_residual_blocks(tmp_path):
    """Real-valued shortcuts: three blocks, one of them with a pooled shortcut; in fixed point, all classes alike."""
    g = Graph(18)
    x = g.norm(g.op("Conv", "x", g.signs(6, C, 3, 3), pads=[1, 1, 1, 1]), 6, 20)
    for block in range(3):
        stride = 2 if block == 1 else 1
        y = g.op("Conv", g.sign(x), g.signs(6, 6, 3, 3), pads=[1, 1, 1, 1], strides=[stride, stride])
        x = g.op("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=0) if block == 1 else x
        x = g.op("Add", g.norm(y, 6), x)
    x = g.op("MatMul", g.op("Flatten", g.op("GlobalAveragePool", g.sign(x))), g.signs(6, 5))
    path = g.save(tmp_path / "net.onnx", g.norm(x, 5), ("N", C, 6, 6))
    net = load_model(path, input_scale="1")
    pixels = g.rng.integers(0, 16, (200, C, 6, 6), np.uint8)
    result = run(net, encode(net.input, pixels))
    assert (result.classes == runtime(path, pixels.astype(np.float32))[0].argmax(axis=1)).all()
    # The first sum has two streams, which are few enough to prove all of its signs.
    assert [(bound.layer, bound.of, bound.exact) for bound in net.bounds] == [
        ("sum0", "codes", True), ("sum1", "codes", False), ("sum2", "codes", False),
    ]  # fmt: skip
    assert all(0 < Fraction(bound.error) < 1e-3 for bound in net.bounds)
    assert [note for note in net.notes if note.startswith("Approximate")] == [b.sentence for b in net.bounds[1:]]
    assert len({layer.name for layer, _, _ in net.placed()}) == len(net.placed())
    assert all(abs(end) < 1 << 31 for layer, _, to in net.placed() for end in (to.low, to.high) if "sum" in layer.name)


@pytest.mark.parametrize("large", [1e5, 1e7])
def test_a_shortcut_that_is_far_larger(tmp_path, large):
    """What decides where the large one is 0 is kept, or the sum is refused."""
    g = Graph(19)
    x = g.op("Conv", "x", g.signs(4, C, 3, 3), pads=[1, 1, 1, 1])
    y = g.norm(g.op("Conv", g.sign(x), g.signs(4, 4, 3, 3), pads=[1, 1, 1, 1]), 4)
    x = g.sign(g.op("Add", g.op("Mul", x, large / 3), y))
    path = g.save(tmp_path / "net.onnx", g.scores(x, 4 * H * W))
    if large < 1e6:
        agree(path)
        return
    with pytest.raises(
        ModelError,
        match=r"^Node MatMul 'n10' must quantise sums that are known well enough, but those of sum0 may be off by 42 "
        r"and add a stream that ranges over 84.1 only: put a quantiser, such as a sign, between the sums before it, or "
        r"scale their branches by multiples of one number\.$",
    ):
        load_model(path, input_scale="1")


# ---- drawn networks


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_drawn_networks(tmp_path_factory, data):
    """Two or three convolutions of any window, groups and weights, with pools between, in any order."""
    g = Graph(data.draw(st.integers(0, 2**32 - 1)))
    channels, size, x = data.draw(st.integers(1, 3)), data.draw(st.tuples(*[st.integers(5, 8)] * 2)), "x"
    frame = (channels, *size)
    for layer in range(data.draw(st.integers(1, 3))):
        kernel = [data.draw(st.integers(1, min(3, side))) for side in size]
        stride = [data.draw(st.integers(1, 2)) for _ in size]
        pads = [data.draw(st.integers(0, k - 1)) for k in (*kernel, *kernel)]
        groups = data.draw(st.sampled_from([n for n in (1, 2, 3, 4) if channels % n == 0]))
        filters = groups * data.draw(st.integers(1, 3))
        weights = g.signs(filters, channels // groups, *kernel)
        if data.draw(st.booleans()):
            weights = weights * g.rng.integers(0, 4, weights.shape)
        x = g.op("Conv", x, weights, kernel_shape=kernel, strides=stride, pads=pads, group=groups)
        size = [(s + pads[a] + pads[a + 2] - kernel[a]) // stride[a] + 1 for a, s in enumerate(size)]
        channels = filters
        steps = [lambda x: g.norm(x, channels, 9 if layer else 30), lambda x: g.sign(g.op("Add", x, 0.125))]  # noqa: B023
        if data.draw(st.booleans()) and min(size) > 1:
            kernel = [data.draw(st.integers(1, min(3, side))) for side in size]
            pads = [data.draw(st.integers(0, k - 1)) for k in (*kernel, *kernel)]
            pool = {"kernel_shape": kernel, "pads": pads, "strides": [2, 2]}
            steps.insert(data.draw(st.integers(0, 2)), lambda x, pool=pool: g.op("MaxPool", x, **pool))
            size = [(s + pads[a] + pads[a + 2] - kernel[a]) // 2 + 1 for a, s in enumerate(size)]
        for step in steps:
            x = step(x)
    folder = tmp_path_factory.mktemp("drawn")
    path = g.save(folder / "net.onnx", g.scores(x, channels * size[0] * size[1]), ("N", *frame))
    net = load_model(path, input_scale="1")
    pixels = g.rng.integers(0, 32, (20, *frame), np.uint8)
    result = run(net, encode(net.input, pixels))
    assert (result.scores == runtime(path, pixels.astype(np.float32))[0]).all()


# ---- what is refused


def first(g: Graph) -> str:
    return g.sign(g.norm(g.start(4, 3, 3), 4, 20))
