"""The registers of an AXI wrapper: counts, events, what a host starts, and the window for images."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .bus import AxiLiteSlave, lite_ports
from .receive import COUNT_BITS, transfer_layout
from .registers import MAGIC, MAP_VERSION, WINDOW, register

__all__ = ["HOLD_CYCLES", "AxiLiteControl", "Facts"]

#: Cycles that a write to the window waits at most. A byte takes one: only a load that cannot begin takes longer.
HOLD_CYCLES = 256
#: The bit of a word's address that leads to the window.
_WINDOW_BIT = (WINDOW // 4).bit_length() - 1
#: Bytes of an image in a write.
WORD_BYTES = 4


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What does not change, for the registers that tell it.

    Parameters
    ----------
    network : int
        The first 32 bits of the network's SHA-256.
    frame_bytes, result_bytes : int
        Of packets.
    image_bytes : int
        With its CRC-32; 0 where parameters are constants.
    checksums, reads_weights, class_only : bool
        See `ports.AxiPorts`; whether weights are streamed.
    """

    network: int
    frame_bytes: int
    result_bytes: int
    image_bytes: int
    checksums: bool
    reads_weights: bool
    class_only: bool

    @property
    def features(self) -> int:
        """What FEATURES reads as."""
        there = {
            "LOADS": self.image_bytes > 0,
            "CHECKSUMS": self.checksums,
            "READS_WEIGHTS": self.reads_weights,
            "CLASS_ONLY": self.class_only,
        }
        return sum(field.mask for field in register("FEATURES").fields if there[field.name])


