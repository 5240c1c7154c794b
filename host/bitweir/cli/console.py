"""Output for people: results on standard output, progress and errors on standard error."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

__all__ = ["Output", "complain", "equality", "printable"]

#: Kinds of characters that terminals obey, or that turn what stands beside them: control, format (such as those that
#: change the direction of text), separators of lines, and halves of characters.
_OBEYED = {"Cc", "Cf", "Zl", "Zp", "Cs"}


def printable(text: str, *, keep: str = "\n\t") -> str:
    """Replace characters that a terminal would obey by escapes as Python writes them.

    What files hold reaches terminals, and a terminal obeys what it is sent.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character.encode("unicode_escape").decode()
        if unicodedata.category(character) in _OBEYED and character not in keep
        else character
        for character in text
    )


def complain(told: str) -> None:
    """Write one line to standard error, if it is still open."""
    try:
        sys.stderr.write(f"bitweir: {printable(told, keep='')}\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        # Nobody listens: the exit code must do.
        pass


def equality(differ: int) -> Text:
    """Format the number of differences as a cell of a table."""
    return Text(f"{differ:,} differ", style="red") if differ else Text("all equal", style="green")


class _Console(Console):
    """Shows what it is given: no words in brackets are markup, and no characters are orders to the terminal."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, markup=False, emoji=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)

    def on_broken_pipe(self) -> None:
        raise  # as it would without rich: see `cli.options.Group`


class Output:
    """Where a command writes to.

    Parameters
    ----------
    as_json : bool
        Whether standard output gets one JSON object, and nothing else.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.progress: Console = _Console(stderr=True)
        self._people = self.progress if as_json else _Console()

    def show(self, *items: RenderableType) -> None:
        """Show something to people: with JSON, on standard error."""
        for item in items:
            self._people.print(item)

    def result(self, value: dict[str, Any]) -> None:
        """Write the result for programs: nothing without JSON."""
        if self.as_json:
            sys.stdout.write(json.dumps(value, indent=2) + "\n")

    @contextmanager
    def working(self, what: str) -> Iterator[Callable[[float], None]]:
        """Show the progress of a step.

        Yields
        ------
        callable
            Takes the share that is done, 0 to 1, where it is known.
        """
        with self.progress.status(Text(f"{what} ...")) as status:
            yield lambda share: status.update(Text(f"{what}: {share:.0%} ..."))
