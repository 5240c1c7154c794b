"""Synthesis: what is counted, and that the mapped netlist of a whole accelerator does what it must in every cycle."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from bitweir.design import DesignFolder, write_design
from bitweir.folders import FileError, added_file
from bitweir.planning.request import block_ram_share
from bitweir.report.collect import collect, schema
from bitweir.report.terminal import render
from bitweir.synthesis import flows
from bitweir.synthesis.measure import synthesise
from bitweir.synthesis.results import RESOURCES, Measured
from bitweir_hw.blocks import MatVecSpec
from bitweir_hw.errors import PlanError, ToolError
from bitweir_hw.lower import lower
from bitweir_hw.network import Dense, Network
from bitweir_hw.parts import BLOCK_RAM, PARTS
from bitweir_hw.plan import Folding, Plan, plan_from_foldings
from bitweir_hw.popcount import STYLE, Popcount
from bitweir_sim.simulators.compiled import compile_design, compiler_missing
from bitweir_sim.trace import SimulationError, Trace
from bitweir_sim.values.frames import pack
from bitweir_sim.verify import expected_trace
from rich.table import Table
from support.cellmodels import cell_models, instances
from support.families import FITTED
from support.samples import dense_network, depthwise_network, every_kind, network_of_bits
from support.schemas import validate

CLOCK = 100e6


def small_build(folder: Path, style: str) -> DesignFolder:
    """Foldings that divide nothing, popcounts with registers, memories too small for block RAM."""
    foldings = (Folding(pe=2, simd=8), Folding(pe=3, simd=4))
    plan = Plan(foldings=foldings, popcount=Popcount(style=style, levels_per_stage=1))
    return write_design(dense_network(20, 9, 4), plan, folder)


@dataclass(frozen=True)
class Mapped:
    family: str
    build: DesignFolder
    result: Measured
    netlist: Path


@pytest.fixture(scope="module", params=FITTED)
def mapped(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapped]:
    """A small accelerator in the family's best style, synthesised once for all tests of it."""
    family = request.param
    folder = tmp_path_factory.mktemp(family)
    build = small_build(folder / "build", STYLE[family])
    result = synthesise(build, family, netlist=folder / "netlist.v")
    yield Mapped(family, build, result, folder / "netlist.v")


# ---- counts


def test_every_block_has_a_row_and_totals_are_sums(mapped: Mapped) -> None:
    result = mapped.result
    assert list(result.blocks) == [row.name for row in collect(mapped.build, clock=CLOCK).blocks]
    for key in (*RESOURCES, "lanes"):
        assert getattr(result.total, key) == sum(getattr(row, key) for row in result.blocks.values())
    assert [result.blocks[f"dense{n}"].lanes for n in range(2)] == [16, 12]
    # Popcounts are of carry cells, registers hold what moves, and nothing here is deep or multiplied.
    assert all(getattr(result.total, key) > 0 for key in ("lut", "ff", "carry", "sites"))
    assert result.total.bram == result.total.dsp == 0
    assert bool(result.total.lutram) == (mapped.family != "ice40")


def test_results_are_read_back_by_the_report(mapped: Mapped) -> None:
    report = collect(DesignFolder.open(mapped.build.folder), clock=CLOCK)
    assert report.synthesis == {mapped.family: mapped.result}
    validate(report.to_dict(), schema())
    assert sum(isinstance(item, Table) for item in render(report)) == 4


def test_all_cells_of_the_netlist_are_counted(mapped: Mapped) -> None:
    # A cell of a kind that the tables do not know would be missing in every sum.
    for kind in instances(mapped.netlist.read_text()) - {"GND", "VCC"}:
        assert sum(flows.classify(mapped.family, {kind: 1}).values()) == 1, kind


