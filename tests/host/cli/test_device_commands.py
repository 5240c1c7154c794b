"""What people use: addresses of devices, `run` and `simboard`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from importlib import resources
from pathlib import Path

import bitweir
import numpy as np
import pytest
from bitweir.cli import main
from bitweir.client.golden import GoldenDevice
from bitweir.design import write_design
from bitweir.importers import load_model
from bitweir_hw.errors import LinkError, NetworkError
from bitweir_hw.files import digest, save_network
from bitweir_hw.plan import plan_from_foldings
from bitweir_sim.simulators.compiled import compiler_missing
from bitweir_sim.values import fast, native
from bitweir_sim.values.encoding import encode
from bitweir_sim.values.golden import Result
from click.testing import CliRunner
from support.link_reference import IDENTITY

NETWORKS = Path(str(resources.files("bitweir.networks")))
IMAGES = str(NETWORKS / "digits_test.npz")
FOLDING = "16x8,16x2"  # as in other tests, which compile the same board

needs_compiler = pytest.mark.skipif(compiler_missing() is not None, reason=str(compiler_missing()))


@pytest.fixture(scope="module")
def network():
    return load_model(NETWORKS / "digits.onnx", input_scale="1")


@pytest.fixture(scope="module")
def folder(network, tmp_path_factory):
    return write_design(
        network, plan_from_foldings(network, FOLDING), tmp_path_factory.mktemp("commands") / "build"
    ).folder


@pytest.fixture(scope="module")
def file(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("network") / "digits.npz"
    save_network(network, path)
    return path


def run(*words, code=0):
    result = CliRunner().invoke(main, ["run", *map(str, words)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


# ---- addresses


def test_golden_devices(network, folder, file):
    with np.load(IMAGES) as images:
        x = images["x"]
    expected = fast.run(network, encode(network.input, x))
    for place in (folder, file):
        with bitweir.connect(f"golden:{place}", network=file) as device:
            assert device.identity is None and digest(device.network) == digest(network)
            found = device.run(x)
            assert np.array_equal(found.scores, expected.scores)
            assert np.array_equal(device.classify(x), expected.classes)
            assert device.classify(x[:0]).shape == (0,)
        device.close()


def test_images_of_another_shape(tmp_path):
    """Pixels and floats go by their number of elements; codes are as the stream has them."""
    cnn = load_model(NETWORKS / "cnn.onnx", input_scale="1")
    save_network(cnn, tmp_path / "cnn.npz")
    with np.load(IMAGES) as images:
        x = images["x"][:40]
    codes = encode(cnn.input, x.reshape(40, 1, 8, 8))
    expected = fast.run(cnn, codes).classes
    with bitweir.connect(f"golden:{tmp_path / 'cnn.npz'}") as device:
        for same in (x, x.reshape(40, 8, 8), x.reshape(40, 1, 8, 8), codes.astype(int)):
            assert np.array_equal(device.classify(same), expected)
        with pytest.raises(NetworkError, match="shape"):
            device.classify(x[:, :63])


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("golden", "A device must be serial:PORT, spi:PORT, sim:FOLDER, golden:FILE, cpu:FILE, not 'golden'."),
        ("serial:", "A device must be serial:PORT, spi:PORT, sim:FOLDER, golden:FILE, cpu:FILE, not 'serial:'."),
        ("usb:1", "A device must be serial:PORT, spi:PORT, sim:FOLDER, golden:FILE, cpu:FILE, not 'usb:1'."),
        ("serial:x?speed=9", "serial: takes the options baud, not 'speed'."),
        ("sim:x?speed=9", "sim: takes the options baud and clock, not 'speed'."),
        ("golden:x?baud=9", "golden: has no link, so leave out the baud rate (--baud, in Python baud=)."),
        ("cpu:x?baud=9", "cpu: has no link, so leave out the baud rate (--baud, in Python baud=)."),
        ("serial:x?baud=fast", "The option baud of a device must be a positive integer, not 'fast'."),
        ("serial:x?baud=0", "The option baud of a device must be a positive integer, not '0'."),
        ("spi:x?clock=9", "spi: takes the options baud, not 'clock'."),
        ("serial:///none/x", "Cannot open serial port '/none/x' with 3,000,000 baud: No such file or directory."),
    ],
)
def test_addresses_that_are_none(address, told):
    with pytest.raises(LinkError) as error:
        bitweir.connect(address)
    assert str(error.value) == told
    assert json.loads(run(address, "--demo-images", "--json", code=10).stdout) == {"error": told, "exit_code": 10}


def test_another_network_than_asked_for(network, file):
    other = load_model(NETWORKS / "cnn.onnx", input_scale="1")
    with pytest.raises(LinkError) as error:
        bitweir.connect(f"golden:{file}", network=other)
    assert str(error.value) == (
        f"The device holds network {digest(network)[:32]}, not {other.name} ({digest(other)[:32]})."
    )
    with pytest.raises(NetworkError, match="^There is no network file 'none.npz'.$"):
        bitweir.connect(f"golden:{file}", network="none.npz")


def test_only_what_is_used_is_loaded():
    program = "import sys, bitweir; sys.exit('numpy' in sys.modules or 'bitweir.client' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        bitweir.nothing  # noqa: B018


def test_frames_side_by_side(network, tmp_path):
    write_design(network, plan_from_foldings(network, FOLDING, parallel_frames=2), tmp_path / "build")
    with pytest.raises(LinkError, match="^The link takes one frame at a time, but the plan has 2 parallel frames.$"):
        bitweir.connect(f"sim:{tmp_path / 'build'}")


# ---- bitweir run


def test_run_on_golden(file, tmp_path):
    saved = tmp_path / "new" / "found.npz"
    words = [f"golden:{file}", "--images", IMAGES, "--limit", 50, "--save", saved, "--check"]
    result = json.loads(run(*words, "--json").stdout)
    assert result["images"] == 50 and sum(result["classes"]) == 50 and result["accuracy"] == 1
    assert result["mismatches"] == 0 and result["first_mismatch"] is None and result["time"] == "real"
    with np.load(saved) as found:
        assert found["scores"].shape == (50, 10) and (found["classes"] == found["scores"].argmax(axis=1)).all()
    told = run(*words).stdout
    assert "all equal" in told and "100.00%" in told and "frames/s" in told


@needs_compiler
def test_run_on_this_cpu(file):
    result = json.loads(run(f"cpu:{file}?threads=1", "--demo-images", "--check", "--json").stdout)
    assert result["accuracy"] == pytest.approx(353 / 360) and result["mismatches"] == 0
    kernels = f"native kernels ({native.chosen().name}), at most 1 thread"
    assert result["engine"] == kernels and result["time"] == "real"
    assert kernels in run(f"cpu:{file}?threads=1", "--demo-images").stdout


def test_run_on_a_cpu_without_a_compiler(file, tmp_path, monkeypatch):
    monkeypatch.setenv("BITWEIR_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("CXX", "none")
    result = json.loads(run(f"cpu:{file}", "--demo-images", "--check", "--json").stdout)
    assert result["engine"] == "NumPy, as there is no C++ compiler for native kernels" and result["mismatches"] == 0


@needs_compiler
def test_run_on_a_simulated_board(folder):
    result = json.loads(run(f"sim:{folder}", "--demo-images", "--check", "--json").stdout)
    assert result["accuracy"] == pytest.approx(353 / 360) and result["mismatches"] == 0
    assert result["time"] == "simulated" and result["clock_mhz"] == 12 and result["network"] == "digits"
    # A frame takes 24 bytes of 10 bits on the wire.
    assert 0 < result["frames_per_second"] <= 3_000_000 / 240
    assert "of simulated time" in run(f"sim:{folder}", "--demo-images", "--limit", 3).stdout


def test_a_device_that_differs(file, monkeypatch):
    class Wrong(GoldenDevice):
        def run(self, images):
            right = super().run(images)
            classes = right.classes.copy()
            classes[3] = (classes[3] + 1) % 10
            return Result(scores=right.scores, classes=classes)

    monkeypatch.setattr("bitweir.client.opening.GoldenDevice", Wrong)
    result = run(f"golden:{file}", "--demo-images", "--check", "--limit", 9, "--json", code=9)
    told = json.loads(result.stdout)
    assert told["mismatches"] == 1 and told["first_mismatch"].startswith("image 3, class: expected ")
    assert "must compute what the golden model computes; 1 of 9 images differ" in result.stderr


def test_a_device_with_an_unknown_network(file, monkeypatch):
    class Unknown(GoldenDevice):
        network = None
        identity = IDENTITY

    monkeypatch.setattr("bitweir.client.opening.GoldenDevice", Unknown)
    monkeypatch.setattr("bitweir.client.opening.network_digest", lambda network: b"")
    assert run(f"golden:{file}", "--demo-images", code=10).stderr.splitlines()[-1] == (
        "bitweir: The device holds network 000102030405060708090a0b0c0d0e0f, which is not known here: "
        "name its file or build folder (--network, in Python network=)."
    )


def test_which_images(file):
    for words in ([], ["--images", IMAGES, "--demo-images"]):
        assert "Give either --images or --demo-images." in run(f"golden:{file}", *words, code=2).stderr


# ---- bitweir simboard


@needs_compiler
def test_a_board_in_a_program_of_its_own(folder):
    # A program that was started with SIGINT ignored (nohup, some CI systems) hands that on to its children.
    program = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from bitweir.cli import main; main()"
    )
    command = [sys.executable, "-c", program, "simboard", str(folder), "--json", "--faults", "0.002", "--seed", "5"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "200"}
    ) as board:
        try:
            assert board.stdout
            text = ""
            while not text.endswith("}\n"):
                line = board.stdout.readline()
                assert line, board.stderr.read() if board.stderr else ""
                text += line
            started = json.loads(text)
            assert (started["baud"], started["clock_mhz"]) == (3_000_000, 12)
            result = json.loads(run(started["device"], "--demo-images", "--check", "--json").stdout)
            assert result["mismatches"] == 0 and result["images"] == 360
            board.send_signal(signal.SIGINT)
            assert board.wait(timeout=60) == 130
            assert board.stderr and "faults." in board.stderr.read()
        finally:
            board.kill()
