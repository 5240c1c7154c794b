"""The clock that a router may reach, estimated from the longest path of each block.

A path starts at a register or a block RAM, and is a number of *hops*: adders, with as many positions as their carry
chain has, since timing analysis sees a chain from end to end; and LUTs. Each costs its own delay and a wire. The
delays are those that nextpnr tells of the paths that it found longest in whole accelerators, on ECP5 of speed grade
6, iCE40 HX and UP, and GW1NR-9 of grade C6/I5; see `fmax_error`. What was not routed has no estimate.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

from ..blocks import BlockSpec, block_of
from ..blocks.pipeline import Pipeline
from ..parts import PARTS
from ..resources.paths import HANDSHAKE, Path
from .model import estimate_pipeline

__all__ = ["FMAX_PARTS", "fmax", "fmax_error", "longest"]


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


def fmax(pipeline: Pipeline, part: str) -> float | None:
    """Hz that a router may reach on a part, within about `fmax_error`; None where nothing was routed on its like."""
    if part not in FMAX_PARTS:
        return None
    many = estimate_pipeline(pipeline, PARTS[part].family)[1].bram
    nanoseconds = max(_delay(path, part, many) for block in pipeline.blocks for path in longest(block))
    return 1e3 / nanoseconds * 1e6


def fmax_error() -> float:
    """The worst share by which `fmax` was off against routed accelerators (`benchmarks/routed_clock.py`)."""
    return _ERROR


def _delay(path: Path, part: str, block_rams: int) -> float:
    """Nanoseconds, in a design of so many block RAMs."""
    times = DELAYS[part]
    return (
        (times.block + times.spread * sqrt(block_rams) if path.block else times.register)
        + sum(times.adder + times.position * bits for bits in path.adders)
        + times.lut * path.luts
        + times.multiplier * path.multipliers
    )


def longest(block: BlockSpec) -> list[Path]:
    """Paths of a block that may be its longest, and that through its handshakes with others."""
    return [*block_of(block).paths(block), HANDSHAKE]
