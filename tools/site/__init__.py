"""Pages and drawings of the site that are made of the project itself, so that they cannot disagree with it.

It is an extension of Sphinx, which `docs/conf.py` names.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from textwrap import shorten
from typing import Any

from docutils import nodes

from . import pictures, schemas
from .docstrings import for_sphinx, own_signature
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
    app.connect("html-page-context", _description)
    # Before numpydoc, which has the usual priority of 500.
    app.connect("autodoc-process-docstring", for_sphinx, priority=400)
    app.connect("autodoc-process-signature", own_signature, priority=400)
    return {"parallel_read_safe": True}


def _description(_app: Any, _page: str, _template: str, context: dict[str, Any], tree: Any) -> None:
    """The first paragraph of a page is what search engines show of it."""
    for paragraph in tree.findall(nodes.paragraph) if tree else []:
        text = shorten(paragraph.astext(), 160, placeholder=" ...")
        context["metatags"] += f'<meta name="description" content="{escape(text)}" />'
        break


def _as_it_is(_app: Any, _context: Any, lines: list[str]) -> None:
    """Texts of commands are plain: a star in them means itself, not emphasis."""
    lines[:] = [line if line.lstrip().startswith("..") else line.replace("*", "\\*") for line in lines]


def _write(path: Path, text: str) -> None:
    """Write a file unless it holds the same: Sphinx reads again only what has changed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
