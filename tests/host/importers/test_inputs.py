"""Inputs of networks by rules: networks of drawn rules against exact fractions, and real files."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import onnx
import pytest
from bitweir.importers import ModelError, load_model
from bitweir.importers.inputs import stored_input
from bitweir_hw.errors import NetworkError
from bitweir_hw.files import digest, save_network
from bitweir_hw.network import Format, Network, Stored
from bitweir_sim.values.encoding import encode
from bitweir_sim.values.fast import run
from bitweir_sim.values.golden import run_slow, trace
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import numpy_helper
from support.onnxgraphs import Graph
from support.shared_data import DATA, FAULTS, cifar, needs_shared

IMPORT_FAULTS = FAULTS / "import"


DRAWN = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


# ---- networks, against float64


def reference(q: np.ndarray, stored: Stored, weights: np.ndarray, **window) -> np.ndarray:
    """Exact sums of a first layer, as fractions over one number: (N, M, H', W') int, and the number."""
    under = np.lcm.reduce([f.denominator for f in (*stored.scales, *stored.offsets)])
    lead = (-1,) + (1,) * (q.ndim - 2)
    scales, offsets = (
        np.array([int(f * under) for f in numbers], object).reshape(lead)
        if stored.places > 1
        else int(numbers[0] * under)
        for numbers in (stored.scales, stored.offsets)
    )
    x = q.astype(object) * scales + offsets
    return convolved(x, weights.astype(np.int64).astype(object), **window), int(under)


def convolved(x, weights, pads=(0, 0, 0, 0), stride=1, value=0):
    top, left, bottom, right = pads
    x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=value)
    kh, kw = weights.shape[2:]
    rows, columns = (x.shape[2] - kh) // stride + 1, (x.shape[3] - kw) // stride + 1
    total = 0
    for i in range(kh):
        for j in range(kw):
            tap = x[:, :, i : i + (rows - 1) * stride + 1 : stride, j : j + (columns - 1) * stride + 1 : stride]
            total = total + np.einsum("nchw,mc->nmhw", tap, weights[:, :, i, j])
    return total


FORMS = {
    "1/127.5-1": ("1/127.5-1", None),
    "x/255": ("x/255", None),
    "(x-33)/79": ("(x-33)/79", None),
    "0.0625": ("0.0625", "0:16"),
    "signed": (None, "-128:127"),
    "int5": ("int5", None),
    "0:16": (None, "0:16"),
    "bits": ("x/2-0.25", "0:1"),
    "wide": ("x/32768", "-32768:32767"),
    "falling": ("1-x/16", "0:16"),
    "negative": ("x/3", "-20:-7"),
    "one scale": ("(x-[33,40])/79", None),
    "small ratios": ("(x-[33,40])*[2,3]/79", None),
    "signs": ("[1,-1]*x", "-4:3"),
}


def codes_of_first_layer(g: Graph, tmp_path: Path, weights, shape, *, cuts, bias, **window):
    """A convolution, an offset a filter, a quantiser of some levels, and a last layer; its weights."""
    m = len(weights)
    x = g.op("Conv", "x", weights, **window)
    x = g.op("Add", x, bias.astype(np.float32).reshape(1, m, 1, 1))
    one = np.full((m, 1), 0, np.float32) + np.array(cuts, np.float32)
    x = g.op("MultiThreshold", x, one, domain="qonnx.custom_op.general", out_dtype="INT4")
    size = shape_of(shape, weights, **window)
    return g.save(tmp_path / "net.onnx", g.scores(x, m * size), ("N", *shape))


def shape_of(shape, weights, pads=(0, 0, 0, 0), strides=(1, 1)):
    sides = [
        (shape[axis + 1] + pads[axis] + pads[axis + 2] - weights.shape[axis + 2]) // strides[axis] + 1
        for axis in (0, 1)
    ]
    return sides[0] * sides[1]


def expected_codes(q, stored, weights, bias, cuts, **window):
    """Codes (N, H', W', M) of the exact sums."""
    value = window.pop("value", 0)
    sums, under = reference(q, stored, weights, value=value, **window)
    codes = 0
    for cut in cuts:
        wanted = np.array([Fraction(float(np.float32(cut))) - Fraction(float(np.float32(b))) for b in bias], object)
        codes = codes + (sums >= (wanted * under).reshape(1, -1, 1, 1)).astype(int)
    return codes.transpose(0, 2, 3, 1)


def first_codes(net: Network, codes: np.ndarray) -> np.ndarray:
    layer, _, result = next(one for one in net.placed() if one[2].format is not None)
    found = trace(net, codes)[layer.name].reshape(len(codes), *result.shape)
    assert (run(net, codes).scores == run_slow(net, codes).scores).all()
    return found


def drawn_integers(rng, stored: Stored, shape, frames=12):
    q = rng.integers(stored.low, stored.high + 1, (frames, *shape))
    q[0], q[1] = stored.low, stored.high
    return q


def spread(q, stored, weights, **window):
    sums, under = reference(q, stored, weights, **window)
    sums = (sums / under).astype(float)
    return sums.mean(axis=(0, 2, 3)), sums.std() + 0.01


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("padded", [False, True])
def test_each_form_in_a_first_layer(tmp_path, form, padded):
    scale, span = FORMS[form]
    g = Graph(seed=len(form) + padded)
    weights = g.signs(5, 2, 3, 3)
    shape, pads = (2, 5, 6), (1, 0, 1, 1) if padded else (0, 0, 0, 0)
    stored = stored_input(scale, span).along(shape, 0)
    q = drawn_integers(g.rng, stored, shape)
    mean, width = spread(q, stored, weights, pads=pads)
    bias, cuts = -mean + 0.013 * width, [0.1 * width]
    path = codes_of_first_layer(g, tmp_path, weights, shape, cuts=cuts, bias=bias, pads=list(pads))
    net = load_model(path, input_scale=scale, input_range=span)
    assert net.input.stored == stored and net.input.thresholds is None
    assert net.input.format.bits == (stored.levels - 1).bit_length()
    codes = encode(net.input, q)
    expected = expected_codes(q, stored, weights, bias, cuts, pads=pads)
    found = first_codes(net, codes)
    assert (found == expected).all() and len(np.unique(expected)) == 2
    # Floats, as a framework computes them in float32.
    lead = (-1, 1, 1) if stored.places > 1 else (1,)
    scales, offsets = (
        np.array([float(f) for f in numbers], np.float32).reshape(lead) for numbers in (stored.scales, stored.offsets)
    )
    assert (encode(net.input, q.astype(np.float32) * scales + offsets) == codes).all()
    assert (codes == (q - stored.low).transpose(0, 2, 3, 1).reshape(len(q), -1)).all()


@DRAWN
@given(
    st.fractions(min_value=Fraction(1, 20), max_value=3, max_denominator=400),
    st.fractions(min_value=-3, max_value=3, max_denominator=10_000),
    st.sampled_from([(0, 255), (0, 16), (-8, 7), (-128, 127), (0, 1), (3, 9)]),
    st.integers(1, 4),
    st.sampled_from([0, 0, 0, 0.3, -1]),
    st.integers(0, 2**32 - 1),
)
def test_padding_of_drawn_rules(tmp_path, scale, offset, ends, levels, value, seed):
    """Any padding: the windows at the edges, and quantisers of several levels, before and behind a pool."""
    stored = Stored.of((scale,), (offset,), *ends)
    g = Graph(seed=seed)
    kernel = g.rng.integers(2, 4, 2)
    pads = tuple(int(n) for n in (*g.rng.integers(0, kernel), *g.rng.integers(0, kernel)))
    strides = (int(g.rng.integers(1, 3)),) * 2
    shape, weights = (2, 5, 6), g.signs(4, 2, *kernel)
    q = drawn_integers(g.rng, stored, shape)
    window = {"pads": pads, "stride": strides[0]}
    mean, width = spread(q, stored, weights, **window)
    # A falling slope in every other filter.
    slopes = np.float32([1, -1, 0.5, -2])
    bias = np.float32(-mean + g.rng.normal(0, 0.3, 4) * width)
    cuts = np.float32(np.sort(g.rng.normal(0, width, levels)))
    x = "x"
    if value:
        x = g.op("Pad", x, g.const([0, 0, *pads[:2], 0, 0, *pads[2:]], np.int64), float(np.float32(value)))
        x = g.op("Conv", x, weights, strides=strides)
    else:
        x = g.op("Conv", x, weights, strides=strides, pads=pads)
    x = g.op("Mul", g.op("Add", x, bias.reshape(1, 4, 1, 1)), slopes.reshape(1, 4, 1, 1))
    x = g.op("MultiThreshold", x, np.tile(cuts, (4, 1)), domain="qonnx.custom_op.general", out_dtype="INT4")
    path = g.save(tmp_path / "net.onnx", g.op("ReduceSum", x, g.const([2, 3], np.int64), keepdims=0), ("N", *shape))
    exact = Fraction(float(np.float32(value)))
    x = q.astype(object) * scale + offset
    sums = convolved(x, weights.astype(np.int64).astype(object), value=exact, **window)
    y = (sums + np.array([Fraction(float(b)) for b in bias], object).reshape(1, 4, 1, 1)) * np.array(
        [Fraction(float(s)) for s in slopes], object
    ).reshape(1, 4, 1, 1)
    expected = sum((y >= Fraction(float(cut))).astype(int) for cut in cuts)
    try:
        net = load_model(path, input_scale=stored.rule, input_range=f"{ends[0]}:{ends[1]}")
    except ModelError as error:
        # Levels that nearly tie at an edge need wider sums than there are; with one level nothing is refused.
        assert "too near to sums" in str(error) or "one value only" in str(error)
        assert levels > 1 or "one value only" in str(error)
        return
    assert (first_codes(net, encode(net.input, q)) == expected.transpose(0, 2, 3, 1)).all()


@pytest.mark.parametrize("order", ["NCHW", "NHWC"])
def test_channels_first_and_last(tmp_path, order):
    """A rule for each channel: ONNX has them first, or last before a Transpose; the frame tells."""
    rule = "(x-[10,20,35])/[30,60,90]"
    shape = (3, 4, 5) if order == "NCHW" else (4, 5, 3)
    g = Graph(seed=4)
    weights = g.signs(4, 3, 2, 2)
    x = "x" if order == "NCHW" else g.op("Transpose", "x", perm=[0, 3, 1, 2])
    x = g.sign(g.op("Conv", x, weights))
    path = g.save(tmp_path / "net.onnx", g.scores(x, 4 * 12), ("N", *shape))
    net = load_model(path, input_scale=rule)
    assert net.input.stored.axis == (0 if order == "NCHW" else 2)
    q = g.rng.integers(0, 256, (20, *shape))
    first = q if order == "NCHW" else q.transpose(0, 3, 1, 2)
    expected = expected_codes(first, stored_input(rule).along((3, 4, 5), 0), weights, np.zeros(4), [0])
    found = first_codes(net, encode(net.input, q))
    assert (found == expected).all() and len(np.unique(found)) == 2
    axis = (1, 3, 1, 1) if order == "NCHW" else (1, 1, 1, 3)
    floats = (q - np.float32([10, 20, 35]).reshape(axis)) / np.float32([30, 60, 90]).reshape(axis)
    assert (encode(net.input, floats.astype(np.float32)) == encode(net.input, q)).all()


@pytest.mark.parametrize("text", ["x/[1,2]", "x-[1,2,3,4]"])
def test_a_rule_must_fit_the_channels(tmp_path, text):
    g = Graph()
    path = g.save(tmp_path / "net.onnx", g.op("Conv", "x", g.signs(4, 3, 2, 2)), ("N", 3, 6, 5))
    stored = stored_input(text)
    with pytest.raises(ModelError) as caught:
        load_model(path, input_scale=text)
    assert str(caught.value) == (
        f"Input rule {stored.rule} must have one number, or one for each channel of frames of the shape (3, 6, 5); it "
        f"has {stored.places}."
    )


def test_channels_without_a_common_unit(tmp_path):
    g = Graph()
    path = g.save(tmp_path / "net.onnx", g.scores(g.sign(g.op("Conv", "x", g.signs(4, 3, 2, 2))), 80), ("N", 3, 6, 5))
    with pytest.raises(ModelError) as caught:
        load_model(path, input_scale="(x-[123.7,116.3,103.5])/[58.4,57.1,57.4]")
    assert str(caught.value) == (
        "Node Conv 'n0' takes channels whose scales have no common unit that is large enough: its weights would be "
        "whole numbers of up to 167,608, and at most 32,767 is supported. Use one scale for all channels (offsets may "
        "differ), scales that are small multiples of one number, or quantise the input in the model."
    )
    # Each filter of a depthwise convolution sees one channel, and needs no common unit.
    g = Graph()
    x = g.op("Conv", "x", weights := g.signs(3, 1, 2, 2), group=3)
    path = g.save(tmp_path / "net.onnx", g.scores(g.sign(x), 60), ("N", 3, 6, 5))
    net = load_model(path, input_scale="(x-[123.7,116.3,103.5])/[58.4,57.1,57.4]")
    assert net.layers[0].weights.shape == (3, 2, 2, 1) and abs(net.layers[0].weights.astype(int)).max() == 1
    q = g.rng.integers(0, 256, (20, 3, 6, 5))
    x = (q - np.array([123.7, 116.3, 103.5]).reshape(3, 1, 1)) / np.array([58.4, 57.1, 57.4]).reshape(3, 1, 1)
    expected = [convolved(x[:, c : c + 1], weights[c : c + 1])[:, 0] >= 0 for c in range(3)]
    assert (first_codes(net, encode(net.input, q)) == np.stack(expected, axis=3)).all()


def test_scales_in_the_file_and_in_the_rule_multiply(tmp_path):
    """The file divides channel by channel, too; branches that read the input by other rules share its stream."""
    g = Graph(seed=2)
    weights = [g.signs(4, 2, 3, 3) for _ in range(2)]
    pads = [1, 1, 1, 1]
    a = g.sign(g.op("Conv", g.op("Mul", "x", np.float32([3, -0.5]).reshape(1, 2, 1, 1)), weights[0], pads=pads))
    b = g.sign(g.op("Conv", g.op("Sub", "x", 0.75), weights[1], pads=pads))
    path = g.save(tmp_path / "net.onnx", g.scores(g.op("Add", a, b), 4 * 30), ("N", 2, 6, 5))
    net = load_model(path, input_scale="x/[4,8]-0.5", input_range="0:15")
    q = g.rng.integers(0, 16, (30, 2, 6, 5))
    x = q / np.array([4, 8]).reshape(2, 1, 1) - 0.5
    expected = [
        np.where(convolved(y, w.astype(int), (1, 1, 1, 1)) >= 0, 1, -1)
        for y, w in zip((x * np.array([3, -0.5]).reshape(2, 1, 1), x - 0.75), weights, strict=True)
    ]
    wanted = sum(expected).reshape(30, -1) @ g_last(g)
    assert (run(net, encode(net.input, q)).scores == wanted).all()


def g_last(g: Graph) -> np.ndarray:
    return numpy_helper.to_array(g.tensors[-1]).astype(int)


def test_a_quantiser_in_the_file_takes_any_float(tmp_path):
    """The grid is not the user's: floats are quantised as the model does it, and integers by the rule."""
    g = Graph(seed=3)
    x = g.op("MultiThreshold", "x", np.float32([[-0.5, 0.1, 0.6]] * 2), domain="qonnx.custom_op.general", out_dtype="U")
    path = g.save(tmp_path / "net.onnx", g.scores(x, 60), ("N", 2, 6, 5))
    net = load_model(path, input_scale="(x-[100,60])/[100,80]")
    assert net.input.format == Format(bits=2)
    assert (net.input.thresholds == np.float32([-0.5, 0.1, 0.6])).all() and net.input.stored.axis == 0
    floats = g.rng.normal(size=(20, 2, 6, 5))
    wanted = sum((floats >= cut).astype(int) for cut in np.float32([-0.5, 0.1, 0.6]).astype(float))
    assert (encode(net.input, floats) == wanted.reshape(20, -1)).all()
    q = g.rng.integers(0, 256, (20, 2, 6, 5), np.uint8)
    exact = (q - np.array([100, 60]).reshape(2, 1, 1)) / np.array([100, 80]).reshape(2, 1, 1)
    wanted = sum((exact.astype(np.float32) >= cut).astype(int) for cut in np.float32([-0.5, 0.1, 0.6]))
    assert (encode(net.input, q) == wanted.reshape(20, -1)).all()


