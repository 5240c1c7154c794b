"""One call of a function in a worker, which may be another version of bitweir or short of memory."""

from __future__ import annotations

import functools
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import bitweir_hw
import bitweir_sim
from bitweir_hw.errors import BitweirError

__all__ = ["REPORT_SECONDS", "Answer", "Function", "Report", "answer", "sources"]

#: Seconds between two reports of one worker.
REPORT_SECONDS = 0.5
#: Takes the share of a call that is done, 0 to 1.
Report = Callable[[float], None]
#: What workers call: with what all calls share, a report, and the arguments of the call.
Function = Callable[..., Any]


@dataclass(frozen=True)
class Answer:
    """What became of a call.

    Parameters
    ----------
    number : int
        Of the call.
    result : object
        What the function returned; None where it failed.
    error : str
        The sentence that says why it failed; empty where it did not. A worker of a scheduler may have other classes
        of errors.
    """

    number: int
    result: Any = None
    error: str = ""


@functools.cache
def sources() -> str:
    """A hash of all code of bitweir: a version alone does not tell one state of a checkout from another."""
    total = hashlib.sha256(metadata.version("bitweir").encode())
    for root in (Path(bitweir_hw.__file__).parent, Path(bitweir_sim.__file__).parent, Path(__file__).parents[1]):
        for file in sorted(root.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                name = file.relative_to(root).as_posix()
                total.update(f"{name} ".encode() + hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()


def answer(
    function: Function, shared: Any, report: Report, number: int, arguments: tuple[Any, ...], expected: str
) -> Answer:
    """Call a function, in a worker.

    Parameters
    ----------
    function : callable
    shared : object
        The same for all calls.
    report : callable
    number : int
        Of the call.
    arguments : tuple
    expected : str
        What `sources` must be here.
    """
    if sources() != expected:
        return Answer(number, error="A worker has another version of bitweir: install the same on all.")
    try:
        return Answer(number, function(shared, _seldom(report), *arguments))
    except BitweirError as error:
        return Answer(number, error=str(error))
    except MemoryError:
        return Answer(
            number,
            error="A worker has too little memory for its work; results so far are kept: repeat the command with fewer "
            "workers at once to go on.",
        )


def _seldom(report: Report) -> Report:
    """The same, but for reports that follow another one at once."""
    last = -REPORT_SECONDS

    def seldom(share: float) -> None:
        nonlocal last
        if time.monotonic() - last >= REPORT_SECONDS:
            last = time.monotonic()
            report(share)

    return seldom
