"""Frames to codes: thresholds, pixels, the order of the stream, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from bitweir_hw.errors import NetworkError
from bitweir_hw.network import Format, Input
from bitweir_sim.encoding import batches, encode, pixel_values
from hypothesis import given, settings
from hypothesis import strategies as st


def entry(**changes: object) -> Input:
    settings: dict[str, object] = {
        "shape": (2, 2),
        "format": Format(bits=2),
        "thresholds": np.array([[0.25, 0.5, 1.0]]),
        "source": np.arange(4),
        "pixel_scale": "1/255",
    }
    return Input(**{**settings, **changes})  # type: ignore[arg-type]


def test_encode_counts_thresholds_that_are_reached() -> None:
    x = np.array([[[0.25, 0.2499], [0.5, np.inf]], [[-np.inf, 1.0], [0.999, 0.3]]])
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
    pixels = entry(source=np.array([3, 0, 3]), thresholds=np.array([[0.0], [5.0], [9.0]]), pixel_scale="1")
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


def test_pixel_values() -> None:
    pixels = np.arange(256, dtype=np.float32)
    for scale, values in {
        "1": pixels,
        "1/255": pixels / np.float32(255),
        "2/255": (pixels * np.float32(2)) / np.float32(255),
        "0.1": pixels * np.float32(0.1),
    }.items():
        found = pixel_values(scale)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, values)


def test_signed_integers_are_codes() -> None:
    turned = entry(source=np.array([3, 2, 1, 0]))
    assert encode(turned, np.array([[0, 1, 2, 3]])).tolist() == [[0, 1, 2, 3]]
    assert encode(turned, np.array([[[0, 1], [2, 3]]], np.int8)).tolist() == [[3, 2, 1, 0]]


PIXELS = np.zeros((1, 2, 2), np.uint8)


@pytest.mark.parametrize(
    ("changes", "x", "message"),
    [
        ({}, np.zeros((5, 4)), "Frames must have the shape (N, 2, 2), not (5, 4)."),
        ({}, np.zeros((2, 2)), "Frames must have the shape (N, 2, 2), not (2, 2)."),
        ({}, 0.5, "Frames must have the shape (N, 2, 2), not ()."),
        (
            {},
            np.zeros((1, 2, 2), np.bool_),
            "Frames must be floating point, uint8 (pixels) or signed integers (codes), not bool.",
        ),
        ({}, np.full((1, 2, 2), np.nan), "Frames must hold numbers, not NaN."),
        ({}, np.array([[0, 1, 2, 4]]), "Codes must be 0 to 3 for 2 bits; one is 4."),
        ({}, np.array([[[0, 1], [-1, 2]]]), "Codes must be 0 to 3 for 2 bits; one is -1."),
        (
            {"pixel_scale": None},
            PIXELS,
            "Pixels (uint8) need a scale to become what the model file takes; "
            "give it with --input-scale, such as 1/255.",
        ),
        ({"pixel_scale": "a/b"}, PIXELS, "Input scale must be a number or a fraction such as 1/255, not 'a/b'."),
        ({"pixel_scale": "1/0"}, PIXELS, "Input scale must be a number or a fraction such as 1/255, not '1/0'."),
    ],
)
def test_encode_refuses(changes: dict[str, object], x: object, message: str) -> None:
    with pytest.raises(NetworkError) as caught:
        encode(entry(**changes), x)  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_memory_is_bounded_by_small_parts() -> None:
    parts = list(batches(100, 1 << 22))
    assert [(part.start, part.stop) for part in parts] == [(i, i + 1) for i in range(100)]
