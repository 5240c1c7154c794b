"""Build folders of accelerators whose weights come from outside the chip."""

from __future__ import annotations

import itertools
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from bitweir.cli import main
from bitweir.design import Design, DesignFolder
from bitweir.folders import FileError
from bitweir.images import as_images
from bitweir.planning import PlanRequest, choose
from bitweir.report import tables
from bitweir.report.collect import collect
from bitweir.report.html import page
from bitweir.report.markdown import markdown
from bitweir.report.model import ReportData
from bitweir.runs import simulate
from bitweir.target import Target
from bitweir.weight_memory import WeightMemory
from bitweir_hw.accelerator import weight_image, weight_layout
from bitweir_hw.axi import AxiPorts
from bitweir_hw.errors import PlanError
from bitweir_hw.lower import lower
from bitweir_hw.network import BIPOLAR, Dense, Network, check
from bitweir_hw.offchip import unpack_image
from bitweir_sim.time.cycles import steady_state
from bitweir_sim.values.encoding import Codes
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from support.samples import streamed_example
from support.strategies import identity_input, networks, plans


@settings(max_examples=30)
@given(st.data())
def test_the_image_has_every_word_where_its_description_says(data: st.DataObject) -> None:
    network = data.draw(networks())
    pipeline = lower(network, data.draw(plans(network, streamed=True)))
    if not pipeline.weight_streams:
        with pytest.raises(PlanError, match="must come over a stream for an image"):
            weight_layout(pipeline)
        return
    layout = weight_layout(pipeline, beat_bytes=4, burst_beats=data.draw(st.sampled_from([1, 8, 64])))
    image = weight_image(pipeline, layout)
    found = unpack_image(layout, np.frombuffer(image, np.uint8))
    for streamed in pipeline.weight_streams:
        rows = np.packbits(found[streamed.block], axis=1, bitorder="little")
        assert [int.from_bytes(row.tobytes(), "little") for row in rows] == streamed.unit.weight_words()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    network, plan = streamed_example()
    target = tmp_path_factory.mktemp("streamed") / "build"
    Design.fitted(network, plan, Target()).write(target)
    return target


def test_a_build_folder_has_the_weights_and_says_where(folder: Path) -> None:
    build = DesignFolder.open(folder)
    told = json.loads((folder / "weights.json").read_text())
    image = (folder / "weights.bin").read_bytes()
    assert image == weight_image(build.pipeline)
    # 36 words of 32 bits fill less than a burst of 512 bytes.
    assert told == {
        "bytes": len(image),
        "beat_bytes": 16,
        "burst_beats": 32,
        "layers": [
            {"layer": "dense_0", "port": "weights_dense_0", "word_bits": 32, "words": 36, "offset": 0,
             "words_per_frame": 36},
            {"layer": "dense_2", "port": "weights_dense_2", "word_bits": 28, "words": 3, "offset": 512,
             "words_per_frame": 3},
        ],
    }  # fmt: skip
    words = build.pipeline.weight_streams[0].unit.weight_words()
    assert image[: 36 * 4] == b"".join(word.to_bytes(4, "little") for word in words)
    readme = (folder / "README.md").read_text()
    assert "| `weights_dense_0` | 32 | 36 | layer dense_0: 36 words |" in readme
    assert "8x4:stream,3x5,14x2:stream" in readme
    # They are in no memory of the Verilog.
    assert "input [31:0] weights_dense_0__payload" in build.verilog.read_text()


def test_a_description_that_was_edited_is_refused(folder: Path, tmp_path: Path) -> None:
    edited = tmp_path / "build"
    shutil.copytree(folder, edited)
    (edited / "weights.json").write_text("{}")
    with pytest.raises(FileError, match=r"weights\.json"):
        DesignFolder.open(edited)


