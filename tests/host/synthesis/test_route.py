"""Place and route: the clock that is chosen, what is told, and the same bytes every time."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Module, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out
from bitweir.synthesis import flows, nextpnr, route
from bitweir.synthesis.nextpnr import (
    Routed,
    clock_constraints,
    constraints,
    hold_violations,
    in_parts,
    missing,
    placing,
)
from bitweir.synthesis.paths import LINK, longest_path
from bitweir.synthesis.results import PathEnd
from bitweir.synthesis.route import MARGIN, Routable, TimingError
from bitweir_hw.boards import BOARDS
from bitweir_hw.boards.pll import Pll, highest, settings
from bitweir_hw.boards.top import Top
from bitweir_hw.errors import ToolError
from bitweir_hw.lower import lower
from bitweir_hw.plan import plan_from_foldings
from bitweir_hw.tools import run_yosys
from bitweir_hw.wired import schedule
from support.samples import dense_network

BOARD = BOARDS["icebreaker"]
LAYERS = {"sum": "first", "delay": "second"}

needs_ice40 = pytest.mark.skipif(missing("ice40") is not None, reason=missing("ice40") or "")


class Block(wiring.Component):
    """Registers, and between two of them an adder."""

    def __init__(self, *, bits: int, adds: bool) -> None:
        self.bits, self.adds = bits, adds
        super().__init__({"i": In(bits), "o": Out(bits)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.sync += self.o.eq(self.o + self.i if self.adds else self.i)
        return m


class Accelerator(wiring.Component):
    def __init__(self, bits: int) -> None:
        self.bits = bits
        super().__init__({"i": In(bits), "o": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.sum = total = Block(bits=self.bits, adds=True)
        m.submodules.delay = delay = Block(bits=3, adds=False)
        m.d.comb += [total.i.eq(self.i), delay.i.eq(total.o[-3:]), self.o.eq(delay.o.xor())]
        return m


class Device(wiring.Component):
    """As the device of a board is built, but small."""

    def __init__(self, rams: int) -> None:
        self.rams = rams
        super().__init__({"rx": In(1), "tx": Out(1), "busy": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.accelerator = accelerator = Accelerator(24)
        shift = Signal(24)
        m.d.sync += [shift.eq((shift << 1) | self.rx), self.tx.eq(accelerator.o)]
        if self.rams:
            m.submodules.store = store = memory.Memory(shape=16 * self.rams, depth=256, init=[])
            write, read = store.write_port(), store.read_port()
            m.d.comb += [write.en.eq(1), write.addr.eq(shift[:8]), read.addr.eq(shift[8:16])]
            m.d.comb += write.data.eq(shift.replicate(self.rams))
            m.d.sync += self.tx.eq(accelerator.o ^ read.data.xor())
        m.d.comb += [accelerator.i.eq(shift), self.busy.eq(shift[-1])]
        return m


def design(board: Any = BOARD, rams: int = 0) -> Routable:
    def text(pll: Pll | None) -> str:
        told: str = rtlil.convert(Top(Device(rams), board=board, pll=pll), name="top", emit_src=False)
        return told

    return Routable(rtlil=text, layers=LAYERS)


# ---- routed


@pytest.fixture(scope="module")
def routed() -> route.Result:
    return route.route(design(), BOARD)


@needs_ice40
def test_the_clock_is_the_fastest_that_the_routed_design_reaches(routed: route.Result) -> None:
    told = routed.core
    assert routed.pll is not None and told.clock_mhz == float(routed.pll.clock) / 1e6
    assert told.fmax_mhz >= told.clock_mhz * (1 + MARGIN)
    clocks = [attempt.clock_mhz for attempt in told.attempts]
    assert clocks[0] == BOARD.first_clock / 1e6 and max(clocks) >= told.clock_mhz > clocks[0]
    assert told.link_clock_mhz == 12.0 and told.link_fmax_mhz >= 12.0 * (1 + MARGIN)
    assert 0 <= told.crossing_ns <= 3e3 / told.clock_mhz
    assert any(option.endswith(".sdc") for option in told.options)
    # Each clock that was tried follows from the Fmax before.
    for before, attempt in zip(told.attempts, told.attempts[1:], strict=False):
        pll = highest("up", BOARD.oscillator, before.fmax_mhz * 1e6 / (1 + MARGIN))
        assert pll is not None and attempt.clock_mhz == float(pll.clock) / 1e6


@needs_ice40
def test_the_path_is_told_by_block_and_adds_up(routed: route.Result) -> None:
    path = routed.core.path
    assert path.ns == pytest.approx(1e3 / routed.core.fmax_mhz, rel=1e-3)
    assert path.ns == pytest.approx(path.logic_ns + path.routing_ns, abs=2e-3)
    assert path.ns == pytest.approx(sum(step.ns for step in path.steps), abs=1e-2)
    # The adder is what takes longest.
    assert path.end.block == "sum" and path.end.layer == "first"
    assert re.fullmatch(r"o\[\d+\]", path.end.register)
    assert {step.block for step in path.steps} <= {"sum", LINK}


@needs_ice40
def test_blocks_and_cells_are_counted(routed: route.Result) -> None:
    blocks = routed.core.blocks
    assert list(blocks) == [*LAYERS, LINK]
    assert (blocks["sum"].ff, blocks["delay"].ff) == (24, 3)
    used = routed.core.utilisation["ICESTORM_LC"]
    assert used.available == BOARD.part.luts
    # A logic cell has a LUT and a flip-flop.
    assert max(sum(getattr(row, key) for row in blocks.values()) for key in ("ff", "sites")) <= used.used <= 2 * 70


@needs_ice40
def test_the_same_input_gives_the_same_bytes(routed: route.Result) -> None:
    again = route.route(design(), BOARD, seeds=1, jobs=1)
    assert again.bitstream == routed.bitstream and again.rtlil == routed.rtlil
    assert replace(again.core, seconds=routed.core.seconds) == routed.core


@needs_ice40
def test_a_clock_out_of_reach_is_told_with_the_path() -> None:
    with pytest.raises(TimingError) as error:
        route.route(design(), BOARD, clock=270e6, seeds=2)
    assert error.value.exit_code == 11
    logs = error.value.logs
    assert {f"seed{n}/nextpnr.{end}" for n in (1, 2) for end in ("log", "cmd")} | {"yosys.log", "yosys.ys"} <= set(logs)
    assert logs["seed2/nextpnr.cmd"].startswith(b"nextpnr-ice40 --up5k") and b"--seed 2" in logs["seed2/nextpnr.cmd"]
    assert re.fullmatch(
        r"The design reaches \d+\.\d\d MHz on 1BitSquared iCEBreaker, and a clock of 270\.00 MHz must stay 5% below\. "
        r"The longest path: \d+\.\d\d ns, \d+% of it wires, from \S+ of \S+( \(layer \w+\))? to o\[\d+\] of sum "
        r"\(layer first\)\. Try --seeds 4, --clock \d+(\.\d+)?, or --stage-levels 1\.",
        str(error.value),
    )


@needs_ice40
def test_a_design_that_does_not_fit_is_told() -> None:
    with pytest.raises(ToolError, match=r"^nextpnr-ice40 failed: .*[^.]\.$") as error:
        route.route(design(rams=31), BOARD)
    assert b"exit code" in error.value.logs["seed1/nextpnr-ice40-output.log"]


def derived(board_name: str, folder: Path) -> tuple[float, float]:
    """The clock that a PLL is to make, and what nextpnr makes of the cell's parameters; in MHz."""
    board = BOARDS[board_name]
    if told := missing(board.family):
        pytest.skip(told)
    pll = board.fastest(board.first_clock * 1.013)
    assert pll is not None
    (folder / "design.il").write_text(design(board=board).rtlil(pll))
    run_yosys(f"read_rtlil design.il\nsynth_{board.family} -top top -json netlist.json\n", folder)
    told = constraints(board) + {
        "ecp5": f'FREQUENCY PORT "clk" {board.oscillator / 1e6} MHZ;\n',
        "ice40": f"set_frequency clk {board.oscillator / 1e6}\n",
    }[board.family]  # fmt: skip
    (folder / nextpnr.CONSTRAINTS[board.family]).write_text(told)
    tool = nextpnr.NEXTPNR[board.family]
    done = tool.run([*nextpnr.device(board), "--json", "netlist.json", "--pack-only"], folder)
    assert done.returncode == 0
    found = re.findall(r"Derived frequency constraint of ([\d.]+) MHz for net \S*clk", done.stderr)
    # On iCE40 the PLL makes the oscillator's clock, too.
    return float(pll.clock) / 1e6, max(map(float, found))


