"""The clock that a router may reach, estimated from the longest path of each block.

A path starts at a register or a block RAM, and is a number of *hops*: adders, with as many positions as their carry
chain has, since timing analysis sees a chain from end to end; and LUTs. Each costs its own delay and a wire. The
delays are those that nextpnr tells of the paths that it found longest in whole accelerators, on ECP5 of speed grade
6, iCE40 HX and UP, and GW1NR-9 of grade C6/I5; see `fmax_error`. What was not routed has no estimate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, log2, sqrt
from typing import Any

from ..blocks import (
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
from ..blocks.pipeline import Pipeline
from ..blocks.width.gateware import Beats
from ..memory import is_block
from ..parts import PARTS
from ..popcount.ecp5 import CHAIN, CHAIN_UNREGISTERED
from ..popcount.portable import CHAIN as FUSED_CHAIN
from ..resources.terms import index_bits
from .model import estimate_pipeline

__all__ = ["FMAX_PARTS", "PATHS", "fmax", "fmax_error", "longest"]


@dataclass(frozen=True, kw_only=True)
class Delays:
    """Nanoseconds.

    Parameters
    ----------
    register, block : float
        From the clock to the output of a flip-flop and of a block RAM, and the set-up time where a path ends.
    adder, position : float
        A wire and the way into and out of a carry chain; each position of it.
    lut : float
        A wire and a LUT.
    multiplier : float
        A wire and a multiplier.
    spread : float
        How much longer the wire from a block RAM is, for the square root of their number: that many columns and rows
        of a large part lie between them.
    """

    register: float
    block: float
    adder: float
    position: float
    lut: float
    multiplier: float
    spread: float = 0.0


_ECP5 = Delays(register=0.5, block=5.6, adder=2.45, position=0.03, lut=1.5, multiplier=5.5, spread=0.6)
_HX = Delays(register=0.9, block=2.5, adder=1.75, position=0.13, lut=1.45, multiplier=12.0)
_UP = Delays(register=2.8, block=7.5, adder=5.4, position=0.4, lut=4.5, multiplier=36.0)
_GW1N = Delays(register=0.9, block=4.5, adder=2.1, position=0.08, lut=1.8, multiplier=7.0)
#: By part; what was not routed has none.
DELAYS = {
    "ecp5-25k": _ECP5, "ecp5-45k": _ECP5, "ecp5-85k": _ECP5, "ice40-hx8k": _HX, "ice40-up5k": _UP, "gw1n-9": _GW1N,
}  # fmt: skip

#: What has an estimate.
FMAX_PARTS = tuple(DELAYS)
#: The worst error against the routed accelerators.
_ERROR = 0.25


@dataclass(frozen=True, kw_only=True)
class Path:
    """What a clock cycle must suffice for.

    Parameters
    ----------
    block : bool
        Whether it starts at a block RAM.
    adders : tuple of int
        Positions of the carry chain of each adder or comparison.
    luts, multipliers : int
    """

    block: bool = False
    adders: tuple[int, ...] = ()
    luts: int = 0
    multipliers: int = 0

    def delay(self, part: str, block_rams: int) -> float:
        """Nanoseconds, in a design of so many block RAMs."""
        times = DELAYS[part]
        return (
            (times.block + times.spread * sqrt(block_rams) if self.block else times.register)
            + sum(times.adder + times.position * bits for bits in self.adders)
            + times.lut * self.luts
            + times.multiplier * self.multipliers
        )


def fmax(pipeline: Pipeline, part: str) -> float | None:
    """MHz that a router may reach on a part, within about `fmax_error`; None where nothing was routed on its like."""
    if part not in FMAX_PARTS:
        return None
    many = estimate_pipeline(pipeline, PARTS[part].family)[1].bram
    return 1e3 / max(path.delay(part, many) for block in pipeline.blocks for path in longest(block))


def fmax_error() -> float:
    """The worst share by which `fmax` was off against routed accelerators (`benchmarks/routed_clock.py`)."""
    return _ERROR


def longest(block: BlockSpec) -> list[Path]:
    """Paths of a block that may be its longest, and that of its flow control."""
    return [*PATHS[type(block)](block), Path(adders=(8,), luts=3)]


def _matvec(spec: MatVecSpec) -> list[Path]:
    """Adder levels between registers, behind the weights or before the accumulator."""
    style, each = spec.popcount.style, spec.popcount.levels_per_stage
    levels = spec.dot.plan(spec.popcount).levels
    stages = spec.dot.stages(spec.popcount)
    gates = style != "ecp5"
    width = spec.acc_bits
    positions = {"ecp5": CHAIN if each else CHAIN_UNREGISTERED, "tree": width}.get(style, FUSED_CHAIN)
    # No chain is longer than all adders of its level.
    positions = min(positions, width * spec.pe * spec.streams)
    last = levels - stages * each
    # Behind a block RAM there is a wire to a register.
    memory = Path(block=spec.memory_stage > 0, luts=1)
    if not stages:
        # Only the first chain is passed from end to end.
        later = (min(positions, CHAIN),) * (levels - 1)
        return [memory, Path(adders=(*(positions,)[:levels], *later, width), luts=gates)]
    return [
        memory,
        Path(adders=(positions,) * each, luts=gates),
        Path(adders=(positions,) * last + (width,), luts=gates),
    ]


def _window(spec: WindowSpec) -> list[Path]:
    """The next address: a subtraction, and the depth added where it went round."""
    at = index_bits(spec.words)
    return [Path(adders=(at, at), luts=1), Path(block=is_block(spec.words, spec.i_bits), luts=1)]


def _width(spec: WidthSpec) -> list[Path]:
    """The shifter, where there is one."""
    beats = Beats(spec)
    shifts = 0 if beats.collects else index_bits(beats.phases)
    return [Path(luts=3 + shifts)]


def _passing(spec: ForkSpec | FifoSpec | ResultSpec) -> list[Path]:
    return [Path(block=any(memory.block for memory in spec.memories()), luts=2)]


def _join(spec: JoinSpec) -> list[Path]:
    """A tree of adders, two deep where numbers need one of their own."""
    return [Path(adders=(spec.o_lane_bits,) * (ceil(log2(spec.inputs)) + 1), luts=1)]


def _pool(spec: PoolSpec) -> list[Path]:
    """A tree over the taps, then the partial result."""
    depth = ceil(log2(spec.taps + 1))
    start = spec.memories()[0].block
    if spec.kind == "max" and spec.i_lane_bits == 1:
        return [Path(block=start, luts=2 + depth)]
    return [Path(block=start, adders=(spec.o_lane_bits,) * depth, luts=1 + depth)]


def _threshold(spec: ThresholdSpec) -> list[Path]:
    """A comparison, and the multiplexers of the encoder."""
    start = spec.memories()[0].block
    return [Path(block=start, adders=(spec.i_lane_bits,), luts=spec.o_lane_bits - 1)]


def _affine(spec: AffineSpec) -> list[Path]:
    """A multiplication and an addition."""
    scaled = len(set(spec.scale.tolist())) > 1
    return [Path(block=spec.memories()[0].block, adders=(spec.o_lane_bits,), multipliers=scaled)]


def _scores(spec: ArgmaxSpec | VoteSpec) -> list[Path]:
    """A tree of comparisons and multiplexers, and one with the leader so far."""
    depth = ceil(log2(spec.lanes)) + 1
    return [Path(adders=(spec.lane_bits,) * depth, luts=2 * depth + isinstance(spec, VoteSpec))]


#: The paths of each kind of block.
PATHS: dict[type, Callable[[Any], list[Path]]] = {
    MatVecSpec: _matvec,
    WindowSpec: _window,
    WidthSpec: _width,
    ForkSpec: _passing,
    FifoSpec: _passing,
    JoinSpec: _join,
    PoolSpec: _pool,
    ThresholdSpec: _threshold,
    AffineSpec: _affine,
    VoteSpec: _scores,
    ArgmaxSpec: _scores,
    ResultSpec: _passing,
}
