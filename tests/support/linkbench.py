"""What the tests of the link share: packets, what a device must do with bytes, and a driver of streams."""

import zlib
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from amaranth.hdl import Value
from amaranth.sim import Simulator
from bitweir_hw.blocks import ArgmaxSpec, ResultSpec
from bitweir_hw.blocks.pipeline import Node, Pipeline, Stream
from bitweir_hw.link.protocol import Identity
from cobs import cobs

__all__ = [
    "CLASSES",
    "HELLO",
    "SCORES",
    "Request",
    "ends_of",
    "exchange",
    "identity_of",
    "packet",
    "packets",
    "samples",
    "taken",
    "wire",
]

HELLO, CLASSES, SCORES = 1, 2, 3


def packet(kind, number, count, payload=b""):
    """A packet with its check sum."""
    body = bytes([kind]) + number.to_bytes(8, "little") + count.to_bytes(2, "little") + payload
    return body + zlib.crc32(body).to_bytes(4, "little")


def wire(data):
    """A packet as it goes over the wire."""
    return cobs.encode(data) + b"\0"


def packets(data):
    """What whole packets are in the bytes on a wire; None for what is none. Empty ones mean nothing."""
    found = []
    for part in data.split(b"\0")[:-1]:
        try:
            decoded = cobs.decode(part)
        except cobs.DecodeError:
            decoded = None
        if decoded != b"":
            found.append(decoded)
    return found


@dataclass(frozen=True)
class Request:
    """What a device takes."""

    kind: int
    number: int
    count: int
    payload: bytes

    @property
    def size(self):
        """Bytes that it takes of the room."""
        return 11 + len(self.payload)


def taken(data, *, frame_bytes, capacity, loads=False):
    """The requests in the bytes on a wire that a device takes, if all those before have left."""
    requests = []
    for body in packets(data):
        if body is None or len(body) < 15 or zlib.crc32(body[:-4]) != int.from_bytes(body[-4:], "little"):
            continue
        number, count = int.from_bytes(body[1:9], "little"), int.from_bytes(body[9:11], "little")
        request = Request(body[0], number, count, body[11:-4])
        frames = 0 if request.kind == HELLO else request.count
        shaped = len(request.payload) == frames * frame_bytes and (request.kind != HELLO or request.count == 0)
        if request.kind in range(HELLO, 7 if loads else 4) and shaped and request.size <= capacity:
            requests.append(request)
    return requests


def ends_of(*, beat_bits=64, beats=1, classes=10, lanes=4, score_bits=7, result="class"):
    """A pipeline of nothing but its ends: a frame comes in so many beats, scores leave in so many lanes."""
    sizes = {"name": "argmax", "layer": "argmax", "classes": classes, "lanes": lanes, "lane_bits": score_bits}
    block = ArgmaxSpec(**sizes) if result == "class" else ResultSpec(kind=result, **sizes)
    length = beat_bits * beats
    streams = (
        Stream(name="i", layer="input", length=length, vectors=1, lanes=beat_bits, lane_bits=1, signed=False),
        Stream(
            name="argmax",
            layer="argmax",
            length=classes,
            vectors=1,
            lanes=lanes,
            lane_bits=score_bits,
            signed=block.elements_signed,
        ),
    )
    return Pipeline(nodes=(Node(block=block, inputs=(0,), outputs=(1,)),), streams=streams)


def identity_of(pipeline, *, capacity=256, clock=1_000_000):
    """An identity with a digest of random bits."""
    noise = sha256(b"bitweir").digest()
    return Identity.of(pipeline, capacity=capacity, clock=clock, cycles=3, latency=9, digest=noise, plan=noise[::-1])


def exchange(dut, beats, *, i_stalls=(), o_stalls=(), quiet=60, limit=100_000):
    """Drive the streams `i` and `o` of a component, and check the rules of streams.

    Parameters
    ----------
    beats : list of int
        Payloads at the input.
    i_stalls, o_stalls : sequence of bool
        Whether a side holds back in a cycle; afterwards it never does.
    quiet : int
        The cycles without any beat that end it.

    Returns
    -------
    list of int, list of int, list of int
        Payloads at the output, the cycles in which they moved, and those in which the input's did.
    """
    o_payload, i_payload = Value.cast(dut.o.payload), Value.cast(dut.i.payload)
    ones = (1 << len(i_payload)) - 1
    out, o_cycles, i_cycles = [], [], []

    async def bench(ctx):
        cycle, since, offered, held = 0, 0, False, None
        while since < quiet:
            sent = len(i_cycles)
            offered = offered or (sent < len(beats) and not (cycle < len(i_stalls) and i_stalls[cycle]))
            takes = not (cycle < len(o_stalls) and o_stalls[cycle])
            # Neither side sees in a cycle what the other one does in it.
            ctx.set(dut.i.valid, offered)
            ctx.set(i_payload, beats[sent] if offered else 0)
            ctx.set(dut.o.ready, not takes)
            before = ctx.get(dut.i.ready)
            ctx.set(dut.o.ready, takes)
            ready = ctx.get(dut.i.ready)
            assert before == ready, f"i.ready sees o.ready in cycle {cycle}"
            seen = (ctx.get(dut.o.valid), ctx.get(o_payload))
            ctx.set(dut.i.valid, not offered)
            ctx.set(i_payload, ctx.get(i_payload) ^ ones)
            assert seen == (ctx.get(dut.o.valid), ctx.get(o_payload)), f"o sees i in cycle {cycle}"
            ctx.set(dut.i.valid, offered)
            ctx.set(i_payload, ctx.get(i_payload) ^ ones)
            assert held in (None, seen), f"o changed before it moved in cycle {cycle}"
            held = seen if seen[0] and not takes else None
            if seen[0] and takes:
                out.append(seen[1])
                o_cycles.append(cycle)
            if offered and ready:
                i_cycles.append(cycle)
                offered = False
            waits = len(i_cycles) < len(beats) or held
            since = 0 if waits or (seen[0] and takes) else since + 1
            cycle += 1
            assert cycle < limit, "nothing moves any more"
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return out, o_cycles, i_cycles


def samples(data, *, ratio, shift=0.0, before=10, after=30):
    """Levels of a wire, once a cycle.

    Parameters
    ----------
    data : list of (int, float)
        Bytes, and the pauses before them in bits.
    ratio : float
        Cycles a bit.
    shift : float
        Cycles that the whole is late.
    before, after : int
        Cycles of silence.
    """
    begins, levels, time = [0.0], [1], before + shift
    for value, pause in data:
        time += pause * ratio
        for place, level in enumerate([0, *(value >> n & 1 for n in range(8)), 1]):
            begins.append(time + place * ratio)
            levels.append(level)
        time += 10 * ratio
    # A cycle sees the level that the wire has when it begins.
    cycles = np.arange(int(time) + 1 + after)
    return np.array(levels, bool)[np.searchsorted(begins, cycles, side="right") - 1]
