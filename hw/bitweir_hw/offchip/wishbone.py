"""Weights from a memory on Wishbone."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..errors import PlanError
from .reader import inner_reader, reader_ports
from .spec import ReaderSpec

__all__ = ["WishboneWeightReader"]

#: CTI of a beat behind which comes the next address, and of the last beat of a burst; BTE of a burst that does not wrap
#: (Wishbone B4, 4.2 and 4.3).
_INCREMENTING, _END, _LINEAR = 0b010, 0b111, 0b00


class WishboneWeightReader(wiring.Component):
    """A `WeightReader` as a Wishbone B4 master: classic cycles with registered feedback, as LiteX has them.

    Addresses count beats (in LiteX ``addressing="word"``). A burst is one bus cycle of ascending addresses; behind it
    `cyc` is 0 for one clock cycle, so that other masters get the bus. ERR sets `error`. No combinational path leads
    from one port to another.

    | property          | formula                                                                    |
    |-------------------|----------------------------------------------------------------------------|
    | cycles a burst    | one more than its beats, if each is acknowledged at once                   |
    | latency           | that of the `WeightReader`, and 1 cycle from a request to `cyc`            |
    | resources         | those of the `WeightReader`, registers of an address and a count of beats  |

    Parameters
    ----------
    spec : ReaderSpec
        Beats of 4 to 64 bytes.

    Members
    -------
    wb_adr, wb_dat_w, wb_sel, wb_cyc, wb_stb, wb_we, wb_cti, wb_bte : Out
    wb_dat_r, wb_ack, wb_err : In
    enable, base, weights, error
        See `WeightReader`.

    Raises
    ------
    PlanError
        Wishbone has no beats of two bytes here.
    """

    enable: Signal
    base: Signal
    error: Signal
    wb_adr: Signal
    wb_dat_w: Signal
    wb_dat_r: Signal
    wb_sel: Signal
    wb_cyc: Signal
    wb_stb: Signal
    wb_ack: Signal
    wb_we: Signal
    wb_cti: Signal
    wb_bte: Signal
    wb_err: Signal

    def __init__(self, spec: ReaderSpec) -> None:
        if spec.layout.beat_bytes < 4:
            raise PlanError(f"Wishbone must have at least 4 bytes a beat, not {spec.layout.beat_bytes}.")
        self.spec = spec
        self._low_bits = spec.layout.beat_bytes.bit_length() - 1
        out = {"adr": spec.address_bits - self._low_bits, "dat_w": spec.layout.beat_bits, "cyc": 1, "stb": 1, "we": 1}
        out |= {"sel": spec.layout.beat_bytes, "cti": 3, "bte": 2}
        ports = {f"wb_{name}": Out(bits) for name, bits in out.items()}
        ports |= {"wb_dat_r": In(spec.layout.beat_bits), "wb_ack": In(1), "wb_err": In(1)}
        super().__init__({**ports, **reader_ports(spec)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        reader = inner_reader(m, self)
        request = reader.request.payload
        high = Signal(len(self.wb_adr) - len(request.more))
        # A burst begins at a multiple of its longest: beats count in the lowest bits of the address.
        beat, more = Signal.like(request.more), Signal.like(request.more)
        busy, ends, answers = Signal(), Signal(), Signal()
        m.d.comb += [
            ends.eq(beat == more),
            answers.eq(busy & (self.wb_ack | self.wb_err)),
            self.wb_adr.eq(Cat(beat, high)),
            self.wb_sel.eq(-1),
            self.wb_cyc.eq(busy),
            self.wb_stb.eq(busy),
            self.wb_cti.eq(Mux(ends, _END, _INCREMENTING)),
            self.wb_bte.eq(_LINEAR),
            reader.request.ready.eq(~busy),
            reader.answer.valid.eq(answers),
            reader.answer.data.eq(self.wb_dat_r),
            reader.answer.last.eq(ends),
            reader.answer.error.eq(self.wb_err),
        ]
        with m.If(~busy):
            m.d.sync += [
                busy.eq(reader.request.valid),
                beat.eq(0),
                more.eq(request.more),
                high.eq(request.address[self._low_bits + len(beat) :]),
            ]
        with m.Elif(answers):
            m.d.sync += [beat.eq(beat + 1), busy.eq(~ends & ~self.wb_err)]
        return m
