"""Streamed weights on a simulated board: its SDRAM chip gets their image over the link before there is an answer."""

from dataclasses import replace

import bitweir
import numpy as np
import pytest
from bitweir.cli import main
from bitweir.client.client import Client
from bitweir.client.linked import LinkedDevice
from bitweir.client.simulated import SimulatedBoard
from bitweir.client.transport import SerialTransport
from bitweir.design import Design
from bitweir.target import Target
from bitweir_hw.boards import BOARDS
from bitweir_hw.errors import LinkError, PlanError
from bitweir_hw.files import save_network
from bitweir_hw.link.protocol import Kind
from bitweir_hw.plan import plan_from_foldings
from bitweir_sim.simulators.compiled import compiler_missing
from bitweir_sim.values import fast
from bitweir_sim.values.encoding import Codes
from click.testing import CliRunner
from support.samples import dense_network

pytestmark = pytest.mark.skipif(compiler_missing() is not None, reason=str(compiler_missing()))

CODES = Codes(np.random.default_rng(3).integers(0, 2, (40, 48)))


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    network = dense_network(48, 16, 5)
    target = Target.of_board(BOARDS["ulx3s_85f"], clock=60e6)
    design = Design(network=network, plan=plan_from_foldings(network, "12x4:stream,4x5:stream"), target=target)
    return design.write(tmp_path_factory.mktemp("streamed") / "build")


@pytest.fixture(scope="module")
def golden(build):
    return fast.run(build.network, CODES.array)


def same(result, expected):
    return np.array_equal(result.scores, expected.scores) and np.array_equal(result.classes, expected.classes)


def test_the_image_of_the_folder_is_that_of_the_board(build):
    assert (build.folder / "weights.bin").read_bytes() == build.design.weight_image()
    # Each layer begins with a burst of 256 bytes.
    assert len(build.design.weight_image()) == 512


def test_weights_are_loaded_when_they_are_missing(build, golden):
    with bitweir.connect(f"sim:{build.folder}") as device:
        assert device.identity.weights and not device.identity.loads
        assert device.identity.parameters == device.client.identity.parameters != 0
        assert same(device.run(CODES), golden) and device.client.lost == 0
        assert device.network.name == build.network.name


def test_there_is_no_answer_before_the_right_image(build, golden):
    image = build.design.weight_image()
    with SimulatedBoard(build) as board:
        with bitweir.connect(f"serial:{board.port}", network=build.network) as device:
            assert device.identity.parameters == 0
            missing = (
                f"The device at {board.port} (3,000,000 baud) has no weights in its memory: name its build folder "
                "(--network, in Python network=), from which they are loaded, or load its weights.bin with bitweir "
                "load."
            )
            # Another image with a right checksum, a damaged one, one that is cut, and none.
            other = image[:-300] + bytes(300)
            for wrong in (other, bytes([image[0] ^ 1]) + image[1:], image[:-100], b""):
                with pytest.raises(LinkError) as told:
                    device.load(wrong)
                assert str(told.value) == (
                    "The image of weights is damaged, or was made for another accelerator: the device does not accept "
                    "it."
                )
                with pytest.raises(LinkError) as told:
                    device.classify(CODES)
                assert str(told.value) == missing
            shares = []
            device.load(image, progress=shares.append)
            assert shares[-1] == 1 and shares == sorted(shares)
            assert same(device.run(CODES), golden)
            # It has the right one, and takes no other.
            with pytest.raises(LinkError):
                device.load(other)
            assert same(device.run(CODES), golden)
        # Nothing is missing, so nothing is loaded again; nor need the folder be known.
        writes = board.chip.chip.counts["write"]
        with bitweir.connect(f"serial:{board.port}", network=build.folder) as device:
            assert same(device.run(CODES), golden)
            assert board.chip.chip.counts["write"] == writes
            # What is in the chip is not trusted after a reset, although it is there.
            board.reset()
            with pytest.raises(LinkError) as told:
                for _ in range(20):
                    device.run(CODES)
            assert str(told.value) == missing
        with bitweir.connect(f"serial:{board.port}", network=build.folder) as device:
            assert same(device.run(CODES), golden)
        assert board.chip.error is None and board.chip.chip.counts["refresh"]


def test_an_interrupted_load_begins_anew(build, golden):
    image = build.design.weight_image()
    size = 6
    with SimulatedBoard(build) as board:
        client = Client(SerialTransport(board.port, board.baud, now=board.now))
        with LinkedDevice(client, build.network) as device:
            pieces = np.frombuffer(image[: 50 * size], np.uint8).reshape(-1, size)
            client.ask(Kind.LOAD, pieces[:30], 0)
            assert client.identity.parameters == 0
            with pytest.raises(LinkError, match="no weights in its memory"):
                device.run(CODES)
            device.load(image)
            assert same(device.run(CODES), golden)


def test_faults_on_the_wire(build, golden):
    """A reset among them takes the weights away: then there is an error, but never a wrong answer."""
    right = errors = 0
    with SimulatedBoard(build, faults=0.0008, seed=5) as board:
        client = Client(SerialTransport(board.port, board.baud, now=board.now), margin=0.02, rounds=60)
        with LinkedDevice(client, build.network) as device:
            while board.faults < 8 or not right:
                try:
                    if not client.identity.parameters:
                        device.load(build.design.weight_image())
                    assert same(device.run(CODES), golden)
                    right += 1
                except LinkError as error:
                    assert "weights" in str(error)
                    client.identity = replace(client.identity, parameters=0)
                    errors += 1
        assert board.chip.error is None
    assert right > errors


def test_a_memory_that_forgets_gives_no_answer(build):
    """A bit that the chip holds wrong is found when the image is read back."""
    with SimulatedBoard(build) as board:
        chip = board.chip.chip
        held = type(chip.content)

        class Forgets(held):
            def __setitem__(self, place, word):
                super().__setitem__(place, word ^ (place[2] == 7))

        chip.content = Forgets(chip.content)
        with bitweir.connect(f"serial:{board.port}", network=build.network) as device:
            with pytest.raises(LinkError, match="image of weights is damaged"):
                device.load(build.design.weight_image())
            with pytest.raises(LinkError, match="no weights in its memory"):
                device.run(CODES)


def test_boards_without_a_memory(build, tmp_path):
    design = replace(build.design, target=Target())
    folder = design.write(tmp_path / "none")
    with pytest.raises(PlanError, match="no memory to read them from"):
        SimulatedBoard(folder)


def test_on_the_command_line(build, tmp_path):
    def run(*words, code=0):
        done = CliRunner().invoke(main, [str(word) for word in words])
        assert done.exit_code == code, done.output
        return done

    np.savez(tmp_path / "x.npz", codes=CODES.array)
    save_network(build.network, tmp_path / "net.npz")
    with SimulatedBoard(build) as board:
        words = ["run", f"serial:{board.port}", "--images", tmp_path / "x.npz", "--check", "--network"]
        # The network alone does not say where the words lie.
        told = run(*words, tmp_path / "net.npz", code=10).stderr
        assert "has no weights in its memory: name its build folder" in told
        (tmp_path / "other.bin").write_bytes(bytes(512))
        told = run("load", f"serial:{board.port}", tmp_path / "other.bin", code=10).stderr
        assert told == (
            "bitweir: The image of weights is damaged, or was made for another accelerator: the device does not accept "
            "it.\n"
        )
        run("load", f"serial:{board.port}", build.folder / "weights.bin")
        run(*words, tmp_path / "net.npz")
    with SimulatedBoard(build) as board:
        words[1] = f"serial:{board.port}"
        run(*words, build.folder)
