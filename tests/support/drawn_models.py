"""Networks that Hypothesis draws, as ONNX graphs with affine inputs or without, and an exact reference of their own.

A `Model` grows by calls such as ``model.gate(x)``: each adds nodes to the graph and computes what they make of some
frames, without the importer. A reference value is exact, but for batch norms, whose roots have 200 bits. Every sign is
noted as a `Site`: its codes, and how far each number lies from the threshold.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import isqrt
from pathlib import Path
from typing import Any

import numpy as np
from bitweir_hw.network import Stored
from hypothesis import strategies as st
from support.onnxgraphs import Graph

__all__ = ["Model", "Site", "Value", "models"]

ROOT_BITS = 200


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor of the graph and what it holds.

    Parameters
    ----------
    name : str
    array : object or int64 array, (N, C) or (N, C, H, W)
    slope : object array
        What a sum (or the result of a linear layer) was multiplied with since; broadcasts against a frame.
    site : Site or None
        The sign of which it is the result, scaled or not.
    """

    name: str
    array: np.ndarray
    slope: np.ndarray
    site: Site | None = None


@dataclass(frozen=True, eq=False)
class Site:
    """A sign.

    Parameters
    ----------
    tensors : dict
        What its codes mean, (N, E), in each tensor that a layer may take them from, by name.
    distance : object array, (N, E)
        Of the number that it takes from 0, in numbers of the sum before it.
    """

    tensors: dict[str, np.ndarray]
    distance: np.ndarray


