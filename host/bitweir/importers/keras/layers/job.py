"""What the rules of Keras layers have in common: the layer at hand, its options and weights, maps and windows."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import isfinite
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelError, shown
from ...exact.fold import Exacts, exact
from ...folding.network_builder import NetworkBuilder
from ...folding.symbols import Codes, Moving, Padded, Signal
from ...folding.windows import Window
from ..files import KerasFile
from ..graph import Call

__all__ = ["Floats", "Job", "Pair", "channels_first", "channels_last", "fraction", "last_axis"]

Floats = NDArray[np.float32]
Pair = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Job:
    """One call of a layer, and what its rule works with."""

    builder: NetworkBuilder
    call: Call
    file: KerasFile

    @property
    def label(self) -> str:
        """Of the layer, for messages."""
        return self.call.label

    def option(self, name: str, default: Any = None) -> Any:
        """An entry of the layer's configuration."""
        return self.call.config.get(name, default)

    def number(self, name: str, default: float | None = None) -> float:
        """An entry that must be a finite number."""
        value = self.option(name, default)
        if type(value) not in (int, float) or not abs(value) < 1e30 or not isfinite(value):
            raise ModelError(f"its {name} must be a finite number, not {shown(value)}")
        return float(value)

    def flag(self, name: str, default: bool) -> bool:
        """An entry that must be true or false."""
        value = self.option(name, default)
        if type(value) is not bool:
            raise ModelError(f"its {name} must be true or false, not {shown(value)}")
        return value

    def pair(self, name: str, default: Any = (1, 1)) -> Pair:
        """An entry that counts rows and columns."""
        value = self.option(name)
        value = default if value is None else value
        pair = [value, value] if type(value) is int else value
        if (
            not isinstance(pair, (list, tuple))
            or len(pair) != 2
            or any(type(size) is not int or not 0 < size < 1 << 16 for size in pair)
        ):
            raise ModelError(f"its {name} must be two whole numbers of 1 or more, not {shown(value)}")
        return pair[0], pair[1]

    def weights(self, *names: tuple[str, ...] | str) -> dict[str, Floats]:
        """Arrays of the layer; where files have several names for one, the first is that of the result."""
        choices = [(name,) if isinstance(name, str) else name for name in names]
        return self.file.arrays(self.label, self.call.name, self.call.place, choices)

    @overload
    def first(self, x: Moving) -> Moving: ...
    @overload
    def first(self, x: Moving | Padded) -> Moving | Padded: ...
    def first(self, x: Moving | Padded) -> Moving | Padded:
        """A map (H, W, C) as (C, H, W); see `channels_first`."""
        y, taps = channels_first(x), self.builder.taps
        before, after = (z.inside if isinstance(z, Padded) else z for z in (x, y))
        if taps is not None and isinstance(before, Codes) and isinstance(after, Codes):
            taps.moved(before, after, lambda frame: frame.transpose(1, 2, 0))
        return y

    def made(self, what: str, x: Moving | Padded) -> None:
        """Something on the way to the result has its value."""
        if self.builder.taps is not None:
            self.builder.taps.made(self.call.inner(what), x, {})

    def window(self, x: Moving | Padded, kernel: Pair, *, strides: Any = (1, 1)) -> Window:
        """How the layer moves over a map (C, H, W).

        TensorFlow's padding ``same`` makes ``ceil(size / stride)`` windows, with the odd pad below and on the right.
        """
        step = self.pair("strides", strides)
        padding = str(self.option("padding", "valid")).lower()
        if padding not in ("same", "valid"):
            raise ModelError(f"its padding must be 'same' or 'valid', not {shown(padding)}")
        before, after = [0, 0], [0, 0]
        for axis, size in enumerate(x.shape[1:]):
            if padding == "same":
                total = max((-(-size // step[axis]) - 1) * step[axis] + kernel[axis] - size, 0)
                before[axis], after[axis] = total // 2, total - total // 2
            elif size < kernel[axis]:
                raise ModelError(f"its window {list(kernel)} must fit into the map of {list(x.shape[1:])}")
        return Window(kernel, step, (before[0], before[1], after[0], after[1]))


@overload
def channels_first(x: Moving) -> Moving: ...
@overload
def channels_first(x: Moving | Padded) -> Moving | Padded: ...
def channels_first(x: Moving | Padded) -> Moving | Padded:
    """A map (H, W, C) as (C, H, W).

    Raises
    ------
    ModelError
        It is no map; the text is the end of a sentence.
    """
    if len(x.shape) != 3:
        raise ModelError(f"it must take maps of rows, columns and channels, not frames of shape {x.shape}")
    if isinstance(x, Padded):
        return Padded(channels_first(x.inside), (x.pads[2], x.pads[0], x.pads[1]), x.value)
    rows, columns, channels = x.shape
    return x.moved((channels, rows, columns), lambda frame: frame.transpose(2, 0, 1))


def channels_last(x: Signal) -> Signal:
    """A map (C, H, W) as (H, W, C)."""
    channels, rows, columns = x.shape
    return x.moved((rows, columns, channels), lambda frame: frame.transpose(1, 2, 0))


def last_axis(x: Moving, array: Floats, what: str) -> Exacts:
    """A weight for each channel, as exact numbers that broadcast against a frame with channels last."""
    if array.shape != x.shape[-1:]:
        raise ModelError(
            f"its {what} must have one number for each of {x.shape[-1]} channels, not the shape {array.shape}"
        )
    if array.size and (array == array[0]).all():
        array = array[:1]
    return exact(array.reshape((1,) * (len(x.shape) - 1) + array.shape))


def fraction(number: float) -> Fraction:
    """A number of a configuration as layers compute with it, in float32."""
    return Fraction(float(np.float32(number)))
