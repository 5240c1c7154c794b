"""Registers that block RAM takes over: the netlist stays right in every cycle, and what is no such register stays."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bitweir.design import write_design
from bitweir.synthesis.measure import synthesise
from bitweir.synthesis.output_registers import absorb_registers
from bitweir_hw.network import Network
from bitweir_hw.plan import Folding, Plan
from bitweir_hw.popcount import STYLE, Popcount
from bitweir_hw.resources.memories import OUTPUT_REGISTERS
from bitweir_sim.simulators.compiled import compile_design, compiler_missing
from bitweir_sim.trace import Trace
from bitweir_sim.values.frames import pack
from bitweir_sim.verify import expected_trace
from support.cellmodels import cell_models
from support.samples import dense_network
from support.small_blocks import small_block_rams


@pytest.mark.parametrize(
    ("banks", "family"),
    [
        *((False, family) for family in OUTPUT_REGISTERS),
        (True, "ecp5"),
        # Half a minute of CPU.
        pytest.param(True, "xilinx", marks=pytest.mark.long),
    ],
)
def test_a_netlist_with_output_registers_is_right_in_every_cycle(family: str, banks: bool, tmp_path: Path) -> None:
    if missing := compiler_missing():
        pytest.skip(missing)
    if banks:
        # Small memories of several banks, also those that are written.
        with small_block_rams():
            check(family, dense_network(20, 9, 4), ((2, 4), (3, 4)), tmp_path)
    else:
        # Memories with words of 36 bits (on Xilinx of 72) and of 4.
        check(family, dense_network(40, 100, 4), ((2, 2), (4, 20)), tmp_path)


def check(family: str, network: Network, foldings: tuple[tuple[int, int], ...], tmp_path: Path) -> None:
    """Compare a mapped netlist in which block RAM holds registers with the model in every cycle."""
    plan = Plan(
        foldings=tuple(Folding(pe=pe, simd=simd, memory="block") for pe, simd in foldings),
        popcount=Popcount(style=STYLE[family], levels_per_stage=1),
    )
    build = write_design(network, plan, tmp_path / "build")
    measured = synthesise(build, family, netlist=tmp_path / "netlist.v")
    text = (tmp_path / "netlist.v").read_text()
    assert {"ecp5": '"OUTREG"', "xilinx": "_REG(32'd1)"}[family] in text
    assert measured.total.ff == len(re.findall(r"^  (TRELLIS_FF|FD[RS]E) ", text, re.MULTILINE))

    (tmp_path / "models.v").write_text(cell_models(family, text))
    rng = np.random.default_rng(5)
    frames = rng.integers(0, 2, (5, network.input.size))
    i_stalls, o_stalls = rng.random(2000) < 0.3, rng.random(2000) < 0.4
    expected = expected_trace(network, build.pipeline, frames, i_stalls=i_stalls, o_stalls=o_stalls, drain=20)
    outside = Trace({name: expected.streams[name] for name in "io"}, expected.cycles_run)
    beats = pack(frames, build.pipeline.input)

    design = compile_design(tmp_path / "netlist.v", top="net", verilog=[tmp_path / "models.v"], optimise=0)
    design.run(beats, expected=outside, i_stalls=i_stalls, o_stalls=o_stalls, drain=20)


def small() -> dict[str, Any]:
    """A block RAM that reads at both ports, and a register behind each of the bits that are used."""
    memory = {
        "type": "DP16KD",
        "parameters": {"DATA_WIDTH_A": f"{18:032b}", "DATA_WIDTH_B": f"{18:032b}", "REGMODE_A": "NOREG"},
        "port_directions": {"DOA0": "output", "DOA1": "output", "DOB0": "output", "CLKA": "input", "CLKB": "input"},
        "connections": {"DOA0": [10], "DOA1": [11], "DOB0": [12], "CLKA": [2], "CLKB": [2]},
    }
    return {
        "ports": {"clk": {"bits": [2]}, "q": {"bits": [20, 21, 22]}},
        "cells": {"memory": memory} | {f"ff{n}": register(10 + n, 20 + n) for n in range(3)},
    }


def register(di: int, q: int) -> dict[str, Any]:
    return {
        "type": "TRELLIS_FF",
        "parameters": {"CEMUX": "1 ", "CLKMUX": "CLK", "LSRMUX": "LSR", "REGSET": "RESET"},
        "port_directions": {"CLK": "input", "DI": "input", "LSR": "input", "Q": "output"},
        "connections": {"CLK": [2], "DI": [di], "LSR": ["0"], "Q": [q]},
    }


def test_each_port_takes_its_registers() -> None:
    module = small()
    assert len(absorb_registers(module)) == 3
    (name,) = module["cells"]
    memory = module["cells"][name]
    assert {pin: memory["connections"][pin] for pin in ("DOA0", "DOA1", "DOB0", "OCEA", "OCEB")} == {
        "DOA0": [20],
        "DOA1": [21],
        "DOB0": [22],
        "OCEA": ["1"],
        "OCEB": ["1"],
    }
    assert memory["parameters"]["REGMODE_A"] == memory["parameters"]["REGMODE_B"] == "OUTREG"
    # Nothing is done twice.
    module["cells"] |= {"again": register(20, 30)}
    assert len(absorb_registers(module)) == 0


def enable(module: dict[str, Any]) -> None:
    module["cells"]["ff1"]["parameters"]["CEMUX"] = "CE"


def reset(module: dict[str, Any]) -> None:
    module["cells"]["ff1"]["connections"]["LSR"] = [3]


def starts_at_1(module: dict[str, Any]) -> None:
    module["cells"]["ff1"]["parameters"]["REGSET"] = "SET"


def other_clock(module: dict[str, Any]) -> None:
    module["cells"]["ff1"]["connections"]["CLK"] = [3]


def falling_edge(module: dict[str, Any]) -> None:
    module["cells"]["ff1"]["parameters"]["CLKMUX"] = "INV"


def second_reader(module: dict[str, Any]) -> None:
    module["cells"]["ff3"] = register(11, 23)


def no_register(module: dict[str, Any]) -> None:
    module["cells"]["ff1"]["type"] = "LUT4"


def enable_of_a_register(module: dict[str, Any]) -> None:
    module["cells"]["ff2"]["connections"] |= {"CE": [11]}
    module["cells"]["ff2"]["port_directions"] |= {"CE": "input"}


def port_of_the_module(module: dict[str, Any]) -> None:
    module["ports"]["q"]["bits"].append(11)


def reads_at_times(module: dict[str, Any]) -> None:
    module["cells"]["memory"]["connections"] |= {"CEA": [3]}
    module["cells"]["memory"]["port_directions"] |= {"CEA": "input"}


def memory_reset(module: dict[str, Any]) -> None:
    module["cells"]["memory"]["connections"] |= {"RSTA": [3]}
    module["cells"]["memory"]["port_directions"] |= {"RSTA": "input"}


def memory_of_the_other_edge(module: dict[str, Any]) -> None:
    module["cells"]["memory"]["parameters"]["CLKAMUX"] = "INV"


@pytest.mark.parametrize(
    "change",
    [
        enable,
        reset,
        starts_at_1,
        other_clock,
        falling_edge,
        second_reader,
        no_register,
        enable_of_a_register,
        port_of_the_module,
        reads_at_times,
        memory_reset,
        memory_of_the_other_edge,
    ],
)
def test_what_is_not_the_same_register_stays(change: Any) -> None:
    module = small()
    change(module)
    changed = copy.deepcopy(module)
    # Port A stays whole; port B is another one.
    assert len(absorb_registers(module)) == 1
    for name in ("ff0", "ff1"):
        assert module["cells"][name] == changed["cells"][name]
    assert module["cells"]["memory"]["parameters"]["REGMODE_A"] == "NOREG"


def test_a_wide_memory_is_one_port() -> None:
    module = small()
    module["cells"]["memory"]["parameters"] |= {"DATA_WIDTH_A": f"{36:032b}", "DATA_WIDTH_B": f"{36:032b}"}
    kept = copy.deepcopy(module)
    enable(kept)
    assert len(absorb_registers(kept)) == 0
    assert len(absorb_registers(module)) == 3


#: A memory of another family and a register behind it: its kind, what it says, its pins, the pins of the register, and
#: what switches the output register on.
OTHERS = {
    "RAMB18E2, one port": ("RAMB18E2", {"READ_WIDTH_B": "0", "WRITE_WIDTH_A": "00"}, "DOUTBDOUT", "CLKARDCLK", "FDRE"),
    "RAMB36E2, two ports": (
        "RAMB36E2",
        {"READ_WIDTH_B": "1", "WRITE_WIDTH_A": "1"},
        "DOUTPBDOUTP",
        "CLKBWRCLK",
        "FDRE",
    ),
    "PDPSC16K": ("PDPSC16K", {"OUTREG": "BYPASSED"}, "DO", "CLK", "FD1P3IX"),
    "PDP16K": ("PDP16K", {}, "DO", "CLKR", "FD1P3IX"),
}
PINS = {"FDRE": ("C", "CE", "R"), "FD1P3IX": ("CK", "SP", "CD")}


@pytest.mark.parametrize("name", OTHERS)
def test_memories_of_other_families(name: str) -> None:
    kind, parameters, data, clock, register_kind = OTHERS[name]
    clock_pin, enable_pin, reset_pin = PINS[register_kind]

    def made(enable: str | int = "1", reset: str | int = "0") -> dict[str, Any]:
        memory = {
            "type": kind,
            "parameters": dict(parameters),
            "port_directions": {data: "output", clock: "input"},
            "connections": {data: [10], clock: [2]},
        }
        behind = {
            "type": register_kind,
            "parameters": {},
            "port_directions": {
                clock_pin: "input",
                enable_pin: "input",
                reset_pin: "input",
                "D": "input",
                "Q": "output",
            },
            "connections": {clock_pin: [2], enable_pin: [enable], reset_pin: [reset], "D": [10], "Q": [20]},
        }
        return {"ports": {"clk": {"bits": [2]}, "q": {"bits": [20]}}, "cells": {"memory": memory, "ff": behind}}

    module = made()
    assert absorb_registers(module) == ["ff"]
    memory = module["cells"]["memory"]
    assert memory["connections"][data] == [20] and list(module["cells"]) == ["memory"]
    on = [value for key, value in memory["parameters"].items() if key == "OUTREG" or key.endswith("_REG")]
    assert on and all(value in ("OUT_REG", f"{1:032b}") for value in on)
    # A constant may be the net of a cell that drives it.
    driven = made(enable=5)
    driven["cells"]["one"] = {
        "type": "VHI", "parameters": {}, "port_directions": {"Z": "output"}, "connections": {"Z": [5]}
    }  # fmt: skip
    assert absorb_registers(driven) == ["ff"]
    for other in (made(enable=3), made(reset=3)):
        kept = copy.deepcopy(other)
        assert absorb_registers(other) == [] and other == kept
