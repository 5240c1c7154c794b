"""Moves registers behind block RAM into the output registers that block RAM has.

Yosys leaves these registers unused. The outputs of an ECP5 block RAM without them change 5.8 ns after the clock,
with them after about 1 ns (nextpnr's data, speed grade 6), and no wire leads to a register elsewhere.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["absorb_registers"]

_WIDE = 36


@dataclass(frozen=True, kw_only=True)
class _Port:
    """A port of an ECP5 block RAM that reads.

    Parameters
    ----------
    outputs : tuple of str
        Pins with data.
    clock, read : str
        Pins of the clock and of the enable of reading.
    modes : tuple of str
        Parameters that switch the output register on.
    enables : tuple of str
        Pins that enable the output register.
    resets : tuple of str
        Pins that reset the output register.
    """

    outputs: tuple[str, ...]
    clock: str
    read: str
    modes: tuple[str, ...]
    enables: tuple[str, ...]
    resets: tuple[str, ...]


def _port(halves: str, side: str) -> _Port:
    return _Port(
        outputs=tuple(f"DO{half}{n}" for half in halves for n in range(18)),
        clock=f"CLK{side}",
        read=f"CE{side}",
        modes=tuple(f"REGMODE_{half}" for half in halves),
        enables=tuple(f"OCE{half}" for half in halves),
        resets=tuple(f"RST{half}" for half in halves),
    )


#: Two ports of up to 18 bits; or one that writes and one that reads 36, with the data pins of both and the clock of B.
_HALVES = (_port("A", "A"), _port("B", "B"))
_WHOLE = (_port("AB", "B"),)


def absorb_registers(module: dict[str, Any]) -> list[str]:
    """Let block RAM hold the registers that its outputs go to, and nowhere else.

    A port of a block RAM is changed if it always reads and each of its outputs that is used drives one data input of a
    flip-flop, with the port's clock, without enable or reset, and 0 at the start: then its own output register does
    the same in the same cycle (Lattice FPGA-TN-02204, section "Output registers").

    Parameters
    ----------
    module : dict
        Of a ``write_json`` file, mapped to one of `resources.memories.OUTPUT_REGISTERS`; changed in place.

    Returns
    -------
    list of str
        Flip-flops that are gone.
    """
    cells: dict[str, dict[str, Any]] = module["cells"]
    readers = _readers(module)
    gone: list[str] = []
    for memory in [cell for cell in cells.values() if cell["type"] == "DP16KD"]:
        wide = _number(memory["parameters"].get("DATA_WIDTH_A", _WIDE // 2)) == _WIDE
        for port in _WHOLE if wide else _HALVES:
            registers = _registers(memory, port, cells, readers)
            if not registers:
                continue
            for pin, name in registers.items():
                memory["connections"][pin] = cells.pop(name)["connections"]["Q"]
            for enable in port.enables:
                memory["connections"][enable] = ["1"]
                memory["port_directions"][enable] = "input"
            memory["parameters"].update(dict.fromkeys(port.modes, "OUTREG"))
            gone += registers.values()
    return gone


def _readers(module: Mapping[str, Any]) -> dict[int | str, list[tuple[str, str]]]:
    """For each net the cells and pins that it drives; ("", port) for a port of the module."""
    found: dict[int | str, list[tuple[str, str]]] = defaultdict(list)
    for name, cell in module["cells"].items():
        for pin, bits in cell["connections"].items():
            if cell["port_directions"][pin] != "output":
                for bit in bits:
                    found[bit].append((name, pin))
    for name, port in module["ports"].items():
        for bit in port["bits"]:
            found[bit].append(("", name))
    return found


def _registers(
    memory: Mapping[str, Any],
    port: _Port,
    cells: Mapping[str, Any],
    readers: Mapping[int | str, list[tuple[str, str]]],
) -> dict[str, str]:
    """The flip-flop behind each output of a port that is used; none if the port must stay as it is."""
    pins, parameters = memory["connections"], memory["parameters"]
    if any(parameters.get(mode, "NOREG") != "NOREG" for mode in port.modes):
        return {}
    if any(pins.get(reset, ["0"]) != ["0"] for reset in port.resets) or pins.get(port.read, ["1"]) != ["1"]:
        return {}
    if any(parameters.get(f"{pin}MUX", pin) != pin for pin in (port.clock, port.read, *port.resets)):
        return {}
    found = {}
    for pin in port.outputs:
        for bit in pins.get(pin, ()):
            used = readers.get(bit, [])
            if not used:
                continue
            (name, at), *others = used
            if others or at != "DI" or not _is_plain(cells.get(name), pins[port.clock]):
                return {}
            found[pin] = name
    return found


def _is_plain(cell: Mapping[str, Any] | None, clock: list[Any]) -> bool:
    """Whether a cell is a flip-flop with a clock and nothing else."""
    if cell is None or cell["type"] != "TRELLIS_FF":
        return False
    pins, parameters = cell["connections"], cell["parameters"]
    settings = {"CLKMUX": "CLK", "CEMUX": "1", "REGSET": "RESET", "LSRMUX": "LSR"}
    plain = all(parameters.get(name, value).strip() == value for name, value in settings.items())
    return plain and pins["CLK"] == clock and pins.get("LSR", ["0"]) == ["0"]


def _number(parameter: str | int) -> int:
    """A number as ``write_json`` has it: 32 binary digits."""
    return int(parameter, 2) if isinstance(parameter, str) else parameter
