"""What the report says is saved."""

import numpy as np
from bitweir_hw.wired import naive, wire
from bitweir_hw.wired.reuse import Reuse, reuse


def told(matrix):
    inputs = [(0, 1)] * len(matrix[0])
    return reuse(matrix, naive(matrix, inputs), wire(matrix, inputs).graph)


def test_a_row_that_differs_in_one_weight():
    row = np.ones(16, int)
    other = row.copy()
    other[3] = -1
    found = told([row, other])
    assert (found.additions_alone, found.reads_alone, found.weights) == (30, 32, 32)
    # 15 for the first, and for the second what differs; by class sharing 14 for both classes and 1 each.
    assert found.additions == 16 and found.saved == 14
    assert found.tree_weights == 17
    assert found.skipped_by_tree == 15 / 32
    assert found.skipped_reads >= 0.4


def test_complements_differ_in_nothing():
    row = np.random.default_rng(0).choice((-1, 1), 9)
    assert told([row, -row]).tree_weights == 9


def test_other_weights_have_no_such_figure():
    found = told([[1, 2, 0], [0, 1, 1]])
    assert (found.weights, found.skipped_by_tree) == (0, 0)


def test_layers_add_up():
    assert Reuse(1, 2, 3, 4, 5, 6) + Reuse(1, 1, 1, 1, 1, 1) == Reuse(2, 3, 4, 5, 6, 7)
    assert Reuse(1, 2, 3, 4, 5, 6).times(3) == Reuse(3, 6, 9, 12, 15, 18)
    assert Reuse(0, 0, 0, 0).skipped_operations == Reuse(0, 0, 0, 0).skipped_reads == 0
