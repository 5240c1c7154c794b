"""Scripts in Tcl for Vivado and Quartus, and timing constraints. Neither tool has been run on them."""

from __future__ import annotations

from .facts import Facts

__all__ = ["quartus", "vivado"]


def _clock(facts: Facts) -> str:
    """The one constraint: the clock. Ports belong to the design around the accelerator."""
    port = facts.clock_port
    return f"create_clock -name {port} -period {facts.period} [get_ports {port}]\n"


def vivado(facts: Facts) -> dict[str, str]:
    """A script for Vivado without a project: out-of-context synthesis, with reports; and constraints."""
    script = f"""# Synthesis of {facts.top}, out of context:
#     vivado -mode batch -source {facts.name}_vivado.tcl -tclargs PART
# This script was not run with Vivado when it was written.
if {{[llength $argv] != 1}} {{
    error "Name the part, such as xc7a35tcpg236-1: -tclargs PART"
}}
set part [lindex $argv 0]
set folder [file dirname [file normalize [info script]]]
foreach file {{{" ".join(facts.sources)}}} {{
    read_verilog [file join $folder $file]
}}
foreach file {{{" ".join(facts.memories)}}} {{
    read_mem [file join $folder $file]
}}
read_xdc [file join $folder {facts.name}.xdc]
synth_design -top {facts.top} -part $part -mode out_of_context
report_utilization -file {facts.name}_utilization.rpt
report_timing_summary -file {facts.name}_timing.rpt
write_checkpoint -force {facts.name}.dcp
"""
    return {f"{facts.name}_vivado.tcl": script, f"{facts.name}.xdc": _clock(facts)}


def quartus(facts: Facts) -> dict[str, str]:
    """A script for Quartus: a project, and its compilation; and constraints."""
    script = f"""# Compilation of {facts.top}: quartus_sh -t {facts.name}_quartus.tcl DEVICE
# This script was not run with Quartus when it was written.
if {{[llength $quartus(args)] != 1}} {{
    error "Name the device, such as 10CX220YF780I5G: quartus_sh -t {facts.name}_quartus.tcl DEVICE"
}}
load_package flow
set folder [file dirname [file normalize [info script]]]
project_new {facts.name} -overwrite
set_global_assignment -name DEVICE [lindex $quartus(args) 0]
set_global_assignment -name TOP_LEVEL_ENTITY {facts.top}
foreach file {{{" ".join(facts.sources)}}} {{
    set_global_assignment -name VERILOG_FILE [file join $folder $file]
}}
set_global_assignment -name SEARCH_PATH $folder
set_global_assignment -name SDC_FILE [file join $folder {facts.name}.sdc]
# There may be more ports than pins: they belong to the design around the accelerator.
foreach port {{{" ".join(port.name for port in facts.ports if port.name != facts.clock_port)}}} {{
    set_instance_assignment -name VIRTUAL_PIN ON -to $port
}}
execute_flow -compile
project_close
"""
    return {f"{facts.name}_quartus.tcl": script, f"{facts.name}.sdc": _clock(facts) + "derive_clock_uncertainty\n"}