@pytest.mark.parametrize("board", ["icebreaker", "hx8k_breakout", pytest.param("ulx3s_85f", marks=pytest.mark.long)])
def test_nextpnr_derives_the_clock_from_the_parameters_of_the_pll(board: str, tmp_path: Path) -> None:
    wanted, found = derived(board, tmp_path)
    # nextpnr rounds periods to picoseconds.
    assert found == pytest.approx(wanted, rel=2e-3)


@pytest.mark.long
@pytest.mark.parametrize("name", ["ulx3s_85f", "tangnano9k"])
def test_other_families_route_to_the_same_bytes(name: str) -> None:
    board = BOARDS[name]
    if told := missing(board.family):
        pytest.skip(told)
    first, second = (route.route(design(board=board), board, clock=board.first_clock) for _ in range(2))
    assert first.bitstream == second.bitstream
    assert first.core.fmax_mhz >= first.core.clock_mhz * (1 + MARGIN)
    assert (first.core.blocks["sum"].ff, first.core.blocks["delay"].ff) == (24, 3)


def test_memories_of_gowin_are_of_a_kind_whose_timing_is_known(tmp_path: Path) -> None:
    board = BOARDS["tangnano9k"]
    (tmp_path / "design.il").write_text(design(board=board, rams=1).rtlil(None))
    run_yosys(flows.script("gowin", top="top"), tmp_path)
    cells = json.loads((tmp_path / "stat.json").read_text())["design"]["num_cells_by_type"]
    assert {kind for kind in cells if kind.startswith(("SDP", "DP", "SP", "RAM"))} == {"SDPX9B"}


