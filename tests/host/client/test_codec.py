"""Packets, frames, scores and classes as bytes, against definitions written down a second time."""

import numpy as np
import pytest
from bitweir.client.codec import Decoder, Packet, encode, wire_bytes
from bitweir.client.faults import KINDS, Faults
from bitweir.client.frames import classes_of, frame_bytes, scores_of
from bitweir_hw.errors import LinkError
from bitweir_hw.link.protocol import Identity
from hypothesis import given
from hypothesis import strategies as st
from support.link_reference import packet

# Zeros and long runs without one are what the encoding is about.
payloads = st.one_of(
    st.binary(max_size=40),
    st.lists(st.sampled_from([b"\0", b"\1" * 253, b"\2" * 254, b"\3" * 255, b"a"]), max_size=6).map(b"".join),
)
packets = st.builds(Packet, st.integers(0, 255), st.integers(0, (1 << 64) - 1), st.integers(0, 65535), payloads)


@given(sent=st.lists(packets, max_size=4), cuts=st.lists(st.integers(0, 2000), max_size=5))
def test_packets_there_and_back(sent, cuts):
    wire = b"\0".join(encode(one) for one in sent)
    for one in sent:
        expected = packet(one.kind, one.number, one.count, one.payload)
        assert encode(one) == expected
        # A packet that ends with a whole run may do with a byte less.
        assert len(expected) <= wire_bytes(len(one.payload)) <= len(expected) + len(one.payload) // 254 + 1
    decoder, ends = Decoder(), sorted({*cuts, len(wire)})
    came = [one for start, end in zip([0, *ends], ends, strict=False) for one in decoder.feed(wire[start:end])]
    assert came == sent and decoder.damaged == 0


@given(one=packets, at=st.integers(0), bit=st.integers(0, 7))
def test_no_packet_with_a_wrong_bit(one, at, bit):
    wire = bytearray(encode(one))
    wire[at % len(wire)] ^= 1 << bit
    decoder = Decoder()
    assert decoder.feed(bytes(wire) + b"\0") == [] and decoder.damaged >= 1
    assert decoder.feed(encode(one)) == [one]


@given(data=st.binary(max_size=200))
def test_noise_is_no_packet(data):
    decoder = Decoder()
    assert decoder.feed(data + b"\0") == []
    assert decoder.feed(packet(1, 2, 0, b"")) == [Packet(1, 2, 0, b"")]


def test_noise_without_end_does_not_fill_the_memory():
    decoder = Decoder()
    for _ in range(40):
        decoder.feed(b"\1" * 100_000)
    assert len(decoder._tail) <= 1_100_000
    assert decoder.feed(b"\0" + packet(1, 2, 0, b"")) == [Packet(1, 2, 0, b"")] and decoder.damaged == 1


def identity(**changes):
    values = {
        "output_lanes": 1, "capacity": 999, "clock": 1, "cycles": 1, "latency": 1, "vectors": 1, "length": 1,
        "lanes": 1, "lane_bits": 1, "score_bits": 1, "classes": 2, "digest": bytes(16), "plan": bytes(8),
    }  # fmt: skip
    return Identity(**values | changes)


@given(st.data())
def test_frames_are_their_beats(data):
    """Element by element: beat 0 in the lowest bits, vectors filled up to whole beats."""
    draw = data.draw
    about = identity(
        vectors=draw(st.integers(1, 4)), length=draw(st.integers(1, 9)), lanes=draw(st.integers(1, 9)),
        lane_bits=draw(st.integers(1, 12)),
    )  # fmt: skip
    seed, count = draw(st.integers(0, 1 << 32)), draw(st.integers(0, 3))
    codes = np.random.default_rng(seed).integers(0, 1 << about.lane_bits, (count, about.vectors * about.length))
    found = frame_bytes(about, codes)
    assert found.shape == (count, about.frame_bytes)
    for frame, octets in zip(codes.tolist(), found, strict=True):
        number, place = 0, 0
        for vector in range(about.vectors):
            elements = frame[vector * about.length : (vector + 1) * about.length]
            elements += [0] * (-about.length % about.lanes)
            for element in elements:
                number |= element << place
                place += about.lane_bits
        assert octets.tobytes() == number.to_bytes(about.frame_bytes, "little")


@given(st.data())
def test_scores_and_classes(data):
    draw = data.draw
    classes, bits = draw(st.one_of(st.integers(1, 12), st.sampled_from([256, 257]))), draw(st.integers(1, 40))
    about = identity(classes=classes, score_bits=bits)
    scores = draw(st.lists(st.integers(-(1 << bits >> 1), (1 << bits >> 1) - 1), min_size=classes, max_size=classes))
    best = draw(st.integers(0, classes - 1))
    number = sum((score & (1 << bits) - 1) << at * bits for at, score in enumerate(scores))
    answer = number.to_bytes(-(-classes * bits // 8), "little") + best.to_bytes(2 if classes > 256 else 1, "little")
    answers = np.frombuffer(answer * 2, np.uint8).reshape(2, -1)
    assert scores_of(about, answers).tolist() == [scores] * 2
    assert classes_of(about, answers).tolist() == [best] * 2


@given(seed=st.integers(0, 1 << 32), kinds=st.sets(st.sampled_from(KINDS), min_size=1))
def test_the_same_seed_gives_the_same_faults(seed, kinds):
    wire = [encode(Packet(2, number, 1, bytes(9))) for number in range(9)] + [b""] * 9

    def spoilt():
        resets = []
        faults = Faults(0.05, seed, kinds=sorted(kinds), reset=lambda: resets.append(1))
        return [faults.spoil(part) for part in wire], faults.counts, len(resets)

    first, counts, resets = spoilt()
    assert (first, counts, resets) == spoilt()
    assert resets == counts["reset"] and set(counts) <= kinds
    whole, came = b"".join(wire), b"".join(first)
    if set(counts) <= {"reset", "delay"}:
        # What is only late comes, and in its order.
        assert came == whole
    elif len(counts) == 1 and "flip" in counts:
        wrong = int.from_bytes(whole) ^ int.from_bytes(came)
        assert len(came) == len(whole) and wrong.bit_count() == counts["flip"]


def test_a_rate_that_is_none():
    with pytest.raises(LinkError, match="^The rate of faults must be 0 to 1, not 2.$"):
        Faults(2, 0)
