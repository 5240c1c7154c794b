"""Events computed beat by beat are those of stepping all blocks in each cycle, and what repeats does so for ever."""

from fractions import Fraction

import numpy as np
import pytest
from bitweir_hw.blocks import FifoSpec
from bitweir_hw.lower import lower
from bitweir_hw.plan import Folding, Plan
from bitweir_sim.time import flow
from bitweir_sim.time.cycles import Timing, _needed, _stepped_state, steady_state
from bitweir_sim.time.flow import Ending, arrivals, latest, least_interval, steady, stepped_arrivals
from bitweir_sim.time.sizing import fit_depths, interval, with_depths
from bitweir_sim.time.stepping import stepper
from bitweir_sim.time.supply import Supply, supplies_of
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from support.residuals import depths_by_hand, residual_network, residual_plans
from support.strategies import dense_networks, networks, plans


def check_same(pipeline, pace, most):
    """Both ways agree on the cycle of every beat and on how it ends; returns what they say."""
    streams = range(len(pipeline.streams))
    fast, slow = (run(pipeline, pace, most=most, record=streams) for run in (arrivals, stepped_arrivals))
    assert fast.ending == slow.ending
    known = min(len(fast.finished), len(slow.finished))
    assert fast.finished[:known] == slow.finished[:known]
    for stream in streams:
        beats = min(len(fast.recorded[stream]), len(slow.recorded[stream]))
        np.testing.assert_array_equal(fast.recorded[stream][:beats], slow.recorded[stream][:beats])
    return fast


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_every_beat_is_that_of_the_stepper(data):
    network = data.draw(st.one_of(dense_networks(max_size=40), networks()))
    pipeline = lower(network, data.draw(plans(network, streamed=data.draw(st.booleans()))))
    pace = steady_state(pipeline).interval
    assert least_interval(pipeline) <= pace
    assert check_same(pipeline, pace, 1000).ending is Ending.SETTLED


def rates():
    """Supplies of words at any rate, from any cycle on."""
    fractions = st.integers(1, 12).flatmap(lambda cycles: st.tuples(st.integers(1, cycles), st.just(cycles)))
    return st.builds(lambda rate, latency: Supply(words=rate[0], cycles=rate[1], latency=latency), fractions,
                     st.integers(0, 60))  # fmt: skip


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_frames_without_a_gap_are_those_of_the_stepper(data):
    network = data.draw(st.one_of(dense_networks(max_size=40), networks()))
    pipeline = lower(network, data.draw(plans(network, streamed=True)))
    supplies = {one.block: data.draw(rates()) for one in pipeline.weight_streams if data.draw(st.booleans())}
    finished, period = steady(pipeline, supplies_of(pipeline, supplies))
    settled = len(finished) - period
    found = Timing(latency=finished[0], finished=finished, period=period, settled=settled)
    stepped = _stepped_state(pipeline, supplies)
    assert (found.latency, found.interval) == (stepped.latency, stepped.interval)
    frames = range(1, 3 * max(len(found.finished), len(stepped.finished)))
    assert [found.last_cycle(n) for n in frames] == [stepped.last_cycle(n) for n in frames]


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(depths_by_hand(deepest=20))
def test_shallow_fifos_jam_or_hold_back_in_both(drawn):
    pipeline = lower(*drawn)
    alone = Fraction(least_interval(pipeline))
    found, pace = check_same(pipeline, alone, 20), interval(pipeline)
    assert (found.ending is Ending.JAMMED) == (pace is None)
    assert (found.ending is Ending.SETTLED) == (pace == alone)
    assert (pace is None) == (steady(pipeline, [])[1] == 0)
    if pace is not None:
        assert pace == steady_state(pipeline).interval == _stepped_state(pipeline, None).interval
        assert check_same(pipeline, pace, 1000).ending is Ending.SETTLED


