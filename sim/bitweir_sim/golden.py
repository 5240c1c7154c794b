"""Values: the network in NumPy integers, the definition of right.

`run_slow` and `trace` follow the words of `bitweir_hw.network` literally, in int64. `run` gives the
same integers faster, through float32 matrix products in which nothing is ever rounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from bitweir_hw.errors import NetworkError
from bitweir_hw.network import Affine, Dense, Format, Input, Integers, Layer, Network
from numpy.typing import ArrayLike, NDArray

__all__ = ["EXECUTORS", "FastModel", "Result", "encode", "pixel_values", "prepare", "run", "run_slow", "trace"]

Array = NDArray[Any]
Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Result:
    """What a network says about N frames.

    Parameters
    ----------
    scores : int64 array, (N, M)
        Output of the last layer.
    classes : int64 array, (N,)
        Lowest index with the highest score.
    """

    scores: Integers
    classes: Integers


# ---- from frames to codes


def encode(entry: Input, x: ArrayLike) -> Array:
    """Codes of frames, in the order of the input stream.

    Parameters
    ----------
    entry : Input
        Of the network.
    x : array
        The type says what it holds:

        - floating point, (N, *shape): what the model file takes. Compared with the thresholds in float64.
        - uint8, (N, *shape): pixels, which `pixel_values` turns into what the model file takes.
        - signed integers: codes already. (N, K) is in the order of the stream and only checked;
          (N, *shape) with more axes is in the order of the frame, and `Input.source` rearranges it.

    Returns
    -------
    array, (N, K)
        uint8, or uint16 or uint32 where codes have more bits.

    Raises
    ------
    NetworkError
        `x` is of another type or shape, holds NaN or codes out of range, or holds pixels and nobody
        said what they are scaled with.
    """
    frames = np.asarray(x)
    if frames.dtype.kind not in "fi" and frames.dtype != np.uint8:
        raise NetworkError(
            f"Frames must be floating point, uint8 (pixels) or signed integers (codes), not {frames.dtype}."
        )
    if frames.dtype.kind == "i" and frames.shape[1:] == (entry.size,):
        return _checked(entry, frames).astype(_code_type(entry.format))
    if frames.shape[1:] != entry.shape:
        wanted = ", ".join(["N", *map(str, entry.shape)])
        raise NetworkError(f"Frames must have the shape ({wanted}), not {frames.shape}.")
    flat = frames.reshape(len(frames), int(np.prod(entry.shape)))
    rule = _rule(entry, frames.dtype)
    codes = np.empty((len(flat), entry.size), _code_type(entry.format))
    in_order = np.array_equal(entry.source, np.arange(flat.shape[1]))
    for part in _parts(len(flat), max(flat.shape[1], entry.size)):
        codes[part] = rule(flat[part] if in_order else flat[part][:, entry.source])
    return codes


def pixel_values(entry: Input) -> Floats:
    """What the model file takes for each value of a uint8 pixel.

    For the scale ``"a/b"`` this is ``float32(pixel) * float32(a) / float32(b)``, each step rounded to
    float32: ``"1/255"`` gives ``float32(pixel) / float32(255)`` as frameworks compute it.

    Returns
    -------
    float32 array, (256,)

    Raises
    ------
    NetworkError
        The scale is unknown or is no fraction.
    """
    if entry.pixel_scale is None:
        raise NetworkError(
            "Pixels (uint8) need a scale to become what the model file takes; "
            "give it with --input-scale, such as 1/255."
        )
    try:
        over, _, under = entry.pixel_scale.partition("/")
        a, b = np.float32(over), np.float32(under or 1)
    except ValueError:
        a, b = np.float32(np.nan), np.float32(1)
    if not np.isfinite([a, b]).all() or b == 0:
        raise NetworkError(f"Input scale must be a number or a fraction such as 1/255, not {entry.pixel_scale!r}.")
    values: Floats = np.arange(256, dtype=np.float32) * a / b
    return values


def _rule(entry: Input, dtype: np.dtype[Any]) -> Callable[[Array], Array]:
    """How elements (n, K) in the order of the stream become codes (n, K)."""
    if dtype.kind == "i":
        return lambda x: _checked(entry, x)
    if dtype.kind == "f":
        return lambda x: _count(entry, x)
    values = pixel_values(entry)
    if len(entry.thresholds) > 1:
        return lambda x: _count(entry, values[x])
    # One row of thresholds serves all elements, so there are only 256 cases.
    table = _count(entry, values[:, None]).ravel().astype(_code_type(entry.format))
    return lambda x: table[x]


def _count(entry: Input, x: Array) -> Array:
    """Number of thresholds that each element of x, (n, K), reaches."""
    if np.isnan(x).any():
        raise NetworkError("Frames must hold numbers, not NaN.")
    x = x.astype(np.float64)
    rows, many = entry.thresholds.shape
    if rows == 1 and many > 8:
        # For many thresholds bisection is faster; "right" counts the thresholds t with t <= x.
        return np.searchsorted(entry.thresholds[0], x, side="right")
    counts = np.zeros(x.shape, np.int64)
    for threshold in entry.thresholds.T:
        counts += x >= threshold
    return counts


def _checked(entry: Input, codes: Array) -> Array:
    """`codes`, an array of integers of shape (n, K), if the format has them all."""
    if codes.dtype.kind not in "iu" or codes.shape[1:] != (entry.size,):
        raise NetworkError(
            f"Codes must be integers of shape (N, {entry.size}), not {codes.dtype} of shape {codes.shape}."
        )
    if codes.size:
        for code in (int(codes.min()), int(codes.max())):
            if not 0 <= code < entry.format.codes:
                raise NetworkError(
                    f"Codes must be 0 to {entry.format.codes - 1} for {entry.format.bits} bits; one is {code}."
                )
    return codes


def _code_type(form: Format) -> type[np.unsignedinteger[Any]]:
    return np.uint8 if form.bits <= 8 else np.uint16 if form.bits <= 16 else np.uint32


def _parts(frames: int, width: int, largest: int = 1024) -> Iterator[slice]:
    """Equal parts of a batch, each small enough that `width` elements a frame take some tens of megabytes at most."""
    largest = max(1, min(largest, (1 << 22) // width))
    count = -(-frames // largest)
    for index in range(count):
        yield slice(frames * index // count, frames * (index + 1) // count)


# ---- the definition


def _dense(layer: Dense, codes: Integers, source: Format | None) -> Integers:
    assert source is not None
    acc = source.values(codes) @ (2 * layer.weights.T.astype(np.int64) - 1)
    if layer.thresholds is None:
        return acc
    reached = np.zeros(acc.shape, np.int64)
    for threshold in layer.thresholds.T:
        reached += acc >= threshold
    return reached


def _affine(layer: Affine, acc: Integers, source: Format | None) -> Integers:
    return layer.scale * acc + layer.offset


#: The definition of each kind of layer: from the layer, its input (n, K) as codes or accumulators, and
#: the format of that input (None for accumulators), to its output (n, M).
EXECUTORS: dict[type, Callable[[Any, Integers, Format | None], Integers]] = {Dense: _dense, Affine: _affine}


def trace(network: Network, codes: ArrayLike) -> dict[str, Integers]:
    """What each layer hands on, by its name: int64 codes or accumulators, (N, M).

    Parameters
    ----------
    network : Network
        A legal one.
    codes : array of integers, (N, K)
        Such as `encode` gives.
    """
    stream = _checked(network.input, np.asarray(codes)).astype(np.int64)
    outputs = {}
    for layer, source in zip(network.layers, network.formats()[:-1], strict=True):
        stream = outputs[layer.name] = EXECUTORS[type(layer)](layer, stream, source)
    return outputs


def run_slow(network: Network, codes: ArrayLike) -> Result:
    """Scores and classes of codes (N, K), by the definition."""
    array = _checked(network.input, np.asarray(codes))
    scores = np.empty((len(array), network.classes), np.int64)
    for part in _parts(len(array), _width(network)):
        scores[part] = trace(network, array[part])[network.layers[-1].name]
    return _result(scores)


def _width(network: Network) -> int:
    return max(network.input.size, *(layer.outputs for layer in network.layers))


def _result(scores: Integers) -> Result:
    return Result(scores=scores, classes=np.argmax(scores, axis=1).astype(np.int64))


# ---- the same integers, faster


def run(network: Network, codes: ArrayLike) -> Result:
    """Scores and classes of codes (N, K): the same integers as `run_slow`, faster.

    The first call for a network prepares it; see `FastModel`.
    """
    return prepare(network).run(codes)


def prepare(network: Network) -> FastModel:
    """The `FastModel` of a network, made once and kept as long as the network lives."""
    if network not in _prepared:
        _prepared[network] = FastModel(network)
    return _prepared[network]


class FastModel:
    """A network prepared to run fast and exactly.

    Dense layers become float32 matrix products. Two frames share each float where they fit: with
    codes a and b of the frames, ``a + 2**11 * b`` goes in, and the accumulators of both come out in
    the same form, at half the multiplications. A layer is computed so only if it is proved here that
    every sum, in whatever order the BLAS adds, is an integer below 2**24, which float32 holds exactly;
    one frame a float is tried next. All other layers run by their entry in `EXECUTORS`: exact, but slow.

    Parameters
    ----------
    network : Network
        A legal one.

    Attributes
    ----------
    frames_a_float : dict of str to int
        For each layer by its name 2 or 1, or 0 where it runs by `EXECUTORS`.
    """

    def __init__(self, network: Network) -> None:
        self._input = network.input
        self._width = _width(network)
        self._outputs = network.classes
        self.frames_a_float: dict[str, int] = {}
        self._stages: list[Callable[[Array], Array]] = []
        chain: _Chain | None = None
        for layer, source in zip(network.layers, network.formats()[:-1], strict=True):
            # Two frames a float pay for a change of packing on the way.
            choices = [_Chain(source, packing) for packing in _PACKINGS]
            if chain is not None:
                choices.insert(0 if chain.packing.frames == 2 else 1, chain)
            before, chain = chain, next((choice for choice in choices if choice.add(layer)), None)
            if chain is None:
                self._stages.append(_slow_stage(layer, source))
            elif chain is not before:
                self._stages.append(chain.run)
            self.frames_a_float[layer.name] = chain.packing.frames if chain is not None else 0

    def run(self, codes: ArrayLike) -> Result:
        """Scores and classes of codes (N, K)."""
        array = _checked(self._input, np.asarray(codes))
        scores = np.empty((len(array), self._outputs), np.int64)
        for part in _parts(len(array), self._width):
            stream: Array = array[part]
            for stage in self._stages:
                stream = stage(stream)
            scores[part] = stream
        return _result(scores)


_prepared: WeakKeyDictionary[Network, FastModel] = WeakKeyDictionary()


def _slow_stage(layer: Layer, source: Format | None) -> Callable[[Array], Array]:
    return lambda stream: EXECUTORS[type(layer)](layer, stream.astype(np.int64), source)


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
_EXACT = 1 << 24


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
        weights = 2 * layer.weights.astype(np.int64) - 1
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
        largest = layer.inputs * (self._added + packing.ones * self._top)
        after = limits.shape[1] * (packing.base // packing.sign + packing.ones)
        if (
            (low - limits.max(axis=1)).min() < -packing.sign
            or (high - limits.min(axis=1)).max() >= packing.sign
            or max(largest, abs(bias).max(), after) > _EXACT
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
