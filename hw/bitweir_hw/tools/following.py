"""Follows the log of a tool while it runs, and does other things from time to time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["Told", "every", "followed"]

#: Takes what a tool is doing, in some words; from another thread.
Told = Callable[[str], None]
#: Seconds between two looks.
LOOK_SECONDS = 1.0
_MOST_CHARACTERS = 60


@contextmanager
def followed(log: Path, read: Callable[[str], str | None], told: Told | None) -> Iterator[None]:
    """Tell what a log says is under way, whenever that is something else.

    Parameters
    ----------
    log : Path
        Grows; it need not be there yet.
    read : callable
        Takes each line in turn, and returns what it says; None for nothing.
    told : callable or None
        None: nobody asks.
    """
    if told is None:
        yield
        return
    place, last = 0, ""

    def look() -> None:
        nonlocal place, last
        with suppress(OSError), log.open("rb") as file:
            file.seek(place)
            # A line that is not whole is read again.
            whole = file.read().rpartition(b"\n")[0]
            place += len(whole)
            found = [said for line in whole.decode(errors="replace").splitlines() if (said := read(line))]
            if found and found[-1] != last:
                last = found[-1]
                told(last[:_MOST_CHARACTERS])

    with every(LOOK_SECONDS, look):
        yield


@contextmanager
def every(seconds: float, act: Callable[[], None]) -> Iterator[None]:
    """Do something from time to time, in a thread."""
    ended = threading.Event()

    def work() -> None:
        while not ended.wait(seconds):
            act()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
