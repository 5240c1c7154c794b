"""Figures are told at the clock that is expected, and how far off it may be."""

import pytest
from bitweir import speed
from bitweir.accelerator import Accelerator
from bitweir.design import write_design
from bitweir.speed import clock_of, target_clock
from bitweir.target import Target
from bitweir_hw.plan import Folding, Plan
from support.samples import dense_network

PLAN = Plan(foldings=(Folding(pe=2, simd=8), Folding(pe=3, simd=4)))


@pytest.fixture(autouse=True)
def estimate(monkeypatch):
    """50 MHz within 20 %, whatever the cost model says."""
    monkeypatch.setattr(speed, "fmax", lambda pipeline, part: 50e6)
    monkeypatch.setattr(speed, "fmax_error", lambda part: 0.2)


@pytest.mark.parametrize(
    ("asked", "routed", "part", "told"),
    [
        (100e6, None, "ecp5-25k", "50 MHz expected on ecp5-25k, within 20%"),
        (45e6, None, "ecp5-25k", "45 MHz expected on ecp5-25k, within 20%"),
        (40e6, None, "ecp5-25k", "40 MHz"),
        (100e6, None, "xc7z020", "50 MHz expected on xc7z020, within 20% (a model: nothing of its family was routed)"),
        (100e6, 61.5e6, "ecp5-25k", "61.5 MHz, routed"),
        (60e6, 61.5e6, "ecp5-25k", "60 MHz, routed"),
    ],
)
def test_the_clock_and_how_sure_it_is(asked, routed, part, told):
    found = clock_of(part=part, asked=asked, estimate=50e6, routed=routed)
    assert found.told == told and bool(found.about) == ("expected" in told)


@pytest.mark.parametrize(
    ("target", "told"),
    [
        (Target.of(clock=100e6, part="ecp5-25k"),
         "about 12,500,000 frames/s and {us} µs at 50 MHz expected on ecp5-25k, within 20%."),
        (Target.of(clock=20e6, part="ecp5-25k"), "5,000,000 frames/s and {us} µs at 20 MHz."),
        (Target.of(clock=100e6), "25,000,000 frames/s and {us} µs at 100 MHz, if its FPGA reaches that."),
    ],
)  # fmt: skip
def test_the_readme_of_a_build_tells_it(tmp_path, target, told):
    build = write_design(dense_network(16, 4, 3), PLAN, tmp_path / "build", target=target)
    page = " ".join((build.folder / "README.md").read_text().split())
    design = Accelerator(written=build)
    assert design.frames_per_second == design.clock / 4
    microseconds = f"{design.latency_cycles / design.clock * 1e6:,.4g}"
    assert f"That is {told.format(us=microseconds)}" in page
    assert f" frames/s at {design.clock / 1e6:.4g} MHz" in repr(design)


def test_a_routed_target_is_not_doubted(tmp_path):
    build = write_design(
        dense_network(16, 4, 3), PLAN, tmp_path / "build",
        target=Target(clock=80e6, part="ice40-up5k", family="ice40", board="icebreaker"),
    )  # fmt: skip
    before = target_clock(build.pipeline, build.target, folder=build.folder)
    (build.folder / "routed-icebreaker.json").write_text("{}")
    after = target_clock(build.pipeline, build.target, folder=build.folder)
    assert (before.hertz, before.error, after.hertz, after.error, after.origin) == (50e6, 0.2, 80e6, 0, "routed")
    assert target_clock(build.pipeline, Target()) is None
