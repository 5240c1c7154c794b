"""A constant matrix becomes a graph of shared sums: the cheapest of several ways, by the LUT sites of a family."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import gcd
from typing import Any

import numpy as np

from ..arithmetic import ceil_div, trailing_zeros
from .circuit import build
from .counts import STYLES
from .graph import BIT, Output, Range, Sign, Sum, SumGraph, Table, Term, pruned
from .sharing import Form, Matrix, Nodes, by_classes, by_first, by_pairs, by_total, by_tree, moved, terms_of

__all__ = ["STYLE", "Wired", "naive", "wire", "ways"]

#: How wired layers are built on each family, a key of `counts.STYLES`.
STYLE = {
    "generic": "fused", "ecp5": "ecp5", "ice40": "lut4", "gowin": "fused", "xilinx": "xc7", "ultrascale": "lut6",
    "nexus": "fused", "gw5a": "fused",
}  # fmt: skip

#: Ways are compared with no more weights than this, whole groups of rows apart.
_SAMPLE = 28_672
#: Most products of weights and columns in which common pairs are looked for.
_PAIRS = 400_000
#: Most weights of a layer whose spanning tree is tried.
_TREE = 32_768
#: What a level of depth is worth: so much of the LUT sites.
_LEVEL = 0.01

_Way = Callable[[Nodes, Matrix, Sequence[int]], list[Form]]


@dataclass(frozen=True)
class Wired:
    """What `wire` chose.

    Parameters
    ----------
    graph : SumGraph
    way : str
        In some words.
    """

    graph: SumGraph
    way: str


def naive(matrix: Any, inputs: Sequence[tuple[int, int]], *, constants: Any = None, thresholds: Any = None) -> SumGraph:
    """The graph in which no sum is shared; parameters as those of `wire`."""
    layer = _Layer(matrix, inputs, constants, thresholds)
    return layer.graph(lambda nodes, rows, sources: [terms_of(row, sources) for row in rows], merge=False)


def wire(
    matrix: Any,
    inputs: Sequence[tuple[int, int]],
    *,
    constants: Any = None,
    thresholds: Any = None,
    family: str = "ecp5",
) -> Wired:
    """Share sums between the rows of a matrix.

    The outputs are ``matrix @ x + constants``, or with thresholds how many of its thresholds each of these reaches. An
    input of -1 and 1 is a bit: ``x = 2 * bit - 1``, so the matrix is doubled and the sum of each row's weights goes off
    its constant.

    Parameters
    ----------
    matrix : array (M, K) of int
    inputs : sequence of (int, int)
        Least and greatest value of each of the K inputs.
    constants : array (M,) of int, optional
    thresholds : array (M, T) of int, optional
    family : str
        A key of `STYLE`.

    Returns
    -------
    Wired
        The same for the same arguments, always.

    Raises
    ------
    ValueError
        If shapes do not fit.
    """
    layer = _Layer(matrix, inputs, constants, thresholds)
    style = STYLE[family]
    rows = layer.rows
    found = dict(ways(rows))
    if len(found) > 1:
        price = partial(_price, rows, layer.ranges, style)
        prices = {name: price(name, way) for name, way in found.items()}
        name = min(prices, key=lambda name: prices[name])
    else:
        name = next(iter(found))
    return Wired(layer.graph(found[name], tables=STYLES[style].lut), name)


def ways(rows: Matrix) -> Iterator[tuple[str, _Way]]:
    """Ways to share sums between these rows that are worth a trial.

    Yields
    ------
    (str, callable)
        What it is, and what makes forms of rows of a matrix and their sources.
    """
    count, size = rows.shape
    yield "sums of their own", lambda nodes, rows, sources: [terms_of(row, sources) for row in rows]
    if count < 2 or size < 2:
        return
    signs = bool((np.abs(rows) == 1).all())
    digits = max(int(np.count_nonzero(rows)), 1)
    if digits * size <= _PAIRS and not signs:
        yield "common pairs", by_pairs
    middle = max(size.bit_length() - 4, 2)
    for group in range(max(2, middle - 1), min(count, middle + 2) + 1):
        yield f"classes of {group} rows", partial(_grouped, by_classes, group, 1)
        if not signs:
            continue
        yield f"classes of {group} rows, relative to the first", partial(_grouped, by_first, group, 1)
        if group <= 4:
            yield f"classes of {group} rows and their total", partial(_grouped, by_total, group, 1)
            if group == 4:
                yield f"classes of {group} rows with common pairs", partial(_grouped, by_first, group, group)
    if count * size <= _TREE:
        for height in (1, 2, 3, 4, 0):
            title = f"differences along a tree of height {height}" if height else "differences along a tree"
            yield title, partial(by_tree, height=height, price=size.bit_length())


def _grouped(
    share: Callable[..., list[Form]], group: int, leaf: int, nodes: Nodes, rows: Matrix, sources: Sequence[int]
) -> list[Form]:
    """Share within groups of rows, which are as large as one another, but for one row."""
    parts = np.array_split(rows, ceil_div(len(rows), group))
    return [form for part in parts for form in share(nodes, part, sources, leaf)]


def _price(rows: Matrix, ranges: tuple[Range, ...], style: str, name: str, way: _Way) -> float:
    """LUT sites for each row, and a little for each level of depth."""
    group = way.args[1] if isinstance(way, partial) and len(way.args) > 1 else 1
    sample = len(rows)
    if rows.size > _SAMPLE and not name.startswith("differences"):
        sample = min(sample, max(group, _SAMPLE // rows.shape[1] // group * group))
    nodes = Nodes(len(ranges))
    forms = way(nodes, rows[:sample], range(len(ranges)))
    terms = [nodes.term(form) for form in forms]
    outputs = tuple(Output(None) if term is None else Output(term.source) for term in terms)
    circuit = build(SumGraph(ranges, tuple(nodes.nodes), outputs), style)
    return circuit.sites / sample * (1 + _LEVEL * circuit.depth)


class _Layer:
    """A matrix with its constants and thresholds, and the different rows that it comes down to."""

    def __init__(self, matrix: Any, inputs: Sequence[tuple[int, int]], constants: Any, thresholds: Any) -> None:
        weights = np.array(matrix)
        if thresholds is not None and any(np.ndim(row) != 1 for row in thresholds):
            raise ValueError("Thresholds must be a list for each neuron: an array of shape (M, T).")
        if weights.ndim != 2 or weights.shape[1] != len(inputs):
            raise ValueError(f"A matrix for {len(inputs)} inputs cannot have the shape {weights.shape}.")
        self.ranges = tuple(Range(int(least), int(greatest)) for least, greatest in inputs)
        count = len(weights)
        self.constants = [0] * count if constants is None else [int(constant) for constant in constants]
        self.thresholds = None if thresholds is None else [[int(t) for t in row] for row in thresholds]
        for title, values in (("constants", self.constants), ("thresholds", self.thresholds)):
            if values is not None and len(values) != count:
                raise ValueError(f"A matrix of {count} rows cannot have {title} for {len(values)}.")
        if not all(abs(int(value)) < 1 << 59 for value in weights.flat):
            raise ValueError("A weight must have less than 60 bits.")
        self.weights = weights.astype(np.int64).reshape(count, len(inputs))
        for n, (least, greatest) in enumerate(self.ranges):
            if least == greatest:
                # A constant, and no input.
                for row, weight in enumerate(self.weights[:, n]):
                    self.constants[row] += int(weight) * least
                self.weights[:, n] = 0
        #: For each neuron: its row (None: it is constant), and the factor of that row.
        self.places: list[tuple[int | None, int]] = []
        self.rows = self._different()

    def _different(self) -> Matrix:
        """The rows without those that are zero, equal or opposite, or so but for a factor, or need no sum."""
        numbers: dict[bytes, int] = {}
        rows: list[Any] = []
        for number, row in enumerate(self.weights):
            used = np.flatnonzero(row)
            if not len(used) or self._decided(number):
                self.places.append((None, 0))
                continue
            factor = gcd(*(int(value) for value in row[used]))
            if self.thresholds is None:
                factor = 1 << trailing_zeros(factor)
            if row[used[0]] < 0:
                factor = -factor
            row = row // factor
            key = row.tobytes()
            if key not in numbers:
                numbers[key] = len(rows)
                rows.append(row)
            self.places.append((numbers[key], factor))
        return np.array(rows, np.int64).reshape(len(rows), len(self.ranges))

    def _decided(self, number: int) -> bool:
        """Whether all sums of a neuron reach the same thresholds."""
        if self.thresholds is None:
            return False
        least, greatest = self._reach(number)
        return not any(least < threshold <= greatest for threshold in self.thresholds[number])

    def _reach(self, number: int) -> tuple[int, int]:
        low = high = self.constants[number]
        for weight, (least, greatest) in zip(self.weights[number], self.ranges, strict=True):
            ends = sorted((int(weight) * least, int(weight) * greatest))
            low, high = low + ends[0], high + ends[1]
        return low, high

    def graph(self, way: _Way, *, merge: bool = True, tables: int = 0) -> SumGraph:
        """The graph that a way makes.

        Parameters
        ----------
        merge : bool
            Compute rows that are equal once.
        tables : int
            Neurons with thresholds of at most so many bits become tables.
        """
        nodes = Nodes(len(self.ranges))
        if merge:
            small = {row for row in range(len(self.rows)) if self.thresholds is not None and self._small(row, tables)}
            left = [row for row in range(len(self.rows)) if row not in small]
            made = way(nodes, self.rows[left], range(len(self.ranges))) if left else []
            forms = dict(zip(left, made, strict=True))
        outputs = []
        for number, (row, factor) in enumerate(self.places):
            if row is None:
                outputs.append(Output(None, constant=self._constant(number)))
                continue
            if merge and row in small:
                outputs.append(Output(nodes.add(self._table(number))))
                continue
            if not merge:
                forms = {row: way(nodes, self.weights[number : number + 1] // abs(factor), range(len(self.ranges)))[0]}
                factor = abs(factor)
            term = nodes.term(forms[row])
            assert term is not None
            if self.thresholds is None:
                shift, negative = trailing_zeros(factor), (factor < 0) != term.negative
                outputs.append(Output(term.source, term.shift + shift, negative, self.constants[number]))
            else:
                outputs.append(self._levels(nodes, number, moved((term,), 0, factor < 0)[0], abs(factor)))
        return pruned(SumGraph(self.ranges, tuple(nodes.nodes), tuple(outputs)))

    def _constant(self, number: int) -> int:
        """What a neuron without a sum gives."""
        if self.thresholds is None:
            return self.constants[number]
        return sum(self._reach(number)[0] >= threshold for threshold in self.thresholds[number])

    def _levels(self, nodes: Nodes, number: int, term: Term, factor: int) -> Output:
        """How many thresholds ``factor * term + constant`` reaches."""
        assert self.thresholds is not None
        least, greatest = self._reach(number)
        given = self.thresholds[number]
        signs = []
        for threshold in sorted(given):
            if least < threshold <= greatest:
                bound = -((self.constants[number] - threshold) // factor)
                signs.append(nodes.add(Sign((term,), -bound)))
        sure = sum(threshold <= least for threshold in given)
        if len(signs) == 1:
            return Output(signs[0], constant=sure)
        return Output(nodes.add(Sum(tuple(map(Term, signs)))), constant=sure)

    def _small(self, row: int, tables: int) -> bool:
        used = np.flatnonzero(self.rows[row])
        return len(used) <= tables and all(self.ranges[n] == BIT for n in used)

    def _table(self, number: int) -> Table:
        assert self.thresholds is not None
        used = [int(n) for n in np.flatnonzero(self.weights[number])]
        values = []
        for index in range(1 << len(used)):
            total = self.constants[number] + sum(
                int(self.weights[number, n]) for place, n in enumerate(used) if index >> place & 1
            )
            values.append(sum(total >= threshold for threshold in self.thresholds[number]))
        return Table(tuple(used), tuple(values))
