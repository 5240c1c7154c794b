"""Ways to share partial sums between the rows of a constant matrix.

Class sharing: inputs whose columns agree over a group of rows, but for sign and a power of two, are added once. The
sums of such classes are the inputs of a smaller matrix, whose rows are divided into groups in turn, until a group is
one row. Among k rows of +-1 there are at most ``2**(k - 1)`` classes, so n inputs take about n additions for k rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arithmetic import signed_digits, trailing_zeros
from .graph import Node, Sum, Term

__all__ = [
    "Form",
    "Matrix",
    "Nodes",
    "by_classes",
    "by_first",
    "by_pairs",
    "by_total",
    "by_tree",
    "classes",
    "moved",
    "spanning_tree",
    "terms_of",
]

#: Integers, one row for each sum.
Matrix = NDArray[Any]
#: A sum that is not a node yet.
Form = tuple[Term, ...]


@dataclass
class Nodes:
    """Nodes of a graph to come; equal ones are there once.

    Parameters
    ----------
    inputs : int
        Sources before the first node.
    """

    inputs: int
    nodes: list[Node] = field(default_factory=list)
    seen: dict[Node, int] = field(default_factory=dict)

    def add(self, node: Node) -> int:
        """The source of a node."""
        if node not in self.seen:
            self.seen[node] = self.inputs + len(self.nodes)
            self.nodes.append(node)
        return self.seen[node]

    def term(self, form: Form) -> Term | None:
        """A form as one source; None if it is nothing."""
        if not form:
            return None
        if len(form) == 1:
            return form[0]
        # What all terms have in common stays outside.
        low = min(term.shift for term in form)
        turned = sum(term.negative for term in form) * 2 > len(form)
        terms = sorted(
            (Term(term.source, term.shift - low, term.negative != turned) for term in form),
            key=lambda term: (term.source, term.shift, term.negative),
        )
        return Term(self.add(Sum(tuple(terms))), low, turned)


def moved(form: Form, shift: int = 0, negative: bool = False) -> Form:
    """A form times a power of two, perhaps negative."""
    return tuple(Term(term.source, term.shift + shift, term.negative != negative) for term in form)


def terms_of(row: Sequence[int], sources: Sequence[int]) -> Form:
    """The sum of sources with constant factors."""
    return tuple(
        Term(source, exponent, digit < 0)
        for factor, source in zip(row, sources, strict=True)
        for exponent, digit in signed_digits(int(factor))
    )


def classes(nodes: Nodes, matrix: Matrix, sources: Sequence[int]) -> tuple[Matrix, list[int]]:
    """Add the sources whose columns agree, but for sign and a power of two.

    Returns
    -------
    (matrix, list of int)
        The columns that are left, and their sources.
    """
    members: dict[bytes, list[tuple[int, int, bool]]] = {}
    columns: dict[bytes, NDArray[Any]] = {}
    for source, column in zip(sources, np.ascontiguousarray(matrix.T), strict=True):
        used = np.flatnonzero(column)
        if not len(used):
            continue
        negative = bool(column[used[0]] < 0)
        shift = trailing_zeros(int(np.bitwise_or.reduce(np.abs(column))))
        column = (-column if negative else column) >> shift
        key = column.tobytes() if column.dtype != object else repr(column.tolist()).encode()
        columns.setdefault(key, column)
        members.setdefault(key, []).append((source, shift, negative))
    found, kept = [], []
    for key, column in columns.items():
        term = nodes.term(tuple(Term(*member) for member in members[key]))
        assert term is not None
        found.append((-column if term.negative else column) << term.shift)
        kept.append(term.source)
    if not found:
        return matrix[:, :0], []
    return np.array(found).T, kept


def by_classes(nodes: Nodes, matrix: Matrix, sources: Sequence[int], leaf: int = 1) -> list[Form]:
    """The rows of a matrix, halved again and again.

    Parameters
    ----------
    leaf : int
        Groups of so many rows are not halved: common pairs of their terms are looked for instead.
    """
    reduced, kept = classes(nodes, matrix, sources)
    count = len(reduced)
    if count <= 1 or not kept:
        return [terms_of(row, kept) for row in reduced]
    if count <= leaf:
        return by_pairs(nodes, reduced, kept)
    half = (count + 1) // 2
    return by_classes(nodes, reduced[:half], kept, leaf) + by_classes(nodes, reduced[half:], kept, leaf)


def by_first(nodes: Nodes, matrix: Matrix, sources: Sequence[int], leaf: int = 1) -> list[Form]:
    """Rows of +-1: all but the first count where they agree with it, as ``2 * agreeing - first``."""
    if len(matrix) < 2 or not (np.abs(matrix) == 1).all():
        return by_classes(nodes, matrix, sources, leaf)
    first = matrix[0]
    agreeing = np.where(matrix[1:] == first, first, 0)
    total, *rows = by_classes(nodes, np.vstack([first[None], agreeing]), sources, leaf)
    return [total, *_relative(nodes, total, rows)]


def by_total(nodes: Nodes, matrix: Matrix, sources: Sequence[int], leaf: int = 1) -> list[Form]:
    """Rows of +-1: all count their inputs of weight 1, as ``2 * positive - total``; the total is one for all groups."""
    if not (np.abs(matrix) == 1).all():
        return by_classes(nodes, matrix, sources, leaf)
    total = tuple(Term(source) for source in sources)
    return _relative(nodes, total, by_classes(nodes, np.where(matrix > 0, 1, 0), sources, leaf))


def _relative(nodes: Nodes, total: Form, rows: list[Form]) -> list[Form]:
    """Twice each row less the total."""
    whole = nodes.term(total)
    parts = [nodes.term(row) for row in rows]
    return [moved((part,) if part else (), 1) + (moved((whole,), 0, True) if whole else ()) for part in parts]


def by_pairs(nodes: Nodes, matrix: Matrix, sources: Sequence[int]) -> list[Form]:
    """Common sub-sums of two terms, the most frequent first, as da4ml's solver takes them."""
    rows = [{(term.source, term.shift): term.negative for term in terms_of(row, sources)} for row in matrix]
    counts: Counter[_Pair] = Counter()
    for row in rows:
        digits = list(row)
        counts.update(_pair(row, one, two) for n, one in enumerate(digits) for two in digits[:n])
    while counts:
        # Of equals the one whose sources came first: it is the least deep, and the choice is the same every time.
        pair = min(counts, key=lambda pair: (-counts[pair], pair[1], pair[0], pair[2:]))
        if counts[pair] < 2:
            break
        first, second, shift, differ = pair
        term = nodes.term((Term(first), Term(second, shift, differ) if shift >= 0 else Term(second, 0, differ)))
        if shift < 0:
            term = nodes.term((Term(first, -shift), Term(second, 0, differ)))
        assert term is not None
        replaced = False
        for row in rows:
            for one in [digit for digit in row if digit[0] == first]:
                two = (second, one[1] + shift)
                if one not in row or two not in row or one == two or (row[one] != row[two]) != differ:
                    continue
                negative = row[one] != term.negative
                digit = (term.source, min(one[1], two[1]) + term.shift)
                if digit in row:
                    continue
                for gone in (one, two):
                    counts.subtract(_pair(row, gone, other) for other in row if other != gone)
                    del row[gone]
                counts.update(_pair(dict(row) | {digit: negative}, digit, other) for other in row)
                row[digit] = negative
                replaced = True
        if not replaced:
            counts[pair] = 0
        counts = +counts
    return [tuple(Term(source, shift, negative) for (source, shift), negative in row.items()) for row in rows]


