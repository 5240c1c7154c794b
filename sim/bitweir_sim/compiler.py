"""The system's C++ compiler."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from bitweir_hw.errors import ToolError

__all__ = ["compile_library", "compiler_command", "compiler_missing", "compiler_version"]


def compiler_command() -> list[str]:
    """The compiler and its first arguments: CXX, or g++."""
    return shlex.split(os.environ.get("CXX") or "g++")


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
    return subprocess.run([*command, "--version"], capture_output=True, text=True, check=False).stdout


def compile_library(arguments: Sequence[str | Path], folder: Path, *, log: str = "compiler.log") -> None:
    """Run the compiler in a folder.

    Raises
    ------
    ToolError
        With its first error; what it printed is left in `log` of the folder.
    """
    command = [*compiler_command(), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        (folder / log).write_text(done.stdout + done.stderr)
        errors = [line for line in done.stderr.splitlines() if "rror" in line]
        reason = errors[0] if errors else f"exit code {done.returncode}"
        raise ToolError(f"{command[0]} failed: {reason}.")
