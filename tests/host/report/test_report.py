"""Reports of networks with layers of each kind: complete, and as the schema says."""

import html
from dataclasses import replace
from types import SimpleNamespace

import pytest
from bitweir import speed
from bitweir.cli.console import Output
from bitweir.design import write_design
from bitweir.report import collect as collecting
from bitweir.report import estimates
from bitweir.report.collect import collect, schema
from bitweir.report.html import page
from bitweir.report.markdown import markdown
from bitweir.report.terminal import render
from bitweir_hw.blocks import BLOCKS
from bitweir_hw.cost import block_rams
from bitweir_hw.parts import part_of
from bitweir_hw.plan import Folding, Plan, plan_from_foldings
from support.samples import dense_network, depthwise_network, every_kind
from support.schemas import validate


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    network, plan = every_kind(streams=2)
    return collect(write_design(network, plan, tmp_path_factory.mktemp("report") / "build"), clock=100e6)


def test_every_kind_of_block_is_reported(report, tmp_path):
    network, plan = every_kind(kind="scores")
    scores = collect(write_design(network, plan, tmp_path / "build"), clock=100e6)
    validate(scores.to_dict(), schema())
    found = {block.kind for one in (report, scores) for block in one.blocks}
    assert found == {block.title for block in BLOCKS}


def test_schema(report):
    validate(report.to_dict(), schema())


def test_two_frames_side_by_side(report):
    assert report.plan.streams == 2
    slowest = max(block.cycles for block in report.blocks)
    assert report.timing.cycles_per_frame == slowest / 2
    assert report.timing.frames_per_second == 2 * report.timing.expected_clock_mhz * 1e6 / slowest


def test_operations(report):
    by_name = {block.name: block for block in report.blocks}
    # 4 x 4 windows of 3 x 3 x 5 (the input twice, and a class) for 5 filters; 3 neurons of 2 x 2 x 5.
    assert by_name["conv"].operations == 2 * 16 * 45 * 5
    assert by_name["dense0"].operations == 2 * 20 * 3
    assert report.total.operations == sum(block.operations for block in report.blocks)


def test_what_neurons_of_wired_layers_share(tmp_path):
    network = dense_network(24, 20, 4)
    build = write_design(network, plan_from_foldings(network, "wired,20x2"), tmp_path / "build")
    report = collect(build, clock=100e6)
    validate(report.to_dict(), schema())
    (found,) = [block.reuse for block in report.blocks if block.reuse]
    assert report.total.reuse == found
    # A comparison with a threshold is an addition, too; a neuron that is constant has none.
    thresholds = network.layers[0].thresholds[:, 0]
    varies = int((abs(thresholds) < 24).sum())
    assert (found.additions_alone, found.reads_alone) == (24 * varies, 24 * varies)
    assert 0 < found.additions < found.additions_alone
    assert found.operations_skipped == 1 - found.additions / found.additions_alone
    assert found.reads_skipped == 1 - found.reads / found.reads_alone
    assert f"{found.operations_skipped:.1%} of the operations of wired layers skipped" in " ".join(repr(report).split())
    assert not collect(write_design(*every_kind(wired=False), tmp_path / "folded"), clock=100e6).total.reuse


def test_what_is_shared_in_a_frame_counts_each_vector(tmp_path):
    network = depthwise_network()
    report = collect(write_design(network, plan_from_foldings(network, "wired"), tmp_path / "build"), clock=100e6)
    wired = [block for block in report.blocks if block.reuse]
    assert any(block.vectors > 1 for block in wired)
    total = report.total.reuse
    for name in ("additions_alone", "additions", "reads_alone", "reads"):
        assert getattr(total, name) == sum(block.vectors * getattr(block.reuse, name) for block in wired)
    assert total.operations_skipped == 1 - total.additions / total.additions_alone
    told = f"{total.additions:,} additions in place of {total.additions_alone:,} for a frame"
    assert told in " ".join(repr(report).split())


@pytest.mark.parametrize(
    ("family", "depth", "width", "count"),
    [
        ("ecp5", 512, 36, 1),
        ("ecp5", 513, 36, 2),
        ("ecp5", 1024, 20, 2),
        ("ice40", 256, 17, 2),
        ("xilinx", 512, 36, 1),
        ("xilinx", 512, 72, 2),
        ("xilinx", 512, 100, 3),
        ("xilinx", 3, 2752, 77),
    ],
)
def test_block_rams(family, depth, width, count):
    assert block_rams(depth, width, family, writable=True)[0] == count


def test_a_memory_has_one_number_of_block_rams_in_all_tables(report):
    """What the memories of a block take is what the estimate of the block says, for every family."""
    for family in report.estimates:
        for block in report.blocks:
            told = sum(held.count for memory in block.memories if (held := memory.held_in(family)))
            assert told == report.estimates[family].blocks[block.name].bram


def test_terminal(report, capsys):
    Output(as_json=False).show(*render(report))
    told = capsys.readouterr().out
    assert "Accelerator net" in told and "conv_window" in told
    # No figure is cut short in 80 columns.
    totals = told[told.index("Total resources") :].partition("\n\n")[0]
    assert "…" not in totals and all(name in totals for name in ("median error", "95 % within", "largest error"))
    for found in report.estimates.values():
        assert f"{found.total.lut:,}" in totals


# ---- a clock that may not be reached, frames side by side

PLAN = Plan(foldings=(Folding(pe=2, simd=8), Folding(pe=3, simd=4)))
CLOCK = "estimated Fmax on ice40-up5k: 40.2 MHz, within 25%"


