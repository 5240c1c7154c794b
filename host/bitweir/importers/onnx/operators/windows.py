"""The windows of Conv and pool nodes, from their attributes."""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import ModelError
from ...folding.windows import Pads, Pair, Window
from ..graph import Node

__all__ = ["node_window"]


def node_window(node: Node, shape: Sequence[int], kernel: Sequence[int] | None = None) -> Window:
    """The window of a Conv or pool node.

    Parameters
    ----------
    node : Node
    shape : sequence of int
        Rows and columns of the map, with its border if it has one.
    kernel : sequence of int or None
        Of the weights; None for pools.

    Raises
    ------
    ModelError
        It is not two-dimensional, or dilated; the text is the end of a sentence.
    """
    stated = node.attributes.get("kernel_shape", kernel)
    if kernel is not None and list(stated) != list(kernel):
        raise ModelError(f"its kernel_shape {list(stated)} must be that of its weights, {list(kernel)}")
    size = _pair(stated, "kernel_shape", 1)
    strides = _pair(node.attributes.get("strides", (1, 1)), "strides", 1)
    if any(step != 1 for step in node.attributes.get("dilations", ())):
        raise ModelError(
            "its dilations must be 1, and dilated windows are not supported: use the larger kernel, with weights of 0 "
            "between those of the dilated one"
        )
    if len(shape) != 2:
        raise ModelError(
            "it must move over maps of two dimensions: write one over (N, C, L) as one over (N, C, 1, L) with a kernel "
            "of (1, k)"
        )
    pads = _pads(node, shape, size, strides)
    if any(max(pads[axis::2]) >= size[axis] for axis in (0, 1)):
        raise ModelError(f"it must pad less than its kernel {list(size)} on each side, not {list(pads)}")
    if any(shape[axis] + pads[axis] + pads[axis + 2] < size[axis] for axis in (0, 1)):
        raise ModelError(f"its kernel {list(size)} must fit into the padded map of {list(shape)}")
    return Window(size, strides, pads)


def _pair(numbers: Sequence[int], what: str, least: int) -> Pair:
    if len(numbers) != 2 or any(not least <= number < 1 << 16 for number in numbers):
        raise ModelError(f"its {what} must be two whole numbers of {least} or more, not {list(numbers)}")
    return int(numbers[0]), int(numbers[1])


def _pads(node: Node, shape: Sequence[int], kernel: Pair, strides: Pair) -> Pads:
    how = str(node.attributes.get("auto_pad", "NOTSET")) or "NOTSET"
    before, after = [0, 0], [0, 0]
    if how in ("SAME_UPPER", "SAME_LOWER"):
        for axis in (0, 1):
            count = -(-shape[axis] // strides[axis])
            total = max((count - 1) * strides[axis] + kernel[axis] - shape[axis], 0)
            less = total // 2
            before[axis] = less if how == "SAME_UPPER" else total - less
            after[axis] = total - before[axis]
    elif how == "NOTSET":
        pads = list(node.attributes.get("pads", (0, 0, 0, 0)))
        if len(pads) != 4 or any(not 0 <= number < 1 << 16 for number in pads):
            raise ModelError(f"its pads must be four whole numbers of 0 or more, not {pads}")
        before, after = pads[:2], pads[2:]
        if node.attributes.get("ceil_mode", 0):
            after = [_up(*sizes) for sizes in zip(shape, before, after, kernel, strides, strict=True)]
    elif how != "VALID":
        raise ModelError("its auto_pad must be NOTSET, SAME_UPPER, SAME_LOWER or VALID")
    return before[0], before[1], after[0], after[1]


def _up(size: int, before: int, after: int, kernel: int, stride: int) -> int:
    """Pads at the end with which the last window of ceil_mode is whole; it must start before the end of the map."""
    count = -(-(size + before + after - kernel) // stride) + 1
    if (count - 1) * stride >= size + before:
        count -= 1
    return max(after, (count - 1) * stride + kernel - size - before)
