"""What readers of streamed weights take, beside the accelerator."""

from __future__ import annotations

from ..arithmetic import ceil_div
from ..memory import is_block
from ..offchip import ReaderSpec
from ..parts import COUNTED_AS
from ..resources.memories import block_rams
from ..resources.terms import Cost
from .model import estimate

__all__ = ["READER_ERROR", "estimate_reader"]

#: LUT sites and flip-flops that a reader has once: what schedules bursts, for an address of 25 to 32 bits, and the side
#: of the memory; that of an SDRAM is its controller and what loads an image.
_ONCE = {"axi": (117, 287), "wishbone": (159, 219), "sdram": (776, 569)}
#: The same for each layer, without its converter: fill levels and addresses of its buffer; and for each bit of a beat,
#: of which a few wait behind the memory.
_LAYER, _BIT = (112, 76), (1.76, 1.82)
#: Beats and bits of a beat that a cell of LUT RAM holds, and the sites that it and its multiplexers fill.
_LUT_RAM, _LUT_RAM_SITES = (16, 4), 4
#: By how much estimates of LUT sites and flip-flops were off at most, as a share: see docs/cost-model.md.
READER_ERROR = 0.15


def estimate_reader(spec: ReaderSpec, memory: str, family: str = "ecp5") -> Cost:
    """LUT sites, flip-flops and block RAMs of a reader, within `READER_ERROR` on ECP5.

    Its width converters are counted as blocks are; all else by a few numbers that were measured with Yosys for ECP5.

    Parameters
    ----------
    spec : ReaderSpec
    memory : str
        ``"axi"``, ``"wishbone"``, or ``"sdram"`` with the controller and what loads the image.
    family : str
        A key of `parts.COUNTED_AS`.
    """
    (sites, ffs), bits = _ONCE[memory], spec.layout.beat_bits
    found = Cost()
    for words in spec.converters:
        found += estimate(words, family)
        sites += _LAYER[0] + round(_BIT[0] * bits)
        ffs += _LAYER[1] + round(_BIT[1] * bits)
    layers, beats = len(spec.converters), spec.buffer_beats
    if is_block(beats, bits):
        rams = layers * block_rams(beats, bits, COUNTED_AS[family], writable=True)[0]
        return found + Cost(sites=sites, ff=ffs, bram=rams)
    cells = ceil_div(beats, _LUT_RAM[0]) * ceil_div(bits, _LUT_RAM[1])
    return found + Cost(sites=sites + layers * cells * _LUT_RAM_SITES, ff=ffs)
