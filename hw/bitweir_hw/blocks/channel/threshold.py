"""Codes from numbers: how many thresholds each reaches."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value

from .affine import ChannelPipe
from .spec import ThresholdSpec

__all__ = ["Threshold"]


class Threshold(ChannelPipe):
    """Computes ``code[c] = number of thresholds t in thresholds[c] with element[c] >= t``.

    | property          | formula                                                           |
    |-------------------|-------------------------------------------------------------------|
    | time, constants   | see `ChannelPipe`                                                 |
    | comparators       | T of ``i_lane_bits + 1`` bits for each lane and frame             |
    | encoder           | about T multiplexers of a bit for each lane and frame             |

    Members
    -------
    i : In(stream.Signature(lanes * parallel_frames * i_lane_bits))
        Numbers, signed or not as the specification says.
    o : Out(stream.Signature(lanes * parallel_frames * o_lane_bits))
        Codes.
    """

    def __init__(self, spec: ThresholdSpec) -> None:
        self.spec = spec
        super().__init__(spec)

    def result(self, m: Module, element: Value, constants: list[Value | int]) -> Value:
        if self.spec.signed:
            element = element.as_signed()
        # As thresholds ascend, those that are reached come first.
        count = len(constants)
        reached = Signal((1 << count.bit_length()) - 1)
        m.d.comb += reached.eq(Cat(element >= constant for constant in constants))
        code: list[Value] = []
        while len(reached):
            middle = len(reached) // 2
            code.insert(0, reached[middle])
            rest = Signal(middle)
            m.d.comb += rest.eq(Mux(reached[middle], reached[middle + 1 :], reached[:middle]))
            reached = rest
        return Cat(*code)
