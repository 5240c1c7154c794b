"""The site builds without a warning, and says all that the package has."""

import ast
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


def broken_links(site):
    """Links within a site, written by whatever, that lead to no file or to no place in it."""
    pages = {path: path.read_text() for path in site.rglob("*.html")}
    places = {path: set(re.findall(r'\b(?:id|name)="([^"]+)"', text)) for path, text in pages.items()}
    broken = []
    for page, text in pages.items():
        for link in re.findall(r'(?:href|src)="(?![a-z]+:|//|#")([^"]+)"', text):
            name, _, place = unquote(link).partition("#")
            name = name.partition("?")[0]
            end = (page.parent / name).resolve() if name else page
            if not end.exists() or (place and place not in places.get(end, {place})):
                broken.append((page.name, link))
    return broken


def test_the_site_builds_without_a_warning(tmp_path):
    """Warnings are pages that nothing leads to, and links and anchors that lead nowhere."""
    pytest.importorskip("sphinx")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", DOCS, tmp_path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert not broken_links(tmp_path)
    first = (tmp_path / "index.html").read_text()
    assert "flow.svg" in first and (tmp_path / "example-report.html").exists()
    commands = (tmp_path / "reference" / "command-line.html").read_text()
    gateware = (tmp_path / "reference" / "gateware.html").read_text()
    for name in ("accelerator.Accelerator", "axi.AxiTop", "offchip.pack_image", "wired.wire"):
        assert f'id="bitweir_hw.{name}"' in gateware
    # PyTorch, which is not there, hides no parameter.
    training = re.sub("<[^>]*>", "", (tmp_path / "reference" / "train.html").read_text())
    assert "bitweir.train.RSign(channels" in training and "(*args, **kwargs)" not in training
    # Tables of docstrings are tables.
    assert "<td><p>cycles a frame</p></td>" in gateware
    assert '<meta name="description" content="Questions that people ask' in (tmp_path / "faq.html").read_text()
    assert ".. option::" not in commands and "cmdoption-bitweir-generate-weight-bandwidth" in commands


def public(module):
    """The names of a module: `bitweir.train` cannot be imported without PyTorch."""
    tree = ast.parse(next(ROOT.glob(f"*/{module.replace('.', '/')}/__init__.py")).read_text())
    named = [one for one in tree.body if isinstance(one, ast.Assign) and ast.unparse(one.targets[0]) == "__all__"]
    return ast.literal_eval(named[0].value)


def test_the_reference_has_all_that_packages_have():
    text = "".join(path.read_text() for path in (DOCS / "reference").glob("*.md"))
    told = set(re.findall(r"^\.\. auto\w+:: (\S+)$", text, re.MULTILINE))
    for module in ("bitweir", "bitweir.train", "bitweir.client"):
        # To connect is a function of the package, too.
        assert {f"{module}.{name}" for name in public(module)} - told <= {
            "bitweir.__version__",
            "bitweir.client.connect",
        }
    # These are there with all that they have.
    assert told >= {f"bitweir_hw.{name}" for name in ("files", "accelerator", "axi", "offchip", "wired", "popcount")}
