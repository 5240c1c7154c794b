"""Encoding of packets as bytes, and decoding; `docs/link.md` explains both."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from bitweir_hw.link.protocol import ANSWER, CHECK_BYTES, HEADER, Identity, Kind
from cobs import cobs

__all__ = ["DELIMITER", "OLD_HELLO", "Decoder", "Packet", "encode", "old_version", "wire_bytes"]

DELIMITER = b"\0"
#: No packet of the protocol is longer; a longer piece without a delimiter is noise.
_LONGEST = 1 << 20
#: Of versions 1 to 3 of the protocol.
_OLD_HEADER = struct.Struct("<BHH")


@dataclass(frozen=True)
class Packet:
    """The content of one packet.

    Parameters
    ----------
    kind, number, count : int
        See `docs/link.md`.
    payload : bytes
    """

    kind: int
    number: int
    count: int
    payload: bytes


def encode(packet: Packet) -> bytes:
    """Encode a packet as bytes on the wire, with the checksum and the zero byte that ends the packet."""
    return _encoded(HEADER.pack(packet.kind, packet.number, packet.count) + packet.payload)


def _encoded(data: bytes) -> bytes:
    return bytes(cobs.encode(data + zlib.crc32(data).to_bytes(CHECK_BYTES, "little"))) + DELIMITER


#: A hello of versions 1 to 3, which is no packet to a device of today.
OLD_HELLO = _encoded(_OLD_HEADER.pack(Kind.HELLO, 0, 0))


def old_version(packet: Packet) -> int:
    """The version of a device that answered `OLD_HELLO`; 0 if the packet is no such answer."""
    body = HEADER.pack(packet.kind, packet.number, packet.count) + packet.payload
    kind, _, count = _OLD_HEADER.unpack_from(body)
    identity = body[_OLD_HEADER.size :]
    is_answer = kind == Kind.HELLO | ANSWER and count == len(identity) == Identity.SIZE
    return identity[Identity.VERSION_AT] if is_answer and identity.startswith(Identity.MAGIC) else 0


def wire_bytes(payload: int) -> int:
    """The maximum number of bytes on the wire of a packet with this many bytes of payload."""
    decoded = HEADER.size + payload + CHECK_BYTES
    # COBS adds a byte, and one more for each whole run of 254 without a zero; one byte delimits.
    return decoded + 1 + decoded // 254 + 1


class Decoder:
    """Finds the packets in a stream of bytes, and drops everything else.

    Attributes
    ----------
    damaged : int
        The number of pieces between delimiters that were no packet.
    """

    def __init__(self) -> None:
        self._tail = bytearray()
        self._overlong = False
        self.damaged = 0

    def feed(self, data: bytes) -> list[Packet]:
        """Take bytes, and return the whole packets that end in them, in order."""
        first, *others = data.split(DELIMITER)
        self._append(first)
        packets: list[Packet] = []
        for piece in others:
            packet = None if self._overlong else _decode(bytes(self._tail))
            if packet:
                packets.append(packet)
            elif self._tail or self._overlong:
                self.damaged += 1
            self._tail.clear()
            self._overlong = False
            self._append(piece)
        return packets

    def _append(self, piece: bytes) -> None:
        self._tail += piece
        if len(self._tail) > _LONGEST:
            # Noise without end must not fill the memory.
            self._overlong = True
            self._tail.clear()


def _decode(encoded: bytes) -> Packet | None:
    try:
        data = cobs.decode(encoded)
    except cobs.DecodeError:
        return None
    body, check = data[:-CHECK_BYTES], data[-CHECK_BYTES:]
    if len(body) < HEADER.size or zlib.crc32(body) != int.from_bytes(check, "little"):
        return None
    kind, number, count = HEADER.unpack_from(body)
    return Packet(kind, number, count, body[HEADER.size :])
