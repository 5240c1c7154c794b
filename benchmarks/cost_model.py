"""Measures blocks on all families, fits the cost model to them, and compares it with whole networks.

Every block of a sweep goes through Yosys, kept whole beside a few others; so does every block of the networks,
which the fit does not see. What was measured once is kept in a folder for temporary files.

    python benchmarks/cost_model.py [--quick] [--write] [--large] [--family ecp5]

--write puts coefficients and error bands into the package; --large adds the network CNV.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.back import rtlil
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import Out
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
    ThresholdSpec,
    VoteSpec,
    WidthSpec,
    WindowSpec,
)
from bitweir_hw.compressor import STYLE, Popcount
from bitweir_hw.gateware.accelerator import GATEWARE
from bitweir_hw.layers import BIPOLAR, Conv, Dense, Format, Map
from bitweir_hw.plan import Folding, Plan
from bitweir_hw.sums import matvec
from bitweir_hw.yosys import run_yosys, yosys_version

CACHE = Path(tempfile.gettempdir()) / "bitweir-cost-model"
#: Blocks and input bits that one Yosys run maps.
BATCH, BATCH_BITS = 12, 6000
N = "block"

# ---- the sweep


def _dense(
    rows: int, columns: int, pe: int, simd: int, style: str, *, threshold: bool = True, bits: int = 1,
    weights: int = 0, streams: int = 1, levels: int = 2, seed: int = 0,
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
    source = Map(shape=(1, 1, columns), format=form, low=min(form.values([0, form.codes - 1])), high=max(form.values([0, form.codes - 1])))
    plan = Plan(foldings=(), popcount=Popcount(style=style, levels_per_stage=levels), streams=streams)
    return matvec(layer, source, layer.hand_on(source), lane_bits=bits, folding=Folding(pe=pe, simd=simd), plan=plan)
