"""Tools that run as WebAssembly, from YoWASP packages, and the language in which Yosys takes designs."""

from .rtlil import convert
from .yosys import run_yosys, yosys_version
from .yowasp import Tool

__all__ = ["Tool", "convert", "run_yosys", "yosys_version"]
