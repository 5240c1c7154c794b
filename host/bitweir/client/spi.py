"""SPI: ports that transfer bytes, and the bytes of a device in them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

from bitweir_hw.errors import LinkError
from bitweir_hw.link.spi import ESCAPE, ESCAPED, NOTHING

from .transport import reason

__all__ = ["DEFAULT_RATE", "SpiPort", "SpiTransport", "open_port"]

#: Hz of SCK, where nobody names a rate: what the slowest oscillators of boards allow, and wires of some length.
DEFAULT_RATE = 1_000_000
#: Bytes of a transfer that asks for answers, while there are none and while there are many; Linux takes 4,096 at once.
_POLL, _MOST = 32, 4096
_ESCAPE, _NOTHING = bytes([ESCAPE]), bytes([NOTHING])
_PLAIN = {code: bytes([byte]) for byte, code in ESCAPED.items()}


class SpiPort(Protocol):
    """A controller of SPI in mode 0, the highest bit first, as the caller has set it up.

    ``close()`` is called if there is one, when the device is closed.
    """

    def transfer(self, data: bytes) -> bytes:
        """Send bytes while CS is low, and return as many that came; CS may rise between bytes."""


class SpiTransport:
    """A device at an SPI port; see `Transport`.

    A device answers only while it is clocked: what comes while requests are sent is kept, and `read` sends zeros, which
    are nothing to the device, until answers come.

    Parameters
    ----------
    port : SpiPort
    rate : int
        Hz of SCK: how long the host waits follows from it.
    name : str
        Where it is, for people.
    now : callable
        The clock by which the host waits; for a simulated board, that of its simulated time.
    """

    def __init__(
        self,
        port: SpiPort,
        rate: int = DEFAULT_RATE,
        *,
        name: str = "an SPI port",
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        if rate <= 0:
            raise LinkError(f"The rate of SCK must be positive, not {rate}.")
        self.port, self.rate, self.name, self.now = port, rate, name, now
        # At most: some bytes are sent as two.
        self.seconds_per_byte = 2 * 8 / rate
        self._came, self._escaped, self._size = b"", False, _POLL

    def __str__(self) -> str:
        return f"{self.name} ({self.rate:,} Hz)"

    def read(self, timeout: float) -> bytes:
        end = self.now() + timeout
        while not self._came:
            came = self._transfer(bytes(self._size))
            # Where all of it was filled there may be more; else little is asked for, as nothing comes of it.
            self._size = min(2 * self._size, _MOST) if came[-1] != NOTHING else _POLL
            if self.now() >= end:
                break
        data, self._came = self._came, b""
        return data

    def write(self, data: bytes) -> None:
        for at in range(0, len(data), _MOST):
            self._transfer(data[at : at + _MOST])

    def close(self) -> None:
        close: Callable[[], None] | None = getattr(self.port, "close", None)
        if close:
            close()

    def _transfer(self, data: bytes) -> bytes:
        """Send bytes; keeps the device's, and returns them as they came."""
        try:
            came = bytes(self.port.transfer(data))
        except OSError as error:
            raise LinkError(f"The device at {self} failed: {reason(error)}.") from error
        if len(came) != len(data):
            raise LinkError(f"An SPI port must return as many bytes as it sends, {len(data)}, not {len(came)}.")
        self._came += self._unescaped(came)
        return came

    def _unescaped(self, came: bytes) -> bytes:
        # Nothing may stand between the two bytes of a pair, too.
        came = (_ESCAPE if self._escaped else b"") + came.replace(_NOTHING, b"")
        first, *pairs = came.split(_ESCAPE)
        self._escaped = bool(pairs) and not pairs[-1]
        # What is no pair is noise, whose packet has a wrong check sum.
        return first + b"".join(_PLAIN.get(pair[0], pair[:1]) + pair[1:] for pair in pairs if pair)


def open_port(place: str, rate: int) -> SpiPort:
    """Open an SPI port by its name.

    Parameters
    ----------
    place : str
        ``/dev/spidevB.C`` of Linux, or a URL of pyftdi such as ``ftdi://ftdi:232h/1`` for a chip of FTDI at USB.
    rate : int
        Hz of SCK.

    Raises
    ------
    LinkError
        The package for it is missing, or it cannot be opened.
    """
    kind, package = (_Ftdi, "pyftdi") if place.startswith("ftdi:") else (_Spidev, "spidev")
    try:
        return kind(place, rate)
    except ImportError as error:
        raise LinkError(f"SPI port {place!r} needs the {package} package: pip install 'bitweir[spi]'.") from error
    # USB has errors of its own, which are plain exceptions or, where libusb is missing, a ValueError.
    except Exception as error:
        raise LinkError(f"Cannot open SPI port {place!r}: {reason(error)}.") from error


class _Spidev:
    def __init__(self, place: str, rate: int) -> None:
        import spidev

        self._port = spidev.SpiDev()
        self._port.open_path(place)
        self._port.mode, self._port.bits_per_word, self._port.max_speed_hz = 0, 8, rate

    def transfer(self, data: bytes) -> bytes:
        return bytes(self._port.xfer3(data))

    def close(self) -> None:
        self._port.close()


class _Ftdi:
    def __init__(self, place: str, rate: int) -> None:
        from pyftdi.spi import SpiController

        self._controller = SpiController()
        self._controller.configure(place)
        self._port: Any = self._controller.get_port(cs=0, freq=rate, mode=0)

    def transfer(self, data: bytes) -> bytes:
        return bytes(self._port.exchange(data, duplex=True))

    def close(self) -> None:
        self._controller.close()
