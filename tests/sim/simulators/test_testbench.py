"""The same design in every simulator: same traces, and each finds the planted bugs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from amaranth.back import rtlil
from bitweir_hw.errors import ToolError
from bitweir_hw.tools import run_yosys
from bitweir_sim.simulators import cocotb
from bitweir_sim.simulators.amaranth import run_amaranth
from bitweir_sim.simulators.cocotb import available, run_cocotb
from bitweir_sim.trace import Beats, SimulationError, Trace, check_trace, first_difference
from hypothesis import given
from hypothesis import strategies as st
from support.two_stages import TwoStages, model

RNG = np.random.default_rng(6)
BEATS = [int.from_bytes(RNG.bytes(8), "little") << 6 | 1 for _ in range(60)]
I_STALLS, O_STALLS = RNG.random(100) < 0.4, RNG.random(100) < 0.4
STALLS = [c in range(3, 10) for c in range(10)]
BUG_SENTENCES = {
    "drops": "The simulation differs: stream inner, beat 3, cycle 4: expected no beat before cycle 11, found 0x",
    "changes": "Stream o, beat 1, cycle 4: the payload must stay until the beat moves, but changed.",
    "late": "The simulation differs: stream o, beat 7, cycle 16: expected 0x",
}


def needs(simulator: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(available(simulator) is not None, reason=str(available(simulator)))


def verilog(folder: Path, bug: str | None = None) -> Path:
    (folder / "in.il").write_text(rtlil.convert(TwoStages(bug=bug), name="two_stages", emit_src=False))
    run_yosys("read_rtlil in.il\nwrite_verilog -noattr two_stages.v\n", folder)
    return folder / "two_stages.v"


bits = st.lists(st.booleans(), max_size=40)


@given(st.lists(st.integers(0, 2**70 - 1), max_size=12), bits, bits)
def test_amaranth_moves_every_beat_in_the_cycle_of_the_model(
    beats: list[int], i_stalls: list[bool], o_stalls: list[bool]
) -> None:
    wanted = model(beats, i_stalls, o_stalls, drain=4)
    found = run_amaranth(TwoStages(), beats, expected=wanted, i_stalls=i_stalls, o_stalls=o_stalls, drain=4)
    check_trace(wanted, found)
    assert found.cycles_run == wanted.cycles_run


def run(simulator: str, source: Path, **settings: object) -> Trace:
    return run_cocotb(
        [source],
        top="two_stages",
        simulator=simulator,
        beats=BEATS,
        i_bits=70,
        drain=4,
        **settings,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("simulator", [pytest.param(name, marks=needs(name)) for name in cocotb.SIMULATORS])
def test_cocotb_moves_every_beat_in_the_cycle_of_the_model(simulator: str, tmp_path: Path) -> None:
    wanted = model(BEATS, list(I_STALLS), list(O_STALLS), drain=4)
    found = run(simulator, verilog(tmp_path), expected=wanted, i_stalls=I_STALLS, o_stalls=O_STALLS)
    check_trace(wanted, found)
    assert found.cycles_run == wanted.cycles_run
    assert list(found.streams) == ["i", "o", "inner"]


@pytest.mark.parametrize("bug", BUG_SENTENCES)
def test_amaranth_finds_a_planted_bug(bug: str) -> None:
    with pytest.raises(SimulationError) as failure:
        run_amaranth(TwoStages(bug=bug), BEATS, expected=model(BEATS, [], STALLS), o_stalls=STALLS)
    assert str(failure.value).startswith(BUG_SENTENCES[bug])
    assert failure.value.trace is not None


@needs("icarus")
@pytest.mark.parametrize("bug", BUG_SENTENCES)
def test_icarus_finds_a_planted_bug(bug: str, tmp_path: Path) -> None:
    with pytest.raises(SimulationError) as failure:
        run("icarus", verilog(tmp_path, bug), expected=model(BEATS, [], STALLS), o_stalls=STALLS)
    assert str(failure.value).startswith(BUG_SENTENCES[bug])


@needs("icarus")
def test_icarus_writes_waves_and_tells_what_is_left_over(tmp_path: Path) -> None:
    wanted = model(BEATS, [], []).before(20)
    with pytest.raises(SimulationError, match=r"stream i, beat 20, cycle 20: expected nothing left over, found 0x"):
        run("icarus", verilog(tmp_path), expected=wanted, waves=tmp_path / "waves.vcd")
    assert (tmp_path / "waves.vcd").stat().st_size > 500


def test_a_missing_simulator_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("cocotb")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ToolError) as failure:
        run("icarus", tmp_path / "any.v", max_cycles=10)
    assert str(failure.value) == "Icarus was not found: install it (Debian, Ubuntu: apt install iverilog)."


def trace(cycles: list[int], payloads: list[int]) -> Trace:
    return Trace({"o": Beats(np.array(cycles), np.array(payloads, np.uint64).reshape(-1, 1))}, 10)


@pytest.mark.parametrize(
    ("cycles", "payloads", "sentence"),
    [
        ([1, 2, 4], [5, 6, 7], None),
        ([1, 2, 4], [5, 9, 7], "stream o, beat 1, cycle 2: expected 0x6, found 0x9."),
        ([1, 3, 4], [5, 6, 7], "stream o, beat 1, cycle 2: expected 0x6, found no beat."),
        ([1, 2, 3], [5, 6, 7], "stream o, beat 2, cycle 3: expected no beat before cycle 4, found 0x7."),
        ([1, 2], [5, 6], "stream o, beat 2, cycle 4: expected 0x7, found no beat."),
        ([1, 2, 4, 5], [5, 6, 7, 8], "stream o, beat 3, cycle 5: expected nothing left over, found 0x8."),
    ],
)
def test_differences_in_words(cycles: list[int], payloads: list[int], sentence: str | None) -> None:
    difference = first_difference(trace([1, 2, 4], [5, 6, 7]), trace(cycles, payloads))
    assert (None if difference is None else str(difference)) == sentence
