"""The golden model, faster: the same integers from floating point matrix products that are proved to be exact."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from bitweir_hw.network import Branched, Conv, Dense, Format, Layer, Map, Network
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from .encoding import batches, checked_codes
from .golden import EXECUTORS, Result, result, values, weight_values, widest

__all__ = ["FastModel", "prepare", "run"]

Array = NDArray[Any]
Floats = NDArray[np.float32]
#: From what layers take, (n, K) in the order of the stream, to what they hand on, (n, M).
Stage = Callable[[Array], Array]
Progress = Callable[[float], None]


def run(network: Network, codes: ArrayLike, progress: Progress = lambda share: None) -> Result:
    """Compute the result of codes (N, K): the same integers as `run_slow`, faster.

    The first call for a network prepares it; see `FastModel`. `progress` takes the share of the frames that is done.
    """
    return prepare(network).run(codes, progress)


def prepare(network: Network) -> FastModel:
    """Return the `FastModel` of a network, which is made once and kept as long as the network."""
    if network not in _prepared:
        _prepared[network] = FastModel(network)
    return _prepared[network]


class FastModel:
    """A network prepared to run fast and exactly.

    Dense layers become float32 matrix products. Two frames share each float where they fit: with
    codes a and b of the frames, ``a + 2**11 * b`` goes in, and the accumulators of both come out in
    the same form, at half the multiplications. A layer is computed so only if it is proved here that
    every sum, in whatever order the BLAS adds, is an integer below 2**24, which float32 holds exactly;
    one frame a float is tried next. Convolutions, and dense layers that take accumulators or large
    codes, become plain products in float32, or in float64 below 2**53. All other layers run by their
    entry in `EXECUTORS`.

    Parameters
    ----------
    network : Network
        A legal one.

    Attributes
    ----------
    frames_a_float : dict of str to int
        For each layer by its name 2 or 1, or 0 where it runs in integers.
    """

    def __init__(self, network: Network) -> None:
        self._input = network.input
        self._width = widest(network)
        self._outputs, self._kind = network.outputs, network.readout.kind
        self.frames_a_float: dict[str, int] = {}
        self._stages, _ = self._prepare(network.layers, network.input.map)

    @property
    def description(self) -> str:
        """What computes it."""
        return "NumPy"

    def run(self, codes: ArrayLike, progress: Progress = lambda share: None) -> Result:
        """The result of codes (N, K); `progress` takes the share that is done."""
        array = checked_codes(self._input, np.asarray(codes))
        scores = np.empty((len(array), self._outputs), np.int64)
        for part in batches(len(array), self._width):
            scores[part] = _through(self._stages, array[part])
            progress(part.stop / len(array))
        return result(scores, self._kind)

    def _prepare(self, layers: tuple[Layer, ...], source: Map) -> tuple[list[Stage], Map]:
        """What computes layers in a row, and the map that they hand on."""
        stages: list[Stage] = []
        chain: _Chain | None = None
        for layer in layers:
            # Two frames a float pay for a change of packing on the way.
            choices = [_Chain(source.format, packing) for packing in _PACKINGS]
            if chain is not None:
                choices.insert(0 if chain.packing.frames == 2 else 1, chain)
            before, chain = chain, next((choice for choice in choices if choice.add(layer)), None)
            if chain is None:
                stages.append(self._stage(layer, source))
            else:
                if chain is not before:
                    stages.append(chain.run)
                self.frames_a_float[layer.name] = chain.packing.frames
            source = layer.output_map(source)
        return stages, source

    def _stage(self, layer: Layer, source: Map) -> Stage:
        """What computes one layer alone."""
        if isinstance(layer, Dense | Conv):
            for kind, limit in _EXACT.items():
                if _largest(layer, source) < limit:
                    self.frames_a_float[layer.name] = 1
                    return _Product(layer, source, kind).run
        self.frames_a_float[layer.name] = 0
        if isinstance(layer, Branched):
            return _meeting(layer, [self._prepare(branch, source) for branch in layer.branches])
        return lambda stream: _flat(
            EXECUTORS[type(layer)](layer, stream.astype(np.int64).reshape(len(stream), *source.shape), source)
        )


_prepared: WeakKeyDictionary[Network, FastModel] = WeakKeyDictionary()
#: Below these numbers each type holds all integers.
_EXACT: dict[type[np.floating[Any]], int] = {np.float32: 1 << 24, np.float64: 1 << 53}


def _through(stages: list[Stage], stream: Array) -> Array:
    for stage in stages:
        stream = stage(stream)
    return stream


def _meeting(layer: Branched, branches: list[tuple[list[Stage], Map]]) -> Stage:
    """What branches meet in."""

    def meet(stream: Array) -> Array:
        ends = [
            (_through(stages, stream).astype(np.int64).reshape(len(stream), *end.shape), end)
            for stages, end in branches
        ]
        return _flat(EXECUTORS[type(layer)](layer, ends))

    return meet


def _flat(maps: Array) -> Array:
    return maps.reshape(len(maps), int(np.prod(maps.shape[1:])))


def _largest(layer: Dense | Conv, source: Map) -> int:
    """A number that no value and no sum of some of a neuron's products exceeds, positive or negative."""
    ends = [source.low, source.high]
    if isinstance(layer, Conv):
        ends.append(layer.pad_value)
    weights = np.abs(weight_values(layer)).reshape(layer.outputs, -1).sum(axis=1)
    edge = 0 if not isinstance(layer, Conv) or layer.edges is None else int(np.abs(layer.edges).max())
    return max(1, int(weights.max())) * max(map(abs, ends)) + edge


