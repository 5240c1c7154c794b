"""Pages and drawings of the site that are made of the project itself, so that they cannot disagree with it.

It is an extension of Sphinx, which `docs/conf.py` names.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from . import pictures, schemas
from .example import write_example

__all__ = ["setup"]


def setup(app: Any) -> dict[str, bool]:
    """Write what is generated into `docs/generated`, which git ignores; Sphinx calls it before it looks for pages."""
    generated = Path(app.srcdir) / "generated"
    _write(generated / "schemas.md", schemas.sections())
    _write(generated / "flow.svg", pictures.flow())
    write_example(generated)
    for part in ("description", "options"):
        app.connect(f"sphinx-click-process-{part}", _as_it_is)
    return {"parallel_read_safe": True}


def _as_it_is(_app: Any, _context: Any, lines: list[str]) -> None:
    """Texts of commands are plain: a star in them means itself, not emphasis."""
    lines[:] = [line if line.lstrip().startswith("..") else line.replace("*", "\\*") for line in lines]


def _write(path: Path, text: str) -> None:
    """Write a file unless it holds the same: Sphinx reads again only what has changed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
