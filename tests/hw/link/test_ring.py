# amaranth: UnusedElaboratable=no
"""Queues of bytes in block RAM."""

import numpy as np
import pytest
from bitweir_hw.link.ring import ByteQueue, Ring
from hypothesis import given
from hypothesis import strategies as st
from support.linkbench import exchange
from support.strategies import stalls


@given(data=st.binary(max_size=40), depth=st.sampled_from([2, 4, 8, 64]), i_stalls=stalls(), o_stalls=stalls())
def test_first_in_first_out(data, depth, i_stalls, o_stalls):
    out, *_ = exchange(ByteQueue(depth=depth), list(data), i_stalls=i_stalls, o_stalls=o_stalls)
    assert bytes(out) == data


def test_cycles_and_room():
    out, o_cycles, i_cycles = exchange(ByteQueue(depth=8), list(range(50)))
    assert o_cycles[0] == i_cycles[0] + 3
    assert set(np.diff(o_cycles)) == set(np.diff(i_cycles)) == {2}
    # One more waits at the output.
    _, _, i_cycles = exchange(ByteQueue(depth=8), list(range(50)), o_stalls=np.ones(100, bool))
    assert sum(cycle < 100 for cycle in i_cycles) == 9


@pytest.mark.parametrize("depth", [0, 1, 3, 100])
def test_depth_must_be_a_power_of_two(depth):
    with pytest.raises(ValueError, match=f"^depth must be a power of two from 2 on, not {depth}$"):
        Ring(depth=depth)
