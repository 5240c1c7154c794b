"""Model files to a network file: what became of them, and whether the network still computes what they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import numpy as np
from bitweir_hw.files import digest, network_bytes
from bitweir_hw.network import (
    Branched,
    Conv,
    Dense,
    Input,
    Layer,
    Map,
    Network,
    Parallel,
    Pool,
    Threshold,
)
from bitweir_sim.values.golden import weight_values
from msgspec import UNSET

from .folders import whole_file
from .images import load_images
from .import_report import (
    SCHEMA_VERSION,
    BranchEntry,
    CodeFormat,
    Diagnostics,
    ImportReport,
    InputEntry,
    LayerEntry,
    Nearest,
    NetworkEntry,
    Padding,
    ResultEntry,
    StoredEntry,
    StreamFormat,
    Weights,
)
from .importers.compare.comparison import compare_frames
from .importers.compare.report import comparison_report
from .input_words import input_rule, stored_values
from .model_files import Imported
from .progress import Progress, silent
from .results import describe_result, save_result

__all__ = ["describe", "import_models"]


def import_models(
    imported: Imported,
    target: Path,
    *,
    images: Path | None = None,
    limit: int | None = None,
    save: Path | None = None,
    rounding: bool = False,
    progress: Progress = silent,
) -> tuple[ImportReport, str | None]:
    """Write a network, and compare it with its files where there are images.

    Parameters
    ----------
    imported : Imported
    target : Path
        The .npz file to write; it is left as it is if the network differs from its files.
    images : Path or None
        See `images.load_images`.
    limit : int or None
        Use only so many images.
    save : Path or None
        Where results go; see `results.save_result`.
    rounding : bool
        Take the nearest where images hold what the input does not take.
    progress : Progress

    Returns
    -------
    report : ImportReport
    difference : str or None
        One sentence if the network differs from its files.
    """
    network = imported.network
    report, difference = describe(imported), None
    if images is not None:
        loaded = load_images(images, network, limit=limit, rounding=rounding)
        with progress(f"Comparing {len(loaded):,} frames") as done:
            found = compare_frames(network, imported.members, loaded.frames, loaded.codes, done)
        report = replace(report, comparison=comparison_report(found, loaded.labels, rounded=loaded.rounded))
        difference = found.difference
        if save is not None:
            save_result(save, network, found.result)
    if difference is None:
        whole_file(target, network_bytes(network))
        report = replace(report, output=str(target))
    return report, difference


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
        if isinstance(layer, Branched):
            factors = layer.factors if isinstance(layer, Parallel) else (1,) * len(layer.branches)
            branches = tuple(
                BranchEntry(weight=int(factor), layers=_layers(branch, source, near))
                for factor, branch in zip(factors, layer.branches, strict=True)
            )
        result.append(
            LayerEntry(
                name=layer.name,
                kind=layer.description,
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
        shape=network.result_shape if network.end.pixels > 1 else UNSET,
        parts=network.readout.parts or UNSET,
    )