def test_a_deep_weight_memory_is_block_ram(tmp_path: Path) -> None:
    # 20 groups of 2 neurons, 8 words each: 160 words of 16 bits fit one block. 20 presets are logic.
    plan = Plan(foldings=(Folding(pe=2, simd=8), Folding(pe=4, simd=40)), popcount=Popcount(style="ecp5"))
    blocks = synthesise(write_design(dense_network(64, 40, 4), plan, tmp_path / "build"), "ecp5").blocks
    assert {name: row.bram for name, row in blocks.items() if row.bram} == {"dense0": 1}


def test_primitives_of_another_family_are_refused(tmp_path: Path) -> None:
    build = small_build(tmp_path / "build", "ecp5")
    told = (
        "The popcounts of this build are made of ECP5's carry cells, which ice40 does not have: "
        "generate it again with --family ice40 or generic."
    )
    with pytest.raises(PlanError, match=f"^{re.escape(told)}$"):
        synthesise(build, "ice40")
    assert not (build.folder / "synthesis-ice40.json").exists()


def test_an_unknown_family_is_refused() -> None:
    names = "ecp5, ice40, gowin, xilinx, ultrascale, nexus, gw5a"
    with pytest.raises(ToolError, match=rf"^Synthesis family must be one of {names}, not 'asic'\.$"):
        flows.script("asic", top="top")


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"tool": 1}', '{"tool": "t", "seconds": 1, "blocks": {}}'])
def test_a_damaged_result_is_told(tmp_path: Path, content: str) -> None:
    build = small_build(tmp_path / "build", "fused")
    path = build.folder / "synthesis-ecp5.json"
    path.write_text(content)
    (build.folder / "synthesis-other.json").write_text("not ours")
    told = f"'{path}' is not what bitweir wrote there: remove it, or measure again with bitweir report --synth."
    with pytest.raises(FileError, match=f"^{re.escape(told)}$"):
        collect(build, clock=CLOCK)
    added_file(path, content.encode())
    told = f"'{build.folder}/synthesis-ecp5.json' is damaged: remove it, or measure again with bitweir report --synth."
    with pytest.raises(FileError, match=f"^{re.escape(told)}$"):
        collect(build, clock=CLOCK)


def test_a_result_of_a_version_that_counted_otherwise_is_told(tmp_path: Path) -> None:
    build = small_build(tmp_path / "build", "fused")
    file = build.folder / "synthesis-ice40.json"
    measured = synthesise(build, "ice40")
    assert collect(build, clock=CLOCK).synthesis["ice40"].total == measured.total
    added_file(file, json.dumps({key: value for key, value in measured.to_dict().items() if key != "version"}).encode())
    told = (
        f"'{file}' was measured by another version of bitweir, which counts otherwise: measure again with "
        "bitweir report --synth."
    )
    with pytest.raises(FileError, match=f"^{re.escape(told)}$"):
        collect(build, clock=CLOCK)


def test_a_large_block_ram_of_xilinx_is_two_small_ones() -> None:
    cells = {"RAMB18E1": 93, "RAMB36E1": 4, "LUT6": 2}
    assert flows.classify("xilinx", cells)["bram"] == 101
    assert BLOCK_RAM["xilinx"].tiles(101) == 51
    assert block_ram_share(PARTS["xc7a35t"], 101) == "101 of 100 block RAMs (RAMB18; 51 of 50 RAMB36 tiles)"
    assert block_ram_share(PARTS["ecp5-25k"], 3) == "3 of 56 block RAMs"


def test_carries_whose_sums_nobody_reads_are_counted() -> None:
    # Yosys drops outputs that are not connected. S of positions 0 and 1 is a LUT's, that of 2 is not; 3 is idle.
    lut = {
        "type": "LUT2",
        "port_directions": {"I0": "input", "I1": "input", "O": "output"},
        "connections": {"I0": [2], "I1": [3], "O": [4]},
    }
    carry = {
        "type": "CARRY4",
        "port_directions": {"S": "input", "CO": "output"},
        "connections": {"S": [4, 4, 5, "0"], "CO": [6, 7, 8, 9]},
    }
    module = {"cells": {"lut": lut, "carry": carry}, "ports": {"o": {"bits": [8]}}}
    assert flows.lone_carries("xilinx", module) == 1


