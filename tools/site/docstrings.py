"""Docstrings of gateware made ready for Sphinx: their tables are Markdown, and components have members."""

from __future__ import annotations

import inspect
from itertools import groupby
from typing import Any

__all__ = ["for_sphinx", "own_signature"]


def for_sphinx(_app: Any, _what: str, _name: str, _thing: Any, _options: Any, lines: list[str]) -> None:
    """Change the lines of a docstring before numpydoc reads them."""
    found: list[str] = []
    for is_table, some in groupby(lines, lambda line: line.lstrip().startswith("|")):
        part = list(some)
        found += _table(part) if is_table else part
    for at, line in enumerate(found[:-1]):
        # What numpydoc knows that looks alike.
        if line.strip() == "Members" and set(found[at + 1].strip()) == {"-"}:
            found[at : at + 2] = [line.replace("Members", "Attributes"), line.replace("Members", "-" * 10)]
    lines[:] = found


def own_signature(
    _app: Any, what: str, _name: str, thing: Any, _options: Any, signature: str | None, returns: str | None
) -> tuple[str, str | None] | None:
    """What a class takes, where what stands in for PyTorch is its base, which takes anything."""
    if what != "class" or signature != "(*args, **kwargs)":
        return None
    ours = [one for one in thing.__mro__ if "__init__" in vars(one) and one.__module__.startswith("bitweir")]
    parameters = list(inspect.signature(ours[0].__init__).parameters.values())[1:] if ours else []
    bare = [one.replace(annotation=inspect.Parameter.empty) for one in parameters]
    return str(inspect.Signature(bare)), returns


def _table(lines: list[str]) -> list[str]:
    """A table of reStructuredText; a row without a first cell continues the one before it."""
    indent = " " * (len(lines[0]) - len(lines[0].lstrip()))
    rows: list[list[str]] = []
    for line in lines:
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if set("".join(cells)) <= set("-: "):
            continue
        if rows and not cells[0]:
            rows[-1] = [" ".join(filter(None, pair)) for pair in zip(rows[-1], cells, strict=True)]
        else:
            rows.append(cells)
    head = [f"{indent}.. list-table::", f"{indent}   :header-rows: 1", ""]
    body = [
        f"{indent}   {'* -' if at == 0 else '  -'} {cell}" for row in rows for at, cell in enumerate(row)
    ]  # fmt: skip
    return ["", *head, *body, ""]
