"""The certificate that an accelerator never jams: there is one where the cycle model says so, and nowhere else."""

import pytest
from bitweir_hw.errors import PlanError
from bitweir_hw.lower import lower
from bitweir_hw.plan import Folding, Plan
from bitweir_sim import deadlock
from bitweir_sim.deadlock import Certificate, certificate, check_certificate
from bitweir_sim.time.sizing import fit_depths, interval
from hypothesis import given, settings
from hypothesis import strategies as st
from support.residuals import depths_by_hand, residual_network
from support.strategies import dense_networks, networks, plans


@settings(max_examples=40)
@given(depths_by_hand())
def test_depths_by_hand_have_one_where_nothing_jams(case):
    network, plan = case
    pipeline = lower(network, plan)
    if interval(pipeline) is None:
        with pytest.raises(PlanError, match="^The accelerator jams in frame [12]: "):
            certificate(pipeline)
    else:
        check_certificate(pipeline, certificate(pipeline))


@settings(max_examples=20)
@given(st.data())
def test_fitted_depths_have_one(data):
    network = data.draw(st.one_of(dense_networks(max_size=40), networks()))
    pipeline = lower(network, fit_depths(network, data.draw(plans(network))))
    found = certificate(pipeline)
    assert len(found.state) == len(pipeline.nodes)
    check_certificate(pipeline, found)


@settings(max_examples=10)
@given(data=st.data())
def test_another_state_is_none(data):
    network = data.draw(networks())
    pipeline = lower(network, fit_depths(network, data.draw(plans(network))))
    state = [list(one) for one in certificate(pipeline).state]
    at = data.draw(st.integers(0, len(state) - 1))
    state[at][data.draw(st.integers(0, len(state[at]) - 1))] += data.draw(st.sampled_from([-1, 1]))
    with pytest.raises(PlanError, match="^The certificate does not tell the state behind frame 1.$"):
        check_certificate(pipeline, Certificate(tuple(map(tuple, state))))


def test_too_many_beats(monkeypatch):
    monkeypatch.setattr(deadlock, "LARGEST", 3)
    network = residual_network(1)
    plan = Plan(foldings=tuple(Folding(simd=1, pe=1) for _ in range(2)))
    with pytest.raises(
        PlanError, match="^A frame has [0-9,]* beats on all streams, more than 3: too many for a certificate.$"
    ):
        certificate(lower(network, plan))
