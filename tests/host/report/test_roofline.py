"""What layers need and what parts have: formulas by hand, nothing forgotten, and one frame's way in time."""

from __future__ import annotations

import numpy as np
import pytest
from bitweir.design import Design, DesignFolder, write_design
from bitweir.report.collect import collect
from bitweir.report.roofline import ELEMENT_SITES, Bounds, roofline
from bitweir.report.timeline import timeline
from bitweir_hw.network import Dense, Network, check
from bitweir_hw.parts import BLOCK_RAM, COUNTED_AS, PART_OF, PARTS
from bitweir_hw.plan import Folding, Plan
from bitweir_sim.time.cycles import schedule
from bitweir_sim.time.stall_analysis import stalls
from bitweir_sim.time.stepping import stepper
from hypothesis import given, settings
from hypothesis import strategies as st
from support.samples import every_kind
from support.strategies import dense_networks, identity_input, networks, plans

CLOCK = 50e6


def test_parts():
    for name, part in PARTS.items():
        assert part.name == name and part.family in BLOCK_RAM
        assert part.memory_bits == part.block_rams * BLOCK_RAM[part.family].bits
    assert set(PART_OF) == set(BLOCK_RAM) and set(ELEMENT_SITES) == set(COUNTED_AS.values())
    assert all(PARTS[name].family == family for family, name in PART_OF.items())
    # In the data sheets' own units.
    assert PARTS["ecp5-85k"].memory_bits == 3744 * 1024
    assert PARTS["ice40-hx8k"].memory_bits == 128 * 1024
    assert PARTS["gw2a-18"].memory_bits == 828 * 1024
    assert PARTS["xc7z020"].memory_bits == 140 * 36 * 1024
    assert PARTS["ice40-up5k"].port_bits == 30 * 16


def test_bounds():
    bounds = Bounds(part=PARTS["ice40-hx8k"], clock=CLOCK, sites_per_lane=4.0)
    # 1,920 lanes of 2 operations.
    assert bounds.peak == 2 * 1920 * CLOCK
    assert bounds.compute_seconds(3840) == pytest.approx(1 / CLOCK)
    assert bounds.bandwidth == 32 * 16 * CLOCK
    assert bounds.memory_seconds(5120) == pytest.approx(10 / CLOCK)
    assert bounds.fits(100_000, 31_072) and not bounds.fits(100_000, 31_073)
    assert bounds.binding(38400, 5119, (0, 0)) == "logic"
    assert bounds.binding(38400, 5121, (0, 0)) == "bandwidth"
    assert bounds.binding(38400, 5119, (131_072, 1)) == "memory"


def test_needs_by_hand(tmp_path):
    rng = np.random.default_rng(1)
    first = rng.random((64, 96)) < 0.5
    network = Network(name="net", input=identity_input(96), layers=(Dense(name="dense", weights=first),))
    build = write_design(check(network), Plan(foldings=(Folding(simd=8, pe=4),)), tmp_path / "build")
    report = collect(build, clock=CLOCK, part="ecp5-25k")
    roof = report.roofline
    (layer,) = roof.layers
    assert layer.operations == 2 * 64 * 96
    # 192 words of 32 bits in block RAM; accumulators of at most 8 bits, 4 to a word, in LUTs.
    assert layer.bits_read == 64 * 96
    assert layer.operations_per_bit_read == 2
    assert layer.activation_bits == 2 * 96
    assert 64 * 96 < layer.parameter_bits <= 64 * 96 + 64 * 8
    assert layer.giga_operations_per_second == pytest.approx(2 * 64 * 96 * CLOCK / 192 / 1e9)
    assert layer.compute_us == pytest.approx(2 * 64 * 96 / (2 * CLOCK * 24288 / roof.sites_per_lane) * 1e6)
    assert layer.memory_us == pytest.approx(64 * 96 / (56 * 36 * CLOCK) * 1e6)
    assert roof.bound_frames_per_second == pytest.approx(1e6 / max(layer.compute_us, layer.memory_us))
    assert report.part.name == "ecp5-25k"


@pytest.mark.parametrize("streams", [1, 3])
def test_nothing_is_forgotten(tmp_path, streams):
    build = write_design(*every_kind(streams=streams), tmp_path / "build")
    report = collect(build, clock=CLOCK)
    total, whole = report.total, report.roofline.total
    assert whole.operations == total.operations
    assert whole.parameter_bits == total.weight_bits + total.threshold_bits
    assert whole.buffer_bits == total.buffer_bits
    # What the layers do in a second, they do together.
    done = sum(layer.giga_operations_per_second for layer in report.roofline.layers)
    assert done == pytest.approx(report.timing.giga_operations_per_second)


def test_more_sites_a_lane_are_slower(tmp_path):
    build = write_design(*every_kind(), tmp_path / "build")
    part = PARTS["xc7a35t"]
    low, high = (
        roofline(build, part, clock=CLOCK, cycles=240, sites_per_lane=sites, origin="measured") for sites in (3.0, 6.0)
    )
    assert high.total.compute_us == pytest.approx(2 * low.total.compute_us)
    assert high.total.memory_us == low.total.memory_us
    assert low.sites_per_lane_from == "measured"


@settings(max_examples=30)
@given(st.data())
def test_timeline_is_that_of_the_schedule(data):
    network = data.draw(st.one_of(dense_networks(), networks(max_size=6, max_layers=3)))
    build = DesignFolder(folder=None, design=Design(network=network, plan=data.draw(plans(network))))
    pipeline = build.pipeline
    run = stepper(pipeline)
    stalls(pipeline, build.timing, run=run)
    way = timeline(build, run)
    frame = way.frame
    cycles = [
        moved[frame * stream.beats : (frame + 1) * stream.beats]
        for stream, moved in zip(pipeline.streams, schedule(pipeline, frame + 1), strict=True)
    ]
    start = cycles[0][0]
    assert way.cycles == cycles[-1][-1] - start + 1
    for node, row in zip(pipeline.nodes, way.blocks, strict=True):
        assert row.name == node.block.name
        assert row.first_in == min(cycles[stream][0] for stream in node.inputs) - start
        assert row.last_in == max(cycles[stream][-1] for stream in node.inputs) - start
        assert row.first_out == min(cycles[stream][0] for stream in node.outputs) - start
        assert row.last_out == max(cycles[stream][-1] for stream in node.outputs) - start
