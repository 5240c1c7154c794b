"""How long work shows what it does: a callback that the caller gives, so that nothing below it needs a console."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

__all__ = ["Progress", "silent"]

#: Takes what is under way, as in ``"Fitting FIFOs"``, and gives a context for the time that it takes. What the context
#: yields takes the share that is done, 0 to 1, where it is known.
Progress = Callable[[str], AbstractContextManager[Callable[[float], None]]]


@contextmanager
def silent(what: str) -> Iterator[Callable[[float], None]]:
    """Show nothing."""
    yield lambda share: None
