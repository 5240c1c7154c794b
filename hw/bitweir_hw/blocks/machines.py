"""When blocks move beats: three state machines, given as data.

No schedule depends on data, so the timing of a block is one of three machines with numbers, which its specification
gives as `machine`. The gateware has the same counters; `bitweir_sim.time.machines` steps them. A machine takes a
beat of all its inputs, or of none, unless they take turns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..network.formats import Integers

__all__ = ["Buffered", "Collect", "Level", "Machine", "one_to_one"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Buffered:
    """A buffer that is replayed, a datapath that never stalls, and an output FIFO in which each result reserves a slot.

    A beat is taken while fewer than `room` words are held. A step is made once the words that it needs are there and,
    if it starts a result, a slot is free. The result is in the FIFO `latency` cycles later.

    Parameters
    ----------
    room : int
        Words of the buffer.
    start : int
        Words that the first step after reset waits for.
    programme : int64 array, (R, 4)
        Runs of equal steps, made over and over. A row: how many steps; whether each starts a result; how many words
        more than this step the next one needs; how many words each is the last to need.
    latency : int
        Cycles from a step to its result in the FIFO.
    depth : int
        Slots of the FIFO.
    prefetched : int
        Words of weights that it takes ahead from a stream of its own, of which each step uses one and waits for it; 0
        where no step needs one. A word is taken while fewer are held, and can be used in the next cycle.
    shared : int
        Steps that each word of weights serves, one after the other: it is held until the last of them.
    batch : int
        Results that leave together: none before all of a batch are in the FIFO. Their slots are free again together.
    """

    room: int
    start: int
    programme: Integers
    latency: int
    depth: int
    prefetched: int = 0
    shared: int = 1
    batch: int = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Collect:
    """Each beat that is taken may complete a result, which needs a free slot in the output FIFO.

    Parameters
    ----------
    completes : int64 array
        1 for each beat that completes a result, else 0; over and over.
    latency, depth : int
        As in `Buffered`.
    back : int
        Cycles after which the slot of a beat that leaves is known to be free.
    every : int
        Cycles from a beat to the next one at least.
    """

    completes: Integers
    latency: int
    depth: int
    back: int = 0
    every: int = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Level:
    """A fill level for each output; all are filled at once.

    A beat is taken while no level is above `room`, and adds the next of `amounts`. An output offers a beat while its
    level, without what was added in the last `latency` cycles, is `leave` or more; the beat takes as much away.

    Parameters
    ----------
    room, leave : int
    amounts : int64 array
        Over and over.
    outputs : int
    turns : int64 array, or None
        Which input each of `amounts` is a beat of; None where beats of all inputs are taken at once.
    latency : int
    """

    room: int
    leave: int
    amounts: Integers
    outputs: int = 1
    turns: Integers | None = None
    latency: int = 0


Machine = Buffered | Collect | Level


def one_to_one(*, latency: int, depth: int) -> Collect:
    """The machine of blocks that make one beat of each."""
    return Collect(completes=np.ones(1, np.int64), latency=latency, depth=depth)
