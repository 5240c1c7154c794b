"""What a person sees: results on standard output, progress and errors on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, RenderableType

__all__ = ["Output"]


class Output:
    """Where a command writes to.

    Parameters
    ----------
    as_json : bool
        Whether standard output gets one JSON object, and nothing else.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.progress = Console(stderr=True, highlight=False)
        self._people = self.progress if as_json else Console(highlight=False)

    def show(self, *items: RenderableType) -> None:
        """Something for people: with JSON, on standard error."""
        for item in items:
            self._people.print(item)

    def result(self, value: dict[str, Any]) -> None:
        """The result, for programs: nothing without JSON."""
        if self.as_json:
            sys.stdout.write(json.dumps(value, indent=2) + "\n")

    @contextmanager
    def working(self, what: str) -> Iterator[Callable[[float], None]]:
        """Show that something takes its time.

        Yields
        ------
        callable
            Takes the share that is done, 0 to 1, where it is known.
        """
        with self.progress.status(f"{what} ...") as status:
            yield lambda share: status.update(f"{what}: {share:.0%} ...")
