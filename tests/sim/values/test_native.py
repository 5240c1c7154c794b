"""The native engine against the definition of golden, with the kernels of each set of instructions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from bitweir_hw.errors import NetworkError, ToolError
from bitweir_hw.network import (
    BIPOLAR,
    Argmax,
    Concat,
    Conv,
    Dense,
    Format,
    Network,
    Parallel,
    Pool,
    Readout,
    Threshold,
    Upsample,
)
from bitweir_sim.compiler import compiler_missing
from bitweir_sim.values import native
from bitweir_sim.values.golden import run_slow
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.samples import depthwise_network, every_kind
from support.shared_data import DATA, bnn_npz, cifar, mnist, needs_shared
from support.strategies import grouped_networks, map_networks, networks
from support.wide_networks import codes_for, network_of, thresholds_for, weights_for, wide_networks

if missing := compiler_missing():
    pytest.skip(missing, allow_module_level=True)

SETS = {one.name: one for one in native.runnable()}
seeds = st.integers(0, 2**32 - 1)


def assert_same(network: Network, codes: np.ndarray, threads: int = 1) -> None:
    """All kernels compute what golden does."""
    expected = run_slow(network, codes)
    for name, kernels in SETS.items():
        found = native.prepare(network, kernels).run(codes, threads=threads)
        np.testing.assert_array_equal(found.scores, expected.scores, err_msg=name)
        assert found.scores.dtype == np.int64
        for ours, theirs in ((found.classes, expected.classes), (found.labels, expected.labels)):
            assert (ours is None) == (theirs is None)
            if ours is not None:
                np.testing.assert_array_equal(ours, theirs)
                assert ours.dtype == theirs.dtype


# ---- drawn networks


@settings(max_examples=100)
@given(networks() | grouped_networks() | map_networks(), seeds)
@example(every_kind()[0], 1)
@example(every_kind(kind="scores")[0], 1)
@example(depthwise_network(), 1)
def test_any_network_computes_what_golden_does(network: Network, seed: int) -> None:
    assert_same(network, codes_for(network, 5, np.random.default_rng(seed)))


@given(wide_networks(max_bits=10), st.integers(0, 40), seeds)
def test_wide_networks_compute_what_golden_does(network: Network, frames: int, seed: int) -> None:
    assert_same(network, codes_for(network, frames, np.random.default_rng(seed)), threads=2)


CHANNELS = st.sampled_from([1, 3, 16, 31, 32, 33, 48, 63, 64, 65])
INPUTS = st.sampled_from([BIPOLAR, Format(bits=1), Format(bits=2, offset=-1), Format(bits=8, offset=-128, step=-2)])
WEIGHTS = st.sampled_from([(-1, 1), (0, 1), (-2, 3), (-128, 127), (-(1 << 15), (1 << 15) - 1)])


@st.composite
def convolutions(draw: st.DrawFn) -> Network:
    """Two convolutions with pools and edges, of numbers of channels around those of words and vectors."""
    rng = np.random.default_rng(draw(seeds))
    form, groups = draw(INPUTS), draw(st.sampled_from([1, 1, 2]))
    seen, outputs = draw(CHANNELS), groups * draw(CHANNELS)
    kernel = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    pads = tuple(draw(st.integers(0, size - 1)) for size in kernel * 2)
    low, high = draw(WEIGHTS)
    weights = rng.integers(low, high + 1, (outputs, *kernel, seen))
    if draw(st.booleans()):
        weights = weights > 0
    elif draw(st.booleans()):
        weights[:, :, 1::2] = 0  # dilated
    output = draw(st.sampled_from([BIPOLAR, Format(bits=2), Format(bits=3, offset=-9, step=4)]))
    flat = weights.reshape(outputs, -1)
    first = Conv(
        name="first", weights=weights, stride=draw(st.sampled_from([(1, 1), (2, 1)])), pads=pads, groups=groups,
        pad_value=draw(st.integers(-3, 3)), thresholds=thresholds_for(form, flat, output.codes - 1, rng), output=output,
    )  # fmt: skip
    shape = (draw(st.integers(3, 6)), draw(st.integers(3, 6)), seen * groups)
    if draw(st.booleans()):
        windows = first.windows(shape).shape
        first = replace(first, edges=rng.integers(-9, 10, (*windows, outputs)))
    least = rng.random(outputs) < 0.5 if draw(st.booleans()) else None
    pool = Pool(name="pool", kind=draw(st.sampled_from(["max", "sum"])), kernel=(2, 1), stride=(1, 1), least=least)
    if pool.kind == "sum" and least is not None:
        pool = replace(pool, kind="max")
    last = Conv(name="last", weights=weights_for(4 * outputs, outputs, rng).reshape(-1, 1, 1, outputs))
    # Where one row is left, there is nothing to pool.
    rows = (shape[0] + pads[0] + pads[2] - kernel[0]) // first.stride[0] + 1
    return network_of(form, first, *((pool,) if rows > 1 else ()), last, shape=shape)


@settings(max_examples=100)
@given(convolutions(), seeds)
def test_convolutions_compute_what_golden_does(network: Network, seed: int) -> None:
    assert_same(network, codes_for(network, 3, np.random.default_rng(seed)))


# ---- limits


@pytest.mark.parametrize("inputs", [1, 63, 64, 65, 4095, 20_000])
@pytest.mark.parametrize("form", [BIPOLAR, Format(bits=2), Format(bits=8), Format(bits=15), Format(bits=32)])
def test_the_largest_sums(inputs: int, form: Format) -> None:
    rng = np.random.default_rng(inputs)
    weights = weights_for(5, inputs, rng)
    thresholds = thresholds_for(form, weights, 2, rng)
    ends = form.values([0, form.codes - 1])
    thresholds[:3] = inputs * ends.max() + np.arange(2)  # reached just so, and never
    thresholds[3] = np.iinfo(np.int64).min, np.iinfo(np.int64).max
    last = Dense(name="b", weights=weights_for(2, 5, rng))
    for large in (weights, np.where(weights, 127, -128), np.where(weights, (1 << 15) - 1, -(1 << 15))):
        compared = Dense(name="a", weights=large, thresholds=thresholds, output=Format(bits=2))
        for layers in ((replace(compared, thresholds=None, output=None),), (compared, last)):
            network = network_of(form, *layers)
            assert_same(network, codes_for(network, 3, rng))


@pytest.mark.parametrize("frames", [0, 1, 2, 3, 257])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_any_batch_in_any_number_of_threads(frames: int, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # All work is worth a thread, and worth to share a frame.
    monkeypatch.setattr("bitweir_sim.values.native.model._STEPS_A_THREAD", 1)
    monkeypatch.setattr("bitweir_sim.values.native.model._STEPS_TO_SHARE", 1)
    rng = np.random.default_rng(1)
    shrink = Pool(name="shrink", kind="max", kernel=(2, 2), stride=(2, 2))
    same = Conv(name="same", weights=rng.random((33, 3, 3, 33)) < 0.5, pads=(1, 1, 1, 1))
    network = network_of(
        BIPOLAR,
        Parallel(name="sum", branches=((), (same,))),
        Threshold(name="sign", thresholds=np.zeros((33, 1), np.int64), output=BIPOLAR),
        Concat(name="both", branches=((), (shrink, Upsample(name="grow", factors=(2, 2))))),
        Dense(name="last", weights=weights_for(70, 4 * 4 * 66, rng)),
        shape=(4, 4, 33),
    )  # fmt: skip
    assert_same(network, codes_for(network, frames, rng), threads)


def test_the_class_of_each_pixel() -> None:
    rng = np.random.default_rng(2)
    conv = Conv(name="conv", weights=rng.integers(-1, 2, (3, 1, 1, 40)))
    network = network_of(Format(bits=2), conv, shape=(5, 3, 40))
    classes = replace(network, layers=(conv, Argmax(name="best")), readout=Readout(kind="classes"))
    assert_same(classes, codes_for(network, 4, rng))


def test_what_is_no_code_and_no_number_of_threads_is_refused() -> None:
    network = network_of(BIPOLAR, Dense(name="last", weights=np.ones((1, 2), np.bool_)))
    model = native.prepare(network)
    with pytest.raises(NetworkError, match="Codes must be 0 to 1, but 1 of 2 are not"):
        model.run([[0, 2]])
    for threads in (0, -1, 1.5):
        with pytest.raises(NetworkError, match=f"The number of threads must be 1 or more, not {threads}"):
            model.run([[0, 1]], threads=threads)


# ---- which kernels


def test_the_best_instructions_are_chosen_unless_others_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BITWEIR_NATIVE", raising=False)
    assert native.chosen().name == next(iter(SETS))
    monkeypatch.setenv("BITWEIR_NATIVE", "portable")
    assert native.chosen().name == "portable"
    monkeypatch.setenv("BITWEIR_NATIVE", "mmx")
    with pytest.raises(ToolError) as caught:
        native.chosen()
    assert str(caught.value) == f"BITWEIR_NATIVE must be one of {', '.join(SETS)} on this machine, not 'mmx'."


def test_threads_follow_the_usual_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3,2")
    assert native.default_threads() == 3
    for text in ("", "many", "0"):
        monkeypatch.setenv("OMP_NUM_THREADS", text)
        assert native.default_threads() >= 1


# ---- trained networks


@needs_shared
def test_lfc_and_cnv_on_real_images() -> None:
    from bitweir_sim.values.encoding import encode

    for name, images in (("lfcW1A1_mnist", mnist()[0][:1000]), ("cnvW1A1_cifar10", cifar()[0])):
        network = bnn_npz(DATA / "models" / f"{name}.npz")
        codes = encode(network.input, images)
        with np.load(DATA / "golden" / f"{name}.npz") as expected:
            for kernels in SETS.values():
                found = native.prepare(network, kernels).run(codes, threads=2)
                np.testing.assert_array_equal(found.classes, expected["pred"][: len(images)])
