"""The end of a graph: what the result of the network is, and what its integers mean."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np
from bitweir_hw.network import LABEL, Affine, Argmax, Format, Network, Readout

from ..errors import ModelError
from ..exact.fold import Exacts, Quantiser, columns
from ..exact.scores import integer_scores
from ..exact.surd import Exact, Surd, nearly, sign
from .borders import refusal
from .bounds import known_error, score_margin
from .choices import order_of
from .network_builder import NetworkBuilder
from .planes import regular
from .positions import AFFINE
from .quantise import coding, quantise, resolved
from .shortcuts import settled
from .stairs import Stairs
from .symbols import Codes, Move, Moving, Point, Signal, Stream, by_channel

__all__ = ["ENDS", "finish", "result"]

#: What may end a graph, and the result that it makes of several outputs, and of one.
ENDS = {
    "": ("class", "scores"),
    "choice": ("class", ""),
    "sigmoid": ("labels", "labels"),
    "softmax": ("class", ""),
    "tanh": ("class", ""),
}
#: Longer fractions are rounded, to so many significant bits.
_FRACTION_BITS, _ROUNDED_BITS = 2048, 64
_ZERO = Fraction(0)


def finish(
    builder: NetworkBuilder,
    x: Any,
    name: str,
    wanted: str | None = None,
    parts: tuple[tuple[str, int], ...] = (),
) -> Network:
    """The network whose output is `x`, with a result of the kind that is wanted; see `result`.

    Where `x` is several outputs of the model, `parts` are their names and how many elements or channels each has.
    """
    if parts and wanted in ("class", "classes"):
        raise ModelError(
            "The result of several outputs cannot be a class: choose one of them (--head NAME, in Python head=)."
        )
    if parts and wanted is None and isinstance(x, Signal) and not x.ended and not _holds_codes(x):
        wanted = "scores"
    point, readout = result(builder, x, wanted)
    return builder.network(point, replace(readout, parts=parts), name)


def result(builder: NetworkBuilder, x: Any, wanted: str | None) -> tuple[Point, Readout]:
    """The end of the last layer, and what its integers are.

    A sigmoid makes labels: bit m is 1 where score m is greater than 0, that is where the sigmoid is greater than
    1/2; at a score of exactly 0 it is 0. What ends in a quantiser makes codes; one output without a sigmoid makes a
    score; several make a class, as does a softmax.

    Parameters
    ----------
    builder : NetworkBuilder
        Gets the layers that are missing, and notes.
    x : value
        Of the output of the graph.
    wanted : str or None
        The kind of result that the user wants; None is that which the graph says.

    Raises
    ------
    ModelError
        The output is no result, or none of the kind that is wanted.
    """
    if isinstance(x, (Codes, Signal)) and isinstance(x.origin, Stream) and not builder.is_input(x.origin):
        if isinstance(x, Signal) and x.summands is not None and _kind(x, wanted) != "labels":
            x = settled(builder, x, "the output")
        x = _ordered(builder, x)
        assert isinstance(x.origin, Stream)
        y = _in_order(x)
        if builder.taps is not None and isinstance(x, Codes):
            back = None if x.origin.map.pixels == 1 else _unmoved(x)
            builder.taps.moved(x, y, back)
        if builder.taps is not None:
            builder.taps.ends_in(x.origin.map)
        try:
            if isinstance(y, Codes):
                return _end_in_codes(builder, y, wanted)
            if _holds_codes(y) and wanted != "labels":
                _check_codes(wanted)
                return _scores(builder, y, kind="codes")
            kind = _kind(y, wanted)
            return {"class": _class, "labels": _labels, "scores": _scores, "classes": _classes}[kind](builder, y)
        except ModelError as error:
            # What treats the pixels of a map one by one ends a sentence that starts here.
            text = str(error)
            raise (
                error if text[:1].isupper() else ModelError(f"The output of the model cannot be told: {text}.")
            ) from error
    raise ModelError(
        "The output of the model must come from a last layer, not be the input or a constant: "
        "export the network up to its scores."
    )


def _kind(x: Signal, wanted: str | None) -> str:
    """What the result is, where no quantiser ends the graph."""
    assert isinstance(x.origin, Stream)
    map_, one = x.origin.map, x.origin.map.channels == 1
    usual = ENDS[x.end][one]
    if map_.pixels > 1:
        # What a map says is told for each pixel. Where nothing chooses, it is the numbers themselves.
        usual = {"class": "scores" if x.end == "" else "classes"}.get(usual, usual)
        wanted = "classes" if wanted == "class" else wanted
    elif wanted == "classes":
        raise ModelError(
            "The result can be the classes of pixels only where the model ends in a map, and this one ends in a "
            "vector: say --result class."
        )
    if wanted == "codes":
        raise ModelError(
            "The result can be codes only where the model ends in a quantiser, and this one ends in scores: "
            "say --result scores."
        )
    if wanted in ("class", "classes") and one:
        raise ModelError(
            "The result cannot be the class of a model with one output, because that would always be 0: "
            "say --result labels or --result scores."
        )
    if wanted == "labels" and x.end in ("choice", "softmax"):
        raise ModelError(
            f"The result cannot be labels, because {x.ended} chooses one class: leave out --result, or export the "
            "model without it."
        )
    if x.end == "tanh" and map_.pixels > 1 and wanted is None:
        raise ModelError(
            f"{_capital(x.ended)} at the end of a map may be there for its numbers or for what is greatest in each "
            "pixel: say --result scores (what it takes), --result labels (whether that is greater than 0) or --result "
            "classes."
        )
    if not usual and wanted is None and x.end == "tanh":
        raise ModelError(
            f"{_capital(x.ended)} at the end of one output makes neither a label nor a score: say "
            "--result labels (whether what it takes is greater than 0) or --result scores (what it takes)."
        )
    if not usual and wanted is None:
        raise ModelError(
            f"{_capital(x.ended)} at the end chooses among one output, so that it always says the same: "
            "say --result scores (what it takes), or export the model without it."
        )
    return wanted or usual


def _check_affine(x: Signal) -> None:
    assert isinstance(x.origin, Stream)
    if x.origin.point.border is not None:
        raise refusal("The output of the model", x.origin.point.border)
    other = [step.name for step in x.steps if step.name not in AFFINE]
    if other:
        raise ModelError(
            f"After the last layer only an affine map may follow, not a {other[0]}: it makes ties; export the model "
            "without it."
        )


def _chains(x: Signal) -> list[Any]:
    """The affine chain of each channel."""
    assert isinstance(x.origin, Stream)
    shape, channels = columns(x.steps)
    chains = [chain for chain, _ in channels]
    kinds = by_channel(x, np.arange(len(chains)).reshape(shape))
    return [chains[kind] for kind in kinds]


def _class(builder: NetworkBuilder, x: Signal) -> tuple[Point, Readout]:
    """The lowest index with the highest score."""
    _check_affine(x)
    sums = x.origin
    assert isinstance(sums, Stream)
    chains = _chains(x)
    if prod(columns(x.steps)[0]) > 1 and sums.point not in builder.summands:
        builder.plan.need_common(sums.last)  # else the classes could not be compared without a multiplier for each
    try:
        scores = integer_scores(chains, sums.low.tolist(), sums.high.tolist(), sums.step, known_error(sums, chains))
    except ValueError as error:
        raise ModelError(
            f"The scores of the last layer must fold into integers, but {error}: retrain without its batch norm."
        ) from error
    if x.end not in ("", "choice"):
        builder.notes.append(f"{_capital(x.ended)} at the end is left out: it does not change the class.")
    point = builder.negated(sums.point, scores.inverted)
    builder.tell(sums, 0, int(scores.inverted.sum()))
    builder.score_margin = score_margin(sums, chains, scores.error)
    if scores.scale is not None and scores.offset is not None:
        return Point(point.map, Affine(name="scores", scale=scores.scale, offset=scores.offset), point), Readout()
    if x.steps:
        builder.notes.append(
            "The affine map after the last layer is one for all classes; it is left out, the class is the same."
        )
    offset = chains[0](0)
    slope = chains[0](-1 if scores.inverted[0] else 1) - offset
    return point, _readout("class", [slope], [offset])


def _classes(builder: NetworkBuilder, x: Signal) -> tuple[Point, Readout]:
    """For each pixel, the lowest index with the highest score."""
    point, _ = _class(builder, x)
    layer = Argmax(name="classes")
    return Point(layer.output_map(point.map), layer, point), Readout(kind="classes")


def _labels(builder: NetworkBuilder, x: Signal) -> tuple[Point, Readout]:
    """A bit an output: whether its score is greater than 0."""
    if x.end == "sigmoid" and x.steps and x.steps[-1].name == "sigmoid":
        raise ModelError(
            f"The result cannot be labels, because {x.ended} takes what comes out of another sigmoid, so that all "
            "labels are 1: remove one of the two."
        )
    half = np.array(_ZERO, object).reshape((1,) * len(x.shape))
    label = x.ended or "the labels"
    codes = quantise(x, Quantiser(((half, True),), (half, half + 1)))
    return _labelled(builder, _rising(builder, codes, label), label), Readout(kind="labels")


def _rising(builder: NetworkBuilder, codes: Codes, label: str) -> Codes:
    """Codes of 0 and 1 that count: behind a curve, what a code means differs from output to output."""
    (part,) = regular(builder, resolved(codes), label)
    stairs = Stairs.of(part) if isinstance(part, Codes) else None
    counted = None if stairs is None else stairs.monotone()
    if stairs is None and isinstance(part, Codes) and _are_bits(part):
        # Labels that are the same for every input have no step.
        counted = part
    if counted is None or len(counted.values) != 2:
        raise ModelError(f"The result cannot be labels of what {label} takes: use a formula that rises.")
    if builder.taps is not None:
        builder.taps.moved(codes, counted)
    return counted


def _are_bits(codes: Codes) -> bool:
    """Whether codes of 0 and 1 mean 0 and 1, for all outputs."""
    return len(codes.values) == 2 and all((value == bit).all() for bit, value in enumerate(codes.values))


def _labelled(builder: NetworkBuilder, codes: Codes, label: str) -> Point:
    """The point behind the layer of one bit that codes of the values 0 and 1 make."""
    signal = builder.threshold(codes, LABEL, label)
    if builder.taps is not None:
        builder.taps.closed(codes, signal)
    assert isinstance(signal.origin, Stream)
    return signal.origin.point


def _scores(builder: NetworkBuilder, x: Signal, kind: str = "scores") -> tuple[Point, Readout]:
    """The integers of the last layer, or its codes, with the affine map that leads to the model's numbers."""
    _check_affine(x)
    sums = x.origin
    assert isinstance(sums, Stream)
    if x.ended:
        builder.notes.append(f"{_capital(x.ended)} at the end is left out: the scores are what it takes.")
    chains = _chains(x)
    builder.score_margin = score_margin(sums, chains, _ZERO)
    offsets = [chain(0) for chain in chains]
    slopes = [chain(1) - offset for chain, offset in zip(chains, offsets, strict=True)]
    return sums.point, _readout(kind, slopes, offsets)


