"""What a formula of a block counts, before coefficients turn it into cells of a family."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from ..gateware.counters import SHIFTED

__all__ = [
    "CARRY_FROM",
    "Cost",
    "Terms",
    "adder",
    "chain_cells",
    "compare",
    "compare_constant",
    "counter",
    "fill_level",
    "index_bits",
    "stepped",
]


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Cells of a family, counted as reports count what Yosys made.

    Parameters
    ----------
    lut : int
        LUTs, wide multiplexers included.
    ff : int
        Flip-flops.
    carry : int
        Carry cells: of two positions on ECP5, of four on Xilinx, of one elsewhere.
    bram : int
        Block RAMs in the unit of `parts.BLOCK_RAM`: on Xilinx a RAMB18, so a RAMB36 is two.
    lutram : int
        LUT RAM cells and shift registers.
    dsp : int
        Multipliers.
    sites : int
        LUT sites that LUTs, carry cells, LUT RAM and shift registers occupy.
    """

    lut: int = 0
    ff: int = 0
    carry: int = 0
    bram: int = 0
    lutram: int = 0
    dsp: int = 0
    sites: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(**{name: value + getattr(other, name) for name, value in vars(self).items()})


@dataclass
class Terms:
    """Counts that add up: cells that are known, and features that coefficients weigh.

    Parameters
    ----------
    ff, carry, lutram, dsp : int
        Cells.
    ram_sites : int
        LUT sites of LUT RAM and shift registers.
    rams : list of int
        Block RAMs of each memory, 0 for those that sit elsewhere: in the order of the block's ``memories()``.
    luts : Counter
        By feature: each is about the number of LUTs that it takes.
    """

    ff: int = 0
    carry: int = 0
    lutram: int = 0
    ram_sites: int = 0
    dsp: int = 0
    rams: list[int] = field(default_factory=list)
    luts: Counter[str] = field(default_factory=Counter)

    @property
    def bram(self) -> int:
        """Block RAMs of all memories."""
        return sum(self.rams)

    def __iadd__(self, other: Terms) -> Terms:
        self.ff += other.ff
        self.carry += other.carry
        self.rams += other.rams
        self.lutram += other.lutram
        self.ram_sites += other.ram_sites
        self.dsp += other.dsp
        self.luts.update(other.luts)
        return self

    def times(self, count: int) -> Terms:
        """So many of the same; memories of which there are several copies stay one."""
        return Terms(
            ff=self.ff * count,
            carry=self.carry * count,
            rams=[rams * count for rams in self.rams],
            lutram=self.lutram * count,
            ram_sites=self.ram_sites * count,
            dsp=self.dsp * count,
            luts=Counter({name: value * count for name, value in self.luts.items()}),
        )


#: Bits from which Yosys builds an adder of carry cells; below, of LUTs.
CARRY_FROM = {"ecp5": 5, "ice40": 3, "gowin": 3, "xilinx": 3}


def chain_cells(bits: int, family: str) -> int:
    """Carry cells of an adder whose sum has so many bits, on iCE40 without one behind the highest."""
    if bits < CARRY_FROM[family]:
        return 0
    return {"ecp5": -(-bits // 2), "xilinx": -(-bits // 4), "ice40": bits - 1, "gowin": bits}[family]


def index_bits(count: int) -> int:
    """Bits of a number from 0 to ``count - 1``."""
    return (count - 1).bit_length()


def counter(terms: Terms, end: int, family: str) -> None:
    """Add the logic of a counter from 0 to ``end - 1`` and round; its register is counted elsewhere."""
    bits = index_bits(end)
    # Adding one needs no carry cell in the lowest position of iCE40.
    terms.carry += max(0, chain_cells(bits, family) - (family == "ice40"))
    terms.luts["count"] += bits
    if end & (end - 1):
        terms.luts["wrap"] += bits


def stepped(terms: Terms, end: int, family: str, *, last: bool = False) -> None:
    """Add a counter as `gateware.counters.counter`, with its registers; `last` where its last number is asked for."""
    counter(terms, end, family)
    # A power of two needs not know where it ends.
    known = end > 2 and (last or end & (end - 1) > 0)
    terms.ff += index_bits(end) + known
    terms.luts["count"] += known


def fill_level(terms: Terms, most: int, family: str, *, ends: int = 1, one: bool = False) -> None:
    """Add a `gateware.counters.FillLevel` with its registers, of which so many of `some` and `space` are asked for."""
    if most <= SHIFTED:
        terms.ff += most
        terms.luts["count"] += most
        return
    bits = index_bits(most) + 1
    for _ in range(ends):
        terms.ff += bits
        terms.carry += chain_cells(bits, family)
        terms.luts["count"] += bits
    terms.ff += one


def adder(terms: Terms, bits: int, family: str, count: int = 1, feature: str = "add") -> None:
    """Add the logic of so many adders."""
    terms.carry += count * chain_cells(bits, family)
    terms.luts[feature] += count * bits


def compare(terms: Terms, bits: int, family: str, count: int = 1) -> None:
    """Add so many comparisons of two numbers."""
    if bits >= CARRY_FROM[family]:
        # On Xilinx, LUTs look at two bits for each carry position.
        terms.carry += count * {"xilinx": bits // 7, "ice40": bits}.get(family, chain_cells(bits, family))
    terms.luts["compare"] += count * bits


def compare_constant(terms: Terms, bits: int, limit: int, family: str, count: int = 1) -> None:
    """Add so many comparisons of a number, from 0 on, with a constant."""
    if limit <= 0 or limit >> bits:
        return
    if bits > CARRY_FROM[family]:
        terms.carry += count * {"ecp5": (bits - 1) // 2, "ice40": bits - 2, "gowin": bits - 1}.get(family, 0)
    terms.luts["compare constant"] += count * bits
