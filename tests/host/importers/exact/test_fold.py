"""Exact folding against brute force: every accumulator, with arithmetic that shares no code with the importer."""

from __future__ import annotations

from fractions import Fraction
from math import isqrt

import numpy as np
import pytest
from bitweir.importers.exact import fold
from bitweir.importers.exact.fold import Chain, columns, float_threshold, integer_thresholds, nearest, tie_distance
from bitweir.importers.exact.scores import integer_scores, ranks
from bitweir.importers.exact.surd import Surd, approximate, nearly, root, sign
from hypothesis import given, settings
from hypothesis import strategies as st

# Small dyadic numbers make exact ties likely; float32 numbers make them realistic.
SMALL = st.integers(-24, 24).map(lambda n: n / 4)
FLOATS = st.floats(-100, 100, width=32, allow_subnormal=False)
NUMBERS = st.one_of(SMALL, FLOATS)
VARIANCES = st.one_of(st.integers(1, 36).map(lambda n: n / 4), st.floats(2**-20, 1000, width=32))


def chain_of(*steps: fold.Step) -> Chain:
    return next(columns(steps)[1])[0]


def compare_norm(p: Fraction, q: Fraction, v: Fraction) -> int:
    """Sign of p / sqrt(v) + q, by case distinction and squaring."""
    if (p >= 0) == (q >= 0) or p == 0 or q == 0:
        return (p + q > 0) - (p + q < 0) if p == 0 or q == 0 or (p > 0) == (q > 0) else 0
    bigger = (p * p > q * q * v) - (p * p < q * q * v)
    return bigger * (1 if p > 0 else -1)


@settings(max_examples=200, deadline=None)
@given(
    gamma=NUMBERS,
    beta=NUMBERS,
    mean=NUMBERS,
    var=VARIANCES,
    alpha=NUMBERS,
    bias=NUMBERS,
    n=st.integers(1, 12),
    strict=st.booleans(),
)
def test_batch_norm_after_scale_and_bias(gamma, beta, mean, var, alpha, bias, n, strict):
    chain = chain_of(fold.scale(alpha), fold.shift(bias), fold.norm(gamma, beta, mean, var))
    (threshold,), inverted = integer_thresholds(chain, [(Fraction(0), strict)], -n, n)
    assert inverted == (gamma * alpha < 0)
    for acc in range(-n, n + 1):
        p = Fraction(gamma) * (Fraction(alpha) * acc + Fraction(bias) - Fraction(mean))
        order = compare_norm(p, Fraction(beta), Fraction(var))
        assert ((-acc if inverted else acc) >= threshold) == (order > 0 or (order == 0 and not strict))


