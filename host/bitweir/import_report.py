"""What became of model files, as typed data: of the network, its input, layers and result, and of comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Annotated, Literal

import numpy as np
from bitweir_hw.files import digest
from bitweir_hw.network import Affine, Bound, Conv, Dense, Input, Layer, Map, Network, Parallel, Pool, Threshold, Vote
from bitweir_sim.values.golden import weight_values
from msgspec import UNSET, Meta, UnsetType

from . import schemas
from .importers.compare.report import ComparisonReport
from .input_words import input_rule, stored_values
from .model_files import Imported
from .results import describe_result
from .schemas import Count, Digest, Json, Positive

__all__ = [
    "SCHEMA_VERSION",
    "BranchEntry",
    "CodeFormat",
    "Diagnostics",
    "ImportReport",
    "InputEntry",
    "LayerEntry",
    "Nearest",
    "NetworkEntry",
    "Padding",
    "ResultEntry",
    "StoredEntry",
    "StreamFormat",
    "Weights",
    "describe",
    "schema",
]

SCHEMA_VERSION = 2

#: Rows, columns, channels.
Shape = Annotated[tuple[Positive, Positive, Positive], Meta(description="Rows, columns, channels.")]
Distance = Annotated[float, Meta(ge=0)]
_Fraction = Annotated[str, Meta(pattern="^-?[0-9]+(/[0-9]+)?$")]


@dataclass(frozen=True, kw_only=True)
class NetworkEntry:
    """The network.

    Parameters
    ----------
    name : str
    digest : str
        Hash of all that is in it.
    outputs : int
        Scores, labels or codes of a frame.
    """

    name: str
    digest: Digest
    outputs: Positive


@dataclass(frozen=True, kw_only=True)
class CodeFormat:
    """The value of a code is ``offset + step * code``.

    Parameters
    ----------
    bits, offset, step : int
    """

    bits: Positive
    offset: int
    step: int


@dataclass(frozen=True, kw_only=True)
class ResultEntry:
    """What the result of a frame is.

    Parameters
    ----------
    kind : str
    scale, offset : list of str
        Fractions, one for all outputs, one for each, or none: ``scale * value + offset`` is the model's number.
    rounded : bool
        The fractions are the nearest of 64 significant bits, not exact.
    format : CodeFormat or None
        Of codes and labels.
    rule : list of str
        The same in words, a sentence each.
    """

    kind: Annotated[str, Meta(pattern="^(class|labels|scores|codes)$")]
    scale: tuple[_Fraction, ...]
    offset: tuple[_Fraction, ...]
    rounded: bool
    format: CodeFormat | None
    rule: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class StreamFormat:
    """What a stream between two layers carries.

    Parameters
    ----------
    kind : str
    bits : int
    low, high : int
        The lowest and the highest value.
    step : int, optional
        Distance between the values of neighbouring codes; left out of sums.
    """

    kind: Literal["codes", "sums"]
    bits: Positive
    low: int
    high: int
    step: int | UnsetType = UNSET


@dataclass(frozen=True, kw_only=True)
class StoredEntry:
    """The integers as which images are stored.

    Parameters
    ----------
    low, high : int
        The lowest and the highest.
    rule : str
        From such an integer x to what the model takes.
    """

    low: int
    high: int
    rule: str


@dataclass(frozen=True, kw_only=True)
class InputEntry:
    """The input.

    Parameters
    ----------
    shape : list of int
        Of a frame of the model file.
    map : list of int
    format : StreamFormat
    levels : int
        Values that an element can become.
    stored : StoredEntry or None
        None where nobody said how images are stored.
    stored_values : list of int or None
        What each stored integer becomes, preprocessing included, where all elements have one rule.
    rule : list of str
        The same in words, a sentence each.
    """

    shape: tuple[Positive, ...]
    map: Shape
    format: StreamFormat
    levels: Annotated[int, Meta(ge=2)]
    stored: StoredEntry | None
    stored_values: Annotated[tuple[int, ...], Meta(min_length=2, max_length=256)] | None
    rule: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Weights of a layer.

    Parameters
    ----------
    count, bits : int
    """

    count: Positive
    bits: Positive


@dataclass(frozen=True, kw_only=True)
class Padding:
    """A border that a layer sees around its map.

    Parameters
    ----------
    pads : list of int
        Rows above, columns on the left, rows below, columns on the right.
    value : int or None
        None in pools, where padding counts for nothing.
    """

    pads: tuple[Count, Count, Count, Count]
    value: int | None


@dataclass(frozen=True, kw_only=True)
class BranchEntry:
    """A branch of a sum.

    Parameters
    ----------
    weight : int
        What its integers are multiplied by.
    layers : list of LayerEntry
        In series; none where the branch is what the sum takes.
    """

    weight: int
    layers: tuple[LayerEntry, ...]