class Model:
    """A graph and its reference.

    Parameters
    ----------
    seed : int
        Of weights and frames.
    shape : tuple of int
        (C,) or (C, H, W) of a frame.
    frames : int
    stored : Stored
        Which integers the frames hold, and what they are to the model.
    """

    def __init__(self, seed: int, shape: tuple[int, ...], frames: int, stored: Stored) -> None:
        self.graph = Graph(seed)
        self.rng = self.graph.rng
        self.shape = shape
        self.stored = stored
        self.pixels = self.rng.integers(stored.low, stored.high + 1, (frames, *shape))
        self.sites: list[Site] = []
        self.input = Value("x", self._taken(), self._whole(1))
        self.output: Value | None = None
        #: What follows the output: a sigmoid, a sign, or nothing.
        self.end = ""

    def _taken(self) -> np.ndarray:
        """What the model takes for the integers, exactly."""
        if self.stored.scale == ("1",) and self.stored.offset == ("0",):
            return self.pixels
        scales, offsets = (
            np.array(numbers, object).reshape(-1, *(1,) * (len(self.shape) - 1))
            for numbers in (self.stored.scales, self.stored.offsets)
        )
        return self.pixels.astype(object) * scales + offsets

    def _whole(self, number: int, axes: int | None = None) -> np.ndarray:
        return np.full((1,) * (len(self.shape) if axes is None else axes), Fraction(number), object)

    def _channels(self, numbers, x: Value) -> np.ndarray:
        """float32 numbers, one a channel or one in all, as they broadcast against a frame of a tensor."""
        numbers = np.asarray(numbers, np.float32).reshape(-1)
        return numbers.reshape(-1, *(1,) * (x.array.ndim - 2))

    def _scaled(self, x: Value, name: str, factor: np.ndarray, offset: np.ndarray | None = None) -> Value:
        array = x.array * factor
        return self._known(Value(name, array if offset is None else array + offset, x.slope * factor, x.site))

    def _known(self, x: Value) -> Value:
        if x.site is not None:
            x.site.tensors[x.name] = x.array.reshape(len(x.array), -1).astype(np.float64)
        return x

    def linear(self, x: Value, outputs: int) -> Value:
        """Binary weights: a dense layer, or a 3 x 3 convolution with zeros around the map."""
        inputs = x.array.shape[1]
        if x.array.ndim == 2:
            weights = self.graph.signs(inputs, outputs)
            array = x.array @ weights.astype(np.int64)
            return Value(self.graph.op("MatMul", x.name, weights), array, self._whole(1, 1))
        weights = self.graph.signs(outputs, inputs, 3, 3)
        whole = weights.astype(np.int64)
        padded = np.pad(x.array, ((0, 0), (0, 0), (1, 1), (1, 1)))
        rows, columns = x.array.shape[2:]
        array = sum(
            np.einsum("nchw,mc->nmhw", padded[:, :, r : r + rows, c : c + columns], whole[:, :, r, c])
            for r, c in np.ndindex(3, 3)
        )
        return Value(self.graph.op("Conv", x.name, weights, pads=[1, 1, 1, 1]), array, self._whole(1))

    def gate(self, x: Value, numbers) -> Value:
        """Times a number, or one for each channel."""
        numbers = self._channels(numbers, x)
        return self._scaled(x, self.graph.op("Mul", x.name, numbers), fractions(numbers))

    def shift(self, x: Value, numbers) -> Value:
        """Plus a number, or one for each channel."""
        numbers = self._channels(numbers, x)
        return self._scaled(
            x, self.graph.op("Add", x.name, numbers), self._whole(1, x.array.ndim - 1), fractions(numbers)
        )

    def norm(self, x: Value) -> Value:
        """A batch norm of drawn numbers."""
        channels = x.array.shape[1]
        gamma = self.rng.choice([-1, 1], channels) * self.rng.uniform(0.2, 2, channels)
        beta, mean = self.rng.normal(size=channels), self.rng.normal(scale=3, size=channels)
        variance = self.rng.uniform(0.5, 40, channels)
        name = self.graph.op("BatchNormalization", x.name, gamma, beta, mean, variance)
        gamma, beta, mean, variance = (fractions(self._channels(n, x)) for n in (gamma, beta, mean, variance))
        factor = gamma / np.frompyfunc(root, 1, 1)(variance + Fraction(float(np.float32(1e-5))))
        return self._scaled(x, name, factor, beta - mean * factor)

    def add(self, x: Value, y: Value) -> Value:
        """The sum of two."""
        return Value(self.graph.op("Add", x.name, y.name), x.array + y.array, self._whole(1, x.array.ndim - 1))

    def pool(self, x: Value, kind: str) -> Value:
        """The largest, or the mean, of windows of 2 x 2."""
        rows, columns = (size // 2 for size in x.array.shape[2:])
        taps = [x.array[:, :, r : 2 * rows : 2, c : 2 * columns : 2] for r, c in np.ndindex(2, 2)]
        array = np.maximum.reduce(taps) if kind == "MaxPool" else sum(taps) * Fraction(1, 4)
        return Value(self.graph.op(kind, x.name, kernel_shape=[2, 2], strides=[2, 2]), array, x.slope)

    def sign(self, x: Value) -> Value:
        """1 where it is 0 or more, else -1."""
        positive = x.array >= 0
        name = self.graph.sign(x.name)
        frames = len(x.array)
        distance = abs(np.asarray(x.array / x.slope, object))
        self.sites.append(Site({}, distance.reshape(frames, -1)))
        return self._known(Value(name, np.where(positive, 1, -1), self._whole(1, x.array.ndim - 1), self.sites[-1]))

    def flat(self, x: Value) -> Value:
        """As a vector."""
        one = np.array([Fraction(1)], object)
        return self._known(Value(self.graph.op("Flatten", x.name), x.array.reshape(len(x.array), -1), one, x.site))

    def save(self, path: Path) -> Path:
        """Write the graph."""
        assert self.output is not None
        last = self.graph.op("Sigmoid", self.output.name) if self.end == "sigmoid" else self.output.name
        return self.graph.save(path, last, ("N", *self.shape))


def fractions(numbers: np.ndarray) -> np.ndarray:
    """float32 numbers as they are."""
    return np.frompyfunc(lambda number: Fraction(float(number)), 1, 1)(np.asarray(numbers, np.float32))


def root(number: Fraction) -> Fraction:
    """Square root, a little too small."""
    return Fraction(isqrt((number.numerator << 2 * ROOT_BITS) // number.denominator), 1 << ROOT_BITS)


# ---- what is drawn


@st.composite
def models(draw: Any, *, frames: int = 20) -> Model:
    """Stacked sums of gated streams, which end in a dense layer over signs, or are scores themselves.

    Results are a class, labels, a score, or codes, of one to three outputs (or more, where sums are scores).
    """
    maps = draw(st.booleans())
    channels = draw(st.integers(2, 4))
    shape = (2, 4, 4) if maps else (draw(st.integers(4, 9)),)
    stored = draw(rules(shape[0])) if draw(st.booleans()) else Stored(high=15)
    model = Model(draw(st.integers(0, 2**32 - 1)), shape, frames if not maps else frames // 2, stored)
    x = scaled(draw, model, model.linear(model.input, channels), centred=True)
    if maps and stored.scale != ("1",):
        # Zeros around such a map lie between its integers, which is exact behind thresholds.
        x = scaled(draw, model, model.linear(model.sign(x), channels))
    seen = [x]
    for _ in range(draw(st.integers(1, 4))):
        x = block(draw, model, x, seen)
        seen.append(x)
        if maps and x.array.shape[2] == 4 and draw(st.integers(0, 3)) == 0:
            x = model.pool(x, draw(st.sampled_from(["MaxPool", "AveragePool"])))
            seen = [x]
    model.output = ended(draw, model, x)
    model.end = draw(st.sampled_from(["", "", "sigmoid", "sign"]))
    if model.output.array.shape[1] == 1 or model.end:
        # A score of its own: its scale and its offset count.
        model.output = scaled(draw, model, model.output)
    if model.end == "sign":
        model.output = model.sign(model.output)
    return model


@st.composite
def rules(draw: Any, channels: int) -> Stored:
    """An affine input: one rule, or offsets or small multiples of one scale that differ from channel to channel."""
    low, high = draw(st.sampled_from([(0, 15), (-8, 7), (0, 255), (-128, 127), (3, 9)]))
    scale = draw(st.fractions(min_value=Fraction(1, 50), max_value=2, max_denominator=300).filter(lambda s: s != 1))
    offset = st.fractions(min_value=-2, max_value=2, max_denominator=10_000)
    kind = draw(st.sampled_from(["one", "offsets", "scales"]))
    if kind == "one" or channels > 3:
        return Stored.of((scale,), (draw(offset),), low, high)
    factors = [draw(st.sampled_from([1, -1, 2, 3])) if kind == "scales" else 1 for _ in range(channels)]
    offsets = tuple(draw(offset) for _ in range(channels))
    return Stored.of(tuple(scale * factor for factor in factors), offsets, low, high)


def block(draw: Any, model: Model, x: Value, seen: list[Value]) -> Value:
    """One or two sums of what is there."""
    channels = x.array.shape[1]
    kind = draw(st.sampled_from(["residual", "residual", "bases", "stacked", "earlier"]))
    y = scaled(draw, model, model.linear(model.sign(x), channels))
    if kind == "bases":
        return model.add(
            y, scaled(draw, model, model.linear(model.sign(model.shift(x, drawn(draw, model, 1))), channels))
        )
    x = scaled(draw, model, x)
    if kind == "earlier":
        return model.add(model.add(x, y), scaled(draw, model, seen[draw(st.integers(0, len(seen) - 1))]))
    x = model.add(*draw(st.permutations([x, y])))
    return model.add(scaled(draw, model, x), scaled(draw, model, model.sign(x))) if kind == "stacked" else x


def scaled(draw: Any, model: Model, x: Value, *, centred: bool = False) -> Value:
    """Behind a gate, a batch norm or neither; and shifted, perhaps."""
    kind = draw(st.sampled_from(["gates", "gates", "gate", "plain", "norm", "none"]))
    count = x.array.shape[1]
    if kind == "norm":
        return model.norm(x)
    if kind == "plain":
        x = model.gate(x, draw(st.sampled_from([0.5, -0.25, 2, 3])))
    elif kind != "none":
        x = model.gate(x, drawn(draw, model, count if kind == "gates" else 1))
    middle = float(np.mean(x.array.astype(np.float64))) if centred else 0.0
    return model.shift(x, drawn(draw, model, count) - middle) if centred or draw(st.booleans()) else x


def drawn(draw: Any, model: Model, count: int) -> np.ndarray:
    """Numbers of either sign, 0.1 to 10."""
    return model.rng.choice([-1, 1], count) * 10.0 ** model.rng.uniform(-1, 1, count)


def ended(draw: Any, model: Model, x: Value) -> Value:
    """Scores."""
    if x.array.ndim == 2 and draw(st.integers(0, 3)) == 0:
        return x
    return model.linear(model.flat(model.sign(x)), draw(st.integers(1, 3)))
