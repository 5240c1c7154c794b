"""A device as levels on two wires, for compiled simulation: one beat for each edge of its clocks."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from amaranth.back import rtlil
from amaranth.hdl import Cat, DomainRenamer, EnableInserter, Module, Mux, ResetInserter, Signal
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

__all__ = ["BOARDS", "EQUAL", "Board", "Clocks", "Metastable", "bytes_on"]


@dataclass(frozen=True)
class Clocks:
    """How the accelerator's clock goes beside that of the link.

    Parameters
    ----------
    ratio : float
        Its cycles in one of the link.
    phase : float
        When its first edge comes, in its cycles.
    jitter : float
        The part of a cycle by which an edge may be early or late.
    skew : int
        Cycles of the link by which its reset comes later; may be negative.
    seed : int
    """

    ratio: float = 1.0
    phase: float = 0.0
    jitter: float = 0.0
    skew: int = 0
    seed: int = 0

    def events(self, cycles):
        """The edges in so many cycles of the link: place in these, whether the link ticks, and the accelerator."""
        rng = np.random.default_rng(self.seed)
        own = self.phase + np.arange(int(cycles * self.ratio) + 1)
        own = (own + self.jitter * rng.uniform(-0.5, 0.5, len(own))) / self.ratio
        # What is as close as that is at once.
        own = np.round(own[(own >= 0) & (own <= cycles - 1)], 6)
        link = np.arange(cycles, dtype=float)
        times = np.union1d(own, link)
        return np.searchsorted(link, times), np.isin(times, link), np.isin(times, own)


#: Both clocks are one.
EQUAL = Clocks()


class Metastable:
    """A platform whose synchronisers see what has changed since their last edge, or see it an edge later, by chance.

    The wire of a UART is spared: it changes at edges here already.
    """

    def __init__(self):
        self.seed = 0xACE1

    def get_ff_sync(self, ff):
        m = Module()
        domain = m.d[ff._o_domain]
        self.seed = self.seed * 5 % 65521
        before, chance = Signal.like(ff.i, reset_less=True), Signal(16, init=self.seed, reset_less=True)
        domain += [before.eq(ff.i), chance.eq(Mux(chance[0], chance >> 1 ^ 0xB400, chance >> 1))]
        stage = ff.i if ff.i.name == "rx" else Mux(chance[0], before, ff.i)
        for _ in range(ff._stages):
            following = Signal.like(ff.o, init=ff._init, reset_less=ff._reset_less)
            domain += following.eq(stage)
            stage = following
        m.d.comb += ff.o.eq(stage)
        return m


class _Pins(wiring.Component):
    """A beat at `i` is rx, two resets, and which clocks tick: the link's first; one at `o` is tx, busy and dropped.

    What ticks is told by enables, so one simulated clock makes edges in any order.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, device):
        self.device = device
        super().__init__({"i": In(stream.Signature(5)), "o": Out(stream.Signature(3))})

    def elaborate(self, platform):
        m = Module()
        resets = {"link": Signal(), "sync": Signal()}
        ticks = {"link": Signal(), "sync": Signal()}
        inserted = EnableInserter(ticks)(ResetInserter(resets)(self.device))
        m.submodules.device = DomainRenamer({"link": "sync"})(inserted)
        m.d.comb += [
            self.i.ready.eq(1),
            self.o.valid.eq(1),
            self.device.rx.eq(~self.i.valid | self.i.payload[0]),
            Cat(resets.values(), ticks.values()).eq(Mux(self.i.valid, self.i.payload[1:], 0)),
            self.o.payload.eq(Cat(self.device.tx, self.device.busy, self.device.dropped)),
        ]
        return m


@dataclass(frozen=True)
class Board:
    """A network, how it is folded, and how many cycles of the link a bit of the wire has."""

    inputs: int
    hidden: int
    classes: int
    foldings: tuple[str, str]
    ratio: float
    capacity: int = 256
    loads: bool = False
    load_width: int = 1
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
        if self.loads:
            plan = with_loadable_parameters(self.network, plan, load_width=self.load_width)
        return lower(self.network, plan)

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
        # The accelerator's clock is drawn apart.
        return Device(self.pipeline, self.identity, link_clock=self.CLOCK, baud=self.baud)

    @cached_property
    def run(self):
        """Runs levels of rx, and resets: cycles of (rx, reset) of the link to levels of tx."""
        text = rtlil.convert(_Pins(self.device()), name="pins", platform=Metastable(), emit_src=False)
        design = compile_design(text, top="pins", optimise=1)

        def run(rx, reset=False, clocks=EQUAL):
            at, link, own = clocks.events(len(rx))
            reset = np.broadcast_to(reset, len(rx))
            shifted = np.clip(at - clocks.skew, 0, len(rx) - 1)
            parts = [np.asarray(rx)[at], reset[at], reset[shifted], link, own]
            beats = sum(part.astype(np.uint64) << np.uint64(place) for place, part in enumerate(parts))
            found = design.run(beats[:, None], max_cycles=len(beats))
            return (found.o.payloads[link, 0] & np.uint64(1)).astype(bool)

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
