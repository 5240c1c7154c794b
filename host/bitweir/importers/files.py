"""Files that are read without trust: their kinds and their sizes."""

from __future__ import annotations

from pathlib import Path

from .errors import ModelError, shown_path

__all__ = ["MAX_ELEMENTS", "MAX_FILE", "regular_file"]

#: Elements that one tensor may have: 1 GiB of float32.
MAX_ELEMENTS = 1 << 28
#: Bytes that a file may have; protocol buffers end here too.
MAX_FILE = 1 << 31


def regular_file(path: Path, what: str) -> int:
    """Size of a file that may be read.

    Raises
    ------
    ModelError
        It is missing, no regular file, or too large.
    """
    try:
        if not path.exists():
            raise ModelError(f"{what} {shown_path(path)} does not exist: check the path.")
        if not path.is_file():
            raise ModelError(f"{what} {shown_path(path)} must be a file; it is a directory or a device.")
        size = path.stat().st_size
    except (OSError, ValueError) as error:
        raise ModelError(f"{what} {shown_path(path)} cannot be read: {error}.") from error
    if size > MAX_FILE:
        raise ModelError(f"{what} {shown_path(path)} must be at most 2 GiB, not {size / (1 << 30):.1f} GiB.")
    return size
