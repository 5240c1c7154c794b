"""SPI: the bytes of a device among those that mean nothing, and the whole board over it."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import bitweir
import numpy as np
import pytest
from bitweir.client.client import Client
from bitweir.client.faults import Faults, FaultyTransport
from bitweir.client.linked import LinkedDevice
from bitweir.client.simulated import SimulatedBoard, SimulatedSpiBoard, SpiBoardTransport
from bitweir.client.spi import SpiTransport
from bitweir_hw.boards import BOARDS, BoardSpi, Pin
from bitweir_hw.errors import LinkError
from bitweir_sim.simulators.compiled import compiler_missing
from bitweir_sim.values import fast
from bitweir_sim.values.encoding import Codes
from hypothesis import given
from hypothesis import strategies as st
from support.samples import dense_network

compiled = pytest.mark.skipif(compiler_missing() is not None, reason=str(compiler_missing()))

SPI = BoardSpi(
    rate=3_000_000, **{name: Pin(place=str(9 + at)) for at, name in enumerate(("sck", "copi", "cipo", "cs"))}
)
BOARD = replace(
    BOARDS["icebreaker"], name="other", rx=None, tx=None, baud=0, spi=SPI, led=None, activity=None, button=None
)
NETWORK = dense_network(40, 16, 5)
CODES = np.random.default_rng(3).integers(0, 2, (300, 40))


class Port:
    """Gives what a test wants, and keeps what was sent."""

    def __init__(self, *answers: bytes) -> None:
        self.answers, self.sent, self.closed = list(answers), [], 0

    def transfer(self, data: bytes) -> bytes:
        self.sent.append(data)
        answer = self.answers.pop(0) if self.answers else b""
        return answer + bytes(len(data) - len(answer))

    def close(self) -> None:
        self.closed += 1


@given(
    data=st.binary(max_size=60) | st.lists(st.sampled_from([0, 0xDB, 0xDC, 0xDD]), max_size=30).map(bytes),
    cuts=st.lists(st.integers(0, 90), max_size=4),
    nothing=st.lists(st.integers(0, 90), max_size=9),
)
def test_bytes_among_nothing(data: bytes, cuts: list[int], nothing: list[int]) -> None:
    """SLIP's pairs (RFC 1055) and zeros anywhere, in transfers of any length."""
    wire = bytearray(data.replace(b"\xdb", b"\xdb\xdd").replace(b"\0", b"\xdb\xdc"))
    for at in nothing:
        wire.insert(min(at, len(wire)), 0)
    places = sorted({0, len(wire), *(min(cut, len(wire)) for cut in cuts)})
    pieces = [bytes(wire[a:b]) for a, b in zip(places, places[1:], strict=False)]
    transport = SpiTransport(Port(*pieces), now=iter(range(10_000)).__next__)
    for piece in pieces:
        transport.write(bytes(len(piece)))
    assert transport.read(0) == data
    assert transport.read(3) == b""


def test_noise_is_no_byte_of_a_pair() -> None:
    transport = SpiTransport(Port(b"\xdb\x07\xdb\xdb\xdd\xdb", b"\0\xdc\x01"))
    transport.write(bytes(6))
    transport.write(bytes(3))
    assert transport.read(0) == b"\x07\xdb\0\x01"


def test_more_is_asked_for_while_more_comes() -> None:
    port = Port(b"", b"\1" * 32, b"\2" * 64, b"\3" * 5)
    transport = SpiTransport(port, 2_000_000)
    assert [transport.read(9) for _ in range(3)] == [b"\1" * 32, b"\2" * 64, b"\3" * 5]
    assert transport.read(0) == b"" and list(map(len, port.sent)) == [32, 32, 64, 128, 32]
    assert not any(map(any, port.sent))
    transport.write(b"\5" * 9000)
    assert list(map(len, port.sent[5:])) == [4096, 4096, 808] and transport.seconds_per_byte == 8e-6
    transport.close()
    assert port.closed == 1 and str(transport) == "an SPI port (2,000,000 Hz)"


def test_ports_that_are_none() -> None:
    def broken(data: bytes) -> bytes:
        raise OSError(5, "Input/output error")

    for port, told in (
        (
            SimpleNamespace(transfer=lambda data: data[1:]),
            "An SPI port must return as many bytes as it sends, 1, not 0.",
        ),
        (SimpleNamespace(transfer=broken), "The device at an SPI port (1,000,000 Hz) failed: Input/output error."),
        (3, "A device must be an address, or have a method transfer, not 3."),
        ("spi:/none/x", "Cannot open SPI port '/none/x': No such file or directory."),
        ("spi:ftdi://none/x", "SPI port 'ftdi://none/x' needs the pyftdi package: pip install 'bitweir[spi]'."),
    ):
        modules = pytest.MonkeyPatch()
        fake = ModuleType("spidev")
        fake.SpiDev = lambda: SimpleNamespace(open_path=lambda place: Path(place).read_bytes())  # type: ignore[attr-defined]
        modules.setitem(sys.modules, "spidev", fake)
        modules.setitem(sys.modules, "pyftdi.spi", None)
        with pytest.raises(LinkError) as error:
            bitweir.connect(port)
        modules.undo()
        assert str(error.value) == told
    with pytest.raises(LinkError, match=r"^The rate of SCK must be positive, not 0\.$"):
        SpiTransport(Port(), 0)