def decimal_root(v: Fraction, bits: int = 2000) -> Fraction:
    return Fraction(isqrt((v.numerator << 2 * bits) // v.denominator), 1 << bits)


STEP = st.one_of(
    st.tuples(st.just("scale"), NUMBERS),
    st.tuples(st.just("shift"), NUMBERS),
    st.tuples(st.just("clip"), st.tuples(SMALL, SMALL).map(sorted)),
    st.tuples(st.just("norm"), st.tuples(NUMBERS, NUMBERS, NUMBERS, VARIANCES)),
)


@settings(max_examples=150, deadline=None)
@given(
    steps=st.lists(STEP, min_size=1, max_size=5).filter(lambda s: sum(kind == "norm" for kind, _ in s) < 3),
    cuts=st.lists(st.tuples(SMALL.map(Fraction), st.booleans()), min_size=1, max_size=3, unique=True).map(sorted),
    n=st.integers(1, 9),
)
def test_any_chain_at_any_cut(steps, cuts, n):
    made = [getattr(fold, kind)(*(p if isinstance(p, (tuple, list)) else (p,))) for kind, p in steps]
    chain = chain_of(*made)
    thresholds, inverted = integer_thresholds(chain, cuts, -n, n)
    assert thresholds == sorted(thresholds)
    for acc in range(-n, n + 1):
        y = Fraction(acc)
        for kind, p in steps:
            if kind == "scale":
                y *= Fraction(p)
            elif kind == "shift":
                y += Fraction(p)
            elif kind == "clip":
                y = min(max(y, Fraction(p[0])), Fraction(p[1]))
            else:
                gamma, beta, mean, var = map(Fraction, p)
                y = gamma * (y - mean) / decimal_root(var) + beta
        for threshold, (number, strict) in zip(thresholds, cuts, strict=True):
            gap = y - number
            if abs(gap) < Fraction(1, 1 << 900):  # an exact tie, as far as 2,000 bits can tell
                gap = Fraction(0)
            assert ((-acc if inverted else acc) >= threshold) == (gap > 0 or (gap == 0 and not strict))


HUGE = st.sampled_from([3e38, -3e38, 1e-45, 1e30, -1e-30])
MANY = st.lists(st.tuples(st.one_of(SMALL, FLOATS, HUGE).map(Fraction), st.booleans()), min_size=6, max_size=40)
RISING = st.one_of(
    STEP,
    st.tuples(st.just("leaky"), st.one_of(st.integers(0, 8).map(lambda n: n / 4), st.floats(0, 2, width=32))),
    st.tuples(st.just("scale"), HUGE),
    st.tuples(st.just("shift"), HUGE),
)


@settings(max_examples=150, deadline=None)
@given(
    steps=st.lists(RISING, min_size=1, max_size=5).filter(lambda s: sum(kind == "norm" for kind, _ in s) < 3),
    cuts=MANY.map(sorted),
    n=st.sampled_from([1, 7, 100, 1 << 40]),
    step=st.integers(1, 3),
)
def test_many_cuts_at_a_time_are_found_as_each_alone(steps, cuts, n, step):
    """The bounds of floats decide nothing that exact numbers would decide otherwise."""
    made = [getattr(fold, kind)(*(p if isinstance(p, (tuple, list)) else (p,))) for kind, p in steps]
    chain = chain_of(*made)
    alone = [integer_thresholds(chain, [cut], -n, n) for cut in cuts]
    thresholds, inverted = integer_thresholds(chain, cuts, -n, n)
    assert [(number,) for number in thresholds] == [tuple(found) for found, _ in alone]
    assert {inverted} == {turned for _, turned in alone}
    bounds = [1 - t if inverted else t for t in thresholds]
    grid = (-n, -n + 2 * n // step * step)
    least = min(tie_distance(chain, cut, t, step, grid) for cut, t in zip(cuts, bounds, strict=True))
    assert nearest(chain, cuts, bounds, step, grid) == least


@pytest.mark.parametrize(("gamma", "beta", "always"), [(0.0, 0.5, True), (0.0, -0.5, False), (0.0, -0.0, True)])
def test_gamma_zero_is_a_constant_neuron(gamma, beta, always):
    chain = chain_of(fold.norm(gamma, beta, 3.0, 2.0))
    assert integer_thresholds(chain, [(Fraction(0), False)], -8, 8) == ([-8 if always else 9], False)


def test_a_tie_belongs_to_the_one_side_that_the_cut_says():
    chain = chain_of(fold.norm(1.5, 0.0, 4.0, 0.3))  # 0 exactly at 4, and an irrational slope
    assert integer_thresholds(chain, [(Fraction(0), False), (Fraction(0), True)], -8, 8)[0] == [4, 5]


@settings(max_examples=200, deadline=None)
@given(a=NUMBERS, b=NUMBERS, c=NUMBERS, v=VARIANCES, w=VARIANCES)
def test_signs_of_sums_of_two_roots(a, b, c, v, w):
    x = root(Fraction(v)) * Fraction(a) + root(Fraction(w)) * Fraction(b) + Fraction(c)
    value = Fraction(a) * decimal_root(Fraction(v)) + Fraction(b) * decimal_root(Fraction(w)) + Fraction(c)
    expected = 0 if abs(value) < Fraction(1, 1 << 900) else (1 if value > 0 else -1)
    assert sign(x) == expected == -sign(-x)
    assert abs(nearly(x) - value) < Fraction(1, 1 << 200)


def test_roots_that_are_equal_cancel():
    one = root(Fraction(2)) * root(Fraction(3))
    assert sign(one * one - 6) == 0
    assert sign(root(Fraction(9, 4)) - Fraction(3, 2)) == 0  # a root that is a fraction
    assert sign(root(Fraction(8)) - root(Fraction(2)) * 2) == 0  # dependent roots
    assert sign(root(Fraction(8)) - root(Fraction(2)) * 2 - Fraction(1, 10**50)) == -1
    assert isinstance(one, Surd) and approximate(one) == pytest.approx(6**0.5)


@settings(max_examples=100, deadline=None)
@given(slope=NUMBERS, offset=NUMBERS, strict=st.booleans())
def test_input_thresholds_are_the_smallest_float32(slope, offset, strict):
    cut = (Fraction(0), strict)
    found = float_threshold(chain_of(fold.scale(slope), fold.shift(offset)), cut)

    def code(x: np.float32) -> bool:
        y = Fraction(slope) * Fraction(float(x)) + Fraction(offset)
        reached = y > 0 or (y == 0 and not strict)
        return reached != (slope < 0)  # a falling chain is turned round

    top = np.finfo(np.float32).max
    if np.isinf(found):
        assert code(-top) == code(top) == (found < 0)
    else:
        x = np.float32(found)
        assert x == found and code(x)
        assert not code(np.nextafter(x, np.float32(-np.inf)))


def test_distance_of_a_threshold_to_the_nearest_sum():
    cut = (Fraction(0), False)
    chain = chain_of(fold.shift(-0.25))
    assert tie_distance(chain, cut, 1, 2, (-4, 4)) == 0.25
    assert tie_distance(chain, cut, 1, 2, (-3, 3)) == 0.75
    assert tie_distance(chain_of(fold.shift(-2.0)), cut, 2, 2, (-4, 4)) == 0
    assert tie_distance(chain_of(fold.shift(-9.0)), cut, 5, 2, (-4, 4)) == np.inf


@settings(max_examples=100, deadline=None)
@given(
    classes=st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS, VARIANCES), min_size=1, max_size=4),
    n=st.integers(1, 12),
)
def test_integer_scores_keep_the_exact_order_and_its_ties(classes, n):
    chains = [chain_of(fold.norm(*params)) for params in classes]
    try:
        scores = integer_scores(chains, [-n] * len(classes), [n] * len(classes), 2)
    except ValueError:
        return  # too close for 40 bits: refused, not rounded
    cells = []
    for label, (gamma, beta, mean, var) in enumerate(classes):
        for acc in range(-n, n + 1, 2):
            exact = Fraction(gamma) * (acc - Fraction(mean)) / decimal_root(Fraction(var)) + Fraction(beta)
            turned = -acc if scores.inverted[label] else acc
            integer = turned if scores.scale is None else int(scores.scale[label]) * turned + int(scores.offset[label])
            cells.append((exact, integer))
    cells.sort()
    for (x, i), (y, j) in zip(cells, cells[1:], strict=False):
        assert (i == j) if y - x < Fraction(1, 1 << 900) else (i < j)


def test_one_affine_map_for_all_classes_needs_no_scores():
    chains = [chain_of(fold.norm(0.7, -1.1, 0.4, 318.2))] * 3
    scores = integer_scores(chains, [-8] * 3, [8] * 3, 2)
    assert scores.scale is None and not scores.inverted.any()
    chains = [chain_of(fold.norm(-0.7, -1.1, 0.4, 318.2))] * 3
    scores = integer_scores(chains, [-8] * 3, [8] * 3, 2)
    assert scores.scale is None and scores.inverted.all()


def test_thirds_become_whole():
    chains = [chain_of(fold.scale([Fraction(1, 3)])), chain_of(fold.scale(np.array([Fraction(2, 3)], object)))]
    scores = integer_scores(chains, [-4, -4], [4, 4], 2)
    assert scores.scale.tolist() == [1, 2] and scores.offset.tolist() == [0, 0]


def test_scores_that_need_too_many_bits_are_refused():
    chains = [chain_of(fold.scale(1.0)), chain_of(fold.scale(1.5), fold.shift(2.0**-60))]
    with pytest.raises(ValueError, match="more than 40 fraction bits"):
        integer_scores(chains, [-4, -4], [4, 4], 2)
    apart = [chain_of(fold.scale(2.0**-40)), chain_of(fold.scale(2.0**-40), fold.shift(2.0**40))]
    with pytest.raises(ValueError, match="lie more than 60 bits apart"):
        integer_scores(apart, [-4, -4], [4, 4], 2)


@pytest.mark.parametrize("root_of", [None, 3.0])
def test_scores_too_many_to_compare(root_of):
    """Whole multiples of one number stay exact; all else is rounded to 60 bits, and says so."""
    chains = [chain_of(fold.scale(x), fold.shift(y)) for x, y in ((0.75, 1.0), (0.5, 0.25), (0.75, 0.0))]
    if root_of:
        chains[1] = chain_of(fold.norm(1.0, 0.5, 0.0, root_of))
    reach = 1 << 30
    scores = integer_scores(chains, [-reach] * 3, [reach] * 3, 1)
    assert scores.exact == (root_of is None)
    if scores.exact:
        assert scores.scale.tolist() == [3, 2, 3] and scores.offset.tolist() == [4, 1, 0]
    else:
        top = int(abs(scores.scale).max()) * reach + int(abs(scores.offset).max())
        assert top.bit_length() == 60
        ratio = Fraction(int(scores.scale[1]), int(scores.scale[0])) * Fraction(3, 4)
        assert abs(ratio * ratio * 3 - 1) < Fraction(1, 1 << 28)


def test_classes_of_one_slope_keep_their_order_at_any_width():
    """Offsets 0, 1/3 and 2/3 + 5 of a step: three ranks a step."""
    shifts = [Fraction(0), Fraction(1, 3), Fraction(17, 3), Fraction(1, 3)]
    chains = [chain_of(fold.scale(0.75), fold.shift(np.array(x * Fraction(3, 4), object))) for x in shifts]
    scores = integer_scores(chains, [-(1 << 40)] * 4, [1 << 40] * 4, 1)
    assert scores.scale.tolist() == [3] * 4 and scores.offset.tolist() == [0, 1, 17, 1]


def test_ranks_of_equal_scores_are_equal():
    grid = [np.array([-2, 0, 2]), np.array([-2, 0, 2])]
    assert ranks([Fraction(1), Fraction(2)], [Fraction(0), Fraction(0)], grid).tolist() == [1, 2, 3, 0, 2, 4]


def exact_ranks(slopes, offsets, grid):
    """By definition: how many different scores are lower."""
    scores = [
        slope * int(a) + offset for slope, offset, cells in zip(slopes, offsets, grid, strict=True) for a in cells
    ]
    lower = [[k for k, other in enumerate(scores) if sign(other - score) < 0] for score in scores]
    firsts = [k for k, score in enumerate(scores) if not any(sign(score - scores[j]) == 0 for j in range(k))]
    return [len(set(below) & set(firsts)) for below in lower]


#: Halves and thirds, some of them off by less than floats tell: whole lines of ties and near ties.
TINY = st.sampled_from([Fraction(0), Fraction(0), Fraction(1, 10**20), Fraction(-1, 10**30)])
SCORES = st.builds(lambda n, d, tiny: Fraction(n, d) + tiny, st.integers(-3, 3), st.sampled_from([1, 2, 3]), TINY)


@settings(max_examples=150, deadline=None)
@given(
    classes=st.lists(st.tuples(SCORES, SCORES, st.integers(1, 9)), min_size=1, max_size=4),
    roots=st.sampled_from([(1, 1), (2, 1), (2, 2), (10**60, 1)]),
    step=st.integers(1, 2),
)
def test_ranks_where_floats_cannot_tell(classes, roots, step):
    by_slope, by_offset = (root(Fraction(v)) for v in roots)
    slopes, offsets = [s * by_slope for s, _, _ in classes], [o * by_offset for _, o, _ in classes]
    grid = [np.arange(-n, n + 1, step) for _, _, n in classes]
    assert ranks(slopes, offsets, grid).tolist() == exact_ranks(slopes, offsets, grid)


def test_ranks_of_a_million_scores_that_all_tie():
    """Two classes with scores a * sqrt(2) and 2 a * sqrt(2): every other one of the first has a twin."""
    grid = [np.arange(-(1 << 19), (1 << 19) + 1), np.arange(-(1 << 18), (1 << 18) + 1)]
    found = ranks([root(Fraction(2)), root(Fraction(8))], [Fraction(0)] * 2, grid)
    assert np.array_equal(found[: len(grid[0])], np.arange(len(grid[0])))
    assert np.array_equal(found[len(grid[0]) :], np.arange(len(grid[1])) * 2)


def test_a_class_whose_score_is_constant():
    """One cell stands for all of it; the scores of the others still lie around it in their exact order."""
    constant = chain_of(fold.scale(0.0), fold.shift(-0.75))
    chains = [constant, chain_of(fold.scale(0.5)), constant]
    scores = integer_scores(chains, [-100] * 3, [100] * 3, 2)
    for a in range(-100, 101, 2):
        found = scores.scale * a + scores.offset
        assert found[0] == found[2] and (found[1] > found[0]) == (a > -1.5)
