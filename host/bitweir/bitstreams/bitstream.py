"""Bitstreams: an accelerator with its link, routed on a board, and a manifest of its sources."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from importlib import metadata
from math import inf
from pathlib import Path
from typing import Literal

from bitweir_hw.boards import Board
from bitweir_hw.boards.pll import Pll
from bitweir_hw.boards.sdram_clock import HIGHEST, sdram_clock
from bitweir_hw.boards.top import Top
from bitweir_hw.checked import hertz, whole
from bitweir_hw.files import digest, plan_text
from bitweir_hw.link.board_core import Device
from bitweir_hw.link.protocol import Identity
from bitweir_hw.network import Network
from bitweir_hw.tools import Told, convert

from ..board_memory import memory_on_board, timing_on_board
from ..design import Design, DesignFolder
from ..folders import whole_folder
from ..planning.link import capacity_of, link_rate
from ..schemas import Count, Digest, Json, to_dict
from ..synthesis.nextpnr import CONSTRAINTS, SUFFIX, constraints, in_parts
from ..synthesis.results import CellUse, Routed, Speeds
from ..synthesis.route import Result, Routable, route
from ..target import TARGET_FILE, Target, target_text

__all__ = [
    "MANIFEST",
    "Hashed",
    "HashedFile",
    "Manifest",
    "ManifestNetwork",
    "ManifestPlan",
    "Options",
    "bitstream_name",
    "board_rtlil",
    "identity_of",
    "write_bitstream",
]

MANIFEST = "manifest.json"


def bitstream_name(network: Network, board: Board) -> str:
    """Name of the file."""
    return f"{network.name}-{board.name}.{SUFFIX[board.family]}"


def identity_of(design: Design, board: Board, clock: int) -> Identity:
    """What the device will state about itself; `clock` in Hz."""
    return design.identity(
        clock=clock, capacity=lambda frame_bytes: capacity_of(board, frame_bytes),
        timing=timing_on_board(design.pipeline, design.timing, board, clock),
    )  # fmt: skip


def board_rtlil(design: Design, board: Board, pll: Pll | None) -> str:
    """The whole design for a board in RTLIL, with the top module ``top``."""
    clock = round(pll.clock) if pll else board.oscillator
    identity = identity_of(design, board, clock)
    memory = memory_on_board(design.pipeline, board, clock)
    sdram = sdram_clock(memory.sdram.part, pll, board.oscillator) if memory else None
    device = Device(
        design.pipeline, identity, link_clock=board.oscillator, baud=board.baud,
        spi_rate=board.spi.rate if board.spi else 0, memory=memory,
    )  # fmt: skip
    return convert(Top(device, board=board, pll=pll, sdram=sdram), name="top")


@dataclass(frozen=True, kw_only=True)
class Hashed:
    """Size and hash of a content."""

    bytes: Count
    sha256: Digest


@dataclass(frozen=True, kw_only=True)
class HashedFile:
    """A file in the same folder, with its size and hash."""

    file: str
    bytes: Count
    sha256: Digest


@dataclass(frozen=True, kw_only=True)
class ManifestNetwork:
    """The network of a bitstream, and the files that it came from."""

    name: str
    digest: Digest
    models: tuple[HashedFile, ...]


@dataclass(frozen=True, kw_only=True)
class ManifestPlan:
    """The plan of a bitstream: size and hash of ``plan.json``, and its foldings."""

    bytes: Count
    sha256: Digest
    foldings: str


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The sources of a bitstream, and how it was routed: see `Routed`.

    Parameters
    ----------
    sources : dict
        What the tools were given, by file.
    bitweir, amaranth : str
        Versions.
    """

    format: Literal["bitweir bitstream"] = "bitweir bitstream"
    version: Literal[1] = 1
    bitstream: HashedFile
    network: ManifestNetwork
    plan: ManifestPlan
    sources: dict[str, Hashed]
    board: str
    device: str
    clock_mhz: float
    fmax_mhz: float
    link_clock_mhz: float
    link_fmax_mhz: float
    margin: float
    seed: int
    seeds: int
    baud: int
    cycles_per_frame: float
    latency_cycles: int
    accelerator_fps: float
    link_fps: float
    utilisation: dict[str, CellUse]
    options: tuple[str, ...]
    tools: dict[str, str]
    bitweir: str
    amaranth: str


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to route.

    Parameters
    ----------
    clock : float or None
        Hz, at most; None: the fastest that the design reaches.
    seeds : int
        Of nextpnr; the best result is taken.
    jobs : int or None
        Seeds at once.
    """

    clock: float | None = None
    seeds: int = 1
    jobs: int | None = None

    def __post_init__(self) -> None:
        whole(self.seeds, "The number of seeds")
        if self.jobs is not None:
            whole(self.jobs, "The number of seeds at once (jobs)")
        if self.clock is not None:
            hertz(self.clock)


def write_bitstream(
    design: Design,
    board: Board,
    folder: Path,
    *,
    options: Options,
    models: Sequence[Path] = (),
    told: Told | None = None,
) -> tuple[DesignFolder, Routed]:
    """Generate an accelerator, route it on a board, and write all of it into a folder: whole, or not at all.

    Parameters
    ----------
    design : Design
        Its target becomes the board, with the clock that was routed.
    board : Board
    folder : Path
        Gets what `design.Design.write` writes, the bitstream, ``routed-BOARD.json``, `MANIFEST`, and the logs of Yosys
        and nextpnr.
    options : Options
    models : sequence of Path
        Files that the network came from.
    told : callable, optional
        Takes what is under way.

    Returns
    -------
    written : DesignFolder
    routed : Routed

    Raises
    ------
    BitweirError
        See `design.Design.write` and `synthesis.route.route`.
    """
    with whole_folder(folder) as new:
        design.fill(new)
        source = Routable(
            rtlil=lambda pll: board_rtlil(design, board, pll),
            layers={block.name: block.layer for block in design.pipeline.blocks},
            sdram=bool(design.pipeline.weight_streams),
            in_parts=in_parts(design.pipeline),
            highest=HIGHEST if design.pipeline.weight_streams else inf,
            levels=design.plan.popcount.levels_per_stage,
        )
        result = route(source, board, clock=options.clock, seeds=options.seeds, jobs=options.jobs, told=told)
        routed = Routed(**vars(_speeds(design, board, result)), **vars(result.core))
        name = bitstream_name(design.network, board)
        (new / name).write_bytes(result.bitstream)
        for log, content in result.logs.items():
            (new / log).write_bytes(content)
        # Now the clock is known.
        made = design.made_for(Target.of_board(board, clock=round(routed.clock_mhz * 1e6)))
        (new / TARGET_FILE).write_text(target_text(made.target))
        _write_json(new / f"routed-{board.name}.json", routed.to_dict())
        _write_json(new / MANIFEST, to_dict(_manifest(made, board, result, routed, models)))
    return DesignFolder(folder=folder, design=made), routed


def _speeds(design: Design, board: Board, result: Result) -> Speeds:
    """What the clock makes of the cycles, and the link of the frames."""
    clock = result.core.clock_mhz * 1e6
    timing = timing_on_board(design.pipeline, design.timing, board, clock)
    return Speeds(
        baud=board.bit_rate,
        cycles_per_frame=float(timing.interval),
        latency_cycles=timing.latency,
        accelerator_fps=round(clock / float(timing.interval), 1),
        link_fps=round(link_rate(design.network, board), 1),
    )


def _manifest(design: Design, board: Board, result: Result, routed: Routed, models: Sequence[Path]) -> Manifest:
    """What the bitstream was made of: whoever has the same gets the same bytes."""
    shared = {entry.name for entry in fields(Manifest)} & {entry.name for entry in fields(Routed)}
    return Manifest(
        bitstream=_hashed_file(bitstream_name(design.network, board), result.bitstream),
        network=ManifestNetwork(
            name=design.network.name,
            digest=digest(design.network),
            models=tuple(_hashed_file(path.name, path.read_bytes()) for path in models),
        ),
        plan=ManifestPlan(
            **vars(_hashed(plan_text(design.plan).encode())), foldings=",".join(map(str, design.plan.foldings))
        ),
        sources={
            "design.il": _hashed(result.rtlil.encode()),
            CONSTRAINTS[board.family]: _hashed(constraints(board, sdram=bool(design.pipeline.weight_streams)).encode()),
        },
        **{key: getattr(routed, key) for key in shared},
        bitweir=metadata.version("bitweir"),
        amaranth=metadata.version("amaranth"),
    )


def _hashed(content: bytes) -> Hashed:
    return Hashed(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def _hashed_file(name: str, content: bytes) -> HashedFile:
    return HashedFile(file=name, **vars(_hashed(content)))


def _write_json(path: Path, value: Json) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n")
