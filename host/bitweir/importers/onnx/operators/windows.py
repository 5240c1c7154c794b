"""The windows of Conv and pool nodes, from their attributes."""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import ModelError
from ...folding.windows import Window
from ..graph import Node

__all__ = ["dilations", "node_window"]


def node_window(
    node: Node, shape: Sequence[int], kernel: Sequence[int] | None = None, *, gaps: Sequence[int] | None = None
) -> Window:
    """The window of a Conv or pool node; over maps of one dimension as over maps of one row.

    Parameters
    ----------
    node : Node
    shape : sequence of int
        Rows and columns of the map, with its border if it has one; or the length of a map of one dimension.
    kernel : sequence of int or None
        Of the weights; None for pools.
    gaps : sequence of int or None
        By which a kernel is spread, if it is; see `dilations`. None for windows that may not be dilated.

    Raises
    ------
    ModelError
        It has more than two dimensions, or is dilated; the text is the end of a sentence.
    """
    stated = node.attributes.get("kernel_shape", kernel)
    if kernel is not None and list(stated) != list(kernel):
        raise ModelError(f"its kernel_shape {list(stated)} must be that of its weights, {list(kernel)}")
    axes = len(shape)
    if axes not in (1, 2):
        raise ModelError("it must move over maps of one or two dimensions, of the shape (N, C, L) or (N, C, H, W)")
    size = _numbers(stated, "kernel_shape", 1, axes)
    strides = _numbers(node.attributes.get("strides", (1,) * axes), "strides", 1, axes)
    if gaps is None and any(step != 1 for step in dilations(node, axes)):
        raise ModelError("its dilations must be 1, because only convolutions may be dilated: pool without dilation")
    size = [(taps - 1) * gap + 1 for taps, gap in zip(size, gaps or (1,) * axes, strict=True)]
    before, after = _pads(node, shape, size, strides)
    if any(max(pads) >= kernel for *pads, kernel in zip(before, after, size, strict=True)):
        raise ModelError(f"it must pad less than its kernel {list(size)} on each side, not {[*before, *after]}")
    if any(sum(sizes) < kernel for *sizes, kernel in zip(shape, before, after, size, strict=True)):
        raise ModelError(f"its kernel {list(size)} must fit into the padded map of {list(shape)}")
    row = axes == 1
    kernel_pair, stride_pair = ((1, ones[0]) if row else (ones[0], ones[1]) for ones in (size, strides))
    pads = (0, before[0], 0, after[0]) if row else (before[0], before[1], after[0], after[1])
    return Window(kernel_pair, stride_pair, pads)


def dilations(node: Node, axes: int) -> list[int]:
    """How far the taps of a kernel lie apart, along each axis."""
    return _numbers(node.attributes.get("dilations", (1,) * axes), "dilations", 1, axes)


_COUNTS = {1: "one whole number", 2: "two whole numbers", 4: "four whole numbers"}


def _numbers(numbers: Sequence[int], what: str, least: int, count: int) -> list[int]:
    if len(numbers) != count or any(not least <= number < 1 << 16 for number in numbers):
        raise ModelError(f"its {what} must be {_COUNTS[count]} of {least} or more, not {list(numbers)}")
    return [int(number) for number in numbers]


def _pads(
    node: Node, shape: Sequence[int], kernel: Sequence[int], strides: Sequence[int]
) -> tuple[list[int], list[int]]:
    """Pads before and after each axis."""
    how, axes = str(node.attributes.get("auto_pad", "NOTSET")) or "NOTSET", len(shape)
    before, after = [0] * axes, [0] * axes
    if how in ("SAME_UPPER", "SAME_LOWER"):
        for axis in range(axes):
            count = -(-shape[axis] // strides[axis])
            total = max((count - 1) * strides[axis] + kernel[axis] - shape[axis], 0)
            less = total // 2
            before[axis] = less if how == "SAME_UPPER" else total - less
            after[axis] = total - before[axis]
    elif how == "NOTSET":
        pads = _numbers(node.attributes.get("pads", (0,) * (2 * axes)), "pads", 0, 2 * axes)
        before, after = pads[:axes], pads[axes:]
        if node.attributes.get("ceil_mode", 0):
            after = [_up(*sizes) for sizes in zip(shape, before, after, kernel, strides, strict=True)]
    elif how != "VALID":
        raise ModelError("its auto_pad must be NOTSET, SAME_UPPER, SAME_LOWER or VALID")
    return before, after


def _up(size: int, before: int, after: int, kernel: int, stride: int) -> int:
    """Pads at the end with which the last window of ceil_mode is whole; it must start before the end of the map."""
    count = -(-(size + before + after - kernel) // stride) + 1
    if (count - 1) * stride >= size + before:
        count -= 1
    return max(after, (count - 1) * stride + kernel - size - before)
