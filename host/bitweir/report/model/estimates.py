"""What the cost model expects, and how far off that may be, in a report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from ...schemas import Positive, Rate
from ...synthesis.results import Resources
from .part import Family


@dataclass(frozen=True, kw_only=True)
class Percentiles:
    """How far estimates were off, as shares.

    Parameters
    ----------
    median : float
    most : float
        What 95 % keep.
    worst : float
    """

    median: Annotated[float, Meta(ge=0)]
    most: Annotated[float, Meta(ge=0)]
    worst: Annotated[float, Meta(ge=0)]


@dataclass(frozen=True, kw_only=True)
class ResourceBands:
    """How far estimates of each resource were off."""

    lut: Percentiles
    ff: Percentiles
    carry: Percentiles
    bram: Percentiles
    lutram: Percentiles
    dsp: Percentiles
    sites: Percentiles


@dataclass(frozen=True, kw_only=True)
class Bands:
    """How far estimates were off when the cost model was measured.

    Parameters
    ----------
    blocks : dict
        By block, of blocks of its kind; null for one that is made for another family.
    total : ResourceBands
        Of whole accelerators that were drawn for this.
    designs : int
        How many accelerators were drawn.
    extrapolated : tuple of str
        What this design has that none of them had, so that estimates may be off by more.
    counted_as : str
        The family whose formulas and coefficients were used: another one where nothing was fitted to the family itself.
    """

    blocks: dict[str, ResourceBands | None]
    total: ResourceBands
    designs: Positive
    extrapolated: tuple[str, ...]
    counted_as: Family


@dataclass(frozen=True, kw_only=True)
class FmaxEstimate:
    """The clock that a router may reach.

    Parameters
    ----------
    part : str
    mhz : float
    error : float
        The worst share by which it was off on designs that no fit saw; of a model, what it may be.
    basis : str
        Designs that were routed, or a model of a family of which nothing was.
    """

    part: str
    mhz: Rate
    error: float
    basis: Literal["routed", "model"]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What the cost model expects for a family.

    Parameters
    ----------
    blocks : dict
        By name.
    total : Resources
    bands : Bands
    fmax : FmaxEstimate
    """

    blocks: dict[str, Resources]
    total: Resources
    bands: Bands
    fmax: FmaxEstimate


@dataclass(frozen=True, kw_only=True)
class ResourceErrors:
    """estimate / measurement - 1 of each resource; null where nothing is measured."""

    lut: float | None
    ff: float | None
    carry: float | None
    bram: float | None
    lutram: float | None
    dsp: float | None
    sites: float | None


@dataclass(frozen=True, kw_only=True)
class SynthesisErrors:
    """How far the estimates for a family are from what was measured.

    Parameters
    ----------
    blocks : dict
        By name.
    total : ResourceErrors
    """

    blocks: dict[str, ResourceErrors]
    total: ResourceErrors
