"""Words that sentences for people share."""

from __future__ import annotations

__all__ = ["counted"]


def counted(number: float, what: str) -> str:
    """A number of things in words, as ``"1 cycle"`` and ``"1,024 cycles"``; of numbers that are no integers six digits.

    Parameters
    ----------
    number : float
    what : str
        In the singular.
    """
    told = f"{number:,.6g}" if number != int(number) else f"{int(number):,}"
    return f"{told} {what}" if number == 1 else f"{told} {what}s"
