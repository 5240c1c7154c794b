"""The wrapper with AXI4-Stream and AXI4-Lite against the ends of cocotbext-axi, in Icarus."""

import json
import zlib

import numpy as np
import pytest
from bitweir_hw.accelerator import accelerator_rtlil, parameter_image, rtlil_to_verilog, with_parameters_of
from bitweir_hw.axi import AxiPorts, axi_rtlil
from bitweir_hw.lower import lower, with_loadable_parameters
from bitweir_sim.simulators.cocotb import available
from support.axibench import frames_and_results, run_icarus, simulate_icarus, varied
from support.loadbench import other_parameters

pytest.importorskip("cocotbext.axi")


@pytest.mark.parametrize(("width", "shares", "streams"), [(1, (0, 0), 1), (8, (0.4, 0.6), 2)])
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
    sources[1].write_text(rtlil_to_verilog(axi_rtlil(pipeline, name="odd", ports=width)))
    rounds = [([], sent, len(results))]
    found, counts = run_icarus(sources, tmp_path, top="odd_axi", rounds=rounds, shares=shares)
    assert found == results and len(set(results)) > 3
    assert counts == [sum(len(p) < len(good[0]) for p in sent), sum(len(p) > len(good[0]) for p in sent)]


@pytest.mark.parametrize(("width", "load_width"), [(4, 1), (8, 8), (16, 4)])
def test_parameters_over_axi_in_icarus(tmp_path, width, load_width):
    if missing := available("icarus"):
        pytest.skip(missing)
    network, plan = varied()
    plan = with_loadable_parameters(network, plan, load_width=load_width)
    pipeline, rng = lower(network, plan), np.random.default_rng(9)
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
    sources[1].write_text(rtlil_to_verilog(axi_rtlil(pipeline, name="odd", ports=width)))
    found, counts = run_icarus(sources, tmp_path, top="odd_axi", rounds=rounds, shares=(0.3, 0.3))
    assert found == expected and counts == [0, 0]
    assert len(set(expected)) == 12


def test_registers_in_icarus(tmp_path):
    if missing := available("icarus"):
        pytest.skip(missing)
    network, plan = varied()
    plan = with_loadable_parameters(network, plan)
    pipeline, rng = lower(network, plan), np.random.default_rng(9)
    other = other_parameters(network, {name: (low, high) for name, low, high in plan.limits}, rng)
    images, expected, sent, job = [], [], [], {"share": 0.4}
    for number, each in enumerate((network, other)):
        images.append(parameter_image(with_parameters_of(each, network, plan)))
        good, results = frames_and_results(each, pipeline, rng.integers(0, 2, (4, 45)), 64)
        sent, expected = sent + good, expected + results
        job |= {f"sent{number}": np.frombuffer(b"".join(good), np.uint8), f"sent{number}_sizes": [*map(len, good)]}
    job |= {"images": np.frombuffer(b"".join(images), np.uint8), "images_sizes": [*map(len, images)]}
    np.savez(tmp_path / "job.npz", **job)
    sources = [tmp_path / "odd.v", tmp_path / "odd_axi.v"]
    ports = AxiPorts(frame_bytes=64, result_bytes=2, lite=True, checksums=True)
    sources[0].write_text(rtlil_to_verilog(accelerator_rtlil(pipeline, name="odd")))
    sources[1].write_text(rtlil_to_verilog(axi_rtlil(pipeline, name="odd", ports=ports)))
    simulate_icarus(sources, tmp_path, top="odd_axi", test="support.axilite_cocotb")
    assert (tmp_path / "found.json").exists(), (tmp_path / "run.log").read_text()[-2000:]
    told = json.loads((tmp_path / "found.json").read_text())
    assert [bytes.fromhex(packet) for packet in told["found"]] == expected and told["left"] == 0
    registers = told["registers"]
    assert (registers["FRAMES_IN"], registers["FRAMES_OUT"], registers["SHORT_PACKETS"]) == (8, 8, 0)
    # The reset between the images began the checksums anew.
    assert registers["FRAMES_CRC"] == zlib.crc32(b"".join(sent[4:]))
    assert registers["RESULTS_CRC"] == zlib.crc32(b"".join(expected[4:]))
    assert registers["LOADED_CRC"] == int.from_bytes(images[1][-4:], "little")
