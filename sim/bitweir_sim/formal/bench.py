"""What is claimed of gateware, written as gateware: a bench around it that has no clock cycles of its own.

A bench begins with one cycle of reset, before which every register and every word of a memory that can be written may
hold anything. So a proof also holds for a reset at any time, not only for one at power-on.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from amaranth.back import rtlil
from amaranth.hdl import ClockDomain, ClockSignal, Module, ResetSignal, Signal, Value
from amaranth.lib import wiring
from bitweir_hw.tools import run_yosys, yosys_version

from ..cache import cached, content_key
from .circuit import Circuit, read_netlist

__all__ = ["Bench", "circuit_of", "from_rtlil", "from_yosys"]

#: The input that is 1 in the cycle of reset; `Circuit.registered` makes a register of it.
_FIRST = "bitweir_first"
#: From one module to gates. Memories that nobody writes become constants. What is undefined may be anything, and that
#: is settled before anything is optimised; what optimisation calls undefined later is never seen.
_LOWER = """\
proc -noopt
flatten -noscopeinfo
opt_clean
memory -nomap
memory_map
setundef -undriven -anyseq
formalff -clk2ff
opt
techmap
opt -full
dffunmap
simplemap
setundef -zero
opt
aigmap
opt_clean
write_json circuit.json
"""


class Bench:
    """A module around a device that is to be proved.

    Attributes
    ----------
    m : Module
        For further logic; its domain `sync` has the reset.
    first : Signal
        1 in the cycle of reset, the first one, in which nothing is claimed.
    """

    def __init__(self) -> None:
        self.m = Module()
        self.first = Signal(name=_FIRST)
        self._ports: list[Signal] = []
        self._chosen: list[Signal] = []
        sync, steady = ClockDomain("sync"), ClockDomain("steady", reset_less=True)
        self.m.domains += sync, steady
        self._ports += [sync.clk, self.first]
        self.m.d.comb += [ClockSignal("steady").eq(ClockSignal("sync")), ResetSignal("sync").eq(self.first)]

    def free(self, shape: Any, name: str) -> Signal:
        """A signal that may be anything in each cycle."""
        signal = Signal(shape, name=name)
        self._ports.append(signal)
        return signal

    def chosen(self, shape: Any, name: str) -> Signal:
        """A number that may be anything, the same in all cycles."""
        signal = self.free(shape, name)
        self._chosen.append(signal)
        return signal

    def require(self, name: str, value: Any) -> None:
        """What must hold in each cycle after reset."""
        self._output(f"require_{name}", Value.cast(value).bool() | self.first)

    def assume(self, name: str, value: Any) -> None:
        """What the world around the device keeps to in each cycle after reset."""
        self._output(f"assume_{name}", Value.cast(value).bool() | self.first)

    def show(self, name: str, value: Any) -> None:
        """What a trace shows."""
        self._output(f"show_{name}", Value.cast(value))

    def _output(self, name: str, value: Value) -> None:
        signal = Signal(len(value), name=name)
        self.m.d.comb += signal.eq(value)
        self._ports.append(signal)

    def circuit(self) -> Circuit:
        """The bench as gates and registers."""
        circuit = from_rtlil(rtlil.convert(self.m, name="top", ports=self._ports, emit_src=False))
        for signal in self._chosen:
            circuit = circuit.registered(signal.name, None, None)
        return circuit.registered(_FIRST, 1, 0)


def circuit_of(component: wiring.Component) -> Circuit:
    """A component alone; its registers may begin with anything, and its reset is an input `rst`."""
    return from_rtlil(rtlil.convert(component, name="top", emit_src=False))


def from_rtlil(text: str) -> Circuit:
    """The module `top` of a design in RTLIL."""
    return from_yosys({"design.il": text}, ["read_rtlil design.il"])


def from_yosys(files: dict[str, str], commands: list[str]) -> Circuit:
    """What Yosys makes of a design, as gates and registers.

    Parameters
    ----------
    files : dict of str to str
        Names and texts, for the commands.
    commands : list of str
        Yosys commands after which there is the module `top`, say ``read_rtlil``, or ``read_json`` of a netlist and
        ``read_verilog`` of models of its cells.

    Returns
    -------
    Circuit
        Its registers begin with anything.
    """
    script = "\n".join([*commands, "hierarchy -top top", _LOWER])

    def build(folder: Path) -> None:
        for name, text in files.items():
            (folder / name).write_text(text)
        run_yosys(script, folder)

    parts = [part for pair in sorted(files.items()) for part in pair]
    folder = cached(content_key("circuit", yosys_version(), script, *parts), build)
    return read_netlist(json.loads((folder / "circuit.json").read_bytes())["modules"]["top"])
