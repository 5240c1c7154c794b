"""The clock that a router may reach, estimated from the longest path of each block.

A path starts at a register or a block RAM, and is a number of *hops*: adders, with as many positions as their carry
chain has, since timing analysis sees a chain from end to end; and LUTs. Each costs its own delay and a wire. The
delays are fitted to whole accelerators that nextpnr routed (``tools/calibrate_clock``), on ECP5 of speed grade 6, iCE40
HX and UP, and Gowin. `delays.json` keeps them, with the error on designs that their fit did not see. Families that
nextpnr does not route have a model: delays of data sheets, and a guess for wires.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from functools import cache
from importlib import resources
from math import sqrt
from typing import Any, Literal

from ..blocks import BlockSpec, block_of
from ..blocks.pipeline import Pipeline
from ..parts import COUNTED_AS, Part, part_of
from ..resources.memories import OUTPUT_REGISTERS
from ..resources.paths import HANDSHAKE, Path
from .model import estimate_pipeline

__all__ = [
    "HIGHEST",
    "Basis",
    "Delays",
    "delays",
    "fmax",
    "fmax_basis",
    "fmax_error",
    "highest_clock",
    "hops",
    "longest",
    "slowest",
]

#: What an estimate rests on: designs that were routed, or figures of data sheets.
Basis = Literal["routed", "model"]


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
    output : float
        As `block`, for a block RAM with an output register, where a family has any.
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
    output: float = 0.0
    spread: float = 0.0


#: Delays of what is not routed.
#: xc7: speed grade -1. From the clock to the output of a block RAM 2.46 ns without its output register: Xilinx DS189,
#: table 30 (Spartan-7, the same fabric); with it, 1 ns is taken. Flip-flops, LUTs and carry cells of the CLB take 0.1
#: to 0.6 ns each (TCKO, TILO, TOPCY; TBYP is 0.11 ns for four positions); a wire is taken as 0.9 ns, a multiplier
#: without registers as 4.
_MODELS = {
    "xc7": Delays(register=0.6, block=2.6, adder=1.8, position=0.028, lut=1.0, multiplier=4.9, output=1.0, spread=0.1),
}
#: Kinds of chips that have the delays of another one for lack of their own: UltraScale+ those of Xilinx 7, Nexus those
#: of ECP5, GW5A those of GW2A, each of an older process.
_BORROWED = {"us+": "xc7", "nexus": "ecp5", "gw5a": "gw2a"}
#: How far off a model may be, and one with borrowed delays: assumptions, as nothing was routed that would tell.
_MODEL_ERROR, _BORROWED_ERROR = 0.4, 0.6

#: Hz, by the kind of chip (`FpgaPart.speed`): no clock is promised above it, whatever paths say. ECP5 of speed 6: the
#: fastest that was routed, sixteen block RAMs with output registers in front of a register. iCE40 HX, and Xilinx of
#: grade -1: the most that data sheets allow for global clocks (Lattice DS1040) and for block RAM (Xilinx DS189).
#: Of GW1N and GW2A a little above the fastest accelerator that was routed. With borrowed delays no higher than of whom
#: they are.
HIGHEST = {
    "ecp5": 280e6, "hx": 275e6, "up": 100e6, "gw1n": 250e6, "gw2a": 350e6, "xc7": 388e6, "us+": 388e6, "nexus": 280e6,
    "gw5a": 350e6,
}  # fmt: skip


#: Nanoseconds that wires of a wired datapath take beyond what `Delays` have, for the square root of its LUT sites: as
#: far apart are its cells. From what was routed on ECP5, see docs/wired.md: 1,100 sites took 0.7 ns more, 9,000 took
#: 1.5, and 20,700 from 3.4 to 7.2, of which the last is a single wire that went a long way round. So much that each of
#: them is within 25 % of what is expected. Other families are taken to be alike.
_ACROSS = 0.03


@cache
def _routed() -> dict[str, dict[str, Any]]:
    """The file of fitted delays, which ``tools/calibrate_clock`` writes."""
    file = resources.files(__package__) / "delays.json"
    result: dict[str, dict[str, Any]] = json.loads(file.read_text())
    return result


@cache
def delays(part: Part) -> Delays:
    """The delays of a part."""
    speed = part_of(part).speed
    key = _BORROWED.get(speed, speed)
    fitted = _routed().get(key)
    if fitted is None:
        return _MODELS[key]
    known = {entry.name for entry in fields(Delays)}
    return Delays(**{name: value for name, value in fitted["delays"].items() if name in known})


def fmax(pipeline: Pipeline, part: Part, *, block_rams: int | None = None) -> float:
    """Hz that a router may reach on a part, within about `fmax_error`.

    Parameters
    ----------
    pipeline : Pipeline
    part : str or FpgaPart
    block_rams : int, optional
        How many the design will have, where FIFOs of the pipeline are not fitted yet.
    """
    many = estimate_pipeline(pipeline, part_of(part).family)[1].bram if block_rams is None else block_rams
    return 1e9 / max(slowest(block, part, many) for block in pipeline.blocks)


def fmax_error(part: Part) -> float:
    """The worst share by which `fmax` was off on routed accelerators that no fit saw; of a model, what it may be."""
    speed = part_of(part).speed
    fitted = _routed().get(speed)
    if fitted:
        return float(fitted["error"])
    return _BORROWED_ERROR if speed in _BORROWED else _MODEL_ERROR


def fmax_basis(part: Part) -> Basis:
    """What `fmax` of a part rests on."""
    return "routed" if part_of(part).speed in _routed() else "model"


def highest_clock(part: Part) -> float:
    """Hz: the highest clock that a plan for a part aims at where nobody names one."""
    return HIGHEST[part_of(part).speed]


def slowest(block: BlockSpec, part: Part, block_rams: int) -> float:
    """Nanoseconds of the longest path of a block, in a design of so many block RAMs."""
    times = vars(delays(part))
    return max(
        float(sum(times[name] * count for name, count in hops(path, block_rams).items())) + _across(path)
        for path in longest(block, part_of(part).family)
    )


def _across(path: Path) -> float:
    """Nanoseconds that wires of a wired datapath take beyond what `Delays` have, see `_ACROSS`."""
    return _ACROSS * sqrt(path.area)


def hops(path: Path, block_rams: int) -> dict[str, float]:
    """How often a path has each of the `Delays`, in a design of so many block RAMs."""
    return {
        "register": not path.block,
        "block": path.block and not path.registered,
        "output": path.block and path.registered,
        "spread": sqrt(block_rams) if path.block else 0.0,
        "adder": len(path.adders),
        "position": sum(path.adders),
        "lut": path.luts,
        "multiplier": path.multipliers,
    }


def longest(block: BlockSpec, family: str) -> list[Path]:
    """Paths of a block that may be its longest, and that through its handshakes with others.

    Where block RAM has no output registers, those behind it are elsewhere, at the end of a wire.
    """
    found = [*block_of(block).paths(block), HANDSHAKE]
    if COUNTED_AS[family] in OUTPUT_REGISTERS:
        return found
    apart = [replace(path, block=False, registered=False) for path in found if path.registered]
    behind = [Path(block=True, luts=1)] if apart else []
    return [*(path for path in found if not path.registered), *apart, *behind]
