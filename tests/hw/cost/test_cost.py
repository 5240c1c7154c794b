"""The cost model: a formula for each kind of block."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from bitweir_hw.blocks import BLOCKS, MatVecSpec, WiredSpec
from bitweir_hw.blocks.matvec.unrolled import MOST
from bitweir_hw.cost import (
    Cost,
    drawn,
    error_bands,
    estimate,
    estimate_pipeline,
    estimated_rams,
    extrapolated,
    fmax,
    fmax_basis,
    fmax_error,
    highest_clock,
    network_errors,
)
from bitweir_hw.cost.speed import Delays, delays, hops, longest, slowest
from bitweir_hw.lower import lower, with_loadable_parameters
from bitweir_hw.parts import BLOCK_RAM, COUNTED_AS, PARTS
from bitweir_hw.plan import plan_for_fps, plan_from_foldings
from bitweir_hw.popcount import STYLE, Popcount
from bitweir_hw.resources.memories import ram
from bitweir_hw.resources.multipliers import multiply
from bitweir_hw.resources.paths import Path
from bitweir_hw.resources.terms import Terms
from hypothesis import given
from hypothesis import strategies as st
from support import ROOT
from support.families import FITTED
from support.samples import dense_network, every_kind
from support.strategies import networks, plans


def dense_pipeline(fps, style="ecp5"):
    network = dense_network(64, 48, 10)
    return lower(network, plan_for_fps(network, fps, 100e6, popcount=Popcount(style=style)))


@pytest.mark.parametrize("family", FITTED)
def test_every_kind_has_coefficients_and_error_bands(family):
    pipelines = [lower(*every_kind(style=STYLE[family], kind=kind)) for kind in ("class", "scores")]
    network, plan = every_kind(style=STYLE[family])
    pipelines.append(lower(network, replace(plan, popcount=Popcount.of(family, 1))))
    for pipeline in pipelines:
        check_costs(pipeline, family)
    assert {type(block) for pipeline in pipelines for block in pipeline.blocks} == {block.spec for block in BLOCKS}
    assert network_errors(family)["bram"] == [0, 0, 0]


def check_costs(pipeline, family):
    """Every block has a cost and an error band."""
    costs, total = estimate_pipeline(pipeline, family)
    assert list(costs) == [block.name for block in pipeline.blocks]
    assert total == sum(costs.values(), Cost())
    for block in pipeline.blocks:
        assert min(vars(costs[block.name]).values()) >= 0
        assert costs[block.name].lut > 0
        median, most, worst = error_bands(family, block)["lut"]
        assert 0 <= median <= most <= worst


@pytest.mark.parametrize("family", BLOCK_RAM)
def test_bands_are_those_of_drawn_designs_and_stand_in_the_docs(family):
    known = drawn(family)
    assert known.count >= (15 if family in FITTED else 5)
    assert all(0 <= median <= most <= worst for median, most, worst in known.errors.values())
    docs = (ROOT / "docs/cost-model.md").read_text()
    names = {"ecp5": "ECP5", "ice40": "iCE40", "gowin": "Gowin", "xilinx": "Xilinx 7"} | {
        "ultrascale": "UltraScale+, as Xilinx 7", "nexus": "Nexus, as ECP5", "gw5a": "GW5A, as Gowin"
    }  # fmt: skip
    shown = ("lut", "ff", "carry", "bram", "lutram", "dsp", "sites")
    told = " | ".join(" / ".join(f"{value:g}" for value in known.errors[key]) for key in shown)
    assert f"| {names[family]} | {known.count} | {known.most_sites:,} | {told} |" in docs.splitlines()


@pytest.mark.parametrize("family", sorted(set(BLOCK_RAM) - set(FITTED)))
def test_a_family_may_be_counted_as_another_one(family):
    """By its formulas and coefficients; blocks have no band, as none was measured."""
    like = COUNTED_AS[family]
    assert like in FITTED
    pipeline = lower(*every_kind(style=STYLE[family]))
    assert estimate_pipeline(pipeline, family) == estimate_pipeline(pipeline, like)
    assert all(error_bands(family, block) == {} for block in pipeline.blocks)
    assert network_errors(family) != network_errors(like) and network_errors(family)["bram"] == [0, 0, 0]
    for block in pipeline.blocks:
        assert estimated_rams(block, family) == estimated_rams(block, like)


def test_what_no_drawn_design_had_is_extrapolated():
    network, plan = every_kind(wired=False)
    small = lower(dense_network(16, 8, 4), plan_from_foldings(dense_network(16, 8, 4), "4x2,4x2"))
    assert extrapolated(small, "ecp5") == []
    large = lower(dense_network(256, 256, 4), plan_from_foldings(dense_network(256, 256, 4), "256x64,4x2"))
    assert extrapolated(large, "ecp5") == [f"more than {drawn('ecp5').most_sites:,} LUT sites"]
    loads = lower(network, with_loadable_parameters(network, plan))
    assert extrapolated(loads, "ecp5")[-1] == "parameters in RAM"


@pytest.mark.parametrize("style", ["generic", "own"])
def test_estimates_do_not_depend_on_names_or_order(style):
    pipeline = lower(*every_kind(style=STYLE["ecp5" if style == "own" else "generic"]))
    again = lower(*every_kind(style=STYLE["ecp5" if style == "own" else "generic"]))
    assert estimate_pipeline(pipeline, "ecp5") == estimate_pipeline(again, "ecp5")


@pytest.mark.parametrize(
    ("depth", "width", "count"),
    [(12, 5, 0), (22, 3, 0), (23, 3, 1), (14, 5, 1), (13, 5, 0), (17, 4, 1), (4, 17, 0), (66, 1, 0), (34, 2, 1),
     (3, 30, 0), (4, 32, 0), (5, 28, 2), (9, 20, 2), (16, 4, 0), (16, 5, 1)],
)  # fmt: skip
def test_small_memories_of_ice40_are_registers(depth, width, count):
    """Where Yosys 0.70 put memories without a word about their style."""
    terms = ram(depth, width, "ice40", block=False)
    assert terms.bram == count
    assert (terms.ff >= depth * width) == (count == 0)


@given(st.data())
def test_every_memory_has_a_count_and_blocks_take_their_sum(data):
    network = data.draw(networks())
    pipeline = lower(network, data.draw(plans(network)))
    for block in pipeline.blocks:
        for family in BLOCK_RAM:
            rams = estimated_rams(block, family)
            assert len(rams) == len(block.memories())
            assert sum(rams) == estimate(block, family).bram


@pytest.mark.parametrize(
    ("family", "counts"),
    [
        ("ecp5", [1, 1, 1, 1, 1, 1, 2, 4, 2, 4, 1, 2, 2]),
        ("xilinx", [1, 1, 1, 1, 1, 1, 1, 2, 2, 4, 1, 1, 2]),
        ("gowin", [0, 1, 1, 1, 1, 1, 1, 1, 2, 2, 1, 0, 2]),
        ("ice40", [0] * 13),
    ],
)
def test_multipliers_are_those_of_yosys(family, counts):
    """What Yosys 0.70 made of scales of so many bits for elements of so many: several where the factors are wide."""
    bits = [
        (8, 3), (6, 4), (9, 9), (11, 17), (11, 18), (11, 19), (14, 21), (20, 21), (12, 27), (20, 37), (4, 13), (3, 21),
        (26, 9),
    ]  # fmt: skip
    assert [multiply(Terms(), element, scale, family) for element, scale in bits] == counts


def test_weights_of_units_as_wide_as_no_part_are_not_followed():
    rng = np.random.default_rng(0)
    network = dense_network(1024, 128, 2)
    unit = lower(network, plan_from_foldings(network, "1024x128,128x2")).blocks
    wide = next(block for block in unit if isinstance(block, MatVecSpec))
    assert wide.weight_width > MOST
    other = replace(wide, weights=rng.random(wide.weights.shape) < 0.5)
    assert estimate(wide, "ecp5").ff == estimate(other, "ecp5").ff


def test_more_lanes_cost_more_and_words_without_change_nothing():
    pipeline = dense_pipeline(5e6)
    slower = dense_pipeline(5e5)
    first, same = (
        next(block for block in found.blocks if isinstance(block, MatVecSpec)) for found in (pipeline, slower)
    )
    assert estimate(first, "ecp5").sites > estimate(same, "ecp5").sites


def test_clock_is_estimated():
    for style, part in (("ecp5", "ecp5-85k"), ("tree", "ice40-hx8k"), ("tree", "ice40-up5k"), ("fused", "gw1n-9")):
        found = [
            fmax(lower(network, plan), part)
            for network, plan in (every_kind(style=style), every_kind(style=style, streams=2))
        ]
        assert all(10e6 < clock < 300e6 for clock in found)


def test_every_part_has_an_estimate_that_says_what_it_rests_on():
    pipeline = dense_pipeline(1e6)
    for part in PARTS:
        assert 10e6 < fmax(pipeline, part) < 400e6
        assert 0 < fmax_error(part) <= 0.6
        assert highest_clock(part) > 90e6
    assert {part for part in PARTS if fmax_basis(part) == "model"} >= {"xc7z020", "xc7a35t", "xc7a100t"}
    assert fmax_basis("ecp5-85k") == fmax_basis("ice40-up5k") == fmax_basis("gw1n-9") == "routed"


def test_the_delay_of_a_path_is_the_sum_of_its_hops():
    path = Path(block=True, adders=(8, 3), luts=2, multipliers=1)
    assert hops(path, 16) == {
        "register": 0, "block": 1, "output": 0, "spread": 4.0, "adder": 2, "position": 11, "lut": 2, "multiplier": 1,
    }  # fmt: skip
    registered = hops(Path(block=True, registered=True, luts=2), 16)
    assert (registered["block"], registered["output"], registered["spread"]) == (0, 1, 4.0)
    assert {entry.name for entry in fields(Delays)} == set(hops(path, 16))


def test_wires_of_a_large_wired_datapath_take_time():
    small, large = (
        next(
            block
            for block in lower(network, plan_from_foldings(network, "wired")).blocks
            if isinstance(block, WiredSpec)
        )
        for network in (dense_network(32, 10), dense_network(400, 120))
    )
    assert small.circuit.sites < large.circuit.sites / 10
    for block in (small, large):
        alone = max(
            sum(vars(delays("ecp5-85k"))[name] * count for name, count in hops(path, 0).items())
            for path in longest(block, "ecp5")
        )
        assert slowest(block, "ecp5-85k", 0) - alone == pytest.approx(0.03 * block.circuit.sites**0.5)


def test_a_register_behind_block_ram_is_elsewhere_where_block_ram_has_none():
    network = dense_network(64, 48, 10)
    plan = plan_from_foldings(network, "4x4:block,4x4", popcount=Popcount(levels_per_stage=1))
    unit = next(block for block in lower(network, plan).blocks if isinstance(block, MatVecSpec))
    assert unit.weight_memory.block and unit.memory_stage == 1
    inside, apart = longest(unit, "ecp5"), longest(unit, "ice40")
    starts = {path.registered for path in inside if path.block}
    assert starts == {True}
    assert [path for path in apart if path.block] == [Path(block=True, luts=1)]
    # What follows the register is the same.
    behind = [replace(path, block=False, registered=False) for path in inside if path.block]
    assert all(path in apart for path in behind)
