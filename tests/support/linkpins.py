"""A device as levels on two wires, for compiled simulation: one beat a cycle."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from amaranth.back import rtlil
from amaranth.hdl import Cat, Module, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from bitweir_hw.link.board_core import Device
from bitweir_hw.lower import lower, with_loadable_parameters
from bitweir_hw.network import LABEL, Affine, Dense, Network, Readout, check
from bitweir_hw.plan import Folding, Plan
from bitweir_sim.simulators.compiled import compile_design
from bitweir_sim.values.golden import run_slow
from support.linkbench import HELLO, SCORES, identity_of, packet
from support.strategies import identity_input

__all__ = ["BOARDS", "Board", "bytes_on"]


class _Pins(wiring.Component):
    """A beat at `i` is rx and the reset of a cycle, one at `o` is tx, busy and dropped."""

    i: stream.Interface
    o: stream.Interface

    def __init__(self, device):
        self.device = device
        super().__init__({"i": In(stream.Signature(2)), "o": Out(stream.Signature(3))})

    def elaborate(self, platform):
        m = Module()
        reset = Signal()
        m.submodules.device = ResetInserter(reset)(self.device)
        m.d.comb += [
            self.i.ready.eq(1),
            self.o.valid.eq(1),
            reset.eq(self.i.valid & self.i.payload[1]),
            self.device.rx.eq(~self.i.valid | self.i.payload[0]),
            self.o.payload.eq(Cat(self.device.tx, self.device.busy, self.device.dropped)),
        ]
        return m


@dataclass(frozen=True)
class Board:
    """A network, how it is folded, and how many cycles a bit of the wire has."""

    inputs: int
    hidden: int
    classes: int
    foldings: tuple[str, str]
    ratio: float
    capacity: int = 256
    loads: bool = False
    result: str = "class"

    CLOCK = 1_000_000

    @cached_property
    def network(self):
        rng = np.random.default_rng(self.inputs)
        hidden = Dense(
            name="hidden", weights=rng.random((self.hidden, self.inputs)) < 0.5,
            thresholds=rng.integers(-3, 3, (self.hidden, 1)), output=identity_input(1).format,
        )  # fmt: skip
        out = Dense(name="out", weights=rng.random((self.classes, self.hidden)) < 0.5)
        if self.result == "labels":
            out = replace(out, thresholds=rng.integers(-2, 3, (self.classes, 1)), output=LABEL)
            layers, readout = (hidden, out), Readout(kind="labels")
            return check(Network(name="net", input=identity_input(self.inputs), layers=layers, readout=readout))
        offset = Affine(
            name="scores", scale=rng.integers(1, 9, self.classes), offset=rng.integers(-20, 20, self.classes)
        )
        readout = Readout() if self.result == "class" else Readout(kind="scores", scale=("1/8",), offset=("-3",))
        layers = (hidden, out, offset)
        return check(Network(name="net", input=identity_input(self.inputs), layers=layers, readout=readout))

    @cached_property
    def pipeline(self):
        pairs = [tuple(map(int, text.split("x"))) for text in self.foldings]
        plan = Plan(foldings=tuple(Folding(simd=simd, pe=pe) for simd, pe in pairs))
        return lower(self.network, with_loadable_parameters(self.network, plan) if self.loads else plan)

    @cached_property
    def identity(self):
        return identity_of(self.pipeline, capacity=self.capacity, clock=self.CLOCK)

    @property
    def baud(self):
        return int(self.CLOCK / self.ratio)

    @property
    def cycles_a_bit(self):
        return self.CLOCK / self.baud

    def device(self):
        return Device(self.pipeline, self.identity, baud=self.baud)

    @cached_property
    def run(self):
        """Runs levels of rx, and resets: cycles of (rx, reset) to levels of tx."""
        text = rtlil.convert(_Pins(self.device()), name="pins", emit_src=False)
        design = compile_design(text, top="pins", optimise=1)

        def run(rx, reset=False):
            beats = (np.asarray(rx, np.uint64) | np.broadcast_to(reset, len(rx)).astype(np.uint64) << np.uint64(1))[
                :, None
            ]
            found = design.run(beats, max_cycles=len(beats))
            return (found.o.payloads[:, 0] & np.uint64(1)).astype(bool)

        return run

    def answer(self, request, network=None, parameters=0):
        """The packet that answers a request, by the golden model; of another network, if one is loaded."""
        identity = replace(self.identity, parameters=parameters)
        if request.kind == HELLO:
            return packet(HELLO | 0x80, request.number, identity.SIZE, identity.to_bytes())
        data = np.frombuffer(request.payload, np.uint8).reshape(request.count, identity.frame_bytes)
        # One bit is one element, and there is one vector: what pads it comes behind.
        codes = np.unpackbits(data, axis=1, bitorder="little")[:, : self.inputs]
        found, payload = run_slow(network or self.network, codes), b""
        for index, scores in enumerate(found.scores.tolist()):
            # A result that is no class comes whole, whatever is asked for.
            if request.kind == SCORES or found.classes is None:
                bits = identity.score_bits
                number = sum((score & ((1 << bits) - 1)) << (place * bits) for place, score in enumerate(scores))
                payload += number.to_bytes(identity.scores_bytes, "little")
            if found.classes is not None:
                payload += int(found.classes[index]).to_bytes(identity.class_bytes, "little")
        return packet(request.kind | 0x80, request.number, request.count, payload)


BOARDS = (
    Board(inputs=64, hidden=9, classes=4, foldings=("64x3", "9x4"), ratio=4),
    Board(inputs=33, hidden=8, classes=3, foldings=("13x8", "8x1"), ratio=5.3),
    Board(inputs=20, hidden=7, classes=3, foldings=("20x7", "7x2"), ratio=4, result="labels"),
    Board(inputs=12, hidden=9, classes=1, foldings=("12x3", "9x1"), ratio=4, result="scores"),
)


def bytes_on(levels, ratio):
    """What a UART without faults reads: bytes, and the cycles in which they begin.

    A bit is sampled in its middle. What has no stop bit is none; the next one begins after the wire was 1 again.
    """
    levels = np.asarray(levels, bool)
    lows, highs = np.flatnonzero(~levels), np.flatnonzero(levels)
    found, starts, at = [], [], 0
    while (place := np.searchsorted(lows, at)) < len(lows):
        start = int(lows[place])
        middles = np.floor(start + (np.arange(10) + 0.5) * ratio).astype(int)
        if middles[-1] >= len(levels):
            break
        bits = levels[middles]
        if bits[0]:
            at = start + 1
        elif bits[9]:
            found.append(int(np.packbits(bits[1:9], bitorder="little")[0]))
            starts.append(start)
            at = int(middles[9])
        else:
            place = np.searchsorted(highs, middles[9])
            at = int(highs[place]) if place < len(highs) else len(levels)
    return bytes(found), starts
