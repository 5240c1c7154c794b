"""How many examples are drawn: a part of them every day, all of them in `make test-long`."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

DRAWN = {"many": 0, "few": 0, "own": 0}


@settings(max_examples=100)
@given(st.integers())
def test_many(_):
    DRAWN["many"] += 1


@settings(max_examples=8)
@given(st.integers())
def test_few(_):
    DRAWN["few"] += 1


@given(st.integers())
def test_as_many_as_the_profile_says(_):
    DRAWN["own"] += 1


# xdist may run the tests before in another process: this one draws again.
def test_a_part_is_drawn_every_day(pytestconfig):
    profile = pytestconfig.getoption("--hypothesis-profile") or "ci"
    if profile == "search":
        pytest.skip("the profile draws as many as it likes")
    daily = profile == "ci"
    for test, name, whole, part in (
        (test_many, "many", 100, 20),
        (test_few, "few", 8, 8),
        (test_as_many_as_the_profile_says, "own", 50, 10),
    ):
        DRAWN[name] = 0
        test()
        assert DRAWN[name] == (part if daily else whole), name
