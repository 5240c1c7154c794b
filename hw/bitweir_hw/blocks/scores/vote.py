"""One bit for each class: 1 at the lowest index with the highest score."""

from __future__ import annotations

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ...gateware.stages import held
from ...gateware.values import elements
from .leader import lead
from .spec import VoteSpec

__all__ = ["Vote"]


class Vote(wiring.Component):
    """Turns the scores of a frame into one beat of votes.

    | property          | formula                                                            |
    |-------------------|--------------------------------------------------------------------|
    | cycles a frame    | ceil(M / lanes)                                                    |
    | latency           | 1 cycle from the last beat of a frame, that of `RunningArgmax`,    |
    |                   | and 1 where `stage_levels` is 1                                    |
    | ready             | a place of ``fifo_depth`` is free, or it is not the last beat      |
    | resources         | `RunningArgmax`; a decoder of M bits for each frame                |

    Members
    -------
    i : In(stream.Signature(lanes * parallel_frames * lane_bits))
        The lanes that pad the last beat may hold anything.
    o : Out(stream.Signature(classes * parallel_frames))
        Class m of frame v in bit ``m * parallel_frames + v``.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, spec: VoteSpec) -> None:
        self.spec = spec
        super().__init__({"i": In(stream.Signature(spec.i_bits)), "o": Out(stream.Signature(spec.o_bits))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        output, leader = lead(m, spec, self.i, self.o)
        for frame, best in enumerate(elements(leader.best, leader.index_bits)):
            for index in range(spec.classes):
                vote = best == index
                vote = held(m, vote) if spec.stage_levels == 1 else vote
                m.d.comb += output.result[index * spec.parallel_frames + frame].eq(vote)
        return m
