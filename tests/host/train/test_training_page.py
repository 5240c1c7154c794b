"""The code of docs/training.md runs."""

import re

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed: make test-train")
pytest.importorskip("sklearn", reason="scikit-learn is not installed: make test-train")

from support import ROOT


def test_the_page_runs(capsys):
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "training.md").read_text(), re.MULTILINE | re.DOTALL)
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "docs/training.md", "exec"), names)  # noqa: S102  our own page
    assert len(blocks) >= 3 and "are equal" in capsys.readouterr().out
