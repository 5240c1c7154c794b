"""A report of a bundled network, as an example that the site shows."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import bitweir

__all__ = ["write_example"]

#: What takes seconds: no search, no synthesis.
_NETWORK, _FPS, _FAMILY = "cnn", 20_000, "ecp5"


def write_example(folder: Path) -> None:
    """Write the report into `files/`, which the site has as its own, unless it is there."""
    target = folder / "files" / "example-report.html"
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as work:
        design = bitweir.generate(bitweir.load(_NETWORK), Path(work) / "build", fps=_FPS, family=_FAMILY)
        target.write_text(design.report().html())
