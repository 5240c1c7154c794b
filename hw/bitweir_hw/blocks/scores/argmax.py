"""The class of a frame: the lowest index with the highest score."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Shape, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ...gateware.credits import CreditedOutput
from ...gateware.fifo import wrap_increment
from ...gateware.values import elements, tree
from .spec import ArgmaxSpec, EndSpec

__all__ = ["Argmax", "RunningArgmax", "result_layout"]


def result_layout(spec: EndSpec) -> data.StructLayout:
    """What an output beat carries, from the lowest bit on.

    ``scores``
        Signed scores, of as many classes as there are lanes, for each class those of the V frames;
        the first beat begins with class 0. Zero where the last beat is padded. Labels and codes are unsigned.
    ``best``
        For each of the V frames, the lowest index of the highest score so far; in the last beat of
        a frame, the class. Of no bits where the result is no class.
    ``last``
        1 in the last beat of a frame.
    """
    return data.StructLayout(
        {
            "scores": data.ArrayLayout(
                data.ArrayLayout(Shape(spec.lane_bits, spec.elements_signed), spec.parallel_frames), spec.lanes
            ),
            "best": data.ArrayLayout(spec.index_bits, spec.parallel_frames),
            "last": 1,
        }
    )


class RunningArgmax(wiring.Component):
    """Keeps the lowest index with the highest score, as the scores of a frame come by.

    | property          | formula                                                           |
    |-------------------|-------------------------------------------------------------------|
    | latency           | none: the outputs tell of the beat at the input                   |
    | resources         | a comparator and a multiplexer for each lane and frame, in a tree |

    Parameters
    ----------
    classes, lanes, parallel_frames : int
    score : Shape
        Of a score.

    Members
    -------
    scores : In(lanes * parallel_frames * score.width)
        A beat. The lanes that pad the last one may hold anything.
    step : In(1)
        The beat moves.
    padding : Out(lanes)
        Which lanes of the beat pad it.
    best : Out(parallel_frames * index_bits)
        Of each frame, with this beat.
    last : Out(1)
        The beat is the last of its frame. From a register.
    """

    scores: Signal
    step: Signal
    padding: Signal
    best: Signal
    last: Signal

    def __init__(self, *, classes: int, lanes: int, parallel_frames: int, score: Shape) -> None:
        self.classes, self.lanes, self.parallel_frames, self.score = classes, lanes, parallel_frames, score
        self.beats = -(-classes // lanes)
        self.index_bits = max(1, (classes - 1).bit_length())
        super().__init__(
            {
                "scores": In(lanes * parallel_frames * score.width),
                "step": In(1),
                "padding": Out(lanes),
                "best": Out(parallel_frames * self.index_bits),
                "last": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        beat = Signal(range(self.beats))
        kept = self.classes - (self.beats - 1) * self.lanes
        m.d.comb += self.last.eq(beat == self.beats - 1)
        m.d.comb += self.padding[kept:].eq(self.last.replicate(self.lanes - kept))
        with m.If(self.step):
            m.d.sync += beat.eq(wrap_increment(beat, self.beats))
        scores = elements(self.scores, self.score.width)
        for frame in range(self.parallel_frames):
            best = self._best(m, frame, scores[frame :: self.parallel_frames], beat)
            m.d.comb += self.best.word_select(frame, self.index_bits).eq(best)
        return m

    def _best(self, m: Module, frame: int, scores: list[Value], beat: Signal) -> Value:
        """Index of the highest score of one frame, with this beat."""
        # Padding comes after all classes, so the lowest score of all never wins over one.
        lowest = -(1 << (self.score.width - 1)) if self.score.signed else 0

        def higher(a: tuple[Value, Value], b: tuple[Value, Value]) -> tuple[Value, Value]:
            later = Signal(name=f"later_{frame}")
            score = Signal(self.score, name=f"higher_{frame}")
            lane = Signal(range(self.lanes), name=f"lane_{frame}")
            m.d.comb += [
                # Earlier classes keep the lead in a tie.
                later.eq(b[0] > a[0]),
                score.eq(Mux(later, b[0], a[0])),
                lane.eq(Mux(later, b[1], a[1])),
            ]
            return score, lane

        contenders = []
        for lane, code in enumerate(scores):
            score = Signal(self.score, name=f"score_{frame}_{lane}")
            m.d.comb += score.eq(Mux(self.padding[lane], lowest, code.as_signed() if self.score.signed else code))
            contenders.append((score, Value.cast(lane)))
        top, top_lane = tree(contenders, higher)

        score = Signal(self.score, name=f"lead_{frame}", reset_less=True)
        best = Signal(self.index_bits, name=f"best_{frame}", reset_less=True)
        leads = Signal(name=f"leads_{frame}")
        new = Signal(self.index_bits, name=f"new_{frame}")
        m.d.comb += [
            leads.eq((beat == 0) | (top > score)),
            new.eq(Mux(leads, beat * self.lanes + top_lane, best)),
        ]
        with m.If(self.step):
            m.d.sync += best.eq(new)
            with m.If(leads):
                m.d.sync += score.eq(top)
        return new


class Argmax(wiring.Component):
    """Lets scores pass and tells the class beside them.

    | property          | formula                                                           |
    |-------------------|-------------------------------------------------------------------|
    | cycles a frame    | ceil(M / lanes)                                                   |
    | latency           | 1 cycle                                                           |
    | ready             | a place of ``fifo_depth`` is free                                 |
    | resources         | a comparator and a multiplexer for each lane and frame, in a tree |

    Members
    -------
    i : In(stream.Signature(lanes * parallel_frames * lane_bits))
        The lanes that pad the last beat may hold anything.
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
        m.submodules.leader = leader = RunningArgmax(
            classes=spec.classes, lanes=spec.lanes, parallel_frames=spec.parallel_frames, score=signed(spec.lane_bits)
        )
        take = Signal()
        result = Signal(result_layout(spec))
        m.d.comb += [
            self.i.ready.eq(output.free),
            take.eq(self.i.valid & self.i.ready),
            leader.scores.eq(self.i.payload),
            leader.step.eq(take),
            output.start.eq(take),
            output.done.eq(take),
            output.result.eq(result),
            result.best.eq(leader.best),
            result.last.eq(leader.last),
        ]
        for lane, scores in enumerate(elements(self.i.payload, spec.parallel_frames * spec.lane_bits)):
            m.d.comb += result.scores[lane].eq(Mux(leader.padding[lane], 0, scores))
        return m