def _holds_codes(x: Signal) -> bool:
    """Whether a signal is on codes, as behind a pool or a concatenation of them."""
    return isinstance(x.origin, Stream) and x.origin.map.format is not None


def _check_codes(wanted: str | None) -> None:
    if wanted in ("class", "classes", "scores"):
        told = {"class": "a class", "classes": "the classes of pixels"}.get(wanted, wanted)
        raise ModelError(
            f"The result cannot be {told}, because the model ends in a quantiser: leave out --result, or export the "
            "model up to its scores."
        )


def _end_in_codes(builder: NetworkBuilder, codes: Codes, wanted: str | None) -> tuple[Point, Readout]:
    """The codes of a quantiser at the end, or labels of them."""
    _check_codes(wanted)
    if wanted == "labels":
        half = np.array(_ZERO, object).reshape((1,) * len(codes.shape))
        bits = codes.quantised(Quantiser(((half, True),), (half, half + 1)))
        if len(bits.values) != 2 or any((v != k).any() for k, v in enumerate(bits.values)):
            raise ModelError(
                "The result can be labels only where codes of the quantiser at the end become greater than 0 at one "
                "threshold: leave out --result."
            )
        return _labelled(builder, bits, "the labels"), Readout(kind="labels")
    before, codes = codes, resolved(codes)
    if builder.taps is not None:
        builder.taps.moved(before, codes)
    form, scale, shift = _spacing(codes)
    signal = builder.threshold(codes, form, "the codes")
    if builder.taps is not None:
        builder.taps.closed(codes, signal)
    assert isinstance(signal.origin, Stream)
    scales, shifts = (list(by_channel(codes, np.asarray(part, object))) for part in (scale, shift))
    return signal.origin.point, _readout("codes", scales, shifts)


