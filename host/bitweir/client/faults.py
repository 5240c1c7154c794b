"""Fault injection: what a bad cable, a lost interrupt and a loose plug do to bytes, drawn from a seed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence

from bitweir_hw.errors import LinkError

from .transport import Transport

__all__ = ["KINDS", "FaultyTransport", "Faults"]

#: A bit flips; a byte is lost; one is invented; the rest of a packet is lost; a packet comes twice; bytes
#: come late; the device is reset.
KINDS = ("flip", "lose", "invent", "cut", "repeat", "delay", "reset")
#: Maximum number of calls for which late bytes are held back.
_LONGEST_DELAY = 4


class Faults:
    """Injects faults into the bytes of one direction.

    Parameters
    ----------
    rate : float
        The share of bytes at which a fault happens, 0 to 1.
    seed : int
        The same seed and the same calls give the same faults.
    kinds : sequence of str
        Some of `KINDS`.
    reset : callable, optional
        Resets the device; without it there are no resets.

    Attributes
    ----------
    counts : Counter
        The number of faults of each kind.

    Raises
    ------
    LinkError
        The rate is not from 0 to 1.
    """

    def __init__(
        self,
        rate: float,
        seed: int,
        *,
        kinds: Sequence[str] = KINDS,
        reset: Callable[[], None] | None = None,
    ) -> None:
        if not 0 <= rate <= 1:
            raise LinkError(f"The rate of faults must be 0 to 1, not {rate:g}.")
        self.rate = rate
        self.counts: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._kinds = [kind for kind in kinds if kind != "reset" or reset]
        self._reset = reset
        self._packet = bytearray()
        self._cutting = self._repeating = False
        self._late = bytearray()
        self._delay = 0

    @property
    def late(self) -> bool:
        """Whether bytes are held back, until the next calls of `spoil`."""
        return bool(self._late)

    def spoil(self, data: bytes) -> bytes:
        """Take bytes, and return what becomes of them and of those that were held back before."""
        if self._delay:
            self._delay -= 1
            self._late += data
            return b""
        out = bytearray()
        # Late bytes are spared from further faults, or they might never arrive.
        drawn, data, self._late = len(self._late), bytes(self._late) + data, bytearray()
        for at, byte in enumerate(data):
            self._pass(byte, out, self._draw() if at >= drawn else "")
            if self._delay:
                self._late += data[at + 1 :]
                break
        return bytes(out)

    def _draw(self) -> str:
        return self._random.choice(self._kinds) if self._kinds and self._random.random() < self.rate else ""

    def _pass(self, byte: int, out: bytearray, kind: str) -> None:
        if kind:
            self.counts[kind] += 1
        if kind == "cut":
            self._cutting = True
        if self._cutting and byte:
            return
        self._cutting = False
        if kind == "lose":
            return
        if kind == "flip":
            byte ^= 1 << self._random.randrange(8)
        elif kind == "invent":
            self._put(self._random.randrange(256), out)
        elif kind == "repeat":
            self._repeating = True
        elif kind == "delay":
            self._delay = self._random.randint(1, _LONGEST_DELAY)
        elif kind == "reset" and self._reset:
            self._reset()
        self._put(byte, out)

    def _put(self, byte: int, out: bytearray) -> None:
        out.append(byte)
        self._packet.append(byte)
        if byte == 0:
            if self._repeating:
                out += self._packet
            self._repeating = False
            self._packet.clear()


class FaultyTransport:
    """A transport with faults in both directions.

    Parameters
    ----------
    inner : Transport
    up, down : Faults
        The faults on the way to the device, and from it.
    """

    def __init__(self, inner: Transport, up: Faults, down: Faults) -> None:
        self.inner, self.up, self.down = inner, up, down

    def __str__(self) -> str:
        return str(self.inner)

    @property
    def seconds_per_byte(self) -> float:
        """The time that a byte takes on the wire."""
        return self.inner.seconds_per_byte

    def now(self) -> float:
        return self.inner.now()

    def read(self, timeout: float) -> bytes:
        return self.down.spoil(self.inner.read(timeout))

    def write(self, data: bytes) -> None:
        self.inner.write(self.up.spoil(data))

    def close(self) -> None:
        self.inner.close()

    @property
    def faults(self) -> int:
        """The number of faults in both directions."""
        return self.up.counts.total() + self.down.counts.total()
