"""The cache of what takes long to make: compiled simulators and results of searches, by the hash of their inputs.

Libraries from the cache run in this process. So an entry is used only if its content is what was stored, and if no
other user could have stored it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import platformdirs
from bitweir_hw.errors import FileError, ToolError
from filelock import FileLock

__all__ = ["cache_folder", "cached", "content_key", "drop", "kept", "kept_names", "sync"]

#: Lists the files of an entry with the SHA-256 of each.
_CONTENTS = "contents.json"
#: Ends the name of an entry that is being made.
_WORK = ".building"


def cache_folder() -> Path:
    """The folder of the cache: BITWEIR_CACHE_DIR, or the user's cache folder."""
    return Path(os.environ.get("BITWEIR_CACHE_DIR") or platformdirs.user_cache_dir("bitweir", appauthor=False))


def content_key(kind: str, *parts: str | bytes) -> str:
    """The key of what is made from `parts`."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        # With its length, so that no two lists of parts look alike.
        digest.update(b"%d:" % len(data) + data)
    return f"{kind}-{digest.hexdigest()[:32]}"


def kept(key: str) -> Path | None:
    """Return the folder of a key if it is there and undamaged.

    Raises
    ------
    FileError
        Another user may write to the cache.
    """
    root = cache_folder()
    if not root.is_dir():
        return None
    _check_private(root)
    return root / key if _whole(root / key) else None


def kept_names(start: str) -> list[str]:
    """Keys of entries, whole or damaged, that are `start` and something behind a hyphen."""
    names = [path.name for path in cache_folder().glob(f"{start}-*") if path.is_dir()]
    return sorted(name for name in names if not name.endswith(_WORK))


def drop(key: str) -> None:
    """Remove an entry, where it is there."""
    root = cache_folder()
    shutil.rmtree(root / key, ignore_errors=True)
    (root / f"{key}.lock").unlink(missing_ok=True)


def cached(key: str, build: Callable[[Path], None]) -> Path:
    """Return the folder of a key; `build` fills it the first time, and again if it was damaged.

    The folder appears whole or not at all: it is built under another name and then renamed. A second
    process that wants the same folder waits.

    Raises
    ------
    FileError
        Another user may write to the cache.
    ToolError
        From `build`; the message names the folder with its logs, which stays until the next try.
    """
    root = cache_folder()
    # Nobody else needs to look into it.
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    _check_private(root)
    folder = root / key
    if _whole(folder):
        return folder
    with FileLock(root / f"{key}.lock"):
        if not _whole(folder):
            # Left behind by a build that failed or was killed.
            work = root / f"{key}{_WORK}"
            for stale in (work, folder):
                if stale.exists():
                    shutil.rmtree(stale)
            work.mkdir()
            try:
                build(work)
            except ToolError as error:
                raise ToolError(f"{str(error).removesuffix('.')} (logs: {work}).") from error
            names = {path.relative_to(work).as_posix(): _hash(path) for path in _files(work)}
            (work / _CONTENTS).write_text(json.dumps(names, indent=1))
            sync(work)
            work.replace(folder)
            _sync_one(root)
    return folder


def sync(folder: Path) -> None:
    """Wait until the content of a folder is on the disk, so that a renamed folder is whole even after a power cut."""
    for path in [*folder.rglob("*"), folder]:
        if path.is_dir() or path.is_file():
            _sync_one(path)


def _sync_one(path: Path) -> None:
    if os.name == "nt" and path.is_dir():
        return  # Windows opens no folders
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _whole(folder: Path) -> bool:
    """Whether every file of an entry is as it was stored; further files, such as logs, do no harm."""
    try:
        names = json.loads((folder / _CONTENTS).read_bytes())
        return bool(names) and all(_hash(folder / name) == value for name, value in names.items())
    except (OSError, ValueError, TypeError, AttributeError):
        return False


# ---- who else may write


def _check_private(root: Path) -> None:
    """Raise a `FileError` if another user may change what is in the cache, or put another folder in its place."""
    if not hasattr(os, "getuid"):
        return
    given = root.absolute()
    links = [path for path in (given, *given.parents) if path.is_symlink()]
    real = Path(os.path.realpath(root))
    for path in (*links, real, *real.parents):
        entry = path.lstat()
        if entry.st_uid not in _trusted_users(within=path == real):
            reason = "belongs to another user"
        elif path not in links and not _only_owner_writes(entry, may_be_sticky=path != real):
            reason = "can be written by other users"
        else:
            continue
        raise FileError(
            f"The cache {str(root)!r} is not used, as {str(path)!r} {reason}: "
            "name a folder of your own in BITWEIR_CACHE_DIR."
        )


def _trusted_users(*, within: bool) -> set[int]:
    """The user and the superuser; above the cache also the user who stands for those that a container does not know."""
    users = {0, os.getuid()}
    return users if within else users | _unknown_users()


@cache
def _unknown_users() -> set[int]:
    try:
        mapped = Path("/proc/self/uid_map").read_text().split()
        # A line of this form: the process sees all users there are.
        return set() if mapped == ["0", "0", "4294967295"] else {int(Path("/proc/sys/kernel/overflowuid").read_text())}
    except (OSError, ValueError):
        return set()


def _only_owner_writes(entry: os.stat_result, *, may_be_sticky: bool) -> bool:
    if may_be_sticky and entry.st_mode & stat.S_ISVTX:
        # As in /tmp, users rename and remove only their own files.
        return True
    if entry.st_mode & stat.S_IWOTH:
        return False
    return not entry.st_mode & stat.S_IWGRP or entry.st_gid == 0 or _own_group(entry.st_gid)


@cache
def _own_group(number: int) -> bool:
    """Whether this user is the only member of a group, as of the first group of a user on many systems."""
    import grp
    import pwd

    try:
        group, user = grp.getgrgid(number), pwd.getpwuid(os.getuid())
    except KeyError:
        return False
    return group.gr_gid == user.pw_gid and group.gr_name == user.pw_name and not set(group.gr_mem) - {user.pw_name}
