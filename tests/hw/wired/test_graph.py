"""Graphs of sums: values, ranges, pruning."""

import itertools

import numpy as np
import pytest
from bitweir_hw.wired.graph import Output, Range, Sign, Sum, SumGraph, Table, Term, pruned
from hypothesis import given
from hypothesis import strategies as st


@st.composite
def graphs(draw):
    inputs = tuple(
        Range(least, least + draw(st.integers(0, 3)))
        for least in draw(st.lists(st.integers(-3, 2), min_size=1, max_size=4))
    )
    size, nodes, bits = len(inputs), [], [n for n, values in enumerate(inputs) if values == (0, 1)]
    for _ in range(draw(st.integers(0, 6))):
        kind = draw(st.sampled_from((Sum, Sign, Table)))
        if kind is Table:
            chosen = tuple(draw(st.lists(st.sampled_from(bits), max_size=3, unique=True))) if bits else ()
            count = 1 << len(chosen)
            nodes.append(Table(chosen, tuple(draw(st.lists(st.integers(-5, 5), min_size=count, max_size=count)))))
        else:
            term = st.builds(Term, st.integers(0, size - 1), st.integers(0, 2), st.booleans())
            nodes.append(kind(tuple(draw(st.lists(term, max_size=3))), draw(st.integers(-9, 9))))
            if kind is Sign:
                bits.append(size)
        size += 1
    output = st.builds(
        Output, st.none() | st.integers(0, size - 1), st.integers(0, 2), st.booleans(), st.integers(-9, 9)
    )
    return SumGraph(inputs, tuple(nodes), tuple(draw(st.lists(output, max_size=3))))


def every_value(graph):
    return np.array(list(itertools.product(*(range(a, b + 1) for a, b in graph.inputs))), int)


def values_of(graph, row):
    """All sources, as their definitions say, with Python's integers."""
    known = [int(value) for value in row]
    for node in graph.nodes:
        if isinstance(node, Table):
            known.append(node.values[sum(known[source] << n for n, source in enumerate(node.sources))])
        else:
            total = node.constant + sum((known[t.source] << t.shift) * (-1 if t.negative else 1) for t in node.terms)
            known.append(int(total >= 0) if isinstance(node, Sign) else total)
    return known


@given(graphs())
def test_values_and_ranges(graph):
    rows = every_value(graph)
    known = np.array([values_of(graph, row) for row in rows], object)
    expected = [
        [o.constant + (0 if o.source is None else o.factor * k[o.source]) for o in graph.outputs] for k in known
    ]
    assert graph.evaluate(rows).tolist() == expected
    dependent = any(not isinstance(node, Sum) for node in graph.nodes)
    for values, (least, greatest) in zip(known.T, graph.ranges, strict=True):
        if dependent:
            assert least <= min(values) and max(values) <= greatest
        else:
            assert (least, greatest) == (min(values), max(values))


@given(graphs())
def test_pruning_keeps_the_outputs(graph):
    rows, small = every_value(graph), pruned(graph)
    assert small.evaluate(rows).tolist() == graph.evaluate(rows).tolist()
    assert len(set(small.nodes)) == len(small.nodes) <= len(graph.nodes)


def test_integers_of_any_size():
    graph = SumGraph((Range(0, 1 << 70),), (Sum((Term(0, 3, True),), 1),), (Output(1, 2, False, -5),))
    assert graph.evaluate([[1 << 70]]).tolist() == [[((-(1 << 73) + 1) << 2) - 5]]
    assert graph.ranges[1] == (1 - (1 << 73), 1)


def test_counts():
    bits = (Range(0, 1),) * 3
    graph = SumGraph(
        bits, (Sum((Term(0), Term(1), Term(2))), Sign((Term(3),), -2), Sum((Term(3), Term(0)))), (Output(4), Output(5))
    )
    assert (graph.operations, graph.reads, graph.depth) == (4, 4, 2)


@pytest.mark.parametrize(
    "parts",
    [
        ((Range(1, 0),), (), ()),
        ((Range(0, 1),), (Sum((Term(1),)),), ()),
        ((Range(0, 1),), (), (Output(1),)),
        ((Range(0, 2),), (Table((0,), (0, 1)),), ()),
        ((Range(0, 1),), (Table((0,), (0,)),), ()),
    ],
)
def test_what_is_no_graph(parts):
    with pytest.raises(ValueError, match="must|cannot"):
        SumGraph(*parts)
