"""Frames to codes: thresholds, pixels, the order of the stream, and what is refused."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from bitweir_hw.errors import NetworkError
from bitweir_hw.network import Format, Input, Stored
from bitweir_sim.values.encoding import Codes, batches, encode, encoded, model_values
from hypothesis import given, settings
from hypothesis import strategies as st

PIXELS = Stored(scale=("1/255",))


def entry(**changes: object) -> Input:
    settings: dict[str, object] = {
        "shape": (2, 2),
        "format": Format(bits=2),
        "thresholds": np.array([[0.25, 0.5, 1.0]]),
        "source": np.arange(4),
        "stored": PIXELS,
    }
    return Input(**{**settings, **changes})  # type: ignore[arg-type]


def whole(stored: Stored, **changes: object) -> Input:
    """An input that carries the integers themselves."""
    bits = (stored.levels - 1).bit_length()
    return entry(**{"format": Format(bits=bits), "thresholds": None, "stored": stored, **changes})


def test_encode_counts_thresholds_that_are_reached() -> None:
    x = np.array([[[0.25, 0.2499], [0.5, 1e300]], [[-1e300, 1.0], [0.999, 0.3]]])
    codes = encode(entry(), x)
    assert codes.dtype == np.uint8
    assert codes.tolist() == [[1, 0, 2, 3], [0, 3, 2, 1]]


def test_encode_compares_in_float64() -> None:
    above = np.nextafter(0.1, 1)
    narrow = entry(thresholds=np.array([[0.1, above]]))
    assert encode(narrow, np.full((1, 2, 2), 0.1)).tolist() == [[1] * 4]
    # float32(0.1) is a little more than 0.1.
    assert encode(narrow, np.full((1, 2, 2), 0.1, np.float32)).tolist() == [[2] * 4]


def test_encode_takes_elements_from_their_source_and_thresholds_of_their_own() -> None:
    rows = entry(source=np.array([3, 0, 3]), thresholds=np.array([[0.0], [5.0], [9.0]]))
    assert encode(rows, np.array([[[4.0, 0], [0, 7.0]]])).tolist() == [[1, 0, 0]]
    pixels = entry(source=np.array([3, 0, 3]), thresholds=np.array([[0.0], [5.0], [9.0]]), stored=Stored())
    assert encode(pixels, np.array([[[5, 0], [0, 7]]], np.uint8)).tolist() == [[1, 1, 0]]


@settings(deadline=None)
@given(st.integers(1, 300), st.integers(0, 2**32 - 1))
def test_encode_follows_its_rule(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    thresholds = np.sort(rng.integers(-50, 50, (1, count)) / 8)
    x = rng.integers(-60, 60, (3, 2, 2)) / 8
    codes = encode(entry(format=Format(bits=9), thresholds=thresholds), x)
    assert codes.dtype == np.uint16
    assert codes.tolist() == [[sum(v >= t for t in thresholds[0]) for v in frame.ravel()] for frame in x]


@pytest.mark.parametrize("rows", [1, 4])
def test_pixels_are_scaled_in_float32(rows: int) -> None:
    # 0.2 < float32(51) / float32(255): a quotient rounded in float64 would compare otherwise.
    edge = float(np.float32(51) / np.float32(255))
    assert edge != 51 / 255
    form = Format(bits=2)
    thresholds = np.repeat([[edge]], rows, axis=0)
    x = np.array([[[50, 51], [52, 255]]], np.uint8)
    assert encode(entry(format=form, thresholds=thresholds), x).tolist() == [[0, 1, 1, 1]]


RULES = {
    "1": (Stored(), lambda q: q),
    "1/255": (PIXELS, lambda q: q / np.float32(255)),
    "2/255": (Stored(scale=("2/255",)), lambda q: (q * np.float32(2)) / np.float32(255)),
    "0.1": (Stored(scale=("1/10",)), lambda q: q / np.float32(10)),
    "x/127.5-1": (Stored(scale=("2/255",), offset=("-1",)), lambda q: q / np.float32(127.5) - np.float32(1)),
    "(x-33)/79": (Stored(scale=("1/79",), offset=("-33/79",)), lambda q: (q - np.float32(33)) / np.float32(79)),
    "1-x/7": (Stored(low=0, high=7, scale=("-1/7",), offset=("1",)), lambda q: np.float32(1) - q / np.float32(7)),
    "int8": (Stored(low=-128, high=127), lambda q: q),
}


@pytest.mark.parametrize("rule", RULES)
def test_what_the_model_takes_for_integers(rule: str) -> None:
    """Of the exact rule, rounded once: where it is a quotient alone, that is what frameworks compute."""
    stored, framework = RULES[rule]
    integers = np.arange(stored.low, stored.high + 1)
    found = model_values(whole(stored, shape=(stored.levels,), source=np.arange(stored.levels)), integers[None])[0]
    assert found.dtype == np.float32
    exact = [Fraction(stored.scale[0]) * int(q) + Fraction(stored.offset[0]) for q in integers]
    assert [float(x) for x in found] == [float(np.float32(float(x))) for x in exact]
    if stored.offset == ("0",):
        np.testing.assert_array_equal(found, framework(integers.astype(np.float32)))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint16, np.int64, np.uint64, np.float32, np.float64])
def test_integers_and_floats_are_codes_from_the_lowest(rule: str, dtype: type) -> None:
    stored, framework = RULES[rule]
    entry = whole(stored, shape=(1,), source=np.zeros(1, np.int64))
    integers = np.arange(stored.low, stored.high + 1)
    if np.dtype(dtype).kind == "f":
        x = framework(integers.astype(dtype)).astype(dtype)
    else:
        ends = np.iinfo(dtype)
        integers = integers[(integers >= int(ends.min)) & (integers <= int(ends.max))]
        x = integers.astype(dtype)
    assert encode(entry, x[:, None]).ravel().tolist() == (integers - stored.low).tolist()


ORDERS = [
    lambda q, m, s: (q / np.float32(255) - m) / s,
    lambda q, m, s: (q * np.float32(1 / 255) - m) / s,
    lambda q, m, s: (q - m * np.float32(255)) / (np.float32(255) * s),
    lambda q, m, s: q * (np.float32(1) / (np.float32(255) * s)) - m / s,
    lambda q, m, s: (q / np.float32(255)) * (np.float32(1) / s) - m * (np.float32(1) / s),
    lambda q, m, s: ((q.astype(np.float64) / 255 - float(m)) / float(s)).astype(np.float32),
]


@given(
    st.fractions(min_value=-4, max_value=4, max_denominator=10_000),
    st.fractions(min_value=Fraction(1, 100), max_value=4, max_denominator=10_000),
    st.sampled_from([(0, 255), (0, 16), (-128, 127), (0, 1), (-32768, 32767)]),
)
def test_every_usual_order_of_operations_lies_within_the_tolerance(
    m: Fraction, s: Fraction, ends: tuple[int, int]
) -> None:
    scale, offset = 1 / (255 * s), -m / s
    stored = Stored(low=ends[0], high=ends[1], scale=(str(scale),), offset=(str(offset),))
    integers = np.unique(np.linspace(*ends, 300).astype(np.int64))
    assert stored.tolerance() < scale / 4
    for order in ORDERS:
        x = order(integers.astype(np.float32), np.float32(float(m)), np.float32(float(s)))
        errors = [abs(Fraction(float(value)) - scale * int(q) - offset) for value, q in zip(x, integers, strict=True)]
        assert max(errors) <= stored.tolerance()
        codes = encode(whole(stored, shape=(1,), source=np.zeros(1, np.int64)), x[:, None]).ravel()
        assert codes.tolist() == (integers - ends[0]).tolist()


def test_rules_of_channels() -> None:
    """A rule for each row of the frame; elements in another order, one of them twice."""
    rule = {"scale": ("1", "1/2"), "offset": ("-10", "3")}
    for axis, x in ((0, [[0, 5], [8, 3]]), (1, [[0, 8], [5, 3]])):
        stored = Stored(low=0, high=8, axis=axis, **rule)
        frames = np.array([x])
        values = model_values(whole(stored), frames)
        assert values.tolist() == [[[-10, -5], [7, 4.5]]] if axis == 0 else [[[-10, 7], [-5, 4.5]]]
        order = np.array([3, 0, 1, 2, 0])
        wanted = np.array(x).ravel()[order].tolist()
        assert encode(whole(stored, source=order), frames).tolist() == [wanted]
        assert encode(whole(stored, source=order), values).tolist() == [wanted]
        # A quantiser in the model: thresholds of x.
        cut = entry(stored=stored, source=order, thresholds=np.array([[-6.0, 4.5, 7.0]]))
        assert encode(cut, frames).tolist() == encode(cut, values).tolist()
        assert encode(cut, frames)[0].tolist() == [sum(v >= t for t in (-6, 4.5, 7)) for v in values.ravel()[order]]


def test_codes_are_told_by_their_type() -> None:
    turned = entry(source=np.array([3, 2, 1, 0]))
    assert encode(turned, Codes(np.array([[0, 1, 2, 3]]))).tolist() == [[0, 1, 2, 3]]
    assert encode(turned, Codes(np.array([[[0, 1], [2, 3]]], np.int8))).tolist() == [[3, 2, 1, 0]]
    # Integers of any type are stored integers: 255 is 1 for the model.
    assert encode(turned, np.full((1, 2, 2), 255)).tolist() == [[3] * 4]


HELP = (
    "give images that the input rule allows (--input-scale and --input-range, in Python input_scale= and "
    "input_range=), give the rule of these images, or round them (--round-images, in Python rounding=True)."
)
SIGNED = whole(Stored(low=-4, high=3))
CENTRED = whole(Stored(scale=("2/255",), offset=("-1",)))
MISFITS = [
    (
        SIGNED,
        np.array([[[0, 1], [200, 3]], [[9, 0], [0, 0]]], np.uint8),
        "Frames must hold integers from -4 to 3, but 2 of 8 numbers are not, the first of them 200 in image 0 at "
        f"(1, 0), where 3 is nearest: {HELP}",
        [[4, 5, 7, 7], [7, 4, 4, 4]],
    ),
    (
        SIGNED,
        np.array([[[0, 1], [2, 3]], [[-5, 0], [-4, 0]]], np.int8),
        "Frames must hold integers from -4 to 3, but 1 of 8 numbers are not, the first of them -5 in image 1 at "
        f"(0, 0), where -4 is nearest: {HELP}",
        [[4, 5, 6, 7], [0, 4, 0, 4]],
    ),
    (
        SIGNED,
        np.array([[[0, 1], [2, 1 << 63]]], np.uint64),
        "Frames must hold integers from -4 to 3, but 1 of 4 numbers are not, the first of them 9223372036854775808 "
        f"in image 0 at (1, 1), where 3 is nearest: {HELP}",
        [[4, 5, 6, 7]],
    ),
    (
        whole(Stored(low=-9, high=-2)),
        np.array([[[0, 1], [2, 3]]], np.uint8),
        "Frames must hold integers from -9 to -2, but 4 of 4 numbers are not, the first of them 0 in image 0 at "
        f"(0, 0), where -2 is nearest: {HELP}",
        [[7, 7, 7, 7]],
    ),
    (
        CENTRED,
        np.array([[[-1, 1], [0.0, 0.25]]], np.float32),
        "Frames must hold what 2/255*x-1 makes of integers x from 0 to 255, but 2 of 4 numbers are not, the first "
        f"of them 0 in image 0 at (1, 0), where 0.00392156863 is nearest: {HELP}",
        [[0, 255, 128, 159]],
    ),
    (
        CENTRED,
        np.array([[[-1, 1], [1.0078431, 1e300]]]),
        "Frames must hold what 2/255*x-1 makes of integers x from 0 to 255, but 2 of 4 numbers are not, the first "
        f"of them 1.0078431 in image 0 at (1, 0), where 1 is nearest: {HELP}",
        [[0, 255, 255, 255]],
    ),
    (
        entry(stored=Stored(high=16)),
        np.array([[[0, 1], [2, 17]]], np.uint8),
        "Frames must hold integers from 0 to 16, but 1 of 4 numbers are not, the first of them 17 in image 0 at "
        f"(1, 1), where 16 is nearest: {HELP}",
        [[0, 3, 3, 3]],
    ),
]


@pytest.mark.parametrize(("entry", "x", "message", "codes"), MISFITS)
def test_images_off_the_grid_are_refused_or_rounded(entry: Input, x: np.ndarray, message: str, codes: list) -> None:
    with pytest.raises(NetworkError) as caught:
        encode(entry, x)
    assert str(caught.value) == message
    found = encoded(entry, x, rounding=True)
    assert found.codes.tolist() == codes
    assert f"but {found.rounded} of {x.size} numbers" in message
    if entry.thresholds is None:
        # What the model takes then is what the codes mean; what was right stays as it is.
        values = model_values(entry, x, rounding=True)
        assert encode(entry, values).tolist() == codes
    else:
        assert encode(entry, model_values(entry, x, rounding=True)).tolist() == codes


def test_the_first_misfit_is_that_of_the_whole_batch() -> None:
    """Frames go through in parts; the image is counted from the first of all."""
    x = np.zeros((5000, 2, 2))
    x[4321, 1, 0] = x[4999, 0, 0] = 0.5
    with pytest.raises(NetworkError, match=r"but 2 of 20,000 numbers .* 0\.5 in image 4321 at \(1, 0\), where 0 is"):
        encode(SIGNED, x)
    assert encoded(SIGNED, x, rounding=True).rounded == 2


NUMBERS = np.zeros((1, 2, 2), np.uint8)


@pytest.mark.parametrize(
    ("changes", "x", "message"),
    [
        ({}, np.zeros((5, 4)), "Frames must have the shape (N, 2, 2), not (5, 4)."),
        ({}, np.zeros((2, 2)), "Frames must have the shape (N, 2, 2), not (2, 2)."),
        ({}, 0.5, "Frames must have the shape (N, 2, 2), not ()."),
        ({}, np.zeros((1, 2, 2), np.bool_), "Frames must be floating point or integers, not bool."),
        (
            {},
            np.array([[[0, 1], [np.nan, 2]]]),
            "Frames must hold finite numbers, not nan, as image 0 does at (1, 0).",
        ),
        ({}, np.full((1, 2, 2), -np.inf), "Frames must hold finite numbers, not -inf, as image 0 does at (0, 0)."),
        (
            {},
            Codes(np.array([[0, 1, 2, 3], [0, 4, 2, 5]])),
            "Codes must be 0 to 3, but 2 of 8 are not, the first of them 4 in image 1 at 1, where 3 is nearest.",
        ),
        (
            {},
            Codes(np.array([[[0, 1], [-1, 2]]])),
            "Codes must be 0 to 3, but 1 of 4 are not, the first of them -1 in image 0 at 2, where 0 is nearest.",
        ),
        # Two bits have four codes, but two thresholds make three.
        (
            {"thresholds": np.array([[0.0, 1.0]])},
            Codes(np.array([[0, 1, 2, 3]])),
            "Codes must be 0 to 2, but 1 of 4 are not, the first of them 3 in image 0 at 3, where 2 is nearest.",
        ),
        ({}, Codes(np.zeros((1, 4))), "Codes must be integers of shape (N, 4), not float64 of shape (1, 4)."),
        (
            {"stored": None},
            NUMBERS,
            "Integers, such as pixels, need a rule by which they become what the model file takes: give one "
            "(--input-scale, such as "
            "1/255, or --input-range; in Python input_scale= or input_range=). Codes go into an array named codes.",
        ),
    ],
)
def test_encode_refuses(changes: dict[str, object], x: object, message: str) -> None:
    with pytest.raises(NetworkError) as caught:
        encode(entry(**changes), x)  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_memory_is_bounded_by_small_parts() -> None:
    parts = list(batches(100, 1 << 22))
    assert [(part.start, part.stop) for part in parts] == [(i, i + 1) for i in range(100)]
