"""Combinational equivalence by sweeping: nodes that simulate alike are proved equal one by one, inputs first.

Each proof is a small one, as what was proved equal before is one node by then (A. Kuehlmann, F. Krohm, "Equivalence
checking using cuts and heaps", 1997; A. Mishchenko and others, "FRAIGs", 2005).
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Sequence
from math import inf
from typing import Any

from .bounds import Held
from .graph import Graph
from .solver import solvers

__all__ = ["Prover", "Swept", "sweep"]

#: Patterns that nodes are first compared by, and those near one that a solver found.
_PATTERNS, _NEAR = 2048, 64
#: Conflicts after which a solver gives up: on two inner nodes, and on what is asked for.
_INNER, _ASKED = 300, 100_000
#: Nodes after which a solver is replaced by an empty one, as it decides about all of them.
_FULL = 4000


class Prover:
    """Asks a solver about nodes of a graph that grows; of the graph it knows what the questions need.

    Parameters
    ----------
    graph : Graph
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        #: Literals that are 1 in all that is asked about.
        self.assumed: list[int] = []
        self._restart()

    def _restart(self) -> None:
        self._solver: Any = solvers().Solver("minisat22")
        self._known = {0}
        self._solver.add_clause([-1])
        self._load(self.assumed)
        for literal in self.assumed:
            self._solver.add_clause([_variable(literal)])

    def assume(self, literal: int) -> None:
        """Of all that is asked from now on, this is 1."""
        self.assumed.append(literal)
        self._load([literal])
        self._solver.add_clause([_variable(literal)])

    def _load(self, literals: Sequence[int]) -> None:
        waiting = [literal >> 1 for literal in literals]
        while waiting:
            node = waiting.pop()
            if node in self._known:
                continue
            self._known.add(node)
            a, b = self.graph.left[node], self.graph.right[node]
            if a >= 0:
                n, x, y = node + 1, _variable(a), _variable(b)
                self._solver.append_formula([[-n, x], [-n, y], [n, -x, -y]])
                waiting += (a >> 1, b >> 1)

    def one(self, literals: Sequence[int], budget: int = _ASKED) -> dict[int, int] | bool | None:
        """Values of leaves for which all these literals are 1; False if there are none, None if it gave up."""
        if len(self._known) > _FULL:
            self._solver.delete()
            self._restart()
        self._load(literals)
        self._solver.conf_budget(budget)
        answer = self._solver.solve_limited(assumptions=[_variable(literal) for literal in literals])
        if not answer:
            return None if answer is None else False
        model = self._solver.get_model()
        leaves = (node for node in self._known if node and self.graph.left[node] < 0)
        return {node: int(model[node] > 0) for node in leaves if node < len(model)}

    def different(self, a: int, b: int, budget: int = _ASKED) -> dict[int, int] | bool | None:
        """As `one`: values of leaves for which two literals differ."""
        if a == b:
            return False
        unknown = False
        for pair in ((a, b ^ 1), (a ^ 1, b)):
            if 0 in pair:
                continue
            found = self.one([literal for literal in pair if literal != 1], budget)
            if found:
                return found
            unknown |= found is None
        return None if unknown else False


def _variable(literal: int) -> int:
    return -(literal >> 1) - 1 if literal & 1 else (literal >> 1) + 1


