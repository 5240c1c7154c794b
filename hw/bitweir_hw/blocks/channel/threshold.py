"""Codes from numbers: how many thresholds each reaches."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Mux, Value

from ...gateware.stages import Stages
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

    @staticmethod
    def result(spec: ThresholdSpec, stages: Stages, element: Value, constants: list[Value | int]) -> Value:
        if spec.signed:
            element = element.as_signed()
        # As thresholds ascend, those that are reached come first.
        count = len(constants)
        ones = Cat(element >= constant for constant in constants)
        reached, *code = stages.done([Cat(ones, Const(0, (1 << count.bit_length()) - 1 - count))])
        for choice in range(count.bit_length()):
            middle = len(reached) // 2
            code.insert(0, reached[middle])
            reached = Mux(reached[middle], reached[middle + 1 :], reached[:middle])
            if choice % 2:
                *code, reached = stages.done([*code, reached])
        return Cat(*code)
