"""Results of images: their meaning, their comparison with labels, and how they are saved."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from bitweir_hw.network import Format, Integers, Network
from bitweir_sim.values.comparison import ELEMENTS
from bitweir_sim.values.golden import Result
from numpy.typing import NDArray

from .folders import whole_file

__all__ = [
    "ELEMENTS",
    "PLURALS",
    "Quality",
    "describe_result",
    "label_problem",
    "numbers",
    "numbers_quality",
    "quality",
    "quality_rows",
    "readout_entry",
    "result_name",
    "save_result",
    "shaped",
]

#: What several results are called, by their kind; see `ELEMENTS` for the elements of one.
PLURALS = {
    "class": "classes", "labels": "labels", "scores": "scores", "codes": "codes", "classes": "classes of pixels",
}  # fmt: skip
#: As many characters of a fraction are shown exactly; more outputs than this are not listed one by one.
_MOST_CHARACTERS, _MOST_OUTPUTS = 48, 8


def numbers(network: Network, values: Integers) -> NDArray[np.float64] | None:
    """Convert integer results (N, M) to the numbers of the model; None where their meaning is not known."""
    readout = network.readout
    if not readout.scale:
        return None
    form = network.end.format
    return readout.numbers(values if form is None else form.values(values))


def shaped(network: Network, values: NDArray[Any]) -> NDArray[Any]:
    """Numbers of results (N, M) in their shape, (N, *network.result_shape)."""
    return values.reshape(len(values), *network.result_shape)


def save_result(path: Path, network: Network, result: Result) -> None:
    """Write results to an .npz file.

    A class gives the arrays ``classes`` (N,) and ``scores`` (N, M); labels give ``labels`` (N, M), bool; scores and
    codes give these, int64, and ``numbers`` (N, M), float64, which is what they mean to the model. Where the result is
    a map, all of these are (N, H, W, C), with the channels last whatever their place in the model; the classes of its
    pixels are ``classes`` (N, H, W).
    """
    arrays: dict[str, NDArray[Any]] = {}
    if network.readout.kind == "class":
        assert result.classes is not None
        arrays = {"classes": result.classes, "scores": result.scores}
    elif network.readout.kind in ("labels", "classes"):
        told = result.labels if result.classes is None else result.classes
        assert told is not None
        arrays = {network.readout.kind: shaped(network, told)}
    else:
        meaning = numbers(network, result.scores)
        assert meaning is not None
        arrays = {network.readout.kind: shaped(network, result.scores), "numbers": shaped(network, meaning)}
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **arrays)
    whole_file(path, file.getvalue())


# ---- labels of files


def label_problem(y: NDArray[Any], network: Network, images: int) -> str | None:
    """The reason why labels cannot be compared with the results of a network, as the end of a sentence, or None.

    A class has one integer from 0 to M-1 for each image; labels have (N, M), or (N,) for one label, of 0 and 1; scores
    and codes have numbers of the model, (N, M) or (N,). Those of a map are (N, H, W, C), and the classes of its pixels
    (N, H, W).
    """
    kind, outputs = network.readout.kind, network.outputs
    if kind == "classes":
        return _pixels_problem(y, network, images)
    if kind == "class":
        if y.ndim != 1 or len(y) != images or y.dtype.kind not in "iu":
            return f"one integer label y for each of its {images} images, not {y.dtype} of shape {y.shape}"
        if (outside := (y < 0) | (y >= outputs)).any():
            first = int(outside.argmax())
            return f"labels y from 0 to {outputs - 1}, one for each class, but that of image {first} is {y[first]}"
        return None
    shapes: list[tuple[int, ...]] = [(images, *network.result_shape)] + ([(images,)] if outputs == 1 else [])
    what = "labels of 0 and 1" if kind == "labels" else "numbers"
    if y.shape not in shapes or y.dtype.kind not in "biuf":
        return f"{what} as y of shape {' or '.join(map(str, shapes))}, not {y.dtype} of shape {y.shape}"
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        return "finite numbers as y"
    if kind == "labels" and not np.isin(y, (0, 1)).all():
        return f"labels of 0 and 1 as y, not {y[~np.isin(y, (0, 1))].flat[0]}"
    return None


def _pixels_problem(y: NDArray[Any], network: Network, images: int) -> str | None:
    shape = (images, *network.result_shape)
    if y.shape != shape or y.dtype.kind not in "iu":
        return f"integer labels y of shape {shape}, one for each pixel, not {y.dtype} of shape {y.shape}"
    if (outside := (y < 0) | (y >= network.classes)).any():
        return f"labels y from 0 to {network.classes - 1}, one for each class, not {y[outside].flat[0]}"
    return None


@dataclass(frozen=True, kw_only=True)
class Quality:
    """How results compare with the labels of the images; all None without labels.

    Parameters
    ----------
    accuracy : float or None
        Share of the images whose class, or all of whose labels, are right; of classes of pixels the share of
        the pixels. None for scores and codes.
    label_accuracy : list of float, or None
        The share for each label; None for other results.
    mean_error : float or None
        Mean of ``|number - y|`` over all scores or codes, in the numbers of the model; None for other results.
    """

    accuracy: float | None = None
    label_accuracy: list[float] | None = None
    mean_error: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The fields by their names."""
        return asdict(self)


def quality(network: Network, result: Result, y: NDArray[Any] | None) -> Quality:
    """Compare the results of a network with labels, which `label_problem` let pass."""
    if y is None:
        return Quality()
    told = result.classes if result.classes is not None else result.labels
    return numbers_quality(network.readout.kind, numbers(network, result.scores) if told is None else told, y)