def test_ports_of_linux_and_of_ftdi(monkeypatch: pytest.MonkeyPatch) -> None:
    """What they are asked for; the packages themselves need hardware."""
    asked: list[object] = []

    class SpiDev(SimpleNamespace):
        def open_path(self, place: str) -> None:
            asked.append(place)

        def xfer3(self, data: bytes) -> tuple[int, ...]:
            assert (self.mode, self.bits_per_word, self.max_speed_hz) == (0, 8, 500_000)
            return tuple(data)

        close = Port.close
        closed = 0

    class SpiController:
        def configure(self, url: str) -> None:
            asked.append(url)

        def get_port(self, **settings: int) -> SimpleNamespace:
            asked.append(settings)
            return SimpleNamespace(exchange=lambda data, duplex: bytearray(data) if duplex else b"")

        def close(self) -> None:
            asked.append("closed")

    spidev, ftdi = ModuleType("spidev"), ModuleType("pyftdi.spi")
    spidev.SpiDev, ftdi.SpiController = SpiDev, SpiController  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "spidev", spidev)
    monkeypatch.setitem(sys.modules, "pyftdi", ModuleType("pyftdi"))
    monkeypatch.setitem(sys.modules, "pyftdi.spi", ftdi)
    for address in ("spi:///dev/spidev0.1?baud=500000", "spi:ftdi://ftdi:232h/1?baud=500000"):
        # They send back what they get, which is no answer.
        with pytest.raises(LinkError, match=r" \(500,000 Hz\) does not answer: 2 attempts in a row had no answer\.$"):
            bitweir.connect(address, margin=0.001, rounds=1)
    settings = {"cs": 0, "freq": 500_000, "mode": 0}
    assert asked == ["/dev/spidev0.1", "ftdi://ftdi:232h/1", settings, "closed"]


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> bitweir.Design:
    folder = tmp_path_factory.mktemp("spi") / "build"
    return bitweir.generate(NETWORK, folder, board=BOARD, folding="8x4,4x2").written


@pytest.fixture(scope="module")
def golden() -> fast.Result:
    return fast.run(NETWORK, CODES)


@compiled
def test_all_images_over_a_simulated_board(build, golden) -> None:
    with bitweir.connect(f"sim:{build.folder}") as device:
        found = device.run(Codes(CODES))
        assert np.array_equal(found.scores, golden.scores) and np.array_equal(found.classes, golden.classes)
        start = device.now()
        assert np.array_equal(device.classify(Codes(CODES)), golden.classes)
        # 5 bytes a frame, a byte in 8 periods: what is above are headers, hellos and empty transfers.
        assert 300 * 5 * 8 / 3e6 < device.now() - start < 1.5 * 300 * 5 * 8 / 3e6
        assert device.client.lost == 0
        with pytest.raises(
            LinkError, match="^The board of the design has SPI, and no serial port: sim:FOLDER simulates"
        ):
            SimulatedBoard(build)
    # At other rates, by a port of one's own.
    port = SimulatedSpiBoard(build, rate=1_234_567, clock=7_000_000, phase=0.4)
    with bitweir.connect(port, network=build.folder) as device:
        assert np.array_equal(device.classify(Codes(CODES[:50])), golden.classes[:50])
    with pytest.raises(LinkError, match=r"^The rate of SCK must be between 1 and 3000000 Hz, as "):
        bitweir.connect(f"sim:{build.folder}?baud=3000001")


class CutOff(SpiBoardTransport):
    """A controller that cuts every few transfers in two, some of them within a byte of a zero."""

    def __init__(self, board: SimulatedSpiBoard) -> None:
        super().__init__(board)
        self._random = np.random.default_rng(5)

    def _transfer(self, data: bytes) -> bytes:
        at = int(self._random.integers(0, len(data) + 1))
        return b"".join(super(CutOff, self)._transfer(part) for part in (data[:at], data[at:]) if part)


@compiled
def test_a_hundred_faults(build, golden) -> None:
    """Bits flip; bytes and packets are lost, invented, late, repeated; the device is reset: all answers are right."""
    board = SimulatedSpiBoard(build, clock=9_000_000, phase=0.7)
    up, down = Faults(0.01, 2, reset=board.reset), Faults(0.01, 3)
    with LinkedDevice(Client(FaultyTransport(CutOff(board), up, down), margin=0.005, rounds=60), NETWORK) as device:
        while (up.counts + down.counts).total() < 100:
            assert np.array_equal(device.run(Codes(CODES[:100])).scores, golden.scores[:100])
        assert device.client.lost > 10 and up.counts["reset"]
