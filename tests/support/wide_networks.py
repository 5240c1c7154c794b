"""Networks of sizes around those at which ways of computing change, with extreme codes, weights and thresholds."""

from __future__ import annotations

from math import prod

import numpy as np
from bitweir_hw.network import BIPOLAR, Affine, Dense, Format, Input, Layer, Network, Shape, Stored, check
from hypothesis import strategies as st
from support.strategies import usual_readout

__all__ = ["codes_for", "formats", "network_of", "thresholds_for", "weights_for", "wide_networks"]


def network_of(form: Format, *layers: Layer, shape: Shape | None = None) -> Network:
    """Takes a map of this shape, or a vector that the first layer, a dense one, tells."""
    size = layers[0].inputs if shape is None else prod(shape)
    entry = Input(
        shape=(size,),
        format=form,
        thresholds=np.zeros((1, 1)),
        source=np.arange(size, dtype=np.int64),
        map_shape=shape,
        stored=Stored(),
    )
    return check(Network(name="drawn", input=entry, layers=layers, readout=usual_readout(layers, entry)))


def codes_for(network: Network, frames: int, rng: np.random.Generator) -> np.ndarray:
    """Random codes, but the first two frames are extreme: all lowest, all highest."""
    top = network.input.format.codes - 1
    codes = rng.integers(0, top + 1, (frames, network.input.size))
    codes[:1], codes[1:2] = 0, top
    return codes


def thresholds_for(form: Format, weights: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Thresholds in reach, at its edges, beside it and far out of it."""
    ends = form.values([0, form.codes - 1])
    reach = int(np.abs(ends).max()) * weights.shape[1]
    if weights.dtype != np.bool_:
        reach *= int(np.abs(weights).max())
    drawn = rng.integers(-reach - 2, reach + 3, (len(weights), count))
    some = rng.random(drawn.shape)
    drawn[some < 0.5] //= 8  # most sums are near 0
    drawn[some > 0.90] = -(2**61)
    drawn[some > 0.95] = 2**61
    return np.sort(drawn, axis=1)


def weights_for(outputs: int, inputs: int, rng: np.random.Generator) -> np.ndarray:
    """Random weights, but the first two rows are extreme: all -1, all +1."""
    weights = rng.random((outputs, inputs)) < rng.random((outputs, 1))
    weights[:1], weights[1:2] = False, True
    return weights


def formats(max_bits: int) -> st.SearchStrategy[Format]:
    steps = st.integers(-3, 3).filter(bool)
    drawn = st.builds(Format, bits=st.integers(1, max_bits), offset=st.integers(-9, 9), step=steps)
    return st.just(BIPOLAR) | drawn


@st.composite
def wide_networks(draw: st.DrawFn, max_bits: int = 6) -> Network:
    """Dense networks of sizes around those at which packing and the BLAS change their ways."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sizes = st.sampled_from([1, 2, 7, 8, 9, 63, 64, 65, 130, 300])
    first = current = draw(formats(max_bits))
    layers: list[Layer] = []
    inputs = draw(sizes)
    for index in range(draw(st.integers(0, 3))):
        weights = weights_for(draw(sizes), inputs, rng)
        if draw(st.booleans()):
            weights = weights * rng.integers(0, draw(st.sampled_from([2, 8, 128])), weights.shape)
        output = draw(formats(max_bits))
        count = draw(st.integers(1, output.codes - 1))
        thresholds = thresholds_for(current, weights, count, rng)
        layers.append(Dense(name=f"dense{index}", weights=weights, thresholds=thresholds, output=output))
        inputs, current = len(weights), output
    last = Dense(name="last", weights=weights_for(draw(st.integers(1, 11)), inputs, rng))
    layers.append(last)
    if draw(st.booleans()):
        # Small scales, zeros among them, make ties.
        scale, offset = rng.integers(-2, 3, (2, last.outputs))
        layers.append(Affine(name="scores", scale=scale, offset=offset))
    return network_of(first, *layers)
