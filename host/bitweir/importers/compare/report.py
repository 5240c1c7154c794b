"""A comparison with model files as typed data for JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from msgspec import UNSET, Meta, UnsetType
from numpy.typing import NDArray

from ...results import Quality, numbers, numbers_quality, quality
from ...schemas import Count, Json, to_dict
from ..folding.provenance import INPUT
from .comparison import Comparison
from .findings import Agreement, Difference

__all__ = ["ComparisonReport", "LayerReport", "Mismatch", "ModelReport", "OriginalReport", "comparison_report"]

Share = Annotated[float, Meta(ge=0, le=1)]
Error = Annotated[float, Meta(ge=0)]


@dataclass(frozen=True, kw_only=True)
class Mismatch:
    """The first result that is wrong.

    Parameters
    ----------
    image : int
    output : int or None
        None if the result is a class.
    expected, found : float
        What the model files say, and what the network says.
    """

    image: Count
    output: Count | None
    expected: float
    found: float


@dataclass(frozen=True, kw_only=True)
class LayerReport:
    """The codes of one layer beside a tensor of the model file.

    Parameters
    ----------
    layer : str or None
        None for the input.
    tensor : str
        Name in the file, which says nothing about its characters.
    codes : int
        How many were compared.
    differ : int
        Those that are wrong.
    ties : int
        Those that differ because floats are rounded, there or at an earlier layer of the frame.
    bounded : int
        Those that differ within the bound of the sums that they come from; see the diagnostics of the import.
    first : Difference or None
        The first that is wrong.
    """

    layer: str | None
    tensor: str
    codes: Count
    differ: Count
    ties: Count
    bounded: Count
    first: Difference | None


@dataclass(frozen=True, kw_only=True)
class ModelReport:
    """A network beside one model file. All counts are images, and None without a reference.

    Parameters
    ----------
    model : str
        Path of the file.
    reference : str or None
        What ran the file.
    remark : str or None
        Why it was not another reference, or none.
    layers : list of LayerReport
    results_differ : int or None
        Images of which the result is wrong.
    results_excused : int or None
        Images of which the result is another one only as floats are rounded, or within a bound.
    results_bounded : int or None
        Those of them where the bound of a sum is why.
    orders_differ : int or None
        Images whose scores are in a wrong order; two that tie in floats may come in either. Only of a class.
    orders_excused : int or None
        Images whose scores are in another order that is not wrong.
    orders_bounded : int or None
        Those of them where the bound of a sum is why.
    """

    model: str
    reference: str | None
    remark: str | None
    layers: tuple[LayerReport, ...]
    results_differ: Count | None
    results_excused: Count | None
    results_bounded: Count | None
    orders_differ: Count | None
    orders_excused: Count | None
    orders_bounded: Count | None


@dataclass(frozen=True, kw_only=True)
class OriginalReport:
    """A network with rounded weights beside a model file with its own weights. None without a reference.

    Parameters
    ----------
    model : str
        Path of the file.
    codes : int or None
        How many were compared.
    codes_differ : int or None
    results_differ : int or None
        Images of which the result is another one.
    accuracy : float or None
        Share of the images whose class, or all of whose labels, the file gets right; None without labels.
    """

    model: str
    codes: Count | None
    codes_differ: Count | None
    results_differ: Count | None
    accuracy: Share | None


@dataclass(frozen=True, kw_only=True)
class ComparisonReport:
    """A network beside its model files on the same frames.

    Parameters
    ----------
    images : int
        0 where a frame takes too long to draw any.
    rounded : int
        Numbers of the images that became the nearest that the input takes.
    accuracy : float or None
        Share of the images whose class, or all of whose labels, are right; None without labels.
    label_accuracy : list of float or None
        The same for each label.
    mean_error : float or None
        Of scores and codes, in the numbers of the model.
    reference_accuracy : float or None
        Accuracy of the file, on the images as rounded where `rounded` is not 0; so are the next two.
    reference_label_accuracy : list of float or None
    reference_mean_error : float or None
    results_differ : int or None
        Images of which the result is wrong; None without a reference.
    results_excused : int or None
        Images of which the result is another one only as floats are rounded, or within a bound.
    results_bounded : int or None
        Those of them where the bound of a sum is why.
    first_mismatch : Mismatch or None
    models : list of ModelReport
        One for each model file; with the rounded weights where real weights were rounded.
    originals : list of OriginalReport, optional
        One for each model file whose real weights were rounded, with its own weights; left out where none were.
    """

    images: Count
    rounded: Count
    accuracy: Share | None
    label_accuracy: tuple[Share, ...] | None
    mean_error: Error | None
    reference_accuracy: Share | None
    reference_label_accuracy: tuple[Share, ...] | None
    reference_mean_error: Error | None
    results_differ: Count | None
    results_excused: Count | None
    results_bounded: Count | None
    first_mismatch: Mismatch | None
    models: Annotated[tuple[ModelReport, ...], Meta(min_length=1)]
    originals: tuple[OriginalReport, ...] | UnsetType = UNSET

    def to_dict(self) -> Json:
        """The JSON object."""
        return to_dict(self)


def comparison_report(found: Comparison, labels: NDArray[Any] | None = None, *, rounded: int = 0) -> ComparisonReport:
    """The report of a comparison.

    Parameters
    ----------
    found : Comparison
    labels : array or None
        Of the images, as `results.label_problem` lets them pass.
    rounded : int
        How many numbers of the images became the nearest that the input takes.
    """
    wanted, kind = found.wanted, found.network.readout.kind
    bounded = np.any([one.bounded for one in found.agreements if one.ran] or [found.excused], axis=0)
    worth = Quality() if labels is None or wanted is None else numbers_quality(kind, wanted, labels)
    own = quality(found.network, found.result, labels)
    return ComparisonReport(
        images=found.frames,
        rounded=rounded,
        accuracy=own.accuracy,
        label_accuracy=_shares(own),
        mean_error=own.mean_error,
        reference_accuracy=worth.accuracy,
        reference_label_accuracy=_shares(worth),
        reference_mean_error=worth.mean_error,
        results_differ=None if wanted is None else int(found.wrong.sum()),
        results_excused=None if wanted is None else int(found.excused.sum()),
        results_bounded=None if wanted is None else int((found.excused & bounded).sum()),
        first_mismatch=_first(found) if found.wrong.any() else None,
        models=tuple(_model(agreement) for agreement in found.agreements),
        originals=tuple(_original(one, kind, labels) for one in found.originals) or UNSET,
    )


def _original(found: Agreement, kind: str, labels: NDArray[Any] | None) -> OriginalReport:
    if found.results is None:
        return OriginalReport(model=str(found.path), codes=None, codes_differ=None, results_differ=None, accuracy=None)
    worth = Quality() if labels is None or found.kind != kind else numbers_quality(kind, found.results, labels)
    return OriginalReport(
        model=str(found.path),
        codes=sum(layer.codes for layer in found.layers),
        codes_differ=sum(layer.ties for layer in found.layers),
        results_differ=int(found.differ.sum()),
        accuracy=worth.accuracy,
    )


def _shares(found: Quality) -> tuple[float, ...] | None:
    return None if found.label_accuracy is None else tuple(found.label_accuracy)


def _first(found: Comparison) -> Mismatch:
    """The first result that is wrong."""
    place, wanted, result = int(found.wrong.argmax()), found.wanted, found.result
    assert wanted is not None
    if result.classes is not None and result.classes.ndim == 1:
        return Mismatch(image=place, output=None, expected=int(wanted[place]), found=int(result.classes[place]))
    have: NDArray[Any] | None = result.labels if result.labels is not None else result.classes
    if have is None:
        have = numbers(found.network, result.scores)
    assert have is not None
    output = int(np.abs(wanted[place].astype(np.float64) - have[place]).argmax())
    return Mismatch(
        image=place, output=output, expected=float(wanted[place, output]), found=float(have[place, output])
    )  # fmt: skip


def _model(found: Agreement) -> ModelReport:
    layers = tuple(
        LayerReport(
            layer=None if one.layer == INPUT else one.layer, tensor=one.tensor, codes=one.codes, differ=one.differ,
            ties=one.ties, bounded=one.bounded, first=one.first,
        )
        for one in found.layers
        if found.ran
    )  # fmt: skip
    # None of the orders unless scores are compared.
    of_results = found.bounded if found.ran else None
    of_orders = found.bounded if found.ran and found.kind == "class" else None
    results = _counts(found.results_differ, found.excused, of_results)
    orders = _counts(found.orders_differ, found.tied, of_orders)
    return ModelReport(
        model=str(found.path), reference=found.reference if found.ran else None, remark=found.remark or None,
        layers=layers, results_differ=results[0], results_excused=results[1], results_bounded=results[2],
        orders_differ=orders[0], orders_excused=orders[1], orders_bounded=orders[2],
    )  # fmt: skip


def _counts(differ: int, excused: NDArray[np.bool_], bounded: NDArray[np.bool_] | None) -> tuple[int | None, ...]:
    """Images of which something is wrong, or excused, and those of the latter where a bound is why; None: not known."""
    return (None, None, None) if bounded is None else (differ, int(excused.sum()), int((excused & bounded).sum()))
