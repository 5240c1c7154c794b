"""Straight pieces for each channel."""

from __future__ import annotations

from itertools import chain

from amaranth.hdl import Mux, Value

from ...gateware.stages import Stages
from .affine import ChannelPipe, constant, scaled
from .spec import PiecewiseSpec, common_factor

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

    @staticmethod
    def result(spec: PiecewiseSpec, stages: Stages, element: Value, constants: list[Value | int]) -> Value:
        count = spec.pieces - 1
        limits, scales, offsets = constants[:count], constants[count : 2 * count + 1], constants[2 * count + 1 :]
        number = element.as_signed() if spec.format is None else element
        reached: list[Value | int] = [number >= limit for limit in limits]
        factor = _factor(scales)
        if factor is not None:
            # A piece of scale 0 is flat.
            scales = [int(scale != 0) for scale in scales]
        pieces = zip(reached, scales[1:], offsets[1:], strict=True)
        state = stages.done([element, scales[0], offsets[0], *chain.from_iterable(pieces)])
        for piece in range(count):
            element, scale, offset, hit, new_scale, new_offset, *later = state
            state = [element, _choice(hit, new_scale, scale), _choice(hit, new_offset, offset), *later]
            if piece % 2:
                state = stages.done(state)
        element, scale, offset = state
        if factor is not None and not isinstance(scale, int):
            element = Mux(scale, element, 0)
        element, scale, offset = stages.done([element, scale if factor is None else factor, offset])
        bits = spec.o_lane_bits + spec.shift
        whole = scaled(stages, element, scale, offset, signed=spec.format is None, bits=bits, piece=spec.piece)
        return whole.shift_right(spec.shift)


def _factor(scales: list[Value | int]) -> int | None:
    """See `spec.common_factor`."""
    if not all(isinstance(scale, int) for scale in scales):
        return None
    return common_factor([(scale, scale) for scale in scales])


def _choice(reached: Value, new: Value | int, before: Value | int) -> Value | int:
    """One number or the other; two that are fixed and the same need no choice."""
    if isinstance(new, int) and isinstance(before, int) and new == before:
        return new
    return Mux(reached, constant(new), constant(before))
