"""Some channels of a map: every beat against NumPy, every cycle against the timing model."""

import numpy as np
import pytest
from bitweir_hw.blocks import SelectSpec
from bitweir_hw.blocks.select.gateware import Select
from bitweir_hw.blocks.select.spec import picked
from hypothesis import given
from hypothesis import strategies as st
from support.elementbench import drive, pack
from support.strategies import stalls


@st.composite
def selects(draw):
    """As many elements of some beats, in the order of the beats, and fewer of the last; of one beat, any at all."""
    lanes, beats, each = draw(st.integers(1, 5)), draw(st.integers(1, 4)), draw(st.integers(1, 4))
    i_channels = lanes * beats - draw(st.integers(0, lanes - 1))
    kept = sorted(draw(st.sets(st.integers(0, beats - 1), min_size=1)))
    channels = []
    for beat in kept:
        size = draw(st.integers(1, each)) if beat == kept[-1] else each
        last = min(lanes, i_channels - beat * lanes) - 1
        channels += [beat * lanes + draw(st.integers(0, last)) for _ in range(size)]
    return SelectSpec(
        name="select",
        layer="select",
        channels=tuple(channels),
        i_channels=i_channels,
        i_lanes=lanes,
        lane_bits=draw(st.integers(1, 4)),
        pixels=draw(st.integers(1, 4)),
    )


@given(st.data())
def test_every_cycle_and_every_beat(data):
    spec = data.draw(selects())
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    frames = 3
    numbers = rng.integers(0, 1 << spec.lane_bits, (frames * spec.pixels, spec.i_channels, 1))
    inputs = pack(numbers, spec.lane_bits, spec.i_lanes, noise=rng)
    chosen = numbers[:, list(spec.channels)]
    expected = pack(chosen, spec.lane_bits, spec.o_lanes)
    masks = pack(np.full_like(chosen, -1), spec.lane_bits, spec.o_lanes)
    assert (len(inputs), len(expected)) == (frames * spec.i_beats, frames * spec.o_beats)
    drive(Select, spec, [inputs], expected, masks, [data.draw(stalls())], data.draw(stalls()))


def test_what_leaves_as_it_comes():
    assert picked([2, 3], 2) == {1: (0, 1)}
    assert picked([1, 0, 3, 2, 5], 2) == {0: (1, 0), 1: (1, 0), 2: (1,)}
    assert picked([0, 2, 4], 2) == {0: (0,), 1: (0,), 2: (0,)}
    for channels in ([2, 0], [0, 2, 3], [0, 1, 4, 0]):
        assert picked(channels, 2) is None
    with pytest.raises(ValueError, match=r"^channels \(2, 0\) must leave in the order in which 2 lanes come$"):
        SelectSpec(name="s", layer="s", channels=(2, 0), i_channels=4, i_lanes=2, lane_bits=1, pixels=1)
