"""FPGA families and what their memories look like; parts and how much of everything they have."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .arithmetic import ceil_div
from .errors import PlanError

__all__ = [
    "BLOCK_RAM",
    "COUNTED_AS",
    "PARTS",
    "PART_OF",
    "ROUTED",
    "SPEEDS",
    "BlockRam",
    "FpgaPart",
    "Nextpnr",
    "Part",
    "part_of",
]


@dataclass(frozen=True, kw_only=True)
class BlockRam:
    """The block RAM of a family.

    Parameters
    ----------
    name : str
        Of the cell.
    shapes : tuple of (int, int)
        Depths, and bits of a word at each.
    tile : str
        What several of them are halves of, where they lie in pairs; a memory may take such a pair as a whole.
    """

    name: str
    shapes: tuple[tuple[int, int], ...]
    tile: str = ""

    @property
    def bits(self) -> int:
        """Most bits that one holds."""
        return max(depth * width for depth, width in self.shapes)

    def tiles(self, count: int) -> int:
        """Tiles that hold so many: two share one, whatever they hold; a memory that takes a whole one counts as two."""
        return ceil_div(count, 2)


_EIGHTEEN = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))

#: By family, as simple dual ports. ECP5: Lattice TN-02204; iCE40: Lattice TN-02002; Gowin: UG285; Xilinx 7: UG473;
#: UltraScale+: UG573; Nexus: Lattice FPGA-TN-02094; GW5A: Gowin UG300.
BLOCK_RAM = {
    "ecp5": BlockRam(name="DP16KD", shapes=_EIGHTEEN),
    "ice40": BlockRam(name="SB_RAM40_4K", shapes=((256, 16), (512, 8), (1024, 4), (2048, 2))),
    "gowin": BlockRam(name="BSRAM", shapes=_EIGHTEEN),
    "xilinx": BlockRam(name="RAMB18", shapes=_EIGHTEEN, tile="RAMB36"),
    "ultrascale": BlockRam(name="RAMB18E2", shapes=_EIGHTEEN, tile="RAMB36E2"),
    "nexus": BlockRam(name="EBR", shapes=_EIGHTEEN),
    "gw5a": BlockRam(name="BSRAM", shapes=_EIGHTEEN),
}

#: By family, the one whose formulas and coefficients of the cost model count it. Where that is another one, nothing was
#: fitted to the family itself; how far counts are off was measured on drawn accelerators (`cost.drawn`).
COUNTED_AS = {
    "ecp5": "ecp5", "ice40": "ice40", "gowin": "gowin", "xilinx": "xilinx", "ultrascale": "xilinx", "nexus": "ecp5",
    "gw5a": "gowin",
}  # fmt: skip

#: By family, the kinds of chips whose delays `cost.speed` knows; the first is that of a part that names none.
SPEEDS = {
    "ecp5": ("ecp5",), "ice40": ("hx", "up"), "gowin": ("gw2a", "gw1n"), "xilinx": ("xc7",), "ultrascale": ("us+",),
    "nexus": ("nexus",), "gw5a": ("gw5a",),
}  # fmt: skip

#: Families whose designs are routed and packed here.
ROUTED = ("ecp5", "ice40", "gowin")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_:-]{0,39}")
_MOST_WORDS = 50
#: More of anything than any part has.
_MOST = 100_000_000


@dataclass(frozen=True, kw_only=True)
class Nextpnr:
    """What nextpnr calls the chips that are of a part.

    Parameters
    ----------
    devices : tuple of str
        Its options, without dashes, as ``("25k", "um-25k")``; of Gowin its families, as ``("GW1N-9C",)``.
    packages, grades : tuple of str
        Packages and speed grades that it knows; empty where options have none.
    pll_pads : tuple of str
        Of iCE40, pins that feed a PLL, with their packages: ``"sg48:35"``. A clock at such a pin reaches other logic
        through the PLL alone, and from another one it reaches the PLL through the global network.

    Raises
    ------
    PlanError
        There is no device, or a name is none.
    """

    devices: tuple[str, ...]
    packages: tuple[str, ...] = ()
    grades: tuple[str, ...] = ()
    pll_pads: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.devices:
            raise PlanError("What nextpnr knows of a part must have one device or more.")
        words = (*self.devices, *self.packages, *self.grades, *self.pll_pads)
        if len(words) > _MOST_WORDS:
            raise PlanError(f"What nextpnr knows of a part must have at most {_MOST_WORDS} names, not {len(words):,}.")
        for word in words:
            if not isinstance(word, str) or not _WORD.fullmatch(word):
                raise PlanError(
                    "Names of devices, packages and grades must be 1 to 40 letters, digits, hyphens and underscores, "
                    f"without leading dashes, not {word!r:.60}."
                )


@dataclass(frozen=True, kw_only=True)
class FpgaPart:
    """What a part holds.

    Parameters
    ----------
    name : str
        Family and size, without package and speed grade: up to 40 letters, digits, dots, hyphens and underscores.
    family : str
        A key of `BLOCK_RAM`.
    luts, ffs : int
        Lookup tables of the family's size, and flip-flops beside them.
    block_rams : int
        In units of the family's `BlockRam`.
    dsps : int
        Multipliers or DSP slices.
    lut_rams : int, optional
        Cells of distributed RAM, of 16 words of 4 bits each, where far fewer LUTs than all can be one.
    large_rams : int
        Larger RAMs that cannot hold contents at the start, 4,096 words of 72 bits (UltraRAM) or 16,384 of 32 (LRAM of
        Nexus): plans use none of them.
    speed : str
        Whose delays it has: one of `SPEEDS` of the family, the first of which is taken for ``""``.
    source : str
        Document that the figures are from.
    nextpnr : Nextpnr or None
        What nextpnr calls its chips; None: it is on no board, as nothing routes designs for it here.

    Raises
    ------
    PlanError
        A name, a family or a number is not possible.
    """

    name: str
    family: str
    luts: int
    ffs: int
    block_rams: int
    dsps: int = 0
    lut_rams: int | None = None
    large_rams: int = 0
    speed: str = ""
    source: str = ""
    nextpnr: Nextpnr | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise PlanError(
                f"The name of a part must be 1 to 40 letters, digits, dots, hyphens and underscores, not {self.name!r}."
            )
        if self.family not in BLOCK_RAM:
            raise PlanError(f"The family of {self.name} must be one of {', '.join(BLOCK_RAM)}, not {self.family!r}.")
        for what, count, least in (
            ("LUTs", self.luts, 1), ("flip-flops", self.ffs, 1), ("block RAMs", self.block_rams, 1),
            ("DSPs", self.dsps, 0), ("LUT RAMs", 1 if self.lut_rams is None else self.lut_rams, 1),
            ("large RAMs", self.large_rams, 0),
        ):  # fmt: skip
            if type(count) is not int or not least <= count <= _MOST:
                raise PlanError(f"{self.name} must have {least} to {_MOST:,} {what}, not {count!r}.")
        speeds = SPEEDS[self.family]
        if self.speed == "":
            object.__setattr__(self, "speed", speeds[0])
        if self.speed not in speeds:
            raise PlanError(f"The speed of {self.name} must be one of {', '.join(speeds)}, not {self.speed!r}.")
        if not isinstance(self.source, str) or len(self.source) > 200 or not self.source.isprintable():
            raise PlanError(f"The source of {self.name} must be one line of at most 200 characters.")
        if self.nextpnr and self.family not in ROUTED:
            raise PlanError(
                f"{self.name} must have no table nextpnr, as designs are routed for {', '.join(ROUTED)} alone, not for "
                f"{self.family}."
            )

    @property
    def memory_bits(self) -> int:
        """Bits of all block RAMs."""
        return self.block_rams * BLOCK_RAM[self.family].bits

    @property
    def port_bits(self) -> int:
        """Most bits that one port of every block RAM reads in a cycle."""
        return self.block_rams * max(width for _, width in BLOCK_RAM[self.family].shapes)


#: A part, or the name of a listed one.
Part = str | FpgaPart


_DS180 = "Xilinx DS180, 7 Series overview"
_DS190 = "Xilinx DS190, Zynq-7000 overview"
_DS891 = "Xilinx DS891, Zynq UltraScale+ overview"
_ECP5 = "Lattice FPGA-DS-02012, ECP5 family selection guide"


def _ecp5_chips(size: str, *packages: str) -> Nextpnr:
    """Of Project Trellis: the chips of a size without SERDES, with it, and with the faster one."""
    return Nextpnr(
        devices=(size, f"um-{size}", f"um5g-{size}"),
        packages=("CABGA381", "CSFBGA285", *packages),
        grades=("6", "7", "8"),
    )


_PARTS = (
    # 24K, 44K, 84K LUTs, which the layout of their slices (two LUTs and two flip-flops each) makes 24,288, 43,848 and
    # 83,640; 56, 108, 208 blocks of 18 Kbit; 28, 72, 156 multipliers of 18 x 18.
    FpgaPart(
        name="ecp5-25k", family="ecp5", luts=24_288, ffs=24_288, block_rams=56, dsps=28, source=_ECP5,
        nextpnr=_ecp5_chips("25k", "CABGA256"),
    ),
    FpgaPart(
        name="ecp5-45k", family="ecp5", luts=43_848, ffs=43_848, block_rams=108, dsps=72, source=_ECP5,
        nextpnr=_ecp5_chips("45k", "CABGA256", "CABGA554"),
    ),
    FpgaPart(
        name="ecp5-85k", family="ecp5", luts=83_640, ffs=83_640, block_rams=208, dsps=156, source=_ECP5,
        nextpnr=_ecp5_chips("85k", "CABGA554", "CABGA756"),
    ),
    # 7,680 logic cells of a LUT and a flip-flop, 32 blocks of 4 Kbit.
    FpgaPart(
        name="ice40-hx8k", family="ice40", luts=7_680, ffs=7_680, block_rams=32, speed="hx",
        source="Lattice FPGA-DS-02029, iCE40 LP/HX",
        nextpnr=Nextpnr(
            devices=("hx8k",), packages=("ct256", "cb132", "cm225", "bg121"),
            pll_pads=(
                "ct256:F7", "ct256:R9", "cb132:A6", "cb132:P7", "cm225:D8", "cm225:N7", "bg121:B6", "bg121:L5",
            ),
        ),
    ),
    # 5,280 logic cells, 30 blocks of 4 Kbit, 8 multipliers of 16 x 16. Its four single-port RAMs of 256 Kbit hold no
    # constants, and are not counted.
    FpgaPart(
        name="ice40-up5k", family="ice40", luts=5_280, ffs=5_280, block_rams=30, dsps=8, speed="up",
        source="Lattice FPGA-DS-02008, iCE40 UltraPlus",
        nextpnr=Nextpnr(devices=("up5k",), packages=("sg48", "uwg30"), pll_pads=("sg48:35", "uwg30:B3")),
    ),
    # 8,640 LUT4, 6,480 flip-flops, 26 blocks of 18 Kbit (468 Kbit), 20 multipliers of 18 x 18.
    FpgaPart(
        name="gw1n-9", family="gowin", luts=8_640, ffs=6_480, block_rams=26, dsps=20, lut_rams=270, speed="gw1n",
        source="Gowin DS100, GW1N series", nextpnr=Nextpnr(devices=("GW1N-9C",)),
    ),
    # 20,736 LUT4, 15,552 flip-flops, 46 blocks of 18 Kbit (828 Kbit), 48 multipliers of 18 x 18.
    FpgaPart(
        name="gw2a-18", family="gowin", luts=20_736, ffs=15_552, block_rams=46, dsps=48, lut_rams=648, speed="gw2a",
        source="Gowin DS102, GW2A series", nextpnr=Nextpnr(devices=("GW2A-18C", "GW2A-18")),
    ),
    # Slices of four LUTs and eight flip-flops; blocks of 36 Kbit, two RAMB18 each; DSP slices.
    # 5,200, 15,850, 33,650 and 50,950 slices; of those of the XC7A200T, Vivado's report_utilization offers 33,450.
    FpgaPart(name="xc7a35t", family="xilinx", luts=20_800, ffs=41_600, block_rams=100, dsps=90, source=_DS180),
    FpgaPart(name="xc7a100t", family="xilinx", luts=63_400, ffs=126_800, block_rams=270, dsps=240, source=_DS180),
    FpgaPart(
        name="xc7a200t", family="xilinx", luts=133_800, ffs=267_600, block_rams=730, dsps=740,
        source=f"{_DS180}; LUTs and flip-flops as Vivado counts them",
    ),
    FpgaPart(name="xc7k325t", family="xilinx", luts=203_800, ffs=407_600, block_rams=890, dsps=840, source=_DS180),
    FpgaPart(name="xc7z020", family="xilinx", luts=53_200, ffs=106_400, block_rams=280, dsps=220, source=_DS190),
    FpgaPart(name="xc7z045", family="xilinx", luts=218_600, ffs=437_200, block_rams=1_090, dsps=900, source=_DS190),
    # Blocks of 36 Kbit, two RAMB18E2 each; UltraRAM of 288 Kbit.
    FpgaPart(
        name="xczu3eg", family="ultrascale", luts=70_560, ffs=141_120, block_rams=432, dsps=360, source=_DS891,
    ),
    FpgaPart(
        name="xck26", family="ultrascale", luts=117_120, ffs=234_240, block_rams=288, dsps=1_248, large_rams=64,
        source="Xilinx DS987, Kria K26 (KV260)",
    ),
    FpgaPart(
        name="xczu7ev", family="ultrascale", luts=230_400, ffs=460_800, block_rams=624, dsps=1_728, large_rams=96,
        source=f"{_DS891} (ZCU104)",
    ),
    FpgaPart(
        name="xcu250", family="ultrascale", luts=1_728_000, ffs=3_456_000, block_rams=5_376, dsps=12_288,
        large_rams=1_280, source="Xilinx DS962, Alveo U250, without a shell; in four dies",
    ),
    # 84 blocks of 18 Kbit, two RAMs of 512 Kbit, 56 multipliers of 18 x 18; 4,032 distributed RAMs: nextpnr-nexus
    # counts the same in the data of Project Oxide.
    FpgaPart(
        name="lifcl-40", family="nexus", luts=32_256, ffs=32_256, block_rams=84, dsps=56, lut_rams=4_032, large_rams=2,
        source="Lattice FPGA-DS-02049, CrossLink-NX",
    ),
    FpgaPart(
        name="lfd2nx-40", family="nexus", luts=32_256, ffs=32_256, block_rams=84, dsps=56, lut_rams=4_032, large_rams=2,
        source="Lattice FPGA-DS-02078, Certus-NX",
    ),
    # LUT4 and as many flip-flops; blocks of 18 Kbit; DSPs of 27 x 18; 180 and 1,080 Kbit of distributed RAM. The data
    # of Apicula have the same, but no distributed RAM of the GW5A-25.
    FpgaPart(
        name="gw5a-25", family="gw5a", luts=23_040, ffs=23_040, block_rams=56, dsps=28, lut_rams=2_880,
        source="Gowin DS1103, GW5A series",
    ),
    FpgaPart(
        name="gw5at-138", family="gw5a", luts=138_240, ffs=138_240, block_rams=340, dsps=298, lut_rams=17_280,
        source="Gowin DS981, GW5AT series",
    ),
)  # fmt: skip

#: By name.
PARTS: dict[str, FpgaPart] = {part.name: part for part in _PARTS}

#: The part of each family that reports compare with, if none is named.
PART_OF = {
    "ecp5": "ecp5-85k", "ice40": "ice40-hx8k", "gowin": "gw2a-18", "xilinx": "xc7z020", "ultrascale": "xck26",
    "nexus": "lifcl-40", "gw5a": "gw5a-25",
}  # fmt: skip


def part_of(part: Part) -> FpgaPart:
    """A part, or the listed one of a name.

    Raises
    ------
    PlanError
        No listed part has the name.
    """
    if isinstance(part, FpgaPart):
        return part
    if part not in PARTS:
        raise PlanError(f"The part must be one of {', '.join(sorted(PARTS))}, not {part!r}.")
    return PARTS[part]
