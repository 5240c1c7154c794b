"""The library for C, against the simulated board and against a fake of the registers."""

import ctypes
import random
import re
import shutil
import subprocess
import zlib
from importlib import resources
from pathlib import Path

import bitweir
import numpy as np
import pytest
from bitweir.client.codec import Decoder, Packet, encode
from bitweir.client.frames import frame_bytes
from bitweir.client.opening import simulated_board
from bitweir.design import write_design
from bitweir.importers import load_model
from bitweir_hw.axi import REGISTERS, register
from bitweir_hw.axi.registers import MAGIC, MAP_VERSION, WINDOW
from bitweir_hw.link.protocol import ANSWER, Identity, Kind
from bitweir_hw.plan import plan_from_foldings
from bitweir_sim.values import encoding
from bitweir_sim.values.golden import run_slow
from support import ROOT
from support.axibench import varied

NETWORKS = Path(str(resources.files("bitweir.networks")))
SOURCES = resources.files("bitweir") / "c"
FLAGS = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic"]
EXAMPLES = re.findall(r"```c\n(.*?)```", (ROOT / "docs" / "c-library.md").read_text(), re.DOTALL)
OK, TRANSPORT, SILENT, NOT_BITWEIR, OTHER, NOT_LOADED, WRONG_IMAGE, ARGUMENT = range(8)


def compiled(folder, *words):
    subprocess.run(["gcc", *FLAGS, "-I", str(SOURCES), *map(str, words)], cwd=folder, check=True)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("c")
    compiled(folder, "-shared", "-fPIC", "-O1", SOURCES / "bitweir.c", "-o", "bitweir.so")
    return ctypes.CDLL(str(folder / "bitweir.so"))


READ = ctypes.CFUNCTYPE(ctypes.c_long, ctypes.c_void_p, ctypes.POINTER(ctypes.c_uint8), ctypes.c_size_t, ctypes.c_uint)
WRITE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_uint8), ctypes.c_size_t)


class Transport(ctypes.Structure):
    _fields_ = [("read", READ), ("write", WRITE), ("context", ctypes.c_void_p)]


BOTH_WAYS = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_uint8), ctypes.POINTER(ctypes.c_uint8), ctypes.c_size_t
)


class Spi(ctypes.Structure):
    _fields_ = [
        ("transfer", BOTH_WAYS), ("context", ctypes.c_void_p), ("rate", ctypes.c_uint32),
        ("escaped", ctypes.c_uint), ("held", ctypes.c_uint), ("came", ctypes.c_uint8 * 256),
    ]  # fmt: skip


class CIdentity(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_uint32) for name in ("capacity", "clock", "cycles", "latency", "frame_bytes")),
        ("classes", ctypes.c_uint16),
        *((name, ctypes.c_uint8) for name in ("score_bits", "result", "loads", "streams_weights")),
        *((name, ctypes.c_uint32) for name in ("scores_bytes", "class_bytes", "parameters")),
        ("digest", ctypes.c_uint8 * 16),
    ]


class Link(ctypes.Structure):
    _fields_ = [
        ("transport", Transport), ("identity", CIdentity), ("margin", ctypes.c_uint), ("tries", ctypes.c_uint),
        ("number", ctypes.c_uint64), ("lost", ctypes.c_uint64), ("raw", ctypes.c_uint8 * 68),
    ]  # fmt: skip


def identity(**changes):
    told = {
        "output_lanes": 1, "capacity": 200, "clock": 10**6, "cycles": 5, "latency": 9, "vectors": 1, "length": 45,
        "lanes": 8, "lane_bits": 1, "score_bits": 9, "classes": 5, "digest": bytes(range(16)), "plan": bytes(8),
    }  # fmt: skip
    return Identity(**(told | changes))


