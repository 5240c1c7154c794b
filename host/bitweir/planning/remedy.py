"""What to do where nothing fits: the smallest listed part that would do, and how fast weights from outside would be."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from bitweir_hw.errors import PlanError
from bitweir_hw.parts import PARTS, FpgaPart
from bitweir_hw.search import TooLargeError

from .hunt import Hunt

__all__ = ["STATED_BANDWIDTH", "smallest_part", "with_remedy"]

#: Bytes a second of a memory outside the chip, for which a refusal tells frames/s.
STATED_BANDWIDTH = 1e9


def smallest_part(would_do: Callable[[FpgaPart], bool], *, beside: FpgaPart) -> FpgaPart | None:
    """The listed part with the fewest LUT sites, of any family, that would do; None if none does.

    Parameters
    ----------
    would_do : callable
        Asked of parts, the smallest first, but not of those that hold no more than one that did not do.
    beside : FpgaPart
        Did not do.
    """
    refused = [beside]
    for part in sorted(PARTS.values(), key=lambda one: (one.luts, one.block_rams, one.name)):
        if any(_holds_no_more(part, other) for other in refused):
            continue
        if would_do(part):
            return part
        refused.append(part)
    return None


def _holds_no_more(part: FpgaPart, other: FpgaPart) -> bool:
    alike = (part.family, part.speed) == (other.family, other.speed)
    return (
        alike
        and all(getattr(part, key) <= getattr(other, key) for key in ("luts", "ffs", "block_rams"))
        and (other.lut_rams or inf) >= (part.lut_rams or inf)
    )


def with_remedy(
    error: TooLargeError, hunt: Hunt, hunt_of: Callable[[FpgaPart], Hunt], would_do: Callable[[Hunt], bool]
) -> TooLargeError:
    """What was refused, with the part that would do, and the speed of the plan with weights from outside.

    Parameters
    ----------
    error : TooLargeError
    hunt : Hunt
        Found nothing.
    hunt_of : callable
        The same search on another part.
    would_do : callable
        Whether a search finds what was asked for.
    """
    searched: dict[str, Hunt] = {hunt.part.family: hunt}

    def asked(part: FpgaPart) -> bool:
        try:
            other = hunt_of(part)
        except PlanError:
            # It has less than is to be kept free.
            return False
        if other.weight_bandwidth is None:
            # What blocks cost is the same on all parts of a family.
            other = searched.setdefault(part.family, other).on(other)
        return would_do(other)

    part = smallest_part(asked, beside=hunt.part)
    told = (
        "make the network smaller, since no listed part holds it"
        if part is None
        else f"take {part.name}, of all listed parts that hold it by estimate the one with the fewest LUT sites"
    )
    return error.with_remedy(told, _speed(hunt) if error.streaming else "")


def _speed(hunt: Hunt) -> str:
    """Frames/s of a plan with weights from a memory of the stated bandwidth, as a part of a sentence."""
    try:
        best = hunt.with_memory(STATED_BANDWIDTH).fastest_of_one_level()
    except PlanError:
        return ""
    return (
        f"; from a memory of {STATED_BANDWIDTH / 1e6:,.0f} MB/s (--weight-bandwidth {STATED_BANDWIDTH:.0e}) a plan is "
        f"expected to reach about {best.fps:,.0f} frames/s at {best.clock / 1e6:,.4g} MHz"
    ).replace("e+09", "e9")
