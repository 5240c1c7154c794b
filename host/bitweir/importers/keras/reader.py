"""A program of its own that reads an HDF5 file: ``python reader.py MOST FILE``, or ``-`` for standard input.

The HDF5 library is C, and on damaged files it may hang, take all memory or crash. So it runs in a process that
`files` can end. To start fast, this file imports nothing of the package.

Standard output gets the length of a JSON text in 8 bytes, the text, and then the float32 numbers of all data sets
that the text lists without a problem, in this order. `Contents` in `files` tells what the text holds.

Sizes are checked before anything is read. Links that are not hard links, virtual and external data sets, and
object references are not followed.
"""

from __future__ import annotations

import io
import json
import sys
from contextlib import suppress
from math import prod
from typing import Any, BinaryIO

import h5py
import numpy as np

#: Bytes of an attribute; the configurations of the deepest networks have some hundred thousand.
_MAX_TEXT = 1 << 24
#: Names in an attribute; groups and data sets in a file; groups inside one another.
_MAX_NAMES, _MAX_OBJECTS, _MAX_DEPTH = 1 << 12, 1 << 16, 32
#: Data above this size may not have grown from the bytes in the file more than this many times.
_SMALL, _MAX_GROWTH = 1 << 20, 64
#: Bytes of address space beyond the file and its numbers.
_ROOM = 1 << 32


def dump(source: str | BinaryIO, most: int, out: BinaryIO) -> None:
    """Write what a file holds, of at most so many numbers."""
    # Without a lock, files on read-only volumes open too.
    with h5py.File(source, "r", locking=False) as root:
        contents: dict[str, Any] = {"names": {}, "arrays": []}
        for name, attribute in (("config", "model_config"), ("version", "keras_version")):
            contents[name] = _attribute(root, attribute)
        arrays = _walked(root, contents, most)
        text = json.dumps(contents).encode()
        out.write(len(text).to_bytes(8, "little") + text)
        for data in arrays:
            out.write(np.ascontiguousarray(data[()], dtype="<f4").tobytes())


def _bound_memory(most: int) -> None:
    with suppress(ImportError, ValueError, OSError):  # not on Windows, and not above a lower limit
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_ROOM + 16 * most, _ROOM + 16 * most))


def _walked(root: h5py.Group, contents: dict[str, Any], most: int) -> list[h5py.Dataset]:
    """The data sets that may be read, below the groups of layers; all that is found goes into `contents`."""
    chosen: list[h5py.Dataset] = []
    stack: list[tuple[str, h5py.Group, int]] = [("", root, 0)]
    seen = {h5py.h5o.get_info(root.id).addr}
    count = elements = 0
    while stack:
        path, group, depth = stack.pop()
        names = _names(group)
        if names is not None:
            contents["names"][path] = names
        for name in group:
            count += 1
            if count > _MAX_OBJECTS:
                raise ValueError("too many objects")
            if not depth and name not in ("model_weights", "layers"):
                continue  # the states of the optimiser
            inner = f"{path}/{name}" if path else name
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                contents["arrays"].append([inner, [], "link", ""])
                continue
            found = group[name]
            if isinstance(found, h5py.Group) and depth < _MAX_DEPTH:
                place = h5py.h5o.get_info(found.id).addr
                if place in seen:
                    raise ValueError("a group that lies in two places, or inside itself")
                seen.add(place)
                stack.append((inner, found, depth + 1))
            elif isinstance(found, h5py.Dataset):
                problem, detail = _problem(found, most - elements)
                if not problem:
                    elements += prod(found.shape)
                    chosen.append(found)
                contents["arrays"].append([inner, list(found.shape or ()), problem, detail])
    return chosen


def _problem(data: h5py.Dataset, most: int) -> tuple[str, str]:
    """Why a data set may not be read, in a word, and what is to tell about it."""
    if data.is_virtual or data.external:
        return "outside", ""
    if data.dtype.kind not in "fiu" or data.dtype.itemsize > 8 or data.shape is None:
        return "type", str(data.dtype)[:60]
    if prod(data.shape) > most or len(data.shape) > 8:
        return "size", ""
    size, stored = prod(data.shape) * data.dtype.itemsize, data.id.get_storage_size()
    if (size and not stored) or (size > _SMALL and size > _MAX_GROWTH * stored):
        return "growth", str(stored)
    return "", ""


def _attribute(holder: h5py.Group, name: str) -> Any:
    """A text or a list of texts; None where there is none of moderate size."""
    if name not in holder.attrs:
        return None
    kind = holder.attrs.get_id(name)
    if kind.shape == (0,):
        return []  # Keras stores an empty list as numbers
    if len(kind.shape) > 1 or prod(kind.shape) > _MAX_NAMES or h5py.check_string_dtype(kind.dtype) is None:
        return None
    if prod(kind.shape) * kind.dtype.itemsize > _MAX_TEXT:
        return None
    values = np.atleast_1d(holder.attrs[name]).tolist()
    texts = [x.decode("utf-8", "replace") if isinstance(x, bytes) else str(x) for x in values]
    if sum(map(len, texts)) > _MAX_TEXT:
        return None
    return texts if kind.shape else texts[0]


def _names(group: h5py.Group) -> list[str] | None:
    """The names of weights, which Keras cuts into numbered pieces where they are long."""
    whole = _attribute(group, "weight_names")
    if whole is not None:
        return whole if isinstance(whole, list) else [whole]
    texts: list[str] = []
    for number in range(_MAX_NAMES):
        piece = _attribute(group, f"weight_names{number}")
        if not isinstance(piece, list):
            break
        texts += piece
    return texts or None


if __name__ == "__main__":
    _bound_memory(int(sys.argv[1]))
    dump(
        io.BytesIO(sys.stdin.buffer.read()) if sys.argv[2] == "-" else sys.argv[2], int(sys.argv[1]), sys.stdout.buffer
    )
