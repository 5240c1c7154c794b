"""Small networks: with a layer of each kind, which comes down to a block of each kind; and dense ones."""

from dataclasses import replace

import numpy as np
from bitweir_hw.memory import WIRED
from bitweir_hw.network import (
    BIPOLAR,
    Affine,
    Argmax,
    Concat,
    Conv,
    Dense,
    Format,
    Input,
    Network,
    Parallel,
    Piecewise,
    Pool,
    Readout,
    Select,
    Threshold,
    Upsample,
    Vote,
    check,
)
from bitweir_hw.plan import Folding, Plan
from bitweir_hw.popcount import Popcount
from support.strategies import identity_input


def every_kind(*, style="fused", streams=1, kind="class", wired=True):
    """The network, with a result of a kind (its scores are those of a class), and a plan that divides nothing.

    One of its layers is wired, if none is to be loaded.
    """
    rng = np.random.default_rng(6)
    wide = Format(bits=2)
    layers = (
        Concat(
            name="concat",
            branches=(
                (),
                (
                    Pool(name="shrink", kind="max", kernel=(2, 2), stride=(2, 2)),
                    Upsample(name="upsample", factors=(2, 2)),
                ),
                (Argmax(name="choice"),),
            ),
        ),
        Conv(
            name="conv", weights=rng.random((5, 3, 3, 5)) < 0.5, pads=(1, 1, 1, 1),
            thresholds=np.array([[-3, 0, 4]] * 5), output=wide,
        ),
        Pool(name="pool", kind="max", kernel=(3, 3), stride=(2, 2), pads=(1, 1, 0, 0)),
        Parallel(
            name="sum",
            branches=(
                (
                    Threshold(name="sign", thresholds=np.full((5, 1), 2), output=BIPOLAR),
                    Select(name="select", channels=np.array([3, 0, 4, 0, 1])),
                ),
                (),
            ),
            weights=(2, -1),
        ),
        Affine(name="affine", scale=np.array([1, -2, 3, 1, 0]), offset=np.array([4, 5, -6, 0, 1])),
        Piecewise(
            name="pieces", thresholds=np.array([[2], [0], [-3], [0], [1]]), shift=1,
            scale=np.array([[0, 4], [1, 2], [0, 3], [2, 2], [0, 2]]),
            offset=np.array([[5, -3], [0, 1], [-1, 8], [0, 0], [2, 0]]),
        ),
        Threshold(name="levels", thresholds=np.full((5, 1), 1), output=BIPOLAR),
        Parallel(
            name="votes",
            branches=tuple(
                (Dense(name=f"dense{n}", weights=rng.random((3, 20)) < 0.5), Vote(name=f"vote{n}")) for n in range(2)
            ),
        ),
    )  # fmt: skip
    entry = Input(
        shape=(32,), format=wide, thresholds=np.array([[1.0, 2.0, 3.0]]), source=np.arange(32), map_shape=(4, 4, 2)
    )
    readout = Readout() if kind == "class" else Readout(kind="scores", scale=("1",), offset=("0",))
    network = check(Network(name="net", input=entry, layers=layers, readout=readout))
    foldings = (Folding(pe=2, simd=4), Folding(pe=3, simd=3), Folding(pe=1, simd=20))
    if wired:
        foldings = (*foldings[:2], Folding(pe=3, simd=20, memory=WIRED))
    return network, Plan(foldings=foldings, popcount=Popcount(style=style, levels_per_stage=1), parallel_frames=streams)


def depthwise_network(channels: int = 8) -> Network:
    """A depthwise convolution of a map of 8 x 8 pixels, padded with zeros, and a dense layer."""
    rng = np.random.default_rng(9)
    layers = (
        Conv(
            name="depthwise", weights=rng.random((channels, 3, 3, 1)) < 0.5, pads=(1, 1, 1, 1), groups=channels,
            thresholds=rng.integers(-2, 3, (channels, 1)), output=BIPOLAR,
        ),
        Dense(name="dense", weights=rng.random((2, 64 * channels)) < 0.5),
    )  # fmt: skip
    entry = replace(identity_input(64 * channels), map_shape=(8, 8, channels))
    return check(Network(name="net", input=entry, layers=layers))


