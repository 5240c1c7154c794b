"""Primitives in generated Verilog: our models are right, and lie beside what needs them."""

import subprocess
from dataclasses import replace

import numpy as np
import pytest
from bitweir.cells import CELLS, cell_model, needed_cells
from bitweir.design import write_design
from bitweir_hw.errors import NetworkError, PlanError, ToolError
from bitweir_hw.popcount import STYLE, Popcount
from bitweir_hw.tools import run_yosys
from bitweir_sim.simulators.cocotb import available, run_cocotb
from bitweir_sim.trace import Trace
from bitweir_sim.values.frames import pack, unpack_results
from bitweir_sim.values.golden import run_slow
from bitweir_sim.verify import expected_trace
from support.cellmodels import cell_models
from support.samples import every_kind

INS, OUTS = ("CIN", "A0", "B0", "C0", "D0", "A1", "B1", "C1", "D1"), ("S0", "S1", "COUT")
#: A family of each kind of popcounts: those with the same have the same Verilog.
KINDS = {Popcount.of(family, 1): family for family in sorted(STYLE, reverse=True)}
needs_icarus = pytest.mark.skipif(available("icarus") is not None, reason=str(available("icarus")))


def pairs_of_tables():
    """Each entry of each table alone, none, all, and some drawn."""
    drawn = np.random.default_rng(5).integers(0, 1 << 16, (24, 2)).tolist()
    alone = [(1 << n, 0) for n in range(16)] + [(0, 1 << n) for n in range(16)]
    return [*alone, (0, 0), (0xFFFF, 0xFFFF), *drawn]


def test_the_carry_cell_is_that_of_yosys(tmp_path):
    (tmp_path / "theirs.v").write_text(cell_models("ecp5", "  CCU2C #("))
    ours = cell_model("CCU2C").read_text().replace("module CCU2C", "module OURS")
    (tmp_path / "ours.v").write_text(ours)
    rows, differ = [], []
    for first, second in pairs_of_tables():
        for inject in (("YES", "YES"), ("YES", "NO"), ("NO", "YES"), ("NO", "NO")):
            n = len(differ)
            differ.append(f"(t{n} != o{n})")
            rows.append(f"wire [2:0] t{n}, o{n};")
            settings = f'.INIT0({first}), .INIT1({second}), .INJECT1_0("{inject[0]}"), .INJECT1_1("{inject[1]}")'
            for kind, wire in (("CCU2C", f"t{n}"), ("OURS", f"o{n}")):
                pins = [f".{name}({name})" for name in INS] + [f".{name}({wire}[{k}])" for k, name in enumerate(OUTS)]
                rows.append(f"{kind} #({settings}) {wire}_cell ({', '.join(pins)});")
    text = f"module top(input {', '.join(INS)}, output differ);\n" + "\n".join(rows)
    (tmp_path / "top.v").write_text(f"{text}\nassign differ = {' | '.join(differ)};\nendmodule\n")
    # All inputs of all of them: there is no proof, and so an error, if one differs.
    script = "read_verilog theirs.v ours.v top.v\nhierarchy -check -top top\nproc\nflatten\nopt -full\n"
    script += "sat -verify -prove differ 0\n"
    run_yosys(script, tmp_path)
    # Which it would find.
    (tmp_path / "ours.v").write_text(ours.replace("propagate1 ^ (CHAIN1 & carry)", "propagate1 ^ carry"))
    with pytest.raises(ToolError, match="proof did fail"):
        run_yosys(script, tmp_path)


