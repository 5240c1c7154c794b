"""Output for people: results on standard output, progress and errors on standard error."""

from __future__ import annotations

import json
import sys
import time
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

from bitweir_hw.tools.following import every
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from ..progress import Shown

__all__ = ["Output", "complain", "equality", "printable"]

#: Seconds between two lines about a step: for programs, and for people whose standard error is no terminal.
JSON_SECONDS, LINE_SECONDS = 2.0, 30.0
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


class Step:
    """A step that is under way, and how far it is.

    Parameters
    ----------
    what : str
    """

    def __init__(self, what: str) -> None:
        self._what, self._started = what, time.monotonic()
        self._share: float | None = None
        self._now = ""
        #: The first share, and when it came: an earlier run may have done it.
        self._first: tuple[float, float] | None = None

    def show(self, how_far: float | str) -> None:
        """Take how far it is: see `Shown`."""
        if isinstance(how_far, str):
            self._now = how_far
            return
        self._share = how_far
        self._first = self._first or (how_far, time.monotonic())

    def show_lines(self, how_far: float | str) -> None:
        """Take how far it is, and write it where it is told in words."""
        news = isinstance(how_far, str) and how_far != self._now
        self.show(how_far)
        if news:
            self.write(printable(f"{self}", keep=""))

    @property
    def _left(self) -> float | None:
        """Seconds until it is done, at the pace until now; None where that is not known."""
        if self._share is None or self._first is None:
            return None
        share, since = self._share - self._first[0], time.monotonic() - self._first[1]
        return (1 - self._share) * since / share if share > 0 and since > LINE_SECONDS / 3 else None

    def to_dict(self) -> dict[str, Any]:
        """How far it is, as JSON has it."""
        left = self._left
        return {
            "progress": self._what,
            "share": None if self._share is None else round(self._share, 6),
            "now": self._now or None,
            "seconds": round(time.monotonic() - self._started, 3),
            "seconds_left": left and round(left),
        }

    def __str__(self) -> str:
        text = self._what if self._share is None else f"{self._what}: {self._share:.0%}"
        text += f" ({self._now})" if self._now else ""
        if (seconds := time.monotonic() - self._started) >= 1:
            text += f", {timedelta(seconds=int(seconds))}"
        if left := self._left:
            text += f", about {timedelta(seconds=int(left))} left"
        return text

    def __rich__(self) -> Text:
        return Text(f"{self} ...")

    def write(self, line: str) -> None:
        """Write a line to standard error, if it is still open."""
        with suppress(OSError, ValueError):
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()


class Output:
    """Where a command writes to.

    Parameters
    ----------
    as_json : bool
        Whether standard output gets one JSON object, and nothing else.
    quiet : bool
        Whether people and progress are told nothing.
    verbose : bool
        Whether each step is told in lines of its own, as it begins, goes on and ends.
    """

    def __init__(self, *, as_json: bool, quiet: bool = False, verbose: bool = False) -> None:
        self.as_json, self.quiet, self.verbose = as_json, quiet, verbose
        self.progress: Console = _Console(stderr=True)
        self._people = self.progress if as_json else _Console()

    def show(self, *items: RenderableType) -> None:
        """Show something to people: with JSON, on standard error."""
        for item in items if not self.quiet else ():
            self._people.print(item)

    def text(self, text: str) -> None:
        """Write a text that is a file, as it is: nothing with JSON."""
        if not self.as_json:
            sys.stdout.write(text)

    def result(self, value: dict[str, Any]) -> None:
        """Write the result for programs: nothing without JSON."""
        if self.as_json:
            sys.stdout.write(json.dumps(value, indent=2) + "\n")

    @contextmanager
    def working(self, what: str) -> Iterator[Shown]:
        """Show how far a step is, on standard error.

        In a terminal as a line that changes; elsewhere as a line from time to time; with JSON as a JSON object on a
        line of its own, at the start, every `JSON_SECONDS` and at the end. With `verbose`, as a line whenever there is
        something new; with `quiet`, not at all.

        Yields
        ------
        Shown
        """
        step = Step(what)
        if self.quiet:
            yield step.show
        elif self.as_json:
            step.write(json.dumps(step.to_dict()))
            with every(JSON_SECONDS, lambda: step.write(json.dumps(step.to_dict()))):
                yield step.show
            step.write(json.dumps({**step.to_dict(), "done": True}))
        elif self.verbose:
            step.write(printable(f"{step} ...", keep=""))
            yield step.show_lines
            step.write(printable(f"{step}: done", keep=""))
        elif self.progress.is_terminal:
            with self.progress.status(step):
                yield step.show
        else:
            with every(LINE_SECONDS, lambda: step.write(printable(f"{step}", keep=""))):
                yield step.show
