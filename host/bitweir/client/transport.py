"""Transports, which carry bytes between the host and a device."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Callable
from typing import Protocol

import serial
from bitweir_hw.errors import LinkError

__all__ = ["BITS_PER_BYTE", "SerialTransport", "Transport", "reason"]

#: On a UART: a start bit, eight bits of data, a stop bit.
BITS_PER_BYTE = 10
#: Maximum seconds that a read waits. `Client` reads again until its own deadline.
_POLL = 0.02
#: Timeout of a write: twice the time that this many bytes take, and some seconds.
_WRITE_BYTES, _WRITE_SECONDS = 1 << 16, 5.0


class Transport(Protocol):
    """Carries bytes, and raises `LinkError` when it breaks. As a string it says where the device is."""

    @property
    def seconds_per_byte(self) -> float:
        """The time that a byte takes on the wire."""

    def now(self) -> float:
        """The current time in seconds, real or simulated as that of the device."""

    def read(self, timeout: float) -> bytes:
        """Read the bytes that have arrived; waits for the first one up to `timeout` seconds, or less."""

    def write(self, data: bytes) -> None:
        """Send all of `data`."""

    def close(self) -> None:
        """Release the device; a second call does nothing."""


class SerialTransport:
    """A serial port.

    Parameters
    ----------
    port : str
        Such as ``/dev/ttyUSB1`` or ``COM3``.
    baud : int
        Bits a second.
    now : callable
        The clock by which the host waits; for a simulated board, that of its simulated time.

    Raises
    ------
    LinkError
        The port does not exist, is in use, or does not support the baud rate.
    """

    def __init__(self, port: str, baud: int, *, now: Callable[[], float] = time.monotonic) -> None:
        if baud <= 0:
            raise LinkError(f"The baud rate must be positive, not {baud}.")
        self.port, self.baud = port, baud
        self.seconds_per_byte = BITS_PER_BYTE / baud
        self.now = now
        try:
            # The timeouts never change, as pyserial would set up the whole port again.
            self._serial = serial.Serial(
                port,
                baud,
                timeout=_POLL,
                write_timeout=_WRITE_SECONDS + 2 * _WRITE_BYTES * self.seconds_per_byte,
                exclusive=True,
            )
        except (OSError, ValueError, OverflowError) as error:  # SerialException is an OSError
            raise LinkError(f"Cannot open serial port {port!r} with {baud:,} baud: {reason(error)}.") from error

        # FTDI chips hold back a few bytes for 16 ms, unless the driver asks for low latency.
        with contextlib.suppress(AttributeError, NotImplementedError, OSError, ValueError):
            self._serial.set_low_latency_mode(True)

    def __str__(self) -> str:
        return f"{self.port} ({self.baud:,} baud)"

    def read(self, timeout: float) -> bytes:
        try:
            return self._serial.read(max(1, self._serial.in_waiting))
        except (OSError, TypeError) as error:  # pyserial uses a None of its own when a port vanishes
            raise self._lost(error) from error

    def write(self, data: bytes) -> None:
        try:
            self._serial.write(data)
        except (OSError, TypeError) as error:
            raise self._lost(error) from error

    def close(self) -> None:
        self._serial.close()

    def _lost(self, error: Exception) -> LinkError:
        return LinkError(f"Serial port {self.port!r} failed: {reason(error)}.")


def reason(error: Exception) -> str:
    """Why a port failed, as the end of a sentence without its stop."""
    number = getattr(error, "errno", None)
    if number in (errno.EAGAIN, errno.EBUSY):
        return "another program uses it"
    return os.strerror(number) if number else str(error).rstrip(".")
