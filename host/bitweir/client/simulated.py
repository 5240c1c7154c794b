"""A simulated board: the whole design of a device, compiled, behind a pseudo-terminal, or as an SPI port.

Programs open its serial port like that of a real board. Its time is that of its link's clock; while nothing moves in
it, the simulation rests, and its time passes like that of the host.
"""

from __future__ import annotations

import os
import select
import threading
import time
import tty
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from bitweir_hw.blocks.pipeline import refuse_weight_streams
from bitweir_hw.boards.sdram_clock import HIGHEST
from bitweir_hw.errors import LinkError
from bitweir_hw.link.board_core import Device, check_device, device_rtlil
from bitweir_hw.link.protocol import HEADER, Identity
from bitweir_sim.simulators.board import SimulatedSpi, SimulatedUart, compile_board
from bitweir_sim.simulators.board_chip import BoardChip

from ..board_memory import memory_on_board, timing_on_board
from ..cells import cell_models
from ..design import Design, DesignFolder
from .faults import Faults
from .spi import SpiTransport
from .transport import BITS_PER_BYTE, SerialTransport

__all__ = [
    "BAUD",
    "CLOCK",
    "BoardTransport",
    "SimulatedBoard",
    "SimulatedSpiBoard",
    "SpiBoardTransport",
    "has_spi",
    "rates",
    "simulated_identity",
]

#: Defaults: the oscillator of many boards (Hz), and a rate of USB serial chips (bits per second).
CLOCK, BAUD = 12_000_000, 3_000_000
#: Minimum room for requests, in bytes and in frames.
_MIN_BYTES, _MIN_FRAMES = 4096, 4
#: The time of one call of the simulation, in bytes on the wire.
_CALL_BYTES = 16
#: Bytes that the serial port buffers before they are on the wire.
_PORT_BYTES = 512
#: Seconds after which held-back bytes are delivered.
_LATE = 0.01
#: What to do where weights are streamed and no board with a memory is named.
_REMEDY = "make the design for a board that has one, or fold the layer without :stream"
#: Commands to its thread.
_STOP, _RESET = b"!", b"r"


def simulated_identity(design: Design, *, clock: int = CLOCK) -> Identity:
    """What the simulated board of a design states about itself; `clock` in Hz."""

    def capacity(frame_bytes: int) -> int:
        return 1 << (max(_MIN_BYTES, _MIN_FRAMES * (HEADER.size + frame_bytes)) - 1).bit_length()

    timing = None
    if design.target.platform:
        timing = timing_on_board(design.pipeline, design.timing, design.target.platform, clock)
    return design.identity(clock=clock, capacity=capacity, timing=timing)


def rates(build: DesignFolder) -> tuple[int, int, int]:
    """Clock (Hz), link's clock (Hz) and bit rate of a build's board; the defaults without a link."""
    board, clock = build.target.platform, build.target.clock
    if board is None or not board.has_link:
        return CLOCK, CLOCK, BAUD
    if build.pipeline.weight_streams:
        # What was not routed yet may be made for a clock that its memory does not have.
        clock = min(clock, HIGHEST)
    return round(clock), board.oscillator, board.bit_rate


def has_spi(build: DesignFolder) -> bool:
    """Whether the board of a build has SPI."""
    return bool(build.target.platform and build.target.platform.spi)


@dataclass(frozen=True, kw_only=True)
class _Compiled:
    """What a simulated board of a build is made of: rates in Hz, and bits a second."""

    folder: Path
    clock: int
    link_clock: int
    bits: int
    #: The SDRAM chip, where weights are streamed.
    chip: BoardChip | None


