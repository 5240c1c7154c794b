"""Model files to one network: what became of them, and whether it still computes the same."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import metadata, resources
from itertools import groupby
from pathlib import Path
from typing import Any

import click
import numpy as np
from bitweir_hw.files import digest, network_bytes, read_arrays
from bitweir_hw.network import (
    Affine,
    Conv,
    Dense,
    Format,
    Input,
    Layer,
    Map,
    Network,
    Parallel,
    Pool,
    Threshold,
    Vote,
)
from bitweir_sim.encoding import pixel_values
from bitweir_sim.golden import weight_values
from numpy.typing import NDArray

from .comparing import Comparison, compare_drawn, compare_frames, described
from .console import Output
from .folders import whole_file
from .images import load_images
from .import_tables import counted, plain_name, told_shape
from .importers import load_model
from .importers.agreement import Member
from .importers.ensemble import prefix, vote
from .importers.taps import Taps

__all__ = ["SCHEMA_VERSION", "Imported", "checked_models", "describe", "import_models", "read_models", "schema"]

SCHEMA_VERSION = 2
#: More runs of pixels than this are told by their number.
_MAX_RUNS = 6
#: As `images` has it.
_LIMIT_BYTES = 8 << 30


def schema() -> dict[str, Any]:
    """The JSON schema of what `import_models` returns."""
    text = (resources.files(__package__) / "import_schema.json").read_text()
    result: dict[str, Any] = json.loads(text)
    return result


@dataclass(frozen=True, kw_only=True, eq=False)
class Imported:
    """A network and the model files that it came from.

    Parameters
    ----------
    network : Network
    members : tuple of Member
        One, or those that vote.
    drawn : Comparison or None
        With the members on drawn inputs; None where that was left to images, or where there is no model file.
    """

    network: Network
    members: tuple[Member, ...]
    drawn: Comparison | None = None

    @property
    def comparison(self) -> dict[str, Any] | None:
        """What `drawn` found, as `import_schema.json` has comparisons."""
        return None if self.drawn is None else described(self.drawn)

    @property
    def told(self) -> tuple[str, ...]:
        """What `drawn` found, in a sentence, or nothing."""
        return () if self.drawn is None else (self.drawn.told,)


def checked_models(
    output: Output, paths: Sequence[Path], *, input_scale: str | None, name: str | None, voting: bool
) -> Imported:
    """Read models as `read_models` does, and compare the network with them on drawn inputs.

    Raises
    ------
    click.UsageError, ModelError
        As in `read_models`.
    DisagreementError
        The network does not compute what the files compute.
    """
    imported = read_models(output, paths, input_scale=input_scale, name=name, voting=voting)
    with output.working("Comparing with the model file") as done:
        return replace(imported, drawn=compare_drawn(imported.network, imported.members, done))


def read_models(
    output: Output, paths: Sequence[Path], *, input_scale: str | None, name: str | None, voting: bool
) -> Imported:
    """Read one model, or several that vote.

    Raises
    ------
    click.UsageError
        Several models and no vote, or the other way round.
    ModelError
        A file cannot be read, or does not go with the first.
    """
    if len(paths) > 1 and not voting:
        raise click.UsageError("Several models need --vote, by which each votes for its class.")
    if len(paths) < 2 and voting:
        raise click.UsageError("--vote needs two models or more.")
    found: list[tuple[Network, Taps | None]] = []
    for path in paths:
        with output.working(f"Reading {plain_name(path.name)}"):
            taps = None if path.suffix.lower() == ".npz" else Taps()
            found.append((load_model(path, input_scale=input_scale, name=None if voting else name, taps=taps), taps))
    networks = [network for network, _ in found]
    if not voting:
        network, taps = found[0]
        last = network.layers[-1].name
        return Imported(network=network, members=(Member(path=paths[0], network=network, taps=taps, last=last),))
    members = tuple(
        Member(
            path=path,
            network=network,
            taps=None if taps is None else taps.prefixed(prefix(place)),
            last=prefix(place) + network.layers[-1].name,
        )
        for place, (path, (network, taps)) in enumerate(zip(paths, found, strict=True))
    )
    return Imported(network=vote(networks, paths, name=name), members=members)


def import_models(
    output: Output,
    imported: Imported,
    target: Path,
    *,
    images: Path | None = None,
    limit: int | None = None,
    save: Path | None = None,
) -> tuple[dict[str, Any], str | None]:
    """Write a network, and compare it with its files where there are images.

    Parameters
    ----------
    output : Output
        Shows what is under way.
    imported : Imported
    target : Path
        The .npz file to write; it is left as it is if the network differs from its files.
    images : Path or None
        See `images.load_images`.
    limit : int or None
        Use only so many images.
    save : Path or None
        Where classes and scores go.

    Returns
    -------
    dict
        As `import_schema.json` describes it.
    difference : str or None
        One sentence if the network differs from its files.
    """
    network = imported.network
    result, difference = describe(imported), None
    if images is not None:
        loaded = load_images(images, network, limit=limit)
        frames = read_arrays(images, limit=_LIMIT_BYTES)["x"][:limit]
        frames = frames.reshape(len(frames), *network.input.shape) if frames.dtype.kind != "i" else frames
        with output.working(f"Comparing {len(frames):,} frames") as done:
            found = compare_frames(network, imported.members, frames, loaded.codes, done)
        result["comparison"], difference = described(found, loaded.labels), found.difference
        if save is not None:
            file = io.BytesIO()
            np.savez_compressed(file, classes=found.classes, scores=found.scores)
            whole_file(save, file.getvalue())
    if difference is None:
        whole_file(target, network_bytes(network))
        result["output"] = str(target)
    return result, difference


# ---- the network


def describe(imported: Imported) -> dict[str, Any]:
    """All that is known of a network without running it, as `import_schema.json` describes it."""
    network = imported.network
    taps = [member.taps for member in imported.members if member.taps is not None]
    near = {tap.layer: tap for one in taps for tap in one.codes if tap.distance is not None}
    closest = min(near.values(), key=lambda tap: tap.distance or 0.0, default=None)
    rounded = [name for one in taps for name in one.rounded]
    return {
        "schema": "bitweir import",
        "version": SCHEMA_VERSION,
        "bitweir": metadata.version("bitweir"),
        "models": [str(member.path) for member in imported.members],
        "output": None,
        "network": {"name": network.name, "digest": digest(network), "classes": network.classes},
        "input": _input(network.input),
        "layers": _layers(network.layers, network.input.map, {name: tap.distance for name, tap in near.items()}),
        "diagnostics": {
            "ties": [tap.layer for tap in near.values() if tap.distance == 0 and tap.rounds],
            "nearest": None if closest is None else {"layer": closest.layer, "distance": closest.distance},
            "approximate": {"layers": rounded, "fraction_bits": max(one.fraction_bits for one in taps)}
            if rounded
            else None,
        },
        "notes": list(network.notes),
        "comparison": None,
        "drawn": imported.comparison,
    }


def _layers(layers: Sequence[Layer], source: Map, near: dict[str, float | None]) -> list[dict[str, Any]]:
    """Layers in series, with those of branches inside them."""
    result = []
    for layer in layers:
        handed = layer.hand_on(source)
        entry: dict[str, Any] = {
            "name": layer.name,
            "kind": _kind(layer),
            "input_shape": list(source.shape),
            "output_shape": list(handed.shape),
            "input_format": _format(source),
            "output_format": _format(handed),
            "weights": None,
            "thresholds": None,
            "constant_neurons": None,
            "padding": None,
            "nearest": near.get(layer.name),
            "branches": [],
        }
        if isinstance(layer, (Dense, Conv)):
            entry["weights"] = {"count": layer.weights.size, "bits": _weight_bits(layer)}
        if isinstance(layer, (Dense, Conv, Threshold)) and layer.thresholds is not None:
            entry["thresholds"] = layer.thresholds.shape[1]
            entry["constant_neurons"] = _constant(layer, source)
        if isinstance(layer, (Conv, Pool)) and any(layer.pads):
            value = layer.pad_value if isinstance(layer, Conv) else None
            entry["padding"] = {"pads": list(layer.pads), "value": value}
        if isinstance(layer, Parallel):
            entry["branches"] = [
                {"weight": weight, "layers": _layers(branch, source, near)}
                for weight, branch in zip(layer.factors, layer.branches, strict=True)
            ]
        result.append(entry)
        source = handed
    return result


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


def _format(what: Map) -> dict[str, Any]:
    form = what.format
    if form is None:
        return {"kind": "sums", "bits": _bits(what.low, what.high), "low": what.low, "high": what.high}
    return {"kind": "codes", "bits": form.bits, "low": what.low, "high": what.high, "step": form.step}


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
    return int(((thresholds <= low) | (thresholds > high)).all(axis=1).sum())


# ---- the input


def _input(entry: Input) -> dict[str, Any]:
    pixels = _pixel_values(entry)
    return {
        "shape": list(entry.shape),
        "map": list(entry.map.shape),
        "format": _format(entry.map),
        "levels": entry.thresholds.shape[1] + 1,
        "pixel_scale": entry.pixel_scale,
        "pixel_values": None if pixels is None else pixels.tolist(),
        "rule": list(_rule(entry, pixels)),
    }


def _pixel_values(entry: Input) -> NDArray[np.int64] | None:
    """What each uint8 pixel becomes, where that is the same for all elements and known."""
    if entry.pixel_scale is None or len(entry.thresholds) > 1:
        return None
    codes = np.searchsorted(entry.thresholds[0], pixel_values(entry.pixel_scale).astype(np.float64), side="right")
    return entry.format.values(codes)


def _rule(entry: Input, pixels: NDArray[np.int64] | None) -> Iterator[str]:
    """How a frame becomes codes, a sentence each."""
    shape = " x ".join(map(str, entry.shape))
    yield f"The model takes frames of {shape} numbers x; the stream carries {told_shape(entry.map.shape)}."
    used = np.bincount(entry.source, minlength=int(np.prod(entry.shape)))
    if (used != 1).any():
        yield (
            f"Each number makes {used[0]} elements."
            if (used == used[0]).all()
            else f"A number makes {used.min()} to {used.max()} elements."
        )
    elif (entry.source != np.arange(entry.size)).any():
        yield "The elements come in another order than in the file" + (
            ": pixel by pixel, row by row, channels innermost." if entry.map_shape else "."
        )
    rows, many = entry.thresholds.shape
    low, high = (entry.format.values([0, many])).tolist()
    cuts, counts = np.unique(entry.thresholds, return_counts=True)
    if rows > 1 and many == 1 and len(cuts) <= _MAX_RUNS:
        told = ", ".join(f"{cut:.9g} in {count}" for cut, count in zip(cuts, counts, strict=True))
        yield f"x becomes {high:+d} where x >= a threshold, else {low:+d}; the threshold is {told} elements."
    elif rows > 1:
        yield f"Each element has {counted(many, 'threshold')} of its own: x becomes {_levels(entry.format, low, high)}."
    elif many == 1:
        yield f"x becomes {high:+d} where x >= {entry.thresholds[0, 0]:.9g}, else {low:+d}."
    else:
        first, last = entry.thresholds[0, [0, -1]]
        yield (
            f"x becomes {_levels(entry.format, low, high)}, one more at each of {many} thresholds "
            f"from {first:.9g} to {last:.9g}."
        )
    if entry.pixel_scale is None:
        yield "What a uint8 pixel means is not known: give floats, or say it with --input-scale."
        return
    yield f"A uint8 pixel is multiplied by {entry.pixel_scale} to become x."
    if pixels is not None:
        yield f"So {_pixel_runs(pixels)}."


def _pixel_runs(values: NDArray[np.int64]) -> str:
    """What pixels become, in words."""
    shift = int(values[0])
    if np.array_equal(values, np.arange(256) + shift):
        return "a pixel is its value" if not shift else f"a pixel is its value {shift:+d}"
    runs = [
        (value, [place for place, _ in group]) for value, group in groupby(enumerate(values.tolist()), lambda p: p[1])
    ]
    if len(runs) > _MAX_RUNS:
        return f"the 256 pixels become {len(runs)} values from {runs[0][0]} to {runs[-1][0]}"
    parts = [
        f"{places[0]} to {places[-1]} become {value:+d}" if len(places) > 1 else f"{places[0]} becomes {value:+d}"
        for value, places in runs
    ]
    return "pixels " + ", ".join(parts)


def _levels(form: Format, low: int, high: int) -> str:
    by = "" if abs(form.step) == 1 else f" by {abs(form.step)}"
    return f"a number from {low} to {high}{by}"