class FakeDevice:
    """Answers as a device does: the class of a frame is its first byte modulo 5; some packets are lost or late."""

    def __init__(self, seed=0, faults=0.0, **told):
        self.told, self.random, self.faults = identity(**told), random.Random(seed), faults
        self.decoder, self.out, self.image, self.expected = Decoder(), bytearray(), b"", None
        self.late: list[bytes] = []

    def write(self, data):
        for packet in self.decoder.feed(data):
            if self.random.random() < self.faults:
                continue
            answer = bytearray(encode(Packet(packet.kind | ANSWER, packet.number, *self.answer(packet))))
            event = self.random.random()
            if event < self.faults:
                answer[self.random.randrange(len(answer) - 1)] ^= 1 << self.random.randrange(8)
            elif event < 2 * self.faults:
                self.late.append(bytes(answer))
                continue
            self.out += answer
            if self.late and self.random.random() < 0.5:
                self.out += self.late.pop(0)

    def answer(self, packet):
        size = self.told.frame_bytes
        if packet.kind == Kind.HELLO:
            return Identity.SIZE, self.told.to_bytes()
        if packet.kind in (Kind.CLASSES, Kind.SCORES):
            if self.told.loads and not self.told.parameters:
                return 0, b""
            frames = [packet.payload[at : at + size] for at in range(0, len(packet.payload), size)]
            scores = b"" if packet.kind == Kind.CLASSES else bytes(range(1, 1 + self.told.scores_bytes))
            return packet.count, b"".join(scores + bytes([frame[0] % 5]) for frame in frames)
        if packet.kind == Kind.LOAD:
            self.image, self.expected = packet.payload, Kind.LOAD_ODD
        elif packet.kind == self.expected:
            self.image += packet.payload
            self.expected = Kind.LOAD_ODD if packet.kind == Kind.LOAD_EVEN else Kind.LOAD_EVEN
        right = self.image[:100] == IMAGE
        self.told = identity(loads=True, parameters=int.from_bytes(IMAGE[-4:], "little") if right else 0)
        return 0, b""

    def over_spi(self, library):
        """The transport of C: pairs as those of SLIP, between zeros."""
        wire = bytearray()

        def transfer(context, out, came, size):
            pairs = self.out.replace(b"\xdb", b"\xdb\xdd").replace(b"\0", b"\xdb\xdc")
            wire.extend(pairs)
            self.out.clear()
            for at in range(size):
                came[at] = wire.pop(0) if wire and self.random.random() < 0.7 else 0
            self.write(bytes(out[:size]))
            return 0

        self.spi = Spi(transfer=BOTH_WAYS(transfer), rate=800_000)
        library.bw_over_spi.restype, library.bw_over_spi.argtypes = Transport, [ctypes.c_void_p]
        return library.bw_over_spi(ctypes.byref(self.spi))

    def opened(self, library, *, margin=1, status=OK, spi=False):
        """A link to it, which C has opened."""

        def read(context, data, room, milliseconds):
            count = min(room, len(self.out), self.random.randint(1, 64))
            for at in range(count):
                data[at] = self.out[at]
            del self.out[:count]
            return count

        def write(context, data, size):
            self.write(bytes(data[:size]))
            return 0

        self.link, self.kept = Link(), (READ(read), WRITE(write))
        library.bw_open.argtypes = [ctypes.c_void_p, Transport, ctypes.c_uint64]
        number = (1 << 64) - 3
        transport = self.over_spi(library) if spi else Transport(*self.kept, None)
        assert library.bw_open(ctypes.byref(self.link), transport, number) == status
        self.link.margin, self.link.tries = margin, 40
        return self.link


def image(size=100):
    content = random.Random(4).randbytes(size - 4)
    return content + zlib.crc32(content).to_bytes(4, "little")


IMAGE = image()


def asked(library, function, link, frames, unit):
    answers = (ctypes.c_uint8 * (unit * len(frames)))()
    data = b"".join(frames)
    status = getattr(library, function)(ctypes.byref(link), data, ctypes.c_size_t(len(frames)), answers)
    return status, [bytes(answers)[at : at + unit] for at in range(0, len(bytes(answers)), unit)]


@pytest.mark.parametrize("spi", [False, True])
@pytest.mark.parametrize("faults", [0.0, 0.1])
def test_answers_are_right_over_good_and_bad_links(library, faults, spi):
    device = FakeDevice(seed=7)
    link = device.opened(library, spi=spi)
    device.faults = faults
    told = device.told
    assert (link.identity.frame_bytes, link.identity.scores_bytes, link.identity.class_bytes) == (6, 6, 1)
    assert (link.identity.capacity, link.identity.clock, bytes(link.identity.digest)) == (200, 10**6, told.digest)
    rng = np.random.default_rng(3)
    frames = [rng.integers(0, 3, 6, dtype=np.uint8).tobytes() for _ in range(100)]
    wanted = [frame[0] % 5 for frame in frames]
    for function, unit in (("bw_classes", 1), ("bw_results", 7)):
        status, answers = asked(library, function, link, frames, unit)
        assert status == OK and [answer[-1] for answer in answers] == wanted
    assert (link.lost > 0) == bool(faults)
    library.bw_score.restype = ctypes.c_int64
    answer = bytes([0xFF, 0x01, 0x00, 0, 0, 0, 2])
    scores = [library.bw_score(ctypes.byref(link.identity), answer, ctypes.c_size_t(at)) for at in range(2)]
    assert scores == [-1, 0] and library.bw_class(ctypes.byref(link.identity), answer[6:]) == 2


