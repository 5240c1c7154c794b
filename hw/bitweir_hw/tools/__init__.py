"""Tools that run as WebAssembly, from YoWASP packages."""

from .yosys import run_yosys, yosys_version
from .yowasp import Tool

__all__ = ["Tool", "run_yosys", "yosys_version"]
