"""Drives the byte streams of an endpoint, and plays the accelerator behind it."""

import zlib
from collections import deque

import numpy as np
from amaranth.hdl import ResetInserter, Signal
from amaranth.sim import Simulator
from bitweir_hw.link.endpoint import Endpoint
from support.linkbench import HELLO, SCORES, identity_of, packet, packets, taken, wire

__all__ = ["EndpointBench", "answer", "scores_of"]


def scores_of(frame, identity):
    """Scores of a frame, from its bits alone; with ties."""
    half = 1 << (identity.score_bits - 1)
    rng = np.random.default_rng(zlib.crc32(frame))
    scores = rng.integers(-half, half, identity.classes)
    return scores if rng.random() < 0.5 else np.maximum(scores, np.sort(scores)[-min(2, len(scores))])


def answer(request, identity):
    """The packet that answers a request."""
    if request.kind == HELLO:
        return packet(HELLO | 0x80, request.number, identity.SIZE, identity.to_bytes())
    payload = b""
    for at in range(0, len(request.payload), identity.frame_bytes):
        scores = scores_of(_frame(request.payload[at : at + identity.frame_bytes], identity), identity)
        # A result that is no class comes whole, whatever is asked for.
        if request.kind == SCORES or not identity.class_bytes:
            payload += _joined(scores, identity.score_bits).to_bytes(identity.scores_bytes, "little")
        if identity.class_bytes:
            payload += int(np.argmax(scores)).to_bytes(identity.class_bytes, "little")
    return packet(request.kind | 0x80, request.number, request.count, payload)


def _joined(numbers, bits):
    return sum((int(number) & ((1 << bits) - 1)) << (place * bits) for place, number in enumerate(numbers))


def _frame(data, identity):
    """The bits of a frame without those that fill the last byte."""
    number = int.from_bytes(data, "little") & ((1 << identity.frame_bits) - 1)
    return number.to_bytes(identity.frame_bytes, "little")


