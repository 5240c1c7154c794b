"""Real weights as whole numbers times a scale: how near they are, and what a user may ask for."""

import re

import numpy as np
import pytest
from bitweir.importers import ModelError
from bitweir.importers.folding.real_weights import Rounding, WeightBits, is_real, nearest
from bitweir.importers.folding.weights import normalised
from hypothesis import given
from hypothesis import strategies as st


@st.composite
def rows(draw):
    """Weights of outputs whose sizes differ by far."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    shape = draw(st.integers(1, 4)), draw(st.integers(1, 40))
    made = rng.normal(size=shape) if draw(st.booleans()) else rng.laplace(size=shape)
    return (made * 2.0 ** rng.integers(-20, 20, (shape[0], 1))).astype(draw(st.sampled_from([np.float32, np.float64])))


@given(rows(), st.integers(2, 16))
def test_rounded_rows_are_whole_numbers_of_so_many_bits_times_one_number(weights, bits):
    made = nearest(weights, bits)
    assert made.dtype == weights.dtype and made.shape == weights.shape
    whole, alpha, rounded = normalised(made, "it")
    assert not rounded
    signed = np.where(whole, 1, -1) if whole.dtype == bool else whole
    assert np.abs(signed).max() < 1 << bits - 1
    assert (signed * alpha[:, None] == made).all()


@given(rows(), st.integers(2, 16))
def test_rows_are_as_near_as_with_a_scale_that_cuts_nothing_off(weights, bits):
    """A weight is off by at most half of such a scale; scales are short, so that it may be a little larger."""
    made, wide = nearest(weights, bits).astype(float), weights.astype(float)
    half = 0.53 * np.abs(wide).max(axis=1) / ((1 << bits - 1) - 1)
    assert (((made - wide) ** 2).sum(axis=1) <= weights.shape[1] * half**2).all()


@pytest.mark.parametrize("bits", [2, 3, 4, 6])
def test_the_search_is_as_good_as_a_finer_one(bits):
    wide = np.random.default_rng(bits).normal(size=(8, 200))
    error = ((nearest(wide, bits) - wide) ** 2).sum(axis=1)
    most = (1 << bits - 1) - 1
    for row, found in zip(wide, error, strict=True):
        scales = np.abs(row).max() / most * np.linspace(0.05, 1.05, 1000)[:, None]
        least = ((np.clip(np.rint(row / scales), -most, most) * scales - row) ** 2).sum(axis=1).min()
        assert found <= 1.06 * least


def test_large_weights_are_cut_off_where_that_is_nearer():
    weights = np.array([[1.0] * 50 + [-1.1] * 50 + [9.0]], np.float32)
    made = nearest(weights, 2)
    # -1, 0 and 1 times one number: that of the many small weights, not of the large one.
    assert set(np.unique(made).tolist()) == {-made.max(), made.max()} and 1 < made.max() < 1.3


def test_small_rows_beside_large_ones_keep_their_signs():
    whole, alpha, rounded = normalised(np.array([[3e-9, -3e-9, 0.0], [0.7, 0.0, -0.7]], np.float32), "it")
    assert whole.tolist() == [[1, -1, 0], [1, 0, -1]] and not rounded
    assert [float(one) for one in alpha] == [float(np.float32(3e-9)), float(np.float32(0.7))]


def test_rows_of_zeros_stay_so():
    assert (nearest(np.array([[0.0, 0.0], [0.3, -0.7]], np.float32), 8)[0] == 0).all()


@pytest.mark.parametrize(
    ("weights", "real"),
    [
        ([[1.0, -1.0], [0.5, 0.5]], False),
        ([[3.0, -1.0, 0.0]], False),
        ([[0.3, -0.7123, 0.01]], True),
        ([[np.nan, -0.7123, 0.01]], False),
    ],
)
def test_which_weights_are_real(weights, real):
    assert is_real(np.array(weights, np.float32)) == real


@pytest.mark.parametrize(
    ("given_bits", "found"),
    [
        (8, (8, {})),
        ("8", (8, {})),
        (("8", "conv0=4, dense2=12"), (8, {"conv0": 4, "dense2": 12})),
        ({"conv0": 4}, (None, {"conv0": 4})),
        ("a=b=3", (None, {"a=b": 3})),
        ("conv0=8,conv0=8", (None, {"conv0": 8})),
    ],
)
def test_what_a_user_may_ask_for(given_bits, found):
    asked = WeightBits.parsed(given_bits)
    assert (asked.all, asked.layers) == found


def test_nothing_asked_for_is_nothing():
    assert WeightBits.parsed(None) is None and WeightBits.parsed(()) is None


@pytest.mark.parametrize("bits", ["1", "17", "0x8", "", "eight", "conv0=", "-3", "8.0", "conv0"])
def test_other_numbers_of_bits_are_refused(bits):
    value = bits.rpartition("=")[2]
    text = (
        f"The bits of weights must be a whole number from 2 to 16, not {value!r}: write 8 for all layers with real "
        "weights, or conv0=8,dense2=12 for some."
    )
    with pytest.raises(ModelError, match=f"^{re.escape(text)}$"):
        WeightBits.parsed(bits)


@pytest.mark.parametrize(
    ("bits", "told"),
    [("8,9", "all layers, not as 8 and 9"), (["conv0=8", "conv0=4"], "the layer 'conv0', not as 8 and 4")],
)
def test_two_numbers_of_bits_for_one_layer_are_refused(bits, told):
    with pytest.raises(ModelError, match=f"^The bits of weights must be given once for {told}.$"):
        WeightBits.parsed(bits)


def test_layers_that_are_named_must_be_there():
    rounding = Rounding(WeightBits.parsed("conv0=8,conv7=8"), [("Conv 'a'", "conv0"), ("Conv 'b'", "conv1")])
    real = np.array([[0.3, -0.7123, 0.01]], np.float32)
    assert rounding.rounded("Conv 'a'", "a", real) is not None
    assert rounding.rounded("Conv 'b'", "b", real) is None
    with pytest.raises(ModelError) as caught:
        rounding.finish()
    assert str(caught.value) == (
        "The bits of weights are given for 'conv7', which is no layer with real weights; such layers are: conv0, conv1."
    )
