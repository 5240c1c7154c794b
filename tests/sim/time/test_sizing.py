"""FIFOs are as shallow as they can be: fitted ones cost no cycle, one beat less does; plans that jam are refused."""

import re
from dataclasses import replace

import numpy as np
import pytest
from bitweir_hw.accelerator import Accelerator
from bitweir_hw.blocks import FifoSpec
from bitweir_hw.errors import PlanError
from bitweir_hw.lower import lower
from bitweir_hw.plan import Folding, Plan
from bitweir_sim.simulators.amaranth import run_amaranth
from bitweir_sim.time.cycles import schedule, steady_state
from bitweir_sim.time.sizing import fit_depths, interval, latency, minimum_depths, with_depths
from bitweir_sim.time.stepping import CompiledStepper, PythonStepper
from bitweir_sim.trace import SimulationError
from bitweir_sim.values.frames import pack
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from support.every_beat import check_every_beat
from support.residuals import depths_by_hand, residual_network, residual_plans
from support.strategies import codes, dense_networks, networks, plans


@settings(max_examples=50)
@given(st.data())
def test_full_buffers_show_the_same_pace_sooner(data):
    network = data.draw(st.one_of(dense_networks(max_size=40), networks()))
    pipeline = lower(network, data.draw(plans(network)))
    assert interval(pipeline) == steady_state(pipeline).interval


@settings(max_examples=30)
@given(st.data())
def test_no_fifo_can_be_shallower(data):
    network = data.draw(networks())
    plan = data.draw(plans(network))
    pipeline = lower(network, plan)
    fifos = [block.name for block in pipeline.blocks if isinstance(block, FifoSpec)]
    assume(fifos)
    fitted = fit_depths(network, plan)
    depths = dict(fitted.depths)
    assert sorted(depths) == sorted(fifos)
    pace = interval(lower(network, fitted))
    soonest, timing = latency(lower(network, fitted)), steady_state(pipeline)
    assert (pace, soonest) == (timing.interval, timing.latency)
    for name, depth in depths.items():
        if depth > 2:
            less = tuple((other, depth - (other == name)) for other, depth in fitted.depths)
            trial = lower(network, replace(fitted, depths=less))
            found = interval(trial)
            assert found is None or found > pace or latency(trial) > soonest


@given(st.data())
def test_given_depths_are_kept(data):
    network = data.draw(networks())
    plan = data.draw(plans(network))
    fifos = [block for block in lower(network, plan).blocks if isinstance(block, FifoSpec)]
    assume(fifos)
    given_depths = ((fifos[0].name, fifos[0].depth + 3),)
    fitted = fit_depths(network, replace(plan, depths=given_depths))
    assert dict(fitted.depths)[fifos[0].name] == fifos[0].depth + 3


def check_both_depths(data, network):
    plan = fit_depths(network, data.draw(plans(network, max_streams=1)))
    deep = [name for name, depth in plan.depths if depth > 2]
    # Few networks have a FIFO that is deeper than the least.
    assume(deep)
    less = tuple((name, depth - (name == deep[0])) for name, depth in plan.depths)
    frames = data.draw(codes(network, 4))
    never = np.zeros(0, bool)
    for trial in (plan, replace(plan, depths=less)):
        if interval(lower(network, trial)) is not None:
            check_every_beat(network, trial, frames, never, never)


