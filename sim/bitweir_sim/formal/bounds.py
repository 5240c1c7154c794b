"""What is said of registers with several bits: that they never pass some number, or hold one of a few.

Behind the last word of a memory there may be anything, so two circuits that do the same may read other things there:
that no counter gets there must be said, and proved, before they can be compared. A word that is loaded with one of a
few constants, or two words that are loaded together, are often the reason why it does not.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from .graph import Graph

__all__ = ["Held", "seen_words"]

#: Numbers that are listed, at most: of a word, and of two that belong together.
_FEW, _MANY = 16, 64
#: Bits of two words, at most.
_LONGEST = 60
#: One of so many numbers is looked at first.
_SOME = 37


@dataclass(frozen=True)
class Held:
    """A number in registers, and what it can be.

    Parameters
    ----------
    bits : tuple of int
        Literals, lowest bit first.
    most : int
        The highest number.
    values : frozenset of int, optional
        All numbers, where these are few.
    marks : tuple of int
        Literals that tell whether it is the highest number.
    """

    bits: tuple[int, ...]
    most: int
    values: frozenset[int] | None = None
    marks: tuple[int, ...] = ()

    def moved(self, to: Callable[[int], int]) -> Held:
        """The same of other literals."""
        return replace(self, bits=tuple(map(to, self.bits)), marks=tuple(map(to, self.marks)))

    def fits(self, graph: Graph, bits: Sequence[int]) -> int:
        """Whether a number is among those that it can be."""
        if self.values is None:
            return graph.at_most(bits, self.most)
        fits = 0
        for value in sorted(self.values):
            fits = graph.either(fits, graph.equals(bits, value))
        return fits

    def drawn(self, rng: random.Random, count: int) -> list[int]:
        """Numbers that it can be."""
        if self.values is None:
            return [rng.randint(0, self.most) for _ in range(count)]
        return rng.choices(sorted(self.values), k=count)

    def wider(self, number: int) -> Held | None:
        """The same with one more number, if that still says anything."""
        most = max(self.most, number)
        if self.values is None:
            return replace(self, most=most) if most < (1 << len(self.bits)) - 1 else None
        values = self.values | {number}
        says = len(values) <= _MANY and len(values) < 1 << len(self.bits)
        return replace(self, most=most, values=values) if says else None


def seen_words(
    words: Sequence[tuple[int, ...]], states: Sequence[dict[int, int]], traces: int, heads: Sequence[int]
) -> list[Held]:
    """What simulations show of words.

    Parameters
    ----------
    words : sequence of tuple of int
        Literals of the bits of each.
    states : sequence of dict of int to int
        Of each cycle the bits of each node, one for each simulation.
    traces : int
        Simulations.
    heads : sequence of int
        Literals that may tell when a word is at its highest number.
    """
    numbers = {bits: _numbers(bits, states, traces) for bits in words}
    seen = {bits: np.unique(found) for bits, found in numbers.items()}
    # A counter that reaches all numbers up to its highest is a counter.
    few = [bits for bits, found in seen.items() if 1 < len(found) <= _FEW and found[-1] + 1 > len(found)]
    listed = [Held(bits, int(seen[bits][-1]), frozenset(map(int, seen[bits]))) for bits in few]
    several = [bits for bits, found in seen.items() if 1 < len(found) < _MANY]
    for one, other in combinations(several, 2):
        # One tells the other, but for what they begin with.
        limit = min(max(len(seen[one]), len(seen[other])) + 1, _MANY)
        if _count(numbers[one][::_SOME], numbers[other][::_SOME], len(one)) <= limit:
            both = np.unique(numbers[one] | numbers[other] << len(one))
            if len(both) <= limit and len(one) + len(other) < _LONGEST:
                listed.append(Held((*one, *other), int(both[-1]), frozenset(map(int, both))))
    ranges = [
        Held(bits, most, marks=_marks(heads, states, bits, most, traces))
        for bits, found in seen.items()
        if bits not in few and 0 < (most := int(found[-1])) < (1 << len(bits)) - 1
    ]
    return listed + ranges


def _count(one: NDArray[np.int64], other: NDArray[np.int64], bits: int) -> int:
    """Pairs of numbers that there are."""
    return len(np.unique(one | other << bits))


def _numbers(bits: tuple[int, ...], states: Sequence[dict[int, int]], traces: int) -> NDArray[np.int64]:
    """The numbers of a word in all cycles of all simulations."""
    total = np.zeros(len(states) * traces, np.int64)
    for place, bit in enumerate(bits):
        raw = b"".join(state[bit >> 1].to_bytes(traces // 8, "little") for state in states)
        ones = np.unpackbits(np.frombuffer(raw, np.uint8)).astype(np.int64)
        total |= (ones ^ (bit & 1)) << place
    return total


def _marks(
    heads: Sequence[int], states: Sequence[dict[int, int]], bits: tuple[int, ...], number: int, traces: int
) -> tuple[int, ...]:
    """Those literals that were 1 in those cycles in which a word was a number."""
    found, mask = list(heads), (1 << traces) - 1
    for state in states:
        there = mask
        for place, bit in enumerate(bits):
            there &= state[bit >> 1] ^ (0 if number >> place & 1 ^ bit & 1 else mask)
        found = [mark for mark in found if state[mark >> 1] ^ mask * (mark & 1) == there]
    return tuple(found)
