"""The worked example of docs/link.md: a simulated board takes its bytes, and answers with those of the page."""

import re
import time
import zlib
from pathlib import Path

import pytest
import serial
from bitweir.client.codec import Packet, encode
from bitweir.client.simulated import SimulatedBoard
from bitweir.design import DesignFolder
from bitweir_sim.compiler import compiler_missing
from support.link_reference import packet

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "link.md").read_text()
EXAMPLE = PAGE[PAGE.index("## A worked example") : PAGE.index("## Time")]
WIRE = {
    name: bytes.fromhex(data)
    for name, data in re.findall(r"^\| ([^|`]+?)(?: `.*)? \| `([0-9a-f ]{20,})` \|$", EXAMPLE, re.M)
}
IMAGE = bytes.fromhex(re.search(r"^    ((?:[0-9a-f]{2} +)+[0-9a-f]{2})$", EXAMPLE, re.M)[1])


@pytest.fixture(scope="module")
def design(tmp_path_factory):
    code = re.search(r"^```python\n(.*?)^```", EXAMPLE, re.M | re.S)[1]
    names = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("link"))
        exec(compile(code, "docs/link.md", "exec"), names)  # noqa: S102  our own page
        names["design"].folder.resolve()
        yield DesignFolder.open(names["design"].folder.resolve()), names["tiny"], names["design"]


def test_the_image_is_that_of_the_build(design):
    build, tiny, made = design
    assert made.parameters(tiny) == IMAGE == (build.folder / "parameters.bin").read_bytes()
    start = int(re.search(r"zlib.crc32\(data, (0x\w+)\)", EXAMPLE)[1], 16)
    assert zlib.crc32(IMAGE[:-4], start).to_bytes(4, "little") == IMAGE[-4:]
    assert f"continued from {start:#010x}" in (build.folder / "README.md").read_text()


def test_each_packet_is_what_its_parts_say():
    numbers = {
        "hello": (1, 1, 0, b""),
        "load": (4, 2, len(IMAGE), IMAGE),
        "classes": (2, 3, 1, b"\2"),
        "scores": (3, 4, 1, b"\2"),
    }
    for name, (kind, number, count, payload) in numbers.items():
        wire = next(data for what, data in WIRE.items() if what.startswith(name))
        assert wire == packet(kind, number, count, payload) == encode(Packet(kind, number, count, payload))


@pytest.mark.skipif(compiler_missing() is not None, reason=str(compiler_missing()))
def test_a_board_answers_with_the_bytes_of_the_page(design):
    build, tiny, _ = design
    rows = list(WIRE.items())
    assert len(rows) == 7
    with SimulatedBoard(build) as board, serial.Serial(board.port, board.baud, timeout=0) as port:
        for (_, request), (what, answer) in zip(rows[1::2], rows[2::2], strict=True):
            assert what.startswith("its answer")
            port.write(b"\0" + request)
            found, end = b"", time.monotonic() + 60
            while not found.lstrip(b"\0").endswith(b"\0") and time.monotonic() < end:
                board.now()
                found += port.read(64)
            assert found.lstrip(b"\0") == answer
    result = tiny.run([[0, 1, 0, 0]])
    assert (result.scores[0].tolist(), int(result.classes[0])) == ([0, -2, 2], 2)
