"""Compiled simulators, kept by the hash of all they were made from."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import platformdirs
from filelock import FileLock

__all__ = ["cache_folder", "cached", "content_key"]


def cache_folder() -> Path:
    """Where they are: BITWEIR_CACHE_DIR, or the user's cache folder."""
    return Path(os.environ.get("BITWEIR_CACHE_DIR") or platformdirs.user_cache_dir("bitweir", appauthor=False))


def content_key(kind: str, *parts: str | bytes) -> str:
    """A name for what is made from `parts`."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        # With its length, so that no two lists of parts look alike.
        digest.update(b"%d:" % len(data) + data)
    return f"{kind}-{digest.hexdigest()[:32]}"


def cached(key: str, build: Callable[[Path], None]) -> Path:
    """The folder of this key; `build` fills it the first time.

    The folder appears whole or not at all: it is built beside its place and then renamed. A second
    process that wants the same one waits.
    """
    root = cache_folder()
    root.mkdir(parents=True, exist_ok=True)
    folder = root / key
    if folder.is_dir():
        return folder
    with FileLock(root / f"{key}.lock"):
        if not folder.is_dir():
            # Left behind by a build that failed, with its logs.
            work = root / f"{key}.building"
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir()
            build(work)
            work.replace(folder)
    return folder
