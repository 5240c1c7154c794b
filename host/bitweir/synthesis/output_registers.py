"""Moves registers behind block RAM into the output registers that block RAM has.

Yosys leaves these registers unused. The outputs of an ECP5 block RAM without them change 5.8 ns after the clock,
with them after about 1 ns (nextpnr's data, speed grade 6), and no wire leads to a register elsewhere.

Block RAM of iCE40 has no such registers. Those of GW1N-9C and GW2A-18C do not work but for words of 32 and 36 bits:
nextpnr puts flip-flops in their place (``bsram_fix_outreg`` in its pack_bram.cc).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["absorb_registers"]


@dataclass(frozen=True, kw_only=True)
class _Port:
    """A port of a block RAM that reads.

    Parameters
    ----------
    outputs : tuple of str
        Pins with data.
    clock, read : str
        Pins of the clock and of the enable of reading.
    modes : tuple of str
        Parameters that switch the output register on.
    off, on : str
        What they are without and with the register.
    enables : tuple of str
        Pins that enable the output register.
    resets : tuple of str
        Pins that reset the port, or its output register.
    plain : dict
        Further parameters, and what they are where nothing is inverted or begins with ones.
    """

    outputs: tuple[str, ...]
    clock: str
    read: str
    modes: tuple[str, ...]
    off: str
    on: str
    enables: tuple[str, ...]
    resets: tuple[str, ...]
    plain: dict[str, str]


def _ecp5(halves: str, side: str) -> _Port:
    resets = tuple(f"RST{half}" for half in halves)
    return _Port(
        outputs=tuple(f"DO{half}{n}" for half in halves for n in range(18)),
        clock=f"CLK{side}",
        read=f"CE{side}",
        modes=tuple(f"REGMODE_{half}" for half in halves),
        off="NOREG",
        on="OUTREG",
        enables=tuple(f"OCE{half}" for half in halves),
        resets=resets,
        plain={f"{pin}MUX": pin for pin in (f"CLK{side}", f"CE{side}", *resets)},
    )


def _nexus(clock: str) -> _Port:
    return _Port(
        outputs=("DO",), clock=clock, read="CER", modes=("OUTREG",), off="BYPASSED", on="OUT_REG", enables=(),
        resets=("RST",), plain={},
    )  # fmt: skip


def _xilinx(halves: str, clock: str, read: str, resets: tuple[str, ...], enable: str, *, prefix: str = "DO") -> _Port:
    return _Port(
        outputs=tuple(f"{prefix}{kind}{half}{prefix}{kind}" for half in halves for kind in ("", "P")),
        clock=clock,
        read=read,
        modes=tuple(f"DO{half}_REG" for half in halves),
        off="0",
        on=f"{1:032b}",
        enables=(enable,),
        resets=resets,
        plain={f"IS_{pin}_INVERTED": "0" for pin in (clock, read, *resets)} | {f"INIT_{half}": "0" for half in halves},
    )


#: ECP5: two ports of up to 18 bits; or one that writes and one that reads 36, with the data pins of both and the clock
#: of B.
_HALVES = (_ecp5("A", "A"), _ecp5("B", "B"))
_WHOLE = (_ecp5("AB", "B"),)
#: Xilinx (UG473): two ports; or one that writes and one that reads twice as much, with the clock of A.
_A = ("CLKARDCLK", "ENARDEN", ("RSTRAMARSTRAM", "RSTREGARSTREG"), "REGCEAREGCE")
_TRUE = (_xilinx("A", *_A), _xilinx("B", "CLKBWRCLK", "ENBWREN", ("RSTRAMB", "RSTREGB"), "REGCEB"))
_SIMPLE = (_xilinx("AB", *_A),)
#: UltraScale+ (UG573): the same with other names of the data pins.
_TRUE_E2 = (
    _xilinx("A", *_A, prefix="DOUT"),
    _xilinx("B", "CLKBWRCLK", "ENBWREN", ("RSTRAMB", "RSTREGB"), "REGCEB", prefix="DOUT"),
)  # fmt: skip
_SIMPLE_E2 = (_xilinx("AB", *_A, prefix="DOUT"),)
#: Nexus (Lattice FPGA-TN-02094): one that writes and one that reads, with one clock or two.
_NEXUS = {"PDPSC16K": (_nexus("CLK"),), "PDP16K": (_nexus("CLKR"),)}


def _ports(cell: Mapping[str, Any]) -> tuple[_Port, ...]:
    """The ports of a cell that read, if it is a block RAM with output registers."""
    parameters = cell["parameters"]
    if cell["type"] == "DP16KD":
        return _WHOLE if int(parameters.get("DATA_WIDTH_A", "10010"), 2) == 36 else _HALVES
    if cell["type"] in ("RAMB18E1", "RAMB36E1"):
        return _SIMPLE if parameters["RAM_MODE"] == "SDP" else _TRUE
    if cell["type"] in ("RAMB18E2", "RAMB36E2"):
        # One that only reads A and only writes B takes the outputs of both for A.
        simple = _value(parameters["READ_WIDTH_B"]) == _value(parameters["WRITE_WIDTH_A"]) == "0"
        return _SIMPLE_E2 if simple else _TRUE_E2
    if cell["type"] in _NEXUS:
        return _NEXUS[cell["type"]]
    return ()


def absorb_registers(module: dict[str, Any]) -> list[str]:
    """Let block RAM hold the registers that its outputs go to, and nowhere else.

    A port of a block RAM is changed if it always reads and each of its outputs that is used drives one data input of a
    flip-flop, with the port's clock, without enable or reset, and 0 at the start: then its own output register does
    the same in the same cycle (Lattice FPGA-TN-02204, section "Output registers"; Xilinx UG473, "Optional output
    registers"; Nexus and UltraScale+ as these).

    Parameters
    ----------
    module : dict
        Of a ``write_json`` file, mapped to a family that counts as one of `resources.memories.OUTPUT_REGISTERS`;
        changed in place.

    Returns
    -------
    list of str
        Flip-flops that are gone.
    """
    cells: dict[str, dict[str, Any]] = module["cells"]
    readers, constants = _readers(module), _constants(module)
    gone: list[str] = []
    for memory in list(cells.values()):
        for port in _ports(memory):
            registers = _registers(memory, port, cells, readers, constants)
            if not registers:
                continue
            for (pin, place), name in registers.items():
                memory["connections"][pin][place] = cells.pop(name)["connections"]["Q"][0]
            for enable in port.enables:
                memory["connections"][enable] = ["1"]
                memory["port_directions"][enable] = "input"
            parameters = memory["parameters"]
            parameters.update(dict.fromkeys(port.modes, port.on))
            # What does not matter at the start is 0, as in the flip-flops.
            parameters.update({name: parameters[name].replace("x", "0") for name in port.plain if name in parameters})
            gone += registers.values()
    return gone


#: Cells that drive a net with a constant, and that constant.
_CONSTANTS = {"VHI": "1", "VLO": "0"}


def _constants(module: Mapping[str, Any]) -> dict[int | str, str]:
    """The nets that a cell for constants drives."""
    return {
        bit: _CONSTANTS[cell["type"]]
        for cell in module["cells"].values()
        if cell["type"] in _CONSTANTS
        for bits in cell["connections"].values()
        for bit in bits
    }


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
    constants: Mapping[int | str, str],
) -> dict[tuple[str, int], str]:
    """The flip-flop behind each output of a port that is used; none if the port must stay as it is."""
    pins, parameters = memory["connections"], memory["parameters"]

    def tied(pin: str, value: str) -> bool:
        return [constants.get(bit, bit) for bit in pins.get(pin, [value])] == [value]

    if any(_value(parameters.get(mode, port.off)) != port.off for mode in port.modes):
        return {}
    if not all(tied(reset, "0") for reset in port.resets) or not tied(port.read, "1"):
        return {}
    if any(_value(parameters.get(name, value)) != value for name, value in port.plain.items()):
        return {}
    found = {}
    for pin in port.outputs:
        for place, bit in enumerate(pins.get(pin, ())):
            used = readers.get(bit, [])
            if not used:
                continue
            (name, at), *others = used
            if others or not _is_plain(cells.get(name), at, pins[port.clock], constants):
                return {}
            found[pin, place] = name
    return found


@dataclass(frozen=True, kw_only=True)
class _Register:
    """A kind of flip-flop.

    Parameters
    ----------
    data, clock : str
        Pins.
    plain : dict
        Parameters of one that has a clock and nothing else, and begins with 0.
    idle : dict
        Pins that are constant in such a one.
    """

    data: str
    clock: str
    plain: dict[str, str]
    idle: dict[str, str]


_REGISTERS = {
    "TRELLIS_FF": _Register(
        data="DI",
        clock="CLK",
        plain={"CLKMUX": "CLK", "CEMUX": "1", "REGSET": "RESET", "LSRMUX": "LSR"},
        idle={"LSR": "0"},
    ),
    "FDRE": _Register(
        data="D",
        clock="C",
        plain={"INIT": "0", "IS_C_INVERTED": "0", "IS_D_INVERTED": "0", "IS_R_INVERTED": "0"},
        idle={"CE": "1", "R": "0"},
    ),
    "FD1P3IX": _Register(data="D", clock="CK", plain={}, idle={"SP": "1", "CD": "0"}),
}


def _is_plain(cell: Mapping[str, Any] | None, pin: str, clock: list[Any], constants: Mapping[int | str, str]) -> bool:
    """Whether a pin is the data input of a flip-flop with a clock and nothing else."""
    if cell is None or cell["type"] not in _REGISTERS:
        return False
    kind, pins, parameters = _REGISTERS[cell["type"]], cell["connections"], cell["parameters"]
    return (
        pin == kind.data
        and pins[kind.clock] == clock
        and all(_value(parameters.get(name, value)) == value for name, value in kind.plain.items())
        and all(
            [constants.get(bit, bit) for bit in pins.get(name, [value])] == [value] for name, value in kind.idle.items()
        )
    )


def _value(parameter: str) -> str:
    """A parameter as it is compared: numbers, which ``write_json`` gives as binary digits, without leading zeros."""
    text = parameter.strip()
    return (text.replace("x", "0").lstrip("0") or "0") if set(text) <= set("01x") else text