class Swept:
    """A graph in which nodes that were proved equal are one.

    Parameters
    ----------
    source : Graph
        Its leaves are those of `graph`, in the same order.
    words : sequence of Held
        Leaves of the source that are numbers up to some highest: nothing else is asked about.
    seed : int
    deadline : float
        Of `time.perf_counter`.

    Attributes
    ----------
    graph : Graph
    new : list of int
        Literal in `graph` of each node of the source.
    asked : int
        Proofs that were tried.
    """

    def __init__(self, source: Graph, words: Sequence[Held], seed: int, deadline: float) -> None:
        self.source, self.graph, self.words = source, Graph(), words
        self.prover = Prover(self.graph)
        self.rng = random.Random(seed)
        self.asked = 0
        self.deadline = deadline
        self.new = [0] * len(source.left)
        # All leaves first, so that what is assumed of them is there from the beginning.
        for node in self.leaves():
            self.new[node] = self.graph.leaf()
        for word in (word.moved(self.literal) for word in words):
            self.prover.assume(word.fits(self.graph, word.bits))
            for mark in word.marks:
                self.prover.assume(self.graph.differ(mark, self.graph.equals(word.bits, word.most)) ^ 1)
        self.fixed = {literal >> 1 for word in words for literal in (*word.bits, *word.marks)}
        mask = (1 << _PATTERNS) - 1
        #: What nodes are told apart by, and whether that is of the inverted node.
        self.flip: list[int] = []
        self.keys: list[object] = []
        for value in source.simulate(self._patterns(), mask):
            self.flip.append(value & 1)
            self.keys.append(value ^ mask if value & 1 else value)
        self.groups: dict[object, list[int]] = {}
        for node in range(len(source.left)):
            self._merge(node)

    def leaves(self) -> list[int]:
        """Of the source."""
        return [node for node in range(1, len(self.source.left)) if self.source.left[node] < 0]

    def literal(self, literal: int) -> int:
        """Where a literal of the source is now."""
        return self.new[literal >> 1] ^ literal & 1

    def _merge(self, node: int) -> None:
        a, b = self.source.left[node], self.source.right[node]
        literal = self.new[node] if a < 0 else self.graph.both(self.literal(a), self.literal(b))
        self.new[node] = literal
        while (group := self.groups.get(self.keys[node])) is not None:
            target = self.new[group[0]] ^ self.flip[node] ^ self.flip[group[0]]
            if literal == target:
                break
            self.asked += 1
            if time.perf_counter() > self.deadline:
                raise TimeoutError
            found = self.prover.different(literal, target, _INNER)
            if found is False:
                self.new[node] = target
                break
            if isinstance(found, dict):
                self._tell_apart(found, node)
            else:
                # Neither proved nor refuted: it stands for itself alone.
                self.keys[node] = (self.keys[node], node)
        self.groups.setdefault(self.keys[node], []).append(node)

    def _patterns(self) -> dict[int, int]:
        """Values of leaves; in each eighth of the patterns another part of them is 1, as sums of ones matter."""
        rng, each = self.rng, _PATTERNS // 8
        values = {}
        for node in self.leaves():
            value = 0
            for part in range(8):
                a, b, c, d = (rng.getrandbits(each) for _ in range(4))
                value |= (a, a & b, a | b, a & b & c, a | b | c, a & b & c & d, a | b | c | d, d)[part] << part * each
            values[node] = value
        for word in self.words:
            numbers = word.drawn(rng, _PATTERNS)
            for mark in word.marks:
                values[mark >> 1] = _pattern((number == word.most) ^ mark & 1 for number in numbers)
            for place, bit in enumerate(word.bits):
                # The others are constants.
                if bit > 1:
                    values[bit >> 1] = _pattern(number >> place & 1 ^ bit & 1 for number in numbers)
        return values

    def _tell_apart(self, found: dict[int, int], until: int) -> None:
        """Split groups by a pattern that a solver found, and by some near it; those of nodes before `until`."""
        rng, mask = self.rng, (1 << _NEAR) - 1
        values = {}
        for node in self.leaves():
            known = found.get(self.new[node] >> 1)
            if known is None:
                values[node] = 0 if node in self.fixed else rng.getrandbits(_NEAR)
            else:
                a, b, c, d = (rng.getrandbits(_NEAR) for _ in range(4))
                noise = 0 if node in self.fixed else a & b & c & d & ~1
                values[node] = (mask if known else 0) ^ noise
        names: dict[object, int] = {}
        for node, value in enumerate(self.source.simulate(values, mask)):
            # Numbers, in place of ever longer keys.
            key = (self.keys[node], value ^ mask if self.flip[node] else value)
            self.keys[node] = names.setdefault(key, len(names))
        self.groups = {}
        for node in range(until):
            self.groups.setdefault(self.keys[node], []).append(node)


def _pattern(bits: Iterable[int]) -> int:
    return int("".join("1" if bit else "0" for bit in bits), 2)


def sweep(source: Graph, words: Sequence[Held] = (), seed: int = 1, deadline: float = inf) -> Swept:
    """Merge the nodes of a graph that can be proved equal, or opposite, with little effort.

    Raises
    ------
    TimeoutError
        The deadline has passed.
    """
    return Swept(source, words, seed, deadline)
