"""The AXI4-Stream wrapper against the sources and sinks of cocotbext-axi, in Icarus."""

import numpy as np
import pytest
from axibench import frames_and_results, run_icarus
from bitweir_hw.integration import axi_rtlil
from bitweir_hw.lower import lower
from bitweir_hw.verilog import accelerator_rtlil, rtlil_to_verilog
from bitweir_sim.simulators import available
from kinds import every_kind

pytest.importorskip("cocotbext.axi")


@pytest.mark.parametrize(("width", "shares", "streams"), [(1, (0, 0), 1), (8, (0.4, 0.6), 2), (64, (0.7, 0.2), 1)])
def test_axi_in_icarus(tmp_path, width, shares, streams):
    if missing := available("icarus"):
        pytest.skip(missing)
    network, plan = every_kind(streams=streams)
    pipeline = lower(network, plan)
    rng = np.random.default_rng(width)
    good, results = frames_and_results(network, pipeline, rng.integers(0, 4, (9, 32)), width)
    sent = []
    for number, content in enumerate(good):
        if number % 3 == 1:
            sent.append(content[: int(rng.integers(1, len(content)))])
        if number % 4 == 2:
            sent.append(content + bytes(width))
        sent.append(content)
    sources = [tmp_path / "kinds.v", tmp_path / "kinds_axi.v"]
    sources[0].write_text(rtlil_to_verilog(accelerator_rtlil(pipeline, name="kinds")))
    sources[1].write_text(rtlil_to_verilog(axi_rtlil(pipeline, name="kinds", tdata_bytes=width)))
    found, counts = run_icarus(sources, tmp_path, top="kinds_axi", sent=sent, results=len(results), shares=shares)
    assert found == results
    assert counts == [sum(len(p) < len(good[0]) for p in sent), sum(len(p) > len(good[0]) for p in sent)]
