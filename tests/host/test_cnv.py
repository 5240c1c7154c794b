"""A trained convolutional network of 1.5 million weights, as published overlays fold it and better."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from bitweir_hw.accelerator import accelerator_rtlil, rtlil_to_verilog
from bitweir_hw.lower import lower
from bitweir_hw.plan import plan_from_foldings
from bitweir_sim.simulators.compiled import compile_design, compiler_missing
from bitweir_sim.time.cycles import steady_state
from bitweir_sim.time.sizing import fit_depths, interval
from bitweir_sim.values.encoding import encode
from bitweir_sim.values.frames import pack, unpack_results
from bitweir_sim.verify import expected_trace
from support.shared_data import DATA, bnn_npz, cifar, needs_shared

pytestmark = needs_shared

#: SIMD x PE of BNN-PYNQ's overlay, and one of fewer lanes in which PE need not divide the filters.
OVERLAY = "3x16,32x32,32x16,32x16,32x4,32x1,4x1,8x1,1x4"
BALANCED = "9x7,64x16,192x2,64x9,32x3,2x11,1x5,2x5,1x1"


def build(folding: str):
    network = bnn_npz(DATA / "models" / "cnvW1A1_cifar10.npz")
    plan = fit_depths(network, plan_from_foldings(network, folding))
    assert sum(choice.pe * choice.simd for choice in plan.foldings) <= 2272
    return network, lower(network, plan)


@pytest.mark.parametrize(("folding", "cycles"), [(OVERLAY, 32768), (BALANCED, 28224)], ids=["overlay", "balanced"])
def test_pace(folding: str, cycles: int) -> None:
    if missing := compiler_missing():
        pytest.skip(missing)
    _, pipeline = build(folding)
    assert interval(pipeline) == cycles == max(block.cycles for block in pipeline.blocks)


@pytest.mark.long
@pytest.mark.parametrize(("folding", "cycles"), [(OVERLAY, 32768), (BALANCED, 28224)], ids=["overlay", "balanced"])
def test_every_beat(folding: str, cycles: int, tmp_path: Path) -> None:
    """Verilog, every stream in every cycle; every score and class; and frames as far apart as the model says."""
    if missing := compiler_missing():
        pytest.skip(missing)
    network, pipeline = build(folding)
    source = tmp_path / "cnv.v"
    source.write_text(rtlil_to_verilog(accelerator_rtlil(pipeline, name="cnv", taps=True)))
    design = compile_design(source, top="cnv")
    frames = 4
    codes = encode(network.input, cifar()[0][:frames])
    trace = design.run(pack(codes, pipeline.input), expected=expected_trace(network, pipeline, codes))
    found = unpack_results(trace.o.payloads, pipeline, frames)
    with np.load(DATA / "golden" / "cnvW1A1_cifar10.npz") as golden:
        np.testing.assert_array_equal(found.scores, golden["acc"][:frames])
        np.testing.assert_array_equal(found.classes, golden["pred"][:frames])
    ends = trace.o.cycles[pipeline.output.beats - 1 :: pipeline.output.beats]
    timing = steady_state(pipeline)
    assert ends.tolist() == [timing.last_cycle(frame + 1) for frame in range(frames)]
    assert timing.interval == cycles
    print(json.dumps({"cycles": trace.cycles_run, "apart": np.diff(ends).tolist()}))
