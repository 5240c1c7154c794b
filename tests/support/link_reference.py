"""A device in plain Python, with its own COBS and CRC-32, in a time that passes only while the host waits."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from bitweir_hw.link.protocol import Identity

IDENTITY = Identity(
    output_lanes=2, capacity=256, clock=1_000_000, cycles=50, latency=300, vectors=1, length=20, lanes=8, lane_bits=1,
    score_bits=12, classes=10, digest=bytes(range(16)), plan=bytes(8),
)  # fmt: skip


def _remainder(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (0xEDB88320 if byte & 1 else 0)
    return byte


_REMAINDERS = [_remainder(byte) for byte in range(256)]


def crc32(data: bytes) -> bytes:
    """By division, least significant bit first, as the standard draws it."""
    register = 0xFFFFFFFF
    for byte in data:
        register = register >> 8 ^ _REMAINDERS[(register ^ byte) & 0xFF]
    return (register ^ 0xFFFFFFFF).to_bytes(4, "little")


def stuff(data: bytes) -> bytes:
    """COBS: each zero becomes the distance to the next one, and runs are cut at 254."""
    blocks, out = data.split(b"\0"), bytearray()
    for block in blocks:
        while len(block) >= 254:
            out += b"\xff" + block[:254]
            block = block[254:]
        out += bytes([len(block) + 1]) + block
    return bytes(out)


def unstuff(data: bytes) -> bytes | None:
    out, at = bytearray(), 0
    while at < len(data):
        code = data[at]
        if code == 0 or at + code > len(data):
            return None
        out += data[at + 1 : at + code]
        at += code
        if code < 255 and at < len(data):
            out.append(0)
    return bytes(out)


def packet(kind: int, number: int, count: int, payload: bytes) -> bytes:
    """Bytes on the wire."""
    body = bytes([kind]) + number.to_bytes(8, "little") + count.to_bytes(2, "little") + payload
    return stuff(body + crc32(body)) + b"\0"


def scores_and_class(frame: bytes, salt: bytes = b"") -> tuple[bytes, bytes]:
    """Something that depends on all bits of a frame and looks like scores, of `IDENTITY`."""
    total = int.from_bytes(crc32(salt + frame), "little")
    return (total * 0x1_0000_0001_0001 & (1 << 120) - 1).to_bytes(15, "little"), bytes([total % 10])


@dataclass
class _Coming:
    """A byte on its way, and when it is there."""

    time: float
    byte: int


class ReferenceDevice:
    """Does what docs/link.md says, and is a `Transport` to the host that tests it.

    Parameters
    ----------
    identity : Identity
    answer : callable
        From the bytes of a frame to those of its scores and of its class.
    baud : int
    slow : float
        How many times as long as its identity says the accelerator takes.

    Attributes
    ----------
    refused : int
        Requests that came without being right, or without room for them.
    overfull : int
        Those for which there was no room.
    longest : int
        Bytes of answers that the host let wait at once.
    told : bytes
        In place of its identity, if not empty.
    on_byte : callable
        Called with each byte that has come, before it is looked at.
    """

    def __init__(self, identity=IDENTITY, answer=scores_and_class, *, baud=100_000, slow=1.0):
        self.identity, self.answer, self.slow = identity, answer, slow
        self.seconds_per_byte = 10 / baud
        self.time = 0.0
        self.refused = self.overfull = self.longest = self.received = self.frames = 0
        self.on_byte: Callable[[int], None] = lambda byte: None
        self.told = b""
        self.closed = 0
        self._wire_free = 0.0
        self._coming: deque[_Coming] = deque()
        self._going: deque[_Coming] = deque()
        self._at = 0.0
        self.reset()

    # ---- the host's side

    def __str__(self):
        return "a device in Python"

    def now(self):
        return self.time

    def write(self, data):
        assert not self.closed
        at = max(self.time, self._wire_free)
        for byte in data:
            at += self.seconds_per_byte
            self._coming.append(_Coming(at, byte))
        self._wire_free = at

    def read(self, timeout):
        assert not self.closed
        horizon = self.time + timeout
        while self._coming and self._coming[0].time <= horizon:
            # What leaves before the next byte comes is not changed by it.
            if self._going and self._going[0].time <= self._coming[0].time:
                break
            self._take(self._coming.popleft())
        if not self._going or self._going[0].time > horizon:
            self.time = horizon
            return b""
        self.time = max(self.time, self._going[0].time)
        while self._coming and self._coming[0].time <= self.time:
            self._take(self._coming.popleft())
        out = bytearray()
        while self._going and self._going[0].time <= self.time:
            out.append(self._going.popleft().byte)
        return bytes(out)

    def close(self):
        self.closed += 1

    # ---- the device

    def reset(self):
        """As after power-up: nothing is kept, an answer is cut where it is."""
        self._piece = bytearray()
        self._held: list[tuple[float, int]] = []
        self._computed = self._sent = self._at
        self._going = deque(byte for byte in self._going if byte.time <= self._at)

    def exchange(self, **changes):
        """Another device is there from now on."""
        self.identity = replace(self.identity, **changes)
        self.reset()

    def _take(self, coming):
        self._at = coming.time
        self.received += 1
        self.on_byte(coming.byte)
        if coming.byte:
            self._piece.append(coming.byte)
            return
        piece, self._piece = bytes(self._piece), bytearray()
        if piece and not self._request(unstuff(piece)):
            self.refused += 1

    def _request(self, data):
        if data is None or len(data) < 15 or crc32(data[:-4]) != data[-4:]:
            return False
        kind, number, count = data[0], data[1:9], int.from_bytes(data[9:11], "little")
        payload, size = data[11:-4], self.identity.frame_bytes
        self._held = [(until, room) for until, room in self._held if until > self._at]
        if sum(room for _, room in self._held) + len(data) - 4 > self.identity.capacity:
            self.overfull += 1
            return False
        if kind == 1:
            if count or payload:
                return False
            answer = self.told or self.identity.to_bytes()
            count = len(answer)
        elif kind in (2, 3):
            if len(payload) != count * size:
                return False
            frames = [payload[at : at + size] for at in range(0, len(payload), size)]
            self.frames += count
            # The scores come before the class, or not at all.
            answer = b"".join(b"".join(self.answer(frame)[3 - kind :]) for frame in frames)
        else:
            return False
        cycles = (count * self.identity.cycles if kind > 1 else 0) * self.slow
        self._computed = max(self._computed, self._at) + cycles / self.identity.clock
        self._held.append((self._computed, len(data) - 4))
        at = max(self._sent, self._computed + self.slow * self.identity.latency / self.identity.clock)
        for byte in packet(kind + 128, int.from_bytes(number, "little"), count, answer):
            at += self.seconds_per_byte
            self._going.append(_Coming(at, byte))
        self._sent = at
        self.longest = max(self.longest, len(self._going))
        return True
