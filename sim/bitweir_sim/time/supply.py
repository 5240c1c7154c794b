"""How words of streamed weights come: what a memory outside the accelerator gives, and when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import ceil
from typing import Protocol, TypeVar

import numpy as np
from bitweir_hw.blocks.pipeline import Pipeline
from numpy.typing import NDArray

from ..trace import Stalls, stall_pattern

__all__ = ["ALWAYS", "Supplier", "Supply", "WordSource", "shared_supplies", "supplies_of"]


#: Frames after which shares of a memory that is faster than needed begin anew.
_PARTS = 8


class WordSource(Protocol):
    """What offers words to one layer, from reset on."""

    def step(self, cycle: int, ready: bool) -> bool:
        """End a cycle; returns whether a word moved."""

    def state(self) -> tuple[int, ...]:
        """All numbers that its further behaviour depends on, except stalls that are to come."""


class Supplier(Protocol):
    """How words of one layer come."""

    def source(self) -> WordSource:
        """What offers words so, from reset on."""


_S = TypeVar("_S", bound=Supplier)


@dataclass(frozen=True, kw_only=True, eq=False)
class Supply:
    """A service curve: cycles in which a new word is offered; once offered, it stays until it moves.

    Behind the first `latency` cycles after reset, cycle n from 0 on has a turn where
    ``(n + 1) * words // cycles > n * words // cycles``. A turn while a word waits is lost: what is offered never
    exceeds the rate, also not after a pause.

    Parameters
    ----------
    words, cycles : int
        At most so many words in so many cycles; one a cycle by default.
    latency : int
    stalls : sequence of bool, optional
        Cycles from 0 on in which no new word is offered, whosever turn it is.
    """

    words: int = 1
    cycles: int = 1
    latency: int = 0
    stalls: Stalls = None

    def __post_init__(self) -> None:
        if not (1 <= self.words <= self.cycles and self.latency >= 0):
            raise ValueError(
                f"A supply must have 1 word a cycle or less, and a latency of 0 or more, not {self.words} words in "
                f"{self.cycles} cycles after {self.latency}."
            )

    @cached_property
    def pattern(self) -> NDArray[np.uint8]:
        """The stalls, 1 for each that is one."""
        return stall_pattern(self.stalls)

    def source(self) -> _Source:
        """What offers words so, from reset on."""
        return _Source(self)

    def held_back(self, cycles: int) -> NDArray[np.uint8]:
        """For so many cycles or the stalls that are given, 1 where no new word is offered: no turn, or a stall."""
        if self.words == self.cycles and not self.latency:
            return self.pattern
        at = np.arange(max(cycles, len(self.pattern))) - self.latency
        held = ((at + 1) * self.words // self.cycles == at * self.words // self.cycles) | (at < 0)
        held[: len(self.pattern)] |= self.pattern != 0
        return np.asarray(held, np.uint8)


#: A word in every cycle.
ALWAYS = Supply()


class _Source:
    """Offers words, cycle by cycle: the twin of `Supply` in `cycles.cpp`."""

    def __init__(self, supply: Supply) -> None:
        self._words, self._cycles, self._stalls = supply.words, supply.cycles, supply.pattern
        self._latency, self._phase, self._offering = supply.latency, 0, False

    def step(self, cycle: int, ready: bool) -> bool:
        """End a cycle; returns whether a word moved."""
        turn = self._latency == 0
        if self._latency:
            self._latency -= 1
        else:
            self._phase += self._words
            turn = self._phase >= self._cycles
            self._phase -= self._cycles * turn
        stalled = cycle < len(self._stalls) and bool(self._stalls[cycle])
        self._offering = self._offering or (turn and not stalled)
        moves = self._offering and ready
        self._offering = self._offering and not moves
        return moves

    def state(self) -> tuple[int, ...]:
        """All numbers that its further behaviour depends on, except stalls that are to come."""
        return self._phase, self._latency, int(self._offering)


def supplies_of(pipeline: Pipeline, supplies: Mapping[str, _S] | None) -> list[_S | Supply]:
    """The supply of each of the weight streams of a pipeline, from those that are given by the names of blocks.

    Raises
    ------
    ValueError
        One is given for a block without such a stream.
    """
    given = dict(supplies or {})
    found = [given.pop(streamed.block, ALWAYS) for streamed in pipeline.weight_streams]
    if given:
        raise ValueError(f"Block {min(given)!r} takes no streamed weights.")
    return found


def shared_supplies(
    pipeline: Pipeline, bits_per_cycle: Fraction, *, interval: int, latency: int = 0
) -> dict[str, Supply]:
    """The supplies of all weight streams from one memory that is divided into fixed shares.

    Each layer has the share of its bits of a frame. With b bits a cycle from the memory and B bits a frame in all,
    these take ``T = ceil(B / b)`` cycles, and a layer of n words a frame gets ``n / T`` words a cycle, one at most.
    Where T is less than the interval I without such a limit, this is rounded down to ``n * k / (8 * I)`` with an
    integer k, so that the state of the accelerator repeats soon. What a layer leaves of its share, no other one gets.

    Parameters
    ----------
    pipeline : Pipeline
    bits_per_cycle : Fraction
        What the memory gives.
    interval : int
        Cycles from frame to frame where words always come, I.
    latency : int
        Cycles before the first word.
    """
    streams = pipeline.weight_streams
    cycles = ceil(pipeline.weight_bits / bits_per_cycle)
    times = 1
    if cycles < interval:
        cycles, times = _PARTS * interval, _PARTS * interval // max(cycles, 1)
    return {
        streamed.block: Supply(words=min(streamed.frame_words * times, cycles), cycles=cycles, latency=latency)
        for streamed in streams
    }
