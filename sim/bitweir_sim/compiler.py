"""The system's C++ compiler."""

from __future__ import annotations

import ctypes
import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from bitweir_hw.errors import ToolError

__all__ = [
    "compile_library",
    "compile_with",
    "compiler_command",
    "compiler_missing",
    "compiler_version",
    "load_library",
    "optimisation",
    "run_tool",
]


def compiler_command() -> list[str]:
    """The command of the compiler, with its first arguments: that in CXX, or g++."""
    text = os.environ.get("CXX") or ""
    try:
        return shlex.split(text) or ["g++"]
    except ValueError:
        # A quotation mark without a partner: the whole text is then taken as the name of a file.
        return [text]


def compiler_missing(what: str = "Compiled simulation") -> str | None:
    """Why nothing can be compiled on this system, for `what` needs it; None if the compiler is there."""
    command = compiler_command()
    if shutil.which(command[0]):
        return None
    return (
        f"{what} needs a C++ compiler, and {command[0]} was not found: "
        "install g++ (Debian, Ubuntu: apt install g++), or name another compiler in CXX."
    )


def optimisation(asked: int | None = None) -> int:
    """The level of optimisation with which a simulator is compiled: what was asked for, BITWEIR_OPTIMISE, or 2.

    Raises
    ------
    ToolError
        BITWEIR_OPTIMISE is no level.
    """
    text = os.environ.get("BITWEIR_OPTIMISE") or "2"
    if asked is None and text not in ("0", "1", "2"):
        raise ToolError(f"BITWEIR_OPTIMISE must be 0, 1 or 2, not {text!r}.")
    return int(text) if asked is None else asked


@cache
def compiler_version(*command: str) -> str:
    """The output of the compiler's ``--version``."""
    return run_tool([*command, "--version"], Path.cwd()).stdout


def run_tool(
    command: Sequence[str | Path], folder: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program in a folder, without input; its output may have any encoding.

    Raises
    ------
    ToolError
        The program cannot be started.
    """
    try:
        return subprocess.run(
            list(command), cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            errors="replace", check=False,
        )  # fmt: skip
    except OSError as error:
        raise ToolError(f"{command[0]} cannot be started: {error.strerror}.") from error


def load_library(path: Path, maker: str) -> ctypes.CDLL:
    """Load a library that the program `maker` has written.

    Raises
    ------
    ToolError
        The program has written something else.
    """
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise ToolError(f"{maker} made no library that can be loaded: name a C++ compiler in CXX.") from error


def compile_library(arguments: Sequence[str | Path], folder: Path, *, log: str = "compiler.log") -> None:
    """Run the compiler in a folder.

    Raises
    ------
    ToolError
        The compiler failed; names its first error, and its output is in `log` in the folder.
    """
    compile_with([*compiler_command(), *arguments], folder, log)


def compile_with(command: Sequence[str | Path], folder: Path, log: str) -> None:
    """Run a compiler with its arguments, among them ``-o``, in a folder.

    Raises
    ------
    ToolError
        The compiler failed, or wrote no file; names its first error, and its output is in `log` in the folder.
    """
    done = run_tool(command, folder)
    words = [str(word) for word in command]
    # CXX may have an option -o, too: the last one counts.
    target = folder / words[len(words) - words[::-1].index("-o")]
    if done.returncode or not target.is_file():
        (folder / log).write_text(done.stdout + done.stderr, errors="replace")
        errors = [line for line in done.stderr.splitlines() if "rror" in line]
        reason = errors[0] if errors else f"exit code {done.returncode}"
        if not done.returncode:
            reason = f"it made no {target.name}, so it may be no C++ compiler"
        raise ToolError(f"{command[0]} failed: {reason}.")