def between(g: Graph, *, value=0.0, pads=(1, 1, 1, 1)):
    """Sums whose padding lies between two integers."""
    return g.op("Conv", g.op("Sub", "x", 0.3), g.signs(4, 2, 3, 3), pads=list(pads))


FOLLOWERS = {
    "Node Conv 'n2' must follow": lambda g, x: g.op("Conv", x, g.signs(4, 4, 1, 1)),
    "Node Add 'n4' must follow": lambda g, x: g.op("Add", x, g.op("Conv", g.sign("x"), g.signs(4, 2, 3, 3))),
    "Node GlobalAveragePool 'n2' must follow": lambda g, x: g.op("GlobalAveragePool", x),
    "The output of the model must follow": lambda g, x: g.op("Flatten", g.op("GlobalMaxPool", x)),
}


@pytest.mark.parametrize("begins", FOLLOWERS)
def test_what_may_not_follow_a_padding_between_integers(tmp_path, begins):
    g = Graph(seed=1)
    y = FOLLOWERS[begins](g, between(g))
    path = g.save(tmp_path / "net.onnx", y, ("N", 2, 6, 5))
    with pytest.raises(ModelError) as caught:
        load_model(path, input_range="0:15")
    if begins.startswith("Node Add"):
        assert "reads the input of the model in another way than other layers do" in str(caught.value)
        return
    assert str(caught.value) == (
        f"{begins} a quantiser: the padding of conv0 with 0 lies between two integers of its input, which is exact "
        "only where thresholds follow. Put a sign behind that layer, pad with a value that an integer of the input "
        "means, or leave out the padding."
    )


