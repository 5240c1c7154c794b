"""One device, several networks: parameters in RAM that the host loads over the link."""

from dataclasses import replace
from importlib import resources
from pathlib import Path

import bitweir
import numpy as np
import pytest
from bitweir.cli import main
from bitweir.client import simulated
from bitweir.client.client import Client
from bitweir.client.linked import LinkedDevice
from bitweir.client.simulated import SimulatedBoard
from bitweir.client.transport import SerialTransport
from bitweir.design import write_design
from bitweir.importers import load_model
from bitweir_hw.accelerator import parameter_image, with_parameters_of
from bitweir_hw.errors import LinkError
from bitweir_hw.files import save_network
from bitweir_hw.lower import with_loadable_parameters
from bitweir_hw.plan import plan_from_foldings
from bitweir_sim.simulators.compiled import compiler_missing
from bitweir_sim.values import fast
from bitweir_sim.values.encoding import encode
from click.testing import CliRunner

pytestmark = pytest.mark.skipif(compiler_missing() is not None, reason=str(compiler_missing()))

NETWORKS = Path(str(resources.files("bitweir.networks")))
with np.load(NETWORKS / "digits_test.npz") as _file:
    IMAGES = _file["x"][:60]
DAMAGED = "The image of parameters is damaged, or was made for another accelerator: the device does not accept it."


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    network = load_model(NETWORKS / "digits.onnx", input_scale="1")
    plan = with_loadable_parameters(network, plan_from_foldings(network, "16x8,16x2"))
    return write_design(network, plan, tmp_path_factory.mktemp("loading") / "build")


@pytest.fixture(scope="module")
def networks(build):
    """Two networks: that of the build, and one of its shape, with weights in another order."""
    rng, layers = np.random.default_rng(1), build.network.layers
    return build.network, replace(
        build.network, layers=tuple(replace(layer, weights=rng.permuted(layer.weights, axis=1)) for layer in layers)
    )


def image_of(build, network):
    return parameter_image(with_parameters_of(network, build.network, build.plan))


def golden(network):
    return fast.run(network, encode(network.input, IMAGES))


def same(result, expected):
    return np.array_equal(result.scores, expected.scores) and np.array_equal(result.classes, expected.classes)


def test_one_device_computes_what_is_loaded(build, networks):
    assert not same(golden(networks[0]), golden(networks[1]))
    with bitweir.connect(f"sim:{build.folder}") as device:
        assert device.network.name == "digits" and device.identity.loads
        for network in (*networks[::-1], networks[1]):
            image = image_of(build, network)
            device.load(image, network)
            assert device.network is network
            assert device.identity.parameters == int.from_bytes(image[-4:], "little")
            assert same(device.run(IMAGES), golden(network))
        assert device.client.lost == 0
    with bitweir.connect(f"sim:{build.folder}", network=networks[1]) as device:
        assert same(device.run(IMAGES), golden(networks[1]))


def test_without_parameters_there_are_no_answers(build):
    image = image_of(build, build.network)
    with SimulatedBoard(build) as board, bitweir.connect(f"serial:{board.port}", network=build.folder) as device:
        assert device.identity.parameters == 0
        for wrong in (image[:-1] + bytes([image[-1] ^ 1]), bytes([image[0] ^ 1]) + image[1:], image[:-30], b""):
            with pytest.raises(LinkError) as told:
                device.load(wrong, build.network)
            assert str(told.value) == DAMAGED
            with pytest.raises(LinkError) as told:
                device.classify(IMAGES)
            assert str(told.value) == (
                f"The device at {board.port} (3,000,000 baud) has no parameters: load some with bitweir load."
            )
        device.load(image, build.network)
        assert same(device.run(IMAGES), golden(build.network))
        board.reset()
        with pytest.raises(LinkError, match=r" (has no parameters|holds other parameters)"):
            device.run(IMAGES)


def test_networks_that_do_not_suit(build, monkeypatch):
    other = load_model(NETWORKS / "cnn.onnx", input_scale="1")
    with bitweir.connect(f"sim:{build.folder}") as device:
        with pytest.raises(LinkError) as told:
            device.load(image_of(build, build.network), other)
        held = build.network.input
        assert str(told.value) == (
            f"The device cannot hold cnn, which has 64 elements of {other.input.format.bits} bits and 10 classes: "
            f"it has {held.size} elements of {held.format.bits} bits and 10 classes."
        )
    fixed = write_design(build.network, plan_from_foldings(build.network, "16x8,16x2"), build.folder.parent / "fixed")
    fixed_told = (
        "The parameters of the device are fixed: generate it with --weights ram (in Python weights='ram') to load "
        "others."
    )
    with bitweir.connect(f"golden:{fixed.folder}") as device, pytest.raises(LinkError) as told:
        device.load(b"")
    assert str(told.value) == fixed_told
    # A simulated board says so before it is compiled.
    monkeypatch.setattr(simulated, "compile_board", None)
    with pytest.raises(LinkError) as told:
        bitweir.load_parameters(f"sim:{fixed.folder}?baud=1000000", b"0123")
    assert str(told.value) == fixed_told


def test_a_hundred_faults(build, networks):
    """A reset among them takes the parameters away: then there is an error, but never a wrong answer."""
    right = errors = 0
    with SimulatedBoard(build, faults=0.0003, seed=2) as board:
        client = Client(SerialTransport(board.port, board.baud, now=board.now), margin=0.02, rounds=60)
        with LinkedDevice(client, build.network) as device:
            while (board.up.counts + board.down.counts).total() < 100:
                network = networks[right % 2]
                try:
                    device.load(image_of(build, network), network)
                    assert same(device.run(IMAGES), golden(network))
                    right += 1
                except LinkError as error:
                    assert "parameters" in str(error)
                    errors += 1
    assert right > max(10, errors) and board.up.counts["reset"]


def test_on_the_command_line(build, networks, tmp_path):
    def run(*words, code=0):
        result = CliRunner().invoke(main, [str(word) for word in words])
        assert result.exit_code == code, result.output
        return result

    save_network(networks[1], tmp_path / "other.npz")
    run("parameters", build.folder, tmp_path / "other.npz", "-o", tmp_path / "other.bin")
    np.savez(tmp_path / "x.npz", x=IMAGES)
    with SimulatedBoard(build) as board:
        size = (tmp_path / "other.bin").stat().st_size
        told = run("load", f"serial:{board.port}", tmp_path / "other.bin").stdout
        assert " ".join(told.split()).startswith(f"Loaded: {tmp_path / 'other.bin'}, {size:,} bytes in ")
        words = ["run", f"serial:{board.port}", "--images", tmp_path / "x.npz", "--check"]
        run(*words, "--network", tmp_path / "other.npz")
        # The network of the build has other parameters: the check tells.
        assert "images differ" in run(*words, "--network", build.folder, code=9).stderr
        # And without its name there is nothing to encode images for.
        assert run(*words, code=10).stderr == (
            "bitweir: The device may hold any network of its shape: name the one that was loaded (--network, in Python "
            "network=).\n"
        )
        (tmp_path / "bad.bin").write_bytes(b"weights")
        assert run("load", f"serial:{board.port}", tmp_path / "bad.bin", code=10).stderr == f"bitweir: {DAMAGED}\n"
        missing = run("load", f"serial:{board.port}", tmp_path / "none.bin", code=7).stderr
        assert missing == f"bitweir: Cannot read {str(tmp_path / 'none.bin')!r}: No such file or directory.\n"
