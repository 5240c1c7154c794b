"""What votes and classes of pixels share: one result for all beats of a vector of scores."""

from __future__ import annotations

from amaranth.hdl import Module, Shape, Signal
from amaranth.lib import stream, wiring

from ...gateware.credits import CreditedOutput
from ...gateware.stages import delayed
from .argmax import RunningArgmax
from .spec import ChoiceSpec, VoteSpec

__all__ = ["lead"]


def lead(
    m: Module, spec: VoteSpec | ChoiceSpec, i: stream.Interface, o: stream.Interface
) -> tuple[CreditedOutput, RunningArgmax]:
    """Find the leader of each vector that arrives; the output whose `result` goes out with the last beat.

    Parameters
    ----------
    m : Module
        Gets the parts ``output`` and ``leader``.
    spec : VoteSpec or ChoiceSpec
    i, o : stream
        Of the block.
    """
    m.submodules.output = output = CreditedOutput(width=spec.o_bits, depth=spec.fifo_depth)
    wiring.connect(m, output.o, wiring.flipped(o))
    m.submodules.leader = leader = RunningArgmax(
        classes=spec.classes,
        lanes=spec.lanes,
        parallel_frames=spec.parallel_frames,
        score=Shape(spec.lane_bits, spec.signed),
        stage_levels=spec.stage_levels,
    )
    take, complete = Signal(), Signal()
    m.d.comb += [
        i.ready.eq(output.free | ~leader.last),
        take.eq(i.valid & i.ready),
        complete.eq(take & leader.last),
        leader.scores.eq(i.payload),
        leader.step.eq(take),
        output.start.eq(complete),
        output.done.eq(delayed(m, complete, spec.latency)),
    ]
    return output, leader
