"""What became of model files, as typed data: of the network, its input, layers and result, and of comparisons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from bitweir_hw.network import Bound
from msgspec import UNSET, Meta, UnsetType

from . import schemas
from .importers.compare.report import ComparisonReport
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
    shape : list of int, optional
        Of a map, (H, W, C), or (H, W) for classes of its pixels; left out of a vector.
    parts : list of [str, int], optional
        Names of several outputs of the model, and how many channels each has.
    """

    kind: Annotated[str, Meta(pattern="^(class|labels|scores|codes|classes)$")]
    scale: tuple[_Fraction, ...]
    offset: tuple[_Fraction, ...]
    rounded: bool
    format: CodeFormat | None
    rule: tuple[str, ...]
    shape: tuple[int, ...] | UnsetType = UNSET
    parts: tuple[tuple[str, int], ...] | UnsetType = UNSET


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
    """A branch of a sum, or of what joins channels.

    Parameters
    ----------
    weight : int
        What its integers are multiplied by.
    layers : list of LayerEntry
        In series; none where the branch is what the whole takes.
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
        Where some meet; else empty.
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