class AxiLiteControl(wiring.Component):
    """Registers for software, as `registers.REGISTERS` tells them, behind an AXI4-Lite port.

    | property          | formula                                                           |
    |-------------------|-------------------------------------------------------------------|
    | load              | a write of 4 bytes each 4 cycles, as the chain takes a byte each  |
    | resources         | an `AxiLiteSlave`, five counts of 32 bits, a multiplexer of words |

    A write to the window waits while the word before it is taken, at most `HOLD_CYCLES`: a load cannot begin before all
    frames under way are done, and a bus that waits for that could wait for its own host. Then the word is dropped, and
    LOAD_OVERRUN and ERROR tell it. An image with a gap is never taken for a right one, because of its CRC-32.

    Parameters
    ----------
    facts : Facts

    Members
    -------
    s_axi_NAME
        See `bus.lite_ports`.
    irq : Out(1)
        An event has happened whose bit in IRQ_ENABLE is 1.
    reset : Out(1)
        Discard all frames, for a cycle.
    clear_counts : Out(1)
    accepted, dropped, waits_in, sent, waits_out : In(1)
        In this cycle: a packet of a frame was accepted, or dropped; a transfer of frames waits; the last transfer of a
        result leaves; a transfer of results waits.
    short_packets, long_packets : In(8)
    frames_crc, results_crc : In(32)
    image : Out(stream.Signature(transfer_layout(4)))
    loaded, load_failed : In(1)
    load_checksum : In(32)
        Where parameters are in RAM: `load.PacketBeats` and `loading.Loader`. Else the stream is silent, and `loaded` is
        to be 1.
    weights_base : Out(32)
    weights_enable : Out(1)
    weights_error : In(1)
        See `offchip.WeightReader`.
    """

    irq: Signal
    reset: Signal
    clear_counts: Signal
    accepted: Signal
    dropped: Signal
    waits_in: Signal
    sent: Signal
    waits_out: Signal
    short_packets: Signal
    long_packets: Signal
    frames_crc: Signal
    results_crc: Signal
    image: stream.Interface
    loaded: Signal
    load_failed: Signal
    load_checksum: Signal
    weights_base: Signal
    weights_enable: Signal
    weights_error: Signal

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        bits = ("accepted", "dropped", "waits_in", "sent", "waits_out", "loaded", "load_failed", "weights_error")
        words = ("frames_crc", "results_crc", "load_checksum")
        counts = ("short_packets", "long_packets")
        super().__init__(
            {
                **lite_ports(),
                **{name: Out(1) for name in ("irq", "reset", "clear_counts", "weights_enable")},
                **{name: In(1) for name in bits},
                **{name: In(32) for name in words},
                **{name: In(COUNT_BITS) for name in counts},
                "weights_base": Out(32),
                "image": Out(stream.Signature(transfer_layout(WORD_BYTES))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.bus = bus = AxiLiteSlave()
        for name, member in lite_ports().items():
            inner, outer = getattr(bus, name), getattr(self, name)
            m.d.comb += inner.eq(outer) if member.flow is In else outer.eq(inner)
        starts_load = Signal()
        m.d.sync += [self.reset.eq(0), self.clear_counts.eq(0)]
        # A start of a load goes the way of its words, which come behind it.
        with m.If(_at(bus, "CONTROL") & bus.write & bus.strobe[0]):
            m.d.sync += [
                self.reset.eq(_bit(bus, "CONTROL", "RESET")),
                self.clear_counts.eq(_bit(bus, "CONTROL", "CLEAR")),
            ]
        m.d.comb += starts_load.eq(_at(bus, "CONTROL") & bus.strobe[0] & _bit(bus, "CONTROL", "START_LOAD"))
        overrun = self._window(m, bus, starts_load) if self.facts.image_bytes else Const(0)
        busy = self._busy(m)
        enable, events = self._events(m, bus, overrun)
        values: dict[str, Value] = {
            "STATUS": Cat(busy, self.loaded, self.load_failed, overrun, self.weights_error),
            "IRQ_ENABLE": enable,
            "IRQ_STATUS": events,
            "LOADED_CRC": Mux(self.loaded, self.load_checksum, 0),
            **self._counts(m),
            **self._constants(),
        }
        if self.facts.reads_weights:
            values |= {"WEIGHTS_BASE": self.weights_base, "WEIGHTS_ENABLE": self.weights_enable}
            _written(m, bus, "WEIGHTS_BASE", self.weights_base)
            _written(m, bus, "WEIGHTS_ENABLE", self.weights_enable)
        with m.Switch(bus.read_address):
            for name, value in values.items():
                with m.Case(register(name).offset // 4):
                    m.d.comb += bus.read_data.eq(value)
        return m

    def _constants(self) -> dict[str, Value]:
        """Registers that read as the same for ever."""
        facts = self.facts
        numbers = {
            "ID": MAGIC, "VERSION": MAP_VERSION, "NETWORK": facts.network, "FEATURES": facts.features,
            "FRAME_BYTES": facts.frame_bytes, "RESULT_BYTES": facts.result_bytes, "IMAGE_BYTES": facts.image_bytes,
        }  # fmt: skip
        return {name: Const(number, 32) for name, number in numbers.items()}

    def _counts(self, m: Module) -> dict[str, Value]:
        """Counts of what happened in the cycle before, so that they lengthen no path; and those of others."""
        seen: dict[str, Value] = {
            "FRAMES_IN": self.accepted,
            "FRAMES_OUT": self.sent,
            "INPUT_STALLS": self.waits_in,
            "OUTPUT_STALLS": self.waits_out,
            "CYCLES": Const(1),
        }
        values: dict[str, Value] = {"SHORT_PACKETS": self.short_packets, "LONG_PACKETS": self.long_packets}
        for name, event in seen.items():
            count, happened = Signal(32, name=name.lower()), Signal(name=f"{name.lower()}_happened")
            m.d.sync += [happened.eq(event), count.eq(Mux(self.clear_counts, 0, count + happened))]
            values[name] = count
        if self.facts.checksums:
            values |= {"FRAMES_CRC": self.frames_crc, "RESULTS_CRC": self.results_crc}
        return values

    def _busy(self, m: Module) -> Signal:
        """Whether a frame is under way."""
        under_way, busy = Signal(16), Signal()
        m.d.sync += under_way.eq(Mux(self.reset, 0, under_way + self.accepted - self.sent))
        m.d.comb += busy.eq(under_way != 0)
        return busy

    def _events(self, m: Module, bus: AxiLiteSlave, overrun: Value) -> tuple[Signal, Signal]:
        """Which events interrupt, and which have happened."""
        fields = register("IRQ_STATUS").fields
        enable, events = Signal(len(fields), name="irq_enable"), Signal(len(fields), name="irq_status")
        levels = {"loaded": self.loaded, "failed": self.load_failed, "error": self.weights_error, "overrun": overrun}
        rises = {}
        for name, level in levels.items():
            before = Signal(name=f"{name}_before", init=name == "loaded" and not self.facts.image_bytes)
            m.d.sync += before.eq(level)
            rises[name] = level & ~before
        happens = {
            "RESULT": self.sent,
            "LOADED": rises["loaded"],
            "ERROR": self.dropped | rises["failed"] | rises["error"] | rises["overrun"],
        }
        cleared = Mux(_at(bus, "IRQ_STATUS") & bus.write & bus.strobe[0], bus.data[: len(fields)], 0)
        # What happens in the cycle in which it is cleared is not lost.
        m.d.sync += [
            events.eq((events & ~cleared) | Cat(happens[field.name] for field in fields)),
            self.irq.eq((events & enable).any()),
        ]
        _written(m, bus, "IRQ_ENABLE", enable)
        return enable, events

    def _window(self, m: Module, bus: AxiLiteSlave, starts_load: Signal) -> Signal:
        """Words of an image to its stream; whether one of them was dropped."""
        patience, overrun, wanted = Signal(range(HOLD_CYCLES)), Signal(name="load_overrun"), Signal()
        tired = patience == HOLD_CYCLES - 1
        m.d.comb += [
            wanted.eq(bus.address[_WINDOW_BIT] | starts_load),
            self.image.valid.eq(bus.offers & wanted),
            self.image.payload.data.eq(bus.data),
            # A packet ends without a byte: the next byte is a first one.
            self.image.payload.keep.eq(Mux(starts_load, 0, bus.strobe)),
            self.image.payload.last.eq(starts_load),
            bus.hold.eq(wanted & ~self.image.ready & ~tired),
        ]
        m.d.sync += patience.eq(Mux(bus.offers & bus.hold, patience + 1, 0))
        with m.If(bus.write & wanted):
            m.d.sync += overrun.eq(~self.image.ready | (overrun & ~starts_load))
        return overrun


def _at(bus: AxiLiteSlave, name: str) -> Value:
    """Whether a write is for a register."""
    return bus.address == register(name).offset // 4


def _bit(bus: AxiLiteSlave, name: str, field: str) -> Value:
    """The bit of a write that stands for a field."""
    return bus.data[next(one.low for one in register(name).fields if one.name == field)]


def _written(m: Module, bus: AxiLiteSlave, name: str, value: Signal) -> None:
    """Let writes change a register, byte by byte."""
    for lane in range(0, len(value), 8):
        with m.If(_at(bus, name) & bus.write & bus.strobe[lane // 8]):
            m.d.sync += value[lane : lane + 8].eq(bus.data[lane : lane + 8])
