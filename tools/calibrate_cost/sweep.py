"""Measures blocks on all families, fits the cost model to them, and compares it with whole networks.

Every block of a sweep goes through Yosys, kept whole beside a few others; so does every block of the networks,
which the fit does not see. What was measured once is kept in a folder for temporary files.

    python benchmarks/cost_model.py [--quick] [--write] [--large] [--family ecp5]

--write puts coefficients and error bands into the package; --large adds the networks LFC and CNV.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.back import rtlil
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import Out
from bitweir.importers import load_model
from bitweir.synthesis import flows
from bitweir_hw.blocks import (
    AffineSpec,
    ArgmaxSpec,
    BlockSpec,
    FifoSpec,
    ForkSpec,
    JoinSpec,
    MatVecSpec,
    PoolSpec,
    ResultSpec,
    ThresholdSpec,
    VoteSpec,
    WidthSpec,
    WindowSpec,
)
from bitweir_hw.compressor import STYLE, Popcount
from bitweir_hw.cost.kinds import COSTS
from bitweir_hw.cost.model import coefficients, cost_of, estimate_pipeline, group_of
from bitweir_hw.cost.terms import Cost, Terms
from bitweir_hw.gateware.accelerator import GATEWARE
from bitweir_hw.layers import BIPOLAR, Conv, Dense, Format, Map
from bitweir_hw.lower import lower
from bitweir_hw.pipeline import Pipeline
from bitweir_hw.plan import Folding, Plan, plan_for_fps, plan_from_foldings
from bitweir_hw.sums import matvec
from bitweir_hw.yosys import run_yosys, yosys_version

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.shared_data import SHARED, bnn_npz

CACHE = Path(tempfile.gettempdir()) / "bitweir-cost-model"
#: Blocks and input bits that one Yosys run maps.
BATCH, BATCH_BITS = 12, 6000
#: Where the package keeps what is found.
FILE = Path(__file__).parents[1] / "hw/bitweir_hw/cost_coefficients.json"
N = "block"

# ---- the sweep


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
    plan = Plan(foldings=(), popcount=Popcount(style=style, levels_per_stage=levels), streams=streams)
    folding = Folding(pe=pe, simd=simd, memory=memory)
    return matvec(layer, source, layer.hand_on(source), lane_bits=bits, folding=folding, plan=plan)


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
    return matvec(layer, source, layer.hand_on(source), lane_bits=bits, folding=Folding(pe=pe, simd=simd), plan=plan)


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


def _widths() -> Iterator[WidthSpec]:
    for lane_bits, i_length, o_length, i_lanes, o_lanes in (
        (1, 64, 64, 8, 32), (1, 64, 64, 32, 8), (1, 64, 64, 4, 16), (1, 48, 48, 6, 16), (1, 784, 784, 49, 196),
        (1, 100, 100, 7, 25), (1, 100, 100, 25, 7), (8, 27, 27, 9, 27), (1, 64, 576, 8, 36), (2, 16, 64, 16, 32),
        (1, 64, 64, 64, 16), (11, 10, 10, 5, 1), (9, 10, 10, 2, 5), (1, 32, 288, 32, 24), (4, 30, 30, 10, 4),
        (1, 128, 128, 16, 64), (2, 50, 100, 8, 10), (8, 64, 64, 1, 16), (1, 256, 256, 4, 64), (1, 64, 64, 10, 10),
    ):  # fmt: skip
        yield WidthSpec(
            name=N, layer=N, i_length=i_length, o_length=o_length, i_lanes=i_lanes, o_lanes=o_lanes,
            lane_bits=lane_bits,
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
            format=Format(bits=bits, offset=low, step=1 - low) if codes else None, streams=streams,
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
            lanes=lanes, i_lane_bits=bits, o_lane_bits=count.bit_length(), signed=signed, streams=streams,
        )  # fmt: skip
    for channels, lanes, bits, high, streams in (
        (10, 1, 10, 1, 1), (10, 2, 8, 60, 1), (10, 10, 9, 1, 1), (32, 4, 6, 300, 1), (64, 1, 12, 2000, 1),
        (10, 1, 8, 200, 2), (16, 16, 7, 10, 1), (1, 1, 6, 1 << 16, 1), (5, 1, 7, 1 << 19, 1), (4, 2, 9, 1 << 12, 1),
        (3, 3, 6, 1 << 17, 1), (8, 1, 5, 3000, 1),
    ):  # fmt: skip
        yield AffineSpec(
            name=N, layer=N, lanes=lanes, i_lane_bits=bits, o_lane_bits=bits + high.bit_length() + 1, streams=streams,
            scale=rng.integers(1, high + 1, channels), offset=rng.integers(-(1 << bits), 1 << bits, channels),
        )  # fmt: skip
    for lanes, lane_bits, factors, streams in (
        (8, (1, 1), (1, 1), 1), (4, (9, 9), (1, 1), 1), (2, (8, 10), (3, -1), 1), (16, (2, 5), (2, -1), 1),
        (1, (12, 12, 12), (1, 1, 1), 1), (4, (1, 8), (11, 1), 2), (10, (1,) * 5, (1,) * 5, 1),
    ):  # fmt: skip
        formats = tuple(BIPOLAR if bits == 1 else Format(bits=bits) if bits < 8 else None for bits in lane_bits)
        most = sum(abs(factor) << bits for factor, bits in zip(factors, lane_bits, strict=True))
        yield JoinSpec(
            name=N, layer=N, lanes=lanes, i_lane_bits=lane_bits, formats=formats, factors=factors,
            o_lane_bits=most.bit_length() + 1, beats=64, streams=streams,
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
        yield ArgmaxSpec(name=N, layer=N, classes=classes, lanes=lanes, lane_bits=lane_bits, streams=streams)
        yield ResultSpec(
            name=N, layer=N, classes=classes, lanes=lanes, lane_bits=lane_bits, streams=streams, kind="scores"
        )
        yield VoteSpec(
            name=N, layer=N, classes=classes, lanes=lanes, lane_bits=lane_bits, streams=streams, signed=lanes != 4
        )
    for kind, classes, lanes, lane_bits, streams in (
        ("scores", 1, 1, 12, 1), ("labels", 1, 1, 1, 1), ("labels", 12, 4, 1, 1), ("labels", 7, 7, 1, 1),
        ("codes", 6, 2, 4, 1), ("scores", 1, 1, 30, 2),
    ):  # fmt: skip
        yield ResultSpec(name=N, layer=N, classes=classes, lanes=lanes, lane_bits=lane_bits, streams=streams, kind=kind)
    for classes, lanes, lane_bits in ((3, 1, 5), (6, 6, 4), (4, 4, 3), (5, 1, 8), (2, 2, 4)):
        yield ArgmaxSpec(name=N, layer=N, classes=classes, lanes=lanes, lane_bits=lane_bits, streams=1)
        yield VoteSpec(name=N, layer=N, classes=classes, lanes=lanes, lane_bits=lane_bits, streams=1, signed=True)


def sweep(family: str, *, quick: bool = False, parts: Sequence[str] = ()) -> list[BlockSpec]:
    """Blocks of every kind, as networks need them on a family; or some of `PARTS`."""
    style = STYLE[family]
    kinds = {
        "weights": list(_matvecs(style)), "unrolled": list(_unrolled(style)), "windows": list(_windows()),
        "widths": list(_widths()), "pools": list(_pools()), "elementwise": list(_elementwise()),
        "others": list(_others()),
    }  # fmt: skip
    if style != "fused":
        # What portable Verilog has, where there is a better style.
        kinds["weights"] += list(_matvecs("fused"))[::2]
        kinds["unrolled"] += list(_unrolled("fused"))[::2]
    return [block for name in parts or PARTS for block in kinds[name][:: 4 if quick else 1]]


#: Parts of the sweep.
PARTS = ("weights", "unrolled", "windows", "widths", "pools", "elementwise", "others")


# ---- measurement


class _Batch(wiring.Component):
    """Blocks side by side, each with all its ports."""

    def __init__(self, blocks: Mapping[str, BlockSpec]) -> None:
        self.parts = {name: GATEWARE[type(block)](block) for name, block in blocks.items()}
        super().__init__({name: Out(part.signature) for name, part in self.parts.items()})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for name, part in self.parts.items():
            m.submodules[name] = part
            wiring.connect(m, wiring.flipped(getattr(self, name)), part)
        return m


def _rtlil(part: wiring.Component, name: str) -> str:
    text = rtlil.convert(part, name=name, emit_src=False)
    return re.sub(
        rf"^(module|  cell) (\\{name}\.\S+)",
        lambda match: f"{match[1]} {match[2].replace('.', '__')}",
        text,
        flags=re.M,
    )


def measure(blocks: Sequence[BlockSpec], family: str) -> list[dict[str, int]]:
    """What Yosys maps each block to, by `flows.CLASSES` and "sites"."""
    CACHE.mkdir(exist_ok=True)
    # The recipe is part of the key.
    recipe = flows.script(family, top="top") + yosys_version()
    files = [
        CACHE
        / f"{hashlib.sha256((recipe + _rtlil(GATEWARE[type(block)](block), 'top')).encode()).hexdigest()[:32]}.json"
        for block in blocks
    ]
    todo = {file: block for file, block in zip(files, blocks, strict=True) if not file.is_file()}
    batch: dict[Path, BlockSpec] = {}
    for file, block in sorted(todo.items(), key=lambda item: _size(item[1])):
        if batch and (len(batch) == BATCH or sum(map(_size, batch.values())) + _size(block) > BATCH_BITS):
            _run(batch, family)
            batch = {}
        batch[file] = block
    if batch:
        _run(batch, family)
    return [json.loads(file.read_text()) for file in files]


def _size(block: BlockSpec) -> int:
    """About how much there is to map."""
    if isinstance(block, MatVecSpec):
        return block.weight_width * block.lane_bits * block.streams + 300
    return 100 + max(block.o_bits, 1)


def _run(batch: Mapping[Path, BlockSpec], family: str) -> None:
    started = time.perf_counter()
    names = {f"b{number}": file for number, file in enumerate(batch)}
    with tempfile.TemporaryDirectory(prefix="bitweir-cost-") as work:
        folder = Path(work)
        part = _Batch({name: batch[file] for name, file in names.items()})
        (folder / "design.il").write_text(_rtlil(part, "top"))
        run_yosys(flows.script(family, top="top", keep=[f"top__{name}" for name in names]), folder)
        stat = json.loads((folder / "stat.json").read_text())["modules"]
        mapped = json.loads((folder / "netlist.json").read_text())["modules"]
    for name, file in names.items():
        cells = stat[f"\\top__{name}"]["num_cells_by_type"]
        lone = flows.lone_carries(family, mapped[f"top__{name}"])
        row = {**flows.classify(family, cells), "sites": flows.sites(family, cells, lone=lone), "cells": cells}
        file.write_text(json.dumps(row))
    sys.stderr.write(f"{family}: {len(names)} blocks in {time.perf_counter() - started:.0f} s\n")


# ---- fit

#: Pull of the coefficients of a group towards those of all blocks of its family, in measurements of the group.
PULL = 3.0
#: Features of layers that are unrolled, see `bitweir_hw.cost.constant`.
CONSTANT = ("constant count", "constant position", "thin position", "inverse", "unrolled")
#: Where only features of constant weights are fitted: carry cells hold the positions, so LUTs may take none of them.
FREE: dict[str, dict[str, float]] = {"lut": {"constant position": 0.0, "thin position": 0.0}}
FREE_PULL = 0.2
#: Resources whose errors are told.
RESOURCES = ("lut", "ff", "carry", "bram", "lutram", "dsp", "sites")


Weights = dict[str, dict[str, float]]


def _non_negative(matrix: Any, target: Any, prior: Any, strength: float) -> Any:
    """Least squares without negative coefficients and with a pull to a prior, by coordinate descent."""
    square, right = matrix.T @ matrix, matrix.T @ target
    # A feature that never occurs keeps its prior.
    pull = strength * np.maximum(np.diag(square) / len(matrix), 1e-9)
    square, right = square + np.diag(pull), right + pull * prior
    found = prior.copy()
    for _ in range(3000):
        before = found.copy()
        for n in range(len(found)):
            found[n] = max(0.0, found[n] + (right[n] - square[n] @ found) / square[n, n])
        if np.abs(found - before).max() < 1e-6:
            break
    return found


def fit(
    terms: Sequence[Terms], rows: Sequence[Mapping[str, Any]], family: str, prior: Weights, *, strength: float = PULL
) -> Weights:
    """What each feature takes of LUTs, and of sites beyond LUTs and carry cells; errors count relative."""
    names = sorted({name for entry in terms for name in entry.luts})
    matrix = np.array([[entry.luts[name] for name in names] for entry in terms], float)
    weights: Weights = {}
    for kind, scaled, usual in (("lut", "lut", 1.0), ("lone", "sites", 0.0)):
        if kind == "lone" and family not in ("ice40", "xilinx"):
            continue
        # LUT RAM is counted, not weighed.
        target = np.array(
            [
                row["lut"] if kind == "lut" else row["sites"] - row["lut"] - entry.ram_sites
                for row, entry in zip(rows, terms, strict=True)
            ],
            float,
        )
        scale = 1 / np.maximum([row.get("whole", row)[scaled] for row in rows], 10)
        start = np.array([prior.get(kind, {}).get(name, usual) for name in names])
        found = _non_negative(matrix * scale[:, None], target * scale, start, strength)
        weights[kind] = {name: round(float(value), 4) for name, value in zip(names, found, strict=True)}
    return weights


def errors(costs: Sequence[Cost], rows: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """Of each resource the median, the 95th percentile and the worst of relative errors, in per cent."""
    bands = {}
    for resource in RESOURCES:
        off = [
            abs(getattr(cost, resource) - row[resource]) / max(row[resource], 1)
            for cost, row in zip(costs, rows, strict=True)
        ]
        bands[resource] = [round(100 * float(value), 1) for value in (*np.percentile(off, (50, 95)), max(off))]
    return bands


def refine(family: str, parts: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Coefficients and error bands of what parts of the sweep have.

    Without the part "weights", groups of blocks with weights keep all coefficients but those of `CONSTANT`, and their
    bands where these are wider; other groups are fitted anew, pulled to what they have.
    """
    weights = dict(coefficients()["coefficients"][family])
    bands = dict(coefficients()["errors"][family])
    blocks = sweep(family, parts=parts)
    rows = measure(blocks, family)
    for group in dict.fromkeys(map(group_of, blocks)):
        chosen = [n for n, block in enumerate(blocks) if group_of(block) == group]
        own = [COSTS[type(blocks[n])](blocks[n], family) for n in chosen]
        kept = "weights" not in parts and group.startswith("MatVecSpec")
        weights[group], found = _refined(own, [rows[n] for n in chosen], family, weights[group], kept=kept)
        for name, each in found.items() if kept else ():
            found[name] = [max(pair) for pair in zip(each, bands[group][name], strict=True)]
        bands[group] = found
    return weights, bands


