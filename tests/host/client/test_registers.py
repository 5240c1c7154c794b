"""The device behind registers and a DMA engine, against fakes of those of PYNQ."""

import zlib

import numpy as np
import pytest
from bitweir.client import RegisterDevice
from bitweir.design import Design
from bitweir_hw.accelerator import parameter_image, with_parameters_of
from bitweir_hw.axi import REGISTERS, AxiPorts, PacketLayout, register
from bitweir_hw.axi.registers import MAGIC, MAP_VERSION, WINDOW
from bitweir_hw.errors import LinkError
from bitweir_hw.files import digest
from bitweir_hw.lower import with_loadable_parameters
from bitweir_sim.values.encoding import Codes
from bitweir_sim.values.golden import run_slow
from support.axibench import frames_and_results, varied
from support.loadbench import other_parameters


class Channel:
    """A channel of ``pynq.lib.DMA``."""

    def __init__(self, move):
        self._move, self._buffer = move, None

    def transfer(self, buffer):
        assert self._buffer is None, "the channel is busy"
        self._buffer = buffer

    def wait(self):
        self._move(self._buffer)
        self._buffer = None


class Fake:
    """Registers and streams of an accelerator: known frames have known results."""

    def __init__(self, build, answers, *, checksums=False, class_only=False, image=b""):
        layout = PacketLayout.of(build.pipeline, 1, class_only=class_only)
        self.answers, self.image, self.came = answers, image, b""
        self.waiting, self.sent, self.results, self.swap = [], b"", b"", False
        self.values = {
            "ID": MAGIC, "VERSION": MAP_VERSION, "NETWORK": int(digest(build.network)[:8], 16),
            "FEATURES": bool(image) | checksums << 1 | class_only << 3, "FRAME_BYTES": layout.frame_bytes,
            "RESULT_BYTES": layout.result_bytes, "IMAGE_BYTES": len(image), "STATUS": 0 if image else 2,
        }  # fmt: skip
        self.sendchannel, self.recvchannel = Channel(self.send), Channel(self.receive)

    def read(self, offset):
        (name,) = (one.name for one in REGISTERS if one.offset == offset)
        computed = {
            "FRAMES_OUT": self.values.get("FRAMES_OUT", 0),
            "FRAMES_CRC": zlib.crc32(self.sent),
            "RESULTS_CRC": zlib.crc32(self.results),
        }
        return computed.get(name, self.values.get(name, 0))

    def write(self, offset, value):
        if offset == WINDOW:
            self.came += value.to_bytes(4, "little")
            if len(self.came) >= len(self.image):
                right = self.came[: len(self.image)] == self.image
                self.values |= {"IRQ_STATUS": 2 if right else 4, "STATUS": 2 * right}
                self.values["LOADED_CRC"] = int.from_bytes(self.image[-4:], "little") * right
        elif offset == register("CONTROL").offset:
            self.came = b"" if value & 4 else self.came
            if value & 2:
                self.sent = self.results = b""
                self.values["FRAMES_OUT"] = 0

    def send(self, buffer):
        frame = buffer.tobytes()
        self.sent += frame[::-1] if self.swap else frame
        self.waiting.append(self.answers[frame])
        self.values["FRAMES_OUT"] += 1

    def receive(self, buffer):
        answer = self.waiting.pop(0)
        buffer[:] = np.frombuffer(answer, np.uint8)
        self.results += answer


def allocate(size):
    return np.zeros(size, np.uint8)


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    network, plan = varied()
    folder = tmp_path_factory.mktemp("registers") / "build"
    return Design(network=network, plan=plan).write(folder, axi=AxiPorts(frame_bytes=4, lite=True))


@pytest.fixture(scope="module")
def frames(build):
    codes = np.random.default_rng(3).integers(0, 2, (12, 45))
    sent, results = frames_and_results(build.network, build.pipeline, codes, 4)
    return codes, dict(zip(sent, results, strict=True))


@pytest.mark.parametrize("checksums", [False, True])
def test_scores_and_classes(build, frames, checksums):
    codes, answers = frames
    fake = Fake(build, answers, checksums=checksums)
    golden = run_slow(build.network, codes)
    with RegisterDevice(fake, fake, build, allocate) as device:
        found = device.run(Codes(codes))
        assert np.array_equal(found.scores, golden.scores) and np.array_equal(found.classes, golden.classes)
        assert np.array_equal(device.classify(Codes(codes)), golden.classes)
        assert device.network is build.network and device.result == "class" and device.identity is None
        with pytest.raises(LinkError, match="The parameters of the device are fixed"):
            device.load(b"")
        fake.swap = True
        if checksums:
            with pytest.raises(LinkError, match="Other bytes arrived than were sent"):
                device.run(Codes(codes))
        fake.values["SHORT_PACKETS"] = 3
        with pytest.raises(LinkError, match=r"dropped packets \(3\)"):
            device.run(Codes(codes))


def test_the_class_alone(build, frames):
    codes, answers = frames
    fake = Fake(build, {sent: result[-1:] for sent, result in answers.items()}, class_only=True)
    device = RegisterDevice(fake, fake, build, allocate)
    assert np.array_equal(device.classify(Codes(codes)), run_slow(build.network, codes).classes)
    with pytest.raises(LinkError, match="sends the class alone: use classify"):
        device.run(Codes(codes))


def test_parameters_are_loaded(tmp_path):
    network, plan = varied()
    plan = with_loadable_parameters(network, plan)
    build = Design(network=network, plan=plan).write(tmp_path / "build")
    rng = np.random.default_rng(4)
    other = other_parameters(network, {name: (low, high) for name, low, high in plan.limits}, rng)
    image, codes = parameter_image(with_parameters_of(other, network, plan)), rng.integers(0, 2, (3, 45))
    sent, results = frames_and_results(other, build.pipeline, codes, 4)
    fake = Fake(build, dict(zip(sent, results, strict=True)), image=image)
    device, shares = RegisterDevice(fake, fake, build, allocate), []
    with pytest.raises(LinkError, match="has no parameters: load some"):
        device.classify(Codes(codes))
    with pytest.raises(LinkError, match="it has another size"):
        device.load(image[:-1])
    with pytest.raises(LinkError, match="does not accept it"):
        device.load(bytes([image[0] ^ 1]) + image[1:])
    device.load(image, other, progress=shares.append)
    assert shares[0] == 0 and shares[-1] == 1 and device.network is other
    assert np.array_equal(device.classify(Codes(codes)), run_slow(other, codes).classes)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"ID": 0}, "is no bitweir accelerator of this version"),
        ({"VERSION": 2 << 16}, "is no bitweir accelerator of this version"),
        ({"NETWORK": 0x12345678}, "holds network 12345678"),
        ({"FRAME_BYTES": 1}, "has other packets than its folder says"),
    ],
)
def test_what_does_not_fit_is_refused(build, changes, told):
    fake = Fake(build, {})
    fake.values |= changes
    with pytest.raises(LinkError, match=told):
        RegisterDevice(fake, fake, build, allocate)
