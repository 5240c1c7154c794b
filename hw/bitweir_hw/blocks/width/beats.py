"""What the beats of a vector do on their way from one width to another."""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .spec import WidthSpec

__all__ = ["Beats"]


class Beats:
    """What the input beats of an output vector do, by their kind.

    Kinds are: any beat, the last one of an input vector, the last one of all; those that there are.

    Attributes
    ----------
    elements : list of int
        Elements that a beat of a kind carries.
    step : int
        Elements that the rest, and what beats add to it, are multiples of.
    steps : list of int
        What a beat of a kind adds, padding of the output included.
    phases : int
        Steps of an output beat.
    last : int
        The number of the last kind.
    events : set of (int, int, int)
        Phase, kind, and how many output beats are complete, for all that happens.
    most : int
        Output beats that one beat completes.
    collects : bool
        Whether all beats but the last one of all are one step.
    order : list of int
        The kind of each beat of a vector.
    places : list of int
        The phase before each.
    """

    def __init__(self, spec: WidthSpec) -> None:
        kinds = [(spec.tail, spec.last)]
        if spec.parts > 1:
            kinds.insert(0, (spec.tail, spec.tail))
        if spec.part_beats > 1:
            kinds.insert(0, (spec.i_lanes, spec.i_lanes))
        self.elements = [elements for elements, _ in kinds]
        self.step = gcd(spec.o_lanes, *(amount for _, amount in kinds))
        self.steps = [amount // self.step for _, amount in kinds]
        self.phases = spec.o_lanes // self.step
        self.last = len(kinds) - 1
        self.collects = all(steps == 1 for steps in self.steps[:-1])

        order = [0] * (spec.part_beats - 1) + [max(0, self.last - 1)]
        self.order = order * (spec.parts - 1) + order[:-1] + [self.last]
        self.events = set()
        self.places = [0]
        for kind in self.order:
            phase = self.places[-1]
            count, after = divmod(phase + self.steps[kind], self.phases)
            self.events.add((phase, kind, count))
            self.places.append(after)
        self.most = max(count for _, _, count in self.events)

    @property
    def shifts(self) -> bool:
        """Whether beats must be shifted to their places."""
        return self.phases > 1 and not self.collects

    @property
    def farthest(self) -> int:
        """The highest phase at which a beat comes."""
        return max(at for at, _, _ in self.events)
