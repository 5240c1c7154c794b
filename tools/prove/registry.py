"""The only list of what is proved. A new kind of claim is a module that gives `CLAIMS`, and one name here."""

from __future__ import annotations

from . import bounds, deadlocks, fifos, foldings, link, mapped, orders, places, schedules, streams, sums, values
from .claim import Claim

__all__ = ["CLAIMS"]

CLAIMS: tuple[Claim, ...] = (
    *streams.CLAIMS,
    *fifos.CLAIMS,
    *orders.CLAIMS,
    *places.CLAIMS,
    *schedules.CLAIMS,
    *deadlocks.CLAIMS,
    *link.CLAIMS,
    *sums.CLAIMS,
    *values.CLAIMS,
    *foldings.CLAIMS,
    *bounds.CLAIMS,
    *mapped.CLAIMS,
)
