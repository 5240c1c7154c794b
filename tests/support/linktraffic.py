"""Packets, good ones and others, as a wire may carry them."""

import numpy as np
from hypothesis import strategies as st
from support.linkbench import CLASSES, HELLO, SCORES, packet, wire

__all__ = ["chunks", "frames"]


def frames(identity, count, rng):
    """Frames; the bits that fill their last bytes are not always zero."""
    return rng.bytes(identity.frame_bytes * count)


@st.composite
def chunks(draw, identity, *, most=5):
    """Packets and what a bad wire makes of them."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    room = (identity.capacity - 11) // identity.frame_bytes
    number = draw(st.integers(0, (1 << 64) - 1))
    parts = []
    for _ in range(draw(st.integers(1, most))):
        number = (number + 1) % (1 << 64)
        kind = draw(st.sampled_from([CLASSES, SCORES] * 3 + [HELLO]))
        count = 0 if kind == HELLO else draw(st.integers(0, min(room, 3)))
        good = packet(kind, number, count, frames(identity, count, rng))
        parts.append(_spoilt(draw, identity, good, kind, number, count, rng))
    return parts


def _spoilt(draw, identity, good, kind, number, count, rng):
    whole = wire(good)
    place = draw(st.integers(0, len(whole) - 1))
    extra = frames(identity, count, rng)
    many = (identity.capacity - 11) // identity.frame_bytes + 1
    return {
        "good": lambda: whole,
        "zeros before": lambda: b"\0\0" + whole,
        "cut": lambda: whole[:place],
        "cut and ended": lambda: whole[:place] + b"\0",
        "a byte lost": lambda: whole[:place] + whole[place + 1 :],
        "a bit flipped": lambda: whole[:place] + bytes([whole[place] ^ 1 << int(rng.integers(8))]) + whole[place + 1 :],
        "a byte invented": lambda: whole[:place] + rng.bytes(1) + whole[place:],
        "noise": lambda: rng.bytes(int(rng.integers(1, 20))),
        "kind": lambda: wire(packet(draw(st.sampled_from([0, 4, 5, 0x82, 255])), number, count, extra)),
        "count": lambda: wire(packet(kind, number, draw(st.sampled_from([count + 1, count + 256, 65535])), extra)),
        "too long": lambda: wire(packet(kind, number, count, extra + b"\1")),
        "too short": lambda: wire(packet(kind, number, count + 1, frames(identity, count + 1, rng)[:-1])),
        "too large": lambda: wire(packet(kind, number, many, frames(identity, many, rng))),
        "check": lambda: wire(good[:-4] + rng.bytes(4)),
        "short": lambda: wire(good[: draw(st.integers(1, 14))]),
        "twice": lambda: whole + whole,
    }[draw(st.sampled_from(WAYS))]()


WAYS = ["good"] * 8 + [
    *("zeros before", "cut", "cut and ended", "a byte lost", "a bit flipped", "a byte invented", "noise", "kind"),
    *("count", "too long", "too short", "too large", "check", "short", "twice"),
]
