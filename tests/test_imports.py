"""Imports of tests run down, as those of the packages do: a test of hw needs nothing of host."""

import ast
from pathlib import Path

import pytest
from support import ROOT

TESTS = ROOT / "tests"
#: For each folder of tests, packages that they may not use.
UPWARDS = {"hw": {"bitweir", "tools"}, "sim": {"bitweir", "tools"}}


def imported(path: Path) -> set[str]:
    """Modules that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None and not node.level, path
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def reached(path: Path) -> set[str]:
    """Packages that a test imports itself, or by what it takes from `support`."""
    todo, seen, packages = [path], set(), set()
    while todo:
        names = imported(todo.pop())
        packages |= {name.partition(".")[0] for name in names}
        for name in names - seen:
            seen.add(name)
            inner = TESTS / f"{name.replace('.', '/')}.py"
            if name.startswith("support.") and inner.is_file():
                todo.append(inner)
    return packages


@pytest.mark.parametrize("folder", UPWARDS)
def test_tests_import_nothing_from_above(folder):
    tests = sorted((TESTS / folder).rglob("*.py"))
    assert len(tests) > 10
    wrong = {str(path.relative_to(TESTS)): reached(path) & UPWARDS[folder] for path in tests}
    assert {path: names for path, names in wrong.items() if names} == {}


def test_an_import_by_way_of_support_is_found(tmp_path):
    (tmp_path / "test_x.py").write_text("def test():\n    from support.onnxgraphs import Graph\n")
    assert "bitweir" in reached(tmp_path / "test_x.py")
