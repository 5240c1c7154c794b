"""An accelerator with two equal datapaths, and a check of its compiled simulation with long pauses."""

import numpy as np
from bitweir_hw.accelerator import accelerator_rtlil
from bitweir_hw.lower import lower
from bitweir_hw.plan import Folding, Plan
from bitweir_hw.popcount import Popcount
from bitweir_sim.values.frames import pack
from bitweir_sim.verify import expected_trace
from support.samples import dense_network


def equal_datapaths(*, seed=1, pe=4):
    """A network, its blocks and its RTLIL; the two layers in the middle have equal datapaths."""
    network = dense_network(30, 12, 12, 12, 5, seed=seed)
    foldings = (Folding(pe=pe, simd=10), Folding(pe=3, simd=6), Folding(pe=3, simd=6), Folding(pe=1, simd=6))
    pipeline = lower(network, Plan(foldings=foldings, popcount=Popcount(style="fused")))
    return network, pipeline, accelerator_rtlil(pipeline, name="odd", taps=True)


def check_runs(network, pipeline, design):
    """The trace is that of the model, with long pauses, after which all begins to move again."""
    rng = np.random.default_rng(3)
    frames = rng.integers(0, 2, (8, 30))
    pauses = [None, rng.random(900) < 0.5, np.repeat(rng.random(30) < 0.5, 40)]
    for i_stalls, o_stalls in zip(pauses, pauses[::-1], strict=True):
        timed = {"i_stalls": i_stalls, "o_stalls": o_stalls}
        expected = expected_trace(network, pipeline, frames, drain=20, **timed)
        found = design.run(pack(frames, pipeline.input), expected=expected, drain=20, **timed)
        assert len(found.o) == 8 * pipeline.output.beats