@pytest.mark.parametrize("faults", [0.0, 0.1])
def test_images_are_loaded(library, faults):
    device = FakeDevice(loads=True, seed=5)
    link = device.opened(library)
    device.faults = faults
    assert asked(library, "bw_classes", link, [bytes(6)], 1)[0] == NOT_LOADED
    assert library.bw_load(ctypes.byref(link), IMAGE, ctypes.c_size_t(len(IMAGE))) == OK
    assert asked(library, "bw_classes", link, [b"\x03" * 6], 1) == (OK, [b"\x03"])
    wrong = image(100)[:-1] + b"\x01"
    assert library.bw_load(ctypes.byref(link), wrong, ctypes.c_size_t(len(wrong))) == WRONG_IMAGE


def test_what_is_no_accelerator_and_another_one_are_refused(library):
    fixed = FakeDevice()
    link = fixed.opened(library)
    assert library.bw_load(ctypes.byref(link), IMAGE, ctypes.c_size_t(len(IMAGE))) == ARGUMENT
    fixed.told = identity(digest=bytes(16))
    assert asked(library, "bw_classes", link, [bytes(6)], 1)[0] == OTHER
    silent = FakeDevice(faults=1.0)
    silent.opened(library, status=SILENT)
    huge = FakeDevice()
    huge.told = identity(length=1 << 26, lane_bits=64, vectors=1 << 20)
    huge.opened(library, status=NOT_BITWEIR)


def test_a_broken_spi_port_is_told(library):
    spi = Spi(transfer=BOTH_WAYS(lambda *_: 1), rate=1)
    FakeDevice().over_spi(library)
    library.bw_open.argtypes = [ctypes.c_void_p, Transport, ctypes.c_uint64]
    assert library.bw_open(ctypes.byref(Link()), library.bw_over_spi(ctypes.byref(spi)), 1) == TRANSPORT


def test_the_example_classifies_at_a_serial_port(tmp_path):
    # The board that other tests compile, too.
    network = load_model(NETWORKS / "digits.onnx", input_scale="1")
    build = write_design(network, plan_from_foldings(network, "16x8,16x2"), tmp_path / "build")
    (example,) = (text for text in EXAMPLES if "termios" in text)
    (tmp_path / "classify.c").write_text(example)
    compiled(tmp_path, "-D_DEFAULT_SOURCE", "classify.c", SOURCES / "bitweir.c", "-o", "classify")
    with np.load(NETWORKS / "digits_test.npz") as file:
        codes = encoding.encode(network.input, file["x"][:40])
    with simulated_board(build, faults=0.0) as board:
        told = build.design.identity(clock=10**6, capacity=lambda size: 4096)
        (tmp_path / "frames.bin").write_bytes(frame_bytes(told, codes).tobytes())
        done = subprocess.run(
            ["./classify", board.port, "frames.bin"], cwd=tmp_path, check=False, capture_output=True, text=True
        )
    assert done.returncode == 0, done.stderr
    assert list(map(int, done.stdout.split())) == run_slow(network, codes).classes.tolist()


# ---- AXI

GET = ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_void_p, ctypes.c_uint32)
PUT = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint32)


class Bus(ctypes.Structure):
    _fields_ = [("read", GET), ("write", PUT), ("send", WRITE), ("receive", WRITE), ("context", ctypes.c_void_p)]


class Axi(ctypes.Structure):
    _fields_ = [
        ("bus", Bus), *((name, ctypes.c_uint32) for name in ("frame_bytes", "result_bytes", "image_bytes", "features")),
        ("polls", ctypes.c_ulong),
    ]  # fmt: skip


