"""A scale and an offset for each channel; and what all blocks with constants for each channel share."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.hdl import signed as hdl_signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ...arithmetic import signed_bits
from ...gateware.credits import CreditedOutput
from ...gateware.loading import chain_ports, pass_on
from ...gateware.rom import Rom
from ...gateware.stages import Stages, delayed, staged_sum
from ...gateware.values import elements
from .spec import AffineSpec, ChannelSpec

__all__ = ["Affine", "ChannelPipe", "constant", "in_turn", "scaled"]


class ChannelPipe(wiring.Component):
    """Brings each element together with the constants of its channel, a beat each cycle.

    | property          | formula                                                           |
    |-------------------|-------------------------------------------------------------------|
    | cycles a frame    | ``pixels * ceil(C / lanes)``                                      |
    | latency           | input beat, `spec.latency` cycles, write, 1 cycle, output          |
    | ready             | a place of ``fifo_depth`` is free                                 |
    | constants         | a ROM of ``ceil(C / lanes)`` words of the bits that change from   |
    |                   | word to word: none where channels agree, or all fit in a beat     |
    | registers         | a beat before and a beat after                                    |

    The V frames that go side by side share the constants. Where `spec.loadable_bits` says so, all bits of all constants
    come through a chain, see `loading`, into a memory of ``ceil(C / lanes)`` words.

    Members
    -------
    i : In(stream.Signature(lanes * parallel_frames * i_lane_bits))
    o : Out(stream.Signature(lanes * parallel_frames * o_lane_bits))
        What stands in the lanes that pad the last beat of a vector has no meaning, at either side.
    load : In(loading.chain_signature(spec.load_width))
    on : Out(loading.chain_signature(spec.load_width))
        Where constants are loaded.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, spec: ChannelSpec) -> None:
        self._spec = spec
        ports = {"i": In(stream.Signature(spec.i_bits)), "o": Out(stream.Signature(spec.o_bits))}
        super().__init__({**ports, **(chain_ports(spec.load_width) if spec.loadable_bits else {})})

    @staticmethod
    @abstractmethod
    def result(spec: Any, stages: Stages, element: Value, constants: list[Value | int]) -> Value:
        """What becomes of an element; constants are signed, and integers where all channels of the lane agree."""

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self._spec
        m.submodules.output = output = CreditedOutput(width=spec.o_bits, depth=spec.fifo_depth)
        wiring.connect(m, output.o, wiring.flipped(self.o))
        take = Signal()
        m.d.comb += [self.i.ready.eq(output.free), take.eq(self.i.valid & self.i.ready), output.start.eq(take)]

        beat, results = Signal(spec.i_bits, reset_less=True), Signal(spec.o_bits, reset_less=True)
        m.d.sync += beat.eq(self.i.payload)
        m.d.comb += [output.done.eq(delayed(m, take, spec.latency)), output.result.eq(results)]
        constants = self._loaded(m, take) if spec.loadable_bits else self._lanes(m, take)
        shared: dict[Any, tuple[Value, Value]] = {}
        for place, element in enumerate(elements(beat, spec.i_lane_bits)):
            stages = Stages(m, spec.registers, shared)
            ours = constants[place // spec.parallel_frames]
            m.d.sync += results.word_select(place, spec.o_lane_bits).eq(self.staged(spec, stages, element, ours))
        return m

    @classmethod
    def staged(cls, spec: ChannelSpec, stages: Stages, element: Value, constants: list[Value | int]) -> Value:
        """The result at the end of all levels."""
        if spec.reads:
            element, *constants = stages.done([element, *constants])
        return stages.finish(cls.result(spec, stages, element, constants), spec.levels)

    def _loaded(self, m: Module, step: Signal) -> list[list[Value | int]]:
        """The constants of each lane, in the cycle after `step`, from a memory that is loaded."""
        spec = self._spec
        assert spec.loadable_bits is not None
        m.submodules.constants = constants = Rom(
            words=range(spec.vector_beats), width=spec.loadable_width, loaded=True, load_width=spec.load_width
        )
        m.d.comb += constants.step.eq(step)
        pass_on(m, self, [constants])
        lanes: list[list[Value | int]] = []
        at = 0
        for _ in range(spec.lanes):
            lanes.append([])
            for bits in spec.loadable_bits:
                lanes[-1].append(constants.data[at : at + bits].as_signed())
                at += bits
        return lanes

    def _lanes(self, m: Module, step: Signal) -> list[list[Value | int]]:
        """The constants of each lane, in the cycle after `step`."""
        spec = self._spec
        columns: list[tuple[int, ...]] = []
        for lane in range(spec.lanes):
            rows = [spec.constants(channel) for channel in range(lane, spec.channels, spec.lanes)]
            # Padding may have any constants: those that cost nothing.
            rows = rows or [spec.constants(0)]
            rows += rows[-1:] * (spec.vector_beats - len(rows))
            columns += zip(*rows, strict=True)
        values = in_turn(m, columns, step)
        count = len(values) // spec.lanes
        return [values[at : at + count] for at in range(0, len(values), count)]


def in_turn(m: Module, columns: list[tuple[int, ...]], step: Signal, style: str = "auto") -> list[Value | int]:
    """Of each column the constant whose turn it is, in the cycle after `step`; of equal ones, just that."""
    rows = [
        [tuple(constant >> at & 1 for constant in column) for at in range(signed_bits(min(column), max(column)))]
        for column in columns
    ]
    # A bit that never changes needs no memory, and one that changes as another does needs no more.
    changing = dict.fromkeys(bit for row in rows for bit in row if len(set(bit)) > 1)
    stored: dict[tuple[int, ...], Value] = {}
    if changing:
        words = [sum(bit << at for at, bit in enumerate(beat)) for beat in zip(*changing, strict=True)]
        m.submodules.constants = constants = Rom(words=words, width=len(changing), style=style)
        m.d.comb += constants.step.eq(step)
        stored = dict(zip(changing, constants.data, strict=True))
    return [
        column[0]
        if len(set(column)) == 1
        else Cat(stored[bit] if bit in stored else Const(bit[0], 1) for bit in row).as_signed()
        for column, row in zip(columns, rows, strict=True)
    ]


class Affine(ChannelPipe):
    """Computes ``out[c] = scale[c] * value[c] + offset[c]``, exactly.

    | property          | formula                                                           |
    |-------------------|-------------------------------------------------------------------|
    | time, constants   | see `ChannelPipe`                                                 |
    | resources         | a multiplier and an adder for each lane and frame; none where     |
    |                   | all scales of a lane are the same, as `values.weighted_sum` says  |

    Members
    -------
    i : In(stream.Signature(lanes * parallel_frames * i_lane_bits))
        Codes of `spec.format`, or signed numbers.
    o : Out(stream.Signature(lanes * parallel_frames * o_lane_bits))
        Signed numbers.
    """

    def __init__(self, spec: AffineSpec) -> None:
        self.spec = spec
        super().__init__(spec)

    @staticmethod
    def result(spec: AffineSpec, stages: Stages, element: Value, constants: list[Value | int]) -> Value:
        return scaled(stages, element, *constants, signed=spec.format is None, bits=spec.o_lane_bits, piece=spec.piece)


def scaled(
    stages: Stages, element: Value, scale: Value | int, offset: Value | int, *, signed: bool, bits: int, piece: int
) -> Value:
    """An element, which may be signed, times a scale, and an offset."""
    number = element.as_signed() if signed else Cat(element, Const(0, 1)).as_signed()
    terms: list[tuple[Value, Value | int]] = [(number, scale)]
    if not isinstance(offset, int) or offset:
        terms.append((constant(offset), 1))
    return staged_sum(stages, terms, bits, piece)


def constant(number: Value | int) -> Value:
    """A signed constant, fixed or not."""
    return Const(number, hdl_signed(signed_bits(number, number))) if isinstance(number, int) else number
