"""The code of docs/training.md runs."""

import re

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed: make test-train")
pytest.importorskip("sklearn", reason="scikit-learn is not installed: make test-train")

from bitweir import train
from support import ROOT
from support.methods import METHODS


def test_the_page_runs(capsys):
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "training.md").read_text(), re.MULTILINE | re.DOTALL)
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "docs/training.md", "exec"), names)  # noqa: S102  our own page
    assert len(blocks) >= 3 and "are equal" in capsys.readouterr().out


def test_what_the_page_of_methods_names_is_there():
    names = {name.split("(")[0] for method in METHODS for name in method.train.split(", ") if name}
    assert len(names) > 20 and names <= set(train.__all__)
