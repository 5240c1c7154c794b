"""The clock for which frames/s and latencies are told: what was asked for, or what is expected where that is lower."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bitweir_hw.blocks.pipeline import Pipeline
from bitweir_hw.cost import fmax, fmax_basis, fmax_error
from bitweir_hw.parts import Part, part_of

from .target import Target

__all__ = ["ExpectedClock", "Origin", "clock_of", "expected_clock", "target_clock"]

#: Where an expectation comes from: a router, an estimate fitted to routed designs, or a model of what was not routed.
Origin = Literal["routed", "estimate", "model"]


@dataclass(frozen=True, kw_only=True)
class ExpectedClock:
    """A clock, and how sure it is.

    Parameters
    ----------
    part : str
        Its name.
    hertz : float
        Expected, and no more than was asked for.
    error : float
        The share by which that may be too high or too low; 0 where nobody doubts it.
    origin : str
    """

    part: str
    hertz: float
    error: float
    origin: Origin

    @property
    def about(self) -> str:
        """What stands before a figure that follows from it: nothing, or ``"about "``."""
        return "about " if self.error else ""

    @property
    def told(self) -> str:
        """In words, as ``"117 MHz expected on ecp5-85k, within 15%"``."""
        if self.origin == "routed":
            return f"{self.hertz / 1e6:.6g} MHz, routed"
        if not self.error:
            return f"{self.hertz / 1e6:.6g} MHz"
        model = " (a model: nothing of its family was routed)" if self.origin == "model" else ""
        return f"{self.hertz / 1e6:.4g} MHz expected on {self.part}, within {self.error:.0%}{model}"


def clock_of(*, part: Part, asked: float, estimate: float, routed: float | None = None) -> ExpectedClock:
    """The clock that is expected of what was asked for.

    Parameters
    ----------
    part : FpgaPart or str
    asked, estimate : float
        Hz; the second as `bitweir_hw.cost.fmax` has it.
    routed : float, optional
        Hz, where a router has made it on the part.
    """
    name = part_of(part).name
    if routed is not None:
        return ExpectedClock(part=name, hertz=min(asked, routed), error=0.0, origin="routed")
    error = fmax_error(part)
    return ExpectedClock(
        part=name,
        hertz=min(asked, estimate),
        # What even the lowest estimate is above of is not in doubt.
        error=0.0 if estimate * (1 - error) >= asked else error,
        origin="estimate" if fmax_basis(part) == "routed" else "model",
    )


def expected_clock(pipeline: Pipeline, *, part: Part, asked: float) -> ExpectedClock:
    """As `clock_of`, of a pipeline that was not routed."""
    return clock_of(part=part, asked=asked, estimate=fmax(pipeline, part))


def target_clock(pipeline: Pipeline, target: Target, *, folder: Path | None = None) -> ExpectedClock | None:
    """The clock that is expected of the one of a target; None where no part or family was named.

    Parameters
    ----------
    pipeline : Pipeline
    target : Target
    folder : Path, optional
        Of the build: the clock of a target that was routed there is the one that was routed.
    """
    part = target.usual_part
    if part is None:
        return None
    if folder and target.board and (folder / f"routed-{target.board}.json").exists():
        return ExpectedClock(part=part.name, hertz=target.clock, error=0.0, origin="routed")
    return expected_clock(pipeline, part=part, asked=target.clock)
