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
    "run_tool",
]


def compiler_command() -> list[str]:
    """The compiler and its first arguments: CXX, or g++."""
    text = os.environ.get("CXX") or ""
    try:
        return shlex.split(text) or ["g++"]
    except ValueError:
        # A quotation mark without a partner: then it is the name of a file, or of nothing.
        return [text]


def compiler_missing() -> str | None:
    """Why nothing can be compiled here; None if it can."""
    command = compiler_command()
    if shutil.which(command[0]):
        return None
    return (
        f"Compiled simulation needs a C++ compiler, and {command[0]} was not found: "
        "install g++ (Debian, Ubuntu: apt install g++), or name another compiler in CXX."
    )


@cache
def compiler_version(*command: str) -> str:
    """What the compiler says of itself."""
    return run_tool([*command, "--version"], Path.cwd()).stdout


def run_tool(
    command: Sequence[str | Path], folder: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program in a folder; what it prints may be of any encoding, and it has no input.

    Raises
    ------
    ToolError
        It cannot be started.
    """
    try:
        return subprocess.run(
            list(command), cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            errors="replace", check=False,
        )  # fmt: skip
    except OSError as error:
        raise ToolError(f"{command[0]} cannot be started: {error.strerror}.") from error


def load_library(path: Path, maker: str) -> ctypes.CDLL:
    """Load a library that `maker`, a program, has made.

    Raises
    ------
    ToolError
        It has made something else.
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
        With its first error; what it printed is left in `log` of the folder.
    """
    compile_with([*compiler_command(), *arguments], folder, log)


def compile_with(command: Sequence[str | Path], folder: Path, log: str) -> None:
    """Run a compiler with its arguments, among them ``-o``, in a folder.

    Raises
    ------
    ToolError
        With its first error, or because it made nothing; what it printed is left in `log` of the folder.
    """
    done = run_tool(command, folder)
    words = [str(word) for word in command]
    # CXX may have one, too.
    target = folder / words[len(words) - words[::-1].index("-o")]
    if done.returncode or not target.is_file():
        (folder / log).write_text(done.stdout + done.stderr, errors="replace")
        errors = [line for line in done.stderr.splitlines() if "rror" in line]
        reason = errors[0] if errors else f"exit code {done.returncode}"
        if not done.returncode:
            reason = f"it made no {target.name}, so it may be no C++ compiler"
        raise ToolError(f"{command[0]} failed: {reason}.")