def test_two_readers_of_sums_with_a_border(tmp_path):
    """Two quantisers of the same sums, one behind a pool: each with edges of its own; the note says why."""
    g = Graph(seed=5)
    sums = between(g)
    weights = first_weights(g)
    a = g.sign(g.op("MaxPool", sums, kernel_shape=[3, 3], strides=[1, 1], pads=[1, 1, 1, 1]))
    b = g.sign(g.op("Sub", sums, 4.0))
    path = g.save(tmp_path / "net.onnx", g.scores(g.op("Add", a, b), 4 * 30), ("N", 2, 6, 5))
    net = load_model(path, input_range="0:15")
    q = g.rng.integers(0, 16, (30, 2, 6, 5))
    low = Fraction(float(np.float32(0.3)))
    y = convolved(q.astype(object) - low, weights.astype(int).astype(object), (1, 1, 1, 1)).astype(float)
    padded = np.pad(y, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    pooled = np.max([padded[:, :, i : i + 6, j : j + 5] for i in range(3) for j in range(3)], axis=0)
    wanted = np.where(pooled >= 0, 1, -1) + np.where(y >= 4, 1, -1)
    assert (run(net, encode(net.input, q)).scores == wanted.reshape(30, -1) @ g_last(g)).all()
    assert (
        "conv0: its padding of 0 lies between the integers of its input, so that sums at the edges of the map start "
        "with numbers of their own."
    ) in net.notes


def first_weights(g: Graph) -> np.ndarray:
    return next(array for array in map(numpy_helper.to_array, g.tensors) if array.ndim == 4)


def test_saved_networks_keep_their_rule(tmp_path):
    g = Graph(seed=6)
    path = g.save(tmp_path / "net.onnx", g.scores(g.sign(between(g)), 4 * 30), ("N", 2, 6, 5))
    net = load_model(path, input_scale="x/3-[1/2,1/7]", input_range="-8:7")
    save_network(net, tmp_path / "net.npz")
    again = load_model(tmp_path / "net.npz")
    assert again.input.stored == net.input.stored and digest(again) == digest(net)
    q = g.rng.integers(-8, 8, (9, 2, 6, 5))
    assert (run(again, encode(again.input, q)).scores == run(net, encode(net.input, q)).scores).all()
    assert (
        load_model(tmp_path / "net.npz", input_scale="x/3-[1/2,1/7]", input_range="-8:7").input.stored
        == net.input.stored
    )
    with pytest.raises(ModelError) as caught:
        load_model(tmp_path / "net.npz", input_scale="1/255")
    assert str(caught.value) == (
        "The input of the network carries the integers -8 to 7 by the rule 1/3*x+[-1/2,-1/7], which its weights and "
        "thresholds hold: import the model file again for other ones."
    )


# ---- real files


@needs_shared
@pytest.mark.parametrize("scale", ["1/127.5-1", "x/127.5-1", "2*x/255-1", "(x-127.5)/127.5"])
@pytest.mark.parametrize("form", ["floats", "pixels"])
def test_normalised_outside_of_the_file(scale, form):
    net = load_model(IMPORT_FAULTS / "larq_norm.h5", input_scale=scale)
    with np.load(IMPORT_FAULTS / f"larq_norm_{form}.npz") as images:
        assert (run(net, encode(net.input, images["x"])).classes == images["y"]).all() and len(images["y"]) == 100


@needs_shared
def test_floats_of_another_rule_are_refused():
    net = load_model(IMPORT_FAULTS / "larq_norm.h5", input_scale="2/255")
    with np.load(IMPORT_FAULTS / "larq_norm_floats.npz") as images, pytest.raises(NetworkError) as caught:
        encode(net.input, images["x"])
    assert str(caught.value).startswith(
        "Frames must hold what 2/255*x makes of integers x from 0 to 255, but 10,000 of 10,000 numbers are not, the "
        "first of them -0.0509803928 in image 0 at (0, 0, 0), where 0 is nearest: "
    )


@needs_shared
@pytest.mark.parametrize("options", [{"input_range": "-128:127"}, {"input_scale": "int8"}])
def test_signed_integers_as_the_file_takes_them(options):
    """CNV: int8 and float images alike; what uint8 would mean is not guessed."""
    net = load_model(DATA / "models" / "cnvW1A1_cifar10_multithreshold.onnx", **options)
    with np.load(DATA / "models" / "cnvW1A1_cifar10.npz") as weights:
        table = weights["input_lut"]
    pixels, labels = cifar()
    x = table[pixels[:20]].astype(np.int8)
    codes = encode(net.input, x)
    assert (codes == encode(net.input, x.astype(np.float32))).all()
    assert (codes == x.transpose(0, 2, 3, 1).reshape(20, -1).astype(int) + 128).all()
    with np.load(DATA / "golden" / "cnvW1A1_cifar10.npz") as golden:
        assert (run(net, codes).classes == golden["pred"][:20]).all()
    with pytest.raises(NetworkError, match=r"integers from -128 to 127, but 27,405 of 61,440 numbers are not"):
        encode(net.input, pixels[:20])


@needs_shared
def test_normalisation_and_zero_padding():
    """(x - 0.1307) / 0.3081, then zeros around the map: every code against exact fractions."""
    path = IMPORT_FAULTS / "pix_normmnist_pad.onnx"
    net = load_model(path, input_scale="1/255")
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer}
    mean, std = (Fraction(float(arrays[name])) for name in ("c0", "c1"))
    q = np.random.default_rng(0).integers(0, 256, (200, 1, 6, 6))
    q[0], q[1] = 0, 255
    x = (q.astype(object) * Fraction(1, 255) - mean) / std
    signs = np.where(arrays["c2"] >= 0, 1, -1).astype(object)
    sums = convolved(x, signs, (1, 1, 1, 1)).astype(float)
    gamma, beta, center, spread_ = (arrays[f"c{k}"].astype(float).reshape(1, -1, 1, 1) for k in (4, 5, 6, 7))
    y = gamma * (sums - center) / np.sqrt(spread_ + 1e-5) + beta
    assert abs(y).min() > 1e-6
    codes = encode(net.input, q)
    assert (first_codes(net, codes) == (y >= 0).transpose(0, 2, 3, 1)).all()
    assert net.layers[0].edges is not None


