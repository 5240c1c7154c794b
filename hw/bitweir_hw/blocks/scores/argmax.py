"""The class of a frame: the lowest index with the highest score."""

from __future__ import annotations

import itertools
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ...gateware.credits import CreditedOutput
from ...gateware.fifo import Fifo
from ...gateware.stages import delayed, held
from ...gateware.values import elements
from .spec import ArgmaxSpec, EndSpec, all_pairs

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

    A tree of comparisons finds the winner of a beat; one with the leader so far decides who leads. With `stage_levels`
    a register follows every so many of the tree's levels, of which a comparison is one and the choice behind it
    another, and its end; the leader then is told from registers. Only the comparison with the leader stays one carry
    chain, and a LUT and a clock enable behind it: the next beat needs it.

    Of a few classes in one beat all pairs are compared at once, and the class follows from what is found: the same
    tree, without scores that pass through it.

    | property          | formula                                                               |
    |-------------------|-----------------------------------------------------------------------|
    | latency           | `spec.lead_latency`: without `stage_levels` none, the outputs tell of |
    |                   | the beat at the input; else ``ceil(2 * ceil(log2(lanes)) /            |
    |                   | stage_levels)``, and 1 where a frame has several beats;               |
    |                   | ``ceil(2 / stage_levels)`` with all pairs at once                     |
    | resources         | a comparator and a multiplexer for each lane and frame, in a tree;    |
    |                   | registers of the scores that are left at each of the tree's registers |
    | `spec.all_pairs`  | a comparator for each pair of lanes and a few LUTs; registers of what |
    |                   | they find                                                             |

    Parameters
    ----------
    classes, lanes, parallel_frames : int
    score : Shape
        Of a score.
    stage_levels : int

    Members
    -------
    scores : In(lanes * parallel_frames * score.width)
        A beat. The lanes that pad the last one may hold anything.
    step : In(1)
        The beat moves.
    padding : Out(lanes)
        Which lanes of the beat pad it.
    last : Out(1)
        The beat is the last of its frame. From a register.
    best : Out(parallel_frames * index_bits)
        Of each frame, with the beat of `latency` cycles before.
    """

    scores: Signal
    step: Signal
    padding: Signal
    best: Signal
    last: Signal

    def __init__(self, *, classes: int, lanes: int, parallel_frames: int, score: Shape, stage_levels: int = 0) -> None:
        self.classes, self.lanes, self.parallel_frames, self.score = classes, lanes, parallel_frames, score
        self.stage_levels = stage_levels
        self.beats = -(-classes // lanes)
        self.index_bits = max(1, (classes - 1).bit_length())
        super().__init__(
            {
                "scores": In(lanes * parallel_frames * score.width),
                "step": In(1),
                "padding": Out(lanes),
                "last": Out(1, init=self.beats == 1),
                "best": Out(parallel_frames * self.index_bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        kept = self.classes - (self.beats - 1) * self.lanes
        m.d.comb += self.padding[kept:].eq(self.last.replicate(self.lanes - kept))
        first = Signal(init=1)
        # Of a number of lanes that is no power of two, a beat counts as its first index.
        self._stride = 1 if self.lanes & (self.lanes - 1) == 0 else self.lanes
        at = self._counted(m, self.step, self.last, first, self.last)
        if all_pairs(self.classes, self.lanes, self.stage_levels):
            m.d.comb += self.best.eq(Cat(self._matrix(m, scores[: self.classes]) for scores in self._frames))
            return m
        step, last, winners = self._winners(m, kept)
        if self.stage_levels and self.lanes > 1:
            first = Signal(init=1)
            at = self._counted(m, step, last, first)
        for frame, winner in enumerate(winners):
            lane = winner[self.score.width :]
            best = lane if self.beats == 1 else self._led(m, frame, winner, at, first, step)
            m.d.comb += self.best.word_select(frame, self.index_bits).eq(best)
        return m

    def _counted(self, m: Module, step: Value, last: Value, first: Signal, ends: Signal | None = None) -> Signal:
        """Count the beats of a frame; registers say of a beat whether it is the first, and whether it `ends` one."""
        at = Signal(range((self.beats - 1) * self._stride + 1))
        if self.beats > 1:
            with m.If(step):
                m.d.sync += [at.eq(Mux(last, 0, at + self._stride)), first.eq(last)]
                if ends is not None:
                    m.d.sync += ends.eq(at == (self.beats - 2) * self._stride if self.beats > 2 else ~last)
        return at

    def _winners(self, m: Module, kept: int) -> tuple[Value, Value, list[Value]]:
        """The winner of a beat in each frame, its score below its lane; before them, `step` and `last` at their time.

        Padding never wins: of a pair, the later one pads if its first lane does.
        """
        step, last = Value.cast(self.step), Value.cast(self.last)
        bits, frames = self.score.width, self._frames
        for size in range(self._sizes):
            earlier = []
            for contenders in frames:
                earlier.append([Signal(name=f"earlier_{size}") for _ in contenders[1::2]])
                for n, leads in enumerate(earlier[-1]):
                    a, b = self._unsigned(*(contender[:bits] for contender in contenders[2 * n : 2 * n + 2]))
                    pads = last if (2 * n + 1) << size >= kept else Const(0, 1)
                    # Earlier classes keep the lead in a tie.
                    m.d.comb += leads.eq(Cat(a, pads) >= Cat(b, Const(0, 1)))
            if self._ends_stage(2 * size + 1):
                step, last = delayed(m, step, 1), held(m, last)
                earlier, frames = _held(m, earlier), _held(m, frames)
            frames = [
                [
                    Cat(Mux(leads, a, b), ~leads)
                    for leads, a, b in zip(choices, contenders[::2], contenders[1::2], strict=False)
                ]
                # One of its own goes on.
                + [Cat(contender, Const(0, 1)) for contender in contenders[2 * len(choices) :]]
                for choices, contenders in zip(earlier, frames, strict=True)
            ]
            if self._ends_stage(2 * size + 2):
                step, last, frames = delayed(m, step, 1), held(m, last), _held(m, frames)
        return step, last, [contenders[0] for contenders in frames]

    @property
    def _frames(self) -> list[list[Value]]:
        """The scores of each frame."""
        scores = elements(self.scores, self.score.width)
        return [scores[v :: self.parallel_frames] for v in range(self.parallel_frames)]

    def _matrix(self, m: Module, scores: list[Value]) -> Value:
        """The class of a frame, from comparisons of all of its scores with each other."""
        found = Signal(len(scores) * (len(scores) - 1) // 2, name="earlier")
        pairs = list(itertools.combinations(range(len(scores)), 2))
        leads: Value = found
        for bit, (a, b) in zip(found, pairs, strict=True):
            first, second = self._unsigned(scores[a], scores[b])
            # Earlier classes keep the lead in a tie.
            m.d.comb += bit.eq(first >= second)
        if self.stage_levels == 1:
            leads = held(m, found)
        wins = dict(zip(pairs, leads, strict=True))
        # One leads if it does against all others; the last class does if no other one does.
        winners = [
            Cat(wins[n, k] if n < k else ~wins[k, n] for k in range(len(scores)) if k != n).all()
            for n in range(len(scores) - 1)
        ]
        last = ~Cat(winners).any()
        index = [
            Cat([*winners, last][n] for n in range(len(scores)) if n >> bit & 1).any() for bit in range(self.index_bits)
        ]
        return held(m, Cat(index))

    @property
    def _sizes(self) -> int:
        """Comparisons of the tree that follow one another."""
        return (self.lanes - 1).bit_length()

    def _ends_stage(self, level: int) -> bool:
        """Whether a register follows a level of the tree, counted from 1; one ends the tree."""
        return self.stage_levels > 0 and (level % self.stage_levels == 0 or level == 2 * self._sizes)

    def _unsigned(self, a: Value, b: Value) -> tuple[Value, Value]:
        """Numbers without sign that compare as the scores do: each has the sign of the other one as its highest bit."""
        return (Cat(a[:-1], b[-1]), Cat(b[:-1], a[-1])) if self.score.signed else (a, b)

    def _led(self, m: Module, frame: int, winner: Value, at: Signal, first: Signal, step: Value) -> Value:
        """Index of the leader of one frame: with the winner of this beat, or from a register in the cycle after it."""
        top, lane = winner[: self.score.width], winner[self.score.width :]
        lead = Signal(self.score.width, name=f"lead_{frame}", reset_less=True)
        best = Signal(self.index_bits, name=f"best_{frame}", reset_less=True)
        index = (Cat(lane, at) if self._stride == 1 else at + lane)[: self.index_bits]
        # The first beat leads always. New leaders are higher by a half: a comparison that is not strict ends in its
        # carry, without an inverter.
        new, old = (Cat(Const(half, 1), score) for half, score in zip((0, 1), self._unsigned(top, lead), strict=True))
        higher, leads = Signal(name=f"higher_{frame}"), Signal(name=f"leads_{frame}")
        m.d.comb += [
            higher.eq(Cat(new, first) >= Cat(old, Const(0, 1))),
            # Not a position of the chain: what stands there without a beat may be unknown to a simulator.
            leads.eq(step & higher),
        ]
        with m.If(leads):
            m.d.sync += [lead.eq(top), best.eq(index)]
        if self.stage_levels:
            return best
        return Mux(higher, index, best)


def _held(m: Module, rows: list[list[Any]]) -> list[list[Any]]:
    return [[held(m, value) for value in row] for row in rows]


class Argmax(wiring.Component):
    """Lets scores pass and tells the class beside them.

    Where the class takes longer, scores wait for it in a FIFO of their own.

    | property          | formula                                                           |
    |-------------------|-------------------------------------------------------------------|
    | cycles a frame    | ceil(M / lanes)                                                   |
    | latency           | 1 cycle, and that of `RunningArgmax`                              |
    | ready             | a place of ``fifo_depth`` is free                                 |
    | resources         | `RunningArgmax`; FIFOs of ``fifo_depth`` beats                    |

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
        m.submodules.output = output = CreditedOutput(
            width=spec.o_bits if spec.latency == 0 else spec.o_bits - spec.i_bits, depth=spec.fifo_depth
        )
        m.submodules.leader = leader = RunningArgmax(
            classes=spec.classes,
            lanes=spec.lanes,
            parallel_frames=spec.parallel_frames,
            score=signed(spec.lane_bits),
            stage_levels=spec.stage_levels,
        )
        take, scores = Signal(), Signal(spec.i_bits)
        each = spec.parallel_frames * spec.lane_bits
        m.d.comb += [
            self.i.ready.eq(output.free),
            take.eq(self.i.valid & self.i.ready),
            leader.scores.eq(self.i.payload),
            leader.step.eq(take),
            output.start.eq(take),
            output.done.eq(delayed(m, take, spec.latency)),
            scores.eq(
                Cat(Mux(pads, 0, s) for pads, s in zip(leader.padding, elements(self.i.payload, each), strict=True))
            ),
        ]
        last = Value.cast(leader.last) if spec.cycles > 1 else Const(1, 1)
        for _ in range(spec.latency if spec.cycles > 1 else 0):
            last = held(m, last)
        told = Cat(leader.best, last)
        if spec.latency == 0:
            m.d.comb += output.result.eq(Cat(scores, told))
            wiring.connect(m, output.o, wiring.flipped(self.o))
            return m
        # It has as many places, and a beat in it whenever the class is there.
        m.submodules.waiting = waiting = Fifo(width=spec.i_bits, depth=spec.fifo_depth)
        m.d.comb += [
            waiting.i.valid.eq(take),
            waiting.i.payload.eq(scores),
            output.result.eq(told),
            self.o.valid.eq(output.o.valid),
            self.o.payload.eq(Cat(waiting.o.payload, output.o.payload)),
            output.o.ready.eq(self.o.ready),
            waiting.o.ready.eq(self.o.ready & output.o.valid),
        ]
        return m
