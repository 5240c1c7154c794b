"""The SDRAM chip of a simulated board."""

from __future__ import annotations

import ctypes
from collections import deque

from bitweir_hw.offchip import SdramSpec

from .harness import CHIP_PINS
from .sdram import SdramChip, SdramError, SdramPins

__all__ = ["BoardChip"]

#: See board.cpp.
_REST = 1 << 16
_FUNCTION = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_uint64, ctypes.c_int64)


class BoardChip:
    """An `SdramChip` at the pins of a board, whose registers and wires delay what it sends.

    Parameters
    ----------
    spec : SdramSpec
        What the design was made for.

    Attributes
    ----------
    chip : SdramChip
    error : SdramError or None
        The first thing that its data sheet does not allow; nothing is right from then on.
    """

    def __init__(self, spec: SdramSpec) -> None:
        self.spec = spec
        self.error: SdramError | None = None
        #: What C++ calls; it lives as long as this object.
        self.function = _FUNCTION(self._edge)
        self._widths = {"ba": spec.part.bank_bits, "a": spec.part.row_bits, "dqm": 2, "dq_o": 16}
        self._noise = 1
        self.chip = self._new()

    def _new(self) -> SdramChip:
        spec = self.spec
        #: What is on its way to the design.
        self._sent: deque[int | None] = deque([None] * spec.late)
        return SdramChip(spec.part, spec.clock, late_refreshes=spec.refresh_delay * 1e9 / spec.clock)

    def begin(self) -> None:
        """Begin again, as the design does after a reset; the content stays, as far as it goes."""
        content, self.chip = self.chip.content, self._new()
        self.chip.content = content

    def _edge(self, pins: int, missed: int) -> int:
        """An edge of the clock, behind others at which nothing happened; see board.cpp."""
        if self.error:
            return 0
        try:
            return self._checked_edge(pins, missed)
        except SdramError as error:
            self.error = error
            return 0

    def _checked_edge(self, pins: int, missed: int) -> int:
        seen = {}
        for name in CHIP_PINS:
            width = self._widths.get(name, 1)
            seen[name] = pins & (1 << width) - 1
            pins >>= width
        drives, data = seen.pop("dq_oe"), seen.pop("dq_o")
        at_pins = SdramPins(**seen, dq=data if drives else None)
        self.chip.idle(missed)
        self._sent.append(self.chip.edge(at_pins))
        arrives = self._sent.popleft()
        rests = at_pins.idle and self.chip.quiet and not any(word is not None for word in self._sent)
        if arrives is None:
            # Nobody drives the wires: a shift register of 16 bits, polynomial x^16 + x^14 + x^13 + x^11 + 1.
            self._noise = self._noise >> 1 ^ (0xB400 if self._noise & 1 else 0)
            arrives = self._noise
        return arrives | (_REST if rests else 0)
