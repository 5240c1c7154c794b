"""The class of each pixel: the lowest channel with the highest value."""

from __future__ import annotations

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .leader import lead
from .spec import ChoiceSpec

__all__ = ["Choice"]


class Choice(wiring.Component):
    """Turns the scores of each pixel into its class.

    | property          | formula                                                            |
    |-------------------|--------------------------------------------------------------------|
    | cycles a frame    | ``pixels * ceil(M / lanes)``                                       |
    | latency           | 1 cycle from the last beat of a pixel, and that of `RunningArgmax` |
    | ready             | a place of ``fifo_depth`` is free, or it is not the last beat      |
    | resources         | `RunningArgmax`                                                    |

    Members
    -------
    i : In(stream.Signature(lanes * parallel_frames * lane_bits))
        The lanes that pad the last beat of a pixel may hold anything.
    o : Out(stream.Signature(parallel_frames * index_bits))
        The class of the pixel in each frame.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, spec: ChoiceSpec) -> None:
        self.spec = spec
        super().__init__({"i": In(stream.Signature(spec.i_bits)), "o": Out(stream.Signature(spec.o_bits))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        output, leader = lead(m, self.spec, self.i, self.o)
        m.d.comb += output.result.eq(leader.best)
        return m
