"""The golden model: its fast path against its definition, and both against plain loops and trained networks."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from bitweir_hw.errors import NetworkError
from bitweir_hw.network import BIPOLAR, LAYERS, Affine, Dense, Format, Input, Layer, Network, check
from bitweir_sim.encoding import batches, encode, pixel_values
from bitweir_sim.fast import prepare, run
from bitweir_sim.golden import EXECUTORS, run_slow, trace
from hypothesis import given, settings
from hypothesis import strategies as st
from shared_data import SHARED, bnn_npz, mnist, needs_shared


def network_of(form: Format, *layers: Layer) -> Network:
    size = layers[0].inputs
    entry = Input(
        shape=(size,), format=form, thresholds=np.zeros((1, 1)), source=np.arange(size, dtype=np.int64), pixel_scale="1"
    )
    return check(Network(name="drawn", input=entry, layers=layers))


def codes_for(network: Network, frames: int, rng: np.random.Generator) -> np.ndarray:
    """Random codes, but the first two frames are extreme: all lowest, all highest."""
    top = network.input.format.codes - 1
    codes = rng.integers(0, top + 1, (frames, network.input.size))
    codes[:1], codes[1:2] = 0, top
    return codes


def thresholds_for(form: Format, weights: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Thresholds in reach, at its edges, beside it and far out of it."""
    ends = form.values([0, form.codes - 1])
    reach = int(np.abs(ends).max()) * weights.shape[1]
    drawn = rng.integers(-reach - 2, reach + 3, (len(weights), count))
    some = rng.random(drawn.shape)
    drawn[some < 0.5] //= 8  # most sums are near 0
    drawn[some > 0.90] = -(2**61)
    drawn[some > 0.95] = 2**61
    return np.sort(drawn, axis=1)


def weights_for(outputs: int, inputs: int, rng: np.random.Generator) -> np.ndarray:
    """Random weights, but the first two rows are extreme: all -1, all +1."""
    weights = rng.random((outputs, inputs)) < rng.random((outputs, 1))
    weights[:1], weights[1:2] = False, True
    return weights


def formats(max_bits: int) -> st.SearchStrategy[Format]:
    steps = st.integers(-3, 3).filter(bool)
    drawn = st.builds(Format, bits=st.integers(1, max_bits), offset=st.integers(-9, 9), step=steps)
    return st.just(BIPOLAR) | drawn


@st.composite
def networks(draw: st.DrawFn, sizes: st.SearchStrategy[int], max_bits: int = 4) -> Network:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    first = current = draw(formats(max_bits))
    layers: list[Layer] = []
    inputs = draw(sizes)
    for index in range(draw(st.integers(0, 3))):
        weights = weights_for(draw(sizes), inputs, rng)
        output = draw(formats(max_bits))
        count = draw(st.integers(1, output.codes - 1))
        thresholds = thresholds_for(current, weights, count, rng)
        layers.append(Dense(name=f"dense{index}", weights=weights, thresholds=thresholds, output=output))
        inputs, current = len(weights), output
    last = Dense(name="last", weights=weights_for(draw(st.integers(1, 11)), inputs, rng))
    layers.append(last)
    if draw(st.booleans()):
        # Small scales, zeros among them, make ties.
        scale, offset = rng.integers(-2, 3, (2, last.outputs))
        layers.append(Affine(name="scores", scale=scale, offset=offset))
    return network_of(first, *layers)


def loops(network: Network, frame: list[int]) -> tuple[list[int], int]:
    """Scores and class of one frame in plain Python."""
    form: Format | None = network.input.format
    stream = frame
    for layer in network.layers:
        if isinstance(layer, Affine):
            stream = [int(a) * x + int(b) for a, b, x in zip(layer.scale, layer.offset, stream, strict=True)]
            continue
        assert form is not None
        values = [form.offset + form.step * code for code in stream]
        stream = []
        for m in range(layer.outputs):
            acc = sum(v if w else -v for v, w in zip(values, layer.weights[m].tolist(), strict=True))
            if layer.thresholds is None:
                stream.append(acc)
            else:
                stream.append(sum(acc >= int(t) for t in layer.thresholds[m]))
        form = layer.output
    best = 0
    for index, score in enumerate(stream):
        if score > stream[best]:
            best = index
    return stream, best


def assert_same(network: Network, codes: np.ndarray) -> None:
    fast, slow = run(network, codes), run_slow(network, codes)
    np.testing.assert_array_equal(fast.scores, slow.scores)
    np.testing.assert_array_equal(fast.classes, slow.classes)
    assert fast.scores.dtype == fast.classes.dtype == slow.scores.dtype == slow.classes.dtype == np.int64


