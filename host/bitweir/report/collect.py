"""What is known of a build, as one JSON object; `schema.json` beside this file describes it."""

from __future__ import annotations

import json
from importlib import metadata, resources
from pathlib import Path
from typing import Any

from bitweir_hw.blocks import AffineSpec, ArgmaxSpec, BlockSpec, MatVecSpec, WidthSpec
from bitweir_hw.files import digest
from bitweir_hw.gateware.accelerator import block_names

from ..build import Build
from ..folders import FileError
from ..synthesis.flows import FAMILIES
from ..synthesis.measure import RESOURCES

__all__ = ["SCHEMA_VERSION", "collect", "schema"]

SCHEMA_VERSION = 1

_KINDS = {
    MatVecSpec: "matrix-vector-threshold",
    WidthSpec: "width converter",
    AffineSpec: "affine",
    ArgmaxSpec: "argmax",
}


def schema() -> dict[str, Any]:
    """The JSON schema of a report."""
    text = (resources.files(__package__) / "schema.json").read_text()
    result: dict[str, Any] = json.loads(text)
    return result


def collect(build: Build, *, clock: float) -> dict[str, Any]:
    """All that follows from network and plan, and what synthesis has measured of them before.

    Parameters
    ----------
    build : Build
    clock : float
        Hz.
    """
    timing = build.timing
    blocks = [
        _block(name, block, float(timing.interval)) for name, block in zip(_names(build), build.blocks, strict=True)
    ]
    operations = sum(block["operations"] for block in blocks)
    lanes = sum(block["lanes"] for block in blocks)
    per_second = clock / float(timing.interval)
    return {
        "schema": "bitweir report",
        "version": SCHEMA_VERSION,
        "bitweir": metadata.version("bitweir"),
        "network": {
            "name": build.network.name,
            "digest": digest(build.network),
            "elements": build.network.input.size,
            "classes": build.network.classes,
            "notes": list(build.network.notes),
        },
        "plan": {
            "foldings": [{"simd": folding.simd, "pe": folding.pe} for folding in build.plan.foldings],
            "popcount": {
                "style": build.plan.popcount.style,
                "levels_per_stage": build.plan.popcount.levels_per_stage,
            },
        },
        "timing": {
            "clock_mhz": clock / 1e6,
            "cycles_per_frame": float(timing.interval),
            "latency_cycles": timing.latency,
            "frames_per_second": per_second,
            "latency_us": timing.latency / clock * 1e6,
            "giga_operations_per_second": operations * per_second / 1e9,
            "input_beats": build.blocks[0].i_beats,
            "output_beats": build.blocks[-1].o_beats,
        },
        "blocks": blocks,
        "total": {
            "operations": operations,
            "lanes": lanes,
            "utilisation": operations / (2 * lanes * float(timing.interval)),
            **{key: sum(block[key] for block in blocks) for key in ("weight_bits", "threshold_bits", "buffer_bits")},
        },
        "synthesis": _measured(build),
    }


def _names(build: Build) -> list[str]:
    return block_names(build.blocks)


def _block(name: str, block: BlockSpec, interval: float) -> dict[str, Any]:
    """One row: a lane is one XNOR bit that feeds a popcount, or two binary operations a cycle.

    Utilisation is ``operations / (2 * lanes * interval)``: the share of a layer's lane cycles, padding
    left out, that do work while the slowest block sets the pace.
    """
    row: dict[str, Any] = {
        "name": name,
        "layer": block.layer,
        "kind": _KINDS[type(block)],
        "cycles": block.cycles,
        "operations": 0,
        "lanes": 0,
        "utilisation": None,
        "weight_bits": 0,
        "threshold_bits": 0,
        "buffer_bits": 0,
    }
    if isinstance(block, MatVecSpec):
        row |= {
            "outputs": block.rows,
            "inputs": block.columns,
            "pe": block.pe,
            "simd": block.simd,
            "operations": 2 * block.rows * block.columns,
            "lanes": block.lanes,
            "utilisation": block.rows * block.columns / (block.lanes * interval),
            "weight_bits": block.cycles * block.lanes,
            "threshold_bits": block.neuron_folds * block.pe * block.acc_bits,
            "buffer_bits": block.buffer_words * block.simd + block.fifo_depth * block.o_bits,
        }
    elif isinstance(block, WidthSpec):
        row["buffer_bits"] = block.capacity * block.lane_bits
    else:
        row["buffer_bits"] = block.fifo_depth * block.o_bits
    return row


def _measured(build: Build) -> dict[str, Any]:
    """Results of synthesis that lie in the build folder, by family."""
    paths = {family: build.folder / f"synthesis-{family}.json" for family in FAMILIES}
    return {family: _read(path) for family, path in paths.items() if path.is_file()}


def _read(path: Path) -> dict[str, Any]:
    try:
        measured: dict[str, Any] = json.loads(path.read_text())
        # All that a reader of the report looks up.
        rows = [measured["total"], *measured["blocks"].values()]
        if isinstance(measured["tool"], str) and all(type(row[key]) is int for row in rows for key in RESOURCES):
            return measured | {"seconds": float(measured["seconds"])}
    except (ValueError, TypeError, KeyError, AttributeError):
        pass
    raise FileError(f"{str(path)!r} is damaged: remove it, or measure again with bitweir report --synth.")
