"""Cuts: a network as several, of which each takes what the one before it hands on.

A cut lies between two layers of the outermost row: all that a frame still needs passes there, on one stream. In front
of it stands a network whose result is that stream, and behind it one whose input is the same stream, code by code. So
the networks one after the other compute what the whole one does, by construction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arithmetic import signed_bits
from ..errors import NetworkError
from .formats import Format, Integers, Map
from .inputs import MAX_LEVELS, Stored
from .layers import Layer
from .network import Bound, Input, Network, check
from .readout import Readout

__all__ = ["cut_codes", "cut_format", "cut_places", "cut_trouble", "split"]

#: Bits of an element that may cross a cut: as many as those of an input.
_MOST_BITS = (MAX_LEVELS - 1).bit_length()


def cut_format(where: Map) -> Format:
    """The format of what crosses a cut: of the codes, or for accumulators one in which each is a code.

    An accumulator of b bits in two's complement, with its sign bit inverted, is the code of its value from
    ``-2 ** (b - 1)`` on.

    Raises
    ------
    NetworkError
        The elements have more than 16 bits.
    """
    form = where.format
    if form is None:
        bits = signed_bits(where.low, where.high)
        form = Format(bits=bits, offset=-(1 << (bits - 1))) if bits <= _MOST_BITS else None
    if form is None or form.bits > _MOST_BITS:
        bits = signed_bits(where.low, where.high) if where.format is None else where.format.bits
        raise NetworkError(f"elements of {bits} bits arrive there, and a cut takes {_MOST_BITS} or fewer")
    return form


def split(network: Network, cuts: Sequence[int]) -> tuple[Network, ...]:
    """The networks between cuts, called ``NAME_0``, ``NAME_1`` and so on.

    The result of all but the last is the codes that cross a cut, or accumulators as scores; see `cut_codes`.

    Parameters
    ----------
    network : Network
    cuts : sequence of int
        Numbers of layers of ``network.layers`` in front of each cut, rising.

    Raises
    ------
    NetworkError
        There is no such cut, or what crosses it is too wide; names the layer.
    """
    ends = [0, *cuts, len(network.layers)]
    if any(first >= last for first, last in zip(ends, ends[1:], strict=False)):
        raise NetworkError(
            f"Cuts must rise and lie between 1 and {len(network.layers) - 1} for a network of {len(network.layers)} "
            f"layers, not at {', '.join(map(str, cuts))}."
        )
    parts: list[Network] = []
    entry = network.input
    for number, (first, last) in enumerate(zip(ends, ends[1:], strict=False)):
        name, layers = f"{network.name}_{number}", network.layers[first:last]
        part = replace(network, name=name, input=entry, layers=layers, bounds=_bounds(network, layers))
        if last < len(network.layers):
            codes = part.end.format is not None
            part = replace(part, readout=Readout(kind="codes" if codes else "scores", scale=("1",), offset=("0",)))
            try:
                entry = _entry(part.end)
            except NetworkError as error:
                raise NetworkError(
                    f"Network {network.name!r} cannot be cut behind {layers[-1].name!r}: {error}."
                ) from error
        parts.append(check(part))
    whole, end = network.end, parts[-1].end
    assert (end.shape, end.format) == (whole.shape, whole.format)
    return tuple(parts)


def _entry(where: Map) -> Input:
    """The input of what stands behind a cut: the codes themselves."""
    form = cut_format(where)
    return Input(
        shape=where.shape,
        format=form,
        thresholds=None,
        source=np.arange(where.size),
        map_shape=where.shape,
        stored=Stored(low=0, high=form.codes - 1, scale=(str(form.step),), offset=(str(form.offset),)),
    )


def _bounds(network: Network, layers: tuple[Layer, ...]) -> tuple[Bound, ...]:
    part = replace(network, layers=layers, bounds=())
    names = {layer.name for layer in _all(part.layers)}
    return tuple(bound for bound in network.bounds if bound.layer in names)


def _all(layers: tuple[Layer, ...]) -> list[Layer]:
    """All layers, those in branches too."""
    found: list[Layer] = []
    for layer in layers:
        found += [layer, *(inner for branch in getattr(layer, "branches", ()) for inner in _all(branch))]
    return found


def cut_trouble(network: Network, cut: int) -> str:
    """Why a network cannot be cut behind so many layers; empty where it can."""
    try:
        split(network, [cut])
    except NetworkError as error:
        return str(error)
    return ""


def cut_places(network: Network) -> tuple[int, ...]:
    """Where a network can be cut: the numbers of layers in front."""
    return tuple(cut for cut in range(1, len(network.layers)) if not cut_trouble(network, cut))


def cut_codes(elements: NDArray[Any], where: Map) -> Integers:
    """What the network behind a cut takes for elements that leave the one before it: int64 of the same shape."""
    return np.asarray(elements, np.int64) - (cut_format(where).offset if where.format is None else 0)
