"""What is known of a build, as one JSON object; `schema.json` beside this file describes it."""

from __future__ import annotations

import json
import platform
import time
from dataclasses import asdict
from importlib import metadata, resources
from pathlib import Path
from typing import Any

from bitweir_hw.blocks import BLOCKS, BlockSpec, MatVecSpec, block_of
from bitweir_hw.cost import estimated_rams
from bitweir_hw.files import digest
from bitweir_hw.memory import Memory
from bitweir_hw.parts import BLOCK_RAM, PART_OF, PARTS, Part
from bitweir_hw.tools import yosys_version
from bitweir_sim.time.stall_analysis import stalls
from bitweir_sim.time.stepping import Stepper, stepper

from ..design import DesignFolder
from ..folders import FileError
from ..input_words import input_rule
from ..manifest import check_listed
from ..results import describe_result, readout_entry
from ..synthesis.flows import FAMILIES
from ..synthesis.measure import RESOURCES, VERSION
from .estimates import errors, estimates
from .fit import fit
from .roofline import roofline
from .routed import routed, routed_schema
from .timeline import timeline

__all__ = ["SCHEMA_VERSION", "collect", "schema"]

SCHEMA_VERSION = 5

#: Totals of bits, and the memories that each sums up.
ROLES = {"weight": "weights", "threshold": "thresholds", "buffer": "buffer"}


def schema() -> dict[str, Any]:
    """The JSON schema of a report, with the kinds of blocks and that of what was routed in their places."""
    text = (resources.files(__package__) / "schema.json").read_text()
    result: dict[str, Any] = json.loads(text)
    result["properties"]["blocks"]["items"]["properties"]["kind"] = {"enum": [block.title for block in BLOCKS]}
    board = routed_schema()
    result["$defs"] |= board.pop("$defs")
    result["properties"]["routed"]["additionalProperties"] = {
        key: value for key, value in board.items() if key != "$schema"
    }
    return result


def collect(build: DesignFolder, *, clock: float | None = None, part: str | None = None) -> dict[str, Any]:
    """All that follows from network and plan, and what synthesis has measured of them before.

    Parameters
    ----------
    build : DesignFolder
    clock : float, optional
        Hz, in place of that of the target.
    part : str, optional
        A key of `PARTS`, to compare with in place of that of the target. Where neither is named, it is the usual one of
        the family that was measured, or else of ECP5.
    """
    target = build.target
    overridden = [
        name for name, given in (("clock", clock), ("part", part)) if given not in (None, getattr(target, name))
    ]
    clock = target.clock if clock is None else clock
    started = time.perf_counter()
    timing, frames = build.timing, build.pipeline.frames
    run = stepper(build.pipeline)
    streams, way = _streams(build, run), timeline(build, run)
    seconds = time.perf_counter() - started
    cycles = float(timing.interval) / frames
    blocks = [_block(block, cycles) for block in build.pipeline.blocks]
    operations = sum(block["operations"] for block in blocks)
    lanes = sum(block["lanes"] for block in blocks)
    per_second = clock / cycles
    measured = _measured(build)
    chosen = PARTS[part or target.usual_part or PART_OF[next(iter(measured), "ecp5")]]
    # Of other families that were measured, their usual part.
    parts = PART_OF | {chosen.family: chosen.name}
    estimated = estimates(
        build.pipeline, [parts[family] for family in FAMILIES if family in {*measured, chosen.family}]
    )
    on_boards = routed(build)
    return {
        "schema": "bitweir report",
        "version": SCHEMA_VERSION,
        "bitweir": metadata.version("bitweir"),
        "network": {
            "name": build.network.name,
            "digest": digest(build.network),
            "elements": build.network.input.size,
            "input": list(input_rule(build.network.input)),
            "outputs": build.network.outputs,
            "result": readout_entry(build.network) | {"rule": list(describe_result(build.network))},
            "notes": list(build.network.notes),
        },
        "plan": {
            "foldings": [{"simd": folding.simd, "pe": folding.pe} for folding in build.plan.foldings],
            "popcount": {
                "style": build.plan.popcount.style,
                "levels_per_stage": build.plan.popcount.levels_per_stage,
            },
            "streams": frames,
            "depths": dict(build.plan.depths),
        },
        "timing": {
            "clock_mhz": clock / 1e6,
            "cycles_per_frame": cycles,
            "latency_cycles": timing.latency,
            "frames_per_second": per_second,
            "reachable_frames_per_second": _reachable(estimated[chosen.family]["fmax"], on_boards, clock, cycles),
            "latency_us": timing.latency / clock * 1e6,
            "giga_operations_per_second": operations * per_second / 1e9,
            "input_beats": build.pipeline.input.beats,
            "output_beats": build.pipeline.output.beats,
            "period_frames": timing.period * frames,
            "period_cycles": int(timing.interval * timing.period),
        },
        "blocks": blocks,
        "streams": streams,
        "timeline": way,
        "total": {
            "operations": operations,
            "lanes": lanes,
            "utilisation": operations / (2 * lanes * cycles) if lanes else None,
            **{key: sum(block[key] for block in blocks) for key in map("{}_bits".format, ROLES)},
        },
        "synthesis": measured,
        "routed": on_boards,
        "estimates": estimated,
        "errors": errors(estimated, measured),
        "target": {
            "part": target.part,
            "family": target.family,
            "board": target.board,
            "clock_mhz": target.clock / 1e6,
            "overridden": overridden,
        },
        "part": _part(chosen),
        "fit": fit(chosen, measured=measured, estimated=estimated, routed=on_boards),
        "roofline": roofline(
            build, chosen, clock=clock, cycles=cycles, **_sites(chosen.family, measured, estimated, lanes)
        ),
        "tools": _tools(),
        "runs": [
            {"what": "cycle model", "tool": f"bitweir {metadata.version('bitweir')}", "seconds": round(seconds, 3)}
        ]
        + [
            {"what": f"synthesis for {family}", "tool": found["tool"], "seconds": found["seconds"]}
            for family, found in measured.items()
        ],
    }