def numbers_quality(kind: str, told: NDArray[Any] | None, y: NDArray[Any]) -> Quality:
    """The same for what a model says: classes (N,) or (N, M), labels (N, M) as bool, or numbers (N, M)."""
    assert told is not None
    wanted = y.reshape(told.shape)
    if kind in ("class", "classes"):
        return Quality(accuracy=float((told == wanted).mean()))
    if kind == "labels":
        right = told == (wanted != 0)
        return Quality(
            accuracy=float(right.all(axis=1).mean()), label_accuracy=[float(share) for share in right.mean(axis=0)]
        )
    return Quality(mean_error=float(np.abs(told - wanted.astype(np.float64)).mean()))


def quality_rows(found: Quality) -> Iterator[tuple[str, str]]:
    """The rows of a table."""
    if found.accuracy is not None:
        yield "accuracy", f"{found.accuracy:.2%}"
    if found.label_accuracy is not None and len(found.label_accuracy) > 1:
        shares = found.label_accuracy
        told = ", ".join(f"{share:.2%}" for share in shares[:_MOST_OUTPUTS])
        yield "accuracy of each label", told + (f", ... ({len(shares)} labels)" if len(shares) > _MOST_OUTPUTS else "")
    if found.mean_error is not None:
        yield "mean error", f"{found.mean_error:.6g}"


# ---- what a result is


def result_name(kind: str, outputs: int) -> str:
    """The outputs of a network in words."""
    one = {"class": "class", "classes": "class of a pixel"}.get(kind, ELEMENTS[kind])
    return f"{outputs:,} {one if outputs == 1 else PLURALS[kind]}"


def readout_entry(network: Network) -> dict[str, Any]:
    """The meaning of the result, for JSON."""
    readout, form = network.readout, network.end.format
    return {
        "kind": readout.kind,
        "scale": list(readout.scale),
        "offset": list(readout.offset),
        "rounded": readout.rounded,
        "format": None if form is None else {"bits": form.bits, "offset": form.offset, "step": form.step},
        **({"shape": list(network.result_shape)} if network.end.pixels > 1 else {}),
        **({"parts": [list(part) for part in readout.parts]} if readout.parts else {}),
    }


def describe_result(network: Network) -> Iterator[str]:
    """Yield what the result is and what it means, a sentence each."""
    readout, outputs, form = network.readout, network.outputs, network.end.format
    if readout.kind == "classes":
        yield (
            f"The result is a class for each of {outputs:,} pixels: of {network.classes:,}, the lowest one with the "
            "highest score."
        )
    elif readout.kind == "class":
        yield f"The result is a class: the lowest index with the highest of {outputs:,} scores."
    elif readout.kind == "labels":
        bits = "1 bit" if outputs == 1 else "1 bit each"
        yield (
            f"The result is {result_name('labels', outputs)}, {bits}: 1 where the model's score is greater than 0, "
            "that is its sigmoid greater than 1/2, else 0."
        )
    elif readout.kind == "scores":
        integers = "a signed integer" if outputs == 1 else "signed integers"
        yield f"The result is {result_name('scores', outputs)}, {integers}."
    else:
        assert form is not None
        yield f"The result is {result_name('codes', outputs)} of {form.bits} bit{'s' * (form.bits > 1)}."
    if readout.parts:
        what = "of each pixel " if network.end.pixels > 1 else ""
        listed = ", ".join(f"{count:,} of output {name!r}" for name, count in readout.parts)
        yield f"Several outputs of the model follow one another {what}in it: {listed}."
    if network.end.pixels > 1:
        rows, columns, channels = network.end.shape
        order = "" if channels == 1 else ", the channels of a pixel one after the other"
        count = f"{channels:,} channel{'s' * (channels > 1)}"
        yield f"It is a map of {rows:,} x {columns:,} pixels with {count}, row by row{order}."
    if readout.scale:
        yield from _meaning(network, form)


def _meaning(network: Network, form: Format | None) -> Iterator[str]:
    """What leads from integers to the numbers of the model."""
    readout = network.readout
    if form is not None:
        yield f"A code c has the value v = {form.offset} + {form.step} * c."
    letter = "v" if form is not None else "s"
    what = "A code" if form is not None else "A score s"
    near = "about " if readout.rounded else ""
    if len(readout.scale) == len(readout.offset) == 1:
        scale, offset = readout.scales[0], readout.offsets[0]
        yield f"{what} means {near}{_map(letter, scale, offset)} in the numbers of the model."
    else:
        yield f"{what} means {near}{letter} * scale + offset in the numbers of the model:"
        one = "output" if network.end.pixels == 1 else "channel"
        count = network.end.channels
        scales, offsets = (part * (count // len(part)) for part in (readout.scales, readout.offsets))
        for place, (scale, offset) in enumerate(zip(scales[:_MOST_OUTPUTS], offsets, strict=False)):
            yield f"{one} {place}: {_map(letter, scale, offset)};"
        if count > _MOST_OUTPUTS:
            yield f"and so on for {count:,} {one}s, all of which network.npz holds."
    if readout.rounded:
        yield "The exact numbers are irrational or very long; these are the nearest of 64 significant bits."


def _map(letter: str, scale: Fraction, offset: Fraction) -> str:
    scaled = letter if scale == 1 else f"{letter} * {_shown(scale)}"
    return f"{scaled} + {_shown(offset)}" if offset else scaled


def _shown(number: Fraction) -> str:
    """A fraction, exactly if it is short, in brackets where it is negative or a quotient."""
    told = str(number)
    if len(told) > _MOST_CHARACTERS:
        told = f"{float(number):.17g}"
    return f"({told})" if "/" in told or told.startswith("-") else told
