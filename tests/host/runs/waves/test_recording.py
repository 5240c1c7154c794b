"""Waveforms: below the name of the design, with decoded streams that say what the golden model does, in VCD and FST."""

import os
import re
from dataclasses import replace

import numpy as np
import pytest
from bitweir.accelerator import Accelerator
from bitweir.design import write_design
from bitweir.runs import engines
from bitweir.runs.waves import fst
from bitweir.runs.waves.texts import formats
from bitweir_hw.errors import FileError, ToolError
from bitweir_hw.plan import plan_from_foldings
from bitweir_sim.compiler import compiler_missing
from bitweir_sim.simulators.cocotb import available
from bitweir_sim.values.encoding import Codes
from bitweir_sim.values.frames import stream_values
from bitweir_sim.verify import expected_trace
from support.samples import dense_network, depthwise_network, every_kind
from support.waveforms import Waveform

RNG = np.random.default_rng(3)
needs_compiler = pytest.mark.skipif(compiler_missing() is not None, reason=str(compiler_missing()))
DENSE = dense_network(24, 20, 4)


@pytest.fixture(autouse=True)
def quickly_compiled(monkeypatch):
    monkeypatch.setenv("BITWEIR_OPTIMISE", "0")


def dense_design(folder, weights="rom"):
    plan = replace(plan_from_foldings(DENSE, "8x5,4x2"), weights=weights)
    return Accelerator(written=write_design(DENSE, plan, folder))


def numbers(text, bipolar):
    """The numbers of a text of one frame."""
    text = text.partition(";")[0]
    return [{"-": -1, "+": 1}[sign] for sign in text] if bipolar else [int(number) for number in text.split(",")]


def check_streams(wave, design, codes, load=0):
    """Compare what each stream says in every cycle with the cycle model and the golden model."""
    network, pipeline = design.written.network, design.written.pipeline
    scope, frames = f"{network.name}_decoded", pipeline.parallel_frames
    trace = expected_trace(network, pipeline, codes, i_stalls=np.ones(load, bool))
    values = dict(zip([s.name for s in pipeline.shown], stream_values(network, pipeline, codes), strict=True))
    known = formats(network)
    for stream in pipeline.shown:
        form = None if stream.signed else known[stream.layer.removesuffix(".columns")]
        states = [wave.at(f"{scope}.{stream.name}_state", cycle) for cycle in range(trace.cycles_run)]
        moves = [cycle for cycle, state in enumerate(states) if state == "move"]
        cycles = trace.streams[stream.name].cycles
        assert moves == [cycle for cycle in cycles if cycle < trace.cycles_run]
        found = [[] for _ in range(len(codes))]
        for number, cycle in enumerate(moves):
            text = wave.at(f"{scope}.{stream.name}_values", cycle)
            group, beat = divmod(number, stream.beats)
            vector, beat = divmod(beat, stream.vector_beats)
            first, low = group * frames, beat * stream.lanes
            place = f"f{first}" if frames == 1 else f"f{first}-{first + frames - 1}"
            place += f".{'w' if stream.window else 'p'}{vector}" if stream.vectors > 1 else ""
            if stream.vector_beats > 1:
                last = min(low + stream.lanes, stream.length) - 1
                place += f".c{low}" if low == last else f".c{low}-{last}"
            assert wave.at(f"{scope}.{stream.name}_beat", cycle) == place
            for frame, part in zip(range(first, len(codes)), text.split("|"), strict=False):
                found[frame] += numbers(part, form is not None and form.offset == -1 and form.bits == 1)
        for frame, read in enumerate(found):
            golden = values[stream.name][frame]
            told = golden if form is None else form.values(golden)
            assert read == list(told[: len(read)])
            assert len(read) == len(told) or (stream.name != "o" and frame == len(codes) - 1)
    return [text for c in range(trace.cycles_run) if "class" in (text := wave.at(f"{scope}.o_values", c) or "")]


@needs_compiler
@pytest.mark.parametrize("ending", [".vcd", ".fst"])
def test_streams_say_what_the_golden_model_says(ending, tmp_path):
    design = dense_design(tmp_path / "build", "ram")
    images = RNG.choice([-1.0, 1.0], (2, 24))
    wave = tmp_path / f"w{ending}"
    simulation = design.simulate(images, waves=wave)
    read = Waveform(wave)
    load = engines.loading_cycles(design.written)
    codes = (images > 0).astype(np.uint8)
    classes = check_streams(read, design, codes, load)
    assert [re.search(r"class=(\d+);last", text)[1] for text in classes] == [str(n) for n in simulation.result.classes]
    # While parameters are loaded, the input waits.
    assert [read.at("net_decoded.i_state", cycle) for cycle in (0, load - 1, load)] == ["blocked", "blocked", "move"]
    assert [read.at("net_decoded.cycle", cycle) for cycle in (0, load)] == [0, load]
    states = [read.at("net_decoded.loader_state", cycle) for cycle in range(load)]
    assert list(dict.fromkeys(states)) == ["IDLE", "CLOSING", "LOADING", "CHECKING", "PLACING"]
    states = [read.at("net_decoded.boot_state", cycle) for cycle in range(load)]
    assert list(dict.fromkeys(states)) == ["BEGIN", "ASLEEP", "FETCH", "SENDING", "SENT"]


