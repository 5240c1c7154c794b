"""Whether what was read from a file has the types that its class says: files may hold anything."""

from __future__ import annotations

from dataclasses import fields
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np

__all__ = ["check_types"]

#: Larger integers are never meant, and take time and memory to work with.
_MOST_BITS = 1 << 12
#: Of arrays: booleans, integers and floating point numbers.
_NUMBERS = "biuf"


def check_types(value: Any) -> None:
    """Check the fields of a dataclass, not those of dataclasses in it.

    Raises
    ------
    ValueError
        Names the class and the field.
    """
    hints = get_type_hints(type(value))
    for entry in fields(value):
        if not _is(getattr(value, entry.name), hints[entry.name]):
            raise ValueError(f"{entry.name} of a {type(value).__name__} is of another kind")


def _is(value: Any, hint: Any) -> bool:
    origin, inside = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin in (Union, UnionType):
        return any(_is(value, one) for one in inside)
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        if len(inside) == 2 and inside[1] is Ellipsis:
            return all(_is(item, inside[0]) for item in value)
        return len(value) == len(inside) and all(map(_is, value, inside))
    if origin is np.ndarray:
        return isinstance(value, np.ndarray) and value.dtype.kind in _NUMBERS
    if hint is int:
        # A boolean is no number here.
        return type(value) is int and value.bit_length() <= _MOST_BITS
    if hint is float:
        return type(value) in (float, int)
    return isinstance(value, hint) if isinstance(hint, type) else type(value) is hint
