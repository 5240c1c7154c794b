"""The longest paths of a mapped netlist of ECP5: how many carry positions and LUTs lie between registers.

An independent count for what blocks state of themselves, see `bitweir_hw.resources.paths`.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bitweir.synthesis import flows
from bitweir_hw.accelerator.verilog import component_rtlil
from bitweir_hw.blocks import BlockSpec, block_of
from bitweir_hw.tools import run_yosys

__all__ = ["Found", "longest_path", "longest_paths", "map_block"]

#: Nanoseconds of a carry chain and of a LUT, each with its wire, and of a position: those of the cost model.
CHAIN, POSITION, LUT, REGISTER, BLOCK = 2.45, 0.03, 1.5, 0.5, 5.6


@dataclass(frozen=True, order=True)
class Found:
    """A path: its delay as hops tell it, carry positions of each chain, LUTs, whether it starts at a block RAM."""

    delay: float
    adders: tuple[int, ...]
    luts: int
    block: bool
    start: str
    end: str

    def __str__(self) -> str:
        chains = "".join(f" chain {size}" for size in self.adders)
        block = " from block RAM" if self.block else ""
        return f"{self.delay:5.2f} ns:{chains} {self.luts} LUTs{block}; {self.start} -> {self.end}"


def map_block(spec: BlockSpec, folder: Path) -> dict[str, Any]:
    """The mapped netlist of a block alone, flat."""
    (folder / "design.il").write_text(component_rtlil(block_of(spec).component(spec), name="top"))
    run_yosys(flows.script("ecp5", top="top"), folder)
    module: dict[str, Any] = json.loads((folder / "netlist.json").read_text())["modules"]["top"]
    return module


def longest_path(module: dict[str, Any]) -> Found:
    """The longest path between registers; ports of the module count as registers."""
    return longest_paths(module)[0]


def longest_paths(module: dict[str, Any]) -> list[Found]:
    """The longest path to each register, the longest first."""
    given = sorted(module["netnames"].items(), key=lambda item: (item[0].count("$"), item[0].count(".")), reverse=True)
    names = {bit: f"{name}[{at}]" for name, net in given for at, bit in enumerate(net["bits"])}
    # A wire: delay, chains, LUTs, block, start; in a chain the last of `chains` grows.
    State = tuple[float, tuple[int, ...], int, bool, str]
    arrive: dict[Any, State] = {}
    ends: list[tuple[Any, str]] = []
    cells: list[tuple[list[tuple[Any, str]], list[tuple[Any, str]], str]] = []

    def start(bit: Any, *, block: bool = False) -> None:
        arrive[bit] = (BLOCK if block else REGISTER, (), 0, block, str(names.get(bit, bit)))

    for name, port in module["ports"].items():
        for bit in port["bits"]:
            if port["direction"] == "input":
                start(bit)
            else:
                ends.append((bit, name))
    for name, cell in module["cells"].items():
        kind, ways = cell["type"], cell["port_directions"]
        pins = [(bit, port) for port, bits in cell["connections"].items() for bit in bits if not isinstance(bit, str)]
        inputs = [(bit, port) for bit, port in pins if ways[port] == "input"]
        outputs = [(bit, port) for bit, port in pins if ways[port] == "output"]
        if kind in ("TRELLIS_FF", "DP16KD", "PDPW16KD"):
            block = kind != "TRELLIS_FF"
            registered = cell["parameters"].get("REGMODE_A") == cell["parameters"].get("REGMODE_B") == "OUTREG"
            for bit, _ in outputs:
                start(bit, block=block and not registered)
            label = str(names.get(outputs[0][0], name)) if outputs else name
            ends += [(bit, f"{label}.{port}") for bit, port in inputs if port != "CLK"]
        elif kind == "TRELLIS_DPR16X4":
            ends += [(bit, f"{name}.{port}") for bit, port in inputs if port != "RAD"]
            cells.append(([pin for pin in inputs if pin[1] == "RAD"], outputs, "LUT"))
        elif kind in ("LUT4", "PFUMX", "L6MUX21", "MULT18X18D"):
            cells.append((inputs, outputs, "LUT"))
        elif kind == "CCU2C":
            cells.append((inputs, outputs, kind))
        elif kind != "$scopeinfo":
            raise NotImplementedError(f"cell {kind}")

    def through(states: list[tuple[State, str]], kind: str) -> dict[str, State]:
        if kind == "LUT":
            delay, chains, luts, block, begun = max((state for state, _ in states), default=(0.0, (), 0, False, "0"))
            return {"": (delay + LUT, chains, luts + 1, block, begun)}
        found: dict[str, State] = {}
        # Half a cell at a time: the carry goes on, or begins at one of its inputs.
        carried = max((state for state, port in states if port == "CIN"), default=None)
        for half in "01":
            entering = [state for state, port in states if port[-1] == half and port != "CIN"]
            options = []
            if carried is not None:
                options.append((carried[0] + POSITION, (*carried[1][:-1], carried[1][-1] + 1), *carried[2:]))
            if entering:
                best = max(entering)
                options.append((best[0] + CHAIN + POSITION, (*best[1], 1), *best[2:]))
            carried = max(options) if options else None
            if carried is not None:
                found[f"S{half}"] = carried
        if carried is not None:
            found["COUT"] = carried
        return found

    waiting: dict[Any, list[int]] = defaultdict(list)
    driven = {bit for _, outputs, _ in cells for bit, _ in outputs}
    missing = []
    for number, (inputs, _, _) in enumerate(cells):
        needed = {bit for bit, _ in inputs if bit in driven}
        missing.append(len(needed))
        for bit in needed:
            waiting[bit].append(number)
    ready = [number for number, count in enumerate(missing) if not count]
    while ready:
        inputs, outputs, kind = cells[ready.pop()]
        states = []
        for bit, port in inputs:
            if bit not in arrive:
                continue
            state = arrive[bit]
            if port == "CIN" and bit not in driven:
                # From a register into a chain.
                state = (state[0] + CHAIN, (*state[1], 0), *state[2:])
            states.append((state, port))
        found = through(states, kind)
        for bit, port in outputs:
            if (state := found.get(port, found.get(""))) is not None:
                arrive[bit] = state
            for user in waiting[bit]:
                missing[user] -= 1
                if not missing[user]:
                    ready.append(user)
    if any(missing):
        raise ValueError(f"{sum(map(bool, missing))} cells form a loop.")
    told = [(*arrive[bit], end) for bit, end in ends if bit in arrive]
    return sorted(
        (Found(delay, chains, luts, block, begun, end) for delay, chains, luts, block, begun, end in told), reverse=True
    )
