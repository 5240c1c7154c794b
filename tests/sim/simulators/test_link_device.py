"""Whole devices at their pins: each packet that is taken is answered once, right and in order, and nothing else is."""

from dataclasses import replace

import numpy as np
import pytest
from amaranth.hdl import Fragment
from amaranth.sim import Simulator
from bitweir_sim.compiler import compiler_missing
from hypothesis import given, settings
from hypothesis import strategies as st
from support.linkbench import CLASSES, HELLO, SCORES, packet, packets, samples, taken, wire
from support.linkpins import BOARDS, EQUAL, Board, Clocks, Metastable, bytes_on
from support.linktraffic import chunks, frames

compiled = pytest.mark.skipif(compiler_missing() is not None, reason=str(compiler_missing()))
boards = st.sampled_from(BOARDS)
clocks = st.builds(
    Clocks,
    ratio=st.one_of(st.sampled_from([1, 3, 8, 1 / 8, 2 / 3]), st.floats(1 / 8, 8)),
    phase=st.floats(0, 1),
    jitter=st.sampled_from([0, 0, 0.9]),
    seed=st.integers(0, 2**32),
)
#: Bit times in which the longest of these answers leaves.
ANSWERED = 4000


def paced(data, pauses=()):
    """Bytes with pauses before them, in bits."""
    return [(value, pauses[n % len(pauses)] if len(pauses) else 0) for n, value in enumerate(data)]


def levels_of(board, timed, *, off=0.0, shift=0.0, after=ANSWERED):
    return samples(timed, ratio=board.cycles_a_bit * (1 + off), shift=shift, after=int(after * board.cycles_a_bit))


def read(board, levels, clocks=EQUAL):
    """What comes back."""
    data, _ = bytes_on(board.run(levels, clocks=clocks), board.cycles_a_bit)
    return data


def requests(board, data):
    return taken(data, frame_bytes=board.identity.frame_bytes, capacity=board.identity.capacity)


def in_order(some, all_):
    """Whether some of all are there, each once, in order."""
    rest = iter(all_)
    return all(any(item == other for other in rest) for item in some)


@compiled
@settings(max_examples=60)
@given(
    data=st.data(),
    board=boards,
    clocks=clocks,
    off=st.sampled_from([0, 0, -0.02, 0.02]),
    shift=st.floats(0, 1),
    pauses=st.lists(st.sampled_from([0, 0, 0, 0.3, 2.6, 40]), max_size=9),
)
def test_what_is_taken_is_answered(data, board, clocks, off, shift, pauses):
    sent = b"".join(data.draw(chunks(board.identity)))
    found = read(board, levels_of(board, paced(sent, pauses), off=off, shift=shift), clocks)
    wanted = [board.answer(request) for request in requests(board, sent)]
    assert packets(found) == wanted
    assert found == b"\0" + b"".join(map(wire, wanted))


def clean(board, number, rng, kind=CLASSES, count=1):
    return packet(kind, number, count, frames(board.identity, count, rng))


@compiled
@settings(max_examples=50)
@given(
    board=boards,
    clocks=clocks,
    seed=st.integers(0, 2**32),
    noisy=st.lists(st.sampled_from(["bits", "spikes", "low", "quiet"]), min_size=1, max_size=5),
)
def test_noise_on_the_wire(board, clocks, seed, noisy):
    # After the noise there is a silence of a byte, and a zero: then the request is whole.
    rng = np.random.default_rng(seed)
    parts, sent = [], []
    for number, kind in enumerate(noisy):
        length = int(rng.integers(1, 300))
        noise = {
            "bits": rng.random(length) < 0.5,
            "spikes": rng.random(length) > 0.03,
            "low": np.zeros(length, bool),
            "quiet": np.ones(length, bool),
        }[kind]
        silence = np.ones(int(12 * board.cycles_a_bit) + 1, bool)
        sent.append(wire(clean(board, number, rng)))
        parts += [noise, silence, samples(paced(b"\0" + sent[-1]), ratio=board.cycles_a_bit)]
    wanted = [board.answer(request) for request in requests(board, b"".join(sent))]
    assert len(wanted) == len(noisy)
    tail = np.ones(int(ANSWERED * board.cycles_a_bit), bool)
    found = packets(read(board, np.concatenate([*parts, tail]), clocks))
    assert found == wanted