class _Product:
    """A convolution as a product of two matrices: the windows of the map, and the weights.

    A dense layer is one whose window is the whole map, seen as a single pixel.

    Parameters
    ----------
    layer : Dense or Conv
    source : Map
    kind : type
        Of the floats; `_largest` must lie below its number in `_EXACT`.
    """

    def __init__(self, layer: Dense | Conv, source: Map, kind: type[np.floating[Any]]) -> None:
        self._source, self._kind = source, kind
        if isinstance(layer, Conv):
            self._layer, self._shape = layer, source.shape
        else:
            self._layer, self._shape = Conv(name=layer.name, weights=layer.weights[:, None, None]), (1, 1, source.size)
        self._weights = (
            weight_values(layer).reshape(layer.groups, -1, layer.inputs).transpose(0, 2, 1).astype(kind)
        )  # (groups, K, M / groups)
        self._thresholds: Array | None = None
        if layer.thresholds is not None:
            # Into reach, where floats hold them.
            largest = _largest(layer, source)
            self._thresholds = np.clip(layer.thresholds, -largest, largest + 1).T.astype(kind)
        rows, columns, _ = self._layer.output_map(Map(shape=self._shape, low=0, high=0)).shape
        self._pixels = rows * columns
        self._edges: Array | None = None
        if self._layer.edges is not None:
            spread = self._layer.windows(self._shape).spread(self._layer.edges)
            self._edges = spread.reshape(1, self._pixels, -1).astype(kind)

    def run(self, stream: Array) -> Array:
        """Codes or accumulators (n, K) to codes int32 or accumulators int64, (n, M)."""
        handed = np.empty(
            (len(stream), self._pixels * self._layer.outputs), np.int64 if self._thresholds is None else np.int32
        )
        for part in batches(len(stream), max(self._pixels * self._layer.inputs * self._layer.groups, handed.shape[1])):
            handed[part] = self._reached(self._windows(stream[part]) @ self._weights).reshape(-1, handed.shape[1])
        return handed

    def _windows(self, stream: Array) -> Array:
        """What the neurons of each group see, (groups, n * pixels, K)."""
        layer = self._layer
        above, left, below, right = layer.pads
        maps = values(stream.astype(np.int64), self._source).astype(self._kind).reshape(-1, *self._shape)
        padded = np.pad(maps, ((0, 0), (above, below), (left, right), (0, 0)), constant_values=layer.pad_value)
        grouped = padded.reshape(*padded.shape[:3], layer.groups, -1)
        windows = sliding_window_view(grouped, layer.kernel, (1, 2))[:, :: layer.stride[0], :: layer.stride[1]]
        rows: Array = windows.transpose(3, 0, 1, 2, 5, 6, 4).reshape(layer.groups, -1, layer.inputs)
        return rows

    def _reached(self, sums: Array) -> Array:
        """Accumulators (groups, n * pixels, M / groups) to what is handed on, (n * pixels, M)."""
        acc = sums.transpose(1, 0, 2).reshape(sums.shape[1], self._layer.outputs)
        if self._edges is not None:
            acc = (acc.reshape(-1, *self._edges.shape[1:]) + self._edges).reshape(acc.shape)
        if self._thresholds is None:
            return acc
        first, *others = self._thresholds
        count: Array = acc >= first
        for threshold in others:
            count = np.add(count, acc >= threshold, dtype=np.int32)
        return count


