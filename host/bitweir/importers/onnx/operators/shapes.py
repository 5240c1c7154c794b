"""Rules of operators that only move elements, or return their shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from math import prod
from typing import Any

import numpy as np

from ...errors import ModelError
from ...folding.choices import is_permutation
from ...folding.joins import concat
from ...folding.network_builder import NetworkBuilder
from ...folding.pools import max_pool
from ...folding.symbols import Codes, Frame, Moving, Padded, Signal, Stream
from ...folding.windows import Window
from ..constants import Array, axes, reshape_target, sizes, slice_array, split_array
from ..graph import Node
from .operands import Rule, Value

__all__ = ["SHAPE_RULES"]

#: More elements than any network picks along an axis.
_MAX_PICKED = 1 << 16


def _moved(x: Moving, after: tuple[int, ...], move: Callable[[Array], Array]) -> Value:
    """`after` and `move` have the batch axis, of size 1."""
    if after[:1] != (1,) or len(after) < 2:
        raise ModelError(
            "the batch axis must stay first, and a frame may not be cut or merged with others: export with the batch "
            "first, as by batch_first=True"
        )
    return x.moved(after[1:], lambda frame: move(frame[None])[0])


def _picked(
    builder: NetworkBuilder, node: Node, x: Moving, after: tuple[int, ...], pick: Callable[[Array], Array]
) -> Value:
    """As `_moved`, where elements may be left out or come twice.

    Codes are those of a layer then, which has all of them: what else is picked is picked from the same.
    """
    if isinstance(x, Codes) and isinstance(x.origin, Stream) and is_permutation(x.index, x.origin.map.size):
        chosen = pick(x.index.reshape(1, *x.shape)).reshape(-1)
        if not is_permutation(chosen, x.origin.map.size):
            with suppress(ModelError):  # what it cannot be as a whole it may be in parts
                x = builder.signal(x, node.label, as_map=len(x.shape) == 3, varied=True)
    return _moved(x, after, pick)


def _full(x: Moving) -> tuple[int, ...]:
    return (x.batch, *x.shape)


def _reshaped(x: Moving, after: tuple[int, ...]) -> Value:
    if after[:1] != (x.batch,):
        raise ModelError(
            f"the batch axis of size {x.batch} must stay first, but the shape becomes {after}: use Flatten"
        )
    return _moved(x, (1, *after[1:]), lambda array: array.reshape(1, *after[1:]))


def _reshape(builder: NetworkBuilder, node: Node, x: Moving, target: Array) -> Value:
    return _reshaped(x, reshape_target(node, _full(x), target))


def _flatten(builder: NetworkBuilder, node: Node, x: Moving) -> Value:
    axis = node.attributes.get("axis", 1)
    if axis not in (1, -len(x.shape)):
        raise ModelError(f"its axis must be 1, not {axis}: use Flatten(start_dim=1)")
    return _reshaped(x, (x.batch, prod(x.shape)))


def _squeeze(builder: NetworkBuilder, node: Node, x: Moving, over: Array | None = None) -> Value:
    full = _full(x)
    chosen = axes(node, over)
    drop = {axis % len(full) for axis in chosen} if chosen else {a for a, size in enumerate(full) if size == 1 and a}
    if any(full[axis] != 1 for axis in drop):
        raise ModelError("it may drop axes of size 1 only: export the model again")
    return _reshaped(x, tuple(size for axis, size in enumerate(full) if axis not in drop))


def _unsqueeze(builder: NetworkBuilder, node: Node, x: Moving, over: Array | None = None) -> Value:
    chosen = axes(node, over) or ()
    full = np.expand_dims(np.empty(0).reshape(0, *_full(x)), tuple(a + 1 if a >= 0 else a for a in chosen)).shape[1:]
    return _reshaped(x, full)


def _transpose(builder: NetworkBuilder, node: Node, x: Moving | Padded) -> Value:
    perm = node.attributes.get("perm", list(range(len(x.shape) + 1))[::-1])
    if sorted(perm) != list(range(len(x.shape) + 1)) or perm[0] != 0:
        raise ModelError(
            f"it must leave the batch axis first, and its perm is {perm}: export with the batch first, as by "
            "batch_first=True"
        )
    if isinstance(x, Padded):
        inside = _transpose(builder, node, x.inside)
        assert isinstance(inside, (Signal, Codes))
        return Padded(inside, tuple(x.pads[axis - 1] for axis in perm[1:]), x.value)
    shape = (1, *x.shape)
    return _moved(x, tuple(shape[axis] for axis in perm), lambda array: array.transpose(perm))


def _shape(builder: NetworkBuilder, node: Node, x: Moving) -> Value:
    return sizes(node, _full(x))


def _concat(builder: NetworkBuilder, node: Node, *parts: Any) -> Value:
    """Values one after the other along an axis."""
    if not all(isinstance(part, (Signal, Codes)) for part in parts):
        raise ModelError("it joins constants to what depends on the image: leave them out, or give a layer a bias")
    axis = node.attributes["axis"]
    axis = axis - 1 if axis > 0 else axis + len(parts[0].shape) if axis < 0 else -1
    if axis < 0:
        raise ModelError("it must not join frames along the batch: run the model on each of them")
    if all(isinstance(part, Codes) and part.origin is parts[0].origin for part in parts):
        index = np.concatenate([part.index for part in parts])
        if isinstance(parts[0].origin, Frame) or len(np.unique(index)) == len(index):
            return _of_one_origin(parts, axis)
    return concat(builder, parts, axis, node.label)


def _of_one_origin(parts: Sequence[Codes], axis: int) -> Codes:
    """Codes of the input, as of a thermometer, or of different elements of a stream, as of a channel shuffle."""
    counts = {len(part.thresholds) for part in parts}
    if len(counts) != 1:
        raise ModelError("it must join codes of one tensor that have as many levels each: quantise them alike")

    def join(arrays: list[Array]) -> Array:
        full = [np.broadcast_to(array, part.shape) for array, part in zip(arrays, parts, strict=True)]
        if all(array.size == 1 and array.flat[0] == arrays[0].flat[0] for array in arrays):
            return arrays[0]
        return np.concatenate(full, axis)

    index = np.concatenate([part.index.reshape(part.shape) for part in parts], axis)
    levels = counts.pop()
    rows = np.broadcast_arrays(*(join([part.thresholds[k] for part in parts]) for k in range(levels)))
    values = tuple(join([part.values[k] for part in parts]) for k in range(levels + 1))
    inverted = join([part.inverted for part in parts])
    ternary = next((part.ternary for part in parts if part.ternary), None)
    distance = min(part.distance for part in parts)
    return Codes(
        parts[0].origin, index.shape, index.reshape(-1), np.stack(rows), values, inverted,
        parts[0].batch, ternary, distance,
    )  # fmt: skip


def _gather(builder: NetworkBuilder, node: Node, x: Moving, index: Any) -> Value:
    """Elements along an axis by constant numbers, as channels are put into another order."""
    if not isinstance(x, (Signal, Codes)) or not isinstance(index, np.ndarray) or index.dtype.kind not in "iu":
        raise ModelError(
            "it must pick elements by constant numbers, since a stream has a fixed order: use Conv or MatMul"
        )
    axis = node.attributes.get("axis", 0)
    axis += len(x.shape) + 1 if axis < 0 else 0
    if not 0 < axis <= len(x.shape) or index.ndim > 1:
        raise ModelError("it must pick along one axis, not the batch, by one number or a list of them: export it so")
    if index.size and not -x.shape[axis - 1] <= index.min() <= index.max() < x.shape[axis - 1]:
        raise ModelError(
            f"its numbers must lie within the {x.shape[axis - 1]} elements of the axis: the file is damaged"
        )
    if not 0 < index.size <= _MAX_PICKED:
        raise ModelError(f"it must pick 1 to {_MAX_PICKED} elements, not {index.size}: pick fewer")
    shape = (1, *x.shape[: axis - 1], *index.shape, *x.shape[axis:])
    return _picked(builder, node, x, shape, lambda frame: np.take(frame, index, axis))


def _slice(builder: NetworkBuilder, node: Node, x: Moving, *parts: Any) -> Value:
    """A part of a frame; which one must be constant."""
    if not isinstance(x, (Signal, Codes)) or not all(part is None or isinstance(part, np.ndarray) for part in parts):
        raise ModelError("it must cut at constant places, since a stream has a fixed order: export with fixed shapes")
    shape = slice_array(node, 0, np.broadcast_to(np.False_, (1, *x.shape)), *parts).shape
    if 0 in shape:
        raise ModelError("it must leave at least one element: the file is damaged")
    strides = _strides(x, slice_array(node, 0, np.arange(prod(x.shape)).reshape(1, *x.shape), *parts)[0])
    if strides is not None:
        return max_pool(builder, x, node.label, window=Window((1, 1), strides))
    return _picked(builder, node, x, shape, lambda frame: slice_array(node, 0, frame, *parts))


def _strides(x: Moving, kept: Array) -> tuple[int, int] | None:
    """How far apart the rows and columns are that a slice keeps of a map behind a layer, if the first ones are kept.

    Pools of one pixel have the same strides.
    """
    if not isinstance(x.origin, Stream) or len(x.shape) != 3 or kept.shape in (x.shape, ()) or kept.ndim != 3:
        return None
    _, rows, columns = x.shape
    down = (int(kept[0, 1, 0]) - int(kept[0, 0, 0])) // columns if kept.shape[1] > 1 else rows
    across = int(kept[0, 0, 1]) - int(kept[0, 0, 0]) if kept.shape[2] > 1 else columns
    whole = np.arange(prod(x.shape)).reshape(x.shape)
    fits = down > 0 and across > 0 and np.array_equal(kept, whole[:, ::down, ::across])
    return (down, across) if fits else None


def _split(builder: NetworkBuilder, node: Node, x: Moving, parts: Any = None) -> list[Value]:
    """A frame in several parts, one after the other along an axis."""
    if not isinstance(x, (Signal, Codes)) or not (parts is None or isinstance(parts, np.ndarray)):
        raise ModelError("it must cut at constant places, since a stream has a fixed order: export with fixed shapes")
    shapes = [part.shape for part in split_array(node, 0, np.broadcast_to(np.False_, (1, *x.shape)), parts)]
    if any(0 in shape for shape in shapes):
        raise ModelError("each of its parts must have at least one element: leave out the empty ones")

    def part(place: int, shape: tuple[int, ...]) -> Value:
        return _picked(builder, node, x, shape, lambda frame: split_array(node, 0, frame, parts)[place])

    return [part(place, shape) for place, shape in enumerate(shapes)]


def _expand(builder: NetworkBuilder, node: Node, x: Moving, shape: Any) -> Value:
    """Expand, where it changes nothing."""
    target = tuple(np.asarray(shape).reshape(-1).tolist())
    if np.broadcast_shapes(_full(x), target) != _full(x):
        raise ModelError(f"it must not spread a frame of shape {x.shape} to {target}: use one value for each element")
    return x


SHAPE_RULES: dict[str, Rule] = {
    "Concat": _concat,
    "Expand": _expand,
    "Flatten": _flatten,
    "Gather": _gather,
    "Reshape": _reshape,
    "Shape": _shape,
    "Slice": _slice,
    "Split": _split,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