class FakeRegisters:
    """The registers and streams of an accelerator whose result is the first two bytes of a frame, reversed."""

    def __init__(self, **changes):
        self.values = {"ID": MAGIC, "VERSION": MAP_VERSION, "NETWORK": 0x1234ABCD, "FEATURES": 0b11, "FRAME_BYTES": 6,
                       "RESULT_BYTES": 2, "IMAGE_BYTES": len(IMAGE)} | changes  # fmt: skip
        self.image, self.waiting, self.sent, self.came, self.damage = b"", [], b"", b"", 0

    def read(self, context, offset):
        name = next(one.name for one in REGISTERS if one.offset == offset)
        if name in ("FRAMES_CRC", "RESULTS_CRC"):
            return zlib.crc32(self.sent if name == "FRAMES_CRC" else self.came)
        return self.values.get(name, 0)

    def write(self, context, offset, value):
        if offset >= WINDOW:
            self.image += value.to_bytes(4, "little")
            if len(self.image) >= len(IMAGE):
                right = self.image[: len(IMAGE)] == IMAGE
                self.values["IRQ_STATUS"] = 2 if right else 4
                self.values["STATUS"] = 2 if right else 4
                self.values["LOADED_CRC"] = int.from_bytes(IMAGE[-4:], "little") if right else 0
        elif offset == register("CONTROL").offset and value & 4:
            self.image = b""
        elif offset == register("CONTROL").offset and value & 2:
            self.sent = self.came = b""
        elif offset == register("IRQ_STATUS").offset:
            self.values["IRQ_STATUS"] = self.values.get("IRQ_STATUS", 0) & ~value

    def send(self, context, data, size):
        frame = bytes(data[:size])
        self.sent += frame
        self.waiting.append(frame[1::-1])
        return 0

    def receive(self, context, data, size):
        self.came += self.waiting[0]
        for at, byte in enumerate(self.waiting.pop(0)):
            data[at] = byte ^ self.damage
        return 0

    def opened(self, library, network=0):
        self.axi, self.kept = Axi(), (GET(self.read), PUT(self.write), WRITE(self.send), WRITE(self.receive))
        library.bw_axi_open.argtypes = [ctypes.c_void_p, Bus, ctypes.c_uint32]
        status = library.bw_axi_open(ctypes.byref(self.axi), Bus(*self.kept, None), network)
        self.axi.polls = 10
        return status


def test_registers_and_packets(library):
    fake = FakeRegisters()
    assert fake.opened(library, 0x1234ABCD) == OK
    axi = ctypes.byref(fake.axi)
    frames, results = bytes(range(60)), (ctypes.c_uint8 * 20)()

    def run():
        return library.bw_axi_run(axi, frames, ctypes.c_size_t(10), results)

    assert run() == NOT_LOADED
    assert library.bw_axi_load(axi, IMAGE[:-1], ctypes.c_size_t(99)) == WRONG_IMAGE
    wrong = b"\0" + IMAGE[1:]
    assert library.bw_axi_load(axi, wrong, ctypes.c_size_t(100)) == WRONG_IMAGE
    assert library.bw_axi_load(axi, IMAGE, ctypes.c_size_t(100)) == OK
    assert run() == OK
    assert bytes(results) == b"".join(bytes([at + 1, at]) for at in range(0, 60, 6))
    fake.damage = 1
    assert run() == OTHER
    fake.damage, fake.values["SHORT_PACKETS"] = 0, 1
    assert run() == TRANSPORT
    fake.values["STATUS"] = 3
    assert library.bw_axi_load(axi, IMAGE, ctypes.c_size_t(100)) == SILENT
    assert FakeRegisters().opened(library, 1) == OTHER
    assert FakeRegisters(VERSION=2 << 16).opened(library) == NOT_BITWEIR
    assert FakeRegisters(ID=0).opened(library) == NOT_BITWEIR


def test_the_header_has_the_map():
    text = (SOURCES / "bitweir.h").read_text()
    found = {name: int(value, 16) for name, value in re.findall(r"#define BW_REG_(\w+) 0x([0-9A-F]+)u", text)}
    assert found == {one.name: one.offset for one in REGISTERS} | {"WINDOW": WINDOW}
    masks = re.findall(r"#define BW_(FEATURES|CONTROL|STATUS|IRQ_STATUS)_(\w+) 0x([0-9A-F]+)u", text)
    assert len(masks) == 12
    for name, field, mask in masks:
        (one,) = (one for one in register(name).fields if one.name == field)
        assert one.mask == int(mask, 16)


@pytest.mark.parametrize("word", ["dma_send", "spi_both_ways"])
def test_the_other_examples_compile(tmp_path, word):
    (example,) = (text for text in EXAMPLES if word in text)
    (tmp_path / "example.c").write_text(example)
    compiled(tmp_path, "-c", "example.c")


def test_folders_get_it_by_option(tmp_path):
    folder = tmp_path / "build"
    network, plan = varied()
    bitweir.generate(network, folder, folding="8x4,3x5,14x2", tools=["c"])
    assert {path.name for path in folder.glob("*.[ch]")} == {"bitweir.c", "bitweir.h"}
    assert shutil.which("gcc")
    compiled(tmp_path, "-c", folder / "bitweir.c")
