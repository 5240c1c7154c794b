"""The blocks of the sweep to which the cost model is fitted: every kind, as networks need them on a family."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from bitweir_hw.blocks import (
    AddSpec,
    AffineSpec,
    ArgmaxSpec,
    BlockSpec,
    ChoiceSpec,
    ConcatSpec,
    FifoSpec,
    ForkSpec,
    MatVecSpec,
    PiecewiseSpec,
    PoolSpec,
    ResultSpec,
    ThresholdSpec,
    UpsampleSpec,
    VoteSpec,
    WidthSpec,
    WindowSpec,
    WiredSpec,
)
from bitweir_hw.lower.accumulators import matvec
from bitweir_hw.network import BIPOLAR, Conv, Dense, Format, Map
from bitweir_hw.plan import Folding, Plan
from bitweir_hw.popcount import STYLE, Popcount

__all__ = ["PARTS", "sweep"]

#: Name of each block and of its layer.
N = "block"


def _dense(
    rows: int, columns: int, pe: int, simd: int, style: str, *, threshold: bool = True, bits: int = 1,
    weights: int = 0, streams: int = 1, levels: int = 2, memory: str = "auto", seed: int = 0,
) -> MatVecSpec:  # fmt: skip
    """A dense layer of random weights; with `weights`, integers up to that size."""
    rng = np.random.default_rng(seed + rows * columns)
    form = BIPOLAR if bits == 1 else Format(bits=bits)
    spread = int(columns**0.5) << (bits - 1)
    layer = Dense(
        name=N,
        weights=rng.integers(-weights, weights + 1, (rows, columns)) if weights else rng.random((rows, columns)) < 0.5,
        thresholds=np.rint(rng.normal(0, spread, (rows, 1))).astype(np.int64) if threshold else None,
        output=BIPOLAR if threshold else None,
    )
    source = Map.of_codes((1, 1, columns), form)
    plan = Plan(foldings=(), popcount=Popcount(style=style, levels_per_stage=levels), parallel_frames=streams)
    folding = Folding(pe=pe, simd=simd, memory=memory)
    return matvec(layer, source, layer.output_map(source), lane_bits=bits, folding=folding, plan=plan)


def _conv(channels: int, rows: int, pe: int, simd: int, style: str, *, groups: int = 1, bits: int = 1) -> MatVecSpec:
    """A convolution that is padded with zeros, which bipolar codes do not have: presets in classes."""
    rng = np.random.default_rng(channels * rows)
    form = BIPOLAR if bits == 1 else Format(bits=bits)
    layer = Conv(
        name=N, weights=rng.random((rows, 3, 3, channels // groups)) < 0.5, pads=(1, 1, 1, 1), groups=groups,
        thresholds=np.rint(rng.normal(0, channels << (bits - 1), (rows, 1))).astype(np.int64), output=BIPOLAR,
    )  # fmt: skip
    source = Map.of_codes((8, 8, channels), form)
    plan = Plan(foldings=(), popcount=Popcount(style=style))
    return matvec(layer, source, layer.output_map(source), lane_bits=bits, folding=Folding(pe=pe, simd=simd), plan=plan)


def _matvecs(style: str) -> Iterator[MatVecSpec]:
    for rows, columns, pe, simd in (
        (64, 64, 8, 16), (64, 256, 4, 64), (32, 784, 8, 49), (128, 128, 16, 32), (16, 16, 16, 16), (64, 64, 64, 8),
        (48, 100, 5, 7), (32, 288, 4, 36), (64, 32, 2, 32), (128, 512, 2, 128), (40, 90, 10, 30), (24, 24, 3, 3),
        (200, 64, 10, 64), (16, 96, 16, 6), (32, 32, 32, 32), (20, 24, 10, 24), (16, 64, 8, 64), (128, 1152, 8, 96),
        (64, 784, 16, 49), (256, 576, 4, 12), (96, 512, 16, 16),
    ):  # fmt: skip
        yield _dense(rows, columns, pe, simd, style)
    # Wide and few: functions of the address that share parts.
    for rows, columns, pe, simd in ((64, 450, 16, 90), (54, 270, 18, 30), (512, 16, 256, 2), (256, 24, 128, 3)):
        yield _dense(rows, columns, pe, simd, style)
    for rows, columns, pe, simd in ((10, 64, 1, 8), (10, 128, 10, 16), (12, 256, 3, 32), (10, 1024, 2, 8)):
        yield _dense(rows, columns, pe, simd, style, threshold=False)
    for rows, columns, pe, simd in ((64, 48, 64, 24), (32, 36, 32, 36), (48, 96, 8, 96)):
        yield _dense(rows, columns, pe, simd, style, levels=1)
    for levels in (0, 1, 3):
        yield _dense(32, 128, 8, 32, style, levels=levels)
        yield _dense(16, 512, 2, 128, style, levels=levels)
    for bits, rows, columns, pe, simd in (
        (8, 16, 27, 4, 9),
        (2, 32, 64, 8, 16),
        (4, 16, 64, 2, 32),
        (8, 16, 27, 8, 27),
    ):
        yield _dense(rows, columns, pe, simd, style, bits=bits)
    yield _dense(32, 64, 4, 16, style, weights=1)
    yield _dense(16, 64, 4, 16, style, weights=7, bits=2)
    yield _dense(10, 64, 2, 16, style, weights=7, threshold=False)
    yield _dense(64, 64, 4, 16, style, streams=2)
    yield _dense(32, 32, 8, 8, style, streams=4)
    for rows, columns, pe, simd in ((64, 64, 8, 8), (40, 90, 4, 9), (32, 160, 4, 8), (24, 256, 2, 24), (64, 40, 16, 4)):
        yield _dense(rows, columns, pe, simd, style, memory="lut")
    for rows, columns, pe, simd in ((32, 128, 8, 32), (20, 60, 10, 10)):
        yield _dense(rows, columns, pe, simd, style, memory="block")
    yield _conv(16, 32, 4, 36, style)
    yield _conv(8, 16, 8, 12, style)
    yield _conv(16, 16, 1, 9, style, groups=16)


def _unrolled(style: str) -> Iterator[MatVecSpec]:
    """Layers at once, whose weights are constants: binary, ternary, integer, with inputs of more bits."""
    for rows, columns, weights, bits, levels, threshold in (
        (8, 24, 0, 1, 2, True), (5, 11, 0, 1, 1, False), (16, 8, 0, 1, 2, True), (3, 45, 0, 1, 3, False),
        (1, 30, 0, 1, 2, False), (10, 17, 0, 1, 1, True), (24, 30, 0, 1, 2, True), (6, 12, 0, 2, 2, True),
        (4, 20, 0, 4, 2, True), (9, 9, 0, 2, 1, False), (8, 18, 1, 1, 2, True), (5, 40, 1, 1, 1, True),
        (12, 9, 1, 1, 3, False), (4, 9, 1, 4, 2, True), (6, 14, 7, 1, 2, True), (10, 10, 7, 1, 1, False),
        (5, 24, 3, 1, 3, True), (16, 16, 3, 1, 2, True), (3, 12, 3, 2, 2, False), (1, 20, 7, 1, 1, False),
        (7, 6, 0, 1, 0, True), (2, 33, 0, 1, 0, False),
    ):  # fmt: skip
        yield _dense(
            rows, columns, rows, columns, style, weights=weights, bits=bits, levels=levels, threshold=threshold, seed=9
        )


def _wired(style: str) -> Iterator[WiredSpec]:
    """Wired layers: binary, ternary, integer, with inputs of more bits, and with other offsets at the edges of maps."""
    for rows, columns, weights, bits, levels, threshold in (
        (8, 24, 0, 1, 2, True), (16, 64, 0, 1, 2, True), (32, 64, 0, 1, 1, True), (10, 32, 0, 1, 2, False),
        (24, 30, 0, 1, 3, True), (4, 100, 0, 1, 2, True), (12, 48, 1, 1, 2, True), (10, 40, 1, 1, 1, False),
        (6, 14, 7, 1, 2, True), (10, 20, 3, 1, 2, False), (8, 16, 0, 2, 2, True), (6, 12, 1, 4, 1, True),
        (7, 6, 0, 1, 0, True), (16, 16, 0, 1, 1, True), (1, 40, 0, 1, 2, False), (20, 128, 0, 1, 2, True),
    ):  # fmt: skip
        yield WiredSpec.of(
            _dense(
                rows, columns, rows, columns, style, weights=weights, bits=bits, levels=levels, threshold=threshold,
                seed=9, memory="wired",
            )
        )  # fmt: skip
    yield WiredSpec.of(_conv(2, 8, 8, 18, style))
    yield WiredSpec.of(_conv(4, 6, 6, 36, style))


def _windows() -> Iterator[WindowSpec]:
    for shape, kernel, stride, pads, lanes, taps, lane_bits in (
        ((8, 8, 16), (3, 3), (1, 1), (1, 1, 1, 1), 16, 3, 1),
        ((28, 28, 1), (3, 3), (1, 1), (0, 0, 0, 0), 1, 3, 8),
        ((32, 32, 3), (3, 3), (1, 1), (0, 0, 0, 0), 3, 1, 8),
        ((16, 16, 32), (3, 3), (1, 1), (0, 0, 0, 0), 32, 1, 1),
        ((14, 14, 64), (3, 3), (1, 1), (1, 1, 1, 1), 64, 1, 1),
        ((10, 10, 64), (3, 3), (1, 1), (0, 0, 0, 0), 16, 1, 1),
        ((8, 8, 1), (3, 3), (1, 1), (1, 1, 1, 1), 1, 9, 5),
        ((12, 12, 8), (5, 5), (1, 1), (2, 2, 2, 2), 8, 5, 1),
        ((16, 16, 4), (2, 2), (2, 2), (0, 0, 0, 0), 4, 2, 4),
        ((9, 13, 6), (3, 3), (2, 2), (1, 1, 0, 0), 2, 1, 2),
        ((6, 6, 128), (3, 3), (1, 1), (0, 0, 0, 0), 128, 3, 1),
        ((30, 30, 64), (3, 3), (1, 1), (0, 0, 0, 0), 64, 1, 1),
    ):
        yield WindowSpec(
            name=N, layer=N, shape=shape, kernel=kernel, stride=stride, pads=pads, groups=1, lanes=lanes, taps=taps,
            lane_bits=lane_bits,
        )  # fmt: skip
    yield WindowSpec(
        name=N, layer=N, shape=(8, 8, 16), kernel=(3, 3), stride=(1, 1), pads=(1, 1, 1, 1), groups=16, lanes=1, taps=3,
        lane_bits=2, pad_words=tuple(n % 3 for n in range(16)),
    )  # fmt: skip


def _small_windows() -> Iterator[WindowSpec]:
    """Windows of so few words that iCE40, which has no LUT RAM, keeps them in registers."""
    for shape, kernel, stride, pads, taps, lane_bits in (
        ((8, 8, 1), (3, 3), (1, 1), (1, 1, 1, 1), 3, 1),
        ((9, 9, 1), (3, 3), (1, 1), (0, 0, 0, 0), 9, 1),
        ((6, 6, 1), (2, 2), (2, 2), (0, 0, 0, 0), 4, 1),
        ((5, 5, 1), (3, 3), (1, 1), (0, 0, 0, 0), 3, 2),
        ((12, 12, 1), (3, 3), (1, 1), (1, 1, 1, 1), 1, 1),
    ):
        yield WindowSpec(
            name=N, layer=N, shape=shape, kernel=kernel, stride=stride, pads=pads, groups=1, lanes=1, taps=taps,
            lane_bits=lane_bits,
        )  # fmt: skip


def _widths() -> Iterator[WidthSpec]:
    for lane_bits, i_length, o_length, i_lanes, o_lanes in (
        (1, 64, 64, 8, 32), (1, 64, 64, 32, 8), (1, 64, 64, 4, 16), (1, 48, 48, 6, 16), (1, 784, 784, 49, 196),
        (1, 100, 100, 7, 25), (1, 100, 100, 25, 7), (8, 27, 27, 9, 27), (1, 64, 576, 8, 36), (2, 16, 64, 16, 32),
        (1, 64, 64, 64, 16), (11, 10, 10, 5, 1), (9, 10, 10, 2, 5), (1, 32, 288, 32, 24), (4, 30, 30, 10, 4),
        (1, 128, 128, 16, 64), (2, 50, 100, 8, 10), (8, 64, 64, 1, 16), (1, 256, 256, 4, 64), (1, 64, 64, 10, 10),
    ):  # fmt: skip
        for levels in (0, 2):
            yield WidthSpec(
                name=N, layer=N, i_length=i_length, o_length=o_length, i_lanes=i_lanes, o_lanes=o_lanes,
                lane_bits=lane_bits, stage_levels=levels,
            )  # fmt: skip


def _pools() -> Iterator[PoolSpec]:
    for kind, shape, kernel, taps, lanes, bits, codes, streams in (
        ("max", (8, 8, 1, 1), (2, 2), 1, 64, 1, True, 1),
        ("max", (28, 28, 2, 1), (2, 2), 1, 8, 1, True, 1),
        ("max", (8, 8, 1, 1), (2, 2), 1, 16, 2, True, 1),
        ("max", (12, 12, 4, 1), (3, 3), 1, 4, 8, True, 1),
        ("max", (9, 9, 1, 1), (2, 2), 1, 8, 10, False, 1),
        ("max", (6, 6, 4, 3), (1, 1), 3, 8, 1, True, 1),
        ("max", (6, 6, 2, 1), (1, 1), 9, 4, 2, True, 1),
        ("sum", (7, 7, 1, 1), (7, 7), 1, 8, 1, True, 1),
        ("sum", (8, 8, 2, 1), (4, 4), 1, 4, 9, False, 1),
        ("sum", (8, 8, 1, 1), (2, 2), 1, 6, 4, True, 2),
        ("max", (30, 30, 4, 1), (2, 2), 1, 32, 1, True, 1),
        ("max", (8, 8, 8, 1), (2, 2), 1, 1, 1, True, 1),
    ):
        low = 0 if bits > 1 else -1
        wide = int(np.prod(kernel)) * taps * shape[3]
        o_bits = bits if kind == "max" else bits + wide.bit_length() + (bits == 1)
        yield PoolSpec(
            name=N, layer=N, kind=kind, shape=shape, kernel=kernel, stride=kernel, taps=taps, lanes=lanes,
            i_lane_bits=bits, o_lane_bits=o_bits,
            format=Format(bits=bits, offset=low, step=1 - low) if codes else None, parallel_frames=streams,
        )  # fmt: skip


def _maps() -> Iterator[BlockSpec]:
    for shape, factors, bits in (
        ((4, 4, 1), (2, 2), 16), ((7, 7, 2), (2, 2), 32), ((8, 8, 4), (2, 2), 4), ((14, 14, 1), (2, 2), 64),
        ((5, 9, 3), (3, 2), 10), ((6, 6, 1), (1, 2), 8), ((6, 6, 4), (1, 3), 12), ((4, 10, 2), (4, 1), 6),
        ((1, 1, 1), (4, 4), 20), ((16, 30, 2), (2, 2), 16), ((8, 8, 8), (2, 2), 48), ((3, 20, 1), (2, 2), 3),
    ):  # fmt: skip
        yield UpsampleSpec(name=N, layer=N, shape=shape, factors=factors, word_bits=bits)
    for channels, lanes, bits, signed, parallel_frames in (
        ((16, 16), 4, (1, 1), False, 1), ((64, 32), 32, (1, 1), False, 1), ((3, 16), 19, (1, 1), False, 1),
        ((8, 8, 8), 2, (4, 4, 4), False, 1), ((12, 4), 4, (10, 8), True, 1), ((5, 7), 12, (2, 2), False, 2),
        ((24, 40), 8, (1, 2), False, 1), ((32, 32, 16, 16), 16, (1,) * 4, False, 1), ((10, 15), 5, (8, 11), True, 2),
        ((1, 3), 1, (8, 8), False, 1), ((6, 10), 16, (9, 9), True, 1), ((128, 128), 8, (1, 1), False, 2),
    ):  # fmt: skip
        yield ConcatSpec(
            name=N, layer=N, channels=channels, lanes=lanes, i_lane_bits=bits, o_lane_bits=max(bits), signed=signed,
            pixels=16, parallel_frames=parallel_frames,
        )  # fmt: skip


def _elementwise() -> Iterator[BlockSpec]:
    rng = np.random.default_rng(5)
    for channels, count, lanes, bits, signed, streams in (
        (16, 1, 4, 10, True, 1), (64, 3, 4, 9, True, 1), (32, 15, 1, 12, True, 1), (16, 3, 16, 8, True, 1),
        (64, 3, 2, 9, True, 2), (40, 7, 5, 6, False, 1), (128, 1, 8, 11, True, 1), (8, 3, 8, 10, True, 2),
    ):  # fmt: skip
        low = -(1 << bits - 1) if signed else 0
        yield ThresholdSpec(
            name=N, layer=N, thresholds=np.sort(rng.integers(low // 2, low + (1 << bits), (channels, count)), axis=1),
            lanes=lanes, i_lane_bits=bits, o_lane_bits=count.bit_length(), signed=signed, parallel_frames=streams,
        )  # fmt: skip
    for channels, lanes, bits, high, streams in (
        (10, 1, 10, 1, 1), (10, 2, 8, 60, 1), (10, 10, 9, 1, 1), (32, 4, 6, 300, 1), (64, 1, 12, 2000, 1),
        (10, 1, 8, 200, 2), (16, 16, 7, 10, 1), (1, 1, 6, 1 << 16, 1), (5, 1, 7, 1 << 19, 1), (4, 2, 9, 1 << 12, 1),
        (3, 3, 6, 1 << 17, 1), (8, 1, 5, 3000, 1),
    ):  # fmt: skip
        yield AffineSpec(
            name=N, layer=N, lanes=lanes, i_lane_bits=bits, o_lane_bits=bits + high.bit_length() + 1,
            parallel_frames=streams,
            scale=rng.integers(1, high + 1, channels), offset=rng.integers(-(1 << bits), 1 << bits, channels),
        )  # fmt: skip
    for lanes, lane_bits, factors, streams in (
        (8, (1, 1), (1, 1), 1), (4, (9, 9), (1, 1), 1), (2, (8, 10), (3, -1), 1), (16, (2, 5), (2, -1), 1),
        (1, (12, 12, 12), (1, 1, 1), 1), (4, (1, 8), (11, 1), 2), (10, (1,) * 5, (1,) * 5, 1),
    ):  # fmt: skip
        formats = tuple(BIPOLAR if bits == 1 else Format(bits=bits) if bits < 8 else None for bits in lane_bits)
        most = sum(abs(factor) << bits for factor, bits in zip(factors, lane_bits, strict=True))
        yield AddSpec(
            name=N, layer=N, lanes=lanes, i_lane_bits=lane_bits, formats=formats, factors=factors,
            o_lane_bits=most.bit_length() + 1, beats=64, parallel_frames=streams,
        )  # fmt: skip


def _pieces() -> Iterator[BlockSpec]:
    """ReLUs and clips, with one slope for a lane; those of a slope for each channel; leaky ones."""
    rng = np.random.default_rng(7)
    for channels, lanes, bits, pieces, slopes, shift, streams in (
        (16, 1, 18, 2, "one", 0, 1), (16, 4, 22, 3, "one", 0, 1), (64, 8, 12, 3, "one", 0, 1),
        (32, 2, 8, 2, "one", 0, 2), (10, 10, 9, 3, "one", 0, 1), (64, 2, 7, 2, "each", 8, 1),
        (32, 4, 16, 2, "each", 10, 1), (10, 1, 12, 3, "each", 12, 1), (16, 2, 24, 2, "each", 16, 1),
        (64, 1, 8, 2, "each", 0, 2), (16, 1, 20, 2, "leaky", 16, 1), (64, 4, 24, 2, "leaky", 16, 1),
        (32, 2, 10, 2, "leaky", 6, 1), (16, 8, 16, 2, "leaky", 12, 1), (8, 1, 26, 3, "leaky", 17, 1),
        (24, 3, 14, 3, "leaky", 14, 2),
    ):  # fmt: skip
        top = 1 << max(shift, 7) if slopes == "each" else 1 << shift
        scale = (
            rng.integers(top // 2, top + 1, (channels, pieces)) if slopes != "one" else np.full((channels, pieces), top)
        )
        if slopes != "leaky":
            scale[:, 0] = 0
            scale[:, 2:] = 0
        else:
            scale[:, 0] //= 4
        reach = 1 << bits - 1
        yield PiecewiseSpec(
            name=N, layer=N, lanes=lanes, i_lane_bits=bits, shift=shift, parallel_frames=streams, scale=scale,
            o_lane_bits=bits + 1 + (slopes == "each" and not shift) * 7, pixels=16,
            thresholds=np.sort(rng.integers(-reach // 2, reach // 2, (channels, pieces - 1)), axis=1),
            offset=rng.integers(-reach << shift, reach << shift, (channels, pieces)),
        )  # fmt: skip


def _others() -> Iterator[BlockSpec]:
    for depth, bits in (
        (2, 8), (3, 8), (16, 64), (9, 20), (5, 5), (17, 33), (30, 100), (33, 40), (64, 64), (200, 8), (512, 36),
        (600, 72), (33, 8), (1000, 20), (128, 16), (1500, 3),
    ):  # fmt: skip
        yield FifoSpec(name=N, layer=N, bits=bits, beats=100, depth=depth)
    for outputs, bits in ((2, 8), (2, 64), (3, 17), (5, 32)):
        yield ForkSpec(name=N, layer=N, bits=bits, beats=100, outputs=outputs)
    for classes, lanes, lane_bits, streams in (
        (10, 1, 10, 1), (10, 2, 8, 1), (10, 10, 7, 1), (100, 4, 12, 1), (10, 1, 9, 2), (10, 4, 14, 1), (2, 1, 6, 1),
    ):  # fmt: skip
        yield ArgmaxSpec(name=N, layer=N, classes=classes, lanes=lanes, lane_bits=lane_bits, parallel_frames=streams)
        yield ResultSpec(
            name=N, layer=N, classes=classes, lanes=lanes, lane_bits=lane_bits, parallel_frames=streams, kind="scores"
        )
        yield VoteSpec(
            name=N,
            layer=N,
            classes=classes,
            lanes=lanes,
            lane_bits=lane_bits,
            parallel_frames=streams,
            signed=lanes != 4,
        )
        yield ChoiceSpec(
            name=N, layer=N, classes=classes, lanes=lanes, lane_bits=lane_bits, parallel_frames=streams, pixels=64,
            signed=lanes != 4,
        )  # fmt: skip
    for kind, classes, lanes, lane_bits, streams in (
        ("scores", 1, 1, 12, 1), ("labels", 1, 1, 1, 1), ("labels", 12, 4, 1, 1), ("labels", 7, 7, 1, 1),
        ("codes", 6, 2, 4, 1), ("scores", 1, 1, 30, 2),
    ):  # fmt: skip
        yield ResultSpec(
            name=N, layer=N, classes=classes, lanes=lanes, lane_bits=lane_bits, parallel_frames=streams, kind=kind
        )
    for classes, lanes, lane_bits, levels in (
        (10, 1, 10, 2), (10, 1, 8, 1), (10, 2, 12, 2), (10, 4, 14, 1), (10, 10, 7, 1), (10, 10, 9, 2), (5, 1, 8, 2),
    ):  # fmt: skip
        yield ArgmaxSpec(
            name=N, layer=N, classes=classes, lanes=lanes, lane_bits=lane_bits, parallel_frames=1, stage_levels=levels
        )
    for classes, lanes, lane_bits in ((3, 1, 5), (6, 6, 4), (4, 4, 3), (5, 1, 8), (2, 2, 4)):
        yield ArgmaxSpec(name=N, layer=N, classes=classes, lanes=lanes, lane_bits=lane_bits, parallel_frames=1)
        yield VoteSpec(
            name=N, layer=N, classes=classes, lanes=lanes, lane_bits=lane_bits, parallel_frames=1, signed=True
        )


def sweep(family: str, *, quick: bool = False, parts: Sequence[str] = ()) -> list[BlockSpec]:
    """Blocks of every kind, as networks need them on a family; or some of `PARTS`."""
    style = STYLE[family]
    kinds = {
        "weights": list(_matvecs(style)), "unrolled": list(_unrolled(style)), "windows": list(_windows()),
        "widths": list(_widths()), "pools": list(_pools()), "maps": list(_maps()), "elementwise": list(_elementwise()),
        "pieces": list(_pieces()), "others": list(_others()),
        "wired": list(_wired(style)),
    }  # fmt: skip
    if family == "ice40":
        kinds["windows"] += list(_small_windows())
    if style != "fused":
        # What portable Verilog has, where there is a better style.
        kinds["weights"] += list(_matvecs("fused"))[::2]
        kinds["unrolled"] += list(_unrolled("fused"))[::2]
        kinds["wired"] += list(_wired("fused"))[::2]
    if family == "xilinx":
        # With cells of its own.
        kinds["wired"] += [replace(spec, popcount=replace(spec.popcount, carry4=True)) for spec in _wired(style)]
    return [block for name in parts or PARTS for block in kinds[name][:: 4 if quick else 1]]


#: Parts of the sweep.
PARTS = ("weights", "unrolled", "windows", "widths", "pools", "maps", "elementwise", "pieces", "others", "wired")
