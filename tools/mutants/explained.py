"""Mutants that no test can notice, as they do the same."""

from __future__ import annotations

from .mutate import Mutant

__all__ = ["EXPLAINED", "why"]

#: File, its line, what the mutant has in place of what, and why that is the same.
EXPLAINED: tuple[tuple[str, str, str, str, str], ...] = (
    (
        "hw/bitweir_hw/blocks/channel/piecewise.py", "if piece % 2:", "2", "3",
        "it moves registers between levels of logic; their number and the results stay, only the clock may not",
    ),
    (
        "hw/bitweir_hw/blocks/wired/gateware.py", 'left = Signal(spec.lane_bits, name=f"left_{n}", reset_less=True)',
        "True", "False", "a reset of data costs logic, and changes no result, as nothing is valid after it",
    ),
    (
        "hw/bitweir_hw/gateware/prefetch.py",
        '{"i": In(stream.Signature(width)), "some": Out(1), "use": In(1), "step": In(1), "data": Out(width)}',
        "1", "2", "a port has a bit more, which is always 0",
    ),
    (
        "hw/bitweir_hw/gateware/stages.py",
        '(x, s), (y, t) = (a, b) if a[1] > 0 else (b, a)',
        ">", ">=", "it is a sign, 1 or -1, never 0",
    ),
    (
        "hw/bitweir_hw/link/receiver.py",
        'check.bit.eq(piece.data.bit_select(bit, 1)),',
        "1", "2", "the signal that takes it has one bit",
    ),
)  # fmt: skip


def why(mutant: Mutant, line: str) -> str | None:
    """Why a mutant of a line is no fault; None if nobody knows."""
    for file, text, before, after, reason in EXPLAINED:
        if (file, text, before, after) == (mutant.file, line, mutant.before, mutant.after):
            return reason
    return None
