# amaranth: UnusedElaboratable=no
"""The device's end of the link between bytes and beats: each request taken is answered once, right, in order."""

from dataclasses import replace

import numpy as np
import pytest
from bitweir_hw.errors import LinkError
from bitweir_hw.link.endpoint import Endpoint
from hypothesis import given, settings
from hypothesis import strategies as st
from support.linkbench import CLASSES, HELLO, SCORES, ends_of, identity_of, packet, packets, wire
from support.linkendpoint import EndpointBench, answer
from support.linktraffic import chunks, frames


@st.composite
def pipelines(draw):
    return ends_of(
        beat_bits=draw(st.sampled_from([1, 3, 8, 12, 13, 64])),
        beats=draw(st.integers(1, 3)),
        classes=draw(st.sampled_from([1, 2, 7, 10, 300])),
        lanes=draw(st.sampled_from([1, 2, 3, 10])),
        score_bits=draw(st.integers(1, 9)),
        result=draw(st.sampled_from(["class", "class", "labels", "scores", "codes"])),
    )


def patterns(*names):
    """Stalls of some sides: none, rare, most of the time; and for long times."""
    pattern = st.builds(
        lambda seed, share, length: np.repeat(np.random.default_rng(seed).random(97) < share, length),
        st.integers(0, 2**32),
        st.sampled_from([0, 0.2, 0.7]),
        st.sampled_from([1, 1, 12]),
    )
    return st.fixed_dictionaries(dict.fromkeys(names, pattern))


@settings(max_examples=20)
@given(st.data())
def test_what_is_taken_is_answered_once_right_and_in_order(data):
    pipeline = data.draw(pipelines())
    capacity = data.draw(st.sampled_from([64, 128, 256]))
    bench = EndpointBench(
        pipeline,
        capacity=capacity,
        depth=data.draw(st.integers(1, 3)),
        stalls=data.draw(patterns("i", "o", "frames", "results")),
    )
    parts = data.draw(chunks(bench.identity))
    starts = {sum(map(len, parts[:n])): len(part) for n, part in enumerate(parts)}

    def waits(bench, place):
        # As a host does: what is under way has room. (An encoded packet is longer than what it takes.)
        return place in starts and bench.under_way + min(starts[place], capacity) > capacity

    bench.run(b"".join(parts), waits=waits, quiet=400)
    assert bench.answers() == [answer(request, bench.identity) for request in bench.requests()]


@settings(max_examples=8)
@given(st.data())
def test_without_room_requests_are_lost_and_nothing_else(data):
    bench = EndpointBench(ends_of(), capacity=64, stalls=data.draw(patterns("o", "frames")))
    late = np.arange(30_000) < 2500
    bench.stalls["o"] = data.draw(st.sampled_from([late, bench.stalls["o"]]))
    bench.run(b"".join(data.draw(chunks(bench.identity))), quiet=2600)
    wanted = [answer(request, bench.identity) for request in bench.requests()]
    found = bench.answers()
    rest = iter(wanted)
    assert all(any(answer_ == other for other in rest) for answer_ in found)
    if sum(request.size for request in bench.requests()) <= 64:
        assert found == wanted


def example(**settings):
    bench = EndpointBench(ends_of(**settings))
    return bench, np.random.default_rng(3)


def test_ring_is_full_to_the_byte():
    # Nothing leaves: the accelerator takes nothing. Its first beat and the header's bytes have left the ring.
    bench, rng = example()
    bench.stalls["frames"] = np.arange(30_000) < 6000
    payload = frames(bench.identity, 30, rng)
    first = wire(packet(CLASSES, 1, 30, payload))
    size, left = 11 + 30 * 8, 11 + 8 + 1
    fits = (256 - size + left - 11) // 8
    exact = wire(packet(CLASSES, 2, fits, frames(bench.identity, fits, rng)))
    over = wire(packet(CLASSES, 3, fits + 1, frames(bench.identity, fits + 1, rng)))
    bench.run(first + over + exact, quiet=6000)
    assert [found[1] for found in bench.answers()] == [1, 2]
    assert bench.drops == 1


