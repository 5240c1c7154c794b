"""A simulated board: a compiled design with a UART, and bytes in place of bits."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from ..compiler import compiler_command, load_library
from .compiled import build_library
from .harness import UART

__all__ = ["SimulatedUart", "compile_board"]


def compile_board(
    design: str | Path, *, top: str, verilog: Sequence[Path] = (), backend: str = "cxxrtl", fast_build: bool = False
) -> Path:
    """Compile a design for `SimulatedUart`, or find it in the cache.

    Parameters
    ----------
    design : str or Path
        RTLIL text, or a file of RTLIL (``.il``) or Verilog (``.v``).
    top : str
        The top module: ports ``clk``, ``rst``, ``rx``, ``tx`` and ``busy``, see `bitweir_hw.link.board_core.Device`.
    verilog, backend, fast_build
        See `compiled.compile_design`.

    Returns
    -------
    Path
        The folder of the shared library.

    Raises
    ------
    ToolError
        If the compiler is missing, or a tool fails.
    """
    return build_library(
        design, top=top, verilog=verilog, backend=backend, fast_build=fast_build, waves=False, harness=UART
    )


class SimulatedUart:
    """A design that runs, and the other end of its UART, in the time of its clock.

    Parameters
    ----------
    folder : Path
        Of `compile_board`.
    clock, baud : int
        Hz and bits a second of the other end.
    """

    def __init__(self, folder: Path, *, clock: int, baud: int) -> None:
        self.clock, self.baud = clock, baud
        self._library = _load(folder / "design.so")
        self._handle: int | None = self._library.board_new(clock, baud)

    def run(self, cycles: int, data: bytes = b"") -> tuple[bytes, bool]:
        """Let time pass.

        Parameters
        ----------
        cycles : int
            So many, or fewer if nothing is under way any more.
        data : bytes
            Sent to the device, behind what waits.

        Returns
        -------
        came : bytes
            From the device, in this time.
        under_way : bool
            False: nothing moves on the wires or in the device, nor will it before more is sent.
        """
        under_way = self._library.board_run(self._open(), data, len(data), cycles)
        came = ctypes.c_void_p()
        count = self._library.board_output(self._handle, ctypes.byref(came))
        output = ctypes.string_at(came, count) if count else b""
        self._library.board_clear(self._handle)
        return output, under_way

    def reset(self) -> None:
        """Reset the design for a few cycles, whatever it does."""
        self._library.board_reset(self._open())

    @property
    def cycles(self) -> int:
        """Clock cycles until now."""
        return int(self._library.board_cycle(self._open()))

    @property
    def waiting(self) -> int:
        """Bytes that are to be sent to the device yet."""
        return int(self._library.board_waiting(self._open()))

    @property
    def broken(self) -> int:
        """Bytes from the device that had no stop bit."""
        return int(self._library.board_broken(self._open()))

    def close(self) -> None:
        """Free its memory; more than once does no harm."""
        if self._handle is not None:
            self._library.board_free(self._handle)
            self._handle = None

    def _open(self) -> int:
        if self._handle is None:
            raise ValueError("The simulated board is closed.")
        return self._handle


@cache
def _load(path: Path) -> ctypes.CDLL:
    library = load_library(path, compiler_command()[0])
    handle, number = ctypes.c_void_p, ctypes.c_int64
    library.board_new.restype, library.board_new.argtypes = handle, [number, number]
    library.board_run.restype = ctypes.c_bool
    library.board_run.argtypes = [handle, ctypes.c_char_p, number, number]
    library.board_output.restype, library.board_output.argtypes = number, [handle, ctypes.c_void_p]
    for name in ("cycle", "waiting", "broken"):
        function = getattr(library, f"board_{name}")
        function.restype, function.argtypes = number, [handle]
    for name in ("free", "reset", "clear"):
        function = getattr(library, f"board_{name}")
        function.restype, function.argtypes = None, [handle]
    return library
