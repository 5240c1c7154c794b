"""A design: lowered once, and the same in every folder."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import bitweir
import pytest
from bitweir.cli import main
from bitweir.design import Design, DesignFolder
from bitweir.target import Target
from bitweir_hw.accelerator import accelerator_rtlil
from bitweir_hw.errors import PlanError
from bitweir_hw.lower import lower
from bitweir_hw.plan import Folding, Plan
from bitweir_sim.time.sizing import fit_depths
from hypothesis import given, settings
from hypothesis import strategies as st
from support.samples import every_kind
from support.strategies import networks, plans


@contextmanager
def lowered() -> Iterator[list[int]]:
    """How often `lower` runs."""
    count = [0]

    def look(frame, event, _):
        count[0] += event == "call" and frame.f_code is lower.__code__

    sys.setprofile(look)
    try:
        yield count
    finally:
        sys.setprofile(None)


def test_generate_lowers_a_design_once(tmp_path):
    with lowered() as count:
        main(["generate", "digits", "-o", str(tmp_path / "build")], standalone_mode=False)
    assert count == [1]
    with lowered() as count:
        bitweir.open(tmp_path / "build").report(advice=False)  # whose plans are others
    assert count == [1]


def test_what_needs_only_the_network_lowers_nothing(tmp_path):
    network, plan = every_kind()
    Design(network=network, plan=plan).write(tmp_path / "build")
    with lowered() as count:
        assert DesignFolder.open(tmp_path / "build").network.name == network.name
    assert count == [0]


@settings(max_examples=6)
@given(st.data())
def test_fitted_is_what_lower_makes_of_the_fitted_plan(data):
    network = data.draw(networks(max_size=4, max_layers=3))
    plan = data.draw(plans(network))
    try:
        wanted = fit_depths(network, plan)
    except PlanError:
        with pytest.raises(PlanError):
            Design.fitted(network, plan)
        return
    design = Design.fitted(network, plan)
    assert design.plan == wanted
    assert accelerator_rtlil(design.pipeline, name="a") == accelerator_rtlil(lower(network, wanted), name="a")


def test_another_target_needs_no_lowering(tmp_path):
    network, plan = every_kind()
    design = Design.fitted(network, plan)
    with lowered() as count:
        other = design.made_for(Target(clock=1e6))
    assert count == [0]
    assert other.pipeline is design.pipeline
    assert (other.target.clock, design.target.clock) == (1e6, 100e6)
    assert DesignFolder.open(other.write(tmp_path / "build").folder).target == other.target


def test_a_plan_that_does_not_fit_is_refused():
    network, _ = every_kind()
    with pytest.raises(PlanError):
        Design.fitted(network, Plan(foldings=(Folding(simd=1, pe=1),)))
