"""The golden model: its fast path against its definition, and both against plain loops and trained networks."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace

import numpy as np
import pytest
from bitweir_hw.errors import NetworkError
from bitweir_hw.network import (
    BIPOLAR,
    LAYERS,
    Affine,
    Conv,
    Dense,
    Format,
    Network,
    Parallel,
    Pool,
    Threshold,
)
from bitweir_sim.values.comparison import compare
from bitweir_sim.values.encoding import encode
from bitweir_sim.values.fast import prepare, run
from bitweir_sim.values.golden import EXECUTORS, run_slow, trace, values
from hypothesis import given, settings
from hypothesis import strategies as st
from support.reference import reference
from support.shared_data import DATA, bnn_npz, cifar, mnist, needs_shared
from support.strategies import networks
from support.wide_networks import codes_for, network_of, thresholds_for, weights_for, wide_networks


def assert_same(network: Network, codes: np.ndarray) -> None:
    fast, slow = run(network, codes), run_slow(network, codes)
    np.testing.assert_array_equal(fast.scores, slow.scores)
    kind = network.readout.kind
    assert fast.scores.dtype == slow.scores.dtype == np.int64
    for one in (fast, slow):
        # Each kind of result says what it is, and nothing else.
        assert (one.classes is None) == (kind != "class")
        assert (one.labels is None) == (kind != "labels")
    if fast.classes is not None:
        np.testing.assert_array_equal(fast.classes, [row.index(max(row)) for row in slow.scores.tolist()])
        assert fast.classes.dtype == np.int64
    if fast.labels is not None:
        np.testing.assert_array_equal(fast.labels, slow.scores == 1)
        assert fast.labels.dtype == np.bool_
    assert compare(fast, slow, network.readout.kind).first is None


# ---- definition = plain loops, fast = definition


@settings(max_examples=600)
@given(networks(), st.integers(0, 2**32 - 1))
def test_any_network_computes_what_plain_loops_do(network: Network, seed: int) -> None:
    codes = codes_for(network, 4, np.random.default_rng(seed))
    outputs = trace(network, codes)
    for index, frame in enumerate(codes.tolist()):
        assert {name: stream[index].tolist() for name, stream in outputs.items()} == reference(network, frame)
    for layer, _, handed in network.placed():
        stream = outputs[layer.name]
        assert stream.dtype == np.int64
        assert stream.shape == (4, handed.size)
        found = values(stream, handed)
        assert handed.low <= found.min()
        assert found.max() <= handed.high
    assert_same(network, codes)
    scores = outputs[network.layers[-1].name].tolist()
    assert run(network, codes).scores.tolist() == scores
    found = run(network, codes)
    if network.readout.kind == "class":
        assert found.classes.tolist() == [frame.index(max(frame)) for frame in scores]
    if network.readout.kind == "labels":
        assert found.labels.tolist() == [[code == 1 for code in frame] for frame in scores]


@given(wide_networks(), st.integers(0, 40), st.integers(0, 2**32 - 1))
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
    assert ways == {"a": 2 if form.bits == 1 and inputs <= 1024 else 1, "b": 2, "c": 2}


def test_two_frames_do_not_share_a_float_where_the_highest_sum_would_carry() -> None:
    for inputs, frames in ((1023, 2), (1024, 1)):
        network = network_of(Format(bits=1), Dense(name="last", weights=np.ones((1, inputs), np.bool_)))
        assert_same(network, np.ones((2, inputs), np.int64))
        assert prepare(network).frames_a_float == {"last": frames}


@pytest.mark.parametrize(("neurons", "weight"), [(1999, True), (1, 1999)])
def test_sums_that_only_the_added_constant_makes_too_large_are_exact(neurons: int, weight: bool | int) -> None:
    # Neurons hand on their input; what a chain adds to their codes would take the next sums to 24.5 million.
    wide, top = Format(bits=12), 4095
    steps = np.tile(np.arange(1, top + 1), (neurons, 1))
    middle = 1999 * 2047
    network = network_of(
        wide,
        Dense(name="a", weights=np.ones((neurons, 1), np.bool_), thresholds=steps, output=wide),
        Dense(
            name="b",
            weights=np.full((3, neurons), weight),
            thresholds=np.array([[middle - 1], [middle], [middle + 1]]),
            output=BIPOLAR,
        ),
        Dense(name="c", weights=np.eye(3, dtype=np.bool_)),
    )
    assert trace(network, [[2047]])["b"].tolist() == [[1, 1, 0]]
    assert_same(network, np.array([[2045], [2046], [2047], [2048], [0], [top]]))


@pytest.mark.parametrize(
    ("bits", "channels", "weight", "ways"),
    # float32 holds 9 * (2**20 - 1) but not 9 * (2**21 - 1), float64 63 * 2**47 but not 72 * 2**47.
    [(20, 1, 1, 1), (21, 1, 1, 1), (32, 7, -(1 << 15), 1), (32, 8, -(1 << 15), 0)],
)
def test_sums_at_the_limits_of_floats_are_exact(bits: int, channels: int, weight: int, ways: int) -> None:
    form, rng = Format(bits=bits), np.random.default_rng(bits)
    weights = rng.integers(min(weight, 0), abs(weight), (4, 3, 3, channels))
    weights[:2] = weight
    conv = Conv(name="conv", weights=weights, pads=(1, 1, 1, 1), pad_value=1)
    low, high = sorted((0, weight * 9 * channels << bits))
    thresholds = np.sort(rng.integers(low, high, (4, 3)), axis=1)
    compared = replace(conv, thresholds=thresholds, output=Format(bits=2))
    for layer in (conv, compared):
        pool = Pool(name="sum", kind="sum", kernel=(4, 4), stride=(1, 1))
        network = network_of(form, layer, pool, shape=(4, 4, channels))
        assert_same(network, codes_for(network, 9, rng))
        assert prepare(network).frames_a_float == {"conv": ways, "sum": 0}


@pytest.mark.parametrize("groups", [1, 2, 12])
@pytest.mark.parametrize("integers", [False, True])
def test_convolutions_of_any_groups_in_many_parts(groups: int, integers: bool) -> None:
    rng = np.random.default_rng(groups)
    weights = rng.random((24, 3, 2, 12 // groups)) < 0.5
    taps = weights * rng.integers(-9, 10, weights.shape) if integers else weights
    network = network_of(
        Format(bits=4, offset=-7, step=2),
        Conv(name="a", weights=taps, stride=(2, 1), pads=(0, 1, 2, 0), pad_value=-1, groups=groups),
        Threshold(name="b", thresholds=np.sort(rng.integers(-60, 60, (24, 3)), axis=1), output=Format(bits=2)),
        Pool(name="c", kind="max", kernel=(3, 3), stride=(2, 2), pads=(1, 1, 0, 1), least=rng.random(24) < 0.5),
        Conv(name="d", weights=rng.random((5, 4, 8, 24)) < 0.5),
        shape=(16, 16, 12),
    )
    # Windows of so many frames are more than one part.
    assert_same(network, codes_for(network, 150, rng))
    assert prepare(network).frames_a_float == {"a": 1, "b": 0, "c": 0, "d": 1}


def test_dense_layers_on_accumulators_are_exact() -> None:
    rng = np.random.default_rng(3)
    network = network_of(
        Format(bits=8),
        Dense(name="a", weights=weights_for(30, 20, rng)),
        Dense(
            name="b",
            weights=rng.integers(-128, 128, (9, 30)),
            thresholds=rng.integers(-999, 999, (9, 1)),
            output=BIPOLAR,
        ),
        Dense(name="c", weights=rng.integers(-128, 128, (4, 9))),
    )
    assert_same(network, codes_for(network, 50, rng))
    assert prepare(network).frames_a_float == {"a": 1, "b": 1, "c": 2}


def test_layers_beyond_floats_run_by_definition() -> None:
    form = Format(bits=32)
    network = network_of(form, Dense(name="wide", weights=np.full((2, 300), -(1 << 15))))
    assert prepare(network).frames_a_float == {"wide": 0}
    codes = np.full((1, 300), 2**32 - 1)
    assert run(network, codes).scores.tolist() == [[-300 * (2**32 - 1) << 15] * 2]


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
    assert trace(network, codes)["a"].shape == (frames, 9)
    assert_same(network, codes)


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


def test_trace_holds_the_layers_of_branches_in_the_order_of_the_stream() -> None:
    # One row of two pixels, two channels each.
    weights = np.array([[[[True, False]]], [[[True, True]]], [[[False, False]]]])
    network = network_of(
        Format(bits=2),
        Parallel(
            name="both",
            branches=(
                (),
                (
                    Conv(name="a", weights=weights),
                    Conv(name="b", weights=np.array([[[[1, 0, 0]]], [[[0, 2, -1]]]])),
                ),
            ),
            weights=(10, 1),
        ),
        Pool(name="sum", kind="sum", kernel=(1, 2), stride=(1, 1)),
        shape=(1, 2, 2),
    )
    outputs = trace(network, [[3, 0, 1, 2]])
    assert {name: value.tolist() for name, value in outputs.items()} == {
        "a": [[3, 3, -3, -1, 3, -3]],
        "b": [[3, 9, -1, 9]],
        "both": [[33, 9, 9, 29]],
        "sum": [[42, 38]],
    }
    assert list(outputs) == [layer.name for layer, _, _ in network.placed()]


def test_what_lies_outside_the_map() -> None:
    # One pixel; a convolution sees its pad value as a value, a pool sees nothing there.
    around = np.ones((1, 3, 3, 1), np.bool_)
    pads, form = (1, 1, 1, 1), Format(bits=2, offset=-5, step=2)
    for pad_value in (-1, 0, 1, 7):
        conv = Conv(name="c", weights=around, pads=pads, pad_value=pad_value)
        assert trace(network_of(form, conv, shape=(1, 1, 1)), [[1]])["c"].tolist() == [[-3 + 8 * pad_value]]
    for least in (None, np.array([True])):
        pool = Pool(name="p", kind="max", kernel=(3, 3), stride=(1, 1), pads=pads, least=least)
        last = Conv(name="c", weights=around[:, :1, :1])
        assert trace(network_of(form, pool, last, shape=(1, 1, 1)), [[1]])["p"].tolist() == [[1]]


def test_every_kind_of_layer_has_an_executor() -> None:
    assert set(EXECUTORS) == set(LAYERS)


def test_a_prepared_network_is_kept_and_let_go() -> None:
    network = network_of(BIPOLAR, Dense(name="last", weights=np.ones((1, 1), np.bool_)))
    model = weakref.ref(prepare(network))
    assert prepare(network) is model()
    del network
    gc.collect()
    assert model() is None


@pytest.mark.parametrize("execute", [run, run_slow, trace])
def test_executors_refuse_what_are_no_codes(execute: object) -> None:
    network = network_of(BIPOLAR, Dense(name="last", weights=np.ones((1, 2), np.bool_)))
    for codes, message in (
        (np.zeros((1, 2)), "Codes must be integers of shape (N, 2), not float64 of shape (1, 2)."),
        (np.zeros(2, np.int64), "Codes must be integers of shape (N, 2), not int64 of shape (2,)."),
        (
            np.array([[0, 2]]),
            "Codes must be 0 to 1, but 1 of 2 are not, the first of them 2 in image 0 at 1, where 1 is nearest.",
        ),
    ):
        with pytest.raises(NetworkError) as caught:
            execute(network, codes)  # type: ignore[operator]
        assert str(caught.value) == message


# ---- trained networks


@needs_shared
def test_lfc_on_all_of_mnist() -> None:
    network = bnn_npz(DATA / "models" / "lfcW1A1_mnist.npz")
    x, y = mnist()
    codes = encode(network.input, x)
    result = run(network, codes)
    assert np.count_nonzero(result.classes == y) == 9834
    last = network.layers[-1]
    assert isinstance(last, Affine)
    with np.load(DATA / "golden" / "lfcW1A1_mnist.npz") as expected:
        np.testing.assert_array_equal(result.scores - last.offset, expected["acc"])
        np.testing.assert_array_equal(result.classes, expected["pred"])
    assert_same(network, codes[:50])
    assert prepare(network).frames_a_float == {"dense0": 2, "dense1": 2, "dense2": 2, "dense3": 2, "scores": 0}


@needs_shared
def test_cnv_on_cifar() -> None:
    network = bnn_npz(DATA / "models" / "cnvW1A1_cifar10.npz")
    x, y = cifar()
    codes = encode(network.input, x)
    with np.load(DATA / "models" / "cnvW1A1_cifar10.npz") as data:
        pixels = data["input_lut"][x.transpose(0, 2, 3, 1)]
    np.testing.assert_array_equal(network.input.format.values(codes), pixels.reshape(len(x), -1))
    fast = run(network, codes)
    assert np.count_nonzero(fast.classes == y) == 243
    with np.load(DATA / "golden" / "cnvW1A1_cifar10.npz") as expected:
        np.testing.assert_array_equal(fast.scores, expected["acc"])
        np.testing.assert_array_equal(fast.classes, expected["pred"])
    assert_same(network, codes[:9])
    ways = prepare(network).frames_a_float
    assert {name: count for name, count in ways.items() if count != 1} == {
        "pool1": 0,
        "pool3": 0,
        "dense6": 2,
        "dense7": 2,
        "dense8": 2,
    }
