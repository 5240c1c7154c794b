"""Collects what is known of a design, in a report."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path

from bitweir_hw.blocks import BlockSpec, MatVecSpec, WiredSpec, block_of
from bitweir_hw.checked import hertz
from bitweir_hw.cost import READER_ERROR, estimate_reader, estimated_rams
from bitweir_hw.files import digest
from bitweir_hw.memory import Memory
from bitweir_hw.network import Network
from bitweir_hw.parts import BLOCK_RAM, PART_OF, PARTS, FpgaPart, Part, part_of
from bitweir_hw.plan import Plan
from bitweir_hw.tools import yosys_version
from bitweir_hw.wired import Reuse as WiredReuse
from bitweir_sim.time.stall_analysis import stalls
from bitweir_sim.time.stepping import Stepper, stepper
from msgspec import UNSET, UnsetType

from .. import schemas
from ..board_memory import board_reader_spec, memory_of_board
from ..design import DesignFolder
from ..folders import FileError
from ..input_words import input_rule
from ..manifest import check_listed
from ..results import describe_result
from ..schemas import Json
from ..speed import ExpectedClock, clock_of
from ..synthesis.flows import FAMILIES
from ..synthesis.measure import VERSION
from ..synthesis.results import Measured, Routed
from ..weight_memory import WeightMemory
from .estimates import errors, estimates
from .fit import fit, smallest_that_holds
from .limits import advise, limits
from .model import (
    BlockRams,
    BlockReport,
    Estimate,
    Fit,
    FmaxEstimate,
    Folding,
    Format,
    MemoryReport,
    NetworkReport,
    PartReport,
    PlanReport,
    Popcount,
    ReaderReport,
    ResultReport,
    Reuse,
    Run,
    StreamReport,
    TargetReport,
    Timing,
    Totals,
    WeightMemoryReport,
    WeightStreamReport,
)
from .report import Report
from .roofline import roofline
from .routed import routed
from .timeline import timeline

__all__ = ["collect", "schema"]


@dataclass(frozen=True, kw_only=True)
class _Versioned:
    """What all versions of a measurement have, the first excepted: that one has no version."""

    tool: str
    seconds: float
    blocks: dict[str, dict[str, int]]
    total: dict[str, int]
    version: int | None = None


def schema() -> Json:
    """The JSON schema of a report."""
    told = "What a design costs and how fast it is. Printed by bitweir report --json."
    return schemas.schema(Report, title="bitweir report", description=told)


def collect(
    build: DesignFolder,
    *,
    clock: float | None = None,
    part: Part | None = None,
    weight_memory: WeightMemory | None = None,
    advice: bool = False,
) -> Report:
    """All that follows from network and plan, and what synthesis has measured of them before.

    Parameters
    ----------
    build : DesignFolder
    clock : float, optional
        Hz, in place of that of the target.
    part : FpgaPart or str, optional
        A part, or the name of a listed one, to compare with in place of that of the target. Where neither is named, it
        is the usual one of the family that was measured, or else of ECP5.
    weight_memory : WeightMemory, optional
        From which streamed weights come; by default that of the board, with the least that it gives.
    advice : bool
        Compute what changes of the plan would do.
    """
    target = build.target
    clock = None if clock is None else hertz(clock)
    given = None if part is None else part_of(part)
    overridden = [
        *(["clock"] if clock not in (None, target.clock) else []),
        *(["part"] if given and (given.name != target.part or given != target.usual_part) else []),
    ]
    clock = target.clock if clock is None else clock
    started = time.perf_counter()
    timing, frames = build.timing, build.pipeline.parallel_frames
    run = stepper(build.pipeline)
    streams, way = _streams(build, run), timeline(build, run)
    seconds = time.perf_counter() - started
    cycles = float(timing.interval) / frames
    blocks = tuple(_block(block, cycles) for block in build.pipeline.blocks)
    total = _totals(blocks, cycles)
    if wired := [block for block in build.pipeline.blocks if isinstance(block, WiredSpec)]:
        total = replace(total, reuse=_reuse(wired, [block.vectors for block in wired]))
    measured = _measured(build)
    chosen = given or target.usual_part or PARTS[PART_OF[next(iter(measured), "ecp5")]]
    # Of other families that were measured, their usual part.
    parts = {family: PARTS[name] for family, name in PART_OF.items()} | {chosen.family: chosen}
    estimated = estimates(
        build.pipeline, [parts[family] for family in FAMILIES if family in {*measured, chosen.family}]
    )
    on_boards = routed(build)
    speed = _speed(chosen, estimated[chosen.family].fmax, on_boards, clock)
    if weight_memory is None:
        weight_memory = memory_of_board(build.pipeline, target.platform, speed.hertz)
    known = measured.get(chosen.family)
    found = known or estimated[chosen.family]
    outside = _weight_memory(build, speed.hertz, weight_memory) if weight_memory else UNSET
    # What changes would do for weights that come late is not computed.
    late = not isinstance(outside, UnsetType) and outside.cycles_per_frame > cycles
    fitting = _fit(build, chosen, measured, estimated, on_boards)
    return Report(
        bitweir=metadata.version("bitweir"),
        network=_network(build.network),
        plan=_plan(build.plan, frames),
        timing=_timing(
            build,
            operations=total.operations,
            clock=clock,
            speed=speed,
            cycles=cycles,
        ),
        blocks=blocks,
        streams=streams,
        timeline=way,
        weight_streams=_weight_streams(build, speed.hertz) or UNSET,
        weight_memory=outside,
        total=total,
        synthesis=measured,
        routed=on_boards,
        estimates=estimated,
        errors=errors(estimated, measured),
        target=TargetReport(
            part=target.part,
            family=target.family,
            board=target.board,
            clock_mhz=target.clock / 1e6,
            overridden=tuple(overridden),
        ),
        part=PartReport(
            name=chosen.name,
            family=chosen.family,
            luts=chosen.luts,
            ffs=chosen.ffs,
            block_rams=chosen.block_rams,
            dsps=chosen.dsps,
            memory_bits=chosen.memory_bits,
            source=chosen.source,
            listed=PARTS.get(chosen.name) == chosen,
        ),
        fit=fitting,
        limits=limits(build.pipeline, chosen, blocks, fitting, found.blocks, interval=cycles * frames),
        advice=advise(build, chosen, clock=clock, fit=fitting) if advice and not late else UNSET,
        roofline=roofline(
            build,
            chosen,
            clock=speed.hertz,
            cycles=cycles,
            sites_per_lane=found.total.sites / total.lanes if total.lanes else None,
            origin="measured" if known else "estimated",
        ),
        tools=_tools(),
        runs=(
            Run(what="cycle model", tool=f"bitweir {metadata.version('bitweir')}", seconds=round(seconds, 3)),
            *(
                Run(what=f"synthesis for {family}", tool=each.tool, seconds=each.seconds)
                for family, each in measured.items()
            ),
        ),
    )


def _network(network: Network) -> NetworkReport:
    readout, form = network.readout, network.end.format
    return NetworkReport(
        name=network.name,
        digest=digest(network),
        elements=network.input.size,
        input=tuple(input_rule(network.input)),
        outputs=network.outputs,
        result=ResultReport(
            kind=readout.kind,
            scale=tuple(readout.scale),
            offset=tuple(readout.offset),
            rounded=readout.rounded,
            format=None if form is None else Format(bits=form.bits, offset=form.offset, step=form.step),
            rule=tuple(describe_result(network)),
            shape=network.result_shape if network.end.pixels > 1 else UNSET,
            parts=network.readout.parts or UNSET,
        ),
        notes=tuple(network.notes),
    )


def _plan(plan: Plan, frames: int) -> PlanReport:
    return PlanReport(
        foldings=tuple(
            Folding(
                simd=folding.simd,
                pe=folding.pe,
                memory=UNSET if folding.memory == "auto" else folding.memory,
                steps=UNSET if folding.steps == 1 else folding.steps,
            )
            for folding in plan.foldings
        ),
        popcount=Popcount(style=plan.popcount.style, levels_per_stage=plan.popcount.levels_per_stage),
        streams=frames,
        depths=dict(plan.depths),
    )


def _timing(build: DesignFolder, *, operations: int, clock: float, speed: ExpectedClock, cycles: float) -> Timing:
    timing, pipeline, expected = build.timing, build.pipeline, speed.hertz
    return Timing(
        clock_mhz=clock / 1e6,
        expected_clock_mhz=expected / 1e6,
        expected_error=speed.error,
        expected_from=speed.origin,
        cycles_per_frame=cycles,
        latency_cycles=timing.latency,
        frames_per_second=expected / cycles,
        latency_us=timing.latency / expected * 1e6,
        giga_operations_per_second=operations * (expected / cycles) / 1e9,
        input_beats=pipeline.input.beats,
        output_beats=pipeline.output.beats,
        period_frames=timing.period * pipeline.parallel_frames,
        period_cycles=int(timing.interval * timing.period),
    )


def _totals(blocks: Sequence[BlockReport], cycles: float) -> Totals:
    operations, lanes = sum(block.operations for block in blocks), sum(block.lanes for block in blocks)
    return Totals(
        operations=operations,
        lanes=lanes,
        utilisation=operations / (2 * lanes * cycles) if lanes else None,
        weight_bits=sum(block.weight_bits for block in blocks),
        threshold_bits=sum(block.threshold_bits for block in blocks),
        buffer_bits=sum(block.buffer_bits for block in blocks),
    )


def _fit(
    build: DesignFolder,
    part: FpgaPart,
    measured: Mapping[str, Measured],
    estimated: Mapping[str, Estimate],
    on_boards: Mapping[str, Routed],
) -> Fit:
    found = fit(part, measured=measured, estimated=estimated, routed=on_boards)
    if found.fits:
        return found
    other = smallest_that_holds(build.pipeline, build.plan, part, measured)
    return replace(found, smallest=other)


def _speed(part: FpgaPart, fmax: FmaxEstimate, on_boards: Mapping[str, Routed], clock: float) -> ExpectedClock:
    """The clock that is expected: the best that was routed on the part, or the estimate where nothing was."""
    routed = [told.fmax_mhz * 1e6 for told in on_boards.values() if told.part == part.name]
    return clock_of(part=part, asked=clock, estimate=fmax.mhz * 1e6, routed=max(routed, default=None))


def _streams(build: DesignFolder, run: Stepper) -> tuple[StreamReport, ...]:
    """What each stream carries, and what it does in a period of steady state."""
    return tuple(
        StreamReport(
            **asdict(waits),
            layer=stream.layer,
            bits=stream.bits,
            lanes=stream.lanes * stream.parallel_frames,
            lane_bits=stream.lane_bits,
            beats=stream.beats,
        )
        for stream, waits in zip(build.pipeline.shown, stalls(build.pipeline, build.timing, run=run), strict=True)
    )


def _weight_streams(build: DesignFolder, clock: float) -> tuple[WeightStreamReport, ...]:
    """What layers take from outside the chip."""
    interval = float(build.timing.interval)
    return tuple(
        WeightStreamReport(
            block=streamed.block,
            layer=streamed.layer,
            port=streamed.port,
            word_bits=streamed.bits,
            words=streamed.words,
            words_per_frame=streamed.frame_words,
            megabytes_per_second=streamed.frame_words * streamed.bits / 8 * clock / interval / 1e6,
            peak_megabytes_per_second=streamed.bits / 8 * clock / 1e6,
        )
        for streamed in build.pipeline.weight_streams
    )


def _weight_memory(build: DesignFolder, clock: float, memory: WeightMemory) -> WeightMemoryReport:
    """What a memory of weights leaves of the throughput."""
    weights = memory.weights(build.pipeline, build.timing, clock)
    cycles = float(weights.timing.interval) / build.pipeline.parallel_frames
    return WeightMemoryReport(
        megabytes_per_second=memory.bandwidth / 1e6,
        latency_cycles=memory.latency,
        cycles_per_frame=cycles,
        frames_per_second=clock / cycles,
        reader=_reader(build) or UNSET,
    )


def _reader(build: DesignFolder) -> ReaderReport | None:
    """What reads weights from the memory of a board, if the build is for one."""
    if not build.target.memory or not build.target.family:
        return None
    cost = estimate_reader(board_reader_spec(build.pipeline), "sdram", build.target.family)
    return ReaderReport(sites=cost.sites, ff=cost.ff, bram=cost.bram, error=READER_ERROR)


def _tools() -> dict[str, str]:
    return {
        "Python": platform.python_version(),
        **{name: metadata.version(name.lower()) for name in ("bitweir", "Amaranth", "NumPy", "ONNX")},
        "Yosys": yosys_version(),
    }


def _block(block: BlockSpec, cycles: float) -> BlockReport:
    """One row: a lane is one product of an input and a weight, or two operations a cycle.

    Utilisation is ``operations / (2 * lanes * cycles_per_frame)``: the share of a layer's lane cycles, padding
    left out, that do work while the slowest block sets the pace.
    """
    bits = dict.fromkeys(("weights", "thresholds", "buffer"), 0)
    for memory in block.memories():
        riding = memory.depth * memory.riding * memory.copies
        bits["thresholds"] += riding
        bits[memory.role] += memory.bits - riding
    row = BlockReport(
        name=block.name,
        layer=block.layer,
        kind=block_of(block).title,
        cycles=block.cycles,
        memories=_memories(block),
        weight_bits=bits["weights"],
        threshold_bits=bits["thresholds"],
        buffer_bits=bits["buffer"],
    )
    if not isinstance(block, MatVecSpec | WiredSpec):
        return row
    lanes, products = block.lanes * block.parallel_frames, block.vectors * block.rows * block.columns
    row = replace(row, reuse=_reuse([block], [1])) if isinstance(block, WiredSpec) else row
    return replace(
        row,
        operations=2 * products,
        lanes=lanes,
        utilisation=products / (lanes * cycles),
        outputs=block.rows if isinstance(block, WiredSpec) else block.rows * block.groups,
        inputs=block.columns,
        vectors=block.vectors,
        pe=block.rows if isinstance(block, WiredSpec) else block.pe,
        simd=block.columns if isinstance(block, WiredSpec) else block.simd,
    )


def _reuse(wired: Sequence[WiredSpec], vectors: Sequence[int]) -> Reuse:
    """What neurons share in some layers, for so many vectors of each."""
    each = (block.reuse.times(count) for block, count in zip(wired, vectors, strict=True))
    found = sum(each, WiredReuse(0, 0, 0, 0))
    return Reuse(
        additions_alone=found.additions_alone,
        additions=found.additions,
        reads_alone=found.reads_alone,
        reads=found.reads,
        operations_skipped=found.skipped_operations,
        reads_skipped=found.skipped_reads,
    )


def _memories(block: BlockSpec) -> tuple[MemoryReport, ...]:
    """What a block stores, each memory with its block RAMs as they are part of the estimates of the block."""
    counts = {family: estimated_rams(block, family) for family in BLOCK_RAM}
    return tuple(
        _memory(memory, {family: each[n] for family, each in counts.items() if each[n]})
        for n, memory in enumerate(block.memories())
    )


def _memory(memory: Memory, counts: dict[str, int]) -> MemoryReport:
    """Size of a memory, and for each family that holds it in block RAM, how many and how full they are."""
    # Bits that are the same in all words take no place, so there may be more than fit.
    held = {
        family: BlockRams(count=count, full=min(1.0, memory.bits / (count * BLOCK_RAM[family].bits)))
        for family, count in counts.items()
    }
    return MemoryReport(
        role=memory.role,
        depth=memory.depth,
        width=memory.width,
        riding=memory.riding,
        copies=memory.copies,
        bits=memory.bits,
        kind=_kind(memory),
        block_rams=held or None,
    )


def _kind(memory: Memory) -> str:
    """What holds a memory; one word that is never written is no more than wires."""
    if memory.block:
        return "block"
    if memory.depth > 1:
        return "lut"
    return "register" if memory.writable else "constant"


def _measured(build: DesignFolder) -> dict[str, Measured]:
    """Results of synthesis that lie in the build folder, by family."""
    paths = {family: build.folder / f"synthesis-{family}.json" for family in FAMILIES}
    return {family: _read(path) for family, path in paths.items() if path.is_file()}


def _read(path: Path) -> Measured:
    remedy = "remove it, or measure again with bitweir report --synth"
    check_listed(path, remedy)
    # A result of another version may have other fields.
    if schemas.read(path, _Versioned, remedy).version != VERSION:
        raise FileError(
            f"{str(path)!r} was measured by another version of bitweir, which counts otherwise: measure again with "
            "bitweir report --synth."
        )
    return schemas.read(path, Measured, remedy)
