"""Layers of Keras over maps of one dimension, (L, C), as those of the same kind over maps of one row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...errors import ModelError, shown
from ...folding.rows import as_row, flattened
from ...folding.symbols import Moving, Padded
from ...folding.windows import Window
from .job import Floats, Job, Pair

__all__ = ["RowJob", "over_rows"]

Value = Moving | Padded


class RowJob(Job):
    """A call of such a layer, with the options and weights that it has over maps of one row."""

    def pair(self, name: str, default: Any = (1, 1)) -> Pair:
        """An entry that counts columns."""
        value = self.option(name)
        if value is None:
            return 1, default[1]
        ones = [value] if type(value) is int else value
        if (
            not isinstance(ones, (list, tuple))
            or len(ones) != 1
            or type(ones[0]) is not int
            or not 0 < ones[0] < 1 << 16
        ):
            raise ModelError(f"its {name} must be one whole number of 1 or more, not {shown(value)}")
        return 1, ones[0]

    def weights(self, *names: tuple[str, ...] | str) -> dict[str, Floats]:
        """Arrays of the layer; kernels are of one row."""
        arrays = super().weights(*names)
        for name, array in arrays.items():
            if name.endswith("kernel") and array.ndim != 3:
                raise ModelError(f"its {name} must have three axes, not the shape {array.shape}")
        return {name: array[None] if name.endswith("kernel") else array for name, array in arrays.items()}

    def window(self, x: Value, kernel: Pair, *, strides: Any = (1, 1)) -> Window:
        """How the layer moves over a row: with padding ``causal``, no window sees what comes after its last element."""
        if "Conv" not in self.call.kind or str(self.option("padding", "valid")).lower() != "causal":
            return super().window(x, kernel, strides=strides)
        if self.number("pad_values", 0.0):
            raise ModelError("its pad_values must be 0 with the padding 'causal'")
        return Window(kernel, self.pair("strides", strides), (0, kernel[1] - 1, 0, 0))


def over_rows(rule: Callable[[Job, Value], Value]) -> Callable[[Job, Value], Value]:
    """The rule of a layer over maps of one dimension, from that of the same kind over maps of two."""

    def lifted(job: Job, x: Value) -> Value:
        if len(x.shape) != 2:
            raise ModelError(f"it must take maps of a length and of channels, not frames of shape {x.shape}")
        y = rule(RowJob(job.builder, job.call, job.file), as_row(job.builder, x, 0))
        return flattened(y, 0) if len(y.shape) == 3 else y

    return lifted
