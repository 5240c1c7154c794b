"""What nextpnr is doing, from the lines of its log."""

from __future__ import annotations

import re

__all__ = ["Phases"]

#: How a line begins what phase; groups go into the text.
_PHASES = tuple(
    (re.compile(pattern), text)
    for pattern, text in (
        (r"^Pack(?:ing)? ", "packing"),
        (r"^at initial placer iter (\d+)", "placing, start {}"),
        # The analytic placers of nextpnr: heap and static.
        (r"^at iteration #(\d+), type", "placing, iteration {}"),
        (r"^iter=(\d+) steplen=", "placing, iteration {}"),
        (r"^at iteration #(\d+): temp", "refining the placement, iteration {}"),
        (r"^Setting up routing", "routing"),
        (r"^iter=(\d+) wires=\d+ overused=(\d+)", "routing, iteration {}, {} wires in use twice"),
        (r"^Routing complete", "computing times"),
    )
)
_ARCS, _LEFT = re.compile(r"^Routing (\d+) arcs"), re.compile(r"^\d+ \|[^|]*\|[^|]*\| *(\d+)\|")


class Phases:
    """Reads a log line by line: how many connections there are is only told once."""

    def __init__(self) -> None:
        self._arcs = 0

    def __call__(self, line: str) -> str | None:
        """What is under way; None if the line does not say."""
        if not line.startswith("Info:"):
            return None
        told = line.removeprefix("Info:").strip()
        if found := _ARCS.match(told):
            self._arcs = int(found[1])
            return f"routing, {self._arcs:,} connections left"
        if self._arcs and (found := _LEFT.match(told)):
            return f"routing, {int(found[1]):,} of {self._arcs:,} connections left"
        for pattern, text in _PHASES:
            if found := pattern.match(told):
                return text.format(*found.groups())
        return None
