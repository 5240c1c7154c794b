"""A figure that is told in several places is the same in all of them: plan, report, comparison, JSON."""

import re

import bitweir
import pytest
from bitweir.planning.request import told_levels
from support.samples import dense_network, depthwise_network, every_kind


@pytest.mark.parametrize(
    ("network", "wish"),
    [
        (every_kind(wired=False)[0], {"part": "ecp5-25k", "goal": "area", "fps": 2e5}),
        (dense_network(64, 48, 10), {"part": "ice40-hx8k", "goal": "latency", "clock": 190.123456e6}),
        (depthwise_network(), {"board": "icebreaker", "goal": "fps"}),
    ],
)
def test_a_plan_is_told_as_its_report_tells_it(network, wish, tmp_path):
    design = bitweir.generate(network, tmp_path / "a", **wish)
    report, search = design.report(advice=False), design.search
    timing, total = report.timing, report.estimate.total
    assert search.expected_clock / 1e6 == timing.expected_clock_mhz
    assert search.fps == pytest.approx(timing.frames_per_second, rel=1e-12)
    assert search.cycles == timing.cycles_per_frame
    assert (search.sites, search.block_rams, search.ffs) == (total.sites, total.bram, total.ff)
    assert search.stage_levels == report.plan.popcount.levels_per_stage
    found = search.to_dict()
    assert found["expected_clock_mhz"] == timing.expected_clock_mhz and found["fps"] == search.fps
    # In words, and of the folder, once it is opened.
    shown = re.search(r"([\d,]+) frames/s at ([\d.]+) MHz expected", search.summary)
    assert shown and int(shown[1].replace(",", "")) == round(timing.frames_per_second)
    assert shown[2] == f"{timing.expected_clock_mhz:.4g}"
    assert f"about {total.sites:,} of " in search.summary and f"{total.bram:,} of " in search.summary
    again = bitweir.open(tmp_path / "a").report(advice=False)
    assert (again.timing, again.estimate) == (report.timing, report.estimate)
    compared = {figure.values for figure in bitweir.compare(design, tmp_path / "a").figures}
    assert (timing.frames_per_second,) * 2 in compared and (total.sites,) * 2 in compared


@pytest.mark.parametrize(
    ("levels", "told"),
    [
        (0, "There are no registers between adders."),
        (1, "A register follows every adder level."),
        (3, "A register follows every 3 adder levels."),
    ],
)
def test_adder_levels_in_words(levels, told):
    assert told_levels(levels) == told
