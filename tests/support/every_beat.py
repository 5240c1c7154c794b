"""Whole accelerators in Amaranth's simulator: every beat of every stream, in its cycle and with its value."""

from dataclasses import replace

import numpy as np
from bitweir_hw.accelerator import Accelerator
from bitweir_hw.lower import lower
from bitweir_sim.simulators.amaranth import run_amaranth
from bitweir_sim.trace import SimulationError
from bitweir_sim.values.frames import pack
from bitweir_sim.verify import expected_trace, explain, weight_feeds
from hypothesis import note

__all__ = ["check_every_beat"]


def with_noise_in_padding(beats, pipeline, seed):
    """The same beats with anything in the lanes that pad the last beat of a vector."""
    stream = pipeline.input
    lanes = stream.vector_beats * stream.lanes
    groups = len(beats) // stream.beats
    noise = np.random.default_rng(seed).integers(
        0, 1 << stream.lane_bits, (groups * stream.parallel_frames, stream.vectors, lanes)
    )
    noise[:, :, : stream.length] = 0
    whole = replace(stream, length=lanes)
    return beats | pack(noise.reshape(len(noise), -1), whole)


def check_every_beat(network, plan, frames, i_stalls, o_stalls, drain=40, supplies=None):
    pipeline = lower(network, plan)
    beats = with_noise_in_padding(pack(frames, pipeline.input), pipeline, seed=len(frames))
    expected = expected_trace(
        network, pipeline, frames, i_stalls=i_stalls, o_stalls=o_stalls, supplies=supplies, drain=drain
    )
    feeds = weight_feeds(pipeline, supplies, cycles=expected.cycles_run + drain)
    # What the source carries in the padding is its own affair.
    expected.streams["i"] = replace(expected.streams["i"], payloads=None)
    dut = Accelerator(pipeline, taps=True)
    try:
        run_amaranth(dut, beats, expected=expected, i_stalls=i_stalls, o_stalls=o_stalls, drain=drain, feeds=feeds)
    except SimulationError as error:
        note(explain(error.difference, pipeline) if error.difference else str(error))
        raise