@compiled
@settings(max_examples=50)
@given(board=boards, clocks=clocks, seed=st.integers(0, 2**32), share=st.sampled_from([0.0005, 0.003, 0.02]))
def test_flipped_samples(board, clocks, seed, share):
    # The wire is wrong in some cycles, anywhere: what comes back is answers to some of the requests.
    rng = np.random.default_rng(seed)
    data = [wire(clean(board, number, rng, kind=SCORES, count=2)) for number in range(6)]
    levels = levels_of(board, paced(b"\0".join(data)))
    quiet = int(ANSWERED * board.cycles_a_bit)
    levels[:-quiet] ^= rng.random(len(levels) - quiet) < share
    wanted = [board.answer(request) for request in requests(board, b"".join(data))]
    assert len(wanted) == 6
    assert in_order(packets(read(board, levels, clocks)), wanted)
    # And one that follows is answered.
    last = wire(clean(board, 99, rng))
    found = packets(read(board, np.concatenate([levels, levels_of(board, paced(b"\0" + last))]), clocks))
    assert found[-1] == board.answer(requests(board, last)[0])
    assert in_order(found[:-1], wanted)


@compiled
@settings(max_examples=50)
@given(
    board=boards,
    clocks=clocks,
    seed=st.integers(0, 2**32),
    when=st.floats(0, 1),
    length=st.integers(0, 50),
    skew=st.integers(-20, 20),
)
def test_reset_at_any_time(board, clocks, seed, when, length, skew):
    # Either clock may be reset first, if for some cycles of both of them both are.
    clocks = replace(clocks, skew=skew)
    length += abs(skew) + int(8 / min(1, clocks.ratio))
    rng = np.random.default_rng(seed)
    data = [wire(clean(board, number, rng, kind=SCORES, count=3)) for number in range(4)]
    data.insert(2, wire(packet(HELLO, 1000, 0)))
    first = levels_of(board, paced(b"".join(data)), after=500)
    last = wire(clean(board, 99, rng, kind=SCORES))
    levels = np.concatenate([first, levels_of(board, paced(b"\0" + last))])
    reset = np.zeros(len(levels), bool)
    at = int(when * (len(first) - length))
    reset[at : at + length] = True
    wanted = [board.answer(request) for request in requests(board, b"".join(data))]
    tx = board.run(levels, reset, clocks)
    found = [*packets(bytes_on(tx[:at], board.cycles_a_bit)[0]), *packets(bytes_on(tx[at:], board.cycles_a_bit)[0])]
    assert found[-1] == board.answer(requests(board, last)[0])
    # A byte that the reset cut may look like another one, in a packet that is none then.
    assert in_order([data for data in found[:-1] if data in wanted], wanted)
    assert sum(data not in wanted for data in found[:-1]) <= 1


@compiled
@pytest.mark.parametrize("board", BOARDS)
def test_more_than_there_is_room_for(board):
    # Identities are long: their answers keep the requests behind waiting until some find no room.
    rng = np.random.default_rng(5)
    data = [wire(packet(HELLO, number, 0)) for number in range(150)]
    data += [wire(clean(board, 1000 + number, rng)) for number in range(3)]
    levels = levels_of(board, paced(b"".join(data)), after=150 * 900)
    wanted = [board.answer(request) for request in requests(board, b"".join(data))]
    found = packets(read(board, levels))
    assert in_order(found, wanted)
    # All that is 5 bytes large at first, and one whenever one has left.
    assert board.identity.capacity // 5 < len(found) < len(wanted)
    last = wire(clean(board, 2000, rng))
    found = packets(read(board, np.concatenate([levels, levels_of(board, paced(last))])))
    assert found[-1] == board.answer(requests(board, last)[0])


@compiled
@pytest.mark.parametrize("board", BOARDS)
def test_answers_leave_no_gap(board):
    data = b"".join(wire(packet(HELLO, number, 0)) for number in range(5))
    found, starts = bytes_on(board.run(levels_of(board, paced(data))), board.cycles_a_bit)
    assert len(packets(found)) == 5
    first = found.index(0, 1)
    gaps = np.diff(starts[first:])
    # To a cycle, and the 0.05 % by which the rate may be wrong.
    assert max(abs(gaps - 10 * board.cycles_a_bit)) <= 1 + 0.005 * board.cycles_a_bit


@settings(max_examples=3)
@given(data=st.data(), off=st.sampled_from([0.02, -0.02]), clocks=clocks)
def test_in_amaranths_own_simulator(data, off, clocks):
    board = Board(inputs=20, hidden=6, classes=3, foldings=("6x3", "3x2"), ratio=4.7)
    sent = b"".join(data.draw(chunks(board.identity, most=3)))
    levels = levels_of(board, paced(sent), off=off, after=900)
    tx = []
    dut = board.device()

    async def bench(ctx):
        for level in levels:
            ctx.set(dut.rx, int(level))
            tx.append(ctx.get(dut.tx))
            await ctx.tick("link")

    simulator = Simulator(Fragment.get(dut, Metastable()))
    simulator.add_clock(1e-6, domain="link")
    simulator.add_clock(1e-6 / clocks.ratio, phase=clocks.phase * 1e-6 / clocks.ratio)
    simulator.add_testbench(bench)
    simulator.run()
    found, _ = bytes_on(tx, board.cycles_a_bit)
    assert packets(found) == [board.answer(request) for request in requests(board, sent)]
