"""Pages of the documentation that run: their code blocks, and the output that stands below them.

A page is Markdown. Of its fenced blocks, those of ``python`` run in one namespace, and what they print, and the value
of the last expression as in a notebook, must be the ``text`` block that follows, if one does. Those of ``console`` have
commands behind ``$`` and their output; a command without output below it must succeed. ``...`` stands for
any text. A comment before a block says of it, with the reason, that it does not run, or only in `make docs-test`::

    <!-- not run: it needs a board -->
    <!-- long: it routes for minutes -->
"""

from __future__ import annotations

import ast
import contextlib
import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Block", "blocks", "run_page"]

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"<!-- (not run|long): [^>]+ -->\s*\Z")
#: A backslash at the end of a line goes on in the next one.
_COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
#: The commands of the page are those of the tree that is tested.
_BITWEIR = f'bitweir() {{ "{sys.executable}" -m bitweir "$@"; }}\n'


@dataclass(frozen=True)
class Block:
    """A block, the output that is expected of it (None if the page has none), and its place in the page."""

    language: str
    code: str
    expected: str | None
    when: str
    line: int


def blocks(text: str) -> Iterator[Block]:
    """Blocks of a page that run some time."""
    found = list(_FENCE.finditer(text))
    for match, after in zip(found, [*found[1:], None], strict=True):
        language, code = match.groups()
        if language not in ("python", "console"):
            continue
        follows = after is not None and after[1] == "text" and not text[match.end() : after.start()].strip()
        comment = _COMMENT.search(text[: match.start()])
        yield Block(
            language,
            code,
            after[2] if follows and after else None,
            comment[1] if comment else "",
            text.count("\n", 0, match.start()) + 2,
        )


def run_page(path: Path, folder: Path, *, long: bool = False) -> int:
    """Run a page in a folder; the number of blocks that ran.

    Raises
    ------
    AssertionError
        Something failed, or its output is not that of the page.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    ran = 0
    with contextlib.chdir(folder):
        for block in blocks(path.read_text()):
            if block.when == "not run" or (block.when == "long" and not long):
                continue
            place = f"{path.name}:{block.line}"
            if block.language == "python":
                _compare(place, block.expected, _python(block.code, names, place))
            else:
                for command, expected in _COMMAND.findall(block.code):
                    _compare(f"{place}: {command}", expected or None, _console(command, place))
            ran += 1
    return ran


def _python(code: str, names: dict[str, Any], place: str) -> str:
    """What a block prints."""
    tree = ast.parse(code)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(compile(tree, place, "exec"), names)  # noqa: S102  our own page
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), place, "eval"), names)  # noqa: S307
            if value is not None:
                print(repr(value))
    return output.getvalue()


def _console(command: str, place: str) -> str:
    done = subprocess.run(
        ["bash", "-c", _BITWEIR + command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        env={**os.environ, "COLUMNS": "100", "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert done.returncode == 0, f"{place}: {command} ended with {done.returncode}:\n{done.stdout}"
    return done.stdout


def _compare(place: str, expected: str | None, found: str) -> None:
    """Compare word by word: where lines break and how columns are spaced is no matter, and ``...`` is any text."""
    if expected is None:
        return
    pieces = [r"\s+".join(map(re.escape, piece.split())) for piece in expected.split("...")]
    same = re.fullmatch(".*?".join(pieces), found.strip(), re.DOTALL)
    assert same, f"{place}: the page has\n{expected}\nand what came is\n{found}"
