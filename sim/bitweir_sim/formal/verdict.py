"""What became of a claim."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Status", "Trace", "Verdict"]

Status = Literal["proved", "refuted", "unknown"]


@dataclass(frozen=True, kw_only=True)
class Trace:
    """A run that breaks a claim, from the cycle of reset on.

    Parameters
    ----------
    broken : tuple of str
        What does not hold in its last cycle.
    signals : dict of str to tuple of int
        What each input and each output that is shown is in each cycle.
    """

    broken: tuple[str, ...]
    signals: dict[str, tuple[int, ...]]

    def table(self) -> str:
        """A line for each signal, a column for each cycle, in hexadecimal."""
        rows = {name: [f"{value:x}" for value in values] for name, values in self.signals.items()}
        count = max((len(row) for row in rows.values()), default=0)
        rows = {"cycle": [str(cycle) for cycle in range(count)], **rows}
        name_width = max(map(len, rows))
        widths = [max(len(row[cycle]) for row in rows.values()) for cycle in range(count)]
        lines = [f"broken in the last cycle: {', '.join(self.broken)}"]
        for name, row in rows.items():
            cells = " ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True))
            lines.append(f"{name:<{name_width}} {cells}")
        return "\n".join(lines)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What became of a claim.

    Parameters
    ----------
    status : str
        ``"proved"``: for all inputs, in every cycle. ``"refuted"``: `trace` shows how, and was run again without the
        solver. ``"unknown"``: neither, so nothing is claimed.
    method : str
        How it was found.
    tool : str
        What was asked.
    seconds : float
        How long it took, when it was found.
    told : str
        More, for a person.
    trace : Trace or None
    """

    status: Status
    method: str
    tool: str
    seconds: float
    told: str = ""
    trace: Trace | None = None
