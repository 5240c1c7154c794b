"""Programs of the native engine: stages with their parameters, and where maps lie in memory.

The classes of parameters are the structures of the same names in ``layers.h`` and ``dots.h``, field by field.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Affine", "Convert", "Depthwise", "Dots", "Form", "Highest", "Load", "Operation", "Pack", "Pad", "Piecewise",
    "Place", "Pool", "Program", "Select", "Slot", "Store", "Threshold", "Unpack", "Upsample", "WideDots",
]  # fmt: skip

#: Maps begin at the lines of a cache.
_LINE = 64


class Form(IntEnum):
    """What the elements of a map are in memory: unsigned bytes, signed integers, or packed bits."""

    BYTES = 0
    SHORTS = 1
    INTS = 2
    LONGS = 3
    BITS = 4

    @property
    def size(self) -> int:
        """Bytes of a number."""
        return 1 << self

    @property
    def kind(self) -> type[np.integer[Any]]:
        """The same in NumPy."""
        return (np.uint8, np.int16, np.int32, np.int64)[self]


class Operation(IntEnum):
    """What is done with a word of inputs and a word of weights; see ``lanes.h``."""

    XOR = 0
    AND = 1
    DOT_BYTES = 2
    DOT_SHORTS = 3


class Buffer(ctypes.Structure):
    """Where a map lies: its place, bytes a frame, bytes a pixel."""

    _fields_ = [(name, ctypes.c_int64) for name in ("offset", "frame", "pixel")]


class Parameters(ctypes.Structure):
    """Parameters of a stage."""


def _fields(text: str) -> list[tuple[str, type[Any]]]:
    """Fields of a structure: maps, arrays (with a star) and numbers."""
    kinds: dict[str, type[Any]] = {"source": Buffer, "result": Buffer}
    return [
        (name.rstrip("*"), ctypes.c_void_p if name.endswith("*") else kinds.get(name, ctypes.c_int64))
        for name in text.split()
    ]


class Load(Parameters):
    """Codes of frames."""

    _fields_ = _fields("result bytes")


class Store(Parameters):
    """Results, as int64."""

    _fields_ = _fields("source form numbers")


class Convert(Parameters):
    """Numbers in another form."""

    _fields_ = _fields("source result pixels channels from_form to_form")


class Pack(Parameters):
    """Codes as bits."""

    _fields_ = _fields("source result pixels form groups channels planes")


class Unpack(Parameters):
    """Bits as codes, in ints."""

    _fields_ = _fields("source result pixels groups channels planes")


class Pad(Parameters):
    """Zeros around a map."""

    _fields_ = _fields("source result rows columns above left padded_rows padded_columns")


class Upsample(Parameters):
    """Pixels several times."""

    _fields_ = _fields("source result rows columns down across")


class Place(Parameters):
    """Pixels into a place of larger ones."""

    _fields_ = _fields("source result pixels bytes to")


class Select(Parameters):
    """Some channels."""

    _fields_ = _fields("source result pixels form channels channel*")


class Affine(Parameters):
    """A scale and an offset for each channel."""

    _fields_ = _fields("source result pixels form channels add scale* offset*")


class Threshold(Parameters):
    """Numbers to codes."""

    _fields_ = _fields("source result pixels form channels thresholds to planes plane_bytes limits*")


class Piecewise(Parameters):
    """Straight pieces for each channel."""

    _fields_ = _fields("source result pixels channels thresholds shift limits* scale* offset*")


class Highest(Parameters):
    """The channel with the highest number."""

    _fields_ = _fields("source result pixels form channels vote")


class Pool(Parameters):
    """Maxima or sums of windows."""

    _fields_ = _fields(
        "source result form elements rows columns out_rows out_columns kernel_rows kernel_columns down across above "
        "left sum least*"
    )


class Dots(Parameters):
    """Neurons, with sums of 32 bits."""

    _fields_ = _fields(
        "source result operation positions place* window_class* runs run* words weight_planes planes plane_bytes "
        "factors* groups group_bytes vectors outputs weights* thresholds limits* base* step form result_planes "
        "result_plane_bytes"
    )


class WideDots(Parameters):
    """Neurons, with sums of 64 bits."""

    _fields_ = _fields("source result positions place* window_class* taps tap* channels groups outputs weights* base*")


class Depthwise(Parameters):
    """Neurons that see a channel each."""

    _fields_ = _fields("source result form positions place* window_class* taps tap* channels weights* base*")


#: In the order of the numbers that ``engine.cpp`` gives them.
_KINDS: tuple[type[Parameters], ...] = (
    Load, Store, Convert, Pack, Unpack, Pad, Upsample, Place, Select, Affine, Threshold, Piecewise, Highest, Pool,
    Dots, WideDots, Depthwise,
)  # fmt: skip


class _Stage(ctypes.Structure):
    _fields_ = [("kind", ctypes.c_int64), ("parameters", ctypes.c_void_p)]


@dataclass(eq=False)
class Slot:
    """The memory of a map.

    Parameters
    ----------
    pixel : int
        Bytes of a pixel.
    pixels : int
    """

    pixel: int
    pixels: int
    first: int | None = field(default=None, init=False)
    last: int = field(default=0, init=False)
    offset: int = field(default=0, init=False)

    @property
    def frame(self) -> int:
        """Bytes of a frame, rounded up."""
        return -(-self.pixel * self.pixels // _LINE) * _LINE

    @property
    def buffer(self) -> Buffer:
        """The same for the engine."""
        return Buffer(self.offset, self.frame, self.pixel)


class Program:
    """Stages in the order in which they run; add them, then `finish`.

    Attributes
    ----------
    arena : int
        Bytes of memory that a frame takes.
    steps : float
        Time of a frame, in steps of a vector (half a nanosecond or so): to share work among threads, not exact.
    """

    def __init__(self) -> None:
        self.arena, self.steps = 0, 0.0
        self._stages: list[tuple[Parameters, dict[str, Slot]]] = []
        # What the stages point to.
        self._arrays: list[NDArray[Any]] = []
        self._table: ctypes.Array[_Stage] | None = None

    def add(self, kind: type[Parameters], steps: float, **fields: Slot | int | NDArray[Any] | None) -> None:
        """Append a stage.

        Parameters
        ----------
        kind : type
            Of its parameters.
        steps : float
            Its time; see the class.
        **fields
            All parameters: maps as slots, arrays (or None for null), and numbers.
        """
        stage, slots = kind(), {}
        names = [name for name, *_ in kind._fields_]
        assert set(names) == set(fields), (kind, set(names) ^ set(fields))
        for name, given in fields.items():
            if isinstance(given, Slot):
                slots[name] = given
                given.first = len(self._stages) if given.first is None else given.first
                given.last = len(self._stages)
            elif isinstance(given, np.ndarray):
                kept = _aligned(given)
                self._arrays.append(kept)
                setattr(stage, name, kept.ctypes.data)
            else:
                setattr(stage, name, given)
        self._stages.append((stage, slots))
        self.steps += steps

    def finish(self) -> None:
        """Give each map its memory, and make the table of the stages."""
        slots = list(dict.fromkeys(slot for _, used in self._stages for slot in used.values()))
        self.arena = _placed(slots)
        self._table = (_Stage * len(self._stages))()
        for entry, (stage, used) in zip(self._table, self._stages, strict=True):
            for name, slot in used.items():
                setattr(stage, name, slot.buffer)
            entry.kind, entry.parameters = _KINDS.index(type(stage)), ctypes.addressof(stage)

    @property
    def table(self) -> tuple[int, int]:
        """Address and number of the stages."""
        assert self._table is not None
        return ctypes.addressof(self._table), len(self._table)


def _aligned(array: NDArray[Any]) -> NDArray[Any]:
    """A copy that begins at a line of the cache, so that no vector of weights lies in two."""
    memory = np.empty(array.nbytes + _LINE, np.uint8)
    start = -memory.ctypes.data % _LINE
    copy = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def _placed(slots: Sequence[Slot]) -> int:
    """Place each map where no map lies that is needed at the same time; returns the bytes of all."""
    placed: list[Slot] = []
    for slot in slots:
        assert slot.first is not None
        begin = slot.first
        taken = sorted((one.offset, one.offset + one.frame) for one in placed if one.last >= begin)
        for start, stop in taken:
            if start - slot.offset >= slot.frame:
                break
            slot.offset = max(slot.offset, stop)
        placed.append(slot)
    return max(slot.offset + slot.frame for slot in placed)