def _compiled(build: DesignFolder, clock: int | None, bits: int | None) -> _Compiled:
    own_clock, link_clock, own_bits = rates(build)
    clock, bits = clock or own_clock, bits or own_bits
    board, spi = build.target.platform, has_spi(build)
    if board is None:
        refuse_weight_streams(build.pipeline, "simulated board", remedy=_REMEDY)
    memory = memory_on_board(build.pipeline, board, clock) if board else None
    identity = simulated_identity(build.design, clock=clock)
    name = build.network.name
    wire = {"spi_rate" if spi else "baud": bits}
    check_device(identity, link_clock=link_clock, **wire)
    device = Device(build.pipeline, identity, link_clock=link_clock, memory=memory, **wire)
    folder = compile_board(
        device_rtlil(device, name=name), top=f"{name}_device", verilog=cell_models(build.plan), spi=spi
    )
    chip = BoardChip(memory.sdram) if memory else None
    return _Compiled(folder=folder, clock=clock, link_clock=link_clock, bits=bits, chip=chip)


class SimulatedBoard:
    """A board that runs in a thread until it is closed, as a context manager that closes it.

    Parameters
    ----------
    build : DesignFolder
    clock, baud : int, optional
        Hz of the accelerator, and bits per second; by default those of the board that the build was made for, else
        `CLOCK` and `BAUD`. The link runs at the oscillator of that board, else at `CLOCK`.
    phase : float
        See `SimulatedUart`.
    faults : float
        The share of bytes in each direction at which a fault happens; see `Faults`.
    seed : int
        The seed of the faults.

    Attributes
    ----------
    port : str
        The path of its serial port.
    chip : BoardChip or None
        The SDRAM chip, where weights are streamed.
    up, down : Faults
        The faults on the way to the device, and from it.

    Raises
    ------
    LinkError
        The baud rate is more than a quarter of the link's clock, the board has SPI, or the design has parallel frames.
    PlanError
        Weights are streamed, and the build was made for no board with a memory for them.
    ToolError
        The C++ compiler is missing, or a tool fails.
    """

    def __init__(
        self,
        build: DesignFolder,
        *,
        clock: int | None = None,
        baud: int | None = None,
        phase: float = 0.0,
        faults: float = 0.0,
        seed: int = 0,
    ) -> None:
        if has_spi(build):
            raise LinkError(
                "The board of the design has SPI, and no serial port: sim:FOLDER simulates it for this program alone."
            )
        made = _compiled(build, clock, baud)
        self.clock, self.link_clock, self.baud, self.chip = made.clock, made.link_clock, made.bits, made.chip
        self._uart = SimulatedUart(
            made.folder, clock=self.clock, link_clock=self.link_clock, baud=self.baud, phase=phase, chip=self.chip
        )
        self.up = Faults(faults, 2 * seed, reset=self._uart.reset)
        self.down = Faults(faults, 2 * seed + 1)
        self._call_cycles = ceil(_CALL_BYTES * BITS_PER_BYTE * self.link_clock / self.baud)
        # Its time at some moment, and the host's time of that moment if it rests since then.
        self._time: tuple[float, float | None] = (0.0, time.monotonic())
        # The board keeps the host's end open, too, so that hosts may come and go.
        self._board_end, self._host_end = os.openpty()
        tty.setraw(self._host_end)
        os.set_blocking(self._board_end, False)
        self.port = os.ttyname(self._host_end)
        self._order_end, self._ordering_end = os.pipe()
        self._thread = threading.Thread(target=self._live, name=f"simulated board of {build.network.name}", daemon=True)
        self._thread.start()

    @property
    def cycles(self) -> int:
        """The number of simulated cycles of the accelerator's clock."""
        return self._uart.core_cycles

    @property
    def faults(self) -> int:
        """The number of faults in both directions."""
        return (self.up.counts + self.down.counts).total()

    def now(self) -> float:
        """Its current time in seconds."""
        seconds, since = self._time
        return seconds if since is None else seconds + time.monotonic() - since

    def reset(self) -> None:
        """Reset it soon, as its button would."""
        os.write(self._ordering_end, _RESET)

    def close(self) -> None:
        """Stop it; a second call does nothing."""
        if self._thread.is_alive():
            os.write(self._ordering_end, _STOP)
            self._thread.join()
            for end in (self._board_end, self._host_end, self._order_end, self._ordering_end):
                os.close(end)
            self._uart.close()

    def __enter__(self) -> SimulatedBoard:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _live(self) -> None:
        to_host, order = b"", b""
        while order != _STOP:
            data = self.up.spoil(self._read()) if self._uart.waiting < _PORT_BYTES else b""
            start = self._uart.cycles
            came, under_way = self._uart.run(self._call_cycles, data)
            self._time = (self.now() + (self._uart.cycles - start) / self.link_clock, None)
            to_host = self._write(to_host + self.down.spoil(came))
            order = self._order(rest=not under_way, to_host=bool(to_host))
            if order == _RESET:
                self._uart.reset()

    def _order(self, *, rest: bool, to_host: bool) -> bytes:
        """The command from the other thread, if any; with `rest`, waits for one or for something to do."""
        wait: float | None = 0.0
        if rest:
            wait = _LATE if self.up.late or self.down.late else None
            self._time = (self.now(), time.monotonic())
        reading = [self._order_end, *([self._board_end] if rest else [])]
        ready, _, _ = select.select(reading, [self._board_end] if rest and to_host else [], [], wait)
        self._time = (self.now(), None)
        return os.read(self._order_end, 1) if self._order_end in ready else b""

    def _read(self) -> bytes:
        try:
            return os.read(self._board_end, _PORT_BYTES)
        except BlockingIOError:
            return b""

    def _write(self, data: bytes) -> bytes:
        """Write bytes to the host; returns those that it did not take."""
        try:
            return data[os.write(self._board_end, data) :] if data else data
        except BlockingIOError:
            return data