@settings(max_examples=15)
@given(residual_plans())
def test_what_repeats_once_repeats_for_ever(drawn):
    pipeline = lower(*drawn)
    pace = least_interval(pipeline)
    found = arrivals(pipeline, Fraction(pace))
    assert found.ending is Ending.SETTLED
    known, more = len(found.finished), 8
    run, beats, never = stepper(pipeline), pipeline.output.beats, np.zeros(0, np.uint8)
    for frame in range(1, known + more + 3 * (found.finished[0] // pace + 1)):
        inputs = frame * pipeline.input.beats
        run.run(inputs=inputs, outputs=0, drain=1 << 40, until=frame * pace, pauses=never, refusals=never, record=True)
    results = run.recorded(len(pipeline.streams) - 1)[beats - 1 :: beats][: known + more]
    assert results.tolist() == [*found.finished, *(found.finished[-1] + pace * n for n in range(1, more + 1))]


def with_plans(some):
    """Networks with plans in which weights are streamed, and pixels share them."""
    return some.flatmap(lambda network: st.tuples(st.just(network), plans(network, streamed=True)))


@settings(max_examples=40)
@given(st.one_of(residual_plans(), with_plans(networks())))
def test_no_beat_is_soonest_after_its_latest_cycle(drawn):
    pipeline = lower(*drawn)
    assume(arrivals(pipeline, Fraction(least_interval(pipeline)), most=24).ending is Ending.SETTLED)
    pace, streams = Fraction(least_interval(pipeline)), range(len(pipeline.streams))
    soon = arrivals(pipeline, pace, record=streams)
    late = latest(pipeline, soon.finished, streams)
    for stream in streams:
        known = min(len(soon.recorded[stream]), len(late[stream]))
        assert len(late[stream]) == len(soon.finished) * pipeline.streams[stream].beats
        assert (soon.recorded[stream][:known] <= late[stream][:known]).all()
    beats = pipeline.output.beats
    assert tuple(late[len(pipeline.streams) - 1][beats - 1 :: beats]) == soon.finished


def test_a_deadline_that_is_missed_is_told():
    network = residual_network(2, 1)
    pipeline = lower(network, Plan(foldings=tuple(Folding(simd=s, pe=2) for s in (18, 18, 18, 2))))
    pace = Fraction(least_interval(pipeline))
    usual = arrivals(pipeline, pace)
    for run in (arrivals, stepped_arrivals):
        assert run(pipeline, pace, deadlines=usual.finished).ending is Ending.SETTLED
        # Deadlines go on as they began.
        assert run(pipeline, pace, deadlines=[usual.finished[0] - 1]).ending is Ending.LATE
        assert run(pipeline, pace - 1, most=50, deadlines=usual.finished).ending is Ending.LATE


@settings(max_examples=10)
@given(residual_plans())
def test_depths_are_the_same_without_a_compiler(drawn):
    network, plan = drawn
    fitted = fit_depths(network, plan)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flow, "_flow", lambda pipeline: None)
        assert fit_depths(network, plan) == fitted


@settings(max_examples=20, suppress_health_check=[HealthCheck.filter_too_much])
@given(st.data())
def test_no_result_is_later_with_fitted_fifos_and_one_is_with_less(data):
    network, plan = data.draw(st.one_of(residual_plans(), with_plans(networks())))
    roomy, fitted = lower(network, plan), lower(network, fit_depths(network, plan))
    deep = [block for block in fitted.blocks if isinstance(block, FifoSpec) and block.depth > 2]
    assume(deep)
    pace = interval(roomy)
    usual = arrivals(roomy, pace).finished
    assert stepped_arrivals(fitted, pace, deadlines=usual).ending is Ending.SETTLED
    for block in deep:
        less = with_depths(fitted, {block.name: block.depth - 1})
        assert stepped_arrivals(less, pace, deadlines=usual).ending in (Ending.LATE, Ending.JAMMED)


def test_frames_that_follow_from_others_are_left_out():
    settled = Timing(latency=9, finished=_needed((9, 30, 40, 55, 65, 80, 90, 105), 2), period=2, settled=6)
    assert settled.finished == (9, 30, 40, 55) and settled.interval == 12.5
    assert [settled.last_cycle(frames) for frames in (4, 5, 6, 7, 8)] == [55, 65, 80, 90, 105]
    assert _needed((9, 19, 29), 1) == (9, 19)
