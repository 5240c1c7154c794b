"""Measurements of a design by synthesis, place and route."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ..schemas import Count, Json, Positive, Rate, schema, to_dict
from .flows import CLASSES

__all__ = [
    "RESOURCES",
    "Attempted",
    "CellUse",
    "LaneResources",
    "Measured",
    "PathEnd",
    "PathStep",
    "PllSettings",
    "Proof",
    "Resources",
    "Routed",
    "RoutedCore",
    "Seconds",
    "Speeds",
    "TimingPath",
    "routed_schema",
]

#: What is counted of each block, and in total: the fields of `Resources`.
RESOURCES = (*CLASSES, "sites")


# ---- synthesis


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What a design, or a block of it, takes.

    Parameters
    ----------
    lut : int
        Lookup tables, wide multiplexers included.
    ff : int
        Flip-flops.
    carry : int
        Carry cells: CCU2C (2 bits), SB_CARRY (1), ALU (1), CARRY4 (4).
    bram : int
        Block RAM cells, as the family has them.
    lutram : int
        LUT RAM cells.
    dsp : int
        Multiplier cells.
    sites : int
        Places for a LUT that LUTs and carry cells occupy.
    """

    lut: Count
    ff: Count
    carry: Count
    bram: Count
    lutram: Count
    dsp: Count
    sites: Count


@dataclass(frozen=True, kw_only=True)
class LaneResources(Resources):
    """What a design, or a block of it, takes, and how many lanes it has.

    Parameters
    ----------
    lanes : int
        Products of an input and a weight a cycle.
    """

    lanes: Count

    @property
    def sites_per_lane(self) -> float | None:
        """LUT sites for each lane; None where there are no lanes."""
        return self.sites / self.lanes if self.lanes else None


