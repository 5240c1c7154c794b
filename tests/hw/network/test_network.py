"""A legal network passes, and tells what each layer hands on."""

from dataclasses import replace
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from bitweir_hw.network import (
    BIPOLAR,
    Argmax,
    Concat,
    Conv,
    Dense,
    Format,
    Map,
    Parallel,
    Readout,
    Select,
    Upsample,
    Vote,
    check,
)
from hypothesis import given
from support.small_layers import (
    CONV,
    ENTRY,
    HIDDEN,
    INT,
    LABELS,
    LAST,
    MAP,
    NETWORK,
    ONE,
    ONE_SCORE,
    POOL,
    SCORES,
    SUM,
    SUMS,
    THRESHOLD,
    WIDER,
)
from support.strategies import networks


def test_legal():
    assert check(NETWORK) is NETWORK
    assert NETWORK.outputs == 2


@pytest.mark.parametrize(
    ("readout", "items"),
    [
        (Readout(scale=("3/7",), offset=("-1/2",)), (HIDDEN, LAST)),
        (Readout(kind="scores", scale=("3/7",), offset=("-1/2", "5")), (HIDDEN, LAST)),
        (Readout(kind="codes", scale=("-3/7", "0"), offset=("0",)), (replace(LAST, weights=np.ones((2, 4), bool),
            thresholds=np.zeros((2, 1), INT), output=BIPOLAR),)),
    ],
)  # fmt: skip
def test_results_with_a_meaning(readout, items):
    assert check(replace(NETWORK, layers=items, readout=readout)).readout is readout


def test_labels_and_one_score_are_legal():
    assert check(replace(NETWORK, layers=(LABELS,), readout=Readout(kind="labels"))).outputs == 3
    assert check(replace(NETWORK, layers=(HIDDEN, ONE), readout=ONE_SCORE)).outputs == 1


def test_what_integers_mean():
    readout = Readout(kind="scores", scale=("3/7",), offset=("-1/2", "5"))
    assert readout.exact([7, -14]) == [Fraction(5, 2), Fraction(-1)]
    assert readout.numbers(np.array([[7, -14], [0, 0]])).tolist() == [[2.5, -1.0], [-0.5, 5.0]]


def test_format_values():
    assert BIPOLAR.values([0, 1]).tolist() == [-1, 1]
    assert Format(bits=2, offset=-1).values([0, 1, 2]).tolist() == [-1, 0, 1]
    assert Format(bits=8).codes == 256


def test_map_of_codes():
    rising, falling = Format(bits=2, offset=-1), Format(bits=3, offset=2, step=-3)
    assert Map.of_codes((2, 3, 4), rising) == Map(shape=(2, 3, 4), low=-1, high=2, format=rising)
    assert Map.of_codes((2, 3, 4), falling) == Map(shape=(2, 3, 4), low=-19, high=2, format=falling)
    found = Map.of_codes((2, 3, 4), rising)
    assert (found.size, found.pixels, found.channels) == (24, 6, 4)


def test_input_map():
    assert ENTRY.map == Map.of_codes((1, 1, 4), BIPOLAR)
    assert replace(ENTRY, map_shape=(2, 2, 1)).map == Map.of_codes((2, 2, 1), BIPOLAR)


# ---- what is handed on


def handed(layer, source=MAP):
    result = layer.output_map(source)
    return result.shape, (result.low, result.high), result.format