@dataclass(frozen=True, kw_only=True)
class LayerEntry:
    """A layer.

    Parameters
    ----------
    name, kind : str
    input_shape, output_shape : list of int
    input_format, output_format : StreamFormat
    weights : Weights or None
    thresholds : int or None
        For each channel.
    constant_neurons : int or None
        Channels with one code only.
    padding : Padding or None
    nearest : float or None
        Least distance of a threshold to a sum that occurs, in units of the sum; None where it is not known.
    branches : list of BranchEntry
        Of a sum; else empty.
    """

    name: Annotated[str, Meta(pattern="^[A-Za-z_][A-Za-z0-9_]*$")]
    kind: str
    input_shape: Shape
    output_shape: Shape
    input_format: StreamFormat
    output_format: StreamFormat
    weights: Weights | None
    thresholds: Positive | None
    constant_neurons: Count | None
    padding: Padding | None
    nearest: Distance | None
    branches: tuple[BranchEntry, ...]


@dataclass(frozen=True, kw_only=True)
class Nearest:
    """The layer whose threshold is nearest to a sum that occurs.

    Parameters
    ----------
    layer : str
    distance : float
        In units of the sum.
    """

    layer: str
    distance: Distance


@dataclass(frozen=True, kw_only=True)
class Diagnostics:
    """How close the integers are to another result.

    Parameters
    ----------
    ties : list of str
        Layers in which a sum that occurs lies exactly on a threshold, which float32 may miss.
    nearest : Nearest or None
        None where the importer cannot tell.
    bounds : list of Bound
        Where integers stand for real numbers that they cannot hold exactly.
    """

    ties: tuple[str, ...]
    nearest: Nearest | None
    bounds: tuple[Bound, ...]


@dataclass(frozen=True, kw_only=True)
class ImportReport:
    """What became of model files. Printed by bitweir import --json.

    Parameters
    ----------
    schema, version
        Name of this format, and a number that is raised when a program that reads these would notice a change.
    bitweir : str
        Version that wrote this.
    models : list of str
        Paths, as they were given.
    output : str or None
        The network file that was written.
    network : NetworkEntry
    result : ResultEntry
    input : InputEntry
    layers : list of LayerEntry
        In series.
    diagnostics : Diagnostics
    notes : list of str
        What a user should know, a sentence each.
    comparison : ComparisonReport or None
        With the model files on images; None without images.
    drawn : ComparisonReport or None
        With the model files on inputs drawn for the purpose; None with images, and of networks.
    """

    schema: Literal["bitweir import"]
    version: Annotated[int, Meta(ge=SCHEMA_VERSION, le=SCHEMA_VERSION)]
    bitweir: str
    models: Annotated[tuple[str, ...], Meta(min_length=1)]
    output: str | None
    network: NetworkEntry
    result: ResultEntry
    input: InputEntry
    layers: Annotated[tuple[LayerEntry, ...], Meta(min_length=1)]
    diagnostics: Diagnostics
    notes: tuple[str, ...]
    comparison: ComparisonReport | None
    drawn: ComparisonReport | None

    def to_dict(self) -> Json:
        """The JSON object; see `schema`."""
        return schemas.to_dict(self)


def schema() -> Json:
    """The JSON schema of `ImportReport.to_dict`."""
    return schemas.schema(ImportReport, title="bitweir import")


def describe(imported: Imported) -> ImportReport:
    """All that is known of a network without running it on images.

    Parameters
    ----------
    imported : Imported
    """
    network = imported.network
    taps = [member.taps for member in imported.members if member.taps is not None]
    near = {tap.layer: tap for one in taps for tap in one.codes if tap.distance is not None}
    distances = {name: float(tap.distance) for name, tap in near.items() if tap.distance is not None}
    closest = min(distances, key=distances.__getitem__, default=None)
    return ImportReport(
        schema="bitweir import",
        version=SCHEMA_VERSION,
        bitweir=metadata.version("bitweir"),
        models=tuple(str(member.path) for member in imported.members),
        output=None,
        network=NetworkEntry(name=network.name, digest=digest(network), outputs=network.outputs),
        result=_result(network),
        input=_input(network.input),
        layers=_layers(network.layers, network.input.map, distances),
        diagnostics=Diagnostics(
            ties=tuple(name for name, tap in near.items() if tap.distance == 0 and tap.rounds),
            nearest=None if closest is None else Nearest(layer=closest, distance=distances[closest]),
            bounds=network.bounds,
        ),
        notes=network.notes,
        comparison=None,
        drawn=imported.comparison,
    )


