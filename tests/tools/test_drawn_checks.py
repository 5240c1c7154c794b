"""Drawn checks over workers: what passed is kept, and the failure with the lowest seed is told."""

import sys

import pytest

from tools import drawn_checks

TEST = """
from hypothesis import given, strategies as st

@given(st.integers())
def test_small(number):
    assert {limit}
"""


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    monkeypatch.setenv("BITWEIR_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "tests").mkdir()
    # The profile that the checks ask for.
    (tmp_path / "tests" / "conftest.py").write_text(
        "from hypothesis import settings\nsettings.register_profile('search', max_examples=5)\n"
    )
    (tmp_path / "tests" / "test_drawn.py").write_text(TEST.format(limit="isinstance(number, int)"))
    monkeypatch.setattr(drawn_checks, "checkout", lambda: tmp_path)
    return tmp_path


def run(monkeypatch, capsys, *words):
    monkeypatch.setattr(sys, "argv", ["drawn_checks", *words])
    code = drawn_checks.main()
    return code, capsys.readouterr().out


def test_what_passed_is_kept(checkout, monkeypatch, capsys):
    words = ("tests/test_drawn.py", "--seeds", "2", "--jobs", "1")
    code, told = run(monkeypatch, capsys, *words)
    assert code == 0 and told.startswith("2 runs, of which 0 have passed before\n") and "2 of 2 runs in" in told
    code, told = run(monkeypatch, capsys, *words)
    assert (code, told) == (0, "2 runs, of which 2 have passed before\n")
    (checkout / "tests" / "test_drawn.py").write_text(TEST.format(limit="number > 0"))
    code, told = run(monkeypatch, capsys, *words)
    assert code == 1 and "2 runs failed, the first: python -m pytest" in told
    assert "--hypothesis-seed=0 tests/test_drawn.py" in told and "assert 0 > 0" in told
    # A failure is no result to keep.
    assert run(monkeypatch, capsys, *words)[1].startswith("2 runs, of which 0 have passed")


def test_workers_with_other_tests(checkout):
    assert "same checkout" in drawn_checks.attempt("others", print, drawn_checks.Check("tests/test_drawn.py", 0))
