"""Who waits for whom: counts that add up, the same from both steppers, and causes that are the right ones."""

from __future__ import annotations

import numpy as np
import pytest
from bitweir_hw.lower import lower
from bitweir_hw.network import BIPOLAR, LABEL, Dense, Network, Parallel, check
from bitweir_hw.plan import Folding, Plan
from bitweir_sim.compiler import compiler_missing
from bitweir_sim.time.cycles import steady_state
from bitweir_sim.time.stall_analysis import SINK, SOURCE, stalls
from bitweir_sim.time.stepping import CompiledStepper, PythonStepper
from hypothesis import given, settings
from hypothesis import strategies as st
from support.samples import every_kind
from support.strategies import dense_networks, identity_input, networks, plans

needs_compiler = pytest.mark.skipif(compiler_missing() is not None, reason=str(compiler_missing()))


def chain(*foldings):
    """Dense layers of 16 neurons, folded so (SIMD, PE)."""
    rng = np.random.default_rng(2)
    layers = [
        Dense(name=f"dense{n}", weights=rng.random((16, 16)) < 0.5, thresholds=np.zeros((16, 1), int), output=BIPOLAR)
        for n in range(len(foldings) - 1)
    ]
    layers.append(Dense(name="last", weights=rng.random((16, 16)) < 0.5))
    network = check(Network(name="net", input=identity_input(16), layers=tuple(layers)))
    return lower(network, Plan(foldings=tuple(Folding(simd=simd, pe=pe) for simd, pe in foldings)))


@settings(max_examples=30)
@given(st.data())
def test_counts_add_up_to_the_period(data):
    network = data.draw(st.one_of(dense_networks(), networks()))
    pipeline = lower(network, data.draw(plans(network)))
    timing = steady_state(pipeline)
    period = timing.interval * timing.period
    found = stalls(pipeline, timing)
    names = {SOURCE, SINK, *(block.name for block in pipeline.blocks)}
    for stream, waits in zip(pipeline.streams, found, strict=True):
        assert waits.name == stream.name
        assert waits.moved == stream.beats * timing.period
        assert waits.moved + waits.starved + waits.blocked + waits.idle == period
        assert min(waits.starved, waits.blocked, waits.idle) >= 0
        assert {waits.sender, waits.receiver} <= names
        assert (waits.starved_by in names) if waits.starved else waits.starved_by is None
        assert (waits.blocked_by in names) if waits.blocked else waits.blocked_by is None
    # The source always offers and the sink always takes: neither is to blame.
    assert found[0].starved == 0 and found[-1].blocked == 0
    assert not {waits.starved_by for waits in found} & {SOURCE, SINK}
    assert not {waits.blocked_by for waits in found} & {SOURCE, SINK}


@needs_compiler
@settings(max_examples=30)
@given(st.data())
def test_both_steppers_count_the_same(data):
    network = data.draw(st.one_of(dense_networks(), networks(max_size=6, max_layers=3)))
    pipeline = lower(network, data.draw(plans(network)))
    timing = steady_state(pipeline)
    compiled, plain = (stalls(pipeline, timing, run=kind(pipeline)) for kind in (CompiledStepper, PythonStepper))
    assert compiled == plain


@needs_compiler
@given(st.data())
def test_both_steppers_watch_the_same_cycles_under_stalls(data):
    pipeline = lower(*every_kind())
    patterns = [np.array(data.draw(st.lists(st.integers(0, 1), max_size=200)), np.uint8) for _ in range(2)]
    first, last = sorted(data.draw(st.tuples(st.integers(0, 250), st.integers(0, 250))))
    found = []
    for kind in (CompiledStepper, PythonStepper):
        run = kind(pipeline)
        for until, watch in ((first, False), (last, True), (last + 20, False)):
            run.run(outputs=1000, until=until, pauses=patterns[0], refusals=patterns[1], watch=watch)
        found.append(run.waits())
    assert found[0] == found[1]
    assert max(max(waits) for waits in found[0]) <= last - first


@pytest.mark.parametrize("slow", range(5))
def test_all_wait_for_the_slow_block(slow):
    foldings = [(16, 4)] * 5
    foldings[slow] = (4, 1)
    pipeline = chain(*foldings)
    name = [*(f"dense{n}" for n in range(4)), "last"][slow]
    at = [block.name for block in pipeline.blocks].index(name)
    for number, waits in enumerate(stalls(pipeline)):
        if number <= at:  # before it
            assert waits.blocked_by == name and waits.blocked > 0
        else:  # after it: a width converter may hold back the beats of a burst
            assert waits.starved_by == name and waits.starved > waits.blocked
    # Its own input is there whenever it can take it.
    assert stalls(pipeline)[at].starved == 0


def test_a_join_waits_for_the_slower_branch():
    rng = np.random.default_rng(4)
    branches = tuple((Dense(name=name, weights=rng.random((8, 16)) < 0.5),) for name in ("quick", "slow"))
    network = Network(name="net", input=identity_input(16), layers=(Parallel(name="sum", branches=branches),))
    foldings = (Folding(simd=16, pe=1), Folding(simd=1, pe=1))
    found = stalls(lower(check(network), Plan(foldings=foldings)))
    quick, slow = ([waits for waits in found if waits.sender.startswith(name)][-1] for name in ("quick", "slow"))
    assert quick.receiver == slow.receiver == "sum"
    # What comes early is not taken before its partner is there; and the join is not to blame.
    assert quick.blocked > 0 and quick.blocked_by == "slow"
    assert slow.starved > 0 and slow.starved_by == "slow"
    assert found[0].blocked_by == "slow"


def test_buffers_that_fill_after_results_have_their_pace():
    """The FIFO of the shorter branch takes frames until it is full: counts begin where that, too, has ended."""
    answers = Dense(name="two", weights=np.array([[False], [True]]), thresholds=np.zeros((2, 1), int), output=LABEL)
    branch = Dense(name="one", weights=np.zeros((2, 1), bool), thresholds=np.array([[0], [-(2**61)]]), output=LABEL)
    layers = (Parallel(name="sum", branches=((branch,), (answers,))),)
    network = check(Network(name="net", input=identity_input(1), layers=layers))
    pipeline = lower(network, Plan(foldings=(Folding(pe=1, simd=1), Folding(pe=1, simd=1))))
    timing = steady_state(pipeline)
    for stream, waits in zip(pipeline.streams, stalls(pipeline, timing), strict=True):
        assert waits.moved == stream.beats * timing.period