def _refined(
    own: Sequence[Terms], measured: Sequence[Mapping[str, Any]], family: str, before: Weights, *, kept: bool
) -> tuple[Weights, dict[str, list[float]]]:
    """Coefficients of a group, those it has being `kept` or a prior; and the bands, as `calibrate` finds them."""
    free, rest = list(own), list(measured)
    for n, entry in enumerate(own) if kept else ():
        new = Counter({name: value for name, value in entry.luts.items() if name in CONSTANT})
        known = cost_of(Terms(luts=entry.luts - new), before, family)
        row = measured[n]
        free[n] = Terms(luts=new, ram_sites=entry.ram_sites)
        rest[n] = {**row, "lut": row["lut"] - known.lut, "sites": row["sites"] - known.sites, "whole": row}

    def fitted(at: Sequence[int]) -> Weights:
        some = [free[n] for n in at], [rest[n] for n in at]
        found = fit(*some, family, FREE, strength=FREE_PULL) if kept else fit(*some, family, before)
        return {kind: {**before[kind], **found[kind]} for kind in found} if kept else found

    every = range(len(own))
    costs = [cost_of(own[n], fitted([m for m in every if m != n]), family) for n in every]
    return fitted(every), errors(costs, measured)


def calibrate(family: str, *, quick: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """Coefficients and error bands of each group of blocks; each error is that of a fit without its block."""
    blocks = sweep(family, quick=quick)
    rows = measure(blocks, family)
    terms = [COSTS[type(block)](block, family) for block in blocks]
    prior = fit(terms, rows, family, {})
    weights, bands = {}, {}
    for group in dict.fromkeys(map(group_of, blocks)):
        chosen = [n for n, block in enumerate(blocks) if group_of(block) == group]
        own, measured = [terms[n] for n in chosen], [rows[n] for n in chosen]
        weights[group] = fit(own, measured, family, prior)
        costs = [
            cost_of(own[n], fit(own[:n] + own[n + 1 :], measured[:n] + measured[n + 1 :], family, prior), family)
            for n in range(len(own))
        ]
        bands[group] = errors(costs, measured)
    return weights, bands


# ---- whole networks

#: Foldings of overlays that others published.
FOLDINGS = {
    "TFC_1W1A.onnx": ("49x16,8x8,8x8,8x10", "16x8,8x8,8x8,8x10", "112x16,64x4,64x4,64x1"),
    "SFC_1W1A_zybo.onnx": ("49x16,16x16,16x16,16x10", "98x32,64x16,64x16,64x2"),
}
LARGE = {
    "lfcW1A1_mnist.npz": "64x32,32x64,64x32,8x16",
    "cnvW1A1_cifar10.npz": "3x16,32x32,32x16,32x16,32x4,32x1,4x1,8x1,1x4",
}


def networks(family: str, *, quick: bool, large: bool) -> Iterator[tuple[str, Pipeline]]:
    """Accelerators that the fit has not seen."""
    popcount = Popcount(style=STYLE[family])
    with resources.as_file(resources.files("bitweir.networks")) as folder:
        for name, rates in (("digits", (1e5, 1e6, 5e6)), ("cnn", (1e4, 1e5, 4e5))):
            network = load_model(folder / f"{name}.onnx", input_scale="1")
            for fps in rates[1:2] if quick else rates:
                plan = plan_for_fps(network, fps, 100e6, popcount=popcount)
                yield f"{name}, {fps:,.0f} frames/s", lower(network, plan)
    for file, foldings in FOLDINGS.items() if not quick else ():
        path = SHARED / "data/models" / file
        if path.is_file():
            network = load_model(path, input_scale="1/255")
            for folding in foldings:
                name = f"{file.partition('_')[0]}, {folding}"
                yield name, lower(network, plan_from_foldings(network, folding, popcount=popcount))
    for name, folding in LARGE.items() if large else ():
        path = SHARED / "data/models" / name
        if path.is_file():
            network = bnn_npz(path)
            plan = plan_from_foldings(network, folding, popcount=popcount)
            yield f"{name.partition('W')[0].upper()}, {folding}", lower(network, plan)


def compare(family: str, *, quick: bool, large: bool) -> list[dict[str, float]]:
    """Print estimates and measurements of whole networks; errors in per cent."""
    found = []
    for name, pipeline in networks(family, quick=quick, large=large):
        rows = measure(pipeline.blocks, family)
        estimated = estimate_pipeline(pipeline, family)[1]
        cells, error = [], {}
        for resource in RESOURCES:
            guess, real = getattr(estimated, resource), sum(row[resource] for row in rows)
            error[resource] = round(100 * (guess - real) / max(real, 1), 1)
            cells.append(f"{guess} / {real} ({error[resource]:+g} %)" if real or guess else "-")
        print(f"| {family} | {name} | " + " | ".join(cells) + " |", flush=True)
        found.append(error)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="a quarter of the blocks, and two networks")
    parser.add_argument("--write", action="store_true", help="put coefficients and error bands into the package")
    parser.add_argument("--large", action="store_true", help="the networks LFC and CNV, too")
    parser.add_argument("--networks", action="store_true", help="no fit: networks with the coefficients there are")
    parser.add_argument("--part", choices=PARTS, action="append", help="fit only what this part of the sweep has")
    parser.add_argument("--family", choices=flows.FAMILIES, action="append")
    options = parser.parse_args()
    families = options.family or flows.FAMILIES
    found = {"tool": f"Yosys {yosys_version()}", "coefficients": {}, "errors": {}, "networks": {}, **coefficients()}
    for family in families if not options.networks else ():
        found["coefficients"][family], found["errors"][family] = (
            refine(family, options.part) if options.part else calibrate(family, quick=options.quick)
        )
        print_bands(family, found["errors"][family])
    if options.write:
        FILE.write_text(json.dumps(found, indent=1) + "\n")
        coefficients.cache_clear()
    print("\nWhole networks, estimated / measured\n")
    print("| family | network | " + " | ".join(RESOURCES) + " |")
    print("|---" * (2 + len(RESOURCES)) + "|")
    for family in families:
        errors_found = compare(family, quick=options.quick, large=options.large)
        found["networks"][family] = {
            name: [float(np.median(sizes := [abs(entry[name]) for entry in errors_found])), max(sizes)]
            for name in RESOURCES
        }
    if options.write:
        FILE.write_text(json.dumps(found, indent=1) + "\n")


def print_bands(family: str, bands: Mapping[str, Mapping[str, Sequence[float]]]) -> None:
    print(f"\n{family}: median / 95 % / worst error in %\n")
    print("| block | " + " | ".join(RESOURCES) + " |")
    print("|---" * (1 + len(RESOURCES)) + "|")
    for group, values in bands.items():
        print(f"| {group} | " + " | ".join(" / ".join(f"{v:g}" for v in values[name]) for name in RESOURCES) + " |")


if __name__ == "__main__":
    main()
