"""Packets are taken whole or not at all."""

import numpy as np
import pytest
from bitweir_hw.link.receiver import Receiver
from hypothesis import given, settings
from hypothesis import strategies as st
from support.linkbench import CLASSES, HELLO, SCORES, exchange, packet, taken, wire
from support.strategies import stalls

END, BAD = 1 << 8, 1 << 9
# Payload bits of a piece that mean nothing.
ANY = 0x5A


def pieces(packets):
    return [beat for data in packets for beat in [*data, END | ANY]]


def requests(packets, **shape):
    return b"".join(
        bytes([found.kind]) + found.number.to_bytes(8, "little") + found.count.to_bytes(2, "little") + found.payload
        for found in taken(b"".join(map(wire, packets)), **shape)
    )


@st.composite
def packets(draw, frame_bytes):
    kind = draw(st.sampled_from([HELLO, CLASSES, SCORES, CLASSES, SCORES, 0, 4, 130]))
    count = draw(st.sampled_from([0, 1, 2, 3, 256, 65535]))
    frames = (
        draw(st.sampled_from([count, count, count, 0, 1, 2])) if kind != HELLO else draw(st.sampled_from([0, 0, 1]))
    )
    payload = np.random.default_rng(draw(st.integers(0, 99))).bytes(min(frames, 4) * frame_bytes)
    number = draw(st.integers(0, (1 << 64) - 1))
    data = packet(kind, number, count, payload + draw(st.sampled_from([b"", b"", b"", b"\0"])))
    place, cut = draw(st.integers(0, len(data) - 1)), draw(st.integers(0, len(data)))
    flipped = bytes([data[place] ^ 1 << draw(st.integers(0, 7))])
    return draw(st.sampled_from([data] * 6 + [data[:cut], data[:place] + flipped + data[place + 1 :], data + b"\0"]))


@settings(max_examples=25)
@given(data=st.data(), frame_bytes=st.sampled_from([1, 2, 3, 8]), i_stalls=stalls(), o_stalls=stalls())
def test_what_is_a_request_comes_out(data, frame_bytes, i_stalls, o_stalls):
    sent = data.draw(st.lists(packets(frame_bytes), max_size=5))
    # What goes out meanwhile makes more room, so none of them is too large.
    dut = Receiver(capacity=256, frame_bytes=frame_bytes)
    out, *_ = exchange(dut, pieces(sent), i_stalls=i_stalls, o_stalls=o_stalls)
    assert bytes(out) == requests(sent, frame_bytes=frame_bytes, capacity=256)


@pytest.mark.parametrize("count", [255, 256, 300])
def test_counts_of_two_bytes(count):
    good = packet(CLASSES, 1, count, bytes(count))
    wrong = [packet(CLASSES, 1, other, bytes(count)) for other in (count | 0x8000, count ^ 0x100)]
    sent = [*wrong, good] if count > 256 else [good, *wrong]
    out, *_ = exchange(Receiver(capacity=512, frame_bytes=1), pieces(sent))
    assert bytes(out) == good[:-4]


def test_hello_has_no_frames():
    wrong = [packet(HELLO, 1, 1, bytes(2)), packet(HELLO, 2, 1), packet(HELLO, 3, 0, bytes(2)), packet(HELLO, 4, 256)]
    good = packet(HELLO, 5, 0)
    out, *_ = exchange(Receiver(capacity=64, frame_bytes=2), pieces([*wrong, good]))
    assert bytes(out) == good[:-4]


def test_room_to_the_byte():
    # The output takes nothing: one byte waits there, and the rest has room.
    shape = {"frame_bytes": 1, "capacity": 64}
    large, first, exact, over = (packet(CLASSES, n, n, bytes(range(n))) for n in (54, 53, 20, 21))
    sent = [large, first[:-1], packet(CLASSES, 2, 23, bytes(23)), over, exact, exact]
    out, *_ = exchange(Receiver(**shape), pieces(sent), o_stalls=np.ones(3000, bool))
    assert bytes(out) == sent[2][:-4] + exact[:-4]
    out, *_ = exchange(Receiver(**shape), pieces([first] * 2), o_stalls=np.ones(3000, bool))
    assert bytes(out) == first[:-4]


def test_bad_encoding():
    data = packet(CLASSES, 1, 1, b"\7")
    out, *_ = exchange(Receiver(capacity=64, frame_bytes=1), [*data, END | BAD, *data, END])
    assert bytes(out) == data[:-4]


def test_cycles():
    data = packet(CLASSES, 1, 2, bytes(16))
    _, leaves, comes = exchange(Receiver(capacity=64, frame_bytes=8), pieces([data, data]))
    assert set(np.diff(comes)) == {8}
    assert leaves[0] == comes[len(data)] + 3