# Small networks have FIFOs of all depths, too.
@settings(max_examples=3, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(st.data())
def test_hardware_agrees_at_both_depths(data):
    check_both_depths(data, data.draw(networks(max_size=4)))


@pytest.mark.long
@settings(max_examples=20, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(st.data())
def test_hardware_agrees_at_both_depths_of_larger_networks(data):
    check_both_depths(data, data.draw(networks()))


NEVER = np.zeros(0, np.uint8)


@settings(max_examples=25)
@given(residual_plans())
def test_fitted_residuals_cost_no_cycle(drawn):
    network, plan = drawn
    fitted, roomy = (lower(network, one) for one in (fit_depths(network, plan), plan))
    assert steady_state(fitted).interval == steady_state(roomy).interval
    assert latency(fitted) == steady_state(fitted).latency == steady_state(roomy).latency


def test_no_latency_is_given_away():
    network = residual_network(3, 2, side=5, channels=3)
    foldings = tuple(Folding(simd=s, pe=p) for s, p in ((2, 2), (13, 1), (13, 2), (14, 3), (23, 2), (54, 2)))
    plan = Plan(foldings=foldings)
    fitted = fit_depths(network, plan)
    # With 37 beats in the last one frames follow each other as fast, but a frame takes 1180 cycles.
    assert fitted.depths == (("sum0_fifo0", 2), ("sum0_fifo1", 64), ("sum1_fifo0", 2), ("sum1_fifo1", 52))
    assert latency(lower(network, plan)) == latency(lower(network, fitted)) == 982
    less = with_depths(lower(network, fitted), {"sum1_fifo1": 37})
    assert (interval(less), latency(less)) == (700, 1180)


def jamming(**depths):
    """A sum in which 2 beats wait for the other branch, which needs more of them before its first result."""
    foldings = tuple(Folding(simd=simd, pe=2) for simd in (18, 18, 18, 18, 2))
    return residual_network(2, 2), Plan(foldings=foldings, depths=tuple(depths.items()))


@pytest.mark.parametrize(
    ("depths", "told"),
    [
        ({"sum0_fifo0": 2, "sum0_fifo1": 2}, "its FIFO 'sum0_fifo1' must hold at least 9 beats, not 2"),
        (
            {"sum0_fifo1": 8, "sum1_fifo1": 3},
            "its FIFO 'sum0_fifo1' must hold at least 9 beats, not 8 and "
            "its FIFO 'sum1_fifo1' must hold at least 9 beats, not 3",
        ),
    ],
)
def test_a_plan_that_jams_is_refused(depths, told):
    network, plan = jamming(**depths)
    text = (
        f"The accelerator jams with the depths of its plan: {told}; bitweir generate finds depths that cost no cycle."
    )
    pipeline = lower(network, plan)
    for call in (lambda: steady_state(pipeline), lambda: schedule(pipeline, 2), lambda: fit_depths(network, plan)):
        with pytest.raises(PlanError) as error:
            call()
        assert str(error.value) == text


def test_hardware_jams_too():
    network, plan = jamming(sum0_fifo1=8)
    pipeline = lower(network, plan)
    beats = pack(np.zeros((2, network.input.size), int), pipeline.input)
    with pytest.raises(SimulationError, match="2 of 2 output beats are missing"):
        run_amaranth(Accelerator(pipeline), beats, expected_outputs=2, max_cycles=2000)
    run_amaranth(Accelerator(with_depths(pipeline, {"sum0_fifo1": 9})), beats, expected_outputs=2, max_cycles=2000)


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(depths_by_hand(), st.data())
def test_depths_by_hand_run_or_are_refused(drawn, data):
    network, plan = drawn
    try:
        steady_state(lower(network, plan))
    except PlanError as error:
        told = re.findall(r"FIFO '(\w+)' must hold at least (\d+) beats, not (\d+)", str(error))
        assert told
        enough = dict(plan.depths)
        for name, need, have in told:
            assert enough[name] == int(have) < int(need)
            enough[name] = int(need)
        pipeline = lower(network, replace(plan, depths=tuple(enough.items())))
        assert interval(pipeline) == steady_state(pipeline).interval
        for name, need, _ in told:
            assert interval(with_depths(pipeline, {name: int(need) - 1})) is None
    else:
        frames = data.draw(codes(network, 2))
        check_every_beat(network, plan, frames, np.zeros(0, bool), np.zeros(0, bool))


@settings(max_examples=40)
@given(depths_by_hand(deepest=12), st.booleans(), st.integers(1, 3))
def test_both_steppers_stop_where_nothing_moves(drawn, closed, frames):
    pipeline = lower(*drawn)
    python, compiled = PythonStepper(pipeline), CompiledStepper(pipeline)
    limits = {"outputs": 3 * pipeline.output.beats, "inputs": frames * pipeline.input.beats, "pauses": NEVER}
    ends = [run.run(**limits, refusals=np.ones(5, np.uint8), closed=closed) for run in (python, compiled)]
    assert ends[0] == ends[1]
    assert python.counts() == compiled.counts()
    assert python.state() == compiled.state()


def test_depths_of_fifos_that_are_not_there():
    network, plan = jamming(sum0_fifo2=20)
    with pytest.raises(PlanError) as error:
        lower(network, plan)
    assert str(error.value) == (
        "The plan must give depths of FIFOs of the accelerator, not of 'sum0_fifo2': it has sum0_fifo0, sum0_fifo1, "
        "sum1_fifo0, sum1_fifo1."
    )
    with pytest.raises(PlanError) as error:
        lower(network, replace(plan, depths=(("sum0_fifo0", 2), ("sum0_fifo0", 3))))
    assert str(error.value) == "The plan must give the FIFO 'sum0_fifo0' one depth, not 2."


def test_fitting_tells_how_far_it_is():
    network, plan = jamming()
    told = []
    minimum_depths(lower(network, plan), given={}, progress=told.append)
    shares = [share for share in told if isinstance(share, float)]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    words = [word for word in told if isinstance(word, str)]
    assert words[0] == "FIFO 1 of 4" and all(re.fullmatch(r"FIFO [1-4] of 4", word) for word in words)
