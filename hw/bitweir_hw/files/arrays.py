"""Arrays in .npz files, without pickle, and no more of them than is asked for."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

__all__ = ["ArrayFile", "open_arrays", "read_arrays"]

_SUFFIX = ".npy"
#: Read at once.
_CHUNK = 1 << 24
#: Booleans, integers, floating point and complex numbers, and text.
_PLAIN = "biufcUS"


class ArrayFile:
    """An open .npz file; members that are no arrays are passed over.

    Parameters
    ----------
    packed : ZipFile
    limit : int
        Bytes that may be unpacked in all.
    """

    def __init__(self, packed: zipfile.ZipFile, limit: int) -> None:
        self._packed, self._limit, self._left = packed, limit, limit
        self._members = {
            entry.filename.removesuffix(_SUFFIX): entry
            for entry in packed.infolist()
            if entry.filename.endswith(_SUFFIX)
        }

    @property
    def names(self) -> list[str]:
        """Names of the arrays, in their order."""
        return list(self._members)

    @property
    def size(self) -> int:
        """Bytes of all that is in the file, as it says."""
        return sum(entry.file_size for entry in self._packed.infolist())

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of an array, from its header alone."""
        with self._packed.open(self._members[name]) as member:
            return _header(member)[0]

    def read(self, name: str, first: int | None = None) -> np.ndarray[Any, Any]:
        """An array, or so many of its first rows.

        Raises
        ------
        ValueError
            It holds no plain numbers or text, is cut short, or more than the limit would be unpacked. A damaged file
            raises other kinds, too.
        """
        with self._packed.open(self._members[name]) as member:
            shape, fortran, dtype = _header(member)
            # Rows of columns that follow each other lie everywhere.
            whole = first is None or not shape or first >= shape[0] or fortran
            rows = shape if whole or first is None else (first, *shape[1:])
            size = prod(rows) * dtype.itemsize
            if size > self._left:
                size += self._limit - self._left
                raise ValueError(f"it must unpack to at most {self._limit} bytes, not {size}")
            self._left -= size
            array = np.empty(prod(rows), dtype)
            if size:
                _fill(member, array.view(np.uint8).data, name)
            # The end of a member is where its check sum is looked at.
            if whole and member.read(1):
                raise ValueError(f"array {name!r} is longer than its shape says")
        found = array.reshape(rows[::-1]).T if fortran else array.reshape(rows)
        return found if first is None or not shape else found[:first]


@contextmanager
def open_arrays(path: Path, *, limit: int) -> Iterator[ArrayFile]:
    """Open an .npz file of which at most `limit` bytes may be unpacked."""
    with zipfile.ZipFile(path) as packed:
        yield ArrayFile(packed, limit)


def read_arrays(path: Path, *, limit: int) -> dict[str, np.ndarray[Any, Any]]:
    """All arrays of an .npz file.

    Raises
    ------
    ValueError
        The file would unpack to more than `limit` bytes, or an array in it is damaged. A damaged file raises many
        other kinds.
    """
    with open_arrays(path, limit=limit) as file:
        if file.size > limit:
            raise ValueError(f"it must unpack to at most {limit} bytes, not {file.size}")
        return {name: file.read(name) for name in file.names}


def _header(member: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, order and type of the array that begins here."""
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    version = npy.read_magic(member)
    if version not in readers:
        raise ValueError(f"arrays of version {version} are not known here")
    shape, fortran, dtype = readers[version](member)
    if dtype.hasobject or dtype.kind not in _PLAIN:
        raise ValueError(f"Object arrays and records cannot be loaded when allow_pickle=False, and {dtype} is one")
    if any(size < 0 for size in shape):
        raise ValueError(f"an array has the shape {shape}")
    return shape, fortran, dtype


def _fill(member: IO[bytes], room: memoryview, name: str) -> None:
    at = 0
    while at < len(room):
        data = member.read(min(_CHUNK, len(room) - at))
        if not data:
            raise ValueError(f"array {name!r} is cut short")
        room[at : at + len(data)] = data
        at += len(data)