# ---- behaviour


def outside(trace: Trace) -> Trace:
    """Only what can be seen of a netlist: its ports."""
    return Trace({name: trace.streams[name] for name in "io"}, trace.cycles_run)


def test_the_mapped_netlist_is_right_in_every_cycle(mapped: Mapped, tmp_path: Path) -> None:
    if missing := compiler_missing():
        pytest.skip(missing)
    models = tmp_path / "models.v"
    models.write_text(cell_models(mapped.family, mapped.netlist.read_text()))
    design = compile_design(mapped.netlist, top="net", verilog=[models], optimise=0)
    network, pipeline = mapped.build.network, mapped.build.pipeline
    rng = np.random.default_rng(5)
    frames = rng.integers(0, 2, (50, network.input.size))
    beats = pack(frames, pipeline.input)
    for i_rate, o_rate in ((0, 0), (0.3, 0.6), (0.7, 0.2)):
        i_stalls, o_stalls = rng.random(2000) < i_rate, rng.random(2000) < o_rate
        expected = outside(expected_trace(network, pipeline, frames, i_stalls=i_stalls, o_stalls=o_stalls, drain=20))
        design.run(beats, expected=expected, i_stalls=i_stalls, o_stalls=o_stalls, drain=20)
    # The comparison does see the values: one other weight in the last layer, and it fails.
    last = network.layers[-1]
    weights = last.weights.copy()
    weights[2, 3] ^= True
    other = Network(name="net", input=network.input, layers=(network.layers[0], Dense(name=last.name, weights=weights)))
    with pytest.raises(SimulationError):
        design.run(beats, expected=outside(expected_trace(other, pipeline, frames)))


# Every day, smaller designs of the other three are compared, too: see above, and test_output_registers.py.
@pytest.mark.parametrize(
    "family", [flows.FAMILIES[0], *(pytest.param(f, marks=pytest.mark.long) for f in flows.FAMILIES[1:])]
)
def test_mapped_layers_of_each_kind_are_right_in_every_cycle(family: str, tmp_path: Path) -> None:
    if missing := compiler_missing():
        pytest.skip(missing)
    check_netlist(family, *every_kind(style=STYLE[family]), tmp_path)


@pytest.mark.parametrize("family", [FITTED[0], *(pytest.param(f, marks=pytest.mark.long) for f in FITTED[1:])])
def test_several_groups_at_once_are_right_once_mapped(family: str, tmp_path: Path) -> None:
    if missing := compiler_missing():
        pytest.skip(missing)
    foldings = (Folding(pe=4, simd=9), Folding(pe=2, simd=32))
    plan = Plan(foldings=foldings, popcount=Popcount(style=STYLE[family], levels_per_stage=1))
    check_netlist(family, depthwise_network(4), plan, tmp_path)


@pytest.mark.parametrize(
    ("family", "channels"), [(FITTED[0], 2), *(pytest.param(f, 4, marks=pytest.mark.long) for f in FITTED)]
)
def test_wired_layers_are_right_once_mapped(family: str, channels: int, tmp_path: Path) -> None:
    """Layers that share sums, of which one has other offsets at the edges of its map."""
    if missing := compiler_missing():
        pytest.skip(missing)
    network = depthwise_network(channels)
    check_netlist(family, network, plan_from_foldings(network, "wired", popcount=Popcount.of(family, 1)), tmp_path)


@pytest.mark.parametrize("family", [FITTED[0], *(pytest.param(f, marks=pytest.mark.long) for f in FITTED[1:])])
def test_wired_layers_that_take_bits_in_steps_are_right_once_mapped(family: str, tmp_path: Path) -> None:
    if missing := compiler_missing():
        pytest.skip(missing)
    network, popcount = network_of_bits(), Popcount(style=STYLE[family], levels_per_stage=1)
    plan = plan_from_foldings(network, "wired/3,wired/2,wired/2", popcount=popcount)
    check_netlist(family, network, plan, tmp_path)


