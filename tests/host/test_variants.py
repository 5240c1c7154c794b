"""Plans that differ in one respect: legal, what their options say, and with the effect that a report tells of them."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest
from bitweir.design import Design, DesignFolder
from bitweir.planning.variants import variants
from bitweir.report.collect import collect
from bitweir.report.limits import told_advice, told_limits
from bitweir.target import Target
from bitweir_hw.plan import Plan, check_plan, plan_from_foldings, weighted
from bitweir_hw.popcount import STYLE, Popcount
from hypothesis import given
from hypothesis import strategies as st
from support.samples import dense_network, depthwise_network

TARGET = Target(part="ecp5-25k", family="ecp5", clock=200e6)


def _build(network, plan: Plan, folder, target: Target) -> DesignFolder:
    """A design whose files nobody needs."""
    return DesignFolder(folder=folder, design=Design(network=network, plan=plan, target=target))


def _planned(options: str, network, family: str) -> Plan:
    """The plan of options, as the command line makes it."""
    words = shlex.split(options)
    values = dict(zip(words[::2], words[1::2], strict=True))
    assert set(values) <= {"--folding", "--streams", "--stage-levels", "--weights", "--clock"}
    popcount = Popcount(style=STYLE[family], levels_per_stage=int(values["--stage-levels"]))
    plan = plan_from_foldings(
        network, values["--folding"], popcount=popcount, parallel_frames=int(values.get("--streams", 1))
    )
    return replace(plan, weights=values.get("--weights", "rom"))


@given(data=st.data())
def test_variants_are_legal_and_are_what_their_options_say(data) -> None:
    network, text = data.draw(
        st.sampled_from(
            (
                (dense_network(24, 20, 4), "7x3,1x4"),
                (dense_network(24, 20, 4), "wired,20x4:lut"),
                (depthwise_network(), ",".join(["1x1"] * len(weighted(depthwise_network())))),
            )
        )
    )
    levels = data.draw(st.integers(0, 3))
    plan = plan_from_foldings(network, text, popcount=Popcount(style=STYLE["ecp5"], levels_per_stage=levels))
    found = list(variants(network, plan))
    assert found
    for variant in found:
        assert check_plan(network, variant.plan) and variant.plan != plan
        assert _planned(variant.options, network, "ecp5").foldings == variant.plan.foldings
        assert f"--stage-levels {variant.plan.popcount.levels_per_stage}" in variant.options


def test_each_aim() -> None:
    network = dense_network(24, 20, 4)
    plan = plan_from_foldings(network, "12x10,20x4", popcount=Popcount(style="fused", levels_per_stage=2))
    told = {(variant.aim, variant.change) for variant in variants(network, plan)}
    assert told >= {
        ("lanes", "Twice the lanes in dense0"),
        ("area", "A half of the lanes in dense0 and dense1"),
        ("area", "A quarter of the lanes in dense0 and dense1"),
        ("block RAMs", "Weights in LUTs for dense0"),
        ("LUT sites", "Weights in block RAM for dense1"),
        ("frames", "2 parallel frames"),
        ("clock", "A register behind each level of adders"),
    }
    assert not [each for each in variants(network, plan, parallel=False) if each.aim == "frames"]
    # All lanes are there already.
    full = plan_from_foldings(network, "24x20,20x4")
    assert not [each for each in variants(network, full) if each.aim == "lanes"]
    loaded = replace(plan, weights="ram")
    assert all(each.options.endswith("--weights ram") for each in variants(network, loaded))


@pytest.fixture(scope="module")
def advised(tmp_path_factory):
    network = dense_network(64, 48, 10)
    plan = plan_from_foldings(network, "8x4,4x2", popcount=Popcount(style=STYLE["ecp5"], levels_per_stage=3))
    folder = tmp_path_factory.mktemp("advice")
    return network, collect(_build(network, plan, folder, TARGET), advice=True)


def test_the_effect_is_that_of_the_design_with_these_options(advised, tmp_path) -> None:
    network, report = advised
    # The clock of the design, without which the same plan would be told for 100 MHz.
    assert all(each.options.endswith(" --clock 200") for each in report.advice)
    assert any("--stage-levels 1 " in each.options for each in report.advice)
    assert len(report.advice) >= 4
    for number, advice in enumerate(report.advice):
        other = Design.fitted(network, _planned(advice.options, network, "ecp5"), TARGET)
        found = collect(DesignFolder(folder=tmp_path / str(number), design=other))
        assert advice.cycles_per_frame == found.timing.cycles_per_frame
        assert advice.frames_per_second == pytest.approx(found.timing.frames_per_second, rel=1e-3)
        assert advice.latency_us == pytest.approx(found.timing.latency_us, rel=1e-3)
        total, before = found.estimate.total, report.estimate.total
        assert (advice.sites, advice.ff, advice.bram) == (total.sites, total.ff, total.bram)
        assert advice.sites_change == total.sites - before.sites
        assert advice.fits is found.fit.fits is True


def test_limits_in_words(advised) -> None:
    _, report = advised
    pace, clock, fullest = told_limits(report)
    assert pace == "dense0 is busy in each of the 96 cycles of a frame, and so limits the throughput."
    assert clock == "The clock is limited by dense0, which has the longest path by estimate."
    assert fullest.startswith("Of what ecp5-25k has, block RAMs are the fullest: ")
    assert told_advice(report.advice[0]).startswith(
        "Twice the lanes in dense0 and dense1 (--folding 8x8,4x4 --stage-levels 3 --clock 200): about "
    )


def test_what_does_not_fit_is_told_how_many_lanes_do(tmp_path) -> None:
    network = dense_network(256, 256, 10)
    plan = plan_from_foldings(network, "256x256,256x10", popcount=Popcount(style="fused", levels_per_stage=1))
    target = Target(part="ice40-up5k", family="ice40", clock=50e6)
    report = collect(_build(network, plan, tmp_path, target), advice=True)
    assert not report.fit.fits and report.limits.share > 1
    (smaller,) = [each for each in report.advice if "of the lanes" in each.change]
    assert smaller.fits and not smaller.change.startswith("A half")
    assert all(each.fits for each in report.advice)


def test_a_folding_that_cannot_change_gives_no_variant() -> None:
    network = dense_network(24, 20, 4)
    plan = plan_from_foldings(network, "wired")
    assert not [each for each in variants(network, plan) if each.aim in ("lanes", "area", "block RAMs")]
