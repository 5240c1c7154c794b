"""A simulated board: a compiled design, and the other end of its UART or SPI, which takes and gives bytes."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from ..compiler import compiler_command, load_library, optimisation
from .board_chip import BoardChip
from .compiled import build_library
from .harness import SPI, UART, Harness

__all__ = ["SimulatedSpi", "SimulatedUart", "compile_board"]


def compile_board(
    design: str | Path,
    *,
    top: str,
    verilog: Sequence[Path] = (),
    backend: str = "cxxrtl",
    optimise: int | None = None,
    spi: bool = False,
) -> Path:
    """Compile a design for `SimulatedUart`, or with `spi` for `SimulatedSpi`, or take it from the cache.

    Parameters
    ----------
    design : str or Path
        RTLIL text, or a file of RTLIL (``.il``) or Verilog (``.v``).
    top : str
        The top module, with ports ``clk``, ``rst``, ``link_clk``, ``link_rst``, ``rx``, ``tx`` and ``busy``, or
        ``sck``, ``copi``, ``cs`` and ``cipo`` in place of these three, and perhaps the pins of an SDRAM
        chip; see `bitweir_hw.link.board_core.Device`.
    verilog, backend, optimise
        See `compiled.compile_design`; BITWEIR_OPTIMISE counts from 1, as each bit of the wire takes many cycles.

    Returns
    -------
    Path
        The folder of the shared library.

    Raises
    ------
    ToolError
        The compiler is missing, or a tool fails.
    """
    optimise = max(1, optimisation()) if optimise is None else optimise
    return build_library(
        design, top=top, verilog=verilog, backend=backend, optimise=optimise, waves=False, harness=SPI if spi else UART
    )


class _Simulated:
    """A running design, in the time of the clock ``link_clk``; `bits` a second go over a wire."""

    def __init__(
        self,
        library: ctypes.CDLL,
        *,
        clock: int,
        link_clock: int,
        bits: int,
        phase: float,
        chip: BoardChip | None,
    ) -> None:
        if not 0 <= phase < 1:
            raise ValueError(f"phase must be from 0 to less than 1, not {phase}")
        self.clock, self.link_clock = clock, link_clock
        self._library = library
        self._handle: int | None = self._library.board_new(link_clock, clock, phase, bits)
        self._chip = chip
        if chip:
            self._library.board_chip(self._handle, chip.function)

    def reset(self) -> None:
        """Reset the design for a few cycles, whatever its state."""
        if self._chip:
            self._chip.begin()
        self._library.board_reset(self._open())

    @property
    def cycles(self) -> int:
        """The number of cycles of ``link_clk`` until now."""
        return int(self._library.board_cycle(self._open()))

    @property
    def core_cycles(self) -> int:
        """The number of cycles of ``clk`` until now."""
        return int(self._library.board_core_cycle(self._open()))

    def close(self) -> None:
        """Free the memory of the design; a second call does nothing."""
        if self._handle is not None:
            self._library.board_free(self._handle)
            self._handle = None

    def _open(self) -> int:
        if self._handle is None:
            raise ValueError("The simulated board is closed.")
        return self._handle

    def _check_chip(self) -> None:
        if self._chip and self._chip.error:
            raise self._chip.error


class SimulatedUart(_Simulated):
    """A running design and the other end of its UART, in the time of the clock ``link_clk``.

    Parameters
    ----------
    folder : Path
        As `compile_board` returns it.
    clock : int
        Hz, of ``clk``.
    link_clock, baud : int
        Hz of ``link_clk``, and bits a second of the other end.
    phase : float
        The part of its cycle, from 0 to less than 1, by which the first edge of ``clk`` comes behind that of
        ``link_clk``.
    chip : BoardChip, optional
        At the design's pins of an SDRAM chip.
    """

    def __init__(
        self,
        folder: Path,
        *,
        clock: int,
        link_clock: int,
        baud: int,
        phase: float = 0.0,
        chip: BoardChip | None = None,
    ) -> None:
        super().__init__(
            _load(folder / "design.so", UART), clock=clock, link_clock=link_clock, bits=baud, phase=phase, chip=chip
        )
        self.baud = baud

    def run(self, cycles: int, data: bytes = b"") -> tuple[bytes, bool]:
        """Simulate a number of cycles of ``link_clk``.

        Parameters
        ----------
        cycles : int
            Maximum; fewer are simulated if nothing is under way any more.
        data : bytes
            Sent to the device, after the bytes that wait.

        Returns
        -------
        came : bytes
            What the device sent in these cycles.
        under_way : bool
            False if nothing moves on the wires or in the device until more bytes are sent.

        Raises
        ------
        SdramError
            The design does with its SDRAM chip what the data sheet does not allow.
        """
        under_way = self._library.board_run(self._open(), data, len(data), cycles)
        came = ctypes.c_void_p()
        count = self._library.board_output(self._handle, ctypes.byref(came))
        output = ctypes.string_at(came, count) if count else b""
        self._library.board_clear(self._handle)
        self._check_chip()
        return output, under_way

    @property
    def waiting(self) -> int:
        """The number of bytes that have not been sent to the device yet."""
        return int(self._library.board_waiting(self._open()))

    @property
    def broken(self) -> int:
        """The number of bytes from the device that had no stop bit."""
        return int(self._library.board_broken(self._open()))


class SimulatedSpi(_Simulated):
    """A running design, and the controller of its SPI.

    Parameters
    ----------
    folder : Path
        As `compile_board` returns it with `spi`.
    rate : int
        Hz of SCK.
    clock, link_clock, phase, chip
        See `SimulatedUart`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        clock: int,
        link_clock: int,
        rate: int,
        phase: float = 0.0,
        chip: BoardChip | None = None,
    ) -> None:
        super().__init__(
            _load(folder / "design.so", SPI), clock=clock, link_clock=link_clock, bits=rate, phase=phase, chip=chip
        )
        self.rate = rate

    def transfer(self, data: bytes) -> bytes:
        """Send bytes while CS is low, and return as many that came.

        Raises
        ------
        SdramError
            See `SimulatedUart.run`.
        """
        came = ctypes.create_string_buffer(max(len(data), 1))
        self._library.board_transfer(self._open(), data, came, len(data))
        self._check_chip()
        return came.raw[: len(data)]


@cache
def _load(path: Path, harness: Harness) -> ctypes.CDLL:
    library = load_library(path, compiler_command()[0])
    handle, number = ctypes.c_void_p, ctypes.c_int64
    library.board_new.restype, library.board_new.argtypes = handle, [number, number, ctypes.c_double, number]
    library.board_chip.restype, library.board_chip.argtypes = None, [handle, ctypes.c_void_p]
    counts, actions = ["cycle", "core_cycle"], ["free", "reset"]
    if harness is SPI:
        library.board_transfer.restype = None
        library.board_transfer.argtypes = [handle, ctypes.c_char_p, ctypes.c_char_p, number]
    else:
        library.board_run.restype = ctypes.c_bool
        library.board_run.argtypes = [handle, ctypes.c_char_p, number, number]
        library.board_output.restype, library.board_output.argtypes = number, [handle, ctypes.c_void_p]
        counts, actions = [*counts, "waiting", "broken"], [*actions, "clear"]
    for name in counts:
        function = getattr(library, f"board_{name}")
        function.restype, function.argtypes = number, [handle]
    for name in actions:
        function = getattr(library, f"board_{name}")
        function.restype, function.argtypes = None, [handle]
    return library