def _spacing(codes: Codes) -> tuple[Format, Exacts, Exacts]:
    """The format of codes at the end, and what leads to the model's numbers; each output may have a step of its own."""
    steps = [np.asarray(b - a, object) for a, b in zip(codes.values, codes.values[1:], strict=False)]
    surds = any(isinstance(x, Surd) for value in codes.values for x in value.flat)
    sizes = {abs(x) for step in steps for x in step.flat} if not surds else {None}
    if (len(sizes) == 1 and not surds) or (codes.ternary and len(codes.values) > 2):
        code = coding(codes)
        return code.format, np.asarray(code.signs.astype(object) * code.scale, object), code.shift
    even = all(sign(x) == 0 for step in steps[1:] for x in np.asarray(step - steps[0], object).flat)
    if not even:
        raise ModelError(
            "The quantiser at the end of the model must have evenly spaced levels for each output: quantise uniformly."
        )
    bits = max(1, (len(codes.values) - 1).bit_length())
    return Format(bits=bits), steps[0], codes.values[0]


def _readout(kind: str, scales: list[Exact], offsets: list[Exact]) -> Readout:
    """The readout with these as fractions, one for all outputs where they are alike."""
    rounded = False
    told = []
    for numbers in (scales, offsets):
        fractions = []
        for number in numbers:
            fraction = nearly(number)
            if isinstance(number, Surd) or fraction.denominator.bit_length() > _FRACTION_BITS:
                fraction, rounded = _nearest(fraction), True
            fractions.append(str(fraction))
        told.append(tuple(fractions[:1] if len(set(fractions)) == 1 else fractions))
    return Readout(kind=kind, scale=told[0], offset=told[1], rounded=rounded)


