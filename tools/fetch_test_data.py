"""Downloads trained networks that the tests use and that are not part of the repository, and says what is missing.

    python -m tools.fetch_test_data [FOLDER] [--check]

FOLDER is where the tests look: BITWEIR_TEST_DATA, or shared/data beside the repository. Every file is checked by its
SHA-256, whether it was downloaded or was there; one that differs is never used and never overwritten. docs/test-data.md
tells what the files are, their licences, and where those come from that have no address of their own.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from support.shared_data import DATA

__all__ = ["Entry", "fetch", "main", "manifest"]

#: Longer files are not what they should be.
LIMIT_BYTES = 1 << 26
MANIFEST = Path(__file__).with_name("test_data.json")


@dataclass(frozen=True)
class Entry:
    """A file of the tests' data.

    Parameters
    ----------
    path : str
        In the folder, with slashes.
    sha256 : str
        In hexadecimal digits.
    url : str
        Where it can be downloaded; empty for files that are made of others.
    """

    path: str
    sha256: str
    url: str = ""


def manifest(file: Path = MANIFEST) -> list[Entry]:
    """The files, in the order of their paths."""
    return [Entry(**entry) for entry in json.loads(file.read_text())]


def fetch(entry: Entry, folder: Path, *, download: bool = True) -> str:
    """Have one file in the folder.

    Returns
    -------
    str
        ``there``, ``downloaded``, or what is wrong in words.
    """
    place = folder / entry.path
    if place.is_file():
        found = hashlib.sha256(place.read_bytes()).hexdigest()
        return "there" if found == entry.sha256 else f"is another file (SHA-256 {found}): move it away"
    if not entry.url:
        return "is missing, and has no address: see docs/test-data.md"
    if not download:
        return "is missing"
    try:
        with urllib.request.urlopen(entry.url, timeout=60) as answer:
            content = answer.read(LIMIT_BYTES + 1)
    except (urllib.error.URLError, OSError, ValueError) as error:
        return f"could not be downloaded from {entry.url}: {error}"
    found = hashlib.sha256(content).hexdigest()
    if found != entry.sha256:
        return f"is another file at {entry.url} (SHA-256 {found}), and was not kept"
    place.parent.mkdir(parents=True, exist_ok=True)
    # Never half a file under its name.
    with tempfile.NamedTemporaryFile(dir=place.parent, delete=False) as new:
        new.write(content)
    Path(new.name).replace(place)
    return "downloaded"


def main(arguments: Sequence[str] | None = None, entries: Sequence[Entry] | None = None) -> int:
    """Fetch or check all files; 1 where one is missing or another one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", nargs="?", type=Path, default=DATA)
    parser.add_argument("--check", action="store_true", help="download nothing")
    options = parser.parse_args(arguments)
    wrong = 0
    for entry in manifest() if entries is None else entries:
        told = fetch(entry, options.folder, download=not options.check)
        wrong += told not in ("there", "downloaded")
        print(f"{entry.path}: {told}", flush=True)
    print(f"{wrong} files are missing or wrong in {options.folder}." if wrong else f"{options.folder} is complete.")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
