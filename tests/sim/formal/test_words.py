"""Whole numbers of literals compute as integers do."""

import operator

import numpy as np
import pytest
from bitweir_sim.formal.graph import Graph
from bitweir_sim.formal.words import Word
from hypothesis import given
from hypothesis import strategies as st

NUMBERS = st.integers(-9, 9)


def drawn(graph, numbers, values):
    """A word of leaves that is each of some numbers, one in each pattern of a simulation."""
    bits = [graph.leaf() for _ in range(5)]
    for place, bit in enumerate(bits):
        values[bit >> 1] = sum((number >> place & 1) << n for n, number in enumerate(numbers))
    return Word(graph, tuple(bits))


def read(graph, word, values, count):
    mask = (1 << count) - 1
    run = graph.simulate(values, mask)
    planes = [run[bit >> 1] ^ (mask if bit & 1 else 0) for bit in word.bits]
    weights = [1 << place for place in range(len(planes) - 1)] + [-1 << len(planes) - 1]
    return [sum((plane >> n & 1) * weight for plane, weight in zip(planes, weights, strict=True)) for n in range(count)]


@pytest.mark.parametrize("operation", [operator.add, operator.sub, operator.mul])
@given(pairs=st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=20), constant=NUMBERS)
def test_operations_are_those_of_integers(operation, pairs, constant):
    graph, values = Graph(), {}
    a, b = (drawn(graph, numbers, values) for numbers in zip(*pairs, strict=True))
    count = len(pairs)
    assert read(graph, operation(a, b), values, count) == [operation(x, y) for x, y in pairs]
    assert read(graph, operation(a, constant), values, count) == [operation(x, constant) for x, _ in pairs]
    assert read(graph, operation(constant, a), values, count) == [operation(constant, x) for x, _ in pairs]


@given(pairs=st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=20), places=st.integers(0, 7))
def test_comparisons_choices_and_shifts(pairs, places):
    graph, values = Graph(), {}
    a, b = (drawn(graph, numbers, values) for numbers in zip(*pairs, strict=True))
    count = len(pairs)
    reaches = a.reaches(b)
    assert read(graph, Word.unsigned(graph, [reaches]), values, count) == [int(x >= y) for x, y in pairs]
    assert read(graph, a.chosen(reaches, b), values, count) == [max(pair) for pair in pairs]
    assert read(graph, a >> places, values, count) == [x >> places for x, _ in pairs]


def test_words_are_elements_of_arrays():
    graph, values = Graph(), {}
    x = np.array([drawn(graph, [number], values) for number in (3, -4, 5)], object)
    assert read(graph, x @ np.array([1, -2, 3], object), values, 1) == [3 + 8 + 15]


def test_a_word_is_as_long_as_it_must_be():
    graph = Graph()
    bit = graph.leaf()
    assert Word(graph, (bit, 0, 0, 0)).bits == (bit, 0)
    assert (Word(graph, (0,)) + 3).padded(5) == [1, 1, 0, 0, 0]
    assert (Word(graph, (0,)) - 3).padded(5) == [1, 0, 1, 1, 1]