class BoardTransport(SerialTransport):
    """The serial port of a simulated board, which it closes, too.

    Parameters
    ----------
    board : SimulatedBoard
    """

    def __init__(self, board: SimulatedBoard) -> None:
        self.board = board
        super().__init__(board.port, board.baud, now=board.now)

    def __str__(self) -> str:
        return "the simulated board"

    def close(self) -> None:
        super().close()
        self.board.close()


class SimulatedSpiBoard:
    """A board with SPI, as an `SpiPort`. Its time passes with transfers alone.

    Parameters
    ----------
    build : DesignFolder
        For a board with SPI.
    clock, rate : int, optional
        Hz of the accelerator and of SCK; by default those of the board.
    phase : float
        See `SimulatedUart`.

    Raises
    ------
    LinkError, PlanError, ToolError
        As of `SimulatedBoard`; the rate is more than `bitweir_hw.link.spi.highest_rate`.
    """

    def __init__(
        self, build: DesignFolder, *, clock: int | None = None, rate: int | None = None, phase: float = 0.0
    ) -> None:
        made = _compiled(build, clock, rate)
        self.clock, self.link_clock, self.rate, self.chip = made.clock, made.link_clock, made.bits, made.chip
        self._spi = SimulatedSpi(
            made.folder, clock=self.clock, link_clock=self.link_clock, rate=self.rate, phase=phase, chip=self.chip
        )

    def transfer(self, data: bytes) -> bytes:
        """See `SpiPort`."""
        return self._spi.transfer(data)

    def now(self) -> float:
        """Its time in seconds."""
        return self._spi.cycles / self.link_clock

    def reset(self) -> None:
        """Reset it, as its button would."""
        self._spi.reset()

    def close(self) -> None:
        """Free its memory; a second call does nothing."""
        self._spi.close()


class SpiBoardTransport(SpiTransport):
    """A simulated board with SPI, which it closes, too.

    Parameters
    ----------
    board : SimulatedSpiBoard
    """

    def __init__(self, board: SimulatedSpiBoard) -> None:
        self.board = board
        super().__init__(board, board.rate, now=board.now)

    def __str__(self) -> str:
        return "the simulated board"