def dense_network(*sizes: int, seed: int = 1) -> Network:
    """Dense layers of so many inputs and outputs, drawn."""
    rng = np.random.default_rng(seed)
    layers = []
    for index, (inputs, outputs) in enumerate(zip(sizes, sizes[1:], strict=False)):
        last = index == len(sizes) - 2
        layers.append(
            Dense(
                name=f"dense{index}",
                weights=rng.random((outputs, inputs)) < 0.5,
                thresholds=None if last else rng.integers(-5, 5, (outputs, 1)),
                output=None if last else BIPOLAR,
            )
        )
    return check(Network(name="net", input=identity_input(sizes[0]), layers=tuple(layers)))


def streamed_example(parallel_frames=1):
    """An odd network, of which two layers of three have streamed weights."""
    rng = np.random.default_rng(1)
    layers = []
    for index, (inputs, outputs) in enumerate(((45, 23), (23, 14), (14, 5))):
        thresholds = rng.integers(-12, 12, (outputs, 1)) if index < 2 else None
        weights = rng.random((outputs, inputs)) < 0.5
        output = identity_input(1).format if index < 2 else None
        layers.append(Dense(name=f"dense_{index}", weights=weights, thresholds=thresholds, output=output))
    network = check(Network(name="odd", input=identity_input(45), layers=tuple(layers)))
    foldings = (
        Folding(pe=4, simd=8, memory="stream"),
        Folding(pe=5, simd=3),
        Folding(pe=2, simd=14, memory="stream"),
    )
    plan = Plan(foldings=foldings, popcount=Popcount(style="fused"), parallel_frames=parallel_frames)
    return network, plan


def shared_example(parallel_frames=1):
    """Two convolutions of 3 x 6 pixels, padded with zeros, of which 6 and 3 pixels share each word of weights."""
    rng = np.random.default_rng(2)
    layers = [
        Conv(
            name=f"conv_{index}", weights=rng.random((outputs, 3, 3, channels)) < 0.5, pads=(1, 1, 1, 1),
            thresholds=rng.integers(-4, 5, (outputs, 1)), output=BIPOLAR,
        )
        for index, (channels, outputs) in enumerate(((3, 5), (5, 4)))
    ]  # fmt: skip
    layers.append(Dense(name="dense", weights=rng.random((3, 72)) < 0.5))
    entry = replace(identity_input(54), map_shape=(3, 6, 3))
    foldings = (
        Folding(pe=2, simd=9, memory="stream", share=6),
        Folding(pe=4, simd=5, memory="stream", share=3),
        Folding(pe=1, simd=4),
    )
    plan = Plan(foldings=foldings, popcount=Popcount(style="fused"), parallel_frames=parallel_frames)
    return check(Network(name="odd", input=entry, layers=tuple(layers))), plan


def network_of_bits():
    """Inputs of 3 bits, then of 2 bits, of 2 bits with another offset at the edges of a map, then sums."""
    rng = np.random.default_rng(8)
    source = Input(
        shape=(18,), format=Format(bits=3), thresholds=np.arange(1, 8)[None] / 8, source=np.arange(18),
        map_shape=(3, 3, 2),
    )  # fmt: skip
    layers = (
        Conv(
            name="conv", weights=rng.random((3, 2, 2, 2)) < 0.5, thresholds=np.array([[-9, 0, 8]] * 3),
            output=Format(bits=2),
        ),
        Conv(
            name="padded", weights=rng.random((4, 3, 3, 3)) < 0.5, pads=(1, 1, 1, 1), pad_value=-1,
            thresholds=np.array([[-5, 1, 6]] * 4), output=Format(bits=2),
        ),
        Dense(name="dense", weights=rng.integers(-1, 2, (3, 16))),
    )  # fmt: skip
    return check(Network(name="net", input=source, layers=layers))
