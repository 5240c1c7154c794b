"""Files and folders that are written whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bitweir_hw.errors import BitweirError

__all__ = ["FileError", "whole_file", "whole_folder"]


class FileError(BitweirError):
    """A file or folder is missing, or cannot be written."""

    exit_code = 7


def whole_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all.

    Raises
    ------
    FileError
        The file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            Path(name).chmod(0o666 & ~_umask())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise FileError(f"Cannot write {str(path)!r}: {error.strerror}.") from error


@contextmanager
def whole_folder(path: Path, *, mark: str) -> Iterator[Path]:
    """A new folder to fill, which takes its place at `path` when the block ends without an error.

    Parameters
    ----------
    path : Path
        A folder there is replaced if it is empty or holds the file `mark`.
    mark : str
        A file that only folders of this kind hold.

    Raises
    ------
    FileError
        Something else is there, or the folder cannot be written.
    """
    if path.exists() and not (path.is_dir() and ((path / mark).is_file() or not any(path.iterdir()))):
        raise FileError(f"{str(path)!r} exists and was not made by bitweir: name another folder, or remove it.")
    try:
        place = path.resolve()
        place.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{place.name}.", dir=place.parent))
    except OSError as error:
        raise FileError(f"Cannot write {str(path)!r}: {error.strerror}.") from error
    try:
        new, old = work / "new", work / "old"
        new.mkdir()
        yield new
        # The working folder may be the one that moves, so nothing may be relative to it.
        _take_place(new, place, old)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _take_place(new: Path, path: Path, old: Path) -> None:
    """Put `new` at `path`, and what was there at `old`; after a failure everything is where it was."""
    try:
        if path.exists():
            path.rename(old)
        try:
            new.rename(path)
        except BaseException:
            if old.exists():
                old.rename(path)
            raise
    except OSError as error:
        raise FileError(f"Cannot write {str(path)!r}: {error.strerror}.") from error


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
