"""A controller of SDRAM for long bursts of reads."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .reader import answer_signature
from .sdram_parts import SdramPart, SdramSpec

__all__ = ["SdramController", "read_layout", "sdram_pins", "write_layout"]

#: RAS#, CAS# and WE# of each command, RAS# in the lowest bit: the truth table that all such chips share.
_NOP, _ACTIVATE, _READ, _WRITE, _PRECHARGE, _REFRESH, _MODE = 0b111, 0b110, 0b101, 0b001, 0b010, 0b100, 0b000
#: Bit of the address that says: precharge behind this, or precharge all.
_ALL_BIT = 10


def sdram_pins(part: SdramPart) -> wiring.Signature:
    """The pins of a chip but its clock, as the controller sees them; data in both directions, `dq_oe` to drive them."""
    out = {"cke": 1, "cs_n": 1, "ras_n": 1, "cas_n": 1, "we_n": 1, "ba": part.bank_bits, "a": part.row_bits, "dqm": 2}
    out |= {"dq_o": 16, "dq_oe": 1}
    return wiring.Signature({**{name: Out(bits) for name, bits in out.items()}, "dq_i": In(16)})


def write_layout(part: SdramPart) -> data.StructLayout:
    """A beat that is written, and its address in beats."""
    return data.StructLayout({"beat": (part.bytes // 2 - 1).bit_length(), "data": 16})


def read_layout(spec: SdramSpec) -> data.StructLayout:
    """A burst that is read: its address in bytes, and how many beats come behind the first."""
    return data.StructLayout({"address": spec.address_bits, "more": spec.burst_bits})


@dataclass(frozen=True)
class _Operation:
    """A burst that is read or a beat that is written: registers of one of the two stages."""

    valid: Signal
    write: Signal
    bank: Signal
    row: Signal
    column: Signal
    more: Signal
    data: Signal

    @classmethod
    def of(cls, spec: SdramSpec, name: str) -> _Operation:
        part = spec.part
        sizes = {"write": 1, "bank": part.bank_bits, "row": part.row_bits, "column": part.column_bits}
        sizes |= {"more": spec.burst_bits, "data": 16}
        held = {key: Signal(bits, name=f"{name}_{key}", reset_less=True) for key, bits in sizes.items()}
        return cls(valid=Signal(name=f"{name}_valid"), **held)


class SdramController(wiring.Component):
    """Reads bursts and writes single beats, closes each row behind them, and refreshes.

    Two stages: while one burst is read, a beat in each cycle, the row of the next one is opened, if it lies in another
    bank. Beats are read by a command each (burst length 1), so a burst may have any length; the last one closes its
    row (auto precharge). What follows each other in memory lies in different banks, see `SdramSpec`. When a refresh is
    due, no row is opened any more until it is done.

    | property          | formula                                                                           |
    |-------------------|-----------------------------------------------------------------------------------|
    | cycles a burst    | its beats and one to open the next row; of the same bank as the one before it,    |
    |                   | tRP + tRCD + 5 more                                                               |
    | cycles a refresh  | about tRP + tRFC + tRCD + 6 for each `refresh_cycles`                             |
    | latency           | tRCD + CAS latency + 6 + `late` from a request to the first beat, if all is idle  |
    | a beat written    | tRCD, tWR + tRP and 4 cycles                                                      |

    Parameters
    ----------
    spec : SdramSpec

    Members
    -------
    request : In(stream.Signature(read_layout(spec)))
        As of `reader.WeightReader`.
    answer : Out(answer_signature(16))
    write : In(stream.Signature(write_layout(part)))
        A beat that is taken is in memory before any burst that is asked for later. Writes go before reads.
    pins : Out(sdram_pins(part))
        All from registers; `dq_i` goes into one. The chip samples at the clock's edge that ends the cycle, and what it
        sends is sampled `cas_latency` edges later, and `late` more.
    """

    request: stream.Interface
    write: stream.Interface

    def __init__(self, spec: SdramSpec) -> None:
        self.spec = spec
        super().__init__(
            {
                "request": In(stream.Signature(read_layout(spec))),
                "answer": Out(answer_signature(16)),
                "write": In(stream.Signature(write_layout(spec.part))),
                "pins": Out(sdram_pins(spec.part)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec, part, cycles = self.spec, self.spec.part, self.spec.cycles
        running, due = Signal(), Signal()
        row, column = _Operation.of(spec, "row"), _Operation.of(spec, "column")
        is_open = Signal()
        precharge, write_recovery = cycles(part.t_rp), cycles(part.t_wr)
        # A row may be closed again at the earliest with regard to tRAS and, as it is opened again behind tRP, to tRC.
        active = max(cycles(part.t_ras), cycles(part.t_rc) - precharge)
        most = max(cycles(part.t_rcd), active, write_recovery + precharge, precharge + 1, 8)
        timers = [_Timer(m, f"bank_{bank}", most) for bank in range(1 << part.bank_bits)]
        opening, turning = _Timer(m, "opening", most), _Timer(m, "turning", most)
        row_active, column_active = _Timer(m, "row_active", most), _Timer(m, "column_active", most)

        # Open the row of the next one. That of the one before was opened tRCD before it was read: tRRD is no more.
        # Once it may be opened, that does not change until it is: so it may be known a cycle late.
        closed = Array(timer.done for timer in timers)[row.bank]
        may_open, activate, reads, ends = Signal(), Signal(), Signal(), Signal()
        in_use = column.valid & (column.bank == row.bank)
        m.d.sync += may_open.eq(row.valid & ~is_open & closed & ~in_use & ~activate)
        m.d.comb += activate.eq(running & ~due & may_open)
        # A command for each beat of the other, if none is needed for that.
        final, access = Signal(), Signal()
        m.d.comb += [
            access.eq(column.valid & ~activate & (turning.done | ~column.write) & (column_active.done | ~final)),
            reads.eq(access & ~column.write),
            ends.eq(access & final),
        ]
        with m.If(activate):
            m.d.sync += is_open.eq(1)
            opening.start(max(1, cycles(part.t_rcd) - 1))
            row_active.start(max(1, active - 1))
        with m.If(access):
            m.d.sync += [
                column.column.eq(column.column + 1),
                column.more.eq(column.more - 1),
                final.eq(column.more == 1),
            ]
        with m.If(reads):
            # Until the chip has let go of the data pins.
            turning.start(spec.cas_latency + 2)
        with m.If(ends):
            m.d.sync += column.valid.eq(0)
            for bank, timer in enumerate(timers):
                with m.If(column.bank == bank):
                    # A row closes tWR behind a write, or a cycle behind a read; some chips take one more.
                    timer.start(precharge + 2, otherwise=(column.write, write_recovery + precharge))
        with m.If(row.valid & is_open & opening.done & (ends | ~column.valid)):
            m.d.sync += [getattr(column, name).eq(getattr(row, name)) for name in _MOVES]
            m.d.sync += [column.valid.eq(1), row.valid.eq(0), is_open.eq(0), final.eq(row.more == 0)]
            column_active.follow(row_active)
        self._take(m, row, running & ~due)
        idle = ~column.valid & ~(row.valid & is_open) & Cat(timer.done for timer in timers).all()
        command, address = self._house_keeping(m, running, due, idle)
        self._drive(m, row, column, activate, access, final, command, address, running)
        self._answer(m, reads, final)
        return m

    def _take(self, m: Module, row: _Operation, takes: Value) -> None:
        """Take what is to be done next. A write is given way a cycle after it comes, so that neither waits for both."""
        part, low = self.spec.part, self.spec.burst_bits
        writes, free = Signal(), Signal()
        beat = Signal((part.bytes // 2 - 1).bit_length())
        m.d.sync += writes.eq(self.write.valid)
        m.d.comb += [
            free.eq(takes & ~row.valid),
            self.write.ready.eq(free & writes),
            self.request.ready.eq(free & ~writes),
            beat.eq(Mux(writes, self.write.payload.beat, self.request.payload.address[1:])),
        ]
        with m.If(free):
            m.d.sync += [
                row.valid.eq(Mux(writes, self.write.valid, self.request.valid)),
                row.write.eq(writes),
                row.bank.eq(beat[low:]),
                row.column.eq(Cat(beat[:low], beat[low + part.bank_bits :])),
                row.row.eq(beat[part.column_bits + part.bank_bits :]),
                row.more.eq(Mux(writes, 0, self.request.payload.more)),
                row.data.eq(self.write.payload.data),
            ]

    def _house_keeping(self, m: Module, running: Signal, due: Signal, idle: Value) -> tuple[Signal, Signal]:
        """Begin as the data sheet asks, then refresh in time: commands other than those of the two stages."""
        spec, part, cycles = self.spec, self.spec.part, self.spec.cycles
        command, address = Signal(3, init=_NOP), Signal(part.row_bits)
        # Cycles until the next command, or until the next refresh.
        power_up = cycles(part.power_up_us * 1e3)
        wait = Signal(range(max(power_up, cycles(part.t_rfc)) + 1), init=power_up)
        since = Signal(range(spec.refresh_cycles))
        refreshes = Signal(range(part.power_up_refreshes + 1))
        with m.If(wait != 0):
            m.d.sync += wait.eq(wait - 1)
        m.d.sync += since.eq(Mux(since == spec.refresh_cycles - 1, 0, since + 1))
        with m.If(since == spec.refresh_cycles - 1):
            m.d.sync += due.eq(1)
        m.d.comb += command.eq(_NOP)
        with m.FSM():
            with m.State("POWER"), m.If(wait == 0):
                m.d.comb += [command.eq(_PRECHARGE), address[_ALL_BIT].eq(1)]
                m.d.sync += wait.eq(cycles(part.t_rp) - 1)
                m.next = "REFRESHES"
            with m.State("REFRESHES"), m.If(wait == 0):
                m.d.comb += command.eq(_REFRESH)
                m.d.sync += [wait.eq(cycles(part.t_rfc) - 1), refreshes.eq(refreshes + 1)]
                with m.If(refreshes == part.power_up_refreshes - 1):
                    m.next = "MODE"
            with m.State("MODE"), m.If(wait == 0):
                # Bursts of one beat.
                m.d.comb += [command.eq(_MODE), address.eq(spec.cas_latency << 4)]
                m.d.sync += [wait.eq(cycles(part.t_mrd) - 1), since.eq(0), due.eq(0)]
                m.next = "SETTLE"
            with m.State("SETTLE"), m.If(wait == 0):
                m.next = "RUN"
            with m.State("RUN"):
                m.d.comb += running.eq(1)
                with m.If(due & idle):
                    m.d.comb += command.eq(_REFRESH)
                    m.d.sync += [due.eq(0), wait.eq(cycles(part.t_rfc) - 1)]
                    m.next = "SETTLE"
        return command, address

    def _drive(
        self, m: Module, row: _Operation, column: _Operation, activate: Value, access: Value, final: Value,
        command: Value, address: Value, running: Value,
    ) -> None:  # fmt: skip
        """The pins, a cycle later."""
        pins = self.pins
        low = [column.column, Const(0, _ALL_BIT - len(column.column)), final]
        m.d.comb += [pins.cs_n.eq(0), pins.cke.eq(1)]
        lines = Cat(pins.ras_n, pins.cas_n, pins.we_n)
        outputs = {"a": Signal.like(pins.a), "ba": Signal.like(pins.ba), "dq_o": Signal(16, reset_less=True)}
        # Nothing is read or written before the mode is set.
        oe, told, masked = Signal(), Signal(3, init=_NOP), Signal(init=1)
        with m.If(running):
            m.d.sync += masked.eq(0)
        m.d.sync += [oe.eq(access & column.write), outputs["dq_o"].eq(column.data), told.eq(command)]
        m.d.sync += [outputs["a"].eq(address), outputs["ba"].eq(column.bank)]
        with m.If(access):
            m.d.sync += [outputs["a"].eq(Cat(*low)), told.eq(Mux(column.write, _WRITE, _READ))]
        with m.If(activate):
            m.d.sync += [outputs["a"].eq(row.row), outputs["ba"].eq(row.bank), told.eq(_ACTIVATE)]
        m.d.comb += [lines.eq(told), pins.dq_oe.eq(oe), pins.dqm.eq(masked.replicate(2))]
        m.d.comb += [getattr(pins, name).eq(value) for name, value in outputs.items()]

    def _answer(self, m: Module, reads: Value, final: Value) -> None:
        """What the chip sends, in the cycle behind the register at its pins."""
        sampled = Signal(16, reset_less=True)
        m.d.sync += sampled.eq(self.pins.dq_i)
        comes, last = reads, final
        for _ in range(self.spec.cas_latency + 2 + self.spec.late):
            was, later = Signal(), Signal(reset_less=True)
            m.d.sync += [was.eq(comes), later.eq(last)]
            comes, last = was, later
        m.d.comb += [self.answer.valid.eq(comes), self.answer.last.eq(last), self.answer.data.eq(sampled)]


#: What goes from one stage to the other.
_MOVES = ("write", "bank", "row", "column", "more", "data")


class _Timer:
    """Done so many cycles after `start`: as many ones are shifted out, so that `done` is a register."""

    def __init__(self, m: Module, name: str, most: int) -> None:
        self._m = m
        self.left = Signal(most + 1, name=name)
        self.done = ~self.left[0]
        m.d.sync += self.left.eq(self.left[1:])

    def start(self, cycles: int, *, otherwise: tuple[Value, int] | None = None) -> None:
        """Be done in so many cycles: 1 is the next one. With a flag, `otherwise` in so many where it is 1."""
        ones: Value | int = (1 << cycles - 1) - 1
        if otherwise:
            ones = Mux(otherwise[0], (1 << otherwise[1] - 1) - 1, ones)
        self._m.d.sync += self.left.eq(ones)

    def follow(self, other: _Timer) -> None:
        """Go on where another one is."""
        self._m.d.sync += self.left.eq(other.left[1:])
