"""Whole numbers whose bits are literals of a graph: arithmetic for all values of its leaves at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .graph import Graph

__all__ = ["Word"]


@dataclass(frozen=True, eq=False)
class Word:
    """A number in two's complement, as long as it needs to be: nothing is ever cut off.

    Numbers of this kind can be elements of NumPy arrays of objects. ``+``, ``-``, ``*`` and ``>>`` are those of
    integers, also with integers on either side.

    Parameters
    ----------
    graph : Graph
    bits : tuple of int
        Literals, lowest bit first; the highest is the sign.
    """

    graph: Graph
    bits: tuple[int, ...]

    @classmethod
    def unsigned(cls, graph: Graph, bits: Sequence[int]) -> Word:
        """The number with these bits, which have no sign."""
        return cls(graph, (*bits, 0))

    def __post_init__(self) -> None:
        bits = self.bits
        while len(bits) > 1 and bits[-1] == bits[-2]:
            bits = bits[:-1]
        object.__setattr__(self, "bits", bits)

    def _word(self, other: Word | int) -> Word:
        if isinstance(other, Word):
            return other
        number = int(other)
        return Word(self.graph, tuple(number >> place & 1 for place in range(number.bit_length() + 1)))

    def padded(self, length: int) -> list[int]:
        """Its bits, with as many of its sign above them as are wanted."""
        return [*self.bits, *[self.bits[-1]] * (length - len(self.bits))][:length]

    def _sum(self, other: Word, inverted: int) -> Word:
        length = max(len(self.bits), len(other.bits)) + 1
        total = self.graph.add(self.padded(length), [bit ^ inverted for bit in other.padded(length)], inverted)
        return Word(self.graph, tuple(total[:length]))

    def __add__(self, other: Word | int) -> Word:
        return self._sum(self._word(other), 0)

    __radd__ = __add__

    def __sub__(self, other: Word | int) -> Word:
        return self._sum(self._word(other), 1)

    def __rsub__(self, other: Word | int) -> Word:
        return self._word(other) - self

    def __mul__(self, other: Word | int) -> Word:
        """Products of bits, shifted; that of the sign counts against the others."""
        factor = self._word(other)
        total = self._word(0)
        for place, bit in enumerate(factor.bits):
            part = Word(self.graph, (*[0] * place, *(self.graph.both(bit, own) for own in self.bits)))
            total = total - part if place == len(factor.bits) - 1 else total + part
        return total

    __rmul__ = __mul__

    def __rshift__(self, places: int) -> Word:
        """Rounds down."""
        return Word(self.graph, self.bits[places:] or self.bits[-1:])

    def reaches(self, other: Word | int) -> int:
        """Literal: whether it is no less than another number."""
        return (self - other).bits[-1] ^ 1

    def chosen(self, select: int, other: Word | int) -> Word:
        """Itself where a literal is 1, else another number."""
        word = self._word(other)
        length = max(len(self.bits), len(word.bits))
        pairs = zip(self.padded(length), word.padded(length), strict=True)
        return Word(self.graph, tuple(self.graph.choose(select, one, zero) for one, zero in pairs))
