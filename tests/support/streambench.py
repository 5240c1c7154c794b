"""Drives one block with beats and stalls, and compares every cycle with its timing model."""

from amaranth.sim import Simulator
from bitweir_sim.time.machines import stepped

__all__ = ["drive"]


def drive(dut, spec, beats, expected, i_stalls=(), o_stalls=()):
    """Every value and every cycle of a block with one input.

    In each cycle both sides are first shown the opposite of what they see then: what a block says
    must not depend on it (rule 4 of the streams).

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
        Cycles until the last output beat.
    """
    outputs = [dut.o] if hasattr(dut, "o") else [getattr(dut, f"o{n}") for n in range(len(expected))]
    model = stepped(spec)
    ones = (1 << len(dut.i.payload)) - 1
    total = sum(len(out) for out in expected)
    moved = [0] * len(outputs)
    finished = 0

    async def bench(ctx):
        nonlocal finished
        sent, offered, cycle, after = 0, False, 0, 0

        def says():
            ends = [(ctx.get(o.valid), ctx.get(o.valid) and ctx.get(o.payload)) for o in outputs]
            return ctx.get(dut.i.ready), ends

        while after < 10:
            offered = offered or (sent < len(beats) and not (cycle < len(i_stalls) and i_stalls[cycle]))
            takes = [not (0 <= cycle - n < len(o_stalls) and o_stalls[cycle - n]) for n in range(len(outputs))]
            payload = beats[sent] if offered else 0
            for flip in (1, 0):
                ctx.set(dut.i.valid, offered ^ flip)
                ctx.set(dut.i.payload, payload ^ ones * flip)
                for o, take in zip(outputs, takes, strict=True):
                    ctx.set(o.ready, take ^ flip)
                if flip:
                    said = says()
            ready, ends = says()
            assert said == (ready, ends), f"a path through the block in cycle {cycle}"
            assert bool(ready) == model.ready(), f"ready in cycle {cycle}"
            for n, (valid, value) in enumerate(ends):
                assert bool(valid) == model.valid(n), f"valid of output {n} in cycle {cycle}"
                if valid:
                    assert moved[n] < len(expected[n]), f"a beat too many in cycle {cycle}"
                    assert value == expected[n][moved[n]], f"beat {moved[n]} of output {n} in cycle {cycle}"
            take, gives = bool(offered and ready), [bool(e[0] and t) for e, t in zip(ends, takes, strict=True)]
            model.step(take, gives)
            moved[:] = [count + give for count, give in zip(moved, gives, strict=True)]
            sent += take
            offered = offered and not take
            finished = cycle if any(gives) else finished
            # Then it must be silent: nothing is left over.
            after += sum(moved) == total and sent == len(beats)
            cycle += 1
            assert cycle < 20 * (len(beats) + total) + len(i_stalls) + len(o_stalls) + 100, "nothing moves any more"
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert moved == [len(out) for out in expected]
    return finished
