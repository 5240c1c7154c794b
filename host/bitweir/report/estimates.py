"""What the cost model expects of each block, and how far that is from what synthesis measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bitweir_hw.blocks.pipeline import Pipeline
from bitweir_hw.cost import Cost, drawn, error_bands, estimate_pipeline, extrapolated, fmax, fmax_basis, fmax_error
from bitweir_hw.parts import COUNTED_AS, FpgaPart

from ..synthesis.results import RESOURCES, Measured, Resources
from .model import Bands, Estimate, FmaxEstimate, Percentiles, ResourceBands, ResourceErrors, SynthesisErrors

__all__ = ["errors", "estimates"]


def estimates(pipeline: Pipeline, parts: Iterable[FpgaPart]) -> dict[str, Estimate]:
    """Estimated resources by family, for a part of each."""
    found = {}
    for part in parts:
        family = part.family
        costs, total = estimate_pipeline(pipeline, family)
        found[family] = Estimate(
            blocks={name: _row(cost) for name, cost in costs.items()},
            total=_row(total),
            bands=bands(pipeline, family),
            fmax=_fmax(pipeline, part),
        )
    return found


def bands(pipeline: Pipeline, family: str) -> Bands:
    """How far estimates were off when the cost model was measured: see `bitweir_hw.cost`."""
    blocks = {}
    for block in pipeline.blocks:
        each = error_bands(family, block)
        blocks[block.name] = _bands(each) if each else None
    known = drawn(family)
    return Bands(
        blocks=blocks,
        total=_bands(known.errors),
        designs=known.count,
        extrapolated=tuple(extrapolated(pipeline, family)),
        counted_as=COUNTED_AS[family],
    )


def _bands(percents: Mapping[str, Sequence[float]]) -> ResourceBands:
    def shares(median: float, most: float, worst: float) -> Percentiles:
        return Percentiles(median=median / 100, most=most / 100, worst=worst / 100)

    return ResourceBands(**{key: shares(*percents[key]) for key in RESOURCES})


def _fmax(pipeline: Pipeline, part: FpgaPart) -> FmaxEstimate:
    clock = fmax(pipeline, part)
    return FmaxEstimate(part=part.name, mhz=clock / 1e6, error=fmax_error(part), basis=fmax_basis(part))


def errors(estimated: Mapping[str, Estimate], measured: Mapping[str, Measured]) -> dict[str, SynthesisErrors]:
    """For families with both, ``estimate / measurement - 1`` of each block and in total; None if nothing is measured.

    Parameters
    ----------
    estimated, measured : mapping
        By family.
    """
    return {
        family: SynthesisErrors(
            blocks={
                name: _error(row, measured[family].blocks[name])
                for name, row in estimate.blocks.items()
                if name in measured[family].blocks
            },
            total=_error(estimate.total, measured[family].total),
        )
        for family, estimate in estimated.items()
        if family in measured
    }


def _row(cost: Cost) -> Resources:
    return Resources(**{key: getattr(cost, key) for key in RESOURCES})


def _error(estimate: Resources, measured: Resources) -> ResourceErrors:
    pairs = ((key, getattr(estimate, key), getattr(measured, key)) for key in RESOURCES)
    return ResourceErrors(**{key: expected / found - 1 if found else None for key, expected, found in pairs})
