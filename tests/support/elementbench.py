"""Drives one block whose elements may be masked, on one input or several, and compares every cycle with its model."""

import numpy as np
from amaranth.sim import Simulator
from bitweir_hw.network import BIPOLAR, Format
from bitweir_sim.time.machines import stepped
from hypothesis import strategies as st

__all__ = ["drive", "formats", "pack", "value_range"]

MAX_CYCLES = 5000


def formats(*, max_bits=4, steps=(1, 2, 3, 4, 6, -1, -2, -3, -4)):
    drawn = st.builds(Format, bits=st.integers(1, max_bits), offset=st.integers(-9, 9), step=st.sampled_from(steps))
    centred = st.builds(
        lambda bits, step: Format(bits=bits, offset=-step << (bits - 1), step=step),
        st.integers(1, max_bits),
        st.sampled_from([1, 2, 4]),
    )
    return st.one_of(st.just(BIPOLAR), drawn, centred)


def pack(elements, bits, lanes=None, noise=None):
    """Payloads of the beats of vectors, (vectors, elements, V); padded with zeros, or with noise."""
    vectors, count, streams = elements.shape
    lanes = lanes or count
    shape = (vectors, -(-count // lanes) * lanes, streams)
    padded = np.zeros(shape, np.int64) if noise is None else noise.integers(0, 1 << bits, shape)
    padded[:, :count] = elements & ((1 << bits) - 1)
    return [
        sum(element << (at * bits) for at, element in enumerate(row))
        for row in padded.reshape(-1, lanes * streams).tolist()
    ]


def drive(component, spec, inputs, expected, masks, i_stalls, o_stalls):
    """Let beats through a block; check the handshake and the payload in every cycle.

    Parameters
    ----------
    inputs : list of lists of payloads
        For each input.
    expected, masks : list of int
        For each output beat, the bits that it must have, and where.
    i_stalls : list of bool arrays
        For each input.
    """
    dut, model = component(spec), stepped(spec)
    sources = [dut.i] if len(inputs) == 1 else [getattr(dut, f"i{k}") for k in range(len(inputs))]
    noise = np.random.default_rng(1)

    def other(stream):
        return int.from_bytes(noise.bytes(-(-len(stream.payload) // 8)), "little") % (1 << len(stream.payload))

    def stalled(pattern, cycle):
        return cycle < len(pattern) and bool(pattern[cycle])

    async def bench(ctx):
        taken, offered, given_, quiet, cycle = 0, [False] * len(sources), 0, 0, 0
        while quiet < spec.fifo_depth + spec.latency + 3:
            assert cycle < MAX_CYCLES, "beats are missing"
            takes = given_ == len(expected) or not stalled(o_stalls, cycle)
            for k, source in enumerate(sources):
                offered[k] = offered[k] or (taken < len(inputs[k]) and not stalled(i_stalls[k], cycle))
                ctx.set(source.valid, offered[k])
                ctx.set(source.payload, inputs[k][taken] if offered[k] else other(source))

            # What the other side does, or this one, is not seen in the same cycle.
            ctx.set(dut.o.ready, not takes)
            shown = [ctx.get(source.ready) for source in sources], ctx.get(dut.o.valid), ctx.get(dut.o.payload)
            ctx.set(dut.o.ready, takes)
            for k, source in enumerate(sources):
                payload = ctx.get(source.payload)
                ctx.set(source.valid, not offered[k])
                ctx.set(source.payload, other(source))
                assert (ctx.get(source.ready), ctx.get(dut.o.valid), ctx.get(dut.o.payload)) == (
                    shown[0][k],
                    *shown[1:],
                )
                ctx.set(source.valid, offered[k])
                ctx.set(source.payload, payload)
            readies, valid, payload = [ctx.get(source.ready) for source in sources], *shown[1:]
            assert readies == shown[0]

            free = model.ready()
            others = [all(flag for n, flag in enumerate(offered) if n != k) for k in range(len(sources))]
            assert readies == [free and flag for flag in others], f"ready in cycle {cycle}"
            assert valid == model.valid(0), f"valid in cycle {cycle}"
            if valid:
                assert payload & masks[given_] == expected[given_] & masks[given_], f"beat {given_}"
            take, give = free and all(offered), bool(valid and takes)
            model.step(take, [give])
            given_ += give
            if take:
                taken, offered = taken + 1, [False] * len(sources)
            quiet = quiet + 1 if given_ == len(expected) and taken == len(inputs[0]) else 0
            cycle += 1
            await ctx.tick()
        assert {len(beats) for beats in inputs} == {taken}

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


def value_range(form, bits):
    """All values of an element."""
    return form.values(np.arange(form.codes)) if form else np.arange(-(1 << (bits - 1)), 1 << (bits - 1))
