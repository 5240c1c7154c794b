"""Reports of networks with layers of each kind: complete, and as the schema says."""

import jsonschema
import pytest
from bitweir.build import write_build
from bitweir.console import Output
from bitweir.report.collect import KINDS, collect, schema
from bitweir.report.terminal import render
from bitweir_hw.cost import block_rams
from bitweir_hw.gateware.accelerator import GATEWARE
from kinds import every_kind


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    network, plan = every_kind(streams=2)
    return collect(write_build(network, plan, tmp_path_factory.mktemp("report") / "build"), clock=100e6)


def test_every_kind_of_block_has_a_name(report, tmp_path):
    assert set(KINDS) == set(GATEWARE)
    network, plan = every_kind(kind="scores")
    scores = collect(write_build(network, plan, tmp_path / "build"), clock=100e6)
    jsonschema.validate(scores, schema())
    found = {block["kind"] for one in (report, scores) for block in one["blocks"]}
    assert found == set(KINDS.values())


def test_schema(report):
    jsonschema.validate(report, schema())


def test_two_frames_side_by_side(report):
    assert report["plan"]["streams"] == 2
    slowest = max(block["cycles"] for block in report["blocks"])
    assert report["timing"]["cycles_per_frame"] == slowest / 2
    assert report["timing"]["frames_per_second"] == 2 * 100e6 / slowest


def test_operations(report):
    by_name = {block["name"]: block for block in report["blocks"]}
    # 4 x 4 windows of 3 x 3 x 2 for 5 filters; 3 neurons of 2 x 2 x 5.
    assert by_name["conv"]["operations"] == 2 * 16 * 18 * 5
    assert by_name["dense0"]["operations"] == 2 * 20 * 3
    assert report["total"]["operations"] == sum(block["operations"] for block in report["blocks"])


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
    for family in report["estimates"]:
        for block in report["blocks"]:
            told = sum((memory["block_rams"] or {}).get(family, {"count": 0})["count"] for memory in block["memories"])
            assert told == report["estimates"][family]["blocks"][block["name"]]["bram"]


def test_terminal(report, capsys):
    Output(as_json=False).show(*render(report))
    told = capsys.readouterr().out
    assert "Accelerator net" in told and "conv_window" in told
    # No figure is cut short in 80 columns.
    totals = told[told.index("Resources in total") :].partition("\n\n")[0]
    assert "…" not in totals and all(name in totals for name in ("half within", "95 % within", "all within"))
    for found in report["estimates"].values():
        assert f"{found['total']['lut']:,}" in totals
