"""The specification of a weighted sum of streams."""

from __future__ import annotations

from dataclasses import dataclass

from ...arithmetic import signed_bits, sum_levels, trailing_zeros
from ...memory import Memory
from ...network.formats import Format
from ..machines import Collect, one_to_one

__all__ = ["AddSpec", "bare"]


def bare(form: Format, factor: int) -> bool:
    """Whether a code times a factor becomes a number without an adder, see `gateware.values.number`."""
    offset, step, top = factor * form.offset, factor * form.step, form.codes - 1
    if step < 0:
        offset, step = offset + step * top, -step
    shift = trailing_zeros(step) if step else 0
    return step >> shift == 1 and offset >> shift in (0, -(1 << (form.bits - 1)))


@dataclass(frozen=True, kw_only=True)
class AddSpec:
    """The weighted sum of several streams, beat by beat, see `blocks.add.gateware`.

    Parameters
    ----------
    name, layer : str
        Of the block, and the `layers.Parallel` that it ends.
    lanes : int
        Elements of a beat.
    i_lane_bits : tuple of int
        Bits of an element of each input.
    formats : tuple of Format or None
        Of the codes of each input; None for signed numbers.
    factors : tuple of int
        The weight of each input.
    o_lane_bits : int
        Bits of a sum, signed.
    beats : int
        Of a frame.
    parallel_frames : int
        V, the frames side by side.
    stage_levels : int
        Levels of logic between registers; 0 for none but that of the sum.
    multiplier_bits : int
        See `arithmetic.products`.
    """

    name: str
    layer: str
    lanes: int
    i_lane_bits: tuple[int, ...]
    formats: tuple[Format | None, ...]
    factors: tuple[int, ...]
    o_lane_bits: int
    beats: int
    parallel_frames: int = 1
    stage_levels: int = 0
    multiplier_bits: int = 17

    @property
    def latency(self) -> int:
        """Cycles from taking the beats to the write of their sum."""
        return 1 + len(self.registers)

    @property
    def fifo_depth(self) -> int:
        """Results under way or waiting, so that a beat moves every cycle."""
        return self.latency + 2

    @property
    def registers(self) -> tuple[int, ...]:
        """After which levels of logic, counted from 1, a register stands; one follows the last anyway."""
        return tuple(range(self.stage_levels, self.levels, self.stage_levels)) if self.stage_levels else ()

    @property
    def piece(self) -> int:
        """Bits of a piece of a factor; 0 where products are whole."""
        return self.multiplier_bits if self.stage_levels else 0

    @property
    def terms(self) -> list[tuple[int, int | None]]:
        """The inputs that count, each with its factor; None for a code whose number is wires, see `bare`."""
        found: list[tuple[int, int | None]] = []
        for k, (factor, form) in enumerate(zip(self.factors, self.formats, strict=True)):
            if factor:
                found.append((k, factor if form is None else None if bare(form, factor) else factor * form.step))
        return found

    @property
    def constant(self) -> int:
        """What is added beside the inputs."""
        whole = [k for k, factor in self.terms if factor is not None]
        forms = [(self.factors[k], self.formats[k]) for k in whole]
        return sum(factor * form.offset for factor, form in forms if form)

    @property
    def levels(self) -> int:
        """Levels of logic."""
        terms: list[tuple[int, int | None, int]] = []
        for k, factor in self.terms:
            by = 1 if factor is None else factor
            terms.append((self.i_lane_bits[k] + (self.formats[k] is not None), by, signed_bits(by, by)))
        if self.constant:
            terms.append((0, 1, 2))
        return sum_levels(terms, self.piece)

    @property
    def inputs(self) -> int:
        """How many streams meet."""
        return len(self.factors)

    @property
    def cycles(self) -> int:
        """Cycles a frame, one for each beat."""
        return self.beats

    @property
    def i_beats(self) -> int:
        """Beats a frame of each input."""
        return self.beats

    @property
    def o_beats(self) -> int:
        """Output beats a frame."""
        return self.beats

    @property
    def i_bits(self) -> tuple[int, ...]:
        """Payload bits of each input."""
        return tuple(self.lanes * bits * self.parallel_frames for bits in self.i_lane_bits)

    @property
    def o_bits(self) -> int:
        """Payload bits at the output."""
        return self.lanes * self.o_lane_bits * self.parallel_frames

    @property
    def machine(self) -> Collect:
        """When it moves beats: one for each that comes."""
        return one_to_one(latency=self.latency, depth=self.fifo_depth)

    def memories(self) -> tuple[Memory, ...]:
        """What it stores."""
        return (Memory(role="buffer", depth=self.fifo_depth, width=self.o_bits, writable=True),)
