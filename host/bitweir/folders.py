"""Files and folders that are written whole or not at all, and nothing of other people's is lost."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bitweir_hw.errors import FileError
from bitweir_sim.cache import sync

from .manifest import (
    MANIFEST,
    PART_SUFFIX,
    add_entry,
    changed,
    check_free,
    listed,
    locked,
    named,
    try_lock,
    write_manifest,
)

__all__ = ["FileError", "added_file", "streamed_file", "whole_file", "whole_folder"]

#: Ends the name of a folder in which another one is made.
_WORK_SUFFIX = ".bitweir-work"
#: What a disk says that takes nothing more.
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS}
#: Names of files may have 255 bytes, and those of work need some.
_PREFIX_CHARACTERS = 40


def whole_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all.

    A link is followed, and stays. What is no plain file, such as a device or a pipe, is written to, and stays too.

    Raises
    ------
    FileError
        The file cannot be written, or is a part of a folder that bitweir wrote.
    BrokenPipeError
        It is a pipe, and its reader has closed it.
    """
    check_free(Path(os.path.realpath(path)))
    try:
        if _takes_bytes(path):
            with path.open("wb") as file:
                file.write(content)
            return
        place = Path(os.path.realpath(path))
        place.parent.mkdir(parents=True, exist_ok=True)
        mode = stat.S_IMODE(place.stat().st_mode) if place.exists() else 0o666 & ~_umask()
        if place.exists() and not os.access(place, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(place))
        prefix = f".{place.name[:_PREFIX_CHARACTERS]}."
        handle, name = tempfile.mkstemp(prefix=prefix, suffix=PART_SUFFIX, dir=place.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(mode)
            Path(name).replace(place)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except BrokenPipeError:
        raise  # whoever read it has seen enough
    except OSError as error:
        raise FileError(f"Cannot write {str(path)!r}: {error.strerror}.") from error


def added_file(path: Path, content: bytes) -> None:
    """Write a file as `whole_file` does; in a folder of bitweir's, it is bitweir's from now on.

    Raises
    ------
    FileError
        The file cannot be written.
    """
    whole_file(path, content)
    try:
        if path.is_file() and not path.is_symlink():
            add_entry(path)
    except OSError as error:
        raise FileError(f"Cannot write {str(path.parent / MANIFEST)!r}: {error.strerror}.") from error


@contextmanager
def streamed_file(path: Path) -> Iterator[Path]:
    """A place at which a tool writes a file that takes its place at `path` when the block ends.

    That also holds for a block that ends in an error, as the file may tell why; but not if the file could not be
    written, or after Ctrl-C. A link is followed, and a device is written to, as by `whole_file`.

    Raises
    ------
    FileError
        There is no such folder, or nothing can be written there.
    """
    place = Path(os.path.realpath(path))
    if not place.parent.is_dir():
        raise FileError(f"Cannot write {str(path)!r}: there is no folder {str(path.parent)!r}.")
    try:
        if place.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if path.exists() and not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        direct = _takes_bytes(path)
        if not direct:
            prefix = f".{place.name[:_PREFIX_CHARACTERS]}."
            handle, name = tempfile.mkstemp(prefix=prefix, suffix=PART_SUFFIX, dir=place.parent)
            os.close(handle)
    except OSError as error:
        raise FileError(f"Cannot write {str(path)!r}: {error.strerror}.") from error
    if direct:
        yield path
        return
    part, done = Path(name), True
    try:
        yield part
    except (FileError, OSError):
        done = False
        raise
    except Exception:
        raise
    except BaseException:
        done = False
        raise
    finally:
        if done and part.stat().st_size:
            part.chmod(0o666 & ~_umask())
            part.replace(place)
        else:
            part.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A new folder to fill, which takes its place at `path` when the block ends without an error.

    It gets a list of its files (see `manifest`). A folder that is there is replaced if it is empty, or if all that is
    in it is on such a list and was not changed since. A link to a folder is followed, and stays.

    Raises
    ------
    FileError
        Something else is there, or the folder cannot be written.
    """
    place = Path(os.path.realpath(path))
    try:
        if place.parent.is_dir():
            # Another command that replaces the same folder moves it away for a moment.
            with locked(place.parent):
                _clean_up(place)
                _check_replaceable(path, place)
        _check_parents(path, place)
        place.parent.mkdir(parents=True, exist_ok=True)
        # Nobody may take it for one that was left behind before it is locked.
        with locked(place.parent):
            prefix = f".{place.name[:_PREFIX_CHARACTERS]}."
            work = Path(tempfile.mkdtemp(prefix=prefix, suffix=_WORK_SUFFIX, dir=place.parent))
            lock = locked(work)
            lock.__enter__()
    except OSError as error:
        raise FileError(f"Cannot write {str(path)!r}: {error.strerror}.") from error
    try:
        new, old = work / "new", work / "old"
        new.mkdir()
        yield new
        write_manifest(new)
        sync(new)
        # The working folder may be the one that moves, so nothing may be relative to it.
        with locked(place.parent):
            _take_place(new, path, place, old)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise FileError(f"Cannot write {str(path)!r}: {error.strerror}.") from error
    finally:
        # Where another command has moved the folder away, nothing goes back to its place.
        with suppress(OSError), locked(place.parent):
            _discard(work, place)
        lock.__exit__(None, None, None)


def _takes_bytes(path: Path) -> bool:
    """Whether bytes go into what is there: a device, a pipe, or the file behind ``/dev/stdout``."""
    parts = path.absolute().parts
    if parts[:2] in (("/", "dev"), ("/", "proc")) and parts[2:3] != ("shm",):
        return path.exists()
    return path.exists() and not path.is_file() and not path.is_dir()


def _check_parents(told: Path, place: Path) -> None:
    """Raise a `FileError` where a part of the path is no folder."""
    for parent in place.parents:
        if os.path.lexists(parent):
            if not parent.is_dir():
                raise FileError(f"Cannot write {str(told)!r}: {str(parent)!r} is not a folder.")
            return


def _check_replaceable(told: Path, place: Path) -> None:
    """Raise a `FileError` if there is anything at `place` that somebody would miss."""
    if not os.path.lexists(place):
        return
    if not place.is_dir():
        raise FileError(f"{str(told)!r} exists and is not a folder: choose another name.")
    if not any(place.iterdir()):
        return
    entries = listed(place)
    if entries is None:
        raise FileError(
            f"{str(told)!r} was not made by bitweir, or by a version that wrote no {MANIFEST}: name another folder, "
            "an empty one or one that is not there yet."
        )
    if names := changed(place, entries):
        raise FileError(
            f"{str(told)!r} holds files that bitweir did not write, or that were changed since, and would lose them: "
            f"{named(names)}. Move them elsewhere, or name another folder."
        )


def _take_place(new: Path, told: Path, place: Path, old: Path) -> None:
    """Put `new` at `place`, and what was there at `old`; after a failure everything is where it was."""
    try:
        if place.exists():
            place.rename(old)
        try:
            # Somebody may have put something into it in the meantime.
            _check_replaceable(told, old)
            new.rename(place)
        except BaseException:
            if old.exists():
                old.rename(place)
            raise
    except OSError as error:
        raise FileError(f"Cannot write {str(told)!r}: {error.strerror}.") from error


def _clean_up(place: Path) -> None:
    """Remove what commands left beside a folder that were killed while they made it; put back what they moved away."""
    for work in place.parent.glob(f".{_literal(place.name[:_PREFIX_CHARACTERS])}.????????{_WORK_SUFFIX}"):
        if work.is_symlink() or not work.is_dir():
            continue
        with try_lock(work) as abandoned:
            if not abandoned:
                continue  # another process makes the same folder now
            # Of a longer name it is not sure that it is this one.
            _discard(work, place if len(place.name) <= _PREFIX_CHARACTERS else None)


def _discard(work: Path, place: Path | None) -> None:
    """Remove a working folder; an old folder in it goes back to its place if that is empty, and is never lost."""
    old = work / "old"
    try:
        if place and old.is_dir() and not os.path.lexists(place):
            old.rename(place)
        if old.is_dir() and any(old.iterdir()) and ((entries := listed(old)) is None or changed(old, entries)):
            return
    except (OSError, FileError):
        return
    shutil.rmtree(work, ignore_errors=True)


def _literal(name: str) -> str:
    """A name as a pattern that only it fits."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
