"""What tools leave that fail: so that a user can look into it, as their folders are gone."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bitweir_hw.errors import BitweirError

from ..folders import FileError, whole_folder

__all__ = ["logs_in", "logs_kept", "working_folder"]

#: Logs, the scripts of Yosys, commands, and constraints; designs and netlists are large, and can be made again.
_KINDS = (".log", ".ys", ".cmd", ".sdc", ".lpf", ".pcf", ".cst")


def logs_in(folder: Path) -> dict[str, bytes]:
    """What tools left in a folder, and in those in it, by relative path."""
    found = sorted(path for path in folder.rglob("*") if path.suffix in _KINDS and path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


@contextmanager
def working_folder() -> Iterator[Path]:
    """A folder for tools, which is removed; a `BitweirError` takes along what they left in it."""
    with tempfile.TemporaryDirectory(prefix="bitweir-") as work:
        try:
            yield Path(work)
        except BitweirError as error:
            error.logs = logs_in(Path(work))
            raise


@contextmanager
def logs_kept(folder: Path) -> Iterator[None]:
    """Keep what tools left that failed in ``FOLDER.failed`` beside a folder that could not be made, and say so.

    What an earlier failure left there is replaced; what somebody else did stays.
    """
    try:
        yield
    except BitweirError as error:
        if not error.logs:
            raise
        name = folder if folder.name not in ("", "..") else folder.resolve()
        place = name.with_name(f"{name.name}.failed")
        try:
            with whole_folder(place) as new:
                for path, content in error.logs.items():
                    (new / path).parent.mkdir(parents=True, exist_ok=True)
                    (new / path).write_bytes(content)
            told = f"What the tools said is in {str(place)!r}."
        except FileError as problem:
            told = f"What the tools said could not be kept: {problem}"
        error.args = (f"{error} {told}", *error.args[1:])
        raise