# ---- the choice of a clock, with a router that is made up

STEP = {"type": "clk-to-q", "delay": 5.0, "from": {"cell": "device.a"}, "to": {"cell": "device.a"}}


def made_up(
    fmax: Callable[[float, int], float],
    monkeypatch: pytest.MonkeyPatch,
    *,
    hold: tuple[int, ...] = (),
    link: Callable[[int], float] = lambda seed: 40.0,
    crossing: Callable[[int], float] = lambda seed: 5.0,
) -> None:
    """Let Fmax, in MHz, be a function of the clock that nextpnr is given, and of the seed.

    `link` is the Fmax of the link's clock, and `crossing` the ns of the longest path to the accelerator's, by seed.
    """

    def place(
        board: Any,
        folder: Path,
        *,
        netlist: str,
        clock: float,
        link_clock: float | None,
        seed: int,
        sdram: Any,
        in_parts: bool,
        told: Any,
    ) -> Routed:
        assert link_clock in (None, BOARD.oscillator * (1 + MARGIN))
        early = ["device.a.D"] if seed in hold else []
        reached = fmax(clock / (1 + MARGIN) / 1e6, seed) * 1e6
        return Routed(
            fmax=reached, path=[STEP], link_fmax=link(seed) * 1e6, link_path=[STEP], crossing=crossing(seed) * 1e-9,
            utilisation={}, hold=early, options=[f"{seed}"],
        )  # fmt: skip

    monkeypatch.setattr(route, "place_and_route", place)
    monkeypatch.setattr(route, "_synthesise", lambda *_: ({}, {}))
    monkeypatch.setattr(route, "pack", lambda _, folder: folder.name.encode())


#: Of which these tests know the first clock.
FAKE_BOARD = replace(BOARD, first_clock=24_000_000)
FAKE = Routable(rtlil=lambda pll: str(pll and pll.clock), layers={})


