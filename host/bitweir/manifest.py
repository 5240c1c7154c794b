"""What bitweir wrote into a folder: a list of files with their hashes, in the folder.

It tells bitweir's files from those of other people, and from those that were changed since: of a folder, only what
is on its list and unchanged is ever removed. Hashes tell accidents. They prove nothing against whoever sent the
folder, as the list came with it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path

from bitweir_hw.errors import FileError

try:
    import fcntl
except ImportError:  # Windows: without it two commands that write into one folder at once may lose an entry
    fcntl = None  # type: ignore[assignment]

__all__ = [
    "MANIFEST",
    "PART_SUFFIX",
    "add_entry",
    "changed",
    "check_free",
    "check_listed",
    "file_hash",
    "listed",
    "locked",
    "named",
    "try_lock",
    "write_manifest",
]

#: The file with the list.
MANIFEST = "bitweir-manifest.json"
#: Ends the name of a file that is being written; one that stays behind was cut off.
PART_SUFFIX = ".bitweir-part"

#: What a folder of bitweir's is made of. No page and no result may take the place of one of these.
_OWN = (
    "network.npz",
    "*.v",
    "*.bin",
    "*.bit",
    "*.fs",
    "plan.json",
    "weights.json",
    "target.json",
    "certificate.json",
    "chips.json",
    "manifest.json",
    "explore.*",
    "*.log",
    "README.md",
)

_FORMAT, _VERSION = "bitweir folder", 1
_LIMIT_BYTES = 1 << 24
_HASH = re.compile(r"[0-9a-f]{64}")
#: As many names are told.
_MOST_NAMES = 5


def file_hash(path: Path) -> str:
    """SHA-256 of the content of a file, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_manifest(folder: Path) -> None:
    """List all that is in a folder now."""
    _write(folder, {name: file_hash(path) for name, path in _files(folder) if name != MANIFEST})


def add_entry(path: Path) -> None:
    """Put a file that was written just now on the list of its folder, if that has one."""
    folder = path.parent
    with locked(folder):
        if (entries := listed(folder)) is not None:
            _write(folder, entries | {path.name: file_hash(path)})


def listed(folder: Path) -> dict[str, str] | None:
    """Files that bitweir wrote into a folder with the hash of each, by name; None if there is no list."""
    path = folder / MANIFEST
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > _LIMIT_BYTES:
            return None
        tree = json.loads(path.read_bytes())
        if (tree["format"], tree["version"]) != (_FORMAT, _VERSION):
            return None
        files = tree["files"]
        good = all(type(value) is str and _HASH.fullmatch(value) for value in files.values())
        return dict(files) if good else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def changed(folder: Path, entries: dict[str, str]) -> list[str]:
    """Names of what is in a folder and not as the list says: foreign files and folders, links, edited files."""
    # A file that bitweir was writing when it was cut off is bitweir's, too.
    foreign = [
        name
        for name, path in _files(folder)
        if name != MANIFEST and not _is_part(path) and not (_plain(path) and entries.get(name) == file_hash(path))
    ]
    return sorted(foreign)


def is_listed(path: Path, entries: dict[str, str]) -> bool:
    """Whether a file, which lies right in its folder, is as the list of that folder says."""
    try:
        return entries.get(path.name) == file_hash(path)
    except OSError:
        return False


def check_free(path: Path) -> None:
    """Whether a file that a user asks for takes the place of a part of a folder that bitweir wrote.

    Raises
    ------
    FileError
        It does.
    """
    entries = listed(path.parent)
    if entries is None:
        return
    if path.name == MANIFEST or (path.name in entries and any(fnmatchcase(path.name, own) for own in _OWN)):
        raise FileError(f"{str(path)!r} is a part of a folder that bitweir wrote: choose another name.")


def check_listed(path: Path, remedy: str) -> None:
    """Whether a file is the one that bitweir wrote there: what was measured of another build tells nothing of this one.

    Raises
    ------
    FileError
        It is not; `remedy` says what to do.
    """
    if not is_listed(path, listed(path.parent) or {}):
        raise FileError(f"{str(path)!r} is not what bitweir wrote there: {remedy}.")


def named(names: Sequence[str]) -> str:
    """The first of some names for a sentence, and how many more there are."""
    told = ", ".join(map(repr, names[:_MOST_NAMES]))
    more = len(names) - _MOST_NAMES
    return f"{told} and {more:,} more" if more > 0 else told


@contextmanager
def locked(folder: Path) -> Iterator[bool]:
    """Keep other processes that ask for the same from a folder; yields True.

    The lock ends with the process, however that ends, and leaves no file.
    """
    with _lock(folder, wait=True):
        yield True


@contextmanager
def try_lock(folder: Path) -> Iterator[bool]:
    """As `locked`, but never waits: yields False if another process has the folder."""
    with _lock(folder, wait=False) as have:
        yield have


@contextmanager
def _lock(folder: Path, *, wait: bool) -> Iterator[bool]:
    if fcntl is None:
        yield wait
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError:
            # Held by another one; or the file system knows no locks, and then waiting would not help either.
            yield wait
            return
        yield True
    finally:
        os.close(handle)


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """All that is in a folder with its name, which has slashes; folders only if they are empty. No link is followed."""

    def fail(error: OSError) -> None:
        raise FileError(f"Cannot read {str(folder)!r}: {error.strerror}.") from error

    for place, folders, files in os.walk(folder, onerror=fail):
        # `os.walk` counts links to folders as folders, although it does not go into them.
        links = [name for name in folders if (Path(place) / name).is_symlink()]
        empty = [] if folders or files or Path(place) == folder else [Path(place)]
        for path in [*(Path(place) / name for name in [*files, *links]), *empty]:
            yield path.relative_to(folder).as_posix(), path


def _plain(path: Path) -> bool:
    return stat.S_ISREG(path.lstat().st_mode)


def _is_part(path: Path) -> bool:
    return path.name.startswith(".") and path.name.endswith(PART_SUFFIX) and _plain(path)


def _write(folder: Path, entries: dict[str, str]) -> None:
    tree = {"format": _FORMAT, "version": _VERSION, "files": dict(sorted(entries.items()))}
    part = folder / f".{MANIFEST}{PART_SUFFIX}"
    part.write_text(json.dumps(tree, indent=1) + "\n")
    part.replace(folder / MANIFEST)