class EndpointBench:
    """An endpoint, the host's end of its bytes, and an accelerator that is a function.

    Parameters
    ----------
    pipeline : Pipeline
    capacity : int
    depth : int
        Frames that the accelerator holds before it takes no more.
    stalls : dict of str to bool array
        For `i`, `o`, `frames`, `results`: the cycles in which that side holds back; round and round.
    """

    def __init__(self, pipeline, *, capacity=256, depth=2, stalls=None):
        self.identity = identity_of(pipeline, capacity=capacity)
        self.dut = Endpoint(pipeline, self.identity)
        self.depth, self.stalls = depth, stalls or {}
        self.sent, self.got = bytearray(), bytearray()
        self.received_at, self.sent_at, self.drops = [], [], 0
        self.cycle, self._frames = 0, 0
        self._beats, self._results = [], deque()

    def run(self, data, *, waits=lambda bench, place: False, quiet=300, resets=(), limit=200_000):
        """Send bytes until all is answered.

        Parameters
        ----------
        waits : callable
            Whether the byte at a place of the data waits in a cycle.
        quiet : int
            Cycles without a beat that end it, if nothing is to be answered: more than any stall.
        resets : set of int
            Cycles in which the whole is reset.
        """
        dut, self.reset = self.dut, Signal()
        driven = [
            *(self.reset, dut.i.valid, dut.i.payload, dut.results.valid, dut.results.payload),
            *(dut.o.ready, dut.frames.ready),
        ]
        watched = [dut.o.valid, dut.o.payload, dut.frames.valid, dut.frames.payload, dut.results.ready, dut.i.ready]

        async def bench(ctx):
            since, offered, result_offered, held, applied = 0, False, False, None, [None] * len(driven)
            for cycle in range(limit):
                self.cycle, left = cycle, len(self.sent) < len(data)
                offered = offered or (left and self._goes("i") and not waits(self, len(self.sent)))
                result_offered = result_offered or (bool(self._results) and self._goes("results"))
                takes = self._goes("o")
                accepts = self._goes("frames") and len(self._results) < self.depth * self.identity_beats
                byte_sent = data[len(self.sent)] if offered else 0xA5
                result = self._results[0] if result_offered else 0
                values = [cycle in resets, offered, byte_sent, result_offered, result, takes, accepts]
                for place, value in enumerate(values):
                    # A write costs as much as what the design does in a cycle.
                    if applied[place] != value:
                        ctx.set(driven[place], value)
                applied = values
                *_, busy, dropped, valid, byte, beat_valid, beat, result_ready, ready = await ctx.tick().sample(
                    dut.busy, dut.dropped, *watched
                )
                assert held in (None, (valid, byte)), f"o changed before it moved in cycle {cycle}"
                held = (valid, byte) if valid and not takes and cycle not in resets else None
                moves = [valid and takes, beat_valid and accepts, result_offered and result_ready, offered and ready]
                if moves[0]:
                    self.got.append(byte)
                    self.received_at.append(cycle)
                if moves[1]:
                    self._take(beat)
                if moves[2]:
                    self._results.popleft()
                    result_offered = False
                if moves[3]:
                    self.sent.append(data[len(self.sent)])
                    self.sent_at.append(cycle)
                    offered = False
                self.drops += dropped
                if cycle in resets:
                    self._beats.clear()
                    self._results.clear()
                    offered = result_offered = False
                since = 0 if any(moves) else since + 1
                if since > quiet and not (held or left or busy):
                    return
                # The longest block takes as many bytes until the first of them leaves.
                assert since < quiet + 3000, f"nothing moves any more in cycle {cycle}"
            raise AssertionError("it takes too long")

        simulator = Simulator(ResetInserter(self.reset)(dut))
        simulator.add_clock(1e-6)
        simulator.add_testbench(bench)
        simulator.run()
        assert not self._results
        assert not self._beats

    def _goes(self, name):
        """Whether a side does not hold back."""
        pattern = self.stalls.get(name, ())
        return not (len(pattern) and pattern[self.cycle % len(pattern)])

    @property
    def identity_beats(self):
        """Beats of the results of a frame."""
        return -(-self.identity.classes // self.identity.output_lanes)

    @property
    def under_way(self):
        """Bytes of the requests that were sent and whose last frame is not in the accelerator."""
        total, frames = 0, self._frames
        answered = len(packets(bytes(self.got)))
        for place, request in enumerate(self.requests()):
            frames -= 0 if request.kind == HELLO else request.count
            # A request without frames leaves when it is answered at the latest.
            left = place < answered or (frames >= 0 and request.payload)
            total += 0 if left else request.size
        return total

    def requests(self):
        """What was sent and must be taken, if there was room."""
        return taken(bytes(self.sent), frame_bytes=self.identity.frame_bytes, capacity=self.identity.capacity)

    def answers(self):
        """What came back; nothing else may come."""
        found = packets(bytes(self.got))
        assert not self.got or self.got[-1] == 0
        # It begins with a zero, after which everything is new.
        assert b"\0" + b"".join(map(wire, found)) == self.got
        return found

    def _take(self, beat):
        identity = self.identity
        self._beats.append(beat)
        if len(self._beats) * identity.beat_bits < identity.frame_bits:
            return
        frame = _joined(self._beats, identity.beat_bits).to_bytes(identity.frame_bytes, "little")
        self._beats.clear()
        self._frames += 1
        scores, lanes = scores_of(frame, identity), identity.output_lanes
        for at in range(0, identity.classes, lanes):
            part = _joined(scores[at : at + lanes], identity.score_bits)
            best = int(np.argmax(scores[: at + lanes]))
            bits = max(1, (identity.classes - 1).bit_length()) if identity.class_bytes else 0
            tail = best * (bits > 0) | (at + lanes >= identity.classes) << bits
            self._results.append(part | tail << (lanes * identity.score_bits))
