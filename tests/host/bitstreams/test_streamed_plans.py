"""Plans for boards with streamed weights: from the memory of ULX3S, and refused where there is none."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from math import ceil
from pathlib import Path

import bitweir
import pytest
from bitweir.bitstreams.bitstream import board_rtlil, identity_of
from bitweir.board_memory import board_reader_spec, least_bandwidth, memory_on_board, timing_on_board
from bitweir.cli import main
from bitweir.design import Design
from bitweir.planning import PlanRequest, choose
from bitweir.planning.limits import MEMORY_SITES, STREAM_SITES, board_limits
from bitweir.synthesis.nextpnr import constraints
from bitweir.target import Target
from bitweir_hw.boards import BOARDS
from bitweir_hw.boards.pll import highest
from bitweir_hw.boards.sdram_clock import HIGHEST
from bitweir_hw.errors import PlanError
from bitweir_hw.files import save_network
from bitweir_hw.lower import lower
from bitweir_sim.time.cycles import schedule, steady_state
from bitweir_sim.time.offchip import reader_supplies
from bitweir_sim.time.sdram import SdramPattern
from click.testing import CliRunner
from support.samples import dense_network

ULX3S = BOARDS["ulx3s_85f"]
FOLDING = "8x4:stream,4x2"
#: The same board with a seventh of the chip: small networks do not fit, and are planned in a few seconds.
SMALL = replace(ULX3S, name="small", part=replace(ULX3S.part, name="small", luts=12_000, ffs=12_000, block_rams=24))


@pytest.mark.parametrize("goal", ["link", "fps"])
def test_weights_that_do_not_fit_come_from_the_memory(goal: str) -> None:
    assert SMALL.sdram
    network = dense_network(600, 600, 10)
    result = choose(network, PlanRequest(board=SMALL, goal=goal))
    search = result.search
    assert search and search.streamed == ("dense0",) and search.weight_bytes == 600 * 600 / 8
    # The accelerator has the clock of the memory, which binds.
    assert search.expected_clock <= HIGHEST
    bandwidth = least_bandwidth(SMALL.sdram, HIGHEST) * search.expected_clock / HIGHEST
    assert search.weight_bandwidth == pytest.approx(bandwidth)
    assert search.cycles >= ceil(search.weight_bytes * search.expected_clock / bandwidth)
    whole = board_limits(network, SMALL)
    assert search.available_sites == int(whole.sites) - MEMORY_SITES - STREAM_SITES
    assert search.available_block_rams == whole.block_rams - 1


def test_weights_that_fit_stay_on_the_chip() -> None:
    network = dense_network(256, 64, 10)
    with_memory = choose(network, PlanRequest(board="ulx3s_85f", goal="fps"))
    assert with_memory.search and not with_memory.search.streamed and with_memory.search.weight_bandwidth is None
    assert with_memory.search.available_sites == int(board_limits(network, ULX3S).sites)


@pytest.mark.parametrize("board", ["icebreaker", "tangnano9k"])
def test_boards_without_a_memory_refuse(board: str) -> None:
    title = BOARDS[board].title
    with pytest.raises(PlanError) as told:
        choose(dense_network(1024, 1024, 10), PlanRequest(board=board))
    assert "but needs at least" in str(told.value) and "stream" not in str(told.value)
    assert str(told.value).endswith(
        "block RAMs: take a board with more, or one with a memory for weights that do not fit, which "
        f"{title} has not: ulx3s_85f."
    )
    with pytest.raises(PlanError) as told:
        choose(dense_network(48, 16, 5), PlanRequest(board=board, folding=FOLDING))
    assert str(told.value) == (
        f"Weights of layer 'dense0' must not come over a stream: the {title} board has no memory to read them from; "
        "fold the layer without :stream, or take another board: ulx3s_85f."
    )


@pytest.mark.parametrize(
    ("wishes", "told"),
    [
        ({"goal": "fps"}, "A folding excludes a frame rate and a goal"),
        ({"fps": 100.0}, "A folding excludes a frame rate and a goal"),
        ({"reserve_luts": 5}, "A reserve is for plans that are searched for"),
        ({"part": "ecp5-85k"}, "A board determines the part"),
        ({"weights": "ram"}, "must not come over a stream where parameters are loaded"),
    ],
)
def test_wishes_that_exclude_each_other(wishes: dict[str, str | float], told: str) -> None:
    with pytest.raises(PlanError, match=told):
        choose(dense_network(48, 16, 5), PlanRequest(board="ulx3s_85f", folding=FOLDING, **wishes))


def test_a_design_for_the_board() -> None:
    network = dense_network(48, 16, 5)
    plan = choose(network, PlanRequest(board="ulx3s_85f", folding=FOLDING)).plan
    design = Design(network=network, plan=plan, target=Target.of_board(ULX3S, clock=150e6, streamed=True))
    assert design.target.clock == HIGHEST
    pll = highest("ecp5", ULX3S.oscillator, 100e6)
    text = board_rtlil(design, ULX3S, pll)
    top = text.split("module \\top\n")[1].split("\nend\n")[0]
    ports = set(re.findall(r" (?:input|output|inout) \d+ +\\(\w+)$", top, re.MULTILINE))
    assert ports == set(ULX3S.all_pins(sdram=True))
    located = set(re.findall(r'LOCATE COMP "(\w+)"', constraints(ULX3S, sdram=True)))
    assert located == ports
    # What is not streamed leaves the pins alone.
    assert "sdram" not in constraints(ULX3S)
    # Frames take what the memory allows at least.
    identity = identity_of(design, ULX3S, 100_000_000)
    memory = memory_on_board(design.pipeline, ULX3S, 100_000_000)
    assert memory and identity.weights and identity.cycles >= 48 * 16 / 8 / memory.sdram.least_rate * 100e6
    inside = Design(network=network, plan=choose(network, PlanRequest(board="ulx3s_85f", folding="8x4,4x2")).plan)
    assert inside.timing.interval == design.timing.interval and not identity_of(inside, ULX3S, 10**8).weights


def test_on_the_command_line(tmp_path: Path) -> None:
    save_network(dense_network(48, 16, 5), tmp_path / "net.npz")

    def run(*words: str, code: int = 0) -> str:
        done = CliRunner().invoke(main, ["generate", str(tmp_path / "net.npz"), "-o", str(tmp_path / "out"), *words])
        assert done.exit_code == code, done.output
        return done.stdout if not code else done.stderr

    told = json.loads(run("--board", "ulx3s_85f", "--folding", FOLDING, "--json"))
    memory = told["report"]["weight_memory"]
    assert ULX3S.sdram
    assert 0 < 1e6 * memory["megabytes_per_second"] <= least_bandwidth(ULX3S.sdram, HIGHEST) * 1.001
    described = json.loads((tmp_path / "out" / "weights.json").read_text())
    assert (described["beat_bytes"], described["burst_beats"]) == (2, 128)
    assert "On Radiona ULX3S-85F they come from its SDRAM." in (tmp_path / "out" / "README.md").read_text()
    assert "no memory to read them from" in run("--board", "icebreaker", "--folding", FOLDING, code=5)
    assert "--goal latency is for --part; with --board, name fps, or give --fps alone." in run(
        "--board", "ulx3s_85f", "--goal", "latency", code=2
    )


def test_more_layers_from_outside_leave_less() -> None:
    network = dense_network(48, 16, 5)
    assert lower(network, choose(network, PlanRequest(board="ulx3s_85f", folding=FOLDING)).plan).weight_streams
    limits = [board_limits(network, ULX3S, streamed=count) for count in range(3)]
    assert limits[0] == board_limits(network, ULX3S)
    assert limits[1].sites - limits[2].sites == STREAM_SITES and limits[0].sites - limits[1].sites > STREAM_SITES
    assert replace(limits[1], counted=None).block_rams == limits[0].block_rams - 1


@pytest.mark.parametrize("folding", ["48x24:stream,8x2", "32x12:stream,48x5:stream"])
def test_the_time_that_is_told_is_no_less_than_the_exact_one(folding: str) -> None:
    """The controller, the reader and the accelerator to the cycle, against the least that the memory gives."""
    network = dense_network(96, 48, 10)
    pipeline = lower(network, choose(network, PlanRequest(board="ulx3s_85f", folding=folding)).plan)
    memory = memory_on_board(pipeline, ULX3S, 100e6)
    assert memory
    sdram = replace(memory.sdram, part=replace(memory.sdram.part, power_up_us=1.0))
    supplies = reader_supplies(board_reader_spec(pipeline), SdramPattern(sdram))
    frames = 40
    beats = schedule(pipeline, frames, supplies=supplies)[len(pipeline.streams) - 1].reshape(frames, -1)
    # At the end of what the buffers hold, the memory binds.
    exact = (beats[-1, -1] - beats[frames // 2, -1]) / (frames - 1 - frames // 2)
    told = timing_on_board(pipeline, steady_state(pipeline), ULX3S, 100e6).interval
    assert steady_state(pipeline).interval < 0.5 * exact
    assert 0.85 * told <= exact <= told


def test_a_clock_that_the_memory_cannot_have_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"The clock of ulx3s-32mb must be about \d+ MHz or more"):
        bitweir.generate(
            dense_network(48, 16, 5), tmp_path / "out", board="ulx3s_85f", folding=FOLDING, clock=20e6
        )  # fmt: skip
    assert not (tmp_path / "out").exists()
