"""One factor for each stream of a sum, for all channels."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from bitweir.importers.folding.factors import own_factors, ratios, shared_factors
from hypothesis import given, settings
from hypothesis import strategies as st

REAL = st.fractions(Fraction(1, 100), 100, max_denominator=10**9).flatmap(lambda x: st.sampled_from([x, -x]))
SHARE, ENOUGH = Fraction(1, 1 << 24), Fraction(1, 1 << 16)


def arrays(rows):
    return [np.array(row, object) for row in rows]


@settings(max_examples=40)
@given(
    st.lists(REAL, min_size=2, max_size=5), st.lists(st.fractions(1, 9), min_size=1, max_size=3), st.integers(1, 999)
)
def test_no_sum_is_off_by_more_than_the_bound(parts, scales, reach):
    slopes = arrays([[part * scale for scale in scales] for part in parts])
    reaches = [np.full(len(scales), reach + k) for k in range(len(parts))]
    found = shared_factors(slopes, reaches, [SHARE], [None] * len(scales), 30)
    assert found is None or found.weights is not None
    check(slopes, reaches, found, SHARE)
    rooms = [int(one.max()) for one in reaches]
    check(slopes, reaches, own_factors(slopes, reaches, rooms, [SHARE, ENOUGH], 30), ENOUGH)


def check(slopes, reaches, found, share):
    if found is None:
        return
    scales = slopes[0]
    spans = [sum(abs(one[c]) * int(r[c]) for one, r in zip(slopes, reaches, strict=True)) for c in range(len(scales))]
    for c, span in enumerate(spans):
        # The integers that are worst for each stream.
        pairs = zip(slopes, found.factors, reaches, strict=True)
        worst = sum(abs(one[c] - int(factor[c]) * found.unit[c]) * int(r[c]) for one, factor, r in pairs)
        assert worst <= found.error[c] * found.unit[c] <= span * share * Fraction(101, 100)
        assert sum(abs(int(f[c])) * int(r[c]) for f, r in zip(found.factors, reaches, strict=True)) < 1 << 30


def test_small_ratios_stay_exact():
    found = shared_factors(
        arrays([[3, 6], [Fraction(-5), Fraction(-10)]]), [np.array([9, 9])] * 2, [SHARE], [None] * 2, 30
    )
    assert found is None  # integers are no fractions
    slopes = arrays([[Fraction(3), Fraction(6)], [Fraction(-5), Fraction(-10)]])
    found = shared_factors(slopes, [np.array([9, 9])] * 2, [SHARE], [None] * 2, 30)
    assert found is not None and found.weights == (3, -5) and not any(found.error) and found.unit.tolist() == [1, 2]


def test_a_target_is_met_where_it_fits():
    slopes = arrays([[Fraction(2**40 + 1, 2**40)], [Fraction(355, 113)]])
    reaches = [np.array([100])] * 2
    for target in (Fraction(1, 10**8), Fraction(1, 10**40)):
        found = shared_factors(slopes, reaches, [SHARE], [target], 30)
        assert found is not None and found.error[0] * found.unit[0] <= max(target, Fraction(415, 1 << 24))


def test_channels_must_have_the_same_ratios():
    slopes = arrays([[Fraction(1), Fraction(2)], [Fraction(3), Fraction(7)]])
    assert ratios(slopes) is None
    reaches = [np.array([1, 1])] * 2
    assert shared_factors(slopes, reaches, [SHARE], [None] * 2, 30) is None
    found = own_factors(slopes, reaches, [1, 1], [SHARE], 30)
    assert found is not None and found.weights is None
    check(slopes, reaches, found, SHARE)
    # A stream that is much wider in one channel leaves no room for factors of the other.
    assert own_factors(slopes, [np.array([1, 1 << 25])] * 2, [1 << 25, 1 << 25], [SHARE], 28) is None