@dataclass(frozen=True)
class _Packing:
    """How the integers of one or more frames share a float32: ``sum_p 2**(bits * p) * integer[p]``.

    The significand of a float from 2**23 to 2**24 is the binary form of an integer. So with 2**23
    added, the integers of the frames are bit fields of the float's own bits, kept at the top of it.
    """

    frames: int
    bits: int

    @property
    def ones(self) -> int:
        """Weight of the integer of each frame, summed."""
        return sum(1 << self.bits * p for p in range(self.frames))

    @property
    def base(self) -> int:
        """2**23 in units of the lowest bit of the fields."""
        return 1 << self.bits * self.frames

    @property
    def unit(self) -> int:
        """The lowest bit of the fields, as a float."""
        return (1 << 23) // self.base

    @property
    def sign(self) -> int:
        """The highest bit of a field, in units of its lowest."""
        return 1 << (self.bits - 1)

    @property
    def mask(self) -> np.int32:
        """Float bits that keep the exponent and the highest bit of each field, and clear the rest."""
        return np.int32(0x7F800000 | self.unit * self.sign * self.ones)


_PACKINGS = (_Packing(2, 11), _Packing(1, 23))


class _Chain:
    """Dense layers in a row whose streams stay packed floats of shape (K, frames / packing).

    A threshold costs two passes over the accumulators. First a number is added to each row that puts
    ``acc - threshold + sign`` into each field, so that the highest bit of the field says
    ``acc >= threshold``. Then an AND keeps this bit of each field, and the exponent. What remains is the
    packed code for the next layer, times a power of two, plus a constant; the next layer's weights take
    out the first and its added number the second.

    Parameters
    ----------
    source : Format or None
        Of the codes that arrive.
    packing : _Packing
        Of all layers of the chain.
    """

    def __init__(self, source: Format | None, packing: _Packing) -> None:
        self._source, self.packing = source, packing
        self._layers: list[tuple[Floats, Floats]] = []
        # Arriving streams: highest code, what is added to the packed codes, and how much 1 is as a float.
        self._top, self._added, self._one = source.codes - 1 if source else 0, 0, 1
        # From accumulators of codes to accumulators of values, where the chain ends with those.
        self._step, self._shift = 0, np.zeros(0, np.int64)

    def add(self, layer: Layer) -> bool:
        """Append a layer, if float32 holds all its sums exactly."""
        source, packing = self._source, self.packing
        if source is None or type(layer) is not Dense:
            return False
        # In terms of codes: acc = shift + step * sum_k w[k] * code[k], with step > 0.
        weights = weight_values(layer)
        shift = source.offset * weights.sum(axis=1)
        weights *= np.sign(source.step)
        step = abs(source.step)
        low, high = (np.minimum(weights, 0).sum(axis=1) * self._top, np.maximum(weights, 0).sum(axis=1) * self._top)
        if layer.thresholds is None:
            limits = np.zeros((layer.outputs, 1), np.int64)
        else:
            # Into reach, before any arithmetic could overflow; then divided, rounding up.
            limits = np.clip(layer.thresholds.T, shift + step * low, shift + step * high + 1).T
            limits = -((shift[:, None] - limits) // step)
            # Where all thresholds are out of reach the sum does not matter, and 0 needs the least room.
            idle = ((limits <= low[:, None]) | (limits > high[:, None])).all(axis=1)
            limits[idle] = limits[idle] > low[idle, None]
            weights[idle] = low[idle] = high[idle] = 0
        bias = packing.base + packing.ones * (packing.sign - limits) - (self._added * weights.sum(axis=1))[:, None]
        largest = max(1, int(np.abs(weights).sum(axis=1).max())) * (self._added + packing.ones * self._top)
        after = limits.shape[1] * (packing.base // packing.sign + packing.ones)
        if (
            (low - limits.max(axis=1)).min() < -packing.sign
            or (high - limits.min(axis=1)).max() >= packing.sign
            or max(largest, abs(bias).max(), after) > _EXACT[np.float32]
        ):
            return False
        unit = packing.unit
        self._layers.append(
            ((weights * (unit / self._one)).astype(np.float32), (bias.T[:, :, None] * unit).astype(np.float32))
        )
        self._source, self._step, self._shift = layer.output, step, shift
        self._top, self._added = limits.shape[1], limits.shape[1] * (packing.base // packing.sign)
        self._one = unit * packing.sign
        return True

    def run(self, codes: Array) -> Array:
        """Codes (n, K) through the chain: codes int32 (n, M), or accumulators int64 where it ends with those."""
        packing = self.packing
        stream = self._pack(codes)
        for weights, biases in self._layers[:-1]:
            stream = self._codes(weights @ stream, biases)
        weights, biases = self._layers[-1]
        acc = weights @ stream
        if self._source is not None:
            return self._unpack(self._codes(acc, biases), self._one, self._added, len(codes)).T
        fields = self._unpack(np.add(acc, biases[0], out=acc), packing.unit, packing.base, len(codes))
        return self._shift + self._step * (fields.T.astype(np.int64) - packing.sign)

    def _codes(self, acc: Floats, biases: Floats) -> Floats:
        """Packed codes from packed accumulators (M, n), whose memory is used up."""
        # One pass a threshold; the last works in place, which for one threshold saves all copies.
        total: Floats | None = None
        for bias in biases[:-1]:
            reached = acc + bias
            self._keep_signs(reached)
            total = reached if total is None else np.add(total, reached, out=total)
        np.add(acc, biases[-1], out=acc)
        self._keep_signs(acc)
        return acc if total is None else np.add(total, acc, out=total)

    def _keep_signs(self, fields: Floats) -> None:
        bits = fields.view(np.int32)
        np.bitwise_and(bits, self.packing.mask, out=bits)

    def _pack(self, codes: Array) -> Floats:
        """From (n, K) to (K, frames / packing); frame i shares floats with frame i + half."""
        half = -(-len(codes) // self.packing.frames)
        packed = codes[:half].astype(np.float32)
        if self.packing.frames == 2:
            other = codes[half:].astype(np.float32)
            other *= 1 << self.packing.bits
            packed[: len(other)] += other
        return packed.T

    def _unpack(self, stream: Floats, one: int, added: int, count: int) -> NDArray[np.int32]:
        """Fields of `count` frames, (M, count), from packed floats."""
        fields = (stream * np.float32(1 / one)).astype(np.int32) - np.int32(added)
        if self.packing.frames == 2:
            fields = np.hstack((fields & ((1 << self.packing.bits) - 1), fields >> self.packing.bits))
        return fields[:, :count]
