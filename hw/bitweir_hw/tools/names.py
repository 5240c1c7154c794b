"""Names for what Amaranth finds none for: signals that are assigned several at once."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any
from unittest.mock import patch

from amaranth import tracer

__all__ = ["tuple_names"]

#: Lines and columns of an expression: where it begins, and where it ends.
_Span = tuple[int | None, int | None, int | None, int | None]


@contextmanager
def tuple_names() -> Iterator[None]:
    """Let Amaranth name ``a`` and ``b`` in ``a, b = Signal(), Signal()`` so, in place of ``$signal``.

    Amaranth looks for the instruction that stores a value, which comes later here. Python tells the place in the source
    of each call, and the source tells what it is assigned to.
    """
    found = tracer.get_var_name

    def name(depth: int = 2, default: Any = tracer._raise_exception) -> Any:
        told = found(depth + 1, "$")
        if told is not None and not told.startswith("$"):
            return told
        if told := _assigned(sys._getframe(depth)):
            return told
        return found(depth + 1, default)

    with patch.object(tracer, "get_var_name", name):
        yield


def _assigned(frame: FrameType) -> str | None:
    """The name to which the call that a frame makes is assigned, in an assignment of several."""
    positions = list(frame.f_code.co_positions())[frame.f_lasti // 2]
    return _targets(frame.f_code.co_filename).get(positions)


@cache
def _targets(file: str) -> dict[_Span, str]:
    """The names of a file to which expressions are assigned, by the places of these."""
    path = Path(file)
    if not path.is_file():
        return {}
    names: dict[_Span, str] = {}
    for node in ast.walk(ast.parse(path.read_bytes())):
        if not (isinstance(node, ast.Assign) and len(node.targets) == 1):
            continue
        (target,), value = node.targets, node.value
        if not (isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)):
            continue
        for one, call in zip(target.elts, value.elts, strict=False):
            if isinstance(one, ast.Name):
                names[call.lineno, call.end_lineno, call.col_offset, call.end_col_offset] = one.id
    return names
