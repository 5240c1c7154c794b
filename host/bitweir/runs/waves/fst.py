"""FST, the compact format of GTKWave, through its own library, as the package pylibfst has it."""

from __future__ import annotations

import ctypes
import os
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from bitweir_hw.errors import FileError, ToolError
from bitweir_sim.cache import cached, content_key
from bitweir_sim.compiler import compile_library, compiler_command, compiler_missing, compiler_version, load_library

__all__ = ["fst_missing", "vcd_to_fst"]

_SOURCE = Path(__file__).with_name("vcd_to_fst.cpp")
_NAME = "vcd_to_fst.so"
_FLAGS = ("-std=c++17", "-O2", "-shared", "-fPIC")
#: The library inside pylibfst, an extension of Python that offers the functions of libfst themselves, too.
_LIBRARY = "_libfstapi"


class _Writer(ctypes.Structure):
    """The C structure `Writer` of vcd_to_fst.cpp."""

    _fields_ = [
        (name, ctypes.c_void_p)
        for name in (
            "Create", "SetPackType", "SetTimescaleFromString", "SetScope", "SetUpscope", "CreateVar", "EmitTimeChange",
            "EmitValueChange", "EmitVariableLengthValueChange", "Close",
        )
    ]  # fmt: skip


def fst_missing() -> str | None:
    """Why no FST can be written on this system; None if it can."""
    if find_spec(_LIBRARY) is None:
        return "Waveforms as .fst need the pylibfst package: pip install 'bitweir[fst]', or write a .vcd."
    return compiler_missing("Writing waveforms as .fst")


def vcd_to_fst(source: Path, target: Path) -> None:
    """Write the content of a VCD file as FST.

    Raises
    ------
    ToolError
        The package, or a compiler, is missing.
    FileError
        The file cannot be written.
    """
    if missing := fst_missing():
        raise ToolError(missing)
    fst = _functions()
    writer = _Writer(*(ctypes.cast(fst[f"fstWriter{name}"], ctypes.c_void_p) for name, *_ in _Writer._fields_))
    end = _converter().vcd_to_fst(ctypes.byref(writer), os.fsencode(source), os.fsencode(target))
    # The library tells nothing of a full disk.
    if end < 0 or not _whole(fst, target, end):
        raise FileError("Cannot write all of the waveform: the disk may be full.")


@cache
def _functions() -> ctypes.CDLL:
    spec = find_spec(_LIBRARY)
    assert spec and spec.origin
    # It is loaded into Python, whose functions it needs.
    library = ctypes.PyDLL(spec.origin)
    library.fstReaderOpen.restype, library.fstReaderOpen.argtypes = ctypes.c_void_p, [ctypes.c_char_p]
    library.fstReaderGetEndTime.restype = ctypes.c_uint64
    library.fstReaderGetEndTime.argtypes = library.fstReaderClose.argtypes = [ctypes.c_void_p]
    return library


@cache
def _converter() -> ctypes.CDLL:
    code = _SOURCE.read_text()
    key = content_key("vcd-to-fst", code, *_FLAGS, compiler_version(*compiler_command()))
    folder = cached(key, lambda place: compile_library([*_FLAGS, "-o", _NAME, _SOURCE], place))
    library = load_library(folder / _NAME, compiler_command()[0])
    library.vcd_to_fst.restype = ctypes.c_int64
    library.vcd_to_fst.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p]
    return library


def _whole(fst: ctypes.CDLL, target: Path, end: int) -> bool:
    """Whether a file can be read, and has the last time."""
    reader = fst.fstReaderOpen(os.fsencode(target))
    if not reader:
        return False
    found = fst.fstReaderGetEndTime(reader)
    fst.fstReaderClose(reader)
    return bool(found == end)
