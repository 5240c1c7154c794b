"""Rules of operators that combine neighbouring pixels: convolutions, pools and padding."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np

from ...errors import ModelError
from ...exact.fold import scale, shift
from ...folding.linear import conv
from ...folding.network_builder import NetworkBuilder
from ...folding.pools import max_pool, mean_pool, upsample
from ...folding.rows import over_rows
from ...folding.symbols import Moving, Padded, Signal
from ...folding.transposed import conv_transposed, depth_to_space, space_to_depth
from ...folding.windows import Window
from ..constants import Array, axes
from ..graph import Node
from .operands import per_channel
from .resizing import resize_factors
from .windows import dilations, node_window

__all__ = ["MAP_RULES", "PADDED_OPS"]

#: Operators that take a map with a border.
PADDED_OPS = {"Conv", "MaxPool", "Transpose"}


def _conv(builder: NetworkBuilder, node: Node, x: Any, weights: Any, bias: Any = None) -> Signal:
    if not isinstance(x, np.ndarray) and not isinstance(weights, np.ndarray):
        raise ModelError("its weights depend on the image: use constant weights")
    if isinstance(x, np.ndarray):
        raise ModelError("it convolves a constant: export the model with constant folding")
    if len(x.shape) not in (2, 3) or weights.ndim != len(x.shape) + 1:
        raise ModelError(
            "it must convolve maps of one or two dimensions, of the shape (N, C, L) or (N, C, H, W), with weights of "
            f"as many axes, not maps of {len(x.shape) - 1} with weights of the shape {weights.shape}: use Conv1d or "
            "Conv2d"
        )
    gaps, groups = dilations(node, len(x.shape) - 1), int(node.attributes.get("group", 1))
    window = node_window(node, x.shape[1:], weights.shape[2:], gaps=gaps)
    if weights.ndim == 3:  # those of a map of one row
        weights, gaps = weights[:, :, None], [1, *gaps]

    def rule(row: Moving | Padded) -> Signal:
        return conv(builder, row, weights, node.label, window=window, groups=groups, gaps=(gaps[0], gaps[1]))

    y = over_rows(builder, x, rule)
    if bias is None:
        return y
    if not isinstance(bias, np.ndarray) or bias.shape != weights.shape[:1]:
        raise ModelError("its bias must be a constant, one number for each output: export the model again")
    return y.then(shift(per_channel(y, bias)))


def _max_pool(builder: NetworkBuilder, node: Node, x: Moving | Padded) -> Signal:
    if len(node.outputs) > 1 and node.outputs[1]:
        raise ModelError("it must hand on values, not where they lie: pool without return_indices")
    _check_map(x)
    window = node_window(node, x.shape[1:])
    return over_rows(builder, x, lambda row: max_pool(builder, row, node.label, window=window))


def _average_pool(builder: NetworkBuilder, node: Node, x: Moving) -> Signal:
    _check_map(x)
    window = node_window(node, x.shape[1:])

    counted = bool(node.attributes.get("count_include_pad", 0))
    if window.padded and counted and node.attributes.get("ceil_mode", 0):
        raise ModelError(
            "it counts its padding and rounds up, and files do not agree on the divisors at the edges then: leave out "
            "count_include_pad or ceil_mode"
        )
    return over_rows(builder, x, lambda row: mean_pool(builder, row, node.label, window=window, counted=counted))


def _global_pool(builder: NetworkBuilder, node: Node, x: Moving) -> Signal:
    _check_map(x)
    pool = mean_pool if node.op == "GlobalAveragePool" else max_pool
    return _over_all(builder, x, lambda row, window: pool(builder, row, node.label, window=window))


def _over_all(builder: NetworkBuilder, x: Moving, pool: Callable[[Any, Window], Signal]) -> Signal:
    """A pool over a whole map of one or two dimensions."""
    return over_rows(builder, x, lambda row: pool(row, Window((row.shape[1], row.shape[2]))))


def _reduce(builder: NetworkBuilder, node: Node, x: Moving, over: Array | None = None) -> Moving:
    """Mean, sum or maximum over the rows and columns of a map, or over the only axis of one of one dimension."""
    if len(x.shape) > 1:
        _check_map(x)
    rank = len(x.shape) + 1
    chosen = sorted({axis % rank for axis in axes(node, over) or ()})
    if rank < 3 or len(chosen) != rank - 2 or 0 in chosen:
        raise ModelError(
            "it must reduce the rows and columns of a map, no other axes: a mean over features, as layer norm computes "
            "it, depends on the image, so use a batch norm"
        )
    last = ({*range(1, rank)} - set(chosen)).pop()  # the channels
    first = (last - 1, *(axis - 1 for axis in chosen))
    y: Moving = x.moved(tuple(x.shape[axis] for axis in first), lambda frame: frame.transpose(first))
    taps = prod(y.shape[1:])
    pool = max_pool if node.op == "ReduceMax" else mean_pool
    y = _over_all(builder, y, lambda row, window: pool(builder, row, node.label, window=window))
    if node.op == "ReduceSum":
        y = y.then(scale(np.full((1,) * len(y.shape), Fraction(taps), object)))
    keep = node.attributes.get("keepdims", 1)
    shape = tuple(size if axis == last else 1 for axis, size in enumerate((0, *x.shape)) if axis)
    shape = shape if keep else (x.shape[last - 1],)
    return y.moved(shape, lambda frame: frame.reshape(shape))


def _check_map(x: Moving | Padded) -> None:
    if len(x.shape) not in (2, 3):
        raise ModelError("it must pool maps of one or two dimensions, of the shape (N, C, L) or (N, C, H, W)")


def _pad(
    builder: NetworkBuilder, node: Node, x: Moving, pads: Any = None, value: Any = None, over: Any = None
) -> Moving | Padded:
    if str(node.attributes.get("mode", "constant")) != "constant":
        raise ModelError("its mode must be constant: pad with a constant, or not at all")
    numbers: list[int] = node.attributes["pads"] if pads is None else np.asarray(pads).reshape(-1).tolist()
    value = node.attributes.get("value", 0.0) if value is None else np.asarray(value).item()
    rank = len(x.shape) + 1
    chosen = range(rank) if over is None else [int(axis) % rank for axis in np.asarray(over).reshape(-1)]
    half = len(chosen)
    ends = [(0, 0)] * rank
    for axis, before, after in zip(chosen, numbers[:half], numbers[half:], strict=True):
        ends[axis] = (int(before), int(after))
    if ends[0] != (0, 0) or min(min(end) for end in ends) < 0 or not np.isfinite(value):
        raise ModelError(
            "it must add a border of one finite number around a frame, and cut nothing: cut with a Slice, or not at all"
        )
    if not any(map(any, ends)):
        return x
    return Padded(x, tuple(ends[1:]), Fraction(value))


def _resize(builder: NetworkBuilder, node: Node, x: Moving, *parts: Any) -> Moving:
    if len(x.shape) not in (2, 3):
        raise ModelError("it must take maps of one or two dimensions, of the shape (N, C, L) or (N, C, H, W)")
    factors = resize_factors(node, (1, *x.shape), parts)
    if factors == (1, 1):
        return x
    return over_rows(builder, x, lambda row: upsample(builder, row, node.label, factors=factors))


def _conv_transposed(builder: NetworkBuilder, node: Node, x: Any, weights: Any, bias: Any = None) -> Signal:
    if isinstance(x, np.ndarray) or not isinstance(weights, np.ndarray):
        raise ModelError("its weights must be constant, and what it takes must depend on the image")
    if len(x.shape) != 3 or weights.ndim != 4 or weights.shape[0] != x.shape[0]:
        raise ModelError("it must take maps of two dimensions, of the shape (N, C, H, W), with weights of four axes")
    if node.attributes.get("group", 1) != 1 or any(gap != 1 for gap in dilations(node, 2)):
        raise ModelError("it must have one group and no dilation: use several layers, or a kernel with zeros")
    if str(node.attributes.get("auto_pad", "NOTSET")) not in ("", "NOTSET") or "output_shape" in node.attributes:
        raise ModelError("its pads must be numbers: export it with pads and output_padding")
    steps, more = (list(node.attributes.get(key, (n, n))) for key, n in (("strides", 1), ("output_padding", 0)))
    pads = list(node.attributes.get("pads", (0,) * 4))
    if len(steps) != 2 or len(more) != 2 or len(pads) != 4 or min(*steps, *(n + 1 for n in (*more, *pads))) < 1:
        raise ModelError("its strides must be two numbers of 1 or more, its pads four and its output_padding two of 0 "
                         "or more")  # fmt: skip
    rows, columns = (
        (x.shape[1 + a] - 1) * steps[a] + weights.shape[2 + a] - pads[a] - pads[a + 2] + more[a] for a in (0, 1)
    )
    y = conv_transposed(
        builder, x, weights, node.label, stride=(steps[0], steps[1]), pads=(pads[0], pads[1]), sizes=(rows, columns)
    )
    if bias is None:
        return y
    if not isinstance(bias, np.ndarray) or bias.shape != weights.shape[1:2]:
        raise ModelError("its bias must be a constant, one number for each output: export the model again")
    return y.then(shift(per_channel(y, bias)))


def _blocks(builder: NetworkBuilder, node: Node, x: Moving) -> Moving:
    """DepthToSpace or SpaceToDepth: another order of the elements."""
    block = int(node.attributes["blocksize"])
    to_pixels = node.op == "DepthToSpace"
    whole = (x.shape[0],) if to_pixels else x.shape[1:]
    if len(x.shape) != 3 or not 0 < block < 256 or any(n % (block**2 if to_pixels else block) for n in whole):
        raise ModelError("it must cut maps of the shape (N, C, H, W) into whole blocks: the file is damaged")
    if to_pixels:
        return depth_to_space(x, (block, block), last=str(node.attributes.get("mode", "DCR")) == "DCR")
    return space_to_depth(x, block)


MAP_RULES: dict[str, Callable[..., Moving | Padded]] = {
    "AveragePool": _average_pool,
    "Conv": _conv,
    "ConvTranspose": _conv_transposed,
    "DepthToSpace": _blocks,
    "GlobalAveragePool": _global_pool,
    "GlobalMaxPool": _global_pool,
    "MaxPool": _max_pool,
    "Pad": _pad,
    "ReduceMax": _reduce,
    "ReduceMean": _reduce,
    "ReduceSum": _reduce,
    "Resize": _resize,
    "SpaceToDepth": _blocks,
    "Upsample": _resize,
}