def clocks(result: route.Result) -> list[float]:
    return [attempt.clock_mhz for attempt in result.core.attempts]


def test_a_slower_clock_is_tried_where_one_is_not_met(monkeypatch: pytest.MonkeyPatch) -> None:
    made_up(lambda clock, seed: 22 if clock > 21 else 21.5, monkeypatch)
    result = route.route(FAKE, FAKE_BOARD)
    # 22 / 1.05 = 20.95, of which the PLL makes 20.625, where 21.5 are not enough; 21.5 / 1.05 = 20.48.
    assert clocks(result) == [24.0, 20.625, 20.25]
    assert result.core.clock_mhz == 20.25 and result.rtlil == "20250000"


def test_a_faster_clock_is_tried_and_the_best_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    made_up(lambda clock, seed: 40 if clock < 30 else 33, monkeypatch)
    result = route.route(FAKE, FAKE_BOARD)
    # 40 / 1.05 = 38.1; there 33 are reached, so 31.4; there 33 are reached again.
    assert clocks(result) == [24.0, 37.5, 31.125]
    assert result.core.clock_mhz == 31.125


def test_what_was_met_is_kept_if_nothing_faster_is(monkeypatch: pytest.MonkeyPatch) -> None:
    made_up(lambda clock, seed: 40 if clock < 30 else 25, monkeypatch)
    result = route.route(FAKE, FAKE_BOARD)
    assert clocks(result) == [24.0, 37.5]
    assert result.core.clock_mhz == 24.0


def test_what_was_met_is_kept_if_no_clock_is_slow_enough_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    made_up(lambda clock, seed: 40 if clock < 30 else 11, monkeypatch)
    assert route.route(FAKE, FAKE_BOARD).core.clock_mhz == 24.0


def test_the_best_seed_counts_and_the_lowest_of_equals(monkeypatch: pytest.MonkeyPatch) -> None:
    made_up(lambda clock, seed: {1: 25.0, 2: 26.0, 3: 26.0}[seed], monkeypatch)
    result = route.route(FAKE, FAKE_BOARD, clock=24e6, seeds=3)
    assert (result.core.seed, result.bitstream, result.core.seeds) == (2, b"seed2", 3)
    assert result.core.fmax_mhz == 26.0


def test_a_seed_whose_data_comes_too_early_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    made_up(lambda clock, seed: 30.0 + seed, monkeypatch, hold=(2, 3))
    assert route.route(FAKE, FAKE_BOARD, clock=24e6, seeds=3).core.seed == 1
    made_up(lambda clock, seed: 30.0, monkeypatch, hold=(1, 2))
    told = "Hold time is violated at device.a.D as routed on 1BitSquared iCEBreaker: try --seeds 4."
    with pytest.raises(TimingError, match=f"^{re.escape(told)}$"):
        route.route(FAKE, FAKE_BOARD, clock=24e6, seeds=2)


def test_a_design_too_slow_for_any_clock_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    made_up(lambda clock, seed: 12.4, monkeypatch)
    with pytest.raises(TimingError) as error:
        route.route(FAKE, FAKE_BOARD)
    assert str(error.value) == (
        "The design reaches 12.40 MHz on 1BitSquared iCEBreaker, and a clock of 24.00 MHz must stay 5% below. "
        "The longest path: 5.00 ns, 0% of it wires, from device.a of link to device.a of link. "
        "Try --seeds 2, --clock 11.8, or --stage-levels 1. "
        "The slowest clock that SB_PLL40_2_PAD makes of 12 MHz is 12 MHz; 11.81 MHz cannot be had."
    )


def test_the_oscillator_is_a_clock_too(monkeypatch: pytest.MonkeyPatch) -> None:
    made_up(lambda clock, seed: 15.0, monkeypatch)
    result = route.route(FAKE, FAKE_BOARD)
    assert (result.pll, result.core.pll, result.core.clock_mhz, result.rtlil) == (None, None, 12.0, "None")


