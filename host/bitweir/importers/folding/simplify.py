"""Simplifies the layers that the importer makes, one for each step of the model, to fewer and narrower equivalent ones.

Each pass is exact: it changes what streams carry, never what arrives at the next layer that remains.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
from bitweir_hw.network import (
    Affine,
    Branched,
    Concat,
    Conv,
    Dense,
    Format,
    Layer,
    Parallel,
    Piecewise,
    Pool,
    Select,
    Threshold,
    Upsample,
)
from numpy.typing import NDArray

__all__ = ["repeated", "tidied"]

Layers = tuple[Layer, ...]
Ints = NDArray[np.int64]

#: Thresholds of one layer: codes of 8 bits.
_MOST_JOINED = 255
#: Names that `tidied` numbers.
_NUMBERED = ("threshold", "signs", "affine")


def tidied(layers: Layers) -> tuple[Layers, dict[int, str], dict[int, Ints]]:
    """The same network in its final form, with a name of its own for each layer.

    Returns
    -------
    layers : tuple of Layer
    sites : dict
        From the id of each `Threshold` in the layers that were given to the name of the layer in the result that
        hands on its codes.
    orders : dict
        From the id of such a `Threshold` to its channel that each channel of that layer is, where their order changed.
    """
    moved: dict[int, tuple[Layer, Ints]] = {}
    layers = _everywhere(partial(_selects_up, moved=moved), layers)
    layers = _everywhere(_signs_up, layers)
    sites: dict[int, Layer] = {}
    counting: dict[int, Threshold] = {}
    layers = _everywhere(partial(_thresholds_joined, counting=counting), layers)
    layers = _everywhere(partial(_thresholds_up, sites=sites), layers)
    sites |= {place: sites[id(layer)] for place, layer in counting.items() if id(layer) in sites}
    layers, names = _named(layers)
    found = {place: names[id(layer)] for place, layer in sites.items()}
    orders = {old: order for old, (new, order) in moved.items() if old not in found and id(new) in found}
    return layers, found | {old: found[id(moved[old][0])] for old in orders}, orders


def repeated(layers: Layers) -> list[str]:
    """Names of the layers that several branches hold, each a copy of its own."""

    def names(inner: Layers) -> list[str]:
        below = [
            name for layer in inner if isinstance(layer, Branched) for part in layer.branches for name in names(part)
        ]
        return below + [layer.name for layer in inner]

    return [name for name, count in Counter(names(layers)).items() if count > 1 and name not in _NUMBERED]


def _everywhere(one_pass: Callable[[Layers], Layers], layers: Layers) -> Layers:
    """A pass over layers in series and over the branches inside them."""
    inner = tuple(
        replace(layer, branches=tuple(_everywhere(one_pass, branch) for branch in layer.branches))
        if isinstance(layer, Branched)
        else layer
        for layer in layers
    )
    return one_pass(inner)


def _selects_up(layers: Layers, moved: dict[int, tuple[Layer, Ints]]) -> Layers:
    """Choices of channels go up into the rows of the weights before, where they cost nothing; else they stay.

    `moved` gets, for the id of each threshold that they pass, what stands in its place, and the order of its channels.
    """
    done: list[Layer] = []
    for layer in layers:
        passed = _taken_up(done, layer.channels) if isinstance(layer, Select) else []
        if not passed:
            done.append(layer)
            continue
        assert isinstance(layer, Select)
        for old, new in zip(done[-len(passed) :], passed, strict=True):
            if isinstance(old, Threshold):
                before = next((key for key, (one, _) in moved.items() if one is old), id(old))
                order = moved[before][1] if before in moved else np.arange(len(old.thresholds))
                moved[before] = (new, order[layer.channels])
        done[-len(passed) :] = passed
    return tuple(done)


def _taken_up(layers: list[Layer], channels: Ints) -> list[Layer]:
    """The last ones of some layers with a choice of their channels in them; none where no layer takes it up."""
    passed: list[Layer] = []
    for layer in reversed(layers):
        made, takes = _with_channels(layer, channels)
        if made is None:
            break
        passed.insert(0, made)
        if takes:
            return passed
    return []


def _with_channels(layer: Layer, channels: Ints) -> tuple[Layer | None, bool]:
    """A layer that hands on some of its channels, and whether it takes what it took before; None where it cannot."""
    if isinstance(layer, Select):
        return replace(layer, channels=layer.channels[channels]), True
    if isinstance(layer, Affine):
        return replace(layer, scale=layer.scale[channels], offset=layer.offset[channels]), False
    if isinstance(layer, Piecewise):
        rows = {name: getattr(layer, name)[channels] for name in ("thresholds", "scale", "offset")}
        return replace(layer, **rows), False
    if isinstance(layer, Pool):
        return (layer if layer.least is None else replace(layer, least=layer.least[channels])), False
    if isinstance(layer, Upsample):
        return layer, False
    if isinstance(layer, Threshold):
        whole = np.array_equal(np.sort(channels), np.arange(len(layer.thresholds)))
        return (replace(layer, thresholds=layer.thresholds[channels]) if whole else None), False
    if not isinstance(layer, (Dense, Conv)) or layer.thresholds is not None:
        return None, False
    if isinstance(layer, Dense):
        return replace(layer, weights=layer.weights[channels]), True
    edges = None if layer.edges is None else layer.edges[..., channels]
    made = replace(layer, weights=layer.weights[channels], edges=edges)
    each = layer.outputs // layer.groups
    inside = len(channels) == layer.outputs and np.array_equal(channels // each, np.arange(layer.outputs) // each)
    if layer.groups == 1 or inside:
        return made, True
    if layer.weights.shape[3] == 1 and each == 1:  # each filter goes with its channel
        return replace(made, groups=len(channels)), False
    return None, False


def _signs_up(layers: Layers) -> Layers:
    """Changes of sign go up past pools and into the layer before, where they cost nothing."""
    done: list[Layer] = []
    for layer in layers:
        negative = _negative(layer)
        start = _before_pools(done, ("max", "sum"))
        into = done[start] if start >= 0 else None
        if negative is None or not isinstance(into, (Dense, Conv, Affine)) or _thresholds(into):
            done.append(layer)
            continue
        done[start] = _inverted(into, negative)
        for place in range(start + 1, len(done)):
            pool = done[place]
            if isinstance(pool, Pool) and pool.kind == "max":
                least = negative if pool.least is None else pool.least ^ negative
                done[place] = replace(pool, least=least if least.any() else None)
    return tuple(done)


def _thresholds_joined(layers: Layers, counting: dict[int, Threshold]) -> Layers:
    """Thresholds of the same sums at the head of each branch of a sum become one layer; the branches take its codes.

    So wide sums are compared once, and what waits for the other branches is narrow. `counting` gets, for the id of
    each, the layer that hands on its codes afterwards.
    """
    done: list[Layer] = []
    for layer in layers:
        start = _before_pools(done, ("max", "sum"))
        if (
            start < 0
            or not isinstance(layer, Parallel)
            or isinstance(done[start], (Concat, Select))
            or _thresholds(done[start])
        ):
            done.append(layer)
            continue
        heads = [branch[0] for branch in layer.branches if branch and isinstance(branch[0], Threshold)]
        tables = {head.thresholds.tobytes(): head.thresholds for head in heads}
        count = sum(table.shape[1] for table in tables.values())
        if len(heads) < len(layer.branches) or len(tables) < 2 or count > _MOST_JOINED:
            done.append(layer)
            continue
        rows = np.sort(np.concatenate([*tables.values()], axis=1), axis=1)
        done.append(Threshold(name="threshold", thresholds=rows, output=Format(bits=rows.shape[1].bit_length())))
        for head in heads:
            counts = np.stack(
                [np.searchsorted(row, own, "right") for row, own in zip(rows, head.thresholds, strict=True)]
            )
            counting.setdefault(id(head), replace(head, thresholds=counts.astype(np.int64)))
        branches = [(counting[id(head)], *branch[1:]) for head, branch in zip(heads, layer.branches, strict=True)]
        done.append(replace(layer, branches=tuple(branches)))
    return tuple(done)


def _thresholds_up(layers: Layers, sites: dict[int, Layer]) -> Layers:
    """Thresholds go up past max pools, which are narrower then, and into a dense layer or convolution.

    `sites` gets, for the id of each, the layer behind which its codes are afterwards. None of these changes any more.
    """
    done: list[Layer] = []
    for layer in layers:
        if not isinstance(layer, Threshold):
            done.append(layer)
            continue
        start = _before_pools(done, ("max",))
        into = done[start] if start >= 0 else None
        # At the head of a branch it is not known what arrives; codes should go through pools as they are.
        if into is None or _thresholds(into):
            done.append(layer)
        elif isinstance(into, (Dense, Conv)):
            done[start] = replace(into, thresholds=layer.thresholds, output=layer.output)
        else:
            done.insert(start + 1, layer)
        sites.setdefault(id(layer), done[-1])
    return tuple(done)


def _negative(layer: Layer) -> NDArray[np.bool_] | None:
    """Which channels change their sign, if a layer does nothing else."""
    if isinstance(layer, Affine) and (np.abs(layer.scale) == 1).all() and not layer.offset.any():
        return layer.scale < 0
    return None


def _inverted(layer: Layer, negative: NDArray[np.bool_]) -> Layer:
    if isinstance(layer, Affine):
        factor = np.where(negative, -1, 1)
        return replace(layer, scale=layer.scale * factor, offset=layer.offset * factor)
    assert isinstance(layer, (Dense, Conv))
    rows = negative.reshape(-1, *(1,) * (layer.weights.ndim - 1))
    weights = layer.weights ^ rows if layer.weights.dtype == np.bool_ else layer.weights * np.where(rows, -1, 1)
    if isinstance(layer, Conv) and layer.edges is not None:
        layer = replace(layer, edges=np.where(negative, -layer.edges, layer.edges))
    return replace(layer, weights=weights)


def _before_pools(layers: list[Layer], kinds: tuple[str, ...]) -> int:
    """Index of the last layer that is neither an upsampling nor a pool of some kinds; -1 if there is none."""
    place = len(layers) - 1
    while place >= 0:
        layer = layers[place]
        if not isinstance(layer, Upsample) and not (isinstance(layer, Pool) and layer.kind in kinds):
            break
        place -= 1
    return place


def _thresholds(layer: Layer) -> bool:
    """Whether codes leave a layer."""
    return isinstance(layer, Threshold) or (isinstance(layer, (Dense, Conv)) and layer.thresholds is not None)


def _named(layers: Layers) -> tuple[Layers, dict[int, str]]:
    """Numbers for the layers that got none yet, and another name for what a network holds twice; names by old id."""
    names: dict[int, str] = {}
    numbers: Counter[str] = Counter()
    taken: set[str] = set()

    def name(layer: Layer) -> str:
        if layer.name in _NUMBERED:
            numbers[layer.name] += 1
            return f"{layer.name}{numbers[layer.name] - 1}"
        copies = (f"{layer.name}_{number}" for number in range(2, 1 << 16))
        return layer.name if layer.name not in taken else next(copy for copy in copies if copy not in taken)

    def run(inner: Layers) -> Layers:
        result = []
        for layer in inner:
            old = id(layer)
            if isinstance(layer, Branched):
                layer = replace(layer, branches=tuple(run(branch) for branch in layer.branches))
            layer = replace(layer, name=name(layer))
            taken.add(layer.name)
            names.setdefault(old, layer.name)
            result.append(layer)
        return tuple(result)

    return run(layers), names
