"""FPGA families and what their memories look like."""

from __future__ import annotations

from dataclasses import dataclass

from .blocks.arithmetic import ceil_div

__all__ = ["BLOCK_RAM", "BlockRam"]


@dataclass(frozen=True, kw_only=True)
class BlockRam:
    """The block RAM of a family.

    Parameters
    ----------
    name : str
        Of the cell.
    shapes : tuple of (int, int)
        Depths, and bits of a word at each.
    """

    name: str
    shapes: tuple[tuple[int, int], ...]

    @property
    def bits(self) -> int:
        """Most bits that one holds."""
        return max(depth * width for depth, width in self.shapes)

    def needed(self, depth: int, width: int) -> int:
        """How many of them hold a memory: side by side for its width, one below the other for its depth."""
        return min(ceil_div(width, w) * ceil_div(depth, d) for d, w in self.shapes)


_EIGHTEEN = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))

#: By family. ECP5: Lattice TN-02204; iCE40: Lattice TN-02002; Gowin: UG285; Xilinx 7: UG473, as simple dual ports.
BLOCK_RAM = {
    "ecp5": BlockRam(name="DP16KD", shapes=_EIGHTEEN),
    "ice40": BlockRam(name="SB_RAM40_4K", shapes=((256, 16), (512, 8), (1024, 4), (2048, 2))),
    "gowin": BlockRam(name="BSRAM", shapes=_EIGHTEEN),
    "xilinx": BlockRam(name="RAMB18", shapes=_EIGHTEEN),
}