@DRAWN
@given(
    st.lists(st.sampled_from([0.5, -0.5, 0.25, 0.7]), min_size=3, max_size=3, unique=False),
    st.lists(st.sampled_from([0.0, 0.3, -0.1, 1.0, 0.5]), min_size=3, max_size=3),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_padding_of_hidden_layers(tmp_path, scales, shifts, alike, seed):
    """Two levels a channel, neither of which may be 0, and zeros around the map."""
    g = Graph(seed=seed)
    scales = [scales[0]] * 3 if alike else [scales[0] * (1 if s > 0 else -1) for s in scales]
    first, second = g.signs(3, 2, 2, 2), g.signs(4, 3, 3, 3)
    bits = g.sign(g.op("Conv", "x", first))
    a, b = (np.float32(numbers).reshape(1, 3, 1, 1) for numbers in (scales, shifts))
    x = g.op("Conv", g.op("Add", g.op("Mul", bits, a), b), second, pads=[1, 1, 1, 1])
    bias = g.rng.normal(0, 2, (1, 4, 1, 1)).astype(np.float32)
    path = g.save(tmp_path / "net.onnx", g.scores(g.sign(g.op("Add", x, bias)), 4 * 20), ("N", 2, 6, 5))
    q = g.rng.integers(-4, 4, (12, 2, 6, 5))
    h = np.where(convolved(q, first.astype(int)) >= 0, 1, -1).astype(object)
    exact = [np.array([Fraction(float(n)) for n in one.flat], object).reshape(one.shape) for one in (a, b, bias)]
    y = convolved(h * exact[0] + exact[1], second.astype(int).astype(object), (1, 1, 1, 1)) + exact[2]
    wanted = np.where(y >= 0, 1, -1).reshape(12, -1) @ g_last(g)
    net = load_model(path, input_range="-4:3")
    assert (run(net, encode(net.input, q)).scores == wanted).all()