# ---- fast = definition = loops


@settings(deadline=None)  # the first product in a process starts the threads of the BLAS
@given(networks(st.integers(1, 9)), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_both_executors_agree_with_plain_loops(network: Network, frames: int, seed: int) -> None:
    codes = codes_for(network, frames, np.random.default_rng(seed))
    assert_same(network, codes)
    result = run(network, codes)
    for frame, scores, best in zip(codes.tolist(), result.scores.tolist(), result.classes.tolist(), strict=True):
        assert (scores, best) == loops(network, frame)


SIZES = st.sampled_from([1, 2, 7, 8, 9, 63, 64, 65, 130, 300])


@settings(deadline=None)
@given(networks(SIZES, max_bits=6), st.integers(0, 40), st.integers(0, 2**32 - 1))
def test_fast_is_the_definition(network: Network, frames: int, seed: int) -> None:
    assert_same(network, codes_for(network, frames, np.random.default_rng(seed)))


@pytest.mark.parametrize("inputs", [1022, 1023, 1024, 1025, 2048, 3001])
@pytest.mark.parametrize("form", [BIPOLAR, Format(bits=1), Format(bits=2, offset=-1), Format(bits=8), Format(bits=12)])
def test_fast_is_the_definition_where_two_frames_just_fit_a_float(inputs: int, form: Format) -> None:
    rng = np.random.default_rng(inputs)
    hidden = weights_for(1024, inputs, rng)
    thresholds = thresholds_for(form, hidden, 1, rng)
    # Thresholds that all sums reach, only the highest, none; then the ends of int64.
    ends = form.values([0, form.codes - 1])
    thresholds[:6, 0] = np.tile([ends.min(), ends.max(), ends.max() + 1], 2) * inputs
    thresholds[6:8, 0] = np.iinfo(np.int64).min, np.iinfo(np.int64).max
    network = network_of(
        form,
        Dense(name="a", weights=hidden, thresholds=thresholds, output=BIPOLAR),
        Dense(name="b", weights=weights_for(50, 1024, rng), thresholds=rng.integers(-40, 40, (50, 1)), output=BIPOLAR),
        Dense(name="c", weights=weights_for(5, 50, rng)),
    )
    assert_same(network, codes_for(network, 21, rng))
    ways = prepare(network).frames_a_float
    few = 2 if form.bits == 1 else 1
    assert ways == {"a": few if inputs <= 1024 else 0 if form.bits == 12 else 1, "b": 2, "c": 2}


def test_two_frames_do_not_share_a_float_where_the_highest_sum_would_carry() -> None:
    for inputs, frames in ((1023, 2), (1024, 1)):
        network = network_of(Format(bits=1), Dense(name="last", weights=np.ones((1, inputs), np.bool_)))
        assert_same(network, np.ones((2, inputs), np.int64))
        assert prepare(network).frames_a_float == {"last": frames}


def test_sums_that_only_the_added_constant_makes_too_large_are_exact() -> None:
    # 1999 neurons hand on their input; what a chain adds to their codes would take the next sums to 24.5 million.
    wide, top = Format(bits=12), 4095
    steps = np.tile(np.arange(1, top + 1), (1999, 1))
    middle = 1999 * 2047
    network = network_of(
        wide,
        Dense(name="a", weights=np.ones((1999, 1), np.bool_), thresholds=steps, output=wide),
        Dense(
            name="b",
            weights=np.ones((3, 1999), np.bool_),
            thresholds=np.array([[middle - 1], [middle], [middle + 1]]),
            output=BIPOLAR,
        ),
        Dense(name="c", weights=np.eye(3, dtype=np.bool_)),
    )
    assert trace(network, [[2047]])["b"].tolist() == [[1, 1, 0]]
    assert_same(network, np.array([[2045], [2046], [2047], [2048], [0], [top]]))


def test_layers_beyond_float32_run_by_definition() -> None:
    form = Format(bits=32)
    network = network_of(form, Dense(name="wide", weights=np.ones((2, 300), np.bool_)))
    assert prepare(network).frames_a_float == {"wide": 0}
    codes = np.full((1, 300), 2**32 - 1)
    assert run(network, codes).scores.tolist() == [[300 * (2**32 - 1)] * 2]


def test_class_is_the_lowest_index_with_the_highest_score() -> None:
    weights = np.array([[False], [True], [True]])
    network = network_of(BIPOLAR, Dense(name="last", weights=weights))
    assert run(network, [[0], [1]]).classes.tolist() == run_slow(network, [[0], [1]]).classes.tolist() == [0, 1]


@pytest.mark.parametrize("frames", [0, 1, 2, 1023, 1025, 2500])
def test_any_batch(frames: int) -> None:
    rng = np.random.default_rng(1)
    network = network_of(
        BIPOLAR,
        Dense(name="a", weights=weights_for(9, 12, rng), thresholds=np.zeros((9, 1), np.int64), output=BIPOLAR),
        Dense(name="b", weights=weights_for(4, 9, rng)),
    )
    codes = codes_for(network, frames, rng).astype(np.uint8)
    assert run(network, codes).scores.shape == (frames, 4)
    assert_same(network, codes)


def test_memory_is_bounded_by_small_parts() -> None:
    parts = list(batches(100, 1 << 22))
    assert [(part.start, part.stop) for part in parts] == [(i, i + 1) for i in range(100)]


def test_trace_names_each_layer() -> None:
    network = network_of(
        Format(bits=2),
        Dense(name="a", weights=np.array([[True, False]]), thresholds=np.array([[0, 2]]), output=Format(bits=2)),
        Dense(name="b", weights=np.array([[True], [False]])),
        Affine(name="c", scale=np.array([3, 1]), offset=np.array([1, 0])),
    )
    outputs = trace(network, [[3, 0], [1, 1], [0, 1]])
    assert {name: value.tolist() for name, value in outputs.items()} == {
        "a": [[2], [1], [0]],
        "b": [[2, -2], [1, -1], [0, 0]],
        "c": [[7, -2], [4, -1], [1, 0]],
    }


def test_every_kind_of_layer_has_an_executor() -> None:
    assert set(EXECUTORS) == set(LAYERS)


def test_a_prepared_network_is_kept_and_let_go() -> None:
    network = network_of(BIPOLAR, Dense(name="last", weights=np.ones((1, 1), np.bool_)))
    model = weakref.ref(prepare(network))
    assert prepare(network) is model()
    del network
    gc.collect()
    assert model() is None


# ---- encode


def entry(**changes: object) -> Input:
    settings: dict[str, object] = {
        "shape": (2, 2),
        "format": Format(bits=2),
        "thresholds": np.array([[0.25, 0.5, 1.0]]),
        "source": np.arange(4),
        "pixel_scale": "1/255",
    }
    return Input(**{**settings, **changes})  # type: ignore[arg-type]


def test_encode_counts_thresholds_that_are_reached() -> None:
    x = np.array([[[0.25, 0.2499], [0.5, np.inf]], [[-np.inf, 1.0], [0.999, 0.3]]])
    codes = encode(entry(), x)
    assert codes.dtype == np.uint8
    assert codes.tolist() == [[1, 0, 2, 3], [0, 3, 2, 1]]


def test_encode_compares_in_float64() -> None:
    above = np.nextafter(0.1, 1)
    narrow = entry(thresholds=np.array([[0.1, above]]))
    assert encode(narrow, np.full((1, 2, 2), 0.1)).tolist() == [[1] * 4]
    # float32(0.1) is a little more than 0.1.
    assert encode(narrow, np.full((1, 2, 2), 0.1, np.float32)).tolist() == [[2] * 4]


def test_encode_takes_elements_from_their_source_and_thresholds_of_their_own() -> None:
    rows = entry(source=np.array([3, 0, 3]), thresholds=np.array([[0.0], [5.0], [9.0]]))
    assert encode(rows, np.array([[[4.0, 0], [0, 7.0]]])).tolist() == [[1, 0, 0]]
    pixels = entry(source=np.array([3, 0, 3]), thresholds=np.array([[0.0], [5.0], [9.0]]), pixel_scale="1")
    assert encode(pixels, np.array([[[5, 0], [0, 7]]], np.uint8)).tolist() == [[1, 1, 0]]


@settings(deadline=None)
@given(st.integers(1, 300), st.integers(0, 2**32 - 1))
def test_encode_follows_its_rule(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    thresholds = np.sort(rng.integers(-50, 50, (1, count)) / 8)
    x = rng.integers(-60, 60, (3, 2, 2)) / 8
    codes = encode(entry(format=Format(bits=9), thresholds=thresholds), x)
    assert codes.dtype == np.uint16
    assert codes.tolist() == [[sum(v >= t for t in thresholds[0]) for v in frame.ravel()] for frame in x]


@pytest.mark.parametrize("rows", [1, 4])
def test_pixels_are_scaled_in_float32(rows: int) -> None:
    # 0.2 < float32(51) / float32(255): a quotient rounded in float64 would compare otherwise.
    edge = float(np.float32(51) / np.float32(255))
    assert edge != 51 / 255
    form = Format(bits=2)
    thresholds = np.repeat([[edge]], rows, axis=0)
    x = np.array([[[50, 51], [52, 255]]], np.uint8)
    assert encode(entry(format=form, thresholds=thresholds), x).tolist() == [[0, 1, 1, 1]]


def test_pixel_values() -> None:
    pixels = np.arange(256, dtype=np.float32)
    for scale, values in {
        "1": pixels,
        "1/255": pixels / np.float32(255),
        "2/255": (pixels * np.float32(2)) / np.float32(255),
        "0.1": pixels * np.float32(0.1),
    }.items():
        found = pixel_values(scale)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, values)


def test_signed_integers_are_codes() -> None:
    turned = entry(source=np.array([3, 2, 1, 0]))
    assert encode(turned, np.array([[0, 1, 2, 3]])).tolist() == [[0, 1, 2, 3]]
    assert encode(turned, np.array([[[0, 1], [2, 3]]], np.int8)).tolist() == [[3, 2, 1, 0]]


PIXELS = np.zeros((1, 2, 2), np.uint8)


@pytest.mark.parametrize(
    ("changes", "x", "message"),
    [
        ({}, np.zeros((5, 4)), "Frames must have the shape (N, 2, 2), not (5, 4)."),
        ({}, np.zeros((2, 2)), "Frames must have the shape (N, 2, 2), not (2, 2)."),
        ({}, 0.5, "Frames must have the shape (N, 2, 2), not ()."),
        (
            {},
            np.zeros((1, 2, 2), np.bool_),
            "Frames must be floating point, uint8 (pixels) or signed integers (codes), not bool.",
        ),
        ({}, np.full((1, 2, 2), np.nan), "Frames must hold numbers, not NaN."),
        ({}, np.array([[0, 1, 2, 4]]), "Codes must be 0 to 3 for 2 bits; one is 4."),
        ({}, np.array([[[0, 1], [-1, 2]]]), "Codes must be 0 to 3 for 2 bits; one is -1."),
        (
            {"pixel_scale": None},
            PIXELS,
            "Pixels (uint8) need a scale to become what the model file takes; "
            "give it with --input-scale, such as 1/255.",
        ),
        ({"pixel_scale": "a/b"}, PIXELS, "Input scale must be a number or a fraction such as 1/255, not 'a/b'."),
        ({"pixel_scale": "1/0"}, PIXELS, "Input scale must be a number or a fraction such as 1/255, not '1/0'."),
    ],
)
def test_encode_refuses(changes: dict[str, object], x: object, message: str) -> None:
    with pytest.raises(NetworkError) as caught:
        encode(entry(**changes), x)  # type: ignore[arg-type]
    assert str(caught.value) == message


@pytest.mark.parametrize("execute", [run, run_slow, trace])
def test_executors_refuse_what_are_no_codes(execute: object) -> None:
    network = network_of(BIPOLAR, Dense(name="last", weights=np.ones((1, 2), np.bool_)))
    for codes, message in (
        (np.zeros((1, 2)), "Codes must be integers of shape (N, 2), not float64 of shape (1, 2)."),
        (np.zeros(2, np.int64), "Codes must be integers of shape (N, 2), not int64 of shape (2,)."),
        (np.array([[0, 2]]), "Codes must be 0 to 1 for 1 bits; one is 2."),
    ):
        with pytest.raises(NetworkError) as caught:
            execute(network, codes)  # type: ignore[operator]
        assert str(caught.value) == message


# ---- trained networks


@needs_shared
def test_lfc_on_all_of_mnist() -> None:
    network = bnn_npz(SHARED / "data" / "models" / "lfcW1A1_mnist.npz")
    x, y = mnist()
    codes = encode(network.input, x)
    result = run(network, codes)
    assert np.count_nonzero(result.classes == y) == 9834
    last = network.layers[-1]
    assert isinstance(last, Affine)
    with np.load(SHARED / "data" / "golden" / "lfcW1A1_mnist.npz") as expected:
        np.testing.assert_array_equal(result.scores - last.offset, expected["acc"])
        np.testing.assert_array_equal(result.classes, expected["pred"])
    assert_same(network, codes[:50])
    assert prepare(network).frames_a_float == {"dense0": 2, "dense1": 2, "dense2": 2, "dense3": 2, "scores": 0}
