"""Tools that run as WebAssembly, from YoWASP packages, and the language in which Yosys takes designs."""

from .following import Told, followed
from .rtlil import convert
from .yosys import YOSYS_LOG, run_yosys, yosys_version
from .yowasp import Tool, keep_output

__all__ = ["YOSYS_LOG", "Told", "Tool", "convert", "followed", "keep_output", "run_yosys", "yosys_version"]
