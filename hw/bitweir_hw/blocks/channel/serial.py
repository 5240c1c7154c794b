"""A scale and an offset for each channel, a bit of both in each cycle."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ...gateware.loading import chain_ports, pass_on
from ...gateware.rom import Rom
from ...gateware.stages import delayed, held
from ...gateware.values import elements
from .affine import in_turn
from .spec import AffineSpec

__all__ = ["SerialAffine"]


class SerialAffine(wiring.Component):
    """Computes ``out[c] = scale[c] * value[c] + offset[c]``, exactly, from the lowest bit of the result on.

    In each step the bit of the scale adds the element to what is left of the sum so far, and that of the offset carries
    into it: the lowest bit of this sum is the next one of the result, and all others are what is left.

    | property          | formula                                                                   |
    |-------------------|---------------------------------------------------------------------------|
    | cycles a frame    | ``pixels * ceil(C / lanes) * (o_lane_bits + 5)``                          |
    | latency           | input beat, 1 cycle, ``o_lane_bits`` steps, 3 cycles, output              |
    | ready             | no beat is in hand                                                        |
    | constants         | a ROM of ``ceil(C / lanes) * o_lane_bits`` words of 2 bits for each lane, |
    |                   | or fewer where they are the same                                          |
    | resources         | an adder of ``i_lane_bits + 1`` and as many AND gates for each lane and   |
    |                   | frame; registers of the element, of what is added, of what is left, and   |
    |                   | of the result, which is the output                                        |

    Where constants are loaded, the words of the ROM come through a chain, see `loading`.

    Members
    -------
    i : In(stream.Signature(lanes * parallel_frames * i_lane_bits))
        Codes of `spec.format`, or signed numbers.
    o : Out(stream.Signature(lanes * parallel_frames * o_lane_bits))
        Signed numbers. What stands in the lanes that pad the last beat of a vector has no meaning, at either side.
    load : In(loading.chain_signature(spec.load_width))
    on : Out(loading.chain_signature(spec.load_width))
        Where constants are loaded.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, spec: AffineSpec) -> None:
        self.spec = spec
        ports = {"i": In(stream.Signature(spec.i_bits)), "o": Out(stream.Signature(spec.o_bits))}
        super().__init__({**ports, **(chain_ports(spec.load_width) if spec.loadable_bits else {})})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        take, step, starts, ends = Signal(), Signal(), Signal(init=1), Signal()
        idle, lent, at = Signal(init=1), Signal(), Signal(range(spec.steps))
        beat = Signal(spec.i_bits, reset_less=True)
        m.d.comb += [
            self.i.ready.eq(idle),
            take.eq(self.i.valid & idle),
            # The result before must be gone.
            step.eq(~idle & ~(starts & lent)),
        ]
        with m.If(take):
            m.d.sync += [beat.eq(self.i.payload), idle.eq(0)]
        with m.Elif(step & ends):
            m.d.sync += idle.eq(1)
        with m.If(step):
            m.d.sync += [at.eq(Mux(ends, 0, at + 1)), starts.eq(ends), ends.eq(at == spec.steps - 2)]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [lent.eq(0), self.o.valid.eq(0)]
        with m.Elif(step & starts):
            m.d.sync += lent.eq(1)
        # In the last step nothing is read; the beat stays until it was combined with what the one before read.
        reads = Signal()
        m.d.comb += reads.eq(step & ~ends)
        moves = delayed(m, reads, 3)
        with m.If(delayed(m, step & ends, 2)):
            m.d.sync += self.o.valid.eq(1)
        digits = self._loaded(m, reads) if spec.loadable_bits else self._digits(m, reads)
        digits = [(held(m, scale), held(m, offset)) for scale, offset in digits]
        for place, element in enumerate(elements(beat, spec.i_lane_bits)):
            scale, offset = digits[place // spec.parallel_frames]
            result = Signal(spec.o_lane_bits, name=f"result_{place}", reset_less=True)
            digit = self._sum(m, element, scale, held(m, offset), moves)
            with m.If(moves):
                m.d.sync += result.eq(Cat(result[1:], digit))
            m.d.comb += self.o.payload.word_select(place, spec.o_lane_bits).eq(result)
        return m

    def _sum(self, m: Module, element: Value, scale: Value, offset: Value, moves: Value) -> Value:
        """The next bit of a result; nothing is left between results."""
        added = Signal(self.spec.i_lane_bits, name="added", reset_less=True)
        left = Signal(self.spec.i_lane_bits, name="left", reset_less=True)
        # A position below the lowest carries the bit of the offset.
        low, high = Cat(offset, left), Cat(Const(1, 1), added)
        total = low + high if self.spec.format else low.as_signed() + high.as_signed()
        m.d.sync += [added.eq(Mux(scale, element, 0)), left.eq(Mux(moves, total[2:], 0))]
        return total[1]

    def _digits(self, m: Module, step: Signal) -> list[tuple[Value, Value]]:
        """The bits of scale and offset of each lane, in the cycle after `step`."""
        words = self.spec.digits()
        columns = [tuple(word >> at & 1 for word in words) for at in range(2 * self.spec.lanes)]
        values = in_turn(m, columns, step, self.spec.style)
        bits = [Const(value, 1) if isinstance(value, int) else value[0] for value in values]
        return list(zip(bits[::2], bits[1::2], strict=True))

    def _loaded(self, m: Module, step: Signal) -> list[tuple[Value, Value]]:
        """The same from a memory that is loaded."""
        spec = self.spec
        words = range(len(spec.loadable_words()))
        m.submodules.constants = constants = Rom(
            words=words, width=spec.loadable_width, style=spec.style, loaded=True, load_width=spec.load_width
        )
        m.d.comb += constants.step.eq(step)
        pass_on(m, self, [constants])
        return [(constants.data[2 * lane], constants.data[2 * lane + 1]) for lane in range(spec.lanes)]
