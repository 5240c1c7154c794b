"""What a wired layer costs, and its longest paths."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

from ...arithmetic import ceil_div
from ...popcount.dot_product import FULL_CHAIN
from ...resources.fifos import credited, fifo
from ...resources.memories import rom
from ...resources.paths import Path, behind, level_path
from ...resources.terms import Terms, adder, chain_cells, counter, fill_level, index_bits
from ...wired.arithmetic import chain_limit
from ...wired.circuit import ZERO, Adder, Circuit, Gate, used
from ...wired.schedule import Schedule
from .spec import WiredSpec

__all__ = ["cost", "paths"]

#: Inputs of a LUT.
_LUT = {"xilinx": 6}
#: Registers from which on those of Xilinx become shift registers.
SHIFTED = 3
#: About the nanoseconds of an adder, of a position of its chain and of a LUT: which of several paths is the longest.
_ADDER_TIME, _POSITION_TIME, _LUT_TIME = 2.0, 0.05, 1.2


def cost(spec: WiredSpec, family: str) -> Terms:
    """`blocks.wired.gateware`: the circuit of V frames, its registers, offsets by class, and an output FIFO.

    LUTs and adders are those that the circuit has; synthesis makes them anew, a little smaller.
    """
    terms = Terms()
    for circuit, plan in spec.circuits:
        terms += _circuit(spec, circuit, plan, family)
    if spec.steps > 1:
        terms += _steps(spec, family)
    if spec.entry:
        taken = spec.schedule.taps(spec.circuit)
        terms.ff += sum(wire in taken for pins in spec.circuit.inputs for wire in pins)
    terms += _results(spec, family)
    terms = terms.times(spec.parallel_frames)
    if spec.steps > 1:
        # Which step it is, and when the first one begins.
        counter(terms, spec.steps, family)
        terms.ff += index_bits(spec.steps) + spec.first_stage - 1
    if spec.by_class:
        terms += _offsets(spec, family)
    # Low bits that are 0 in all results are not kept, nor are results that never change.
    fixed = sum(not any(bit.wires for bit in output.bits) for output in spec.last_circuit.outputs)
    width = spec.o_bits - spec.parallel_frames * (spec.shift * spec.rows if spec.thresholds is None else fixed)
    if not spec.chained:
        terms += credited(max(1, width), spec.fifo_depth, family)
    elif spec.after is None:
        terms += fifo(max(1, width), spec.fifo_depth, family)
    if spec.chained and spec.before is None:
        # The first of a chain counts the places at its end.
        fill_level(terms, spec.fifo_depth, family)
        terms.luts["credits"] += 1
        terms.ff += 1
    terms.ff += spec.latency
    terms.luts["fixed"] += 1
    return terms


def _steps(spec: WiredSpec, family: str) -> Terms:
    """Elements of which each step takes the lowest bits, and accumulators, of one frame."""
    terms, inputs = Terms(), spec.parts * spec.columns
    terms.ff += inputs * spec.lane_bits
    # The highest bits come from the beat alone; 0 follows them.
    terms.luts["gate"] += inputs * spec.lane_bits
    staged, last = spec.popcount.levels_per_stage > 0, spec.last_circuit
    taken = {wire for step in last.steps for wire in used(step)}
    taken |= {wire for output in last.outputs for bit in output.bits for wire in bit.wires}
    below = spec.step_bits * (spec.steps - 1)
    for output, width, pins in zip(spec.circuit.outputs, spec.accumulators, last.inputs, strict=True):
        # Low bits that decide nothing are not kept.
        kept = {place for place, wire in enumerate(pins) if wire in taken}
        if not kept:
            continue
        passing = {
            place for place in range(below) if any(place - at in kept for at in range(0, place + 1, spec.step_bits))
        }
        adder(terms, width, family, feature="position")
        terms.ff += max(width - spec.step_bits, 0) + len(passing)
        if staged:
            # What has passed by a step before is the same.
            terms.ff += sum(place - spec.step_bits not in passing for place in kept)
            terms.ff += sum(bool(bit.wires) for bit in output.bits)
    return terms


def _results(spec: WiredSpec, family: str) -> Terms:
    """Registers of the results of one frame, and what makes numbers of them."""
    terms = Terms()
    if spec.popcount.levels_per_stage:
        # Results are in registers before they are written.
        results = [output for output in spec.last_circuit.outputs if any(bit.wires for bit in output.bits)]
        counts = spec.thresholds is not None and not spec.by_class
        own = sum(
            len(output.bits) if spec.by_class else spec.code_bits if counts else spec.sum_bits for output in results
        )
        terms.ff += own * (spec.sum_stages - spec.inner_stages)
    for output in spec.last_circuit.outputs:
        if spec.thresholds is None and not spec.by_class and output.offset and output.bits:
            adder(terms, spec.sum_bits, family, feature="offset")
    return terms


def _circuit(spec: WiredSpec, circuit: Circuit, plan: Schedule, family: str) -> Terms:
    """LUTs, adders and registers of a circuit."""
    terms, each = Terms(), spec.popcount.levels_per_stage
    size = _LUT.get(family, 4)
    for step in circuit.steps:
        if isinstance(step, Gate):
            extra = len(step.inputs) - size
            terms.luts["gate"] += 1 if extra <= 0 else (1 << extra) + 1
    adders: dict[tuple[int, int], list[Adder]] = {}
    for step, turn in zip(circuit.steps, plan.turns, strict=True):
        if isinstance(step, Adder):
            adders.setdefault((step.level, turn), []).append(step)
            # What Yosys finds in a position of a carry cell, and what stands before it.
            before = step.a if spec.popcount.carry4 else (*step.a, *step.b)
            terms.luts["inverted"] += sum(len(bit.wires) == 1 and bit.table == 1 for bit in before)
    for level in adders.values():
        for positions in _chains(level, chain_limit(circuit, each)):
            terms.luts["position"] += positions
            terms.carry += ceil_div(positions, 2) if spec.popcount.style == "ecp5" else chain_cells(positions, family)
    for stages in _waits(circuit, plan):
        # Xilinx has shift registers for what waits for three stages or more.
        if family == "xilinx" and stages >= SHIFTED:
            terms.lutram += 1
            terms.ram_sites += 1
        else:
            terms.ff += stages
    return terms


def _chains(adders: list[Adder], limit: int) -> Iterable[int]:
    """Positions of the carry chains of a level, with separators, as `wired.arithmetic` lays them out."""
    filled = 0
    for step in adders:
        own = len(step.a) + (len(step.outputs) > len(step.a) or limit > 0)
        if not limit:
            yield own + (step.carry != ZERO)
        elif filled and filled + own > limit:
            yield filled
            filled = own
        else:
            filled += own
    if filled:
        yield filled


def _waits(circuit: Circuit, plan: Schedule) -> list[int]:
    """How many registers follow one another, for each bit that waits, from where it is taken to where it is again."""
    if not plan.last:
        return []
    return [
        after - before
        for wire, taken in plan.taps(circuit).items()
        for before, after in pairwise([plan.wires[wire], *taken])
    ]


def _offsets(spec: WiredSpec, family: str) -> Terms:
    """Offsets by class: their memory, which class a pixel has, an adder for each neuron, and a register behind it."""
    memory, copies = spec.offset_memory, spec.rows * spec.parallel_frames
    terms = rom(spec.offset_words, memory.depth, memory.width, family, layout=memory.layout)
    for end in (len(spec.column_classes), len(spec.row_classes)):
        terms.ff += index_bits(end) + 2
        counter(terms, end, family)
    terms.ff += index_bits(memory.depth)
    terms.luts["wrap"] += index_bits(memory.depth)
    adder(terms, spec.offset_bits, family, copies, "offset")
    if spec.popcount.levels_per_stage:
        terms.ff += copies * (spec.offset_bits if spec.thresholds is None else 1)
    terms.ff += spec.sum_stages - 1 - memory.layout.registers
    return terms


def paths(spec: WiredSpec) -> list[Path]:
    """The longest way through each stage of the circuit, the offsets behind it, and the way into the output."""
    found = [path for each in spec.circuits for path in _stages(spec, *each)]
    if spec.before is None or spec.after is None:
        # Whether there is a place, and what chooses between a new result and an old one.
        found += [level_path(spec.fifo_depth), Path(luts=3)]
    if spec.steps > 1:
        found.append(Path(adders=(max(spec.accumulators),), luts=1))
    if spec.by_class:
        found += [Path(adders=(spec.offset_bits,)), *behind(spec.offset_memory), Path(luts=3)]
    # Inputs and sums go to neurons anywhere in the datapath, and its results come from anywhere.
    area = spec.parallel_frames * spec.circuit.sites
    return [replace(path, area=area) for path in found]


def _stages(spec: WiredSpec, circuit: Circuit, plan: Schedule) -> list[Path]:
    """The longest path of each stage."""
    lengths: dict[tuple[int, int], int] = {}
    limit = chain_limit(circuit, spec.popcount.levels_per_stage)
    for step, turn in zip(circuit.steps, plan.turns, strict=True):
        if isinstance(step, Adder):
            own = len(step.a) + 1
            together = lengths.get((step.level, turn), 0) + own
            lengths[step.level, turn] = min(together, limit) if limit else max(own, together - own)
    ways: dict[int, Path] = {}
    longest: dict[int, Path] = {}
    for step, turn, stage in zip(circuit.steps, plan.turns, plan.steps, strict=True):
        outputs = step.outputs if isinstance(step, Adder) else (step.output,)
        before = [ways[wire] for wire in used(step) if wire in ways and plan.wires[wire] == stage]
        way = max(before, key=_delay, default=Path())
        if isinstance(step, Gate):
            way = Path(adders=way.adders, luts=way.luts + 1)
        else:
            # Only the first chain is passed from end to end.
            length = lengths[step.level, turn]
            way = Path(adders=(*way.adders, min(length, FULL_CHAIN) if way.adders else length), luts=way.luts)
        ways |= dict.fromkeys(outputs, way)
        longest[stage] = max(longest.get(stage, way), way, key=_delay)
    return list(longest.values())


def _delay(path: Path) -> float:
    """About how long a path takes, in nanoseconds."""
    return len(path.adders) * _ADDER_TIME + sum(path.adders) * _POSITION_TIME + path.luts * _LUT_TIME
