"""Runs tools that YoWASP packages bring as WebAssembly."""

from __future__ import annotations

import logging
import os
import shlex
import signal
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata, resources
from importlib.util import find_spec
from pathlib import Path

import platformdirs
from filelock import FileLock

from ..errors import ToolError

__all__ = ["Tool", "keep_output", "wasm_cache"]

_LOG = logging.getLogger(__name__)
#: What makes a design smaller for tools.
_LESS = "choose foldings with fewer lanes, or --weights ram, or keep the weights of large layers outside the chip"


def wasm_cache() -> Path:
    """The folder in which the WebAssembly runtime keeps the tools that it has compiled."""
    default = platformdirs.user_cache_dir("YoWASP", appauthor=False)
    return Path(os.environ.get("YOWASP_CACHE_DIR", default))


def keep_output(title: str, arguments: list[str], done: subprocess.CompletedProcess[str], folder: Path) -> None:
    """Leave the command of a tool, and what it printed, in ``TITLE-output.log``."""
    command = shlex.join([title, *arguments])
    text = f"$ {command}\n{done.stdout}{done.stderr}\nexit code {done.returncode}\n"
    (folder / f"{title}-output.log").write_text(text, errors="replace")


@dataclass(frozen=True)
class Tool:
    """A tool of a package.

    Parameters
    ----------
    title : str
        What a person calls it.
    package : str
        On PyPI.
    entry : str
        Function of the package that takes the arguments and returns an exit code.
    wasm : str
        File with the program.
    extra : str
        Of bitweir, that installs the package; empty for what is always there.
    time : str
        What its first use on a machine takes.
    """

    title: str
    package: str
    entry: str
    wasm: str
    extra: str = ""
    time: str = "some seconds"

    @property
    def module(self) -> str:
        """Name to import."""
        return self.package.replace("-", "_")

    @property
    def version(self) -> str:
        """Of the package."""
        return metadata.version(self.package)

    @cached_property
    def command(self) -> list[str]:
        """Its command line. The packages have no ``python -m``, and their scripts need not be on the path."""
        return [
            sys.executable, "-c", f"import sys, {self.module} as tool; sys.exit(tool.{self.entry}(sys.argv[1:]))"
        ]  # fmt: skip

    def missing(self) -> str | None:
        """What to do about a package that is not there; None if it is."""
        if find_spec(self.module):
            return None
        return f"{self.title} is not installed: install it with pip install 'bitweir[{self.extra}]'."

    def run(self, arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
        """Run it and return what it printed, whatever its exit code; see `keep_output` for one that fails.

        Parameters
        ----------
        arguments : list of str
            Files are named relative to `folder`: WebAssembly sees that folder, and no absolute path below /tmp.
        folder : Path

        Raises
        ------
        ToolError
            The package is not there.
        """
        if missing := self.missing():
            raise ToolError(missing)
        self._prepare()
        done = subprocess.run([*self.command, *arguments], cwd=folder, capture_output=True, text=True)
        if done.returncode:
            keep_output(self.title, arguments, done, folder)
        return done

    def exhausted(self, done: subprocess.CompletedProcess[str]) -> str | None:
        """Which limit of memory a run that failed has probably hit, and what to do; None if it ended otherwise.

        WebAssembly has addresses of 32 bits. A program that needs more ends in an exception of which it says nothing.
        """
        if done.returncode == -signal.SIGKILL:
            return f"the system ended {self.title}, as it does where memory is short: {_LESS}"
        if done.returncode and "thrown Wasm exception" in done.stderr:
            return (
                f"{self.title} ended without a message, as it does where the design needs more than the 4 GiB that "
                f"WebAssembly has: {_LESS}"
            )
        return None

    def _prepare(self) -> None:
        """Let the WebAssembly runtime compile the tool once for this machine, and say so while it does."""
        cache = wasm_cache()
        cache.mkdir(parents=True, exist_ok=True)
        # The runtime writes its cache in place: a second process must not read half of it.
        with FileLock(cache / f"bitweir-{self.wasm}.lock"):
            program = (resources.files(self.module) / self.wasm).stat()  # type: ignore[attr-defined]
            mark = cache / f"bitweir-{self.wasm}-{self.version}-{program.st_size}"
            if not mark.exists():
                # Without a handler, logging writes the text alone to standard error; --quiet raises the level.
                _LOG.warning("First use of %s on this machine: compiling it takes %s ...", self.title, self.time)
                subprocess.run([*self.command, "-V"], capture_output=True, check=False)
                mark.touch()