def _reachable(fmax: dict[str, Any] | None, on_boards: dict[str, Any], clock: float, cycles: float) -> float | None:
    """Frames a second at the estimated clock; None where that is not known, not below ``clock``, or routing met it."""
    if fmax is None or fmax["mhz"] * 1e6 >= clock:
        return None
    met = any(told["part"] == fmax["part"] and told["fmax_mhz"] * 1e6 >= clock for told in on_boards.values())
    return None if met else fmax["mhz"] * 1e6 / cycles


def _streams(build: DesignFolder, run: Stepper) -> list[dict[str, Any]]:
    """What each stream carries, and what it does in a period of steady state."""
    return [
        {
            **asdict(waits),
            "layer": stream.layer,
            "bits": stream.bits,
            "lanes": stream.lanes * stream.frames,
            "lane_bits": stream.lane_bits,
            "beats": stream.beats,
        }
        for stream, waits in zip(build.pipeline.streams, stalls(build.pipeline, build.timing, run=run), strict=True)
    ]


def _part(part: Part) -> dict[str, Any]:
    return asdict(part) | {"memory_bits": part.memory_bits}


def _sites(family: str, measured: dict[str, Any], estimated: dict[str, Any], lanes: int) -> dict[str, Any]:
    """LUT sites that the design spends for a lane of a family, and how that is known."""
    for origin, found in (("measured", measured), ("estimated", estimated)):
        if family in found and lanes:
            return {"sites_per_lane": found[family]["total"]["sites"] / lanes, "origin": origin}
    return {"sites_per_lane": None, "origin": None}


def _tools() -> dict[str, str]:
    return {
        "Python": platform.python_version(),
        **{name: metadata.version(name.lower()) for name in ("bitweir", "Amaranth", "NumPy", "ONNX")},
        "Yosys": yosys_version(),
    }


def _block(block: BlockSpec, cycles: float) -> dict[str, Any]:
    """One row: a lane is one product of an input and a weight, or two operations a cycle.

    Utilisation is ``operations / (2 * lanes * cycles_per_frame)``: the share of a layer's lane cycles, padding
    left out, that do work while the slowest block sets the pace.
    """
    row: dict[str, Any] = {
        "name": block.name,
        "layer": block.layer,
        "kind": block_of(block).title,
        "cycles": block.cycles,
        "operations": 0,
        "lanes": 0,
        "utilisation": None,
        "memories": _memories(block),
    }
    for role in ROLES:
        row[f"{role}_bits"] = sum(memory.bits for memory in block.memories() if memory.role == ROLES[role])
    if isinstance(block, MatVecSpec):
        lanes = block.lanes * block.streams
        products = block.vectors * block.rows * block.columns
        row |= {
            "outputs": block.rows * block.groups,
            "inputs": block.columns,
            "vectors": block.vectors,
            "pe": block.pe,
            "simd": block.simd,
            "operations": 2 * products,
            "lanes": lanes,
            "utilisation": products / (lanes * cycles),
        }
    return row


def _memories(block: BlockSpec) -> list[dict[str, Any]]:
    """What a block stores, each memory with its block RAMs as they are part of the estimates of the block."""
    counts = {family: estimated_rams(block, family) for family in BLOCK_RAM}
    return [
        _memory(memory, {family: each[n] for family, each in counts.items() if each[n]})
        for n, memory in enumerate(block.memories())
    ]


def _memory(memory: Memory, counts: dict[str, int]) -> dict[str, Any]:
    """Size of a memory, and for each family that holds it in block RAM, how many and how full they are."""
    row: dict[str, Any] = {
        "role": memory.role,
        "depth": memory.depth,
        "width": memory.width,
        "copies": memory.copies,
        "bits": memory.bits,
        "kind": "block" if memory.block else "register" if memory.depth == 1 else "lut",
        "block_rams": None,
    }
    if counts:
        row["block_rams"] = {
            # Bits that are the same in all words take no place, so there may be more than fit.
            family: {"count": count, "full": min(1.0, memory.bits / (count * BLOCK_RAM[family].bits))}
            for family, count in counts.items()
        }
    return row


def _measured(build: DesignFolder) -> dict[str, Any]:
    """Results of synthesis that lie in the build folder, by family."""
    paths = {family: build.folder / f"synthesis-{family}.json" for family in FAMILIES}
    return {family: _read(path) for family, path in paths.items() if path.is_file()}


def _read(path: Path) -> dict[str, Any]:
    remedy = "remove it, or measure again with bitweir report --synth"
    check_listed(path, remedy)
    try:
        measured: dict[str, Any] = json.loads(path.read_text())
        # All that a reader of the report looks up.
        rows = [measured["total"], *measured["blocks"].values()]
        if isinstance(measured["tool"], str) and all(type(row[key]) is int for row in rows for key in RESOURCES):
            measured["seconds"] = float(measured["seconds"])
            if measured.get("version") == VERSION:
                return measured
            raise FileError(
                f"{str(path)!r} was measured by another version of bitweir, which counts otherwise: measure again with "
                "bitweir report --synth."
            )
    except (ValueError, TypeError, KeyError, AttributeError):
        pass
    raise FileError(f"{str(path)!r} is damaged: {remedy}.")