def test_the_carry_cell_of_xilinx_is_that_of_yosys(tmp_path):
    (tmp_path / "theirs.v").write_text(cell_models("xilinx", "  CARRY4 #("))
    ours = cell_model("CARRY4").read_text().replace("module CARRY4", "module OURS")
    (tmp_path / "ours.v").write_text(ours)
    text = "module top(input CI, CYINIT, input [3:0] DI, S, output differ);\nwire [7:0] t, o;\n"
    for kind, wire in (("CARRY4", "t"), ("OURS", "o")):
        text += f"{kind} {wire}_cell (.CI(CI), .CYINIT(CYINIT), .DI(DI), .S(S), .CO({wire}[3:0]), .O({wire}[7:4]));\n"
    (tmp_path / "top.v").write_text(f"{text}assign differ = t != o;\nendmodule\n")
    script = "read_verilog theirs.v ours.v top.v\nhierarchy -check -top top\nproc\nflatten\nopt -full\n"
    script += "sat -verify -prove differ 0\n"
    run_yosys(script, tmp_path)
    (tmp_path / "ours.v").write_text(ours.replace("CI | CYINIT", "CI"))
    with pytest.raises(ToolError, match="proof did fail"):
        run_yosys(script, tmp_path)


@needs_icarus
@pytest.mark.parametrize("family", KINDS.values())
def test_a_folder_holds_all_that_a_simulator_needs(tmp_path, family):
    network, plan = every_kind(style=STYLE[family])
    plan = replace(plan, popcount=Popcount.of(family, plan.popcount.levels_per_stage))
    build = write_design(network, plan, tmp_path / "build", axi=4)
    folder, pipeline = build.folder, build.pipeline
    sources = sorted(folder.glob("*.v"))
    cell, whose = {"ecp5": ("CCU2C", "ECP5"), "xilinx": ("CARRY4", "Xilinx 7")}.get(family, ("", ""))
    cells = (cell,) if cell else ()
    assert [source.name for source in sources] == [f"{cell.lower()}.v"] * len(cells) + ["net.v", "net_axi.v"]
    assert needed_cells((folder / "net.v").read_text()) == cells
    readme = " ".join((folder / "README.md").read_text().split())
    portable = "as portable Verilog: `net.v`, top module `net`. It instantiates no primitives."
    carry = f"as Verilog that instantiates the {whose} carry cell {cell}: `net.v`, top module `net`."
    assert (portable in readme, carry in readme) == (not cells, bool(cells))
    assert (f"`iverilog net.v {cell.lower()}.v`" in readme) == bool(cells)
    for top, files in (("net", sources[:-1]), ("net_axi", sources)):
        subprocess.run(["iverilog", "-g2005-sv", "-s", top, "-o", tmp_path / "a.out", *files], check=True)
    frames = np.random.default_rng(2).integers(0, 4, (5, 32))
    trace = expected_trace(network, pipeline, frames)
    found = run_cocotb(
        sources[:-1],
        top="net",
        simulator="icarus",
        beats=pack(frames, pipeline.input),
        i_bits=pipeline.input.bits,
        expected=Trace({name: trace.streams[name] for name in "io"}, trace.cycles_run),
    )
    assert np.array_equal(unpack_results(found.o.payloads, pipeline, 5).scores, run_slow(network, frames).scores)


def test_without_wired_layers_xilinx_needs_no_cells(tmp_path):
    network, plan = every_kind(style=STYLE["xilinx"], wired=False)
    texts = []
    for n, popcount in enumerate((plan.popcount, replace(plan.popcount, carry4=True))):
        folder = write_design(network, replace(plan, popcount=popcount), tmp_path / str(n)).folder
        texts.append((folder / "net.v").read_text())
        assert [path.name for path in folder.glob("*.v")] == ["net.v"]
    assert texts[0] == texts[1]
    with pytest.raises(PlanError, match="CARRY4 cells need the popcount style xc7, not 'ecp5'"):
        Popcount(style="ecp5", carry4=True)


def test_a_network_with_the_name_of_a_cell(tmp_path):
    network, plan = every_kind(style=STYLE["ecp5"])
    with pytest.raises(NetworkError) as error:
        write_design(replace(network, name="ccu2c"), plan, tmp_path / "build")
    assert str(error.value) == (
        "Network 'ccu2c' must have another name than the cell CCU2C of which its accelerator is made: choose "
        "another name (--name, in Python name=)."
    )
    assert not (tmp_path / "build").exists() and list(CELLS) == ["CCU2C", "CARRY4"]
    write_design(replace(network, name="ccu2c"), every_kind()[1], tmp_path / "build")
