"""The AXI4-Stream wrapper against the sources and sinks of cocotbext-axi, in Icarus."""

import numpy as np
import pytest
from bitweir_hw.accelerator import accelerator_rtlil, parameter_image, rtlil_to_verilog, with_parameters_of
from bitweir_hw.axi import axi_rtlil
from bitweir_hw.lower import lower, with_loadable_parameters
from bitweir_sim.simulators.cocotb import available
from support.axibench import frames_and_results, run_icarus, varied
from support.loadbench import other_parameters

pytest.importorskip("cocotbext.axi")


@pytest.mark.parametrize(("width", "shares", "streams"), [(1, (0, 0), 1), (8, (0.4, 0.6), 2), (64, (0.7, 0.2), 1)])
def test_axi_in_icarus(tmp_path, width, shares, streams):
    if missing := available("icarus"):
        pytest.skip(missing)
    network, plan = varied(streams)
    pipeline = lower(network, plan)
    rng = np.random.default_rng(width)
    good, results = frames_and_results(network, pipeline, rng.integers(0, 2, (9, 45)), width)
    sent = []
    for number, content in enumerate(good):
        if number % 3 == 1:
            sent.append(content[: int(rng.integers(1, len(content)))])
        if number % 4 == 2:
            sent.append(content + bytes(width))
        sent.append(content)
    sources = [tmp_path / "odd.v", tmp_path / "odd_axi.v"]
    sources[0].write_text(rtlil_to_verilog(accelerator_rtlil(pipeline, name="odd")))
    sources[1].write_text(rtlil_to_verilog(axi_rtlil(pipeline, name="odd", tdata_bytes=width)))
    rounds = [([], sent, len(results))]
    found, counts = run_icarus(sources, tmp_path, top="odd_axi", rounds=rounds, shares=shares)
    assert found == results and len(set(results)) > 3
    assert counts == [sum(len(p) < len(good[0]) for p in sent), sum(len(p) > len(good[0]) for p in sent)]


def test_parameters_over_axi_in_icarus(tmp_path):
    if missing := available("icarus"):
        pytest.skip(missing)
    network, plan = varied()
    plan = with_loadable_parameters(network, plan)
    pipeline, rng, width = lower(network, plan), np.random.default_rng(9), 4
    other = other_parameters(network, {name: (low, high) for name, low, high in plan.limits}, rng)
    rounds, expected = [], []
    for each in (network, other, network):
        image = parameter_image(with_parameters_of(each, network, plan))
        good, results = frames_and_results(each, pipeline, rng.integers(0, 2, (4, 45)), width)
        # A cut image and one that goes on, before a right one.
        rounds.append(([image[:30], image[:-1] + bytes(9), image], good, len(results)))
        expected += results
    sources = [tmp_path / "odd.v", tmp_path / "odd_axi.v"]
    sources[0].write_text(rtlil_to_verilog(accelerator_rtlil(pipeline, name="odd")))
    sources[1].write_text(rtlil_to_verilog(axi_rtlil(pipeline, name="odd", tdata_bytes=width)))
    found, counts = run_icarus(sources, tmp_path, top="odd_axi", rounds=rounds, shares=(0.3, 0.3))
    assert found == expected and counts == [0, 0]
    assert len(set(expected)) == 12
