"""SDRAM chips: their sizes and times."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor

from ..errors import PlanError
from .layout import ImageLayout

__all__ = ["SDRAM_PARTS", "SdramPart", "SdramSpec"]


@dataclass(frozen=True, kw_only=True)
class SdramPart:
    """A synchronous DRAM of single data rate, 16 bits wide.

    Times are in ns, as the data sheet names them; each is the least, but for `t_ras_most`.

    Parameters
    ----------
    name : str
    source : str
        Where the numbers are from.
    bank_bits, row_bits, column_bits : int
        Of addresses.
    t_rc, t_rfc, t_rcd, t_rp, t_rrd, t_ras, t_ras_most, t_wr, t_mrd : float
        Activate to activate of one bank; refresh to any; activate to read or write; precharge to activate; activate to
        activate of another bank; activate to precharge; last data written to precharge; mode register set to any.
    t_ck : tuple of float
        Clock periods from which CAS latencies of 2 and 3 may be used.
    t_ac : tuple of float
        From the clock to what is read, at most, with CAS latencies of 2 and 3.
    t_oh, t_is, t_ih : float
        For which what is read holds behind the next edge of the clock; before and behind an edge, for which what the
        chip takes must hold.
    refresh_ms : float
        By which time each row must be refreshed again: one refresh for each.
    power_up_us : float
        With a stable clock, before the first command.
    power_up_refreshes : int
        Before the mode register is set.
    """

    name: str
    source: str
    bank_bits: int = 2
    row_bits: int = 13
    column_bits: int = 9
    t_rc: float
    t_rfc: float
    t_rcd: float
    t_rp: float
    t_rrd: float
    t_ras: float
    t_ras_most: float
    t_wr: float
    t_mrd: float
    t_ck: tuple[float, float]
    t_ac: tuple[float, float] = (6.0, 5.4)
    t_oh: float = 2.5
    t_is: float = 1.5
    t_ih: float = 1.0
    refresh_ms: float = 64.0
    power_up_us: float = 200.0
    power_up_refreshes: int = 8

    def __post_init__(self) -> None:
        if self.t_rrd > self.t_rcd:
            raise ValueError(f"t_rrd must be at most t_rcd {self.t_rcd}, not {self.t_rrd}")

    @property
    def bytes(self) -> int:
        """Bytes that it holds."""
        return 2 << (self.bank_bits + self.row_bits + self.column_bits)


_ALLIANCE = "Alliance Memory, AS4C16M16SA-C&I, Rev. 3.0, March 2015, table 16"

_PARTS = (
    SdramPart(
        name="AS4C16M16SA-6", source=_ALLIANCE, t_rc=60, t_rfc=60, t_rcd=18, t_rp=18, t_rrd=12, t_ras=42,
        t_ras_most=120_000, t_wr=12, t_mrd=12, t_ck=(10, 6),
    ),
    SdramPart(
        name="AS4C16M16SA-7", source=_ALLIANCE, t_rc=63, t_rfc=63, t_rcd=21, t_rp=21, t_rrd=14, t_ras=42,
        t_ras_most=120_000, t_wr=14, t_mrd=14, t_ck=(10, 7),
    ),
    SdramPart(
        # Boards of ULX3S carry chips of several makers. This one has the slowest times of AS4C16M16SA-7 and of those
        # that LiteDRAM (modules.py) uses for IS42S16160, MT48LC16M16 and W9825G6KH.
        name="ulx3s-32mb", source=f"{_ALLIANCE}; litedram/modules.py of github.com/enjoy-digital/litedram",
        t_rc=70, t_rfc=70, t_rcd=21, t_rp=21, t_rrd=15, t_ras=45, t_ras_most=100_000, t_wr=20, t_mrd=15, t_ck=(10, 7),
    ),
)  # fmt: skip

#: By name.
SDRAM_PARTS = {part.name: part for part in _PARTS}


@dataclass(frozen=True, kw_only=True)
class SdramSpec:
    """An SDRAM at a clock, and the image of weights in it.

    Beats that follow each other lie in one row up to the end of a burst, and the next burst in the next bank, so that
    its row opens while this one is read.

    Parameters
    ----------
    part : SdramPart
    clock : int
        Hz.
    layout : ImageLayout
        Of the image: beats of 2 bytes, bursts that fit into a row.
    late : int
        Cycles by which the board's registers and wires delay what is read, beyond the chip's latency.

    Raises
    ------
    PlanError
        The clock is too fast, or the image does not fit.
    """

    part: SdramPart
    clock: int
    layout: ImageLayout
    late: int = 0

    def __post_init__(self) -> None:
        if 1e9 / self.clock < self.part.t_ck[1]:
            raise PlanError(
                f"The clock of {self.part.name} must be at most {floor(1e3 / self.part.t_ck[1])} MHz, "
                f"not {self.clock / 1e6:g}."
            )
        if self.layout.beat_bytes != 2 or self.layout.burst_beats > 1 << self.part.column_bits:
            raise PlanError(
                f"Bursts from {self.part.name} must be of at most {1 << self.part.column_bits} beats of 2 bytes, "
                f"not {self.layout.burst_beats} of {self.layout.beat_bytes}."
            )
        if self.refresh_cycles < self.refresh_delay:
            # Else a refresh would be due before the one before it is done.
            least = self.refresh_delay << self.part.row_bits
            raise PlanError(
                f"The clock of {self.part.name} must be about {least / self.part.refresh_ms / 1e3:.0f} MHz or more, so "
                f"that it is refreshed between bursts of {self.layout.burst_beats} beats, not {self.clock / 1e6:g}."
            )
        if self.layout.bytes > self.part.bytes:
            raise PlanError(
                f"An image in {self.part.name} must have at most {self.part.bytes} bytes, not {self.layout.bytes}."
            )

    def cycles(self, ns: float) -> int:
        """Cycles that so many ns take, at least 1."""
        # A millionth of a cycle is an error of rounding.
        return max(1, ceil(ns * self.clock / 1e9 - 1e-6))

    @property
    def cas_latency(self) -> int:
        """2 where the clock allows it, else 3."""
        return 2 if 1e9 / self.clock >= self.part.t_ck[0] else 3

    @property
    def address_bits(self) -> int:
        """Of an address in bytes."""
        return (self.part.bytes - 1).bit_length()

    @property
    def burst_bits(self) -> int:
        """Lowest bits of an address in beats: the place in a burst."""
        return (self.layout.burst_beats - 1).bit_length()

    @property
    def refresh_delay(self) -> int:
        """Cycles by which a refresh may come late: a burst that is read, one whose row is open, and closing it."""
        closing = self.cycles(self.part.t_ras) + self.cycles(self.part.t_rp) + self.cycles(self.part.t_wr)
        return 2 * self.layout.burst_beats + self.cycles(self.part.t_rcd) + closing + 8

    @property
    def refresh_cycles(self) -> int:
        """Cycles from one refresh to the next: each row in time, however late single ones are."""
        whole = floor(self.part.refresh_ms * 1e-3 * self.clock)
        return (whole - self.refresh_delay) >> self.part.row_bits

    @property
    def least_rate(self) -> float:
        """Bytes/s that are read at least when bursts wait, whatever their order.

        All bursts may lie in one bank, and each refresh closes and opens a row: the table of `SdramController`.
        """
        beats, again = self.layout.burst_beats, self.cycles(self.part.t_rp) + self.cycles(self.part.t_rcd)
        refreshed = 1 - (again + self.cycles(self.part.t_rfc) + 6) / self.refresh_cycles
        return 2 * self.clock * beats / (beats + 1 + again + 5) * refreshed

    def location(self, beat: int) -> tuple[int, int, int]:
        """Bank, row and column of a beat of the memory."""
        part, low = self.part, self.burst_bits
        bank = beat >> low & (1 << part.bank_bits) - 1
        above = beat >> (low + part.bank_bits)
        column = beat & (1 << low) - 1 | (above << low) & (1 << part.column_bits) - 1
        return bank, above >> (part.column_bits - low), column