def _capital(label: str) -> str:
    return label[:1].upper() + label[1:]


def _nearest(number: Fraction) -> Fraction:
    """The nearest fraction of so many significant bits."""
    if not number:
        return number
    top = abs(number.numerator).bit_length() - number.denominator.bit_length()
    unit = Fraction(2) ** (top - _ROUNDED_BITS)
    return round(number / unit) * unit


def _ordered(builder: NetworkBuilder, x: Moving) -> Moving:
    """The same where outputs are left out, come twice or in another order than those of the last layer."""
    stream, order = x.origin, order_of(x)
    assert isinstance(stream, Stream)
    if order is None or np.array_equal(order, np.arange(stream.map.channels)):
        return x
    if stream.point.border is not None:
        raise refusal("The output of the model", stream.point.border)
    index = np.arange(len(x.index)).reshape(-1, len(order)).T.reshape(-1)
    y = replace(x, origin=builder.select(stream, order, "of the output"), index=index)
    if builder.taps is not None and isinstance(x, Codes) and isinstance(y, Codes):
        builder.taps.moved(x, y)
    return y


def _in_order(x: Any) -> Any:
    """A result whose stream has it in the order of the model's outputs; a map comes pixel by pixel."""
    stream = x.origin
    if stream.map.pixels != 1:
        return _map_in_order(x)
    if not np.array_equal(x.index, np.arange(stream.map.size)):
        raise ModelError(f"The output of the model must be one vector, not of the shape {x.shape}: flatten it.")
    return x


def _map_in_order(x: Any) -> Any:
    """A map of results in the order of its stream."""
    shape = x.origin.map.shape
    rows, columns_, channels = shape
    whole = np.arange(x.origin.map.size).reshape(shape)
    if len(x.shape) > 1 and np.array_equal(x.index, whole.transpose(2, 0, 1).reshape(-1)):
        return x.moved(shape, lambda array: array.reshape(channels, rows, columns_).transpose(1, 2, 0))
    if len(x.shape) > 1 and np.array_equal(x.index, whole.reshape(-1)):
        return x.moved(shape, lambda array: array.reshape(shape))
    raise ModelError(
        f"The output of the model must be one vector, or the map of {rows} x {columns_} pixels of {channels} channels "
        f"that {x.origin.name} hands on, not its elements in the shape {x.shape}: end with a dense layer or a pool "
        "over the whole map, or export the map itself."
    )


def _unmoved(x: Codes) -> Move:
    """What undoes `_map_in_order` on an array of the frame."""
    assert isinstance(x.origin, Stream)
    first = np.arange(x.origin.map.size).reshape(x.origin.map.shape).transpose(2, 0, 1).reshape(-1)
    if np.array_equal(x.index, first):
        return lambda array: array.transpose(2, 0, 1).reshape(x.shape)
    return lambda array: array.reshape(x.shape)
