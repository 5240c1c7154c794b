"""Drives one block with beats and stalls, and compares every cycle with its timing model."""

from bitweir_sim.time.machines import stepped
from support import streams
from support.streams import Sink, Source

__all__ = ["drive"]


def drive(dut, spec, beats, expected, i_stalls=(), o_stalls=()):
    """Every value and every cycle of a block with one input.

    Parameters
    ----------
    dut : wiring.Component
    spec : BlockSpec
        Names the timing model.
    beats : list of int
        Payloads at the input.
    expected : list of list of int
        Payloads at each output.
    i_stalls, o_stalls : sequence of bool
        Whether a side holds back in a cycle; afterwards it never does. Output n does what output 0
        does n cycles later, so that outputs do not move in step.

    Returns
    -------
    int
        The cycle of the last output beat.
    """
    outputs = [dut.o] if hasattr(dut, "o") else [getattr(dut, f"o{n}") for n in range(len(expected))]
    source = Source(dut.i, beats, i_stalls)
    sinks = [Sink(o, want, o_stalls, late=n) for n, (o, want) in enumerate(zip(outputs, expected, strict=True))]
    model = stepped(spec)

    def compare(ctx, cycle):
        assert source.ready == model.ready(), f"ready in cycle {cycle}"
        for n, sink in enumerate(sinks):
            assert sink.valid == model.valid(n), f"valid of output {n} in cycle {cycle}"
        model.step(source.moves, [sink.moves for sink in sinks])

    limit = 20 * (len(beats) + sum(map(len, expected))) + len(i_stalls) + len(o_stalls) + 100
    streams.drive(dut, [source], sinks, each=compare, limit=limit)
    return max((sink.cycles[-1] for sink in sinks if sink.cycles), default=0)