def test_nothing_is_tried_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    # Always a little less than what is needed.
    made_up(lambda clock, seed: clock, monkeypatch)
    with pytest.raises(TimingError, match=r"^The design reaches 20\.\d\d MHz"):
        route.route(FAKE, FAKE_BOARD)


# ---- texts


def test_constraints_are_those_of_the_tools() -> None:
    for board in BOARDS.values():
        lines = constraints(board).splitlines()
        assert all(any(f"{port}" in line and pin.place in line for line in lines) for port, pin in board.pins.items())
    assert constraints(BOARDS["icebreaker"]) == (
        "set_io clk 35\nset_io -pullup yes rx 6\nset_io tx 9\nset_io led 37\nset_io activity 11\n"
        "set_io -pullup yes button 10\n"
    )
    assert 'LOCATE COMP "rx" SITE "M1";\nIOBUF PORT "rx" IO_TYPE=LVCMOS33 PULLMODE=UP;\n' in constraints(
        BOARDS["ulx3s_85f"]
    )
    assert 'IO_LOC "button" 3;\nIO_PORT "button" IO_TYPE=LVCMOS18 PULL_MODE=UP;\n' in constraints(BOARDS["tangnano9k"])


def test_hold_violations_are_found_in_a_log() -> None:
    log = """\
Info: Critical path report for clock 'posedge clk':
Info:                          Sink wrong.D
Info: 2 Hold/min time violations (showing 10 worst paths):

ERROR: Hold/min time violation for clock 'posedge clk':
Info:       type curr  total name
Info:   clk-skew -1.19 -1.19 Net clk (3,7) -> (4,6)
Info:                          Sink early.CLK
Info:   clk-to-q  0.54 -0.65 Source a.O
Info:    routing  0.59 -0.06 Net b (3,7) -> (4,6)
Info:                          Sink early.I0
Info:       hold  0.00 -0.06 Source early.I0

ERROR: Hold/min time violation for clock 'posedge clk':
Info:    routing  0.59 -0.06 Net b (3,7) -> (4,6)
Info:                          Sink also.I3
"""
    assert hold_violations(log) == ["early.I0", "also.I3"]
    assert hold_violations("Info: nothing\n") == []


def test_paths_are_told_in_the_words_of_the_pipeline() -> None:
    def step(kind: str, delay: float, source: str, sink: str) -> dict[str, Any]:
        return {"type": kind, "delay": delay, "from": {"cell": source}, "to": {"cell": sink}}

    path = longest_path(
        [
            step("clk-to-q", 1.0, "$flatten\\device.accelerator.sum.$abc$7$lut_LC", "x"),
            step("routing", 3.0, "x", "$nextpnr_ICESTORM_LC_1"),
            step("setup", 0.5, "$nextpnr_ICESTORM_LC_1", "device.link.state[1]\\TRELLIS_FF"),
        ],
        LAYERS,
        {"$flatten\\device.accelerator.sum.$abc$7$lut_LC": "device.accelerator.sum.o[9]\\SB_DFFESR"},
    )
    assert path.start == PathEnd(block="sum", layer="first", register="o[9]")
    assert path.end == PathEnd(block=LINK, layer=None, register="device.link.state[1]")
    assert (path.ns, path.logic_ns, path.routing_ns) == (4.5, 1.5, 3.0)
    assert str(path) == ("4.50 ns, 67% of it wires, from o[9] of sum (layer first) to device.link.state[1] of link")


def test_steps_without_a_name_belong_to_the_block_before() -> None:
    def step(sink: str) -> dict[str, Any]:
        return {"type": "logic", "delay": 1.0, "from": {"cell": "device.accelerator.sum.a"}, "to": {"cell": sink}}

    cells = [
        "device.accelerator.sum.a", "$nextpnr_LC_1", "$flatten\\device.accelerator.delay.$abc$1", "$nextpnr_LC_2",
        "$abc$9", "device.accelerator.other.b",
    ]  # fmt: skip
    path = longest_path([step(cell) for cell in cells], LAYERS)
    assert [step.block for step in path.steps] == ["sum", "sum", "delay", "delay", LINK, LINK]


