"""Each kind of block of `BLOCKS` is complete."""

import typing
from collections import Counter

import pytest
from amaranth.hdl import Fragment
from bitweir_hw.blocks import (
    BLOCKS,
    Buffered,
    ChoiceSpec,
    Collect,
    ConcatSpec,
    Level,
    PiecewiseSpec,
    RunningMaxSpec,
    SelectSpec,
    UpsampleSpec,
    WiredSpec,
    block_of,
)
from bitweir_hw.cost import drawn, error_bands
from bitweir_hw.cost.model import coefficients, extrapolated, group_of
from bitweir_hw.cost.speed import longest
from bitweir_hw.lower import lower
from bitweir_hw.popcount import STYLE
from support.families import FITTED
from support.samples import every_kind

#: Kinds that no drawn accelerator has, by which the error of whole designs is told; reports say so.
NOT_DRAWN = {ChoiceSpec, ConcatSpec, PiecewiseSpec, RunningMaxSpec, SelectSpec, UpsampleSpec, WiredSpec}
GROUPS = {"weights", "window", "move", "sum", "map", "score"}


def sampled(style="fused"):
    """A specification of each kind."""
    found = [block for kind in ("class", "scores") for block in lower(*every_kind(style=style, kind=kind)).blocks]
    return {type(spec): spec for spec in found}


def test_every_kind_is_sampled():
    assert set(sampled()) == {block.spec for block in BLOCKS}


def test_records_are_complete():
    assert max(Counter(block.title for block in BLOCKS).values()) == 1
    assert max(Counter(block.spec for block in BLOCKS).values()) == 1
    assert {block.group for block in BLOCKS} == GROUPS
    assert all(block.title for block in BLOCKS)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.title)
def test_a_specification_tells_all_that_a_block_needs(block):
    spec = sampled()[block.spec]
    assert block_of(spec) is block
    # Timing is data: each specification gives the machine that says when its block moves beats.
    (told,) = typing.get_type_hints(block.spec.machine.fget).values()
    assert set(typing.get_args(told) or [told]) <= {Buffered, Collect, Level}
    assert isinstance(spec.machine, Buffered | Collect | Level)
    component = block.component(spec)
    assert component.spec is spec
    # Amaranth warns of what is made and never used.
    Fragment.get(component, None)
    assert len(longest(spec, "ecp5")) >= 2
    assert spec.memories() and spec.cycles >= 1 and spec.name and spec.layer


@pytest.mark.parametrize("family", FITTED)
@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.title)
def test_every_kind_has_its_cost(block, family):
    spec = sampled(STYLE[family])[block.spec]
    assert group_of(spec) in coefficients()["coefficients"][family]
    assert set(error_bands(family, spec)) >= {"lut", "ff", "sites"}
    assert (block.spec.__name__ in drawn(family).kinds) != (block.spec in NOT_DRAWN)
    terms = block.cost(spec, family)
    # Each memory that a specification tells has its block RAMs.
    assert len(terms.rams) == len(spec.memories())
    assert terms.luts


@pytest.mark.parametrize("family", FITTED)
def test_a_design_tells_what_no_drawn_accelerator_has(family):
    reasons = extrapolated(lower(*every_kind(style=STYLE[family])), family)
    assert "blocks of the kind choice, concat, piecewise, runningmax, select, upsample, wired" in reasons