def test_a_request_of_the_whole_capacity():
    bench, rng = example(beat_bits=8, beats=245)
    data = wire(packet(SCORES, 1, 1, frames(bench.identity, 1, rng)))
    bench.run(data * 3, waits=lambda bench, place: place % len(data) == 0 and bench.under_way)
    assert bench.answers() == [answer(request, bench.identity) for request in bench.requests()]
    assert len(bench.answers()) == 3


def test_dropped_tells_of_packets_but_not_of_empty_ones():
    bench, rng = example()
    good = wire(packet(CLASSES, 1, 1, frames(bench.identity, 1, rng)))
    bench.run(b"\0\0\0" + good + b"\0" + b"\1\0" + good[3:] + b"\2\0" + good)
    # The one that is cut, and the block that is; b"\1" is the code of an empty packet.
    assert bench.drops == 2
    assert len(bench.answers()) == 2


@pytest.mark.parametrize("when", range(0, 700, 97))
def test_reset_in_the_middle(when):
    # What was under way is gone, wherever it was; what comes after a zero is answered.
    bench, rng = example()
    first = b"".join(wire(packet(SCORES, n, 2, frames(bench.identity, 2, rng))) for n in (1, 2))
    last = b"\0" + wire(packet(SCORES, 3, 2, frames(bench.identity, 2, rng))) + wire(packet(HELLO, 4, 0))
    bench.run(first + last, resets={when}, waits=lambda bench, place: place >= len(first) and bench.cycle <= when)
    wanted = [answer(request, bench.identity) for request in bench.requests()]
    found = [data for data in packets(bytes(bench.got)) if data in wanted]
    assert found[-2:] == wanted[-2:]
    # Before that come some of the answers before, in order; and one at most that was cut.
    rest = iter(wanted[:-2])
    assert all(any(data == other for other in rest) for data in found[:-2])
    assert len(packets(bytes(bench.got))) - len(found) <= 1


def test_pauses_of_any_length():
    bench, rng = example()
    bench.stalls["i"] = np.arange(301) != 0
    data = wire(packet(CLASSES, 1, 1, frames(bench.identity, 1, rng)))
    bench.run(data, quiet=400)
    assert bench.answers() == [answer(request, bench.identity) for request in bench.requests()]
    assert len(bench.answers()) == 1


def test_a_wire_is_never_slowed():
    # A byte comes every 10 cycles, all of them are taken; and the answers, which are longer, go without a gap.
    bench, rng = example(classes=10, lanes=2, score_bits=8)
    bench.stalls = {"i": np.arange(10) != 0, "o": np.arange(20) != 0}
    data = b"".join(wire(packet(SCORES, n, 5, frames(bench.identity, 5, rng))) for n in range(5))
    bench.run(data)
    assert set(np.diff(bench.sent_at)) == {10}
    assert len(bench.answers()) == len(bench.requests()) == 5
    # Until the first block is over there is nothing to send.
    first = bench.got.index(0, 1)
    assert set(np.diff(bench.received_at[first:])) == {20}


def test_hello_takes_its_turn():
    bench, rng = example()
    hello = wire(packet(HELLO, 0x123456789ABCDEF0, 0))
    bench.run(hello + wire(packet(CLASSES, 7, 3, frames(bench.identity, 3, rng))) + hello)
    assert [found[0] for found in bench.answers()] == [0x81, 0x82, 0x81]
    assert bench.answers()[0][11:-4] == bench.identity.to_bytes()
    assert bench.answers()[0][1:11] == b"\xf0\xde\xbc\x9a\x78\x56\x34\x12\x44\x00"


@pytest.mark.parametrize(("capacity", "least"), [(8, 32), (16, 32), (100, 32), (255, 32), (0, 32)])
def test_capacity(capacity, least):
    with pytest.raises(LinkError) as failure:
        Endpoint(ends_of(), identity_of(ends_of(), capacity=capacity))
    assert str(failure.value) == (
        f"The capacity must be a power of two from {least} bytes on, so that a request of one frame has room, "
        f"not {capacity}."
    )


def test_identity_of_another_pipeline():
    with pytest.raises(ValueError, match="^identity must be that of the pipeline$"):
        Endpoint(ends_of(), replace(identity_of(ends_of()), lanes=32))
