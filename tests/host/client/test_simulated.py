"""The simulated board: the unchanged host, pyserial, a pseudo-terminal, and the gateware bit by bit."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import bitweir
import numpy as np
import pytest
import serial
from bitweir.client.client import Client
from bitweir.client.faults import KINDS
from bitweir.client.linked import LinkedDevice
from bitweir.client.simulated import BAUD, SimulatedBoard
from bitweir.client.transport import SerialTransport
from bitweir.design import write_design
from bitweir.importers import load_model
from bitweir_hw.errors import LinkError
from bitweir_hw.plan import plan_for_fps, plan_from_foldings
from bitweir_sim.simulators.compiled import compiler_missing
from bitweir_sim.values import fast
from bitweir_sim.values.encoding import encode
from support.link_reference import packet

pytestmark = pytest.mark.skipif(compiler_missing() is not None, reason=str(compiler_missing()))

NETWORKS = Path(str(resources.files("bitweir.networks")))
with np.load(NETWORKS / "digits_test.npz") as _file:
    IMAGES, LABELS = _file["x"], _file["y"]


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    network = load_model(NETWORKS / "digits.onnx", input_scale="1")
    folder = tmp_path_factory.mktemp("device") / "build"
    return write_design(network, plan_from_foldings(network, "16x8,16x2"), folder)


@pytest.fixture(scope="module")
def golden(build):
    return fast.run(build.network, encode(build.network.input, IMAGES))


@pytest.fixture(scope="module")
def board(build):
    with SimulatedBoard(build) as board:
        yield board


def check(device, golden, count=360):
    assert np.array_equal(device.classify(IMAGES[:count]), golden.classes[:count])
    result = device.run(IMAGES[:count])
    assert np.array_equal(result.scores, golden.scores[:count])
    assert np.array_equal(result.classes, golden.classes[:count])


def connected(board, **settings):
    return LinkedDevice(Client(SerialTransport(board.port, board.baud, now=board.now), **settings))


def test_all_test_images(build, golden):
    with bitweir.connect(f"sim:{build.folder}") as device:
        assert device.network.name == "digits" and device.identity.classes == 10
        check(device, golden)
        assert (device.classify(IMAGES) == LABELS).sum() == 353
        assert device.client.lost == 0
        assert device.classify(IMAGES[:0]).shape == (0,) and device.run(IMAGES[:0]).scores.shape == (0, 10)
    device.close()
    with pytest.raises(LinkError, match="^Serial port '.*' failed: "):
        device.classify(IMAGES)


@pytest.mark.parametrize("text", ["", "?baud=2999999&clock=13000000"])
def test_the_serial_port_of_a_board(build, golden, text):
    """As a board of hardware: nothing but a path, and the network recognised."""
    rates = dict(part.split("=") for part in text[1:].split("&") if part)
    with SimulatedBoard(build, **{name: int(value) for name, value in rates.items()}) as board:
        address = f"serial://{board.port}?baud={board.baud}"
        with bitweir.connect(address) as device:
            assert device.network.name == "digits"
            check(device, golden, 30)
            with pytest.raises(LinkError) as told:
                bitweir.connect(address)
            assert str(told.value) == (
                f"Cannot open serial port {board.port!r} with {board.baud:,} baud: another program uses it."
            )
        with bitweir.connect(address, network=build.folder) as device:
            check(device, golden, 2)


def test_a_thousand_faults(build, golden):
    """Bits flip; bytes and packets are lost, invented, late, repeated; the device is reset: all answers are right."""
    with SimulatedBoard(build, clock=13_000_000, baud=2_999_999, phase=0.7, faults=0.01, seed=1) as board:
        with connected(board, margin=0.02, rounds=60) as device:
            while (board.up.counts + board.down.counts).total() < 1000:
                check(device, golden)
            assert device.client.lost > 100
        assert set(board.up.counts) == set(KINDS) and min(board.up.counts.values()) > 20
        assert set(board.down.counts) == set(KINDS) - {"reset"}


@pytest.mark.parametrize("at", [1, 3, 100, 260, 400])
def test_a_host_that_vanishes_in_a_packet(board, golden, at):
    """What it leaves behind, half a request and answers that nobody reads, is nothing to the next one."""
    with serial.Serial(board.port, BAUD) as port:
        whole = packet(2, 1, 9, bytes(9 * 24)) + packet(3, 2, 9, bytes(9 * 24))
        port.write(b"\0" + whole + packet(2, 3, 16, b"\1" * 16 * 24)[:at])
    with connected(board) as device:
        check(device, golden, 60)


def test_a_device_that_is_reset_again_and_again(board, golden):
    with connected(board, margin=0.02) as device:
        write, sent = device.client.transport.write, 0

        def reset_then_write(data):
            nonlocal sent
            sent += 1
            if sent % 5 == 0:
                # In the middle of what is on the wire, and of what is computed.
                write(data[: len(data) // 2])
                board.reset()
                data = data[len(data) // 2 :]
            write(data)

        device.client.transport.write = reset_then_write
        check(device, golden)


def test_a_board_that_goes_away(build):
    board = SimulatedBoard(build)
    device = connected(board)
    read = device.client.transport.read

    def unplug(timeout):
        board.close()
        return read(timeout)

    device.client.transport.read = unplug
    with pytest.raises(LinkError, match=r"^Serial port '/dev/.*' failed: "):
        device.classify(IMAGES)
    device.close()


@pytest.mark.long
def test_a_convolutional_network(tmp_path):
    """Frames of 64 vectors, elements of 8 bits, and an accelerator that is slower than the wire."""
    network = load_model(NETWORKS / "cnn.onnx", input_scale="1")
    expected = fast.run(network, encode(network.input, IMAGES.reshape(-1, 1, 8, 8)))
    write_design(network, plan_for_fps(network, 3e4, 100e6), tmp_path / "build")
    with bitweir.connect(f"sim:{tmp_path / 'build'}") as device:
        check(device, expected)
        assert device.client.lost == 0
