"""What a wired layer computes: sums that many neurons share, as a graph of integers without hardware.

A graph has sources, numbered: its inputs first, then its nodes, each of which uses earlier sources only. There are
three kinds of nodes:

| node    | value                                                    | hardware                                     |
|---------|----------------------------------------------------------|----------------------------------------------|
| `Sum`   | ``constant + sum of its terms``                          | adders                                       |
| `Sign`  | 1 if ``constant + sum of its terms >= 0``, otherwise 0   | adders of which the sign is enough; a bit    |
| `Table` | entry of a table that some bits select                   | a LUT for each bit                           |

Constants are exact integers of any size. How a node is built from LUTs and carry chains is the matter of `arithmetic`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["BIT", "Node", "Output", "Range", "Sign", "Sum", "SumGraph", "Table", "Term", "pruned", "sources"]

#: Most bits that select from a `Table`: the inputs of the largest LUT.
TABLE_BITS = 6

#: Products and sums below this are computed with 64 bits, others with Python's integers.
_SAFE = 1 << 62


class Range(NamedTuple):
    """Least and greatest value of a source; a bit is ``Range(0, 1)``."""

    least: int
    greatest: int


#: The values of a bit.
BIT = Range(0, 1)


@dataclass(frozen=True)
class Term:
    """``source << shift``, or minus that."""

    source: int
    shift: int = 0
    negative: bool = False

    @property
    def factor(self) -> int:
        """What the source is multiplied with."""
        return -(1 << self.shift) if self.negative else 1 << self.shift


@dataclass(frozen=True)
class Sum:
    """``constant + sum of terms``, in one addition of many operands."""

    terms: tuple[Term, ...]
    constant: int = 0


@dataclass(frozen=True)
class Sign:
    """1 if ``constant + sum of terms >= 0``, otherwise 0: one threshold of a neuron."""

    terms: tuple[Term, ...]
    constant: int = 0


@dataclass(frozen=True)
class Table:
    """A function of at most six bits.

    Parameters
    ----------
    sources : tuple of int
        Sources that are bits; the first is the lowest bit of the index.
    values : tuple of int
        ``2**len(sources)`` integers.
    """

    sources: tuple[int, ...]
    values: tuple[int, ...]


Node = Sum | Sign | Table


@dataclass(frozen=True)
class Output:
    """What a neuron gives: ``constant + (source << shift)``, or minus the source; without a source, the constant."""

    source: int | None
    shift: int = 0
    negative: bool = False
    constant: int = 0

    @property
    def factor(self) -> int:
        """What the source is multiplied with."""
        return -(1 << self.shift) if self.negative else 1 << self.shift


@dataclass(frozen=True)
class SumGraph:
    """A wired layer.

    Parameters
    ----------
    inputs : tuple of Range
        Least and greatest value of each input.
    nodes : tuple of Node
        Source ``len(inputs) + i`` is node i.
    outputs : tuple of Output
        One for each neuron.

    Raises
    ------
    ValueError
        If a node uses a source that does not come before it, an input has no values, or a table does not fit its bits.
    """

    inputs: tuple[Range, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[Output, ...]

    def __post_init__(self) -> None:
        for number, (least, greatest) in enumerate(self.inputs):
            if least > greatest:
                raise ValueError(f"Input {number} must have a least value of at most its greatest, {greatest}.")
        for source, node in enumerate(self.nodes, len(self.inputs)):
            if any(not 0 <= used < source for used in sources(node)):
                raise ValueError(f"Node {source} must use sources from 0 to {source - 1} only, not {sources(node)}.")
            if isinstance(node, Table) and (
                len(node.values) != 1 << len(node.sources) or len(node.sources) > TABLE_BITS
            ):
                raise ValueError(f"A table of {len(node.sources)} bits cannot have {len(node.values)} values.")
        for output in self.outputs:
            if output.source is not None and not 0 <= output.source < self.size:
                raise ValueError(f"An output must have a source from 0 to {self.size - 1}, not {output.source}.")
        if any(self.ranges[used] not in (BIT, (0, 0), (1, 1)) for node in self.tables() for used in node.sources):
            raise ValueError("A table must be selected from by bits.")

    @property
    def size(self) -> int:
        """Number of sources."""
        return len(self.inputs) + len(self.nodes)

    def tables(self) -> Iterator[Table]:
        """All nodes that are tables."""
        yield from (node for node in self.nodes if isinstance(node, Table))

    def evaluate(self, values: NDArray[Any]) -> NDArray[Any]:
        """The outputs.

        Parameters
        ----------
        values : array (N, inputs)
            Integers, within the ranges of the inputs.

        Returns
        -------
        array (N, outputs)
            int64, or Python's integers where the ranges ask for it.
        """
        kind = np.int64 if self._bound < _SAFE else object
        known = list(np.array(values).reshape(len(values), len(self.inputs)).astype(kind).T)
        count = len(values)
        for node in self.nodes:
            if isinstance(node, Table):
                index = np.zeros(count, np.int64)
                for place, source in enumerate(node.sources):
                    index += known[source].astype(np.int64) << place
                known.append(np.array(node.values, kind)[index])
            else:
                total = np.full(count, node.constant, kind)
                for term in node.terms:
                    total = total + known[term.source] * term.factor
                known.append((total >= 0).astype(kind) if isinstance(node, Sign) else total)
        results = np.empty((count, len(self.outputs)), kind)
        for n, output in enumerate(self.outputs):
            part = 0 if output.source is None else known[output.source] * output.factor
            results[:, n] = part + output.constant
        return results

    @cached_property
    def ranges(self) -> tuple[Range, ...]:
        """Least and greatest value of each source.

        They are those of `totals`, but for a `Sign`.
        """
        signs = {n for n, node in enumerate(self.nodes, len(self.inputs)) if isinstance(node, Sign)}
        return tuple(
            Range(int(values.least >= 0), int(values.greatest >= 0)) if n in signs else values
            for n, values in enumerate(self.totals)
        )

    @cached_property
    def totals(self) -> tuple[Range, ...]:
        """Least and greatest value of each source; of a `Sign`, of the sum whose sign it is.

        They are exact where a node is a weighted sum of inputs, however it came to be: each input is independent of all
        others. Results of `Sign` and `Table` are taken for independent, too.
        """
        count = len(self.inputs)
        free = count + sum(not isinstance(node, Sum) for node in self.nodes)
        kind: Any = np.int64 if self._bound < _SAFE else object
        least, greatest = np.zeros(free, kind), np.zeros(free, kind)
        found: list[Range] = []
        # Each source as a sum of free ones, and its constant; None once nothing uses it any more.
        parts: list[NDArray[Any] | None] = []
        constants: list[int] = []
        last = self._last_uses

        def new(values: Range) -> None:
            """One more free source."""
            least[used], greatest[used] = values
            part = np.zeros(free, kind)
            part[used] = 1
            found.append(values)
            parts.append(part)
            constants.append(0)

        used = 0
        for values in self.inputs:
            new(values)
            used += 1
        for source, node in enumerate(self.nodes, count):
            if isinstance(node, Table):
                new(Range(min(node.values), max(node.values)))
                used += 1
                continue
            part, constant = np.zeros(free, kind), node.constant
            for term in node.terms:
                before = parts[term.source]
                assert before is not None
                part += before * term.factor
                constant += term.factor * constants[term.source]
            for term in node.terms:
                if last[term.source] == source:
                    parts[term.source] = None
            ends = part * least, part * greatest
            values = Range(*(int(pick(*ends).sum()) + constant for pick in (np.minimum, np.maximum)))
            if isinstance(node, Sign):
                new(Range(int(values.least >= 0), int(values.greatest >= 0)))
                found[-1] = values
                used += 1
                continue
            found.append(values)
            parts.append(part)
            constants.append(constant)
        return tuple(found)

    @cached_property
    def depths(self) -> tuple[int, ...]:
        """For each source the longest way from an input, in nodes."""
        found = [0] * len(self.inputs)
        for node in self.nodes:
            found.append(1 + max((found[source] for source in sources(node)), default=0))
        return tuple(found)

    @property
    def depth(self) -> int:
        """Most nodes between an input and an output."""
        return max((self.depths[output.source] for output in self.outputs if output.source is not None), default=0)

    @property
    def operations(self) -> int:
        """Additions and subtractions of two numbers; a `Sign` that compares a single number with a constant is one."""
        count = 0
        for node in self.nodes:
            if isinstance(node, Sum):
                count += max(len(node.terms) - 1, 0)
            elif isinstance(node, Sign):
                count += len(node.terms)
        return count

    @property
    def reads(self) -> int:
        """Operands that nodes take from inputs: what a processor would read from memory."""
        return sum(source < len(self.inputs) for node in self.nodes for source in sources(node))

    @property
    def _last_uses(self) -> list[int]:
        last = [-1] * self.size
        for number, node in enumerate(self.nodes, len(self.inputs)):
            for source in sources(node):
                last[source] = number
        return last

    @cached_property
    def _bound(self) -> int:
        """No value and no product of `evaluate` is further from 0."""
        largest = [max(abs(least), abs(greatest)) for least, greatest in self.inputs]
        total = max(largest, default=0)
        for node in self.nodes:
            if isinstance(node, Table):
                bound = max(map(abs, node.values))
                largest.append(bound)
            else:
                bound = abs(node.constant) + sum(largest[term.source] << term.shift for term in node.terms)
                largest.append(1 if isinstance(node, Sign) else bound)
            total = max(total, bound)
        for output in self.outputs:
            reach = 0 if output.source is None else largest[output.source] << output.shift
            total = max(total, reach + abs(output.constant))
        return total


def sources(node: Node) -> tuple[int, ...]:
    """The sources that a node uses."""
    return node.sources if isinstance(node, Table) else tuple(term.source for term in node.terms)


def pruned(graph: SumGraph) -> SumGraph:
    """The same graph without nodes that no output needs, and without nodes that equal an earlier one."""
    count = len(graph.inputs)
    needed = [False] * graph.size
    for output in graph.outputs:
        if output.source is not None:
            needed[output.source] = True
    for source in range(graph.size - 1, count - 1, -1):
        if needed[source]:
            for used in sources(graph.nodes[source - count]):
                needed[used] = True
    names = list(range(count))
    nodes: list[Node] = []
    seen: dict[Node, int] = {}
    for source, node in enumerate(graph.nodes, count):
        if not needed[source]:
            names.append(-1)
            continue
        if isinstance(node, Table):
            node = Table(tuple(names[used] for used in node.sources), node.values)
        else:
            node = replace(node, terms=tuple(replace(term, source=names[term.source]) for term in node.terms))
        if node not in seen:
            seen[node] = count + len(nodes)
            nodes.append(node)
        names.append(seen[node])
    outputs = tuple(
        output if output.source is None else replace(output, source=names[output.source]) for output in graph.outputs
    )
    return SumGraph(graph.inputs, tuple(nodes), outputs)