@pytest.fixture(scope="module")
def dense(tmp_path_factory):
    """A build by the frames that go side by side; 4 cycles for them."""
    folder = tmp_path_factory.mktemp("dense")
    return {
        streams: write_design(dense_network(16, 4, 3), replace(PLAN, parallel_frames=streams), folder / f"{streams}")
        for streams in (1, 2)
    }


@pytest.fixture
def fmax(monkeypatch):
    """The estimate of the clock, whatever the cost model says."""
    monkeypatch.setattr(estimates, "fmax", lambda pipeline, part: 40.2e6)
    for where in (estimates, speed):
        monkeypatch.setattr(where, "fmax_error", lambda part: 0.4 if part_of(part).name == "xc7z020" else 0.25)


def plain(report, capsys):
    """What the terminal shows, in one line; what stands in the page; Markdown."""
    Output(as_json=False).show(*render(report))
    shown = " ".join(capsys.readouterr().out.split())
    return shown, html.unescape(page(report)), markdown(report)


@pytest.mark.usefixtures("fmax")
@pytest.mark.parametrize(
    ("part", "asked", "clock", "origin", "error", "told"),
    [
        ("ice40-up5k", 400e6, 40.2, "estimate", 0.25, "about 10,050,000 frames/s at 40.2 MHz expected on ice40-up5k, "
         "within 25% (400 MHz asked for)"),
        # The estimate may be too high by so much.
        ("ice40-up5k", 35e6, 35, "estimate", 0.25, "about 8,750,000 frames/s at 35 MHz expected on ice40-up5k, "
         "within 25%"),
        ("ice40-up5k", 30e6, 30, "estimate", 0, "7,500,000 frames/s at 30 MHz"),
        ("xc7z020", 400e6, 40.2, "model", 0.4, "about 10,050,000 frames/s at 40.2 MHz expected on xc7z020, within 40% "
         "(a model: nothing of its family was routed) (400 MHz asked for)"),
    ],
)  # fmt: skip
def test_headlines_are_told_at_the_clock_that_is_expected(dense, capsys, part, asked, clock, origin, error, told):
    report = collect(dense[1], clock=asked, part=part)
    validate(report.to_dict(), schema())
    timing = report.timing
    assert (timing.clock_mhz, timing.expected_clock_mhz) == (asked / 1e6, pytest.approx(clock))
    assert (timing.expected_from, timing.expected_error) == (origin, error)
    assert timing.frames_per_second == pytest.approx(clock * 1e6 / 4)
    assert timing.latency_us == pytest.approx(timing.latency_cycles / clock)
    shown, text, lines = plain(replace(report, target=replace(report.target, overridden=())), capsys)
    much, rate = told.partition(" frames/s")[0], told.partition(" frames/s")[2]
    assert f"Throughput {told} Interval 4 cycles" in shown
    assert f'<span class="much">{much}</span> <span class="unit">frames/s{rate}</span>' in text
    assert ("are expected." if error else "are reached.") in text
    about = "about " if error else ""
    assert f"Latency {about}" in shown and (f"Latency about {about}" not in shown)
    if part == "ice40-up5k":
        assert (
            f"Clock {CLOCK} " in shown and f"<dt>Clock</dt><dd>{CLOCK}</dd>" in text and f"- Clock: {CLOCK}\n" in lines
        )
    else:
        assert "40.2 MHz, within 40%, by a model: nothing of its family was routed" in shown


@pytest.mark.usefixtures("fmax")
@pytest.mark.parametrize(("asked", "clock"), [(44e6, 44), (46e6, 45)])
def test_what_was_routed_counts_more_than_an_estimate(dense, monkeypatch, capsys, asked, clock):
    routed = {"icebreaker": SimpleNamespace(part="ice40-up5k", fmax_mhz=45.0)}
    monkeypatch.setattr(collecting, "routed", lambda build: routed)
    timing = collect(dense[1], clock=asked, part="ice40-up5k").timing
    assert (timing.expected_clock_mhz, timing.expected_from, timing.expected_error) == (clock, "routed", 0)
    assert timing.frames_per_second == clock * 1e6 / 4


@pytest.mark.parametrize(
    ("streams", "each", "short", "formula"),
    [
        (1, "per frame", "per frame", "operations / (2 × lanes × cycles per frame)."),
        (
            2,
            "for 2 parallel frames",
            "for 2 frames",
            "2 × operations / (2 × lanes × 4 cycles), where 4 cycles are the interval of 2 parallel frames. "
            "Cycles and beats are those of 2 parallel frames.",
        ),
    ],
)
def test_cycles_and_beats_say_of_how_many_frames_they_are(dense, capsys, streams, each, short, formula):
    report = collect(dense[streams])
    shown, text, lines = plain(report, capsys)
    assert f"Utilisation is {formula}</p>" in text
    for title in ("Cycles", "Beats"):
        assert f'<span class="title">{title}</span><span class="unit">{each}</span>' in text
        assert f"| {title}, {each} |" in lines
    assert f">Output {short}</text>" in text and f">Cycles {short}</text>" in text
    assert f"dense0: matrix-vector-threshold of layer dense0, 4 cycles {each}<" in text
    assert (" beats for 2 parallel frames\n" in lines) == (streams == 2)
    frame, its = report.timeline.frame, "first and last beats in each block"
    caption = (
        f"Frame {frame + 1} after reset: cycles of its {its}"
        if streams == 1
        else f"Frames {2 * frame + 1} to {2 * frame + 2} after reset, in parallel: cycles of their {its}"
    )
    assert caption in text and f"{caption}:\n" in lines
    # The formula gives what stands in the table, with the cycles and operations that stand there.
    (block,) = [block for block in report.blocks if block.name == "dense1"]
    assert block.utilisation == streams * block.operations / (2 * block.lanes * 4)
