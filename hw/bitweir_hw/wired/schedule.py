"""In which cycle a planned circuit does what: registers behind levels, and parts of neurons one after the other.

Every group of neurons takes every input, so of a large layer inputs would go to all of the chip in one cycle. Its
neurons are therefore cut into parts, each of which begins a cycle after the one before: inputs go from part to part
through a register, and so does each result until the last part has its own. The registers of different parts hold
different frames, so synthesis cannot merge them, and a router finds wires no longer than two parts.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, pairwise

from .circuit import Adder, Circuit, used

__all__ = ["Schedule", "schedule"]

#: About the LUT sites of a part.
PART = 5_500


@dataclass(frozen=True)
class Schedule:
    """Stages of a circuit; stage s has s registers before it.

    Parameters
    ----------
    turns : tuple of int
        For each step the part that it belongs to: that of the first neuron that needs it.
    steps, wires : tuple of int
        The stage of each step, and that in which each wire is made, 0 for inputs.
    last : int
        The stage of all outputs.
    parts : int
        Into which neurons are cut.
    """

    turns: tuple[int, ...]
    steps: tuple[int, ...]
    wires: tuple[int, ...]
    last: int
    parts: int

    def taps(self, circuit: Circuit) -> dict[int, list[int]]:
        """The stages in which each wire that is used is needed, in ascending order."""
        found: dict[int, set[int]] = {}
        for step, stage in zip(circuit.steps, self.steps, strict=True):
            for number in used(step):
                found.setdefault(number, set()).add(stage)
        for output in circuit.outputs:
            for bit in output.bits:
                for number in bit.wires:
                    found.setdefault(number, set()).add(self.last)
        return {number: sorted(stages) for number, stages in found.items()}

    def registers(self, circuit: Circuit) -> int:
        """Flip-flops between inputs and outputs."""
        return sum(stages[-1] - self.wires[number] for number, stages in self.taps(circuit).items())


def schedule(circuit: Circuit, levels_per_stage: int) -> Schedule:
    """Registers behind each so many levels, but for the last ones; 0 for none, then there is one part."""

    def stage(level: int) -> int:
        return max(level - 1, 0) // levels_per_stage if levels_per_stage else 0

    turns = _turns(circuit) if levels_per_stage else (0,) * len(circuit.steps)
    steps, wires = [], [0] * len(circuit.levels)
    for step, turn in zip(circuit.steps, turns, strict=True):
        steps.append(stage(step.level) + turn)
        for number in step.outputs if isinstance(step, Adder) else (step.output,):
            wires[number] = steps[-1]
    parts = max(turns, default=0) + 1
    return Schedule(turns, tuple(steps), tuple(wires), stage(circuit.depth) + parts - 1, parts)


def _turns(circuit: Circuit) -> tuple[int, ...]:
    """The part of each step."""
    parts = -(-circuit.sites // PART)
    if parts < 2:
        return (0,) * len(circuit.steps)
    first, crossing, sizes = _spans(circuit)
    ends = list(accumulate(sizes))
    # Before which neurons a part begins: where the fewest steps serve neurons on both sides, about as far as parts are
    # to have sites.
    starts = [0]
    for part in range(1, parts):
        near = [
            (crossing[n], abs(ends[n - 1] - ends[-1] * part / parts), n)
            for n in range(starts[-1] + 1, len(ends))
            if abs(ends[n - 1] - ends[-1] * part / parts) * parts <= ends[-1] / 3
        ]
        if near:
            starts.append(min(near)[2])
    part_of = [part for part, (a, b) in enumerate(pairwise([*starts, len(ends)])) for _ in range(a, b)]
    return tuple(part_of[n] for n in first)


def _spans(circuit: Circuit) -> tuple[list[int], list[int], list[int]]:
    """The first neuron that needs each step, the steps that serve neurons before and from each, and its own sites."""
    count = len(circuit.outputs)
    spans = [(count, -1)] * len(circuit.levels)
    for n, output in enumerate(circuit.outputs):
        for bit in output.bits:
            for number in bit.wires:
                spans[number] = min(spans[number][0], n), max(spans[number][1], n)
    first, change, sizes = [], [0] * (count + 1), [0] * count
    for step in reversed(circuit.steps):
        outputs = step.outputs if isinstance(step, Adder) else (step.output,)
        low, high = min(spans[number][0] for number in outputs), max(spans[number][1] for number in outputs)
        if high < 0:
            # Nothing takes it.
            low = high = count - 1
        for number in used(step):
            spans[number] = min(spans[number][0], low), max(spans[number][1], high)
        first.append(low)
        sizes[low] += len(outputs)
        change[low + 1] += 1
        change[high + 1] -= 1
    return first[::-1], list(accumulate(change)), sizes