@pytest.mark.parametrize(
    ("layer", "shape", "ends", "form"),
    [
        (CONV, (3, 5, 6), (-24, 24), None),
        (replace(CONV, stride=(2, 3)), (2, 2, 6), (-24, 24), None),
        (replace(CONV, pads=(2, 1, 0, 0)), (5, 6, 6), (-24, 24), None),
        # A pad value out of the range of codes widens it, but only where there is padding.
        (replace(CONV, pads=(1, 0, 1, 1), pad_value=3), (5, 6, 6), (-24, 72), None),
        (replace(CONV, pad_value=3), (3, 5, 6), (-24, 24), None),
        (replace(CONV, pads=(1, 0, 0, 0), edges=np.full((2, 1, 6), 7)), (4, 5, 6), (-24, 31), None),
        (replace(CONV, pads=(1, 0, 0, 0), edges=np.full((2, 1, 6), -7)), (4, 5, 6), (-31, 24), None),
        (replace(CONV, edges=np.full((3, 5, 6), -7), by_pixel=True), (3, 5, 6), (-31, 24), None),
        (replace(CONV, weights=CONV.weights[..., :2], groups=2), (3, 5, 6), (-12, 12), None),
        (replace(CONV, thresholds=np.zeros((6, 1), INT), output=Format(bits=2)), (3, 5, 6), (0, 3), Format(bits=2)),
        (POOL, (2, 3, 4), (-1, 1), BIPOLAR),
        (replace(POOL, stride=(1, 4), pads=(1, 0, 0, 1)), (5, 2, 4), (-1, 1), BIPOLAR),
        (replace(POOL, least=np.ones(4, bool)), (2, 3, 4), (-1, 1), BIPOLAR),
        (replace(SUM, kernel=(5, 6)), (1, 1, 4), (-30, 30), None),
        (THRESHOLD, MAP.shape, (-1, 1), BIPOLAR),
        (replace(SCORES, scale=np.array([2, 0, -3, 1])), MAP.shape, (-2, 4), None),
        (Parallel(name="p", branches=((), ())), MAP.shape, (-2, 2), None),
        (Parallel(name="p", branches=((), (SCORES,)), weights=(3, -2)), MAP.shape, (-7, 3), None),
        (Upsample(name="u", factors=(2, 3)), (10, 18, 4), (-1, 1), BIPOLAR),
        (Select(name="x", channels=np.array([3, 0, 3])), (5, 6, 3), (-1, 1), BIPOLAR),
        (Concat(name="c", branches=((), ())), (5, 6, 8), (-1, 1), BIPOLAR),
        # The most bits, and the ends of what these hold; accumulators have the ends of all.
        (Concat(name="c", branches=((), (WIDER,))), (5, 6, 8), (-1, 5), WIDER.output),
        (Concat(name="c", branches=((SCORES,), (SUMS,))), (5, 6, 8), (-4, 4), None),
    ],
)
def test_hand_on(layer, shape, ends, form):
    assert handed(layer) == (shape, ends, form)


def test_vote_hands_on_one_bit():
    assert handed(Vote(name="v"), Map(shape=(1, 1, 5), low=-9, high=9)) == ((1, 1, 5), (0, 1), Format(bits=1))
    assert handed(Argmax(name="c"), Map(shape=(2, 3, 5), low=-9, high=9)) == ((2, 3, 1), (0, 4), Format(bits=3))


def test_pool_hands_on_accumulators_as_they_are():
    assert handed(POOL, Map(shape=(4, 4, 2), low=-9, high=5)) == ((2, 2, 2), (-9, 5), None)


@pytest.mark.parametrize("integers", [False, True])
def test_ranges_of_sums_are_tight(integers):
    weights = np.array([[2, 1, -3], [0, 0, 0], [-1, -1, 5]]) if integers else np.array([[1, 1, 0], [0, 0, 0]]) > 0
    source = Map.of_codes((1, 1, 3), Format(bits=2, offset=-1))  # -1 to 2
    values = np.array(list(product(range(-1, 3), repeat=3)))
    acc = values @ (weights.T if integers else 2 * weights.T.astype(int) - 1)
    dense = Dense(name="dense0", weights=weights)
    filters = Conv(name="conv0", weights=weights[:, None, None])
    assert handed(dense, source) == handed(filters, source) == ((1, 1, len(weights)), (acc.min(), acc.max()), None)


def test_placed_tells_inner_layers_before_their_sum():
    inner = replace(LAST, name="inner")
    both = Parallel(name="both", branches=((inner,), (LAST, Vote(name="vote"))))
    network = replace(NETWORK, layers=(HIDDEN, both))
    placed = network.placed()
    assert [layer.name for layer, _, _ in placed] == ["dense0", "inner", "dense1", "vote", "both"]
    assert [result.channels for _, _, result in placed] == [3, 2, 2, 2, 2]
    assert [source.size for _, source, _ in placed] == [4, 3, 3, 2, 3]
    assert network.outputs == 2


@given(networks())
def test_drawn_networks_are_legal_and_keep_to_the_limits_of_sums(network):
    assert check(network) is network
    for layer, source, _ in network.placed():
        if isinstance(layer, Dense | Conv) and layer.output is None and source.format is not None:
            assert source.format.step in (1, 2)
