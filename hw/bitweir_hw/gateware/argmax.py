"""The class of a frame: the lowest index with the highest score."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..blocks import ArgmaxSpec
from .credits import CreditedOutput
from .fifo import following

__all__ = ["Argmax", "result_layout"]


def result_layout(spec: ArgmaxSpec) -> data.StructLayout:
    """What an output beat carries, from the lowest bit on.

    ``scores``
        Signed scores, of as many classes as there are lanes; those of the first beat begin with
        class 0. Zero where the last beat is padded.
    ``best``
        The lowest index of the highest score so far; in the last beat of a frame, the class.
    ``last``
        1 in the last beat of a frame.
    """
    return data.StructLayout(
        {
            "scores": data.ArrayLayout(signed(spec.lane_bits), spec.lanes),
            "best": spec.index_bits,
            "last": 1,
        }
    )


class Argmax(wiring.Component):
    """Lets scores pass and tells the class beside them.

    | property        | formula                                                       |
    |-----------------|---------------------------------------------------------------|
    | cycles a frame  | ceil(M / lanes)                                               |
    | latency         | 1 cycle                                                       |
    | resources       | a comparator and a multiplexer a lane, in a tree              |

    Members
    -------
    i : In(stream.Signature(lanes * lane_bits))
    o : Out(stream.Signature(result_layout(spec).size))
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, spec: ArgmaxSpec) -> None:
        self.spec = spec
        super().__init__({"i": In(stream.Signature(spec.i_bits)), "o": Out(stream.Signature(spec.o_bits))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        m.submodules.output = output = CreditedOutput(width=spec.o_bits, depth=spec.fifo_depth)
        wiring.connect(m, output.o, wiring.flipped(self.o))
        beat = Signal(range(spec.cycles))
        first, last, take = Signal(), Signal(), Signal()
        m.d.comb += [
            first.eq(beat == 0),
            last.eq(beat == spec.cycles - 1),
            self.i.ready.eq(output.free),
            take.eq(self.i.valid & self.i.ready),
            output.start.eq(take),
            output.done.eq(take),
        ]
        kept = spec.classes - (spec.cycles - 1) * spec.lanes
        lowest = -(1 << (spec.lane_bits - 1))
        result = Signal(result_layout(spec))
        contenders: list[tuple[Value, Value]] = []
        for lane in range(spec.lanes):
            score = self.i.payload.word_select(lane, spec.lane_bits).as_signed()
            padded = last if lane >= kept else 0
            m.d.comb += result.scores[lane].eq(Mux(padded, 0, score))
            # Padding comes after all classes, so the lowest score of all never wins over one.
            contenders.append((Mux(padded, lowest, score), beat * spec.lanes + lane))

        score = Signal(signed(spec.lane_bits))
        best = Signal(spec.index_bits)
        wins = Signal()
        top_score, top = self._highest(m, contenders)
        m.d.comb += [
            # Earlier classes keep the title in a tie.
            wins.eq(first | (top_score > score)),
            result.best.eq(Mux(wins, top, best)),
            result.last.eq(last),
            output.result.eq(result),
        ]
        with m.If(take):
            m.d.sync += beat.eq(following(beat, spec.cycles))
            with m.If(wins):
                m.d.sync += [score.eq(top_score), best.eq(top)]
        return m

    def _highest(self, m: Module, contenders: list[tuple[Value, Value]]) -> tuple[Value, Value]:
        """Highest score and its index; the earlier one in a tie."""
        if len(contenders) == 1:
            return contenders[0]
        half = len(contenders) // 2
        (score_a, index_a), (score_b, index_b) = (
            self._highest(m, part) for part in (contenders[:half], contenders[half:])
        )
        later = Signal()
        m.d.comb += later.eq(score_b > score_a)
        return Mux(later, score_b, score_a), Mux(later, index_b, index_a)
