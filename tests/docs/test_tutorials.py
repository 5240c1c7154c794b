"""The pages whose code runs."""

import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
from bitweir_sim.compiler import compiler_missing
from support.pages import run_page

TUTORIALS = Path(__file__).resolve().parents[2] / "docs" / "tutorials"
#: What each page needs beside bitweir.
NEEDS = {
    "plain-arrays": [],
    "larq": [],
    "systems": [],
    "reading-a-report": [],
    "pytorch": ["torch", "sklearn"],
    "brevitas": ["brevitas", "onnxoptimizer", "sklearn"],
}

needs_a_compiler = pytest.mark.skipif(compiler_missing() is not None, reason=str(compiler_missing()))


@needs_a_compiler
@pytest.mark.parametrize("name", [name for name, needs in NEEDS.items() if not needs])
def test_a_tutorial_runs_as_it_stands(name, folder):
    assert run_page(TUTORIALS / f"{name}.md", folder) >= 2


@pytest.mark.parametrize("name", ["binary-arithmetic", "thresholds"])
def test_numbers_of_an_explanation_are_right(name, tmp_path):
    assert run_page(TUTORIALS.parent / "explanation" / f"{name}.md", tmp_path) == 2


@needs_a_compiler
@pytest.mark.long
@pytest.mark.parametrize("name", NEEDS)
def test_all_of_a_tutorial_runs_as_it_stands(name, folder):
    missing = [package for package in NEEDS[name] if find_spec(package) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} is not installed")
    assert run_page(TUTORIALS / f"{name}.md", folder, long=True) >= 2


def test_each_tutorial_is_run():
    assert set(NEEDS) == {page.stem for page in TUTORIALS.glob("*.md")}


@pytest.fixture
def folder(tmp_path):
    """A folder with the files that lie beside the pages."""
    for file in TUTORIALS.glob("*.h5"):
        shutil.copy(file, tmp_path)
    return tmp_path
