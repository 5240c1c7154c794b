"""Convolutions whose padding is masked as it arrives, in place of start values for each border: every beat."""

from dataclasses import replace
from unittest.mock import PropertyMock, patch

import numpy as np
from bitweir_hw.blocks import MatVecSpec
from bitweir_hw.lower import lower
from bitweir_hw.network import BIPOLAR, Conv, Dense, Network, Threshold, check
from bitweir_hw.plan import Folding, Plan, weighted
from bitweir_hw.popcount import Popcount
from hypothesis import given, settings
from hypothesis import strategies as st
from support.every_beat import check_every_beat
from support.samples import identity_input
from support.strategies import codes, stalls

always = patch.object(MatVecSpec, "mask_pays", PropertyMock(return_value=True))


@st.composite
def padded(draw):
    """A convolution of a padded map, a layer behind it, and a plan with words of a pixel."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    kernel = draw(st.sampled_from([(3, 3), (1, 3), (2, 3), (3, 1)]))
    pads = tuple(draw(st.integers(0, size - 1)) for size in kernel * 2)
    stride = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    shape = draw(st.integers(3, 4)), draw(st.integers(3, 5))
    channels, outputs = draw(st.sampled_from([2, 4])), draw(st.integers(2, 5))
    plain = draw(st.booleans())
    conv = Conv(
        name="conv", weights=rng.random((outputs, *kernel, channels)) < 0.5, pads=pads, stride=stride, pad_value=0,
        thresholds=None if plain else rng.integers(-3, 4, (outputs, 1)), output=None if plain else BIPOLAR,
    )  # fmt: skip
    entry = replace(identity_input(shape[0] * shape[1] * channels), map_shape=(*shape, channels))
    result = conv.output_map(entry.map)
    sign = Threshold(name="sign", thresholds=rng.integers(-3, 4, (outputs, 1)), output=BIPOLAR)
    end = Dense(name="end", weights=rng.random((2, result.size)) < 0.5)
    network = check(Network(name="net", input=entry, layers=(conv, *([sign] if plain else []), end)))
    shares = [n for n in range(1, 5) if result.shape[1] % n == 0]
    streamed = draw(st.booleans())
    folding = Folding(
        pe=draw(st.integers(1, outputs)), simd=draw(st.sampled_from([d for d in (2, 4) if channels % d == 0])),
        memory="stream" if streamed else "auto", share=draw(st.sampled_from(shares)) if streamed else 1,
    )  # fmt: skip
    foldings = [folding] + [Folding(pe=1, simd=2) for _ in weighted(network)[1:]]
    popcount = Popcount(style=draw(st.sampled_from(["tree", "fused"])), levels_per_stage=draw(st.integers(0, 2)))
    return network, Plan(foldings=tuple(foldings), popcount=popcount, parallel_frames=draw(st.integers(1, 2)))


@always
@settings(max_examples=15)
@given(st.data())
def test_every_beat(data):
    network, plan = data.draw(padded())
    unit = next(block for block in lower(network, plan).blocks if isinstance(block, MatVecSpec))
    # With no pixel that has no padding, presets stay.
    assert unit.masked == (unit.outside is not None and all(() in side for side in unit.outside))
    assert not unit.masked or len(unit.initial_accumulators) == 1
    frames = data.draw(codes(network, data.draw(st.integers(1, 2 * plan.parallel_frames))))
    check_every_beat(network, plan, frames, data.draw(stalls()), data.draw(stalls()))


def test_a_mask_pays_for_presets_in_block_ram():
    rng = np.random.default_rng(1)
    conv = Conv(name="conv", weights=rng.random((64, 3, 3, 16)) < 0.5, pads=(1,) * 4, pad_value=0)
    entry = replace(identity_input(8 * 8 * 16), map_shape=(8, 8, 16))
    network = Network(name="net", input=entry, layers=(conv,))

    def unit(pe, simd, pads=(1,) * 4):
        plan = Plan(foldings=(Folding(pe=pe, simd=simd),))
        found = lower(replace(network, layers=(replace(conv, pads=pads),)), plan)
        return next(block for block in found.blocks if isinstance(block, MatVecSpec))

    masked = unit(1, 16)
    assert masked.masked and not masked.preset_memory.block and masked.sources[2].width == 17
    # Words of more than a pixel, or of all neurons: few presets, and many gates.
    assert not unit(1, 48).masked and not unit(64, 16).masked and not unit(1, 16, pads=(0,) * 4).masked
