"""Mutants: small faults that still parse, in all that is computed, and the run that tells which a test notices."""

import ast
from pathlib import Path

import pytest

from tools.mutants import run
from tools.mutants.__main__ import ROOT, sample
from tools.mutants.explained import EXPLAINED
from tools.mutants.mutate import mutants
from tools.mutants.targets import TARGETS, files_of

SOURCE = b'''"""Text."""
__all__ = ["f"]


def f(a: int, b, m):
    assert a > 1, "told"
    if (a + 1) < b and not b:
        m.d.comb += [a.eq(b & 3)]
        raise ValueError(f"{a + 1}")
    return Mux(a, b, 0) if a == b else list(zip(a, b, strict=True))
'''


def test_what_is_computed_is_mutated_and_nothing_else():
    found = [(mutant.line, mutant.operator, mutant.before, mutant.after) for mutant in mutants("f.py", SOURCE)]
    statement = "m.d.comb += [a.eq(b & 3)]"
    choice = "Mux(a, b, 0) if a == b else list(zip(a, b, strict=True))"
    assert sorted(found) == sorted(
        [
            (7, "arithmetic", "+", "-"), (7, "number", "1", "2"), (7, "number", "1", "0"), (7, "compare", "<", "<="),
            (7, "compare", "<", ">="), (7, "logic", "and", "or"), (7, "logic", "not b", "b"),
            (8, "statement", statement, "pass"), (8, "arithmetic", "&", "|"), (8, "number", "3", "4"),
            (8, "number", "3", "2"), (10, "choice", "Mux(a, b, 0)", "Mux(a, 0, b)"),
            (10, "choice", choice, "list(zip(a, b, strict=True)) if (a == b) else Mux(a, b, 0)"),
            (10, "compare", "==", "!="), (10, "number", "0", "1"),
        ]
    )  # fmt: skip


def test_every_mutant_parses_and_is_another_file():
    for name in list(files_of(ROOT))[::4]:
        text = (ROOT / name).read_bytes()
        changed = [mutant.of(text) for mutant in mutants(name, text)]
        assert len(set(changed)) == len(changed) and text not in changed
        for other in changed[:: max(len(changed) // 9, 1)]:
            ast.parse(other)


def test_files_and_tests_are_there():
    found = files_of(ROOT)
    assert set(TARGETS) == set(found.values())
    for target in TARGETS:
        assert all((ROOT / test.partition("::")[0]).exists() for test in target.tests)
    # The same mutants each time, of each file one first.
    first = [mutant for (mutant, _), _ in zip(sample(ROOT, ""), found, strict=False)]
    assert len({mutant.file for mutant in first}) == len(first)
    assert first == [mutant for (mutant, _), _ in zip(sample(ROOT, ""), found, strict=False)]


def test_what_is_explained_is_there():
    for file, line, before, _, why in EXPLAINED:
        text = (ROOT / file).read_text()
        assert line in text and before in line and why


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> run.Tree:
    place = tmp_path / "repository"
    (place / "tests").mkdir(parents=True)
    (place / "code.py").write_text("def double(a):\n    return a + a\n")
    (place / "tests" / "test_code.py").write_text(
        "from code_of import double\n\n\ndef test_double():\n    assert double(2) == 4\n"
    )
    (place / "code.py").rename(place / "code_of.py")
    run.subprocess.run(["git", "init", "-q", str(place)], check=True)
    return run.Tree(place, tmp_path / "tree")


def test_a_mutant_is_killed_survives_or_is_late(tree, monkeypatch):
    tests = ("tests/test_code.py",)
    kept = (tree.place / "code_of.py").read_bytes()
    assert tree.run(tests).status == "survived"
    for text, status in ((b"a - a", "killed"), (b"a * a", "survived"), (b"b", "killed")):
        outcome = tree.mutated("code_of.py", kept.replace(b"a + a", text), tests)
        assert outcome.status == status
        assert outcome.by == ("tests/test_code.py::test_double" if status == "killed" else "")
    monkeypatch.setattr(run, "_LIMIT", 2)
    endless = kept.replace(b"return a + a", b"while True: pass")
    assert tree.mutated("code_of.py", endless, tests).status == "timeout"
    assert (tree.place / "code_of.py").read_bytes() == kept
