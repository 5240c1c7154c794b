"""How a command ends on a signal: at once, with all programs that it started."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

__all__ = ["BROKEN_PIPE", "INTERRUPTED", "TERMINATED", "Terminated", "end_descendants", "ending"]

#: Exit codes, by convention 128 and the number of the signal; that of a closed pipe is 13.
INTERRUPTED, BROKEN_PIPE, TERMINATED = (128 + number for number in (signal.SIGINT, 13, signal.SIGTERM))


class Terminated(KeyboardInterrupt):
    """The process was asked to end, by SIGTERM; as after Ctrl-C, whatever is open is closed."""


@contextmanager
def ending() -> Iterator[None]:
    """While it lasts, Ctrl-C and SIGTERM also end the programs that this process has started, and theirs.

    Threads that wait for such a program would else wait on. Signals that the caller ignores stay ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {}
    for number, kind in ((signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)):
        if signal.getsignal(number) in (signal.default_int_handler, signal.SIG_DFL):
            before[number] = signal.signal(number, _handler(kind))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _handler(kind: type[KeyboardInterrupt]) -> Callable[[int, FrameType | None], None]:
    def handle(_: int, __: FrameType | None) -> None:
        end_descendants()
        raise kind

    return handle


def end_descendants() -> None:
    """Ask all descendants of this process to end; does nothing where there is no /proc."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            # Behind the name, which may hold anything, come the state and the parent.
            parent = int(entry.read_text(errors="replace").rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(entry.parent.name))
    found = [os.getpid()]
    for number in found:
        found += children.get(number, [])
    for number in found[1:]:
        with suppress(OSError):
            os.kill(number, signal.SIGTERM)