def _layers(layers: Sequence[Layer], source: Map, near: dict[str, float]) -> tuple[LayerEntry, ...]:
    """Layers in series, with those of branches inside them."""
    result = []
    for layer in layers:
        handed = layer.output_map(source)
        weights = thresholds = constant = padding = None
        branches: tuple[BranchEntry, ...] = ()
        if isinstance(layer, (Dense, Conv)):
            weights = Weights(count=layer.weights.size, bits=_weight_bits(layer))
        if isinstance(layer, (Dense, Conv, Threshold)) and layer.thresholds is not None:
            thresholds, constant = layer.thresholds.shape[1], _constant(layer, source)
        if isinstance(layer, (Conv, Pool)) and any(layer.pads):
            padding = Padding(pads=layer.pads, value=layer.pad_value if isinstance(layer, Conv) else None)
        if isinstance(layer, Parallel):
            branches = tuple(
                BranchEntry(weight=int(weight), layers=_layers(branch, source, near))
                for weight, branch in zip(layer.factors, layer.branches, strict=True)
            )
        result.append(
            LayerEntry(
                name=layer.name,
                kind=_kind(layer),
                input_shape=source.shape,
                output_shape=handed.shape,
                input_format=_format(source),
                output_format=_format(handed),
                weights=weights,
                thresholds=thresholds,
                constant_neurons=constant,
                padding=padding,
                nearest=near.get(layer.name),
                branches=branches,
            )
        )
        source = handed
    return tuple(result)


def _kind(layer: Layer) -> str:
    """What a reader calls a layer."""
    match layer:
        case Dense():
            return "dense"
        case Conv():
            groups = "" if layer.groups == 1 else f", {layer.groups} groups"
            return f"conv {_window(layer)}{groups}"
        case Pool():
            least = "" if layer.least is None else f", least in {int(layer.least.sum())} channels"
            return f"{layer.kind} pool {_window(layer)}{least}"
        case Threshold():
            return "threshold"
        case Affine():
            return "scale and offset"
        case Vote():
            return "vote"
        case Parallel():
            return f"sum of {len(layer.branches)} branches"


def _window(layer: Conv | Pool) -> str:
    kernel, stride = ("x".join(map(str, pair)) for pair in (layer.kernel, layer.stride))
    return kernel if layer.stride == (1, 1) else f"{kernel} stride {stride}"


def _weight_bits(layer: Dense | Conv) -> int:
    if layer.weights.dtype == np.bool_:
        return 1
    return _bits(int(layer.weights.min()), int(layer.weights.max()))


def _bits(low: int, high: int) -> int:
    """Bits of two's complement, or of a plain binary number where nothing is negative."""
    return max(1, high.bit_length()) if low >= 0 else 1 + max((-low - 1).bit_length(), max(high, 0).bit_length())


def _format(what: Map) -> StreamFormat:
    form = what.format
    if form is None:
        return StreamFormat(kind="sums", bits=_bits(what.low, what.high), low=what.low, high=what.high)
    return StreamFormat(kind="codes", bits=form.bits, low=what.low, high=what.high, step=form.step)


def _constant(layer: Dense | Conv | Threshold, source: Map) -> int:
    """Neurons whose code is the same for all inputs."""
    thresholds = layer.thresholds
    assert thresholds is not None
    if isinstance(layer, Threshold):
        low, high = np.int64(source.low), np.int64(source.high)
    else:
        ends = [source.low, source.high]
        if isinstance(layer, Conv) and any(layer.pads):
            ends.append(layer.pad_value)
        rows = weight_values(layer).reshape(layer.outputs, -1)
        positive, negative = np.maximum(rows, 0).sum(axis=1), -np.minimum(rows, 0).sum(axis=1)
        low = (positive * min(ends) - negative * max(ends))[:, None]
        high = (positive * max(ends) - negative * min(ends))[:, None]
        if isinstance(layer, Conv) and layer.edges is not None:
            low, high = low + min(0, int(layer.edges.min())), high + max(0, int(layer.edges.max()))
    return int(((thresholds <= low) | (thresholds > high)).all(axis=1).sum())


# ---- the two ends


def _input(entry: Input) -> InputEntry:
    stored, values = entry.stored, stored_values(entry)
    return InputEntry(
        shape=entry.shape,
        map=entry.map.shape,
        format=_format(entry.map),
        levels=entry.levels,
        stored=None if stored is None else StoredEntry(low=stored.low, high=stored.high, rule=stored.rule),
        stored_values=None if values is None else tuple(values.tolist()),
        rule=tuple(input_rule(entry)),
    )


def _result(network: Network) -> ResultEntry:
    readout, form = network.readout, network.end.format
    return ResultEntry(
        kind=readout.kind,
        scale=readout.scale,
        offset=readout.offset,
        rounded=readout.rounded,
        format=None if form is None else CodeFormat(bits=form.bits, offset=form.offset, step=form.step),
        rule=tuple(describe_result(network)),
    )
