"""What the layers at the beginning read of the input of the model, and the one stream that has all of it.

A layer reads a map or a vector of elements of the frame, each perhaps behind a quantiser of its own: a *view*. Where
layers have different views, such as the steps of an unrolled recurrent network or branches that see a channel each,
the channels of the views stand side by side on the input stream, each once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

import numpy as np
from bitweir_hw.network import Format, Input
from numpy.typing import NDArray

from ..errors import ModelError

__all__ = ["place", "united"]

#: An element of the stream: which one of the frame it is made from, and its thresholds.
_Element = tuple[int, bytes]
#: A channel: its elements, pixel by pixel.
_Channel = tuple[_Element, ...]


def place(entry: Input, view: Input) -> NDArray[np.int64] | None:
    """Where on the stream of an input each element of a view lies; None if it has not all of them.

    A map lies there channel by channel, a vector in any way.
    """
    if (entry.thresholds is None) != (view.thresholds is None):
        return None
    levels = 0 if entry.thresholds is None else entry.levels
    if view.levels > entry.levels or (view.map_shape is not None and entry.map.shape[:2] != view.map.shape[:2]):
        return None
    channels = entry.map.channels
    if view.map_shape is not None:
        known = {channel: number for number, channel in enumerate(_channels(entry, levels))}
        wanted = _channels(view, levels)
        if not all(channel in known for channel in wanted):
            return None
        numbers = np.array([known[channel] for channel in wanted], np.int64)
        return (np.arange(entry.map.pixels)[:, None] * channels + numbers).reshape(-1)
    places = {element: number for number, element in enumerate(_elements(entry, levels))}
    found = [places.get(element, -1) for element in _elements(view, levels)]
    return None if -1 in found else np.array(found, np.int64)


def united(views: Sequence[Input], label: str) -> Input:
    """The input whose stream has the elements of all views.

    Parameters
    ----------
    views : sequence of Input
        Of one frame.
    label : str
        Of a node that reads one of them, for messages.

    Raises
    ------
    ModelError
        Views differ in more than their channels.
    """
    shapes = dict.fromkeys(view.map.shape[:2] for view in views if view.map_shape is not None)
    if len(shapes) > 1:
        raise ModelError(
            f"Node {label} must read parts of the input of one size with the other layers that read it, not of "
            f"{' and '.join(f'{rows} x {columns}' for rows, columns in shapes)} pixels, since a stream brings them "
            "together: let all of them read as many rows and columns, with weights of 0 for what one leaves out."
        )
    if len({view.thresholds is None for view in views}) > 1:
        raise ModelError(
            f"Node {label} reads the input of the model in another way than other layers do: some quantise it, and "
            "some take its integers. Quantise it in all branches, or in none before its first layer."
        )
    levels = max(0 if view.thresholds is None else view.levels for view in views)
    pixels = int(np.prod(next(iter(shapes), (1, 1))))
    channels: dict[_Channel, None] = {}
    for view in views:
        if view.map_shape is not None or not shapes:
            channels.update(dict.fromkeys(_channels(view, levels)))
    if shapes:
        # Elements that no map has fill channels of their own; the last one stands more than once.
        known = set(chain.from_iterable(channels))
        rest = [element for view in views for element in _elements(view, levels) if element not in known]
        rest = list(dict.fromkeys(rest))
        rest += rest[-1:] * (-len(rest) % pixels)
        channels.update(dict.fromkeys(tuple(rest[at : at + pixels]) for at in range(0, len(rest), pixels)))
    elements = [element for pixel in zip(*channels, strict=True) for element in pixel]
    thresholds = None
    if views[0].thresholds is not None:
        rows = [np.frombuffer(row) for _, row in elements]
        alike = len({row for _, row in elements}) == 1
        thresholds = np.stack(rows[:1] if alike else rows)
    size = next(iter(shapes), None)
    return replace(
        views[0],
        format=_format([view.format for view in views]),
        thresholds=thresholds,
        source=np.array([source for source, _ in elements], np.int64),
        map_shape=None if size is None else (*size, len(channels)),
    )


def _format(forms: Sequence[Format]) -> Format:
    """The format of all, if they mean the same by a code; else that of the codes as they count."""
    bits = max(form.bits for form in forms)
    if len({(form.offset, form.step) for form in forms}) == 1:
        return replace(forms[0], bits=bits)
    return Format(bits=bits)


def _elements(view: Input, levels: int) -> list[_Element]:
    """The elements of a view; where there are fewer thresholds than those of so many levels, nothing reaches more."""
    rows = [b""]
    if view.thresholds is not None:
        more = levels - 1 - view.thresholds.shape[1]
        rows = [row.tobytes() for row in np.pad(view.thresholds, ((0, 0), (0, more)), constant_values=np.inf)]
    return list(zip(view.source.tolist(), rows * (view.size // len(rows)), strict=True))


def _channels(view: Input, levels: int) -> list[_Channel]:
    elements, channels = _elements(view, levels), view.map.channels
    return [tuple(elements[channel::channels]) for channel in range(channels)]
