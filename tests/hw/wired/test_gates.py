"""Functions as gates: their values, and how many there are."""

import pytest
from bitweir_hw.wired.gates import gates
from hypothesis import given
from hypothesis import strategies as st


def values(tree, inputs):
    """The table of a tree, all cases at once."""
    cases = 1 << inputs
    wires = [sum((case >> n & 1) << case for case in range(cases)) for n in range(inputs)]
    return tree.build(wires, 0, (1 << cases) - 1) & (1 << cases) - 1


def test_all_functions_of_up_to_three_bits():
    for inputs in range(4):
        for table in range(1 << (1 << inputs)):
            assert values(gates(inputs, table), inputs) == table


@given(inputs=st.integers(4, 6), seed=st.integers(0, 2**64 - 1))
def test_functions_of_more_bits(inputs, seed):
    table = seed & (1 << (1 << inputs)) - 1
    assert values(gates(inputs, table), inputs) == table


@pytest.mark.parametrize(("bit", "nodes"), [(0, 12), (1, 26), (2, 16)])
def test_bits_of_counts_are_short(bit, nodes):
    """The ones among five bits; an exclusive or takes three nodes."""
    table = sum((case.bit_count() >> bit & 1) << case for case in range(32))
    assert gates(5, table).nodes == nodes
