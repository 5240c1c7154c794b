"""The site builds without a warning, and says all that the package has."""

import re
import subprocess
import sys
from pathlib import Path

import bitweir
import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


def test_the_site_builds_without_a_warning(tmp_path):
    """Warnings are pages that nothing leads to, and links and anchors that lead nowhere."""
    pytest.importorskip("sphinx")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", DOCS, tmp_path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    first = (tmp_path / "index.html").read_text()
    assert "flow.svg" in first and (tmp_path / "example-report.html").exists()
    commands = (tmp_path / "reference" / "command-line.html").read_text()
    assert ".. option::" not in commands and "cmdoption-bitweir-generate-weight-bandwidth" in commands


def test_the_reference_has_all_that_the_package_has():
    page = (DOCS / "reference" / "api.md").read_text()
    told = set(re.findall(r"^\.\. auto\w+:: bitweir\.(\w+)$", page, re.MULTILINE))
    assert told >= set(bitweir.__all__) - {"__version__"}
