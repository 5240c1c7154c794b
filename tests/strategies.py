"""What Hypothesis draws: small networks, plans that fit them, stalls, codes."""

import numpy as np
from bitweir_hw.compressor import Popcount
from bitweir_hw.network import BIPOLAR, Affine, Dense, Input, Network, check
from bitweir_hw.plan import Folding, Plan
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

CYCLES = 64  # stalls are drawn for so many cycles; later ones are free


def identity_input(size):
    """An input whose elements are the frame's, in order, +1 from 0.5 on."""
    return Input(shape=(size,), format=BIPOLAR, thresholds=np.array([[0.5]]), source=np.arange(size))


@st.composite
def dense_layers(draw, name, inputs, outputs, *, last):
    weights = draw(hnp.arrays(bool, (outputs, inputs)))
    if last:
        return Dense(name=name, weights=weights)
    # Beyond -inputs and inputs a neuron is constant: trained networks have such neurons.
    thresholds = draw(hnp.arrays(np.int64, (outputs, 1), elements=st.integers(-inputs - 2, inputs + 2)))
    return Dense(name=name, weights=weights, thresholds=thresholds, output=BIPOLAR)


@st.composite
def networks(draw, *, max_size=17, max_layers=3):
    """Dense networks with one-bit inputs and activations."""
    sizes = draw(st.lists(st.integers(1, max_size), min_size=2, max_size=max_layers + 1))
    layers = [
        draw(dense_layers(f"dense{index}", inputs, outputs, last=index == len(sizes) - 2))
        for index, (inputs, outputs) in enumerate(zip(sizes, sizes[1:], strict=False))
    ]
    if draw(st.booleans()):
        values = hnp.arrays(np.int64, sizes[-1], elements=st.integers(-100, 100))
        layers.append(Affine(name="scores", scale=draw(values), offset=draw(values)))
    return check(Network(name="net", input=identity_input(sizes[0]), layers=tuple(layers)))


@st.composite
def plans(draw, network):
    """Foldings that fit, dividing or not."""
    foldings = []
    for layer in network.layers:
        if isinstance(layer, Dense):
            limits = [1 << (size - 1).bit_length() for size in (layer.outputs, layer.inputs)]
            foldings.append(Folding(pe=draw(st.integers(1, limits[0])), simd=draw(st.integers(1, limits[1]))))
    popcount = Popcount(style=draw(st.sampled_from(["tree", "fused"])), levels_per_stage=draw(st.integers(0, 3)))
    return Plan(foldings=tuple(foldings), popcount=popcount)


def stalls():
    """For each cycle, whether the side goes on; shrinks towards no stalls."""
    stalled = st.lists(st.booleans(), max_size=CYCLES).map(lambda flags: ~np.array(flags, bool))
    return st.one_of(st.just(np.ones(0, bool)), stalled)


def codes(network, frames):
    """So many frames of codes."""
    return hnp.arrays(np.uint8, (frames, network.input.size), elements=st.integers(0, network.input.format.codes - 1))
