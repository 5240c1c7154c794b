"""Where the codes of a network come from: a side table of the import, for comparisons layer by layer.

A network says what it computes, not which tensor of the model file that was. `Taps` notes it on the way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from bitweir_hw.network import Map
from numpy.typing import NDArray

from ..exact.surd import approximate
from .symbols import Codes, Frame, Move, Moving, Signal, Stream

__all__ = ["INPUT", "Tap", "Taps"]

#: Stands for the input stream where a layer is named.
INPUT = "the input"


@dataclass(frozen=True, eq=False)
class Tap:
    """One tensor of the model file that is codes in the network.

    ``tensor[e] = values[codes[index[e]]][e]`` for each element e of a frame, row-major. Rows that the importer
    inverted need no care: codes count the same levels either way.

    Parameters
    ----------
    tensor : str
        Its name in the file.
    layer : str
        Which layer hands on the codes; `INPUT` for the input stream.
    shape : tuple of int
        Of a frame of the tensor, without the batch.
    index : int64 array, (E,)
        Into what the layer hands on, as `golden.trace` has it.
    values : tuple of float64 array
        What each code means; they broadcast against `shape`.
    distance : float or None
        From the threshold that is nearest to a sum that occurs to that sum, in units of the sum: 0 is a tie.
        None where all channels are constant, where sums are in fixed point, and for the input.
    rounds : bool
        Whether float arithmetic may round a sum to the other side of a threshold.
    stream : str
        The layer that makes the numbers that became codes; bounds go by this name. `INPUT` for the input.
    """

    tensor: str
    layer: str
    shape: tuple[int, ...]
    index: NDArray[np.int64]
    values: tuple[NDArray[np.float64], ...]
    distance: float | None
    rounds: bool
    stream: str


class Taps:
    """What an import notes beside the network.

    Attributes
    ----------
    codes : tuple of Tap
    scores : str
        Name of the tensor that tells the result: by its highest element, by which are greater than 0, or by all.
    slack : dict
        For each tensor of real numbers that integers stand for how far each element may be off, (E,), in the
        order of the tensor.
    names : list of (str, str)
        The label of each layer with weights in the file, and its name in the network.
    order : int64 array, (M,), or None
        Where the elements of a map of results, in the order of its stream, stand in the tensor `scores`; None for a
        vector, whose order is that of the tensor.
    model : onnx.ModelProto or None
        What stands in for the file, where only some of its outputs are the result.
    rounded : RoundedModel or None
        The model that the network came from in place of that of the file, if weights were rounded.
    """

    def __init__(self) -> None:
        self.rounded: Any = None
        self.model: Any = None
        self.restart()

    def restart(self) -> None:
        """Forget everything: the walk over the graph begins again."""
        self.codes: tuple[Tap, ...] = ()
        self.scores = ""
        self.order: NDArray[np.int64] | None = None
        self._index = np.zeros(0, np.int64)
        self.slack: dict[str, NDArray[np.float64]] = {}
        self.names: list[tuple[str, str]] = []
        self._streams: set[str] = set()
        # By the id of the codes, which are kept so that no other object gets it.
        self._tensors: dict[int, tuple[Codes, str, Move | None]] = {}
        self._closed: list[tuple[Codes, Signal]] = []
        # By the id of a layer, it and what stands in its place.
        self._replaced: dict[int, tuple[object, object]] = {}

    def made(self, tensor: str, value: Any, made_of: Mapping[str, Any]) -> None:
        """A node has made a tensor of others."""
        if isinstance(value, Codes):
            self._tensors[id(value)] = (value, tensor, None)
            self.scored(tensor, value)
        if isinstance(value, Signal):
            self._bounded(tensor, value)
            open_ones = [name for name, x in made_of.items() if isinstance(x, Signal) and not x.ended]
            if not value.ended:
                self.scored(tensor, value)
            elif open_ones:
                self.scored(open_ones[0], made_of[open_ones[0]])

    def scored(self, tensor: str, value: Moving) -> None:
        """The result is told by this tensor, unless a later one does."""
        self.scores, self._index = tensor, value.index

    def ends_in(self, end: Map) -> None:
        """The result is all elements of this map."""
        self.order = np.argsort(self._index) if end.pixels > 1 else None

    def moved(self, before: Codes, after: Codes, back: Move | None = None) -> None:
        """Codes are those of another tensor, in another order if `back` undoes that on an array of the frame."""
        if id(before) not in self._tensors:
            return
        _, tensor, earlier = self._tensors[id(before)]
        if back is not None and earlier is not None:
            inner, outer = back, earlier
            self._tensors[id(after)] = (after, tensor, lambda array: outer(inner(array)))
        else:
            self._tensors[id(after)] = (after, tensor, back or earlier)

    def _bounded(self, tensor: str, value: Signal) -> None:
        """Note how well the numbers of a tensor are known, where it is the first of a stream that is not exact."""
        stream = value.origin
        if not isinstance(stream, Stream) or stream.accuracy is None or stream.exact or stream.name in self._streams:
            return
        self._streams.add(stream.name)
        accuracy = stream.accuracy
        each = np.array([float(a * b) for a, b in zip(accuracy.error, accuracy.unit, strict=True)])
        self.slack[tensor] = each[value.index % stream.map.channels]

    def closed(self, codes: Codes, signal: Signal) -> None:
        """Codes have become a signal on a stream."""
        self._closed.append((codes, signal))

    def replaced(self, old: object, new: object) -> None:
        """A `Threshold` of the walk has another one in its place, whose codes are the same numbers."""
        self._replaced[id(old)] = (old, new)

    def finish(self, sites: Mapping[int, str], orders: Mapping[int, NDArray[np.int64]]) -> None:
        """The network is complete.

        Parameters
        ----------
        sites : mapping
            From the id of a `Threshold` layer of the walk to the layer of the network that hands on its codes.
        orders : mapping
            From such an id to its channel that each channel of that layer is, where their order changed.
        """
        found: dict[tuple[str, str], Tap] = {}
        for codes, signal in self._closed:
            layer = INPUT if isinstance(codes.origin, Frame) else self._site(_layer(signal), sites)
            if layer is None or id(codes) not in self._tensors:
                continue  # what no node hands on in this form, as the negative of codes in a difference
            _, tensor, back = self._tensors[id(codes)]
            exact = isinstance(codes.origin, Stream) and codes.origin.exact and np.isfinite(codes.distance[0])
            values = tuple(np.vectorize(approximate, otypes=[np.float64])(number) for number in codes.values)
            distance = codes.distance[0] if exact else None
            stream = INPUT if isinstance(codes.origin, Frame) else codes.origin.name
            index = signal.index if isinstance(codes.origin, Frame) else self._ordered(signal, orders)
            tap = Tap(tensor, layer, codes.shape, index, values, distance, codes.distance[1], stream)
            found.setdefault((layer, tensor), tap if back is None else _back(tap, back))
        self.codes = tuple(found.values())
        self._tensors, self._closed, self._replaced = {}, [], {}

    def _ordered(self, signal: Signal, orders: Mapping[int, NDArray[np.int64]]) -> NDArray[np.int64]:
        """The index of a signal behind a `Threshold` of the walk, in what the layer of the network hands on."""
        layer = _layer(signal)
        _, new = self._replaced.get(id(layer), (None, layer))
        order = orders.get(id(layer), orders.get(id(new)))
        if order is None:
            return signal.index
        pixel, channel = np.divmod(signal.index, len(order))
        return pixel * len(order) + np.argsort(order)[channel]

    def _site(self, layer: object, sites: Mapping[int, str]) -> str | None:
        _, new = self._replaced.get(id(layer), (None, layer))
        return sites.get(id(layer)) or sites.get(id(new))

    def prefixed(self, prefix: str) -> Taps:
        """The same for a network whose layers got a prefix to their names."""
        taps = Taps()
        taps.codes = tuple(
            tap if tap.layer == INPUT else replace(tap, layer=prefix + tap.layer, stream=prefix + tap.stream)
            for tap in self.codes
        )
        taps.scores, taps.order, taps.slack, taps.rounded = self.scores, self.order, self.slack, self.rounded
        taps.model = self.model
        taps.names = [(label, prefix + name) for label, name in self.names]
        return taps

    def of_file(self) -> Taps:
        """The same beside the model of the file itself, where weights were rounded."""
        taps = Taps()
        taps.codes, taps.scores, taps.order, taps.model = self.codes, self.scores, self.order, self.model
        return taps


def _back(tap: Tap, back: Move) -> Tap:
    """A tap on codes whose elements come in another order than in the tensor."""
    index = back(tap.index.reshape(tap.shape))
    values = tuple(
        back(np.broadcast_to(value, tap.shape)) if value.size > 1 else value.reshape((1,) * index.ndim)
        for value in tap.values
    )
    return replace(tap, shape=index.shape, index=index.reshape(-1), values=values)


def _layer(signal: Signal) -> Any:
    assert not isinstance(signal.origin, Frame)
    return signal.origin.point.layer
