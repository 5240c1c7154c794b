"""Rules of operators that only move elements, or tell their shape."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from .constants import Array, axes, reshape_target, sizes
from .errors import ModelError
from .graph import Node
from .operands import Rule, Value
from .symbols import Codes, Moving, Padded, Signal
from .walk import Walk

__all__ = ["SHAPE_RULES"]


def _moved(x: Moving, after: tuple[int, ...], move: Callable[[Array], Array]) -> Value:
    """`after` and `move` have the batch axis, of size 1."""
    if after[:1] != (1,) or len(after) < 2:
        raise ModelError("the batch axis must stay first: a frame may not be cut or merged with others")
    return x.moved(after[1:], lambda frame: move(frame[None])[0])


def _full(x: Moving) -> tuple[int, ...]:
    return (x.batch, *x.shape)


def _reshaped(x: Moving, after: tuple[int, ...]) -> Value:
    if after[:1] != (x.batch,):
        raise ModelError(f"the batch axis of size {x.batch} must stay first, but the shape becomes {after}")
    return _moved(x, (1, *after[1:]), lambda array: array.reshape(1, *after[1:]))


def _reshape(walk: Walk, node: Node, x: Moving, target: Array) -> Value:
    return _reshaped(x, reshape_target(node, _full(x), target))


def _flatten(walk: Walk, node: Node, x: Moving) -> Value:
    axis = node.attributes.get("axis", 1)
    if axis not in (1, -len(x.shape)):
        raise ModelError(f"its axis must be 1, not {axis}")
    return _reshaped(x, (x.batch, prod(x.shape)))


def _squeeze(walk: Walk, node: Node, x: Moving, over: Array | None = None) -> Value:
    full = _full(x)
    chosen = axes(node, over)
    drop = {axis % len(full) for axis in chosen} if chosen else {a for a, size in enumerate(full) if size == 1 and a}
    if any(full[axis] != 1 for axis in drop):
        raise ModelError("it may drop axes of size 1 only")
    return _reshaped(x, tuple(size for axis, size in enumerate(full) if axis not in drop))


def _unsqueeze(walk: Walk, node: Node, x: Moving, over: Array | None = None) -> Value:
    chosen = axes(node, over) or ()
    full = np.expand_dims(np.empty(0).reshape(0, *_full(x)), tuple(a + 1 if a >= 0 else a for a in chosen)).shape[1:]
    return _reshaped(x, full)


def _transpose(walk: Walk, node: Node, x: Moving | Padded) -> Value:
    perm = node.attributes.get("perm", list(range(len(x.shape) + 1))[::-1])
    if sorted(perm) != list(range(len(x.shape) + 1)) or perm[0] != 0:
        raise ModelError(f"it must leave the batch axis first; its perm is {perm}")
    if isinstance(x, Padded):
        inside = _transpose(walk, node, x.inside)
        assert isinstance(inside, (Signal, Codes))
        return Padded(inside, tuple(x.pads[axis - 1] for axis in perm[1:]), x.value)
    shape = (1, *x.shape)
    return _moved(x, tuple(shape[axis] for axis in perm), lambda array: array.transpose(perm))


def _shape(walk: Walk, node: Node, x: Moving) -> Value:
    return sizes(node, _full(x))


def _concat(walk: Walk, node: Node, *parts: Any) -> Value:
    """Several codes of one frame side by side, as a thermometer code is made."""
    if not all(isinstance(part, Codes) and part.origin is parts[0].origin for part in parts):
        raise ModelError("it must join quantised forms of one tensor")
    axis = node.attributes["axis"]
    axis = axis - 1 if axis > 0 else axis + len(parts[0].shape) if axis < 0 else -1
    counts = {len(part.thresholds) for part in parts}
    if axis < 0 or len(counts) != 1:
        raise ModelError("it must join codes of as many levels each, and not along the batch")

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


SHAPE_RULES: dict[str, Rule] = {
    "Concat": _concat,
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Shape": _shape,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
