"""The kernels as a library, which is compiled at its first use on a kind of machine."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path

from bitweir_hw.errors import ToolError

from ...cache import cached, content_key, kept
from ...compiler import compile_library, compiler_command, compiler_missing, load_library
from .cpu import InstructionSet

__all__ = ["compiled_before", "library"]

_FLAGS = ("-std=c++17", "-O3", "-fwrapv", "-shared", "-fPIC", "-pthread")
_FOLDER = Path(__file__).parent
_MAIN = "engine.cpp"
_NAME = "native.so"


@cache
def _key(instructions: InstructionSet, compiler: tuple[str, ...]) -> str:
    sources = [_FOLDER / _MAIN, *sorted(_FOLDER.glob("*.h"))]
    return content_key("native", *(path.read_bytes() for path in sources), *_FLAGS, *instructions.flags, *compiler)


def compiled_before(instructions: InstructionSet) -> bool:
    """Whether the library is loaded, or in the cache.

    Raises
    ------
    FileError
        Another user may write to the cache.
    """
    key = _key(instructions, tuple(compiler_command()))
    return key in _loaded or kept(key) is not None


def library(instructions: InstructionSet) -> ctypes.CDLL:
    """The library for a set of instructions, which is compiled if it is not in the cache.

    Raises
    ------
    ToolError
        There is no compiler, or it failed.
    FileError
        Another user may write to the cache.
    """
    key = _key(instructions, tuple(compiler_command()))
    if key not in _loaded:
        _loaded[key] = _load(instructions, key)
    return _loaded[key]


#: By their keys.
_loaded: dict[str, ctypes.CDLL] = {}


def _load(instructions: InstructionSet, key: str) -> ctypes.CDLL:
    if kept(key) is None and (missing := compiler_missing("The native engine")):
        raise ToolError(f"{missing.removesuffix('.')}; the engine numpy needs none.")

    def build(folder: Path) -> None:
        compile_library([*_FLAGS, *instructions.flags, "-o", _NAME, _FOLDER / _MAIN], folder)

    found = load_library(cached(key, build) / _NAME, compiler_command()[0])
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    found.native_dots_of_bytes.restype, found.native_dots_of_bytes.argtypes = number, []
    found.native_run.restype = number
    found.native_run.argtypes = [pointer, number, number, pointer, number, pointer, *[number] * 5]
    return found