def test_reports_tell_what_the_memory_must_give(folder: Path) -> None:
    report = collect(DesignFolder.open(folder))
    assert [(row.block, row.word_bits, row.words_per_frame) for row in report.weight_streams] == [
        ("dense_0", 32, 36),
        ("dense_2", 28, 3),
    ]
    clock, interval = report.timing.expected_clock_mhz, report.timing.cycles_per_frame
    first = report.weight_streams[0]
    assert first.megabytes_per_second == pytest.approx(36 * 4 * clock / interval)
    assert first.peak_megabytes_per_second == pytest.approx(4 * clock)
    unit = next(block for block in report.blocks if block.name == "dense_0")
    # Beside thresholds and buffers it holds the words that it takes ahead, in LUT RAM where a family has any.
    assert unit.weight_bits == 16 * 32
    (weights,) = (memory for memory in unit.memories if memory.role == "weights")
    assert weights.held_in("ecp5") is None
    # No accelerator of which error bands were told has any.
    assert "streamed weights" in report.estimates["ecp5"].bands.extrapolated
    told = report.to_dict()
    assert msgspec.convert(json.loads(json.dumps(told)), ReportData, strict=True).weight_streams
    assert [folding.get("memory") for folding in told["plan"]["foldings"]] == ["stream", None, "stream"]
    for text in (markdown(report), page(report)):
        assert "Weights from outside the chip" in text
        assert "8×4 streamed" in text


def test_a_slow_memory_sets_the_pace_in_report_and_simulation(folder: Path) -> None:
    build = DesignFolder.open(folder)
    report = collect(build, weight_memory=WeightMemory(bandwidth=1e8, latency=20))
    # 1,236 bits of weights a frame.
    told = report.weight_memory
    clock = report.timing.expected_clock_mhz * 1e6
    assert told.cycles_per_frame == -(-1236 * clock // 8e8) > report.timing.cycles_per_frame
    assert told.frames_per_second == pytest.approx(clock / told.cycles_per_frame)
    assert "frames/s if their memory gives 100 MB/s" in page(report)
    images = as_images(build.network, Codes(np.random.default_rng(8).integers(0, 2, (9, 45))))
    found = simulate(build, images, clock=clock, weight_memory=WeightMemory(bandwidth=1e8, latency=20))
    assert found.mismatches == 0
    assert (found.cycles_per_frame, found.cycles_per_frame_from) == (told.cycles_per_frame, "simulation")


def test_memories_that_are_none_are_refused(folder: Path) -> None:
    for bandwidth in (-1, 0, 1e-30, float("nan"), float("inf")):
        with pytest.raises(PlanError, match=f"must be 1 bytes/s or more, not {bandwidth:g}"):
            WeightMemory(bandwidth=bandwidth)
    for latency in (-1, 1_000_001):
        with pytest.raises(PlanError, match=f"cycles must be a whole number from 0 to 1,000,000, not {latency:,}"):
            WeightMemory(bandwidth=1e9, latency=latency)
    network, plan = streamed_example()
    slow = lower(network, plan)
    # 1,236 bits of weights a frame, at most 1e8 cycles at 100 MHz.
    with pytest.raises(PlanError, match=r"at least 155 bytes/s, so that a frame takes at most 100,000,000 cycles.*154"):
        WeightMemory(bandwidth=154).weights(slow, steady_state(slow), 1e8)
    still = lower(network, replace(plan, foldings=tuple(replace(one, memory="auto") for one in plan.foldings)))
    with pytest.raises(PlanError, match="leave out --weight-bandwidth"):
        WeightMemory(bandwidth=1e9).weights(still, steady_state(still), 1e8)


def test_commands_take_the_bandwidth(folder: Path) -> None:
    told = CliRunner().invoke(main, ["report", str(folder), "--weight-bandwidth", "1e8", "--json"])
    assert told.exit_code == 0
    assert json.loads(told.stdout)["weight_memory"]["megabytes_per_second"] == 100
    told = CliRunner().invoke(main, ["report", str(folder), "--weight-latency", "8"])
    assert told.exit_code == 2
    assert "--weight-latency needs --weight-bandwidth." in told.stderr


def test_simulation_gives_the_words(folder: Path) -> None:
    build = DesignFolder.open(folder)
    images = as_images(build.network, Codes(np.random.default_rng(7).integers(0, 2, (5, 45))))
    found = simulate(build, images, engine="compiled")
    assert found.mismatches == 0


def large() -> Network:
    """A network of 1.1 million weights."""
    rng = np.random.default_rng(1)
    sizes = (256, 1024, 768, 10)
    layers = []
    for index, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
        last = index == 2
        thresholds = None if last else rng.integers(-12, 12, (outputs, 1))
        layers.append(
            Dense(
                name=f"dense_{index}",
                weights=rng.random((outputs, inputs)) < 0.5,
                thresholds=thresholds,
                output=None if last else BIPOLAR,
            )
        )
    return check(Network(name="net", input=identity_input(256), layers=tuple(layers)))


def test_a_search_lets_weights_come_from_outside_where_they_do_not_fit() -> None:
    wish = {"part": "ecp5-25k", "goal": "fps", "stage_levels": 1, "clock": 1e8}
    found = choose(large(), PlanRequest(**wish, weight_bandwidth=2e8))
    search = found.search
    assert search is not None
    assert search.streamed == ("dense_1",)
    assert search.block_rams <= search.available_block_rams
    # 98 kB of weights: 2,034 frames/s, or a little less with padding.
    assert search.weight_bytes == pytest.approx(1024 * 768 / 8, rel=0.05)
    assert search.fps == pytest.approx(2e8 / search.weight_bytes, rel=0.01)
    assert "Weights of dense_1 come from outside the chip: 0.0983 MB for each frame, from a memory of 200 MB/s." in (
        search.summary
    )
    assert search.to_dict()["streamed"] == ["dense_1"]
    # What fits needs none.
    small, _ = streamed_example()
    whole = choose(small, PlanRequest(**wish, weight_bandwidth=2e8)).search
    assert whole is not None
    assert whole.streamed == ()
    assert "All weights fit on the chip" in whole.summary


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"part": "ecp5-25k", "goal": "fps", "weight_bandwidth": 0.0}, "1 bytes/s or more, not 0"),
        ({"folding": "1x1", "weight_bandwidth": 1e8}, "needs a part and a goal, and no board"),
        ({"board": "ulx3s_85f", "weight_bandwidth": 1e8}, "needs a part and a goal, and no board"),
        ({"part": "ecp5-25k", "goal": "fps", "weights": "ram", "weight_bandwidth": 1e8}, "excludes parameters in RAM"),
    ],
)
def test_wishes_for_a_memory_that_exclude_each_other(wish: dict[str, Any], told: str) -> None:
    with pytest.raises(PlanError, match=told):
        PlanRequest(**wish)


