"""What a memory of parameters in RAM costs: see `gateware.loading`."""

from __future__ import annotations

from collections import Counter

from ..arithmetic import ceil_div
from ..memory import Layout, is_block
from .memories import ram
from .terms import Terms, counter, index_bits, stepped

__all__ = ["loaded"]


def loaded(
    depth: int, width: int, family: str, *, load_width: int, style: str = "auto", layout: Layout | None = None
) -> Terms:
    """Words that are loaded, and then come in a fixed order: a RAM, or registers for one word, and a `MemoryLoader`.

    Parameters
    ----------
    depth, width : int
    family : str
    load_width : int
        Bytes that come in a cycle.
    style : str
        One of `memory.STYLES`.
    layout : Layout, optional
        In block RAM; by default one bank without a register behind it.
    """
    bits = 8 * load_width
    size = ceil_div(width, bits)
    # Beats before the last of a word, where they are; whether all came; the chain.
    terms = Terms(ff=bits * (size - 1) + index_bits(size) + index_bits(depth) + 1 + bits + 2, luts=Counter(fill=4))
    counter(terms, size, family)
    counter(terms, depth, family)
    if depth == 1:
        terms.ff += width
        terms.rams.append(0)
        return terms
    rams, block = 0, is_block(depth, width, style)
    for share in layout.shares(width) if layout else [slice(0, width)]:
        # The address that is read.
        stepped(terms, depth, family)
        one = ram(depth, share.stop - share.start, family, block=block, layout=layout)
        rams += one.rams.pop()
        terms += one
    terms.rams.append(rams)
    return terms
