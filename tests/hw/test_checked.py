"""The rules of numbers, texts and paths that users give."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from bitweir_hw.checked import array, chosen, hertz, items, place, real, text, whole
from bitweir_hw.errors import FileError, LinkError, NetworkError, PlanError


@pytest.mark.parametrize("value", [3, np.int8(3), np.uint64(3), np.array(3)])
def test_integers_of_all_types(value):
    assert (found := whole(value, "N", low=3, high=3)) == 3 and type(found) is int


@pytest.mark.parametrize("value", [2.0, np.float32(1), "1", None, True, np.True_, [1], np.array([1]), 1j])
def test_what_is_no_integer(value):
    with pytest.raises(PlanError, match="^N must be a whole number of 1 or more, not "):
        whole(value, "N")
    with pytest.raises(LinkError, match="^N must be a whole number, not "):
        whole(value, "N", low=None, error=LinkError)


@pytest.mark.parametrize("value", [0, 5, -(10**30)])
def test_integers_out_of_range(value):
    with pytest.raises(PlanError, match=rf"^N must be a whole number from 1 to 4, not {value:,.0f}"[:45]):
        whole(value, "N", high=4)


@pytest.mark.parametrize("value", [1, 1.0, np.float32(1), np.int64(1), Fraction(1)])
def test_numbers_of_all_types(value):
    assert real(value, "R", over=True) == 1.0 and type(real(value, "R")) is float


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1, "1", None, True, 1j, [1.0], np.ones(1)])
def test_what_is_no_number(value):
    for options, rule in (
        ({"over": True, "unit": "s"}, "a positive number of s"),
        ({"low": 1}, "1 or more"),
        ({"high": 2, "unit": "s"}, "0 to 2 s"),
    ):
        with pytest.raises(PlanError, match=f"^R must be {rule}, not "):
            real(value, "R", **options)


def test_clocks():
    assert [hertz(value) for value in (10e3, 100_000_000, np.float32(1e9), 10e9)] == [1e4, 1e8, 1e9, 1e10]
    for value in (0, -5, 100, 9_999, 1.1e10, math.nan, math.inf, "1e8", True, None):
        with pytest.raises(
            PlanError, match=r"^The clock must be 0\.01 to 10,000 MHz, in Python in Hz, such as 100e6, not"
        ):
            hertz(value)


def test_words_texts_and_lists():
    assert chosen("a", "W", ("a", "b")) == "a" and text("x", "T", "y") == "x"
    for value in ("c", 5, None, [], np.array(["a"])):
        with pytest.raises(PlanError, match="^W must be one of a, b, not "):
            chosen(value, "W", ("a", "b"))
    with pytest.raises(PlanError, match=r"^T must be a text, such as 'y', not 5\.$"):
        text(5, "T", "y")
    assert items("ab", "L", "") == ("ab",) and items(iter("ab"), "L", "") == ("a", "b")
    for value in (5, None, {"a": 1}):
        with pytest.raises(PlanError, match=r"^L must be a list, such as \[1\], not "):
            items(value, "L", "[1]")


def test_paths():
    assert place("a") == place(Path("a")) == Path("a")
    for value, told in (
        (None, "must be a path, such as 'build/net', not None."),
        (b"a", "must be a path, such as 'build/net', not b'a'."),
        ("", "must have a name, such as 'build/net'; it is empty."),
        ("a\0", "must have a name without the character NUL, not 'a\\x00'."),
    ):
        with pytest.raises(FileError) as error:
            place(value)
        assert str(error.value) == f"The folder {told}"


def test_arrays():
    assert array([[1, 2]], "A", NetworkError).shape == (1, 2)
    for value, told in (([[1], [1, 2]], "rows of different lengths"), (None, "None"), ([None], r"\[None\]")):
        with pytest.raises(NetworkError, match=f"^A must be an array of numbers, not {told}\\.$"):
            array(value, "A", NetworkError)


def test_long_values_are_cut():
    with pytest.raises(PlanError) as error:
        text(list(range(99)), "T", "y")
    assert len(str(error.value)) < 110 and str(error.value).endswith("....")
