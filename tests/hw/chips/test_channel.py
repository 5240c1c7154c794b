"""Channels between chips: every beat in its cycle, whatever holds back either side, and no beat without a place."""

import numpy as np
import pytest
from amaranth.hdl import Const, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from bitweir_hw.blocks.pipeline import Node, Pipeline, Stream
from bitweir_hw.chips import ChannelSpec, CreditReceiver, CreditSender, Transport
from bitweir_sim.time.flow import arrivals, latest, stepped_arrivals
from bitweir_sim.time.sizing import interval
from bitweir_sim.time.stepping import CompiledStepper, PythonStepper
from hypothesis import given, settings
from hypothesis import strategies as st
from support import streams
from support.strategies import stalls
from support.streambench import drive


class Channel(wiring.Component):
    """A sender, what carries beats, and a receiver."""

    def __init__(self, spec):
        self.spec = spec
        super().__init__({"i": In(stream.Signature(spec.bits)), "o": Out(stream.Signature(spec.bits))})

    def elaborate(self, platform):
        m = Module()
        spec = self.spec
        m.submodules.sender = sender = CreditSender(width=spec.bits, credits=spec.credits)
        m.submodules.way = way = Transport(width=spec.bits, latency=spec.latency)
        m.submodules.receiver = receiver = CreditReceiver(width=spec.bits, credits=spec.credits)
        wiring.connect(m, wiring.flipped(self.i), sender.i)
        wiring.connect(m, sender.o, way.i)
        wiring.connect(m, way.o, receiver.i)
        wiring.connect(m, receiver.o, wiring.flipped(self.o))
        m.d.comb += [way.credit_i.eq(receiver.credit), sender.credit.eq(way.credit_o)]
        return m


def channels():
    return st.builds(
        ChannelSpec,
        name=st.just("channel0"),
        layer=st.just("dense"),
        bits=st.integers(1, 20),
        beats=st.integers(1, 9),
        credits=st.integers(2, 14),
        latency=st.integers(0, 7),
    )


@settings(max_examples=25)
@given(channels(), stalls(), stalls(), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_every_beat(spec, i_stalls, o_stalls, count, seed):
    beats = np.random.default_rng(seed).integers(0, 1 << spec.bits, count).tolist()
    drive(Channel(spec), spec, beats, [beats], i_stalls, o_stalls)


def test_a_beat_in_every_cycle_needs_as_many_credits_as_the_way_is_long():
    for latency in (0, 1, 5):
        spec = ChannelSpec(name="c", layer="l", bits=4, beats=1, credits=2, latency=latency)
        for credits, wanted in ((spec.whole_rate, 1), (spec.whole_rate - 1, spec.whole_rate / (spec.whole_rate - 1))):
            assert interval(alone(spec, credits)) == pytest.approx(wanted)


def alone(spec, credits):
    """A pipeline of a channel alone."""
    spec = ChannelSpec(**{**vars(spec), "credits": credits})
    ends = [
        Stream(name=name, layer="l", length=spec.beats, vectors=1, lanes=1, lane_bits=spec.bits, signed=False)
        for name in "io"
    ]
    return Pipeline(nodes=(Node(block=spec, inputs=(0,), outputs=(1,)),), streams=tuple(ends))


class _Held(wiring.Component):
    """A channel over something that holds beats back: every other cycle, or as a pattern says."""

    def __init__(self, spec, pattern):
        self.spec, self.pattern = spec, pattern
        super().__init__({"i": In(stream.Signature(spec.bits)), "o": Out(stream.Signature(spec.bits)), "lost": Out(1)})

    def elaborate(self, platform):
        m = Module()
        spec = self.spec
        m.submodules.sender = sender = CreditSender(width=spec.bits, credits=spec.credits)
        m.submodules.receiver = receiver = CreditReceiver(width=spec.bits, credits=spec.credits)
        wiring.connect(m, wiring.flipped(self.i), sender.i)
        wiring.connect(m, receiver.o, wiring.flipped(self.o))
        open_, at = Signal(), Signal(range(len(self.pattern)))
        bits = Const(sum(bit << n for n, bit in enumerate(self.pattern)), len(self.pattern))
        m.d.sync += at.eq(at + 1)
        with m.If(at == len(self.pattern) - 1):
            m.d.sync += at.eq(0)
        m.d.comb += [
            open_.eq(bits.bit_select(at, 1)),
            receiver.i.valid.eq(sender.o.valid & open_),
            receiver.i.payload.eq(sender.o.payload),
            sender.o.ready.eq(open_),
            sender.credit.eq(receiver.credit),
        ]
        with m.If(receiver.i.valid & ~receiver.i.ready):
            m.d.sync += self.lost.eq(1)
        return m


@settings(max_examples=20)
@given(channels(), stalls(), stalls(), st.integers(1, 30), st.lists(st.booleans(), min_size=1, max_size=8).filter(any))
def test_what_carries_beats_may_hold_them_back(spec, i_stalls, o_stalls, count, pattern):
    beats = list(range(count))
    spec = ChannelSpec(**{**vars(spec), "bits": 5})
    dut = _Held(spec, pattern)
    source, sink = streams.Source(dut.i, beats, i_stalls), streams.Sink(dut.o, beats, o_stalls)
    lost = []
    streams.drive(dut, [source], [sink], each=lambda ctx, cycle: lost.append(ctx.get(dut.lost)), limit=5000)
    assert not any(lost)


@settings(max_examples=20)
@given(channels(), st.integers(0, 150), st.integers(2, 200), st.integers(1, 4))
def test_steppers_and_events_agree_also_over_long_ways(spec, latency, credits, frames):
    spec = ChannelSpec(**{**vars(spec), "latency": latency})
    pipeline = alone(spec, credits)
    never = np.zeros(0, np.uint8)
    refusals = np.array([1, 1, 0] * 40, np.uint8)
    found = []
    for kind in (PythonStepper, CompiledStepper):
        run = kind(pipeline)
        run.run(outputs=frames * spec.beats, drain=5, pauses=never, refusals=refusals, record=True)
        found.append([run.recorded(0).tolist(), run.recorded(1).tolist(), run.state()])
    assert found[0] == found[1]
    pace = interval(pipeline)
    by_events, by_cycles = arrivals(pipeline, pace, most=6), stepped_arrivals(pipeline, pace, most=6)
    # Each ends as soon as it knows the rest.
    assert all(one == other for one, other in zip(by_events.finished, by_cycles.finished, strict=False))


@settings(max_examples=20)
@given(channels(), st.integers(1, 4))
def test_beats_may_come_as_late_as_events_say(spec, frames):
    pipeline = alone(spec, spec.credits)
    due = [int(interval(pipeline) * n) + 3 * spec.beats + 40 for n in range(1, frames + 1)]
    entries = latest(pipeline, due, [0])[0]
    for late in (0, 1):
        run = PythonStepper(pipeline)
        pauses = np.ones(due[-1] + 2, np.uint8)
        pauses[entries + late] = 0
        never = np.zeros(0, np.uint8)
        run.run(outputs=frames * spec.beats, inputs=frames * spec.beats, pauses=pauses, refusals=never, record=True)
        assert run.recorded(0).tolist() == (entries + late).tolist()
        finished = run.recorded(1)[spec.beats - 1 :: spec.beats]
        assert (finished <= due).all() == (not late)