def test_missing_tools_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = replace(nextpnr.NEXTPNR["ice40"], package="yowasp-nextpnr-missing")
    monkeypatch.setitem(nextpnr.NEXTPNR, "ice40", gone)
    told = "nextpnr-ice40 is not installed: install it with pip install 'bitweir[pnr]'."
    assert missing("ice40") == told
    with pytest.raises(ToolError, match=f"^{re.escape(told)}$"):
        route.route(design(), BOARD)
    monkeypatch.setattr(nextpnr, "find_spec", lambda _: None)
    assert missing("gowin") == "gowin_pack is not installed: install it with pip install 'bitweir[pnr]'."


def test_every_clock_of_a_board_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    made_up(lambda clock, seed: 500.0, monkeypatch)
    for pll in settings("up", BOARD.oscillator)[::20]:
        if pll.clock > BOARD.oscillator:
            assert route.route(FAKE, FAKE_BOARD, clock=float(pll.clock)).core.clock_mhz == float(pll.clock) / 1e6


def test_a_seed_whose_link_is_too_slow_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    # 12 MHz must stay 5 % below.
    made_up(lambda clock, seed: 30.0 + seed, monkeypatch, link=lambda seed: 12.7 if seed == 2 else 12.5)
    told = route.route(FAKE, FAKE_BOARD, clock=24e6, seeds=3).core
    assert (told.seed, told.fmax_mhz, told.link_clock_mhz, told.link_fmax_mhz) == (2, 32.0, 12.0, 12.7)
    made_up(lambda clock, seed: 30.0, monkeypatch, link=lambda seed: 12.5)
    message = (
        "The link reaches 12.50 MHz on 1BitSquared iCEBreaker, and its clock of 12.00 MHz must stay 5% below. The "
        "longest path: 5.00 ns, 0% of it wires, from device.a of link to device.a of link. Try --seeds 2."
    )
    with pytest.raises(TimingError, match=f"^{re.escape(message)}$"):
        route.route(FAKE, FAKE_BOARD, clock=24e6)


def test_beats_must_cross_within_three_cycles(monkeypatch: pytest.MonkeyPatch) -> None:
    # Three cycles of 24 MHz are 125 ns, less 5 %.
    made_up(lambda clock, seed: 30.0 - seed, monkeypatch, crossing=lambda seed: 119.5 - seed)
    told = route.route(FAKE, FAKE_BOARD, clock=24e6, seeds=2).core
    assert (told.seed, told.crossing_ns) == (1, 118.5)
    made_up(lambda clock, seed: 30.0, monkeypatch, crossing=lambda seed: 119.5)
    message = (
        "Beats need 119.50 ns from the link to the accelerator on 1BitSquared iCEBreaker, and 3 cycles of 24.00 MHz "
        "must be 5% longer. Try --seeds 2."
    )
    with pytest.raises(TimingError, match=f"^{re.escape(message)}$"):
        route.route(FAKE, FAKE_BOARD, clock=24e6)


def test_without_a_pll_there_is_one_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    made_up(lambda clock, seed: 13.0, monkeypatch)
    told = route.route(FAKE, FAKE_BOARD, clock=12e6).core
    assert (told.clock_mhz, told.link_clock_mhz, told.pll) == (12.0, 12.0, None)
    assert clock_constraints(12e6, None) == (
        "create_clock -period 83.333333 -name accelerator_clk [get_nets accelerator_clk]\n"
    )


def test_wired_layers_in_parts_are_placed_in_their_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    assert placing("ecp5", in_parts=False) == ["--placer", "static"]
    assert "router2" in placing("ecp5", in_parts=True)
    for family in ("ice40", "gowin"):
        assert placing(family, in_parts=True) == placing(family, in_parts=False)
    network = dense_network(24, 20, 10)
    pipeline = lower(network, plan_from_foldings(network, "wired"))
    assert not in_parts(pipeline)
    monkeypatch.setattr(schedule, "PART", 50)
    assert in_parts(lower(network, plan_from_foldings(network, "wired")))
