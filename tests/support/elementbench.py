"""Drives one block whose elements may be masked, on one input or several, and compares every cycle with its model."""

import numpy as np
from bitweir_hw.network import BIPOLAR, Format
from bitweir_sim.time.machines import stepped
from hypothesis import strategies as st
from support import streams
from support.streams import Sink, Source

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
    inputs_of = [dut.i] if len(inputs) == 1 else [getattr(dut, f"i{k}") for k in range(len(inputs))]
    sources = [Source(i, beats, stalls) for i, beats, stalls in zip(inputs_of, inputs, i_stalls, strict=True)]
    sink = Sink(dut.o, expected, o_stalls, masks=masks)

    def compare(ctx, cycle):
        offered = [source.offered for source in sources]
        # An input is taken together with all others that are ready: it waits for these.
        taken = [k for k in range(len(sources)) if model.ready(k)]
        expected = [k in taken and all(offered[n] for n in taken if n != k) for k in range(len(sources))]
        assert [source.ready for source in sources] == expected, f"ready in cycle {cycle}"
        assert sink.valid == model.valid(0), f"valid in cycle {cycle}"
        model.step(bool(taken) and all(offered[k] for k in taken), [sink.moves])

    streams.drive(dut, sources, [sink], each=compare, quiet=spec.fifo_depth + spec.latency + 3, limit=MAX_CYCLES)


def value_range(form, bits):
    """All values of an element."""
    return form.values(np.arange(form.codes)) if form else np.arange(-(1 << (bits - 1)), 1 << (bits - 1))