@dataclass(frozen=True, kw_only=True)
class Proof:
    """Whether a netlist does what the Verilog does, in every cycle after reset, for all inputs.

    Parameters
    ----------
    result : str
        ``"proved"``; ``"refuted"`` by inputs after which an output differs; or ``"unknown"``, which is neither.
    told : str
        What was compared; of what was refuted, the output and the inputs, of what is unknown, why.
    seconds : float
    """

    result: Literal["proved", "refuted", "unknown"]
    told: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The cells to which Yosys mapped a design.

    Parameters
    ----------
    version : int
        Raised when what is counted changes.
    family : str
    tool : str
        Name and version.
    seconds : float
        How long the tool ran.
    blocks : dict
        By name.
    total : LaneResources
        Of the blocks, and of what belongs to none.
    proof : dict, optional
        Of each block, and of what joins them, whether the netlist does what the Verilog does; where that was asked for.
    """

    version: int
    family: str
    tool: str
    seconds: float
    blocks: dict[str, LaneResources]
    total: LaneResources
    proof: dict[str, Proof] | UnsetType = UNSET

    @property
    def refuted(self) -> list[str]:
        """What does not do what the Verilog does."""
        return [name for name, proof in (self.proof or {}).items() if proof.result == "refuted"]

    def to_dict(self) -> Json:
        """The content of ``synthesis-FAMILY.json``."""
        return to_dict(self)


# ---- place and route


@dataclass(frozen=True, kw_only=True)
class PllSettings:
    """The settings of a PLL.

    Parameters
    ----------
    cell : str
        Of the FPGA family.
    source_mhz : float
    vco_mhz : float
        source_mhz / divide * multiply; the clock is that divided by post.
    divide, multiply, post : int
    """

    cell: str
    source_mhz: float
    vco_mhz: float
    divide: Positive
    multiply: Positive
    post: Positive


@dataclass(frozen=True, kw_only=True)
class Attempted:
    """A clock that was tried, with the best seed."""

    clock_mhz: float
    fmax_mhz: float
    seed: int


@dataclass(frozen=True, kw_only=True)
class CellUse:
    """How many cells of a kind there are, and how many are in use."""

    available: Count
    used: Count


@dataclass(frozen=True, kw_only=True)
class PathEnd:
    """Where a path begins or ends.

    Parameters
    ----------
    block : str
        A block of the accelerator, or ``link``.
    layer : str or None
        The layer of the block; null for the link.
    register : str
        Or the memory.
    """

    block: str
    layer: str | None
    register: str


@dataclass(frozen=True, kw_only=True)
class PathStep:
    """A step of a path.

    Parameters
    ----------
    kind : str
    ns : float
    block : str
    cell : str
        The cell that the step leads to.
    """

    kind: Literal["clk-to-q", "source", "logic", "routing", "setup"]
    ns: float
    block: str
    cell: str


# Not a dataclass, as JSON's key `from` is a word of Python.
class TimingPath(msgspec.Struct, frozen=True, kw_only=True):
    """The longest path between registers.

    Parameters
    ----------
    ns : float
        The sum of logic_ns and routing_ns.
    logic_ns, routing_ns : float
    start, end : PathEnd
        ``from`` and ``to`` in JSON.
    steps : tuple of PathStep
    """

    ns: Rate
    logic_ns: float
    routing_ns: float
    start: PathEnd = msgspec.field(name="from")
    end: PathEnd = msgspec.field(name="to")
    steps: tuple[PathStep, ...]

    def __str__(self) -> str:
        """Half a sentence."""
        ends = [
            f"{end.register} of {end.block}" + (f" (layer {end.layer})" if end.layer else "")
            for end in (self.start, self.end)
        ]
        return f"{self.ns:.2f} ns, {self.routing_ns / self.ns:.0%} of it wires, from {ends[0]} to {ends[1]}"


@dataclass(frozen=True, kw_only=True)
class Seconds:
    """Run times of the tools."""

    synthesis: float
    routing: float


@dataclass(frozen=True, kw_only=True)
class Speeds:
    """The speed at the routed clock, and the speed of the link.

    Parameters
    ----------
    baud : int
        Bits/s on a wire of the link: of SPI the rate of SCK.
    cycles_per_frame : float
    latency_cycles : int
    accelerator_fps : float
        Frames a second.
    link_fps : float
        Frames a second that the wires carry, headers left out.
    """

    baud: Positive
    cycles_per_frame: float
    latency_cycles: int
    accelerator_fps: float
    link_fps: float


@dataclass(frozen=True, kw_only=True)
class RoutedCore:
    """What place and route measured of a design on a board.

    Parameters
    ----------
    board, part : str
    device : str
        Order code of the FPGA.
    clock_mhz : float
        Of the accelerator: what the PLL makes.
    fmax_mhz : float
        Routed, of the slowest path between registers of this clock.
    link_clock_mhz : float
        Of the link: the oscillator.
    link_fmax_mhz : float
        As fmax_mhz, of this clock.
    crossing_ns : float
        The slowest path from a register of the link to one of the accelerator; three cycles of its clock are more.
    margin : float
        fmax_mhz is at least clock_mhz * (1 + margin), and so it is of the link.
    pll : PllSettings or None
        null: the oscillator makes both clocks.
    seed : int
        Of nextpnr, the best one.
    seeds : int
        How many were tried for each clock.
    attempts : tuple of Attempted
        Clocks that were tried, in order.
    utilisation : dict
        By nextpnr's name of a kind of cell.
    blocks : dict
        What Yosys mapped each block to; link is all around the accelerator.
    path : TimingPath
        The longest of the accelerator's clock.
    tools : dict
        Versions.
    options : tuple of str
        Of nextpnr.
    seconds : Seconds
    """

    board: str
    part: str
    device: str
    clock_mhz: Rate
    fmax_mhz: Rate
    link_clock_mhz: Rate
    link_fmax_mhz: Rate
    crossing_ns: Annotated[float, Meta(ge=0)]
    margin: float
    pll: PllSettings | None
    seed: Positive
    seeds: Positive
    attempts: Annotated[tuple[Attempted, ...], Meta(min_length=1)]
    utilisation: dict[str, CellUse]
    blocks: dict[str, Resources]
    path: TimingPath
    tools: dict[str, str]
    options: tuple[str, ...]
    seconds: Seconds


@dataclass(frozen=True, kw_only=True)
class Routed(RoutedCore, Speeds):
    """Measurements of a design on a board by place and route, and the resulting speed."""

    def to_dict(self) -> Json:
        """The content of ``routed-BOARD.json``."""
        return to_dict(self)


def routed_schema() -> Json:
    """The JSON schema of ``routed-BOARD.json``."""
    return schema(Routed, title="What place and route measured of a bitweir design on a board")
