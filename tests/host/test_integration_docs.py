"""The examples of docs/integration.md do what the page says."""

import re
import zlib

import numpy as np
import pytest
from amaranth.sim import Simulator
from bitweir.design import write_design
from bitweir_hw.axi import AxiPorts, PacketLayout
from bitweir_hw.lower import lower, with_loadable_parameters
from bitweir_hw.network import BIPOLAR, Dense, Network, check
from bitweir_hw.plan import Folding, Plan
from bitweir_sim.values.frames import pack
from bitweir_sim.values.golden import run_slow
from hypothesis import given, settings
from hypothesis import strategies as st
from support import ROOT
from support.axibench import frame_bytes, frames_and_results
from support.strategies import codes, identity_input, networks, plans

PAGE = (ROOT / "docs" / "integration.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
VERILOG = re.findall(r"```verilog\n(.*?)```", PAGE, re.DOTALL)


def example(word):
    """The one Python example with a word in it."""
    (found,) = (block for block in PYTHON if word in block)
    return found


def run_example(word):
    scope = {}
    exec(compile(example(word), "docs/integration.md", "exec"), scope)  # noqa: S102
    return scope


def small():
    """A network with all its classes in use, and a plan."""
    rng = np.random.default_rng(3)
    layers = (
        Dense(name="a", weights=rng.random((14, 45)) < 0.5, thresholds=np.zeros((14, 1), np.int64), output=BIPOLAR),
        Dense(name="b", weights=rng.random((5, 14)) < 0.5),
    )
    network = check(Network(name="net", input=identity_input(45), layers=layers))
    return network, Plan(foldings=(Folding(pe=4, simd=8), Folding(pe=2, simd=7)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("docs") / "build"
    write_design(*small(), folder, axi=8)
    return folder


@pytest.fixture(scope="module")
def loadable(tmp_path_factory):
    folder = tmp_path_factory.mktemp("docs") / "build"
    network, plan = small()
    write_design(network, with_loadable_parameters(network, plan), folder, axi=8)
    return folder


@settings(max_examples=30)
@given(st.data())
def test_numpy_packs_and_unpacks(data):
    scope = run_example("def pack_frames")
    network = data.draw(networks(max_layers=2))
    pipeline = lower(network, data.draw(plans(network, max_streams=1)))
    frames = data.draw(codes(network, data.draw(st.integers(1, 3))))
    layout, stream = PacketLayout.of(pipeline, 1), pipeline.input
    sent, results = frames_and_results(network, pipeline, frames, 1)
    packed = scope["pack_frames"](frames, length=stream.length, lanes=stream.lanes, code_bits=stream.lane_bits)
    assert [row.tobytes() for row in packed] == sent
    answers = np.frombuffer(b"".join(results), np.uint8).reshape(len(frames), -1)
    kind = network.readout.kind
    scores, classes = scope["unpack_results"](
        answers, classes=layout.classes, score_bits=layout.score_bits, signed=kind in ("class", "scores")
    )
    golden = run_slow(network, frames)
    assert np.array_equal(scores, golden.scores)
    assert golden.classes is None or np.array_equal(classes, golden.classes)


def test_the_numbers_stand_in_the_readme_of_a_build(folder):
    """With the line as it stands there, the functions pack and unpack frames of the design."""
    (line,) = re.findall(r"`(length=[^`]*)`", (folder / "README.md").read_text())
    assert line == "length=45 lanes=8 code_bits=1 classes=5 score_bits=5"
    number = {name: int(value) for name, value in (pair.split("=") for pair in line.split())}
    assert [pair.split("=")[0] for pair in re.findall(r"`(length=[^`]*)`", PAGE)[0].split()] == list(number)
    scope = run_example("def pack_frames")
    network, plan = small()
    frames = np.random.default_rng(4).integers(0, 2, (5, 45))
    sent, results = frames_and_results(network, lower(network, plan), frames, 1)
    packed = scope["pack_frames"](frames, **{key: number[key] for key in ("length", "lanes", "code_bits")})
    assert [row.tobytes() for row in packed] == sent
    answers = np.frombuffer(b"".join(results), np.uint8).reshape(len(frames), -1)
    scores, classes = scope["unpack_results"](answers, classes=number["classes"], score_bits=number["score_bits"])
    golden = run_slow(network, frames)
    assert np.array_equal(scores, golden.scores) and np.array_equal(classes, golden.classes)


def test_two_class_bytes_are_one_number():
    data = np.array([[0x34, 0x12, 0x02, 0x01], [0xFF, 0xFF, 0x00, 0x80]], np.uint8)
    scores, classes = run_example("def pack_frames")["unpack_results"](data, classes=1, score_bits=16)
    assert scores.tolist() == [[0x1234], [-1]] and classes.tolist() == [0x0102, 0x8000]


def test_the_amaranth_component(folder):
    network, plan = small()
    pipeline = lower(network, plan)
    dut = run_example("class Classifier")["Classifier"](folder)
    frames = np.random.default_rng(8).integers(0, 2, (60, 45))
    # One frame of each class.
    frames = frames[np.unique(run_slow(network, frames).classes, return_index=True)[1]]
    assert len(frames) == 5
    beats = [int.from_bytes(row.tobytes(), "little") for row in pack(frames, pipeline.input)]
    found = []

    async def bench(ctx):
        at = 0
        ctx.set(dut.classes.ready, 1)
        for _ in range(1000):
            ctx.set(dut.frames.valid, at < len(beats))
            ctx.set(dut.frames.payload, beats[min(at, len(beats) - 1)])
            at += ctx.get(dut.frames.ready)
            if ctx.get(dut.classes.valid):
                found.append(ctx.get(dut.classes.payload))
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert found == run_slow(network, frames).classes.tolist()


def ports(path, module):
    """Direction of each port of a Verilog module."""
    body = re.search(rf"^module {module}\(.*?^endmodule", path.read_text(), re.DOTALL | re.MULTILINE)[0]
    return {name: way for way, name in re.findall(r"^  (input|output) (?:\[\d+:0\] )?(\w+);", body, re.MULTILINE)}


@pytest.mark.parametrize(("module", "first"), [("NAME", "load__payload"), ("NAME_axi", "s_axis_load_tdata")])
def test_the_verilog_templates_name_every_port(folder, loadable, module, first):
    (template,) = (block for block in VERILOG if block.startswith(f"{module} "))
    (more,) = (block for block in VERILOG if re.match(rf"\s*\.{first}\b", block))
    file = module.replace("NAME", "net")
    named, added = (set(re.findall(r"\.(\w+)\s*\(", text)) for text in (template, more))
    assert named == set(ports(folder / f"{file}.v", file))
    assert named | added == set(ports(loadable / f"{file}.v", file))


def test_the_litex_module_names_every_port_in_its_direction(folder):
    found = dict(reversed(pair) for pair in re.findall(r"\b([io])_(\w+)=", example("litex.gen")))
    wanted = {name: way[0] for name, way in ports(folder / "net_axi.v", "net_axi").items()}
    assert found == wanted
    compile(example("litex.gen"), "docs/integration.md", "exec")


def test_the_litex_dma_leaves_bytes_in_their_order():
    # By default LiteX's DMA reverses the bytes of each word: wrong classes, and no counter tells.
    made = re.findall(r"WishboneDMA(?:Reader|Writer)\((.*?)\)", example("litex.soc.cores.dma"))
    assert len(made) == 2 and all('endianness="big"' in arguments for arguments in made)
    compile(example("litex.soc.cores.dma"), "docs/integration.md", "exec")


def test_a_frame_is_its_beats():
    assert frame_bytes([0b101, 0b011, 0b1], 3) == bytes([0b01_011_101, 0b0])


def test_checksums_have_ports_of_their_own(tmp_path):
    write_design(*small(), tmp_path / "build", axi=AxiPorts(frame_bytes=4, checksums=True))
    found = ports(tmp_path / "build" / "net_axi.v", "net_axi")
    assert {found[name] for name in ("frames_crc", "results_crc")} == {"output"}
    assert "| `frames_crc`, `results_crc` | out | 32, 32 |" in (tmp_path / "build" / "README.md").read_text()
    arrived = run_example("def batch_arrived")["batch_arrived"]
    packets = [b"\x01\x02\x03\x04", b"\x05\x06\x07\x08"]
    checked = zlib.crc32(b"".join(packets))
    assert arrived(packets, [], checked, 0)
    assert not arrived([packet[::-1] for packet in packets], [], checked, 0)
