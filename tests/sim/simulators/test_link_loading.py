"""Parameters over the wire: what a device answers follows from the images that came whole, and from nothing else."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from bitweir_hw.accelerator import image_bytes, parameter_image, shape_crc, with_parameters_of
from bitweir_hw.lower import with_loadable_parameters
from bitweir_hw.plan import Folding, Plan
from bitweir_sim.compiler import compiler_missing
from hypothesis import given, settings
from hypothesis import strategies as st
from support.linkbench import CLASSES, HELLO, SCORES, packet, packets, samples, taken, wire
from support.linkpins import BOARDS, EQUAL, Board, Clocks, bytes_on
from support.linktraffic import frames
from support.loadbench import other_parameters

pytestmark = pytest.mark.skipif(compiler_missing() is not None, reason=str(compiler_missing()))

LOAD, LOAD_ODD, LOAD_EVEN = 4, 5, 6
LOADED = (
    *(replace(board, loads=True) for board in BOARDS),
    # As of an accelerator that is made for a wider port: bytes of the link are collected.
    replace(BOARDS[0], loads=True, load_width=4),
    replace(BOARDS[3], loads=True, load_width=16),
)


@cache
def networks(board):
    """By image: that of the board, and others of its shape."""
    pairs = [tuple(map(int, text.split("x"))) for text in board.foldings]
    plan = Plan(foldings=tuple(Folding(simd=a, pe=b) for a, b in pairs))
    plan = with_loadable_parameters(board.network, plan, load_width=board.load_width)
    limits = {name: (low, high) for name, low, high in plan.limits}
    others = [other_parameters(board.network, limits, np.random.default_rng(seed)) for seed in range(2)]
    return {
        parameter_image(with_parameters_of(network, board.network, plan)): network
        for network in (board.network, *others)
    }


class Model:
    """What a device knows, request by request."""

    def __init__(self, board):
        self.board, self.size = board, image_bytes(board.pipeline)
        self.image, self.even, self.first, self.loading, self.piece = None, False, False, False, b""

    def answer(self, request):
        if request.kind == HELLO:
            crc = int.from_bytes(self.image[-4:], "little") if self.image else 0
            return self.board.answer(request, parameters=crc)
        if request.kind in (CLASSES, SCORES) and self.image:
            return self.board.answer(request, networks(self.board)[self.image])
        if request.kind == LOAD or (request.kind == LOAD_EVEN) == self.even and request.kind >= LOAD_ODD:
            self.first |= request.kind == LOAD
            self.even = request.kind == LOAD_ODD
            self.take(request.payload)
        return packet(request.kind | 0x80, request.number, 0)

    def take(self, data):
        if self.first and data:
            self.first, self.loading, self.piece, self.image = False, True, b"", None
        if self.loading:
            self.piece = (self.piece + data)[: self.size]
            if len(self.piece) == self.size:
                self.loading = False
                # The others are damaged.
                self.image = self.piece if self.piece in networks(self.board) else None


def loads(board, image, fault, rng):
    """The packets of an image, cut into pieces; one may be missing, come twice, or be damaged."""
    size, room = board.identity.frame_bytes, (board.capacity - 5) // board.identity.frame_bytes
    image += bytes(-len(image) % size)
    kind, parts, at = LOAD, [], 0
    while at < len(image):
        count = min(int(rng.integers(1, room + 1)), (len(image) - at) // size)
        parts.append((kind, count, image[at : at + count * size]))
        kind = LOAD_EVEN if kind == LOAD_ODD else LOAD_ODD
        at += count * size
    place = int(rng.integers(len(parts)))
    kind, count, data = parts[place]
    spoilt = bytearray(data)
    spoilt[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
    return {
        "none": parts,
        "lost": parts[:place] + parts[place + 1 :],
        "twice": [*parts[: place + 1], *parts[place:]],
        "damaged": [*parts[:place], (kind, count, bytes(spoilt)), *parts[place + 1 :]],
        "cut": parts[:place],
    }[fault]


def traffic(board, faults, seed):
    """Packets of images, one for each fault, and between them some about frames."""
    rng, parts = np.random.default_rng(seed), []
    images = list(networks(board))
    todo = [part for fault in faults for part in loads(board, images[rng.integers(len(images))], fault, rng)]
    while todo or rng.random() < 0.7:
        if todo and rng.random() < 0.7:
            kind, count, data = todo.pop(0)
        else:
            kind = int(rng.choice([HELLO, CLASSES, SCORES]))
            count = 0 if kind == HELLO else int(rng.integers(4))
            data = frames(board.identity, count, rng)
        parts.append(wire(packet(kind, len(parts), count, data)))
    return parts


def run(board, parts, pause, clocks=EQUAL):
    """What comes back, if the host waits for some bit times after each packet."""
    timed = [(value, pause if n == 0 else 0) for part in parts for n, value in enumerate(part)]
    levels = samples(timed, ratio=board.cycles_a_bit, after=int(9000 * board.cycles_a_bit))
    return bytes_on(board.run(levels, clocks=clocks), board.cycles_a_bit)[0]


@settings(max_examples=80)
@given(
    board=st.sampled_from(LOADED),
    clocks=st.builds(Clocks, ratio=st.floats(1 / 4, 8), phase=st.floats(0, 1), jitter=st.sampled_from([0, 0.9])),
    faults=st.lists(st.sampled_from(["none", "none", "lost", "twice", "damaged", "cut"]), max_size=3),
    seed=st.integers(0, 2**32),
)
def test_answers_follow_the_images(board, clocks, faults, seed):
    # So long that the answer before has left: nothing is dropped for want of room.
    sent = traffic(board, faults, seed)
    found = packets(run(board, sent, 1300, clocks))
    model, identity = Model(board), board.identity
    requests = taken(b"".join(sent), frame_bytes=identity.frame_bytes, capacity=identity.capacity, loads=True)
    assert len(requests) == len(sent)
    assert found == [model.answer(request) for request in requests]


@pytest.mark.parametrize("board", LOADED)
def test_frames_behind_an_image_without_a_pause(board):
    """The image is in place before the first frame, although nobody waits for it."""
    rng, model, identity = np.random.default_rng(2), Model(board), board.identity
    for image in networks(board):
        *parts, last = [wire(packet(kind, 0, count, data)) for kind, count, data in loads(board, image, "none", rng)]
        last += b"".join(wire(packet(kind, kind, 1, frames(identity, 1, rng))) for kind in (SCORES, CLASSES))
        requests = taken(
            b"".join(parts) + last, frame_bytes=identity.frame_bytes, capacity=identity.capacity, loads=True
        )
        assert packets(run(board, [*parts, last], 1300)) == [model.answer(request) for request in requests]
        assert model.image == image


@pytest.mark.parametrize("board", LOADED)
@pytest.mark.parametrize("clocks", [EQUAL, Clocks(ratio=5.3), Clocks(ratio=1 / 3, phase=0.4)])
def test_an_identity_is_of_one_time(board, clocks):
    """The next image comes right behind a request for the identity, which tells of the one before all the same."""
    rng, model, identity = np.random.default_rng(3), Model(board), board.identity
    size, images = identity.frame_bytes, list(networks(board))
    first, *others = [loads(board, image, "none", rng) for image in images]
    sent = [wire(packet(kind, 0, count, data)) for kind, count, data in first]
    for parts in others:
        kind, count, data = parts.pop(0)
        sent.append(wire(packet(HELLO, 1, 0)) + wire(packet(kind, 2, count, data)))
        sent += [wire(packet(kind, 0, count, data)) for kind, count, data in parts]
    requests = taken(b"".join(sent), frame_bytes=size, capacity=identity.capacity, loads=True)
    assert packets(run(board, sent, 1300, clocks)) == [model.answer(one) for one in requests]
    assert model.image == images[-1]


def test_images_belong_to_a_shape():
    assert len({shape_crc(board.pipeline) for board in LOADED}) == len(LOADED)


def test_an_image_that_waits_for_frames():
    """All of it and the frames behind are there before the last frame of the network before is done."""
    # With frames of a byte, nothing fills up the image, so that the next request follows at once.
    board = Board(inputs=8, hidden=8, classes=3, foldings=("8x8", "8x1"), ratio=4, capacity=256, loads=True)
    rng, model, identity = np.random.default_rng(4), Model(board), board.identity
    first, second, _ = networks(board)
    asked = [(kind, count, frames(identity, count, rng)) for kind, count in ((SCORES, 60), (SCORES, 1), (CLASSES, 2))]
    size = identity.frame_bytes
    whole = [(LOAD, -(-len(image) // size), image + bytes(-len(image) % size)) for image in (first, second)]
    sent = [wire(packet(kind, 0, count, data)) for kind, count, data in (whole[0], asked[0], whole[1], *asked[1:])]
    requests = taken(b"".join(sent), frame_bytes=size, capacity=identity.capacity, loads=True)
    assert len(requests) == 5
    assert packets(run(board, [sent[0], b"".join(sent[1:])], 1300)) == [model.answer(one) for one in requests]
    assert model.image == second
