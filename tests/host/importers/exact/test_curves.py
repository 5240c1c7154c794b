"""Tanh and sigmoid before a quantiser: exact thresholds, against the inverse functions with 200 digits."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from bitweir.importers import ModelError, load_model
from bitweir.importers.exact import fold
from bitweir.importers.exact.curves import erf, sigmoid, tanh
from bitweir.importers.exact.fold import columns, integer_thresholds
from bitweir.importers.exact.surd import approximate, between, root, sign
from hypothesis import given, settings
from hypothesis import strategies as st
from support.onnxgraphs import C, Graph, agree, names

NUMBERS = st.builds(Fraction, st.integers(-400, 400), st.integers(1, 64))
INSIDE = st.builds(Fraction, st.integers(-63, 63), st.just(64))


def decimal(x: Fraction) -> Decimal:
    return Decimal(x.numerator) / x.denominator


def order(y: Fraction, c: Fraction) -> int:
    """Sign of ``tanh(y) - c``, by the inverse: ``y - ln((1 + c) / (1 - c)) / 2``."""
    with localcontext(prec=200):
        gap = decimal(y) - ((1 + decimal(c)) / (1 - decimal(c))).ln() / 2
        return 0 if not y and not c else 1 if gap > 0 else -1


@settings(deadline=None)
@given(y=NUMBERS, c=INSIDE)
def test_signs(y, c):
    assert sign(tanh(y) - c) == order(y, c) == -sign(c - tanh(y))
    assert sign(sigmoid(y) - (c + 1) / 2) == order(y / 2, c)
    # Both bounds enclose it, the closer the more bits there are.
    low, high = between(tanh(y), 300)
    assert high - low < Fraction(1, 1 << 280) and low <= high
    assert approximate(tanh(y)) == pytest.approx(float(np.tanh(float(y))), abs=1e-15)


def test_what_is_exact_and_what_is_far_away():
    assert tanh(Fraction(0)) == 0 and sigmoid(Fraction(0)) == Fraction(1, 2)
    assert sign(tanh(root(Fraction(2)) - root(Fraction(2)))) == 0
    assert tanh(Fraction(3)) * 0 == 0
    # In floats all of these are 1.
    assert [sign(tanh(Fraction(n)) - 1) for n in (20, 1000, 10**9)] == [-1, -1, -1]
    assert sign(sigmoid(Fraction(-(10**9)))) == 1
    assert sign(tanh(Fraction(10**9)) - (1 - Fraction(1, 10**300))) == 1
    # Half of a digit in the 60th place.
    with localcontext(prec=80):
        near = Fraction((Decimal(1).exp() - (-Decimal(1)).exp()) / (Decimal(1).exp() + (-Decimal(1)).exp()))
    assert sign(tanh(Fraction(1)) - near - Fraction(1, 10**60)) == -1
    assert sign(tanh(Fraction(1)) - near + Fraction(1, 10**60)) == 1


def test_a_comparison_that_cannot_end_says_so():
    """A tanh of a tanh may equal its own value, and no number of bits shows that."""
    twice = tanh(tanh(Fraction(1)))
    with pytest.raises(ModelError, match="a tanh, sigmoid or erf comes so near to a threshold that nothing tells"):
        sign(twice - twice)


#: The error function of some numbers to 50 digits, by the continued fraction of its complement or by its series.
ERF = {
    Fraction(1, 2): "0.52049987781304653768274665389196452873645157575796",
    Fraction(1): "0.84270079294971486934122063508260925929606699796630",
    Fraction(3): "0.99997790950300141455862722387041767962015229291260",
}


@given(y=NUMBERS)
@settings(deadline=None, max_examples=40)
def test_bounds_of_the_error_function(y):
    """They enclose what the C library says, and get closer with more bits."""
    near, far = (between(erf(y), bits) for bits in (64, 300))
    assert near[0] <= far[0] <= far[1] <= near[1]
    assert far[1] - far[0] < Fraction(1, 1 << 290)
    assert float(far[0]) == pytest.approx(math.erf(float(y)), abs=1e-15)
    assert sign(erf(-y) + erf(y) + Fraction(1, 1 << 60)) == 1


@pytest.mark.parametrize("y", ERF)
def test_digits_of_the_error_function(y):
    low, high = between(erf(y), 400)
    assert abs(low - Fraction(ERF[y])) < Fraction(1, 10**49) and abs(high - Fraction(ERF[y])) < Fraction(1, 10**49)


def test_the_error_function_far_away():
    assert erf(Fraction(0)) == 0
    assert [sign(erf(Fraction(n)) - 1) for n in (7, 100, 10**6)] == [-1, -1, -1]
    assert sign(erf(Fraction(7)) - (1 - Fraction(1, 10**22))) == 1
    # erfc(7) is 4.18e-23.
    assert sign(erf(Fraction(7)) - (1 - Fraction(1, 10**23))) == -1


@settings(deadline=None, max_examples=60)
@given(
    a=NUMBERS.filter(bool),
    b=NUMBERS,
    c=st.lists(INSIDE, min_size=1, max_size=6, unique=True).map(sorted),
    d=st.integers(-3, 3).filter(bool),
    n=st.integers(1, 20),
)
def test_thresholds_of_chains(a, b, c, d, n):
    """tanh(a * acc + b) * d + 1 at cuts that are those of the tanh, scaled alike; few cuts and many."""
    steps = [fold.scale(np.array(a)), fold.shift(np.array(b)), fold.tanh(), fold.scale(float(d)), fold.shift(1.0)]
    chain = next(columns(steps)[1])[0]
    cuts = sorted((x * d + 1, False) for x in c)
    thresholds, inverted = integer_thresholds(chain, cuts, -n, n)
    assert inverted == (a * d < 0)
    for (cut, _), threshold in zip(cuts, thresholds, strict=True):
        for acc in range(-n, n + 1):
            reached = order(a * acc + b, (cut - 1) / d) * (1 if d > 0 else -1) >= 0
            assert ((-acc if inverted else acc) >= threshold) == reached


@pytest.mark.parametrize("curve", ["Erf", "Tanh", "Sigmoid"])
def test_curves_between_a_norm_and_a_quantiser(tmp_path, curve):
    """As a sign, as four levels of Round and Clip, and behind a max pool."""
    g = Graph(1)
    x = g.op(curve, g.norm(g.start(4, 3, 3), 4, 9))
    x = g.sign(g.op("Sub", x, 0.375))
    x = g.op(curve, g.norm(g.op("Conv", x, g.signs(6, 4, 2, 2)), 6))
    x = g.op("Round", g.op("Mul", g.op("MaxPool", x, kernel_shape=[2, 2]), 3.0))
    net = agree(g.save(tmp_path / "net.onnx", g.scores(x, 6 * 3 * 2)))
    assert names(net) == "conv0 conv1 pool0 threshold dense0" or names(net) == "conv0 conv1 pool0 dense0"
    assert not any("left out" in note for note in net.notes)


@pytest.mark.parametrize("curve", ["Tanh", "Sigmoid"])
def test_a_curve_at_the_end_is_left_out(tmp_path, curve):
    g = Graph(2)
    x = g.scores(g.sign(g.norm(g.start(4, 3, 3), 4, 9)), 4 * 5 * 4)
    path = g.save(tmp_path / "net.onnx", g.op("Flatten", g.op(curve, g.op("Mul", x, 0.125))))
    note = f"{curve} 'n8' at the end is left out: it does not change the class."
    if curve == "Sigmoid":  # of sigmoids, each says for itself whether it is more than a half
        net = load_model(path, input_scale="1")
        assert net.readout.kind == "labels" and note not in net.notes
        assert note in load_model(path, input_scale="1", result="class").notes
    else:
        assert note in agree(path, scores=False).notes


@pytest.mark.parametrize("curve", ["Tanh", "Sigmoid"])
def test_levels_that_a_curve_makes_irrational(tmp_path, curve):
    g = Graph(3)
    x = g.op("Conv", g.op(curve, g.sign(g.op("Sub", "x", 7.5))), g.signs(4, C, 3, 3))
    path = g.save(tmp_path / "net.onnx", g.scores(x, 4 * 5 * 4))
    with pytest.raises(
        ModelError,
        match="^Node Conv 'n4' cannot be folded: a tanh or sigmoid follows a quantiser and makes its levels "
        "irrational: move it before the quantiser.$",
    ):
        load_model(path, input_scale="1")
