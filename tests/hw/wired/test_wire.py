"""Wired layers equal the product with their matrix: graphs, and the LUTs and adders of each family."""

from functools import partial

import numpy as np
import pytest
from bitweir_hw.wired import STYLE, build, naive, wire
from bitweir_hw.wired.circuit import Fn, Gate
from bitweir_hw.wired.counts import STYLES, best_count, count_cost
from bitweir_hw.wired.graph import Output, SumGraph
from bitweir_hw.wired.sharing import Nodes, by_classes, by_first, by_pairs, by_total, by_tree
from bitweir_hw.wired.wire import ways
from hypothesis import given
from hypothesis import strategies as st

WEIGHTS = {"signs": (-1, 1), "ternary": (-1, 0, 1), "few bits": tuple(range(-7, 8)), "wide": (-100, -3, 0, 5, 96)}


@st.composite
def layers(draw):
    """A matrix with rows and columns that are equal, opposite or zero, ranges of inputs, and values of these."""
    count, size = draw(st.integers(0, 7)), draw(st.integers(0, 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    matrix = rng.choice(WEIGHTS[draw(st.sampled_from(sorted(WEIGHTS)))], (count, size))
    for _ in range(draw(st.integers(0, 3)) if count else 0):
        matrix[rng.integers(count)] = matrix[rng.integers(count)] * rng.choice((-2, -1, 0, 1, 3))
    if draw(st.booleans()):
        ranges = [(0, 1)] * size
    else:
        least = rng.integers(-5, 3, size)
        ranges = [(int(low), int(low + more)) for low, more in zip(least, rng.integers(0, 9, size), strict=True)]
    values = [[int(rng.choice((a, b, rng.integers(a, b + 1)))) for a, b in ranges] for _ in range(20)]
    return matrix, ranges, np.array(values, int).reshape(20, size), rng


def run(circuit, values):
    """The outputs of a circuit, from what its gates and adders are defined as."""
    state = {}
    for pins, value in zip(circuit.inputs, values, strict=True):
        state.update({pin: value >> n & 1 for n, pin in enumerate(pins)})

    def bit(function):
        return function.table >> sum(state[pin] << n for n, pin in enumerate(function.wires)) & 1

    for step in circuit.steps:
        if isinstance(step, Gate):
            state[step.output] = bit(Fn(step.inputs, step.table))
            continue
        total = bit(step.carry) + sum(
            (bit(u) + bit(v)) << n for n, (u, v) in enumerate(zip(step.a, step.b, strict=True))
        )
        state.update({pin: total >> n & 1 for n, pin in enumerate(step.outputs)})
    return [
        number.offset + sum(bit(function) << n for n, function in enumerate(number.bits)) for number in circuit.outputs
    ]


def circuits_agree(graph, values, expected, styles):
    for style in styles:
        circuit = build(graph, style)
        for row, wanted in zip(values[:6], expected, strict=False):
            assert run(circuit, [int(x - least) for x, (least, _) in zip(row, graph.inputs, strict=True)]) == list(
                wanted
            )


def ranges_hold(graph, values):
    """Every source within its range; those of all nodes as outputs."""
    whole = SumGraph(graph.inputs, graph.nodes, tuple(map(Output, range(graph.size))))
    for column, (least, greatest) in zip(whole.evaluate(values).T, graph.ranges, strict=True):
        assert all(least <= value <= greatest for value in column)


@given(layers(), st.sampled_from(sorted(STYLE)))
def test_sums_equal_the_product(layer, family):
    matrix, ranges, values, rng = layer
    constants = rng.integers(-9, 9, len(matrix))
    expected = values @ matrix.T + constants
    graph = wire(matrix, ranges, constants=constants, family=family).graph
    assert (graph.evaluate(values) == expected).all()
    assert (naive(matrix, ranges, constants=constants).evaluate(values) == expected).all()
    ranges_hold(graph, values)
    circuits_agree(graph, values, expected, {STYLE[family]})


@given(layers(), st.sampled_from(sorted(STYLE)), st.integers(1, 3))
def test_thresholds_equal_the_comparison(layer, family, count):
    matrix, ranges, values, rng = layer
    constants = rng.integers(-9, 9, len(matrix))
    sums = values @ matrix.T + constants
    # Near the sums, and some out of reach.
    reach = int(np.abs(sums).max(initial=0)) + 2
    thresholds = rng.integers(-reach, reach + 1, (len(matrix), count))
    expected = (sums[:, :, None] >= thresholds).sum(2)
    graph = wire(matrix, ranges, constants=constants, thresholds=thresholds, family=family).graph
    assert (graph.evaluate(values) == expected).all()
    plain = naive(matrix, ranges, constants=constants, thresholds=thresholds)
    assert (plain.evaluate(values) == expected).all()
    ranges_hold(graph, values)
    circuits_agree(graph, values, expected, {STYLE[family]})


WAYS = {
    "classes": by_classes,
    "classes and pairs": partial(by_classes, leaf=3),
    "first": by_first,
    "first and pairs": partial(by_first, leaf=9),
    "total": by_total,
    "pairs": by_pairs,
    "tree": by_tree,
    "low tree": partial(by_tree, height=2, price=3),
}


@pytest.mark.parametrize("name", WAYS)
@given(layers())
def test_each_way_equals_the_product(name, layer):
    matrix, ranges, values, _ = layer
    if not matrix.size:
        return
    nodes = Nodes(len(ranges))
    forms = WAYS[name](nodes, matrix, range(len(ranges)))
    terms = [nodes.term(form) for form in forms]
    outputs = tuple(Output(None) if t is None else Output(t.source, t.shift, t.negative) for t in terms)
    graph = SumGraph(tuple(ranges), tuple(nodes.nodes), outputs)
    assert (graph.evaluate(values) == values @ matrix.T).all()


def test_all_ways_of_a_layer_are_tried_and_the_choice_is_the_same_every_time():
    matrix = np.random.default_rng(0).choice((-1, 1), (12, 30))
    names = [name for name, _ in ways(matrix)]
    assert len(set(names)) == len(names) > 8
    first, second = (wire(matrix, [(0, 1)] * 30) for _ in range(2))
    assert first == second
    assert build(first.graph, "ecp5").sites < 0.8 * build(naive(matrix, [(0, 1)] * 30), "ecp5").sites


def test_a_row_is_computed_once():
    row = np.random.default_rng(0).choice((-1, 1), 20)
    graph = wire([row, -row, 2 * row, row], [(0, 1)] * 20).graph
    assert len(graph.nodes) == 1


def test_constant_neurons_take_nothing():
    graph = wire([[1, 1], [1, -1], [0, 0]], [(0, 1)] * 2, thresholds=[[-9], [9], [0]]).graph
    assert graph.nodes == ()
    assert graph.evaluate([[1, 0]]).tolist() == [[1, 0, 1]]


def test_a_neuron_of_few_bits_is_a_lut():
    graph = wire([[1, 1, -1, 1]], [(0, 1)] * 4, thresholds=[[2]]).graph
    assert build(graph, "ecp5").sites == 1


@pytest.mark.parametrize("style", STYLES)
def test_counts_take_what_is_planned(style):
    for bits in (1, 2, 5, 11, 23, 64, 100):
        graph = naive([[1] * bits], [(0, 1)] * bits)
        planned = build(graph, style).sites
        assert best_count(style, bits)[1].size == bits
        # A count of two bits that nothing adds up needs LUTs after all.
        assert planned <= count_cost(style, bits) + 2 * (bits < 3)


def test_pairs_in_both_operands_count_five_bits_in_three_sites():
    assert count_cost("ecp5", 5) == 3
    assert count_cost("ecp5", 95) == 119


@pytest.mark.parametrize(
    ("matrix", "inputs", "more"),
    [
        ([[1, 2]], [(0, 1)], {}),
        ([1], [(0, 1)], {}),
        ([[1]], [(0, 1)], {"constants": [1, 2]}),
        ([[1]], [(0, 1)], {"thresholds": []}),
        ([[1]], [(0, 1)], {"thresholds": [1]}),
        ([[1 << 59]], [(0, 1)], {}),
    ],
)
def test_what_does_not_fit(matrix, inputs, more):
    with pytest.raises(ValueError, match="cannot|must"):
        wire(matrix, inputs, **more)