def test_the_wrapper_reads_weights_over_axi(tmp_path: Path) -> None:
    network, plan = streamed_example()
    design = Design.fitted(network, plan, Target())
    design.write(tmp_path / "wide", axi=AxiPorts(frame_bytes=4, memory_bytes=64))
    wrapper = (tmp_path / "wide" / "odd_axi.v").read_text()
    assert "input [511:0] m_axi_rdata" in wrapper and "input [31:0] weights_base" in wrapper
    assert "32 bits of address and 512 of data" in (tmp_path / "wide" / "README.md").read_text()
    design.write(tmp_path / "usual", axi=4)
    assert "input [127:0] m_axi_rdata" in (tmp_path / "usual" / "odd_axi.v").read_text()
    # The image is the same for all widths.
    assert len({(tmp_path / name / "weights.bin").read_bytes() for name in ("wide", "usual")}) == 1
    with pytest.raises(PlanError, match="4, 8, 16, 32 or 64 bytes of data, not 2"):
        design.write(tmp_path / "narrow", axi=AxiPorts(frame_bytes=4, memory_bytes=2))


def test_a_port_for_weights_needs_weights_that_are_streamed(tmp_path: Path) -> None:
    network, plan = streamed_example()
    plain = replace(plan, foldings=tuple(replace(folding, memory="auto") for folding in plan.foldings))
    design = Design.fitted(network, plain, Target())
    with pytest.raises(PlanError, match="A port for weights needs a layer whose weights are streamed"):
        design.write(tmp_path / "build", axi=AxiPorts(frame_bytes=4, memory_bytes=16))
    assert not (tmp_path / "build").exists()
    options = ["generate", "digits", "-o", str(tmp_path / "build"), "--axi-memory", "16"]
    result = CliRunner().invoke(main, options)
    assert result.exit_code == 2 and "--axi-memory needs --axi." in result.output


def test_the_first_figures_say_what_a_memory_makes_of_them(folder: Path) -> None:
    build = DesignFolder.open(folder)
    slow = collect(build, weight_memory=WeightMemory(bandwidth=1e6))
    assert slow.weight_memory and slow.weight_memory.cycles_per_frame > slow.timing.cycles_per_frame
    for report, binds in ((slow, True), (collect(build, weight_memory=WeightMemory(bandwidth=1e12)), False)):
        told = {what: (figure, unit) for what, figure, unit in tables.figures(report)}
        assert all(
            told[what][1].endswith(" if weights are never late") for what in ("Throughput", "Interval", "Latency")
        )
        assert (told["Limited by"][0] == "memory") is binds
