"""Straight pieces for each channel."""

from __future__ import annotations

from functools import reduce

from amaranth.hdl import Const, Module, Mux, Signal, Value

from ...gateware.values import weighted_sum
from .affine import ChannelPipe
from .spec import PiecewiseSpec

__all__ = ["Piecewise"]


class Piecewise(ChannelPipe):
    """Computes ``out[c] = (scale[c, k] * value[c] + offset[c, k]) >> shift``, k the number of thresholds reached.

    | property          | formula                                                           |
    |-------------------|-------------------------------------------------------------------|
    | time, constants   | see `ChannelPipe`                                                 |
    | comparators       | T of ``i_lane_bits + 1`` bits for each lane and frame             |
    | resources         | T multiplexers of a scale and an offset, a multiplier and an      |
    |                   | adder for each lane and frame; no multiplier where all scales of  |
    |                   | a lane are 0 or one number, as those of ReLUs and clips           |
    | registers         | also of the scale and the offset that were chosen                 |

    Members
    -------
    i : In(stream.Signature(lanes * parallel_frames * i_lane_bits))
        Codes of `spec.format`, or signed numbers.
    o : Out(stream.Signature(lanes * parallel_frames * o_lane_bits))
        Signed numbers.
    """

    def __init__(self, spec: PiecewiseSpec) -> None:
        self.spec = spec
        super().__init__(spec)

    def result(self, m: Module, element: Value, constants: list[Value | int]) -> Value:
        if self.spec.format is None:
            element = element.as_signed()
        count = self.spec.pieces - 1
        limits, scales, offsets = constants[:count], constants[count : 2 * count + 1], constants[2 * count + 1 :]
        reached = [element >= limit for limit in limits]
        offset = _held(m, _chosen(reached, offsets))
        factor = _factor(scales)
        if factor is None:
            whole = _held(m, element) * _held(m, _chosen(reached, scales)) + offset
        else:
            # A piece of scale 0 is flat.
            risen = _chosen(reached, [int(scale != 0) for scale in scales])
            taken = element if isinstance(risen, int) else Mux(risen, element, 0)
            whole = weighted_sum([(_held(m, taken), factor), (offset, 1)])
        return whole.shift_right(self.spec.shift)


def _factor(scales: list[Value | int]) -> int | None:
    """The one number that all scales are which are not 0; None if there are several."""
    numbers = {scale for scale in scales if isinstance(scale, int) and scale != 0}
    if len(numbers) > 1 or not all(isinstance(scale, int) for scale in scales):
        return None
    return next(iter(numbers), 0)


def _chosen(reached: list[Value], numbers: list[Value | int]) -> Value | int:
    """The number of the last threshold that is reached, or the first one."""
    if all(isinstance(number, int) for number in numbers) and len(set(numbers)) == 1:
        return numbers[0]
    first, *others = (number if isinstance(number, Value) else Const(number) for number in numbers)
    pairs = zip(reached, others, strict=True)
    return reduce(lambda before, pair: Mux(pair[0], pair[1], before), pairs, first)


def _held(m: Module, number: Value | int) -> Value:
    """A number a cycle later; a constant needs no register."""
    if isinstance(number, int):
        return Value.cast(number)
    held = Signal(number.shape())
    m.d.sync += held.eq(number)
    return held
