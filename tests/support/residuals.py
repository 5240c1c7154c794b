"""Drawn residual networks, whose accelerators have FIFOs that need some depth."""

from dataclasses import replace

import numpy as np
from bitweir_hw.blocks import FifoSpec
from bitweir_hw.lower import lower
from bitweir_hw.network import BIPOLAR, Conv, Dense, Input, Network, Parallel, Threshold, check
from bitweir_hw.plan import Folding, Plan
from hypothesis import strategies as st

__all__ = ["depths_by_hand", "fifo_names", "residual_network", "residual_plans"]


def residual_network(*branches, side=4, channels=2, seed=1):
    """Sums of a map and of what some convolutions of 3x3 make of it, one behind the other; then two scores.

    `branches` has the number of convolutions for each sum.
    """
    rng = np.random.default_rng(seed)
    layers = []
    for number, convolutions in enumerate(branches):
        branch = tuple(
            Conv(
                name=f"conv{number}_{index}", weights=rng.random((channels, 3, 3, channels)) < 0.5, pads=(1, 1, 1, 1),
                thresholds=np.zeros((channels, 1), np.int64), output=BIPOLAR,
            )
            for index in range(convolutions)
        )  # fmt: skip
        layers.append(Parallel(name=f"sum{number}", branches=(branch, ())))
        layers.append(Threshold(name=f"sign{number}", thresholds=np.ones((channels, 1), np.int64), output=BIPOLAR))
    size = side * side * channels
    layers.append(Dense(name="scores", weights=rng.random((2, size)) < 0.5))
    entry = Input(
        shape=(size,), format=BIPOLAR, thresholds=np.array([[0.5]]), source=np.arange(size),
        map_shape=(side, side, channels),
    )  # fmt: skip
    return check(Network(name="net", input=entry, layers=tuple(layers)))


def fifo_names(network, plan):
    """Names of the FIFOs of an accelerator."""
    return [block.name for block in lower(network, plan).blocks if isinstance(block, FifoSpec)]


@st.composite
def residual_plans(draw):
    """A residual network and a plan for it."""
    branches = draw(st.lists(st.integers(1, 3), min_size=1, max_size=2))
    channels = draw(st.integers(1, 3))
    network = residual_network(*branches, side=draw(st.integers(2, 5)), channels=channels, seed=draw(st.integers(0, 9)))
    sizes = [(9 * channels, channels)] * sum(branches) + [(network.layers[-1].weights.shape[1], 2)]
    foldings = tuple(Folding(simd=draw(st.integers(1, simd)), pe=draw(st.integers(1, pe))) for simd, pe in sizes)
    return network, Plan(foldings=foldings, parallel_frames=draw(st.integers(1, 2)))


@st.composite
def depths_by_hand(draw, deepest=40):
    """The same with depths that somebody wrote into the plan."""
    network, plan = draw(residual_plans())
    depths = tuple((name, draw(st.integers(2, deepest))) for name in fifo_names(network, plan))
    return network, replace(plan, depths=depths)
