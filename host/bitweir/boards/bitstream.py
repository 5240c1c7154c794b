"""Bitstreams: an accelerator with its link, routed on a board, and a manifest of what it was made of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from amaranth.back import rtlil
from bitweir_hw.boards import Board
from bitweir_hw.boards.pll import Pll
from bitweir_hw.boards.top import Top
from bitweir_hw.files import digest, plan_text
from bitweir_hw.link.board_core import Device
from bitweir_hw.link.protocol import Identity
from bitweir_hw.network import Network

from ..design import Design, DesignFolder
from ..folders import whole_folder
from ..planning.link import baud_of, capacity_of, link_rate
from ..synthesis.nextpnr import CONSTRAINTS, SUFFIX, constraints
from ..synthesis.route import Result, Routable, route
from ..target import TARGET_FILE, Target, target_text

__all__ = ["MANIFEST", "Options", "bitstream_name", "board_rtlil", "identity_of", "write_bitstream"]

MANIFEST = "manifest.json"


def bitstream_name(network: Network, board: Board) -> str:
    """Name of the file."""
    return f"{network.name}-{board.name}.{SUFFIX[board.family]}"


def identity_of(design: Design, board: Board, clock: int) -> Identity:
    """What the device will state about itself; `clock` in Hz."""
    return design.identity(clock=clock, capacity=lambda frame_bytes: capacity_of(board, frame_bytes))


def board_rtlil(design: Design, board: Board, pll: Pll | None) -> str:
    """The whole design for a board in RTLIL, with the top module ``top``."""
    clock = round(pll.clock) if pll else board.oscillator
    device = Device(design.pipeline, identity_of(design, board, clock), baud=baud_of(board, clock))
    text: str = rtlil.convert(Top(device, board=board, pll=pll), name="top", emit_src=False)
    return text


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


def write_bitstream(
    design: Design, board: Board, folder: Path, *, options: Options, models: Sequence[Path] = ()
) -> tuple[DesignFolder, dict[str, Any]]:
    """Generate an accelerator, route it on a board, and write all of it into a folder: whole, or not at all.

    Parameters
    ----------
    design : Design
        Its target becomes the board, with the clock that was routed.
    board : Board
    folder : Path
        Gets what `design.Design.write` writes, the bitstream, ``routed-BOARD.json`` and `MANIFEST`.
    options : Options
    models : sequence of Path
        Files that the network came from.

    Returns
    -------
    written : DesignFolder
    routed : dict
        Content of ``routed-BOARD.json``.

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
        )
        result = route(source, board, clock=options.clock, seeds=options.seeds, jobs=options.jobs)
        told = _speeds(design, board, result) | result.told
        name = bitstream_name(design.network, board)
        (new / name).write_bytes(result.bitstream)
        # Now the clock is known.
        made = design.made_for(Target.of_board(board, clock=round(told["clock_mhz"] * 1e6)))
        (new / TARGET_FILE).write_text(target_text(made.target))
        _write_json(new / f"routed-{board.name}.json", told)
        _write_json(new / MANIFEST, _manifest(made, board, result, told, models))
    return DesignFolder(folder=folder, design=made), told


def _speeds(design: Design, board: Board, result: Result) -> dict[str, Any]:
    """What the clock makes of the cycles, and the link of the frames."""
    clock = result.told["clock_mhz"] * 1e6
    baud = baud_of(board, clock)
    return {
        "baud": baud,
        "cycles_per_frame": float(design.timing.interval),
        "latency_cycles": design.timing.latency,
        "accelerator_fps": round(clock / float(design.timing.interval), 1),
        "link_fps": round(link_rate(design.network, board, baud=baud), 1),
    }


def _manifest(
    design: Design, board: Board, result: Result, told: dict[str, Any], models: Sequence[Path]
) -> dict[str, Any]:
    """What the bitstream was made of: whoever has the same gets the same bytes."""
    kept = (
        "board", "device", "clock_mhz", "fmax_mhz", "margin", "seed", "seeds", "baud", "cycles_per_frame",
        "latency_cycles", "accelerator_fps", "link_fps", "utilisation", "options", "tools",
    )  # fmt: skip
    return {
        "format": "bitweir bitstream",
        "version": 1,
        "bitstream": {"file": bitstream_name(design.network, board), **_hashed(result.bitstream)},
        "network": {
            "name": design.network.name,
            "digest": digest(design.network),
            "models": [{"file": path.name, **_hashed(path.read_bytes())} for path in models],
        },
        "plan": _hashed(plan_text(design.plan).encode()) | {"foldings": ",".join(map(str, design.plan.foldings))},
        "sources": {
            "design.il": _hashed(result.rtlil.encode()),
            CONSTRAINTS[board.family]: _hashed(constraints(board).encode()),
        },
        **{key: told[key] for key in kept},
        "bitweir": metadata.version("bitweir"),
        "amaranth": metadata.version("amaranth"),
    }


def _hashed(content: bytes) -> dict[str, Any]:
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n")
