"""Frames that a circuit takes, played in a graph: what comes out, for all frames and whatever it held before.

A *burst* is some frames, one behind the other without a gap, and as many cycles without any as the last result takes.
Handshakes must not depend on data: then each of them is 0 or 1 in each cycle, and only payloads are literals. Behind a
burst, each register that may be either then is set free, but for what was loaded before the first one. So what is
proved of a burst from there holds whatever the frames before have left. When the other registers are as they were
before an earlier burst, all further ones begin in a state that has been played: what was proved holds for any number
of bursts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from bitweir_sim.formal import Circuit
from bitweir_sim.formal.frames import Frames
from bitweir_sim.formal.graph import Graph

__all__ = ["LooseError", "Player"]

#: Cycles without a beat after which a burst is given up, and bursts after which that is that the state did not repeat.
_PATIENCE, _BURSTS = 200, 64
#: Cycles without a beat behind a burst.
_QUIET = 8

Beat = Sequence[int]


class LooseError(Exception):
    """Something that must not depend on data does, or does not end."""


class Player:
    """A circuit with an input `i` and an output `o`.

    Parameters
    ----------
    circuit : Circuit
    graph : Graph
    pins : callable
        Of the number of a cycle of a burst, whether the source offers a beat and the sink takes one: 0 or 1 each.
    loaded : collection of int
        Leaves, literals, of what is loaded before the first burst and stays.
    """

    def __init__(
        self, circuit: Circuit, graph: Graph, pins: Callable[[int], tuple[int, int]], loaded: Collection[int] = ()
    ) -> None:
        self.circuit, self.graph, self.pins = circuit, graph, pins
        self._loaded = {literal >> 1 for literal in loaded}
        #: Of each node, whether it depends on nothing but what was loaded.
        self._steady = [True]
        self.frames = Frames(circuit, graph)
        self._free: dict[int, int] = {}

    def prelude(self, cycles: Sequence[dict[str, Sequence[int]]]) -> None:
        """Cycles before the first frame, with what inputs are in them."""
        for pins in cycles:
            self.frames.cycle(pins)

    def burst(self, beats: Sequence[Beat], count: int) -> list[list[int]]:
        """Let some beats in; the `count` beats that come out."""
        waiting, found, quiet, cycle = list(beats), list[list[int]](), 0, 0
        width = len(beats[0])
        while waiting or len(found) < count or quiet < _QUIET:
            offers, takes = self.pins(cycle)
            offers = int(bool(offers and waiting))
            out = self.frames.cycle(
                {
                    "i__valid": [offers],
                    "i__payload": waiting[0] if offers else [0] * width,
                    "o__ready": [takes],
                }
            )
            (ready,), (valid,) = out["i__ready"], out["o__valid"]
            if ready > 1 or valid > 1:
                raise LooseError("a handshake depends on data")
            quiet = 0 if offers and ready or valid else quiet + 1
            if offers and ready:
                waiting.pop(0)
            if takes and valid:
                found.append(out["o__payload"])
            cycle += 1
            if quiet > _PATIENCE:
                raise LooseError("it does not go on")
        if len(found) > count:
            raise LooseError("more beats come out than belong to the frames")
        return found

    def bursts(self, beats: Sequence[Beat], count: int) -> Iterator[list[list[int]]]:
        """The outputs of the same burst from each state that can be before it."""
        seen: list[dict[int, int]] = []
        for _ in range(_BURSTS):
            held = {n: literal for n, literal in enumerate(self.frames.state) if self._stays(literal)}
            if any(other.items() <= held.items() for other in seen):
                return
            seen.append(held)
            yield self.burst(beats, count)
            for n, literal in enumerate(self.frames.state):
                if not self._stays(literal):
                    if n not in self._free:
                        self._free[n] = self.graph.leaf()
                    self.frames.state[n] = self._free[n]
        raise LooseError("the state between bursts does not repeat")

    def _stays(self, literal: int) -> bool:
        """Whether a value is the same for all frames."""
        left, right, steady = self.graph.left, self.graph.right, self._steady
        for node in range(len(steady), len(left)):
            a = left[node]
            steady.append(node in self._loaded if a < 0 else steady[a >> 1] and steady[right[node] >> 1])
        return steady[literal >> 1]
