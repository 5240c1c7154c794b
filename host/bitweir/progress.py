"""How long work shows what it does: a callback that the caller gives, so that nothing below it needs a console."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

__all__ = ["Progress", "Shown", "silent"]

#: Takes how far a step is: the share that is done, 0 to 1, where it is known; or in some words what is done just now.
#: It may be called from any thread.
Shown = Callable[[float | str], None]
#: Takes what is under way, as in ``"Fitting FIFOs"``, and gives a context for the time that it takes, with a `Shown`.
Progress = Callable[[str], AbstractContextManager[Shown]]


@contextmanager
def silent(what: str) -> Iterator[Shown]:
    """Show nothing."""
    yield lambda how_far: None