@needs_compiler
def test_maps_and_frames_side_by_side(tmp_path):
    network = depthwise_network(channels=2)
    plan = replace(plan_from_foldings(network, "3x1,4x1"), parallel_frames=2)
    design = Accelerator(written=write_design(network, plan, tmp_path / "build"))
    images = RNG.choice([-1.0, 1.0], (4, 128))
    design.simulate(images, waves=tmp_path / "w.vcd")
    check_streams(Waveform(tmp_path / "w.vcd"), design, (images > 0).astype(np.uint8))


@needs_compiler
@pytest.mark.long
def test_every_kind_of_stream_with_two_frames_side_by_side(tmp_path):
    network, plan = every_kind(streams=2, kind="scores", wired=False)
    design = Accelerator(written=write_design(network, plan, tmp_path / "build"))
    codes = RNG.integers(0, 4, (4, 32)).astype(np.uint8)
    design.simulate(Codes(codes), waves=tmp_path / "w.fst")
    assert not check_streams(Waveform(tmp_path / "w.fst"), design, codes)


@needs_compiler
@pytest.mark.parametrize("weights", ["rom", "ram"])
def test_views_name_signals_that_there_are(weights, tmp_path):
    design = dense_design(tmp_path / "build", weights)
    images = RNG.choice([-1.0, 1.0], (2, 24))
    design.simulate(images, waves=tmp_path / "w.vcd")
    there = set(Waveform(tmp_path / "w.vcd").variables)
    assert all(path.split(".")[0] in ("net", "net_decoded") for path in there)
    saved = (tmp_path / "w.gtkw").read_text()
    shown = re.findall(r"^(net[^\[\n]*)", saved, re.MULTILINE)
    assert set(shown) <= there and '[dumpfile] "w.vcd"' in saved
    commands = (tmp_path / "w.sucl").read_text()
    assert re.findall(r"^variable_add (.*)$", commands, re.MULTILINE) == shown
    for stream in design.written.pipeline.shown:
        assert {f"net_decoded.{stream.name}_{kind}" for kind in ("state", "beat", "values")} <= set(shown)
    # A view that somebody has saved stays.
    for view in ("w.gtkw", "w.sucl"):
        (tmp_path / view).write_text("[*] GTKWave Analyzer\n")
    design.simulate(images, waves=tmp_path / "w.vcd")
    assert {(tmp_path / view).read_text() for view in ("w.gtkw", "w.sucl")} == {"[*] GTKWave Analyzer\n"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["build", "w.gtkw", "w.sucl", "w.vcd"]


@pytest.mark.skipif(available("icarus") is not None, reason=str(available("icarus")))
def test_icarus_writes_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(engines, "_cocotb_simulator", lambda: "icarus")
    design = dense_design(tmp_path / "build")
    images = RNG.choice([-1.0, 1.0], (2, 24))
    design.simulate(images, engine="cocotb", waves=tmp_path / "w.fst")
    check_streams(Waveform(tmp_path / "w.fst"), design, (images > 0).astype(np.uint8))


def refused(error, told, design, path, **options):
    with pytest.raises(error) as failure:
        design.simulate(np.ones((1, 24)), waves=path, **options)
    assert str(failure.value) == told


def test_what_cannot_be_written_is_one_sentence(tmp_path, monkeypatch):
    design = dense_design(tmp_path / "build")
    for name in ("w.txt", "w", "w.fst.gz"):
        refused(FileError, f"Waveforms are written as .vcd or .fst, not {name!r}.", design, tmp_path / name)
    place = tmp_path / "none" / "w.fst"
    monkeypatch.setattr(fst, "find_spec", lambda name: True)
    if compiler_missing() is None:
        refused(FileError, f"Cannot write '{place}': there is no folder '{place.parent}'.", design, place)
        if os.geteuid():
            (tmp_path / "shut").mkdir(0o500)
            shut = tmp_path / "shut" / "w.fst"
            refused(FileError, f"Cannot write '{shut}': Permission denied.", design, shut)
    monkeypatch.setenv("CXX", "none")
    told = (
        "Writing waveforms as .fst needs a C++ compiler, and none was not found: install g++ (Debian, Ubuntu: apt "
        "install g++), or name another compiler in CXX."
    )
    refused(ToolError, told, design, tmp_path / "w.fst")
    monkeypatch.setattr(fst, "find_spec", lambda name: None)
    told = "Waveforms as .fst need the pylibfst package: pip install 'bitweir[fst]', or write a .vcd."
    refused(ToolError, told, design, tmp_path / "w.fst")
    assert [path.name for path in tmp_path.iterdir()] in (["build"], ["build", "shut"], ["shut", "build"])


@needs_compiler
def test_an_fst_that_is_not_whole_is_refused(tmp_path, monkeypatch):
    pytest.importorskip("pylibfst")
    design = dense_design(tmp_path / "build")
    full = tmp_path / "full.fst"
    full.symlink_to("/dev/full")
    refused(FileError, "Cannot write all of the waveform: the disk may be full.", design, full)
    monkeypatch.setattr(fst, "_whole", lambda *_: False)
    refused(FileError, "Cannot write all of the waveform: the disk may be full.", design, tmp_path / "w.fst")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["build", "full.fst"]
