"""The network as it grows while the importer walks over a graph: closes layers, and ends with scores."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from bitweir_hw.network import Affine, Dense, Input, Layer, Network, check
from numpy.typing import NDArray

from .errors import ModelError
from .fold import columns, exact, scale, shift
from .graph import Node
from .scores import integer_scores
from .symbols import Codes, Coding, Frame, Signal, Sums, bounded, coding

__all__ = ["Walk"]

#: A threshold nearer to an accumulator that occurs than this is worth a note.
_NEAR = 1e-6


class Walk:
    """Layers so far.

    Parameters
    ----------
    pixel_scale : str or None
        As in `bitweir_hw.network.Input`.

    Attributes
    ----------
    notes : list of str
        What the user should know.
    """

    def __init__(self, pixel_scale: str | None) -> None:
        self.notes: list[str] = []
        self._pixel_scale = pixel_scale
        self._input: Input | None = None
        self._layers: list[Layer] = []
        self._open: Frame | Sums | None = None

    def start(self, shape: tuple[int, ...], batch: int, pixels: NDArray[np.float64] | None) -> Signal:
        """The signal that is the input of the model file."""
        step = None if self._pixel_scale is None else Fraction(self._pixel_scale)
        self._open = Frame(shape, pixels, step)
        return Signal(self._open, shape, np.arange(int(np.prod(shape)), dtype=np.int64), (), batch)

    # ---- layers

    def dense(self, x: Signal | Codes, weights: NDArray[Any], node: Node) -> Signal:
        """The sums of a dense layer with `weights` (K, M)."""
        codes = self._codes(x, node)
        inputs = int(np.prod(codes.shape))
        if weights.ndim != 2 or codes.shape[-1] != inputs or weights.shape[0] != inputs:
            raise ModelError(
                f"Node {node.label} must multiply frames of shape ({weights.shape[0]},), not {codes.shape}, "
                f"with its weights of shape {weights.shape}: flatten before it."
            )
        positive, alpha = _binary(np.ascontiguousarray(weights.T), node)
        code = coding(codes)
        self._close(codes, code, node)
        rows = positive ^ (np.broadcast_to(code.signs, codes.shape).ravel() < 0)
        in_order = np.empty_like(rows)
        in_order[:, _stream_order(codes)] = rows
        sums = self._sums(in_order, code, len(codes.values))
        y = Signal(sums, (*codes.shape[:-1], len(rows)), np.arange(len(rows)), (), codes.batch)
        lead = (1,) * (len(y.shape) - 1)
        if (alpha * code.scale != 1).any():
            y = y.then(scale((alpha * code.scale).reshape(*lead, -1)))
        if (code.shift != 0).any():
            y = y.then(shift((alpha * _signed_sum(positive, code.shift, codes.shape)).reshape(*lead, -1)))
        return y

    def _codes(self, x: Signal | Codes, node: Node) -> Codes:
        if isinstance(x, Codes):
            return x
        if isinstance(x.origin, Sums):
            raise ModelError(
                f"Node {node.label} must take quantised activations, but the sums of {x.origin.name} arrive "
                "unquantised: put a sign between the two layers."
            )
        if x.origin.pixels is None or x.origin.step is None:
            raise ModelError(
                f"Node {node.label} takes the input of the model as it is, without a quantiser: say what a pixel "
                "becomes with --input-scale (8-bit inputs), or quantise the input in the model (1-bit inputs)."
            )
        step = x.origin.step
        _, channels = columns(x.steps)
        bounded(_spread(x), 256)
        levels = np.array([[chain(step * p) for p in range(256)] for chain, _ in channels], object).T
        if step.denominator & (step.denominator - 1):
            self.notes.append(
                f"Pixels of 8 bits feed the first layer; their scale {step} is kept exactly, while float32 rounds it."
            )
        flat = (1,) * len(x.shape)
        thresholds = x.origin.pixels[1:].reshape(-1, *flat)
        values = tuple(level.reshape(_spread(x)) for level in levels)
        return Codes(x.origin, x.shape, x.index, thresholds, values, np.zeros(flat, bool), x.batch)

    def _sums(self, weights: NDArray[np.bool_], code: Coding, levels: int) -> Sums:
        count, size = weights.sum(axis=1), weights.shape[1]
        ends = sorted(code.format.values([0, levels - 1]).tolist())
        low, high = (count * a - (size - count) * b for a, b in (ends, ends[::-1]))
        self._open = Sums(f"dense{len(self._layers)}", weights, low, high, abs(code.format.step))
        return self._open

    # ---- from codes to layers

    def _close(self, codes: Codes, code: Coding, node: Node) -> None:
        """Make the layer (or the input) that ends in `codes`."""
        if codes.origin is not self._open:
            raise ModelError(
                f"Node {node.label} reads a tensor that another layer reads too: branches are not yet supported."
            )
        if isinstance(codes.origin, Frame):
            rows = _full_rows(codes) if codes.thresholds[0].size > 1 else codes.thresholds.reshape(1, -1)
            self._input = Input(
                shape=codes.origin.shape, format=code.format, thresholds=rows.astype(np.float64), source=codes.index,
                pixel_scale=self._pixel_scale,
            )  # fmt: skip
            return
        sums, order = codes.origin, _stream_order(codes)
        thresholds = np.empty((len(order), len(codes.thresholds)), np.int64)
        inverted = np.empty(len(order), bool)
        thresholds[order] = _full_rows(codes)
        inverted[order] = np.broadcast_to(codes.inverted, codes.shape).ravel()
        weights = sums.weights ^ inverted[:, None]
        self._layers.append(Dense(name=sums.name, weights=weights, thresholds=thresholds, output=code.format))
        low, high = np.where(inverted, -sums.high, sums.low), np.where(inverted, -sums.low, sums.high)
        constant = int(((thresholds <= low[:, None]) | (thresholds > high[:, None])).all(axis=1).sum())
        self._tell(sums, constant, int(inverted.sum()))
        distance, rounded = codes.distance
        if distance == 0 and rounded:
            self.notes.append(
                f"{sums.name}: a sum that occurs lies exactly on a threshold; float32 may round it to the other side, "
                "the accelerator does not."
            )
        elif 0 < distance < _NEAR:
            self.notes.append(
                f"{sums.name}: a threshold lies within {distance:.1g} of a sum that occurs; float32 may miss it."
            )

    def _tell(self, sums: Sums, constant: int, inverted: int) -> None:
        for count, what in (
            (constant, "neurons are constant"),
            (inverted, "weight rows are inverted, because their slope is negative"),
        ):
            if count:
                self.notes.append(f"{sums.name}: {count} of {len(sums.weights)} {what}.")

    # ---- the end

    def finish(self, x: Any, name: str) -> Network:
        """The network whose scores are `x`."""
        if not isinstance(x, Signal) or not isinstance(x.origin, Sums):
            raise ModelError(
                "The output of the model must be the scores of a last layer, not codes, the input or a constant: "
                "export the network up to its scores."
            )
        if x.origin is not self._open or self._input is None:
            raise ModelError("The output of the model must come from its last layer: branches are not yet supported.")
        other = [step.name for step in x.steps if step.name not in ("scale", "shift", "norm")]
        if other:
            raise ModelError(f"After the last layer only an affine map may follow, not a {other[0]}: it makes ties.")
        sums = x.origin
        shape, channels = columns(x.steps)
        chains = [chain for chain, _ in channels]
        kinds = np.broadcast_to(np.arange(len(chains)).reshape(shape), x.shape).ravel()
        low, high = sums.low[x.index].tolist(), sums.high[x.index].tolist()
        try:
            scores = integer_scores([chains[kind] for kind in kinds], low, high, sums.step)
        except ValueError as error:
            raise ModelError(
                f"The scores of the last layer must fold into integers, but {error}: retrain without its batch norm."
            ) from error
        weights = sums.weights[x.index] ^ scores.inverted[:, None]
        self._layers.append(Dense(name=sums.name, weights=weights))
        self._tell(sums, 0, int(scores.inverted.sum()))
        if scores.scale is not None and scores.offset is not None:
            self._layers.append(Affine(name="scores", scale=scores.scale, offset=scores.offset))
        elif x.steps:
            self.notes.append(
                "The affine map after the last layer is one for all classes; it is left out, the class is the same."
            )
        return check(Network(name=name, input=self._input, layers=tuple(self._layers), notes=tuple(self.notes)))


def _spread(x: Signal) -> tuple[int, ...]:
    """What the parameters of a signal broadcast to."""
    return np.broadcast_shapes((1,) * len(x.shape), *(param.shape for step in x.steps for param in step.params))


def _binary(weights: NDArray[Any], node: Node) -> tuple[NDArray[np.bool_], NDArray[Any]]:
    """Signs of weight rows (M, K), and the size of each row as fractions."""
    if weights.dtype.kind not in "fiu" or not weights.size or not np.isfinite(weights).all():
        raise ModelError(f"Node {node.label} must have finite numbers as weights; some are NaN, infinite or missing.")
    size = np.abs(weights)
    low, high = size.min(axis=1), size.max(axis=1)
    bad = np.flatnonzero(low != high)
    if len(bad):
        row = int(bad[0])
        zeros = " (zero weights are not yet supported)" if low[row] == 0 else ""
        raise ModelError(
            f"Node {node.label} must have binary weights, +a or -a with one a for each output, but output {row} holds "
            f"sizes from {float(low[row]):g} to {float(high[row]):g}{zeros}: binarise them in the model, as by sign(W)."
        )
    return weights > 0, exact(high)


def _signed_sum(positive: NDArray[np.bool_], offset: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """For each row of signs the exact sum of ``sign * offset``."""
    if offset.size == 1:
        counts = 2 * positive.sum(axis=1, dtype=np.int64) - positive.shape[1]
        return np.asarray(exact(counts) * offset.flat[0])
    flat = np.broadcast_to(offset, shape).ravel()
    total = flat.sum()
    result: NDArray[Any] = np.array([2 * flat[row].sum() - total for row in positive], object)
    return result


def _full_rows(codes: Codes) -> NDArray[Any]:
    """Thresholds (elements, T)."""
    return np.stack([np.broadcast_to(row, codes.shape).ravel() for row in codes.thresholds], axis=1)


def _stream_order(codes: Codes) -> NDArray[np.int64]:
    """For each element, its place on the stream: frames are put in the order of the graph, sums stay in theirs."""
    if isinstance(codes.origin, Frame):
        return np.arange(len(codes.index))
    if not np.array_equal(np.sort(codes.index), np.arange(len(codes.origin.weights))):
        raise ModelError(f"the outputs of {codes.origin.name} must be used once each")
    return codes.index
