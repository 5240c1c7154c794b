"""FIFOs are as shallow as they can be: fitted ones cost no cycle, and one beat less does."""

from dataclasses import replace

import numpy as np
from bitweir_hw.blocks import FifoSpec
from bitweir_hw.lower import lower
from bitweir_sim.cycles import steady_state
from bitweir_sim.sizing import fit_depths, interval
from every_beat import check_every_beat
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from strategies import codes, dense_networks, networks, plans


@settings(max_examples=100)
@given(st.data())
def test_full_buffers_show_the_same_pace_sooner(data):
    network = data.draw(st.one_of(dense_networks(max_size=40), networks()))
    pipeline = lower(network, data.draw(plans(network)))
    assert interval(pipeline) == steady_state(pipeline).interval


@settings(max_examples=60)
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
    assert pace == steady_state(pipeline).interval
    for name, depth in depths.items():
        if depth > 2:
            less = tuple((other, depth - (other == name)) for other, depth in fitted.depths)
            found = interval(lower(network, replace(fitted, depths=less)))
            assert found is None or found > pace


@given(st.data())
def test_given_depths_are_kept(data):
    network = data.draw(networks())
    plan = data.draw(plans(network))
    fifos = [block for block in lower(network, plan).blocks if isinstance(block, FifoSpec)]
    assume(fifos)
    given_depths = ((fifos[0].name, fifos[0].depth + 3),)
    fitted = fit_depths(network, replace(plan, depths=given_depths))
    assert dict(fitted.depths)[fifos[0].name] == fifos[0].depth + 3


# Few networks have a FIFO that is deeper than the least.
@settings(max_examples=8, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(st.data())
def test_hardware_agrees_at_both_depths(data):
    network = data.draw(networks())
    plan = fit_depths(network, data.draw(plans(network, max_streams=1)))
    deep = [name for name, depth in plan.depths if depth > 2]
    assume(deep)
    less = tuple((name, depth - (name == deep[0])) for name, depth in plan.depths)
    frames = data.draw(codes(network, 4))
    never = np.zeros(0, bool)
    for trial in (plan, replace(plan, depths=less)):
        if interval(lower(network, trial)) is not None:
            check_every_beat(network, trial, frames, never, never)
