"""A simulated board: the whole design of a device, compiled, behind a pseudo-terminal.

Programs open its serial port as they open one of hardware. Its time is that of its clock; while nothing moves in it,
the simulation rests, and its time goes on as that of the host does.
"""

from __future__ import annotations

import os
import select
import threading
import time
import tty
from math import ceil

from bitweir_hw.boards import BOARDS
from bitweir_hw.link.board_core import Device, device_rtlil
from bitweir_hw.link.protocol import HEADER, Identity
from bitweir_sim.simulators.board import SimulatedUart, compile_board

from ..cells import cell_models
from ..design import Design, DesignFolder
from ..planning.link import baud_of
from .faults import Faults
from .transport import BITS_PER_BYTE, SerialTransport

__all__ = ["BAUD", "CLOCK", "BoardTransport", "SimulatedBoard", "rates", "simulated_identity"]

#: What it is simulated with where nobody says otherwise: an oscillator of many boards, and a rate of USB serial chips.
CLOCK, BAUD = 12_000_000, 3_000_000
#: Bytes of requests that it has room for at least, and frames.
_LEAST_BYTES, _LEAST_FRAMES = 4096, 4
#: Bytes on the wire of which the time is simulated in one call.
_CALL_BYTES = 16
#: Bytes that the serial port takes before they are on the wire.
_PORT_BYTES = 512
#: Seconds after which late bytes are late enough.
_LATE = 0.01
#: Orders to its thread.
_STOP, _RESET = b"!", b"r"


def simulated_identity(design: Design, *, clock: int = CLOCK) -> Identity:
    """What the simulated board of a design states about itself; `clock` in Hz."""

    def capacity(frame_bytes: int) -> int:
        return 1 << (max(_LEAST_BYTES, _LEAST_FRAMES * (HEADER.size + frame_bytes)) - 1).bit_length()

    return design.identity(clock=clock, capacity=capacity)


def rates(build: DesignFolder) -> tuple[int, int]:
    """Hz and bits a second of the board that a build was made for; those of no board in particular without one."""
    if build.target.board is None:
        return CLOCK, BAUD
    clock = round(build.target.clock)
    return clock, baud_of(BOARDS[build.target.board], clock)


class SimulatedBoard:
    """A board that runs until it is closed, in a thread; a context manager that closes it.

    Parameters
    ----------
    build : DesignFolder
    clock, baud : int, optional
        Hz and bits a second; by default those of the board that the build was made for, or else `CLOCK` and `BAUD`.
    faults : float
        Share of the bytes in each direction at which something goes wrong; see `Faults`.
    seed : int
        Of the faults.

    Attributes
    ----------
    port : str
        Path of its serial port.
    up, down : Faults
        Those to the device and from it, and how many happened.

    Raises
    ------
    LinkError
        The baud rate is more than a quarter of the clock, or frames go side by side.
    ToolError
        The C++ compiler is missing, or a tool fails.
    """

    def __init__(
        self,
        build: DesignFolder,
        *,
        clock: int | None = None,
        baud: int | None = None,
        faults: float = 0.0,
        seed: int = 0,
    ) -> None:
        own_clock, own_baud = rates(build)
        # The rate of a board may be too fast for another clock than its own.
        baud = baud or (own_baud if clock in (None, own_clock) else BAUD)
        clock = clock or own_clock
        identity = simulated_identity(build.design, clock=clock)
        name = build.network.name
        folder = compile_board(
            device_rtlil(Device(build.pipeline, identity, baud=baud), name=name),
            top=f"{name}_device",
            verilog=cell_models(build.plan),
        )
        self.clock, self.baud = clock, baud
        self._uart = SimulatedUart(folder, clock=clock, baud=baud)
        self.up = Faults(faults, 2 * seed, reset=self._uart.reset)
        self.down = Faults(faults, 2 * seed + 1)
        self._call_cycles = ceil(_CALL_BYTES * BITS_PER_BYTE * clock / baud)
        # Its time at some moment, and that moment of the host, if it rests since then.
        self._time: tuple[float, float | None] = (0.0, time.monotonic())
        # The board keeps the host's end open, too, so that hosts may come and go.
        self._board_end, self._host_end = os.openpty()
        tty.setraw(self._host_end)
        os.set_blocking(self._board_end, False)
        self.port = os.ttyname(self._host_end)
        self._order_end, self._ordering_end = os.pipe()
        self._thread = threading.Thread(target=self._live, name=f"simulated board of {name}", daemon=True)
        self._thread.start()

    @property
    def cycles(self) -> int:
        """Clock cycles that were simulated."""
        return self._uart.cycles

    @property
    def faults(self) -> int:
        """How many faults happened, in both directions."""
        return (self.up.counts + self.down.counts).total()

    def now(self) -> float:
        """Seconds of its time."""
        seconds, since = self._time
        return seconds if since is None else seconds + time.monotonic() - since

    def reset(self) -> None:
        """Reset it soon, whatever it does then, as its button would."""
        os.write(self._ordering_end, _RESET)

    def close(self) -> None:
        """Stop it; more than once does no harm."""
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
            self._time = (self.now() + (self._uart.cycles - start) / self.clock, None)
            to_host = self._write(to_host + self.down.spoil(came))
            order = self._order(rest=not under_way, to_host=bool(to_host))
            if order == _RESET:
                self._uart.reset()

    def _order(self, *, rest: bool, to_host: bool) -> bytes:
        """What the other thread wants, if anything; to `rest` waits for that, or for something to do."""
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
        """Give bytes to the host; those that it does not take."""
        try:
            return data[os.write(self._board_end, data) :] if data else data
        except BlockingIOError:
            return data


class BoardTransport(SerialTransport):
    """The serial port of a simulated board; closes the board, too.

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
