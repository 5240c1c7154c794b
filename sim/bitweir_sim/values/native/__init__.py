"""The golden model in C++: the same integers as `golden`, from packed bits.

A network becomes a program of stages (`translation`), each of which is a kernel that is compiled once for all networks
(`library`) and for the instructions of this machine (`cpu`).
"""

from .cpu import INSTRUCTION_SETS, InstructionSet, chosen, runnable
from .library import compiled_before
from .model import NativeModel, default_threads, prepare

__all__ = [
    "INSTRUCTION_SETS", "InstructionSet", "NativeModel", "chosen", "compiled_before", "default_threads", "prepare",
    "runnable",
]  # fmt: skip
