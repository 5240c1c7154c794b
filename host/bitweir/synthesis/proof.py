"""Proofs that a mapped netlist does what the generated Verilog does: in every cycle after reset, for all inputs.

Each block is proved alone, as both keep its module whole, and so is what joins the blocks: there the outputs of blocks
are inputs, and their inputs are outputs. The whole follows, as it is made of these parts in both. Payloads count while
they are valid.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bitweir_hw.accelerator import accelerator_rtlil
from bitweir_hw.accelerator.rtlil_text import port_names
from bitweir_hw.blocks.pipeline import Pipeline
from bitweir_hw.tools import Told, run_yosys
from bitweir_sim.formal import Circuit
from bitweir_sim.formal.begun import LOWER, begun
from bitweir_sim.formal.correspondence import correspond

from .cell_models import cell_models
from .results import Proof

__all__ = ["GLUE", "prove_netlist", "verilog_ports"]

#: What joins the blocks.
GLUE = "connections"
#: Registers and gates of both sides up to which a proof is tried.
_MOST_REGISTERS, _MOST_GATES = 20_000, 400_000


def prove_netlist(
    folder: Path,
    *,
    top: str,
    modules: Mapping[str, str],
    family: str,
    sources: Collection[Path],
    netlist: Mapping[str, Any],
    ports: Mapping[str, Mapping[str, str]],
    seconds: float = 300,
    told: Told | None = None,
) -> dict[str, Proof]:
    """Prove of each block that its netlist does what its Verilog does.

    Parameters
    ----------
    folder : Path
        Where to work.
    top : str
        Top module.
    modules : mapping of str to str
        Name of each block by its module.
    family : str
        Of the cells in the netlist.
    sources : collection of Path
        Verilog files, with models of the primitives in them.
    netlist : mapping
        Modules as ``write_json`` of Yosys tells them, those of the cells left out.
    ports : mapping
        For each module the names of its ports in the Verilog, by those in the netlist: see `verilog_ports`.
    seconds : float
        After which the proof of one block is given up.
    told : callable, optional
        Takes the block that is under way.

    Returns
    -------
    dict of str to Proof
        By block; `GLUE` is what joins them.

    Raises
    ------
    ToolError
        Yosys failed, a package is missing, or there is no model of a cell.
    """
    names = []
    for number, source in enumerate(sources):
        names.append(f"source{number}.v")
        (folder / names[-1]).write_bytes(source.read_bytes())
    (folder / "mapped.json").write_text(json.dumps({"modules": _renamed(netlist, ports)}))
    kinds = {cell["type"] for module in netlist.values() for cell in module["cells"].values()}
    kinds = {kind for kind in kinds if not kind.startswith("$")} - {top, *modules}
    (folder / "cells.v").write_text(cell_models(family, kinds))
    designs = _modules(folder, "design", [f"read_verilog {' '.join(names)}"], top, modules)
    netlists = _modules(folder, "netlist", ["read_verilog cells.v", "read_json mapped.json"], top, modules)
    proofs = {}
    for module, block in {**modules, top: GLUE}.items():
        if told:
            told(f"proof of {block}")
        proofs[block] = _proof(designs[module], netlists[module], seconds)
    return proofs


def verilog_ports(pipeline: Pipeline, top: str) -> dict[str, dict[str, str]]:
    """For each module of an accelerator the names of its ports in the Verilog, by those in what is synthesised."""
    written, read = (port_names(accelerator_rtlil(pipeline, name=top, named=named)) for named in (True, False))
    return {
        module: {old: new for (old, _), (_, new) in zip(ports, written[module], strict=True)}
        for module, ports in read.items()
    }


def _renamed(netlist: Mapping[str, Any], ports: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """A netlist whose modules have other names of ports."""
    renamed = {}
    for name, module in netlist.items():
        own = ports.get(name, {})
        cells = {}
        for place, cell in module["cells"].items():
            cells[place] = dict(cell)
            if pins := ports.get(cell["type"]):
                for key in ("connections", "port_directions"):
                    cells[place][key] = {pins[pin]: value for pin, value in cell[key].items()}
        told = {own.get(port, port): value for port, value in module["ports"].items()}
        # Else a wire that has the new name already would be another one.
        wires = {own.get(wire, wire if wire not in told else f"{wire}$"): w for wire, w in module["netnames"].items()}
        renamed[name] = {**module, "ports": told, "cells": cells, "netnames": wires}
    return renamed


def _modules(
    folder: Path, name: str, commands: list[str], top: str, modules: Collection[str]
) -> dict[str, dict[str, Any]]:
    """Modules of a design as gates and registers, in the form of ``write_json``."""
    whole = [f"setattr -mod -set keep_hierarchy 1 {module}" for module in modules]
    script = [*commands, f"hierarchy -check -top {top}", *whole, LOWER, f"write_json {name}.json"]
    run_yosys("\n".join(script) + "\n", folder, log=f"{name}.log")
    found = json.loads((folder / f"{name}.json").read_bytes())["modules"]
    return {module: _opened(found[module], modules) for module in (top, *modules)}


def _opened(module: dict[str, Any], inner: Collection[str]) -> dict[str, Any]:
    """A module in which the pins of inner modules are ports."""
    ports, cells = dict(module["ports"]), {}
    for name, cell in module["cells"].items():
        if cell["type"] not in inner:
            cells[name] = cell
            continue
        for pin, bits in cell["connections"].items():
            # What an inner module gives comes from outside.
            way = "input" if cell["port_directions"][pin] == "output" else "output"
            ports[f"{name}.{pin}"] = {"direction": way, "bits": bits}
    return {**module, "ports": ports, "cells": cells}


def _proof(design: dict[str, Any], netlist: dict[str, Any], seconds: float) -> Proof:
    """Of one module."""
    kinds = [cell["type"] for module in (design, netlist) for cell in module["cells"].values()]
    registers, gates = kinds.count("$_FF_"), kinds.count("$_AND_")
    if registers > _MOST_REGISTERS or gates > _MOST_GATES:
        told = f"{registers:,} registers and {gates:,} gates of both sides are too many"
        return Proof(result="unknown", told=told, seconds=0)
    verdict = correspond(_while_valid(begun(design)), _while_valid(begun(netlist)), seconds=seconds)
    told = verdict.told if verdict.trace is None else f"{verdict.told}\n{verdict.trace.table()}"
    return Proof(result=verdict.status, told=told, seconds=verdict.seconds)


def _while_valid(circuit: Circuit) -> Circuit:
    """A circuit whose payloads are 0 while they are not valid, as nothing may look at them then."""
    gates, outputs = list[tuple[int, int]](), {}
    for name, bits in circuit.outputs.items():
        valid = circuit.outputs.get(f"{name.removesuffix('payload')}valid") if name.endswith("payload") else None
        outputs[name] = bits
        if valid is not None:
            first = 2 * (circuit.variables + len(gates))
            outputs[name] = tuple(first + 2 * place for place in range(len(bits)))
            gates += [(bit, valid[0]) for bit in bits]
    return replace(circuit, outputs=outputs, gates=(*circuit.gates, *gates))
