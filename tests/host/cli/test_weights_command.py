"""Parameters in RAM on the command line: images, other networks, simulation with the generated Verilog."""

import json
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from bitweir.cli import main
from bitweir_hw.accelerator import parameter_image, with_parameters_of
from bitweir_hw.files import load_network, load_plan, save_network
from bitweir_sim.simulators.cocotb import available
from bitweir_sim.simulators.compiled import compiler_missing
from click.testing import CliRunner
from support.loadbench import other_parameters
from support.samples import every_kind

NETWORKS = Path(str(resources.files("bitweir.networks")))
MODEL, IMAGES = NETWORKS / "digits.onnx", NETWORKS / "digits_test.npz"

needs_compiler = pytest.mark.skipif(compiler_missing() is not None, reason=str(compiler_missing()))


def run(*words, code=0):
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("ram") / "build"
    run("generate", MODEL, "-o", path, "--folding", "16x8,16x2", "--input-scale", "1", "--weights", "ram")
    return path


@pytest.fixture(scope="module")
def other(folder, tmp_path_factory):
    """A network of the same shape, in a file of its own."""
    path = tmp_path_factory.mktemp("other") / "other.npz"
    save_network(other_parameters(load_network(folder / "network.npz"), {}, np.random.default_rng(1)), path)
    return path


def test_a_build_has_its_image(folder):
    network, plan = load_network(folder / "network.npz"), load_plan(folder / "plan.json")
    assert plan.weights == "ram"
    image = (folder / "parameters.bin").read_bytes()
    assert image == parameter_image(with_parameters_of(network, network, plan))
    assert f"`parameters.bin` is the image of this network, {len(image)} bytes" in (folder / "README.md").read_text()


@needs_compiler
def test_the_digits_network_loaded_with_its_weights(folder):
    result = json.loads(run("simulate", folder, "--images", IMAGES, "--json").stdout)
    # Every score, every class, and the cycle of every result.
    assert (result["images"], result["mismatches"]) == (360, 0)
    assert result["cycles_per_frame"] == 384 and result["accuracy"] == pytest.approx(353 / 360)


@pytest.mark.skipif(available("icarus") is not None, reason=str(available("icarus")))
def test_every_cycle_in_icarus(tmp_path, monkeypatch):
    # Verilator would take longer to build than this takes to run.
    monkeypatch.setattr("bitweir.runs.engines.available", lambda name: "not here" if name == "verilator" else None)
    network, _ = every_kind()
    save_network(network, tmp_path / "net.npz")
    run("generate", tmp_path / "net.npz", "-o", tmp_path / "b", "--folding", "4x2,3x3,20x1", "--weights", "ram")
    np.savez(tmp_path / "x.npz", codes=np.random.default_rng(3).integers(0, 4, (4, 32)))
    words = ["simulate", tmp_path / "b", "--images", tmp_path / "x.npz", "--engine", "cocotb", "--json"]
    result = json.loads(run(*words).stdout)
    assert (result["images"], result["mismatches"], result["simulator"]) == (4, 0, "cocotb and icarus")


def test_the_image_of_another_network(folder, other, tmp_path):
    told = json.loads(run("parameters", folder, other, "-o", tmp_path / "other.bin", "--json").stdout)
    image = (tmp_path / "other.bin").read_bytes()
    network, plan = load_network(folder / "network.npz"), load_plan(folder / "plan.json")
    assert image == parameter_image(with_parameters_of(load_network(other), network, plan))
    # A network file has no model to be compared with.
    assert told == {"image": str(tmp_path / "other.bin"), "bytes": len(image), "comparison": None}
    assert (
        len(image) == (folder / "parameters.bin").stat().st_size and image != (folder / "parameters.bin").read_bytes()
    )


def test_the_accelerator_is_the_same_for_both(folder, other, tmp_path):
    run("generate", other, "-o", tmp_path / "build", "--folding", "16x8,16x2", "--weights", "ram", "--name", "digits")
    # All but the head, which names the network.
    first, second = ((path / "digits.v").read_text().split("\n", 2)[2] for path in (folder, tmp_path / "build"))
    assert first == second


def test_networks_that_do_not_fit(folder, tmp_path):
    save_network(every_kind()[0], tmp_path / "net.npz")
    result = run("parameters", folder, tmp_path / "net.npz", "-o", tmp_path / "x.bin", code=4)
    assert result.stderr == (
        "bitweir: Network 'net' must have the shape of 'digits' to be loaded in its place, but its input differs.\n"
    )
    run("generate", tmp_path / "net.npz", "-o", tmp_path / "rom", "--folding", "4x2,3x3,20x1")
    result = run("parameters", tmp_path / "rom", tmp_path / "net.npz", "-o", tmp_path / "x.bin", code=5)
    assert result.stderr == (
        "bitweir: The accelerator must have parameters in RAM to be loaded: generate it with --weights ram (in Python "
        "weights='ram').\n"
    )
    assert not (tmp_path / "x.bin").exists() and not (tmp_path / "rom" / "parameters.bin").exists()


def test_estimates_and_measurements_count_the_same(folder):
    report = json.loads(run("report", folder, "--synth", "ecp5", "--json").stdout)
    estimated, measured = report["estimates"]["ecp5"]["total"], report["synthesis"]["ecp5"]["total"]
    assert estimated["bram"] == measured["bram"]
    for near, share in (("ff", 0.02), ("lutram", 0.05), ("lut", 0.12), ("sites", 0.12)):
        assert abs(estimated[near] / measured[near] - 1) < share
