"""Changes of bytes, and what all changes share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["FLOATS", "NUMBERS", "STRANGE", "Random", "changed_bytes", "pick"]

Random = np.random.Generator

#: Numbers and names that a file may hold and that make no sense in most places.
NUMBERS = (0, 1, -1, 2, 3, 7, 64, 255, -2, 1 << 16, 1 << 31, -(1 << 31), 1 << 40, (1 << 63) - 1, -(1 << 63))
FLOATS = (0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 3.0, 0.1, 1e-5, 1e-30, 1e30, 3e38, float("nan"), float("inf"), -float("inf"))
STRANGE = (
    "",
    " ",
    "\0",
    "../x",
    "/etc/passwd",
    "a" * 5000,
    "<script>",
    "$(id)",
    "\x1b[31m",
    "[/red]",
    "\u202e",
    "x\ny",
)


def pick(rng: Random, things: Sequence[Any]) -> Any:
    """Return one of some things."""
    return things[int(rng.integers(len(things)))]


def _flip(data: bytearray, rng: Random) -> str:
    for place in rng.integers(0, len(data), int(rng.integers(1, 9))):
        data[place] ^= 1 << int(rng.integers(8))
    return "flips bits"


def _overwrite(data: bytearray, rng: Random) -> str:
    start, size = int(rng.integers(len(data))), int(rng.integers(1, 65))
    data[start : start + size] = (
        rng.bytes(size) if rng.random() < 0.5 else bytes([int(rng.choice([0, 255, 127]))]) * size
    )
    return "overwrites bytes"


def _cut(data: bytearray, rng: Random) -> str:
    del data[int(rng.integers(len(data))) :]
    return "is cut off"


def _remove(data: bytearray, rng: Random) -> str:
    start = int(rng.integers(len(data)))
    del data[start : start + int(rng.integers(1, 1 << int(rng.integers(1, 12))))]
    return "lacks bytes"


def _repeat(data: bytearray, rng: Random) -> str:
    start = int(rng.integers(len(data)))
    part = data[start : start + int(rng.integers(1, 4096))]
    place = int(rng.integers(len(data)))
    data[place:place] = part
    return "repeats bytes"


def _bytes(data: bytearray, rng: Random) -> str:
    if not data:
        return ""
    # Most structure lies where the large tensors are not: at both ends.
    return _BYTES[int(rng.integers(len(_BYTES)))](data, rng)


_BYTES = (_flip, _flip, _overwrite, _cut, _remove, _repeat)


def changed_bytes(data: bytes, rng: Random) -> tuple[bytes, list[str]]:
    """Return a file with one to three changes of bytes, and what they are."""
    changed = bytearray(data)
    done = [_bytes(changed, rng) for _ in range(int(rng.integers(1, 4)))]
    return bytes(changed), done