#: First and second source, by how much more the second is shifted, and whether their signs differ.
_Pair = tuple[int, int, int, bool]


def _pair(row: dict[tuple[int, int], bool], one: tuple[int, int], two: tuple[int, int]) -> _Pair:
    if one > two:
        one, two = two, one
    return one[0], two[0], two[1] - one[1], row[one] != row[two]


def by_tree(nodes: Nodes, matrix: Matrix, sources: Sequence[int], *, height: int = 0, price: int = 0) -> list[Form]:
    """Rows as differences along a spanning tree, from rows or their negatives, whichever is nearer.

    Parameters
    ----------
    height, price : int
        See `spanning_tree`.
    """
    forms: dict[int, Form] = {}
    for row, (before, negative) in spanning_tree(matrix, height, price).items():
        if before is None:
            forms[row] = terms_of(matrix[row], sources)
            continue
        term = nodes.term(forms[before])
        assert term is not None
        forms[before] = (term,)
        part = nodes.term(terms_of(matrix[row] - (-matrix[before] if negative else matrix[before]), sources))
        forms[row] = moved((term,), 0, negative) + ((part,) if part else ())
    return [forms[row] for row in range(len(matrix))]


def spanning_tree(matrix: Matrix, height: int = 0, price: int = 0) -> dict[int, tuple[int | None, bool]]:
    """For each row from which row it is nearest, or from its negative; rows that are nearer to nothing have None.

    Rows are as far apart as their difference has signed digits; for rows of +-1 that is the Hamming distance.

    Parameters
    ----------
    height : int
        Most differences on top of each other; 0: any number.
    price : int
        Digits that adding a difference to a row is worth.

    Returns
    -------
    dict
        In an order in which each row comes after the one that it is reached from.
    """
    count = len(matrix)
    plus = np.array([_digits(matrix - row) for row in matrix])
    minus = np.array([_digits(matrix + row) for row in matrix])
    distance = np.minimum(plus, minus) + price
    near = _digits(matrix)
    parents: list[int | None] = [None] * count
    depth = dict.fromkeys(range(count), 0)
    # It grows from the row that is nearest to all.
    row = int(distance.sum(1).argmin())
    found: dict[int, tuple[int | None, bool]] = {}
    while True:
        before = parents[row]
        found[row] = before, before is not None and bool(minus[row, before] < plus[row, before])
        depth[row] = 0 if before is None else depth[before] + 1
        if not height or depth[row] < height:
            closer = distance[row] < near
            near[closer] = distance[row][closer]
            for other in np.flatnonzero(closer):
                parents[other] = row
        left = [row for row in range(count) if row not in found]
        if not left:
            return found
        row = min(left, key=lambda row: (near[row], row))


def _digits(matrix: Matrix) -> NDArray[np.int64]:
    """Signed digits of each row, see `signed_digits`."""
    found: NDArray[np.int64] = np.bitwise_count(matrix ^ 3 * matrix).astype(np.int64).sum(1)
    return found
