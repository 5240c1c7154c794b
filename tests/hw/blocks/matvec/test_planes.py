"""Weights as bits: the planes that they need, and single words, are those of all of them."""

import numpy as np
from bitweir_hw.blocks.matvec.planes import plane_bits, planes_for, weight_planes, word_bits
from hypothesis import given
from hypothesis import strategies as st


@st.composite
def drawn_weights(draw):
    shape = tuple(draw(st.integers(1, most)) for most in (3, 9, 12))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    low, high = draw(st.integers(-9, 1)), draw(st.integers(-1, 9))
    step = draw(st.sampled_from((1, 2, 4)))
    return rng.random(shape) < 0.5 if draw(st.booleans()) else step * rng.integers(low, max(low, high) + 1, shape)


@given(drawn_weights())
def test_planes_are_those_in_which_a_bit_is_set(weights):
    planes = weight_planes(weights)
    bits = plane_bits(weights, planes)
    if weights.dtype == bool:
        assert (bits == weights).all() and len(planes) == 1
        return
    worth = [-(1 << plane.exponent) if plane.negative else 1 << plane.exponent for plane in planes]
    np.testing.assert_array_equal(np.tensordot(worth, bits.astype(int), 1), weights)
    assert all(plane.any() for plane in bits) or not weights.any()
    assert set(planes) <= set(planes_for(int(weights.min()), int(weights.max())))


@given(drawn_weights(), st.integers(1, 10), st.integers(1, 13), st.data())
def test_some_words_are_those_of_all(weights, pe, simd, data):
    planes = weight_planes(weights)
    words = word_bits(weights, planes, pe=pe, simd=simd)
    some = np.array(data.draw(st.lists(st.integers(0, len(words) - 1), min_size=1, max_size=9)))
    np.testing.assert_array_equal(word_bits(weights, planes, pe=pe, simd=simd, words=some), words[some])