@pytest.mark.parametrize("family", [FITTED[0], *(pytest.param(f, marks=pytest.mark.long) for f in FITTED[1:])])
def test_a_chain_of_wired_layers_is_right_once_mapped(family: str, tmp_path: Path) -> None:
    if missing := compiler_missing():
        pytest.skip(missing)
    network = dense_network(14, 9, 6, 3)
    plan = plan_from_foldings(network, "wired", popcount=Popcount.of(family, 1))
    assert lower(network, plan).links
    check_netlist(family, network, plan, tmp_path)


# Of the block RAM that is only read, there are models of these two.
@pytest.mark.parametrize("family", ["ecp5", "ice40"])
def test_presets_beside_weights_are_right_once_mapped(family: str, tmp_path: Path) -> None:
    if missing := compiler_missing():
        pytest.skip(missing)
    network = dense_network(40, 18, 3)
    foldings = (Folding(pe=2, simd=10, memory="block"), Folding(pe=3, simd=6))
    plan = Plan(foldings=foldings, popcount=Popcount(style=STYLE[family], levels_per_stage=1))
    assert next(block for block in lower(network, plan).blocks if isinstance(block, MatVecSpec)).riding_bits
    check_netlist(family, network, plan, tmp_path)


def check_netlist(family: str, network: Network, plan: Plan, tmp_path: Path) -> None:
    """Compare a mapped accelerator with its model in every cycle, with stalls on both sides."""
    build = write_design(network, plan, tmp_path / "build")
    synthesise(build, family, netlist=tmp_path / "netlist.v")
    models = tmp_path / "models.v"
    models.write_text(cell_models(family, (tmp_path / "netlist.v").read_text()))
    design = compile_design(tmp_path / "netlist.v", top="net", verilog=[models], optimise=0)
    rng = np.random.default_rng(5)
    frames = rng.integers(0, network.input.format.codes, (30, network.input.size))
    i_stalls, o_stalls = rng.random(2000) < 0.3, rng.random(2000) < 0.4
    expected = expected_trace(network, build.pipeline, frames, i_stalls=i_stalls, o_stalls=o_stalls, drain=20)
    beats = pack(frames, build.pipeline.input)
    design.run(beats, expected=outside(expected), i_stalls=i_stalls, o_stalls=o_stalls, drain=20)


def test_a_cell_that_nobody_counts_is_told() -> None:
    assert sum(flows.classify("gowin", {"GND": 1, "$scopeinfo": 9, "LUT4": 2}).values()) == 2
    with pytest.raises(ToolError) as error:
        flows.classify("ecp5", {"LUT4": 1, "EHXPLLL": 1})
    assert str(error.value) == "Yosys used a cell of ecp5 that reports cannot count: EHXPLLL."


@pytest.mark.parametrize(
    ("family", "cells", "sites"),
    [
        ("ecp5", {"LUT4": 5, "CCU2C": 2, "TRELLIS_DPR16X4": 3}, 5 + 4 + 12),
        ("gowin", {"LUT4": 5, "ALU": 2, "RAM16SDP4": 3, "RAM16SDP2": 1}, 5 + 2 + 12 + 2),
        ("xilinx", {"LUT6": 5, "RAM32M": 1, "RAM64M": 1, "RAM32X1D": 1, "SRL16E": 2, "SRLC32E": 1}, 5 + 8 + 2 + 3),
        ("ice40", {"SB_LUT4": 5}, 5),
    ],
)
def test_memory_in_luts_takes_lut_sites(family: str, cells: dict[str, int], sites: int) -> None:
    assert flows.sites(family, cells) == sites


def test_memory_in_luts_of_an_unknown_size_is_an_error() -> None:
    told = "Yosys used a LUT RAM of xilinx whose size reports do not know: RAM32X16DR8."
    with pytest.raises(ToolError, match=f"^{re.escape(told)}$"):
        flows.sites("xilinx", {"RAM32X16DR8": 1})
