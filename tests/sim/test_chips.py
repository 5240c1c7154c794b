"""Networks cut into chips: values by definition, and every beat of all chips under stalls on both sides."""

from dataclasses import replace

import numpy as np
import pytest
from bitweir_hw.chips import Chips, joined, joint
from bitweir_hw.errors import NetworkError
from bitweir_hw.lower import lower
from bitweir_hw.network import Dense, Network, check
from bitweir_hw.network.cuts import cut_places, cut_trouble, split
from bitweir_sim.chips import codes_at_cuts, expected_trace, explain
from bitweir_sim.simulators.amaranth import run_amaranth
from bitweir_sim.time.cycles import schedule, steady_state
from bitweir_sim.trace import SimulationError
from bitweir_sim.values.frames import pack
from bitweir_sim.values.golden import run_slow
from hypothesis import assume, given, note, settings
from hypothesis import strategies as st
from support.samples import every_kind
from support.strategies import codes, identity_input, networks, plans, stalls


@st.composite
def cut_networks(draw, *, most=2):
    """A network, and where it is cut."""
    network = draw(networks(max_layers=5))
    places = cut_places(network)
    assume(places)
    return network, sorted(draw(st.sets(st.sampled_from(places), min_size=1, max_size=most)))


@settings(max_examples=25)
@given(st.data())
def test_networks_between_cuts_compute_what_the_whole_one_does(data):
    network, cuts = data.draw(cut_networks())
    frames = data.draw(codes(network, data.draw(st.integers(1, 4))))
    parts = split(network, cuts)
    assert sum(len(part.layers) for part in parts) == len(network.layers)
    found = run_slow(parts[-1], codes_at_cuts(parts, frames)[-1])
    wanted = run_slow(network, frames)
    assert (found.scores == wanted.scores).all()
    assert parts[-1].readout == network.readout and parts[-1].result_shape == network.result_shape


def test_a_network_of_every_kind_of_layer_is_cut_wherever_it_can_be():
    network, _ = every_kind()
    frames = np.random.default_rng(3).integers(0, network.input.format.codes, (5, network.input.size))
    wanted = run_slow(network, frames).scores
    places = cut_places(network)
    assert places
    for cut in places:
        parts = split(network, [cut])
        assert (run_slow(parts[1], codes_at_cuts(parts, frames)[1]).scores == wanted).all()
    parts = split(network, places)
    assert (run_slow(parts[-1], codes_at_cuts(parts, frames)[-1]).scores == wanted).all()


def test_cuts_that_are_none_are_refused_with_the_reason():
    wide = Dense(name="wide", weights=np.full((2, 9), 30_000, np.int64))
    last = Dense(name="last", weights=np.ones((2, 2), bool))
    network = check(Network(name="net", input=identity_input(9), layers=(wide, last)))
    assert cut_places(network) == ()
    assert "behind 'wide': elements of 20 bits" in cut_trouble(network, 1)
    for cuts in ([0], [2], [1, 1]):
        with pytest.raises(NetworkError, match="between 1 and 1"):
            split(network, cuts)


@settings(max_examples=8)
@given(st.data())
def test_every_beat(data):
    network, cuts = data.draw(cut_networks())
    parts = split(network, cuts)
    frames = data.draw(st.sampled_from([1, 1, 2, 3]))
    chips = [lower(part, replace(data.draw(plans(part)), parallel_frames=frames)) for part in parts]
    joints = [
        joint(
            number, parts[number], one, other, width=data.draw(st.one_of(st.none(), st.integers(1, 40))),
            credits=data.draw(st.one_of(st.none(), st.integers(2, 9))), latency=data.draw(st.integers(0, 6)),
            stage_levels=data.draw(st.integers(0, 2)),
        )
        for number, (one, other) in enumerate(zip(chips, chips[1:], strict=False))
    ]  # fmt: skip
    # What is told of all frames is what each of the first ones does.
    whole = joined(chips, joints)
    timing, finished = steady_state(whole), schedule(whole, 5)[-1][whole.output.beats - 1 :: whole.output.beats]
    assert finished.tolist() == [timing.last_cycle(number) for number in range(1, 6)]
    taken = data.draw(codes(network, data.draw(st.integers(1, 3))))
    i_stalls, o_stalls = data.draw(stalls()), data.draw(stalls())
    expected = expected_trace(parts, chips, joints, taken, i_stalls=i_stalls, o_stalls=o_stalls, drain=20)
    try:
        run_amaranth(
            Chips(chips, joints, taps=True), pack(taken, chips[0].input), expected=expected, i_stalls=i_stalls,
            o_stalls=o_stalls, drain=20,
        )  # fmt: skip
    except SimulationError as error:
        note(explain(error.difference, joints) if error.difference else str(error))
        raise
