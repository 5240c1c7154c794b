"""COBS in gateware against the package `cobs`."""

import numpy as np
import pytest
from bitweir_hw.link.cobs import CobsDecoder, CobsEncoder
from cobs import cobs
from hypothesis import given, settings
from hypothesis import strategies as st
from support.linkbench import exchange, wire
from support.strategies import stalls

END, BAD = 1 << 8, 1 << 9


def runs():
    """Packets with zeros and long runs without any."""
    run = st.integers(250, 258).map(lambda n: bytes(1 + k % 255 for k in range(n)))
    part = st.one_of(st.binary(max_size=4), st.just(b"\0"), st.just(b"\xff"), run)
    return st.lists(part, max_size=4).map(b"".join)


def decoded(data):
    """What the decoder makes of bytes: bytes and ends, and whether each packet was good."""
    pieces, packet_, good = [], bytearray(), []
    out, *_ = exchange(CobsDecoder(), list(data))
    for piece in out:
        if piece & END:
            pieces.append(bytes(packet_))
            good.append(not piece & BAD)
            packet_.clear()
        else:
            packet_.append(piece & 0xFF)
    return pieces, good, bytes(packet_)


def pieces(packets):
    return [beat for data in packets for beat in [*data, END]]


@settings(max_examples=20)
@given(packets=st.lists(runs(), max_size=2), i_stalls=stalls(), o_stalls=stalls())
def test_encoder(packets, i_stalls, o_stalls):
    out, *_ = exchange(CobsEncoder(), pieces(packets), i_stalls=i_stalls, o_stalls=o_stalls)
    # A zero ends what a reset may have cut off.
    assert bytes(out) == b"\0" + b"".join(map(wire, packets))


@settings(max_examples=20)
@given(packets=st.lists(runs(), max_size=2), i_stalls=stalls(), o_stalls=stalls())
def test_decoder(packets, i_stalls, o_stalls):
    data = b"".join(map(wire, packets))
    out, *_ = exchange(CobsDecoder(), list(data), i_stalls=i_stalls, o_stalls=o_stalls)
    assert [beat & (END | 0xFF) if not beat & END else END for beat in out] == pieces(packets)
    assert not any(beat & BAD for beat in out if beat & END)


@settings(max_examples=100)
@given(st.lists(st.one_of(st.binary(max_size=6), st.just(b"\0"), st.just(b"\xff"))).map(b"".join))
def test_decoder_marks_what_is_no_packet(data):
    parts, good, rest = decoded(data)
    *wanted, left = data.split(b"\0")
    assert len(parts) == len(wanted)
    for part, is_good, encoded in zip(parts, good, wanted, strict=True):
        try:
            assert part == cobs.decode(encoded)
            assert is_good
        except cobs.DecodeError:
            assert not is_good
    assert len(rest) <= len(left)


@pytest.mark.parametrize("length", [253, 254, 255, 508])
def test_blocks_that_are_as_long_as_may_be(length):
    run = bytes(1 + n % 255 for n in range(length))
    packets = [run, run + b"\0", run + b"\1"]
    out, *_ = exchange(CobsEncoder(), pieces(packets))
    assert bytes(out) == b"\0" + b"".join(map(wire, packets))
    parts, good, _ = decoded(bytes(out[1:]))
    assert (parts, good) == (packets, [True] * 3)


@pytest.mark.parametrize("last", [1, 0])
def test_encoder_with_blocks_of_254_and_nobody_who_takes(last):
    # The longest blocks fill the memory; those behind wait and nothing is lost.
    data = bytes([*range(1, 255)]) * 3 + bytes([last])
    out, *_ = exchange(CobsEncoder(), pieces([data, data]), o_stalls=np.ones(1500, bool))
    assert bytes(out) == b"\0" + wire(data) * 2


def test_encoder_is_as_fast_as_a_wire():
    # A byte in 10 cycles comes, and one in 12 goes: never does one go late.
    data = bytes([*range(1, 255)]) * 2
    i_stalls, o_stalls = (np.arange(40_000) % period != 0 for period in (10, 12))
    _, cycles, _ = exchange(CobsEncoder(), pieces([data] * 2), i_stalls=i_stalls, o_stalls=o_stalls)
    assert set(np.diff(cycles[1:])) == {12}


def test_cycles():
    _, out, into = exchange(CobsDecoder(), list(wire(bytes(range(100)))))
    # Nothing comes of the first code.
    assert np.diff(into).tolist() == [1] + [2] * 100
    assert out[0] == into[1] + 1
    data = bytes(range(1, 255)) + b"\0\0x"
    _, _, into = exchange(CobsEncoder(), pieces([data] * 3))
    gaps = np.diff(into)
    ends, splits = (gaps[first :: len(data) + 1].tolist() for first in (len(data), 253))
    assert (ends, splits) == ([4, 4], [6, 6, 6])
    assert gaps.sum() == 2 * len(gaps) + 2 * 2 + 4 * 3
    out, leaves, into = exchange(CobsEncoder(), pieces([b"abc"]))
    assert bytes(out[:2]) == b"\0\4"
    assert leaves[1] == into[3] + 3
