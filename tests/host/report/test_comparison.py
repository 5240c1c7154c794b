"""Designs side by side."""

from __future__ import annotations

import json
import subprocess
import sys

import bitweir
import pytest
from bitweir.design import write_design
from bitweir.report.comparison import comparison_schema, comparison_tables
from bitweir.target import Target
from bitweir_hw.plan import plan_from_foldings
from support.samples import dense_network
from support.schemas import validate

TARGET = Target(part="ecp5-25k", family="ecp5", clock=100e6)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("compared")
    network = dense_network(24, 20, 4)
    for name, folding in (("slow", "4x5,4x2"), ("fast", "8x10,10x4")):
        write_design(network, plan_from_foldings(network, folding), root / name, target=TARGET)
    return root / "slow", root / "fast"


def test_figures_are_those_of_the_reports(folders) -> None:
    found = bitweir.compare(*folders)
    reports = [bitweir.open(folder).report(advice=False) for folder in folders]
    validate(found.to_dict(), comparison_schema())
    assert [design.name for design in found.designs] == ["slow", "fast"]
    assert found.same_network and found.source == "estimated"
    by_name = {(figure.what, figure.unit): figure for figure in found.figures}
    rate = by_name["Throughput", "frames/s"]
    assert rate.values == tuple(report.timing.frames_per_second for report in reports)
    assert rate.change(1) == reports[1].timing.frames_per_second / reports[0].timing.frames_per_second - 1
    assert by_name["LUT sites", ""].values == tuple(float(report.estimate.total.sites) for report in reports)
    blocks = {block.name: block for block in found.blocks}
    assert blocks["dense0"].cycles == (24, 6)
    assert set(blocks) == {block.name for report in reports for block in report.blocks}
    # A width converter that only one of them has.
    assert any(None in block.cycles for block in found.blocks)


def test_a_part_and_a_clock_for_all(folders) -> None:
    found = bitweir.compare(*folders, part="ecp5-85k", clock=50e6)
    assert {design.part for design in found.designs} == {"ecp5-85k"}
    (clock,) = [figure for figure in found.figures if figure.what == "Clock, expected"]
    assert clock.values == (50.0, 50.0)


def test_other_networks_are_told(folders, tmp_path) -> None:
    other = dense_network(24, 16, 4)
    write_design(other, plan_from_foldings(other, "4x4,4x2"), tmp_path / "fast", target=TARGET)
    found = bitweir.compare(folders[1], tmp_path / "fast")
    assert not found.same_network
    assert comparison_tables(found)[0].remark == "These designs compute different networks."
    # As many parts of the paths as tell them apart.
    assert len({design.name for design in found.designs}) == 2
    assert all(design.name.endswith("/fast") for design in found.designs)
    assert "LUT sites" in repr(found) and "<td>LUT sites</td>" in found._repr_html_()


def test_one_design_is_refused(folders) -> None:
    with pytest.raises(bitweir.BitweirError, match="^There must be two designs or more to compare, not 1.$"):
        bitweir.compare(folders[0])


def test_command(folders) -> None:
    command = [sys.executable, "-m", "bitweir", "compare", *map(str, folders), "--json"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert json.loads(told) == bitweir.compare(*folders).to_dict()
