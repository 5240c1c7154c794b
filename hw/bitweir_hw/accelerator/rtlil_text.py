"""RTLIL of Amaranth made ready to become Verilog that people read: names, the order of ports, widths, memories."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from .rtlil_cells import same_widths

__all__ = ["port_names", "readable"]

_WIRE = re.compile(
    r"  wire width (?P<width>\d+)(?: (?P<way>input|output|inout) \d+ )?(?P<signed> signed)? (?P<name>\S+)"
)
_CONNECTED = re.compile(r"    connect (?P<port>\\\S+) (?P<wire>\\\S+)(?: \[(?:(?P<high>\d+):)?0\])?")
_CELL = re.compile(r"  cell (?P<kind>\S+) (?P<name>\S+)")
_MEMORY = re.compile(r"  memory .* \\(?P<name>\S+)")
_STYLE = re.compile(r'  attribute \\(ram_style|rom_style) "(\w+)"')
_TOKEN = re.compile(r"[\\$]\S+")
#: A name that Verilog takes as it is.
_PLAIN = re.compile(r"[A-Za-z_]\w*")
#: What begins the groups of ports of a module, in their order; all others follow, as Amaranth has them.
_GROUPS = (
    "s_axi_",
    "s_axis_t",
    "s_axis_load_",
    "m_axis_",
    "m_axi_",
    "i__",
    "i0__",
    "i1__",
    "o__",
    "o0__",
    "o1__",
    "load__",
)
#: The ports of streams, and of AXI, in the order of the field.
_WITHIN = (
    "payload", "valid", "ready", "tdata", "tkeep", "tlast", "tvalid", "tready",
    "awaddr", "awprot", "awvalid", "awready", "wdata", "wstrb", "wvalid", "wready", "bresp", "bvalid", "bready",
    "araddr", "arlen", "arsize", "arburst", "arprot", "arvalid", "arready",
    "rdata", "rresp", "rlast", "rvalid", "rready",
)  # fmt: skip
_FIRST = ("clk", "rst", "aclk", "aresetn")
#: What other tools call the styles of memories. Vivado and Yosys read ram_style and rom_style; Synplify, which comes
#: with Diamond, Radiant and Libero, syn_ramstyle and syn_romstyle. Quartus has ramstyle and romstyle, but no value for
#: block memory of any family.
_STYLES = {
    ("ram_style", "block"): {"syn_ramstyle": "block_ram"},
    ("rom_style", "block"): {"syn_romstyle": "block_rom"},
    ("rom_style", "logic"): {"syn_romstyle": "logic", "romstyle": "logic"},
}  # fmt: skip


@dataclass
class _Module:
    """A module: its lines, and what is called how."""

    name: str
    lines: list[str] = field(default_factory=list)
    widths: dict[str, int] = field(default_factory=dict)
    ports: list[str] = field(default_factory=list)
    outputs: set[str] = field(default_factory=set)
    #: Wires that lead whole to a port of another module: its name, that of the instance, the port.
    leads: list[tuple[str, str, str, str]] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)
    #: The last number behind each name that others have, too.
    numbers: dict[str, int] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)


def readable(rtlil: str) -> str:
    """The same design with plain names, ports in order, operands as wide as results, and styles for more tools.

    Parameters
    ----------
    rtlil : str
        As Amaranth writes it. Ports of the top module keep their names.
    """
    modules = {module.name: module for module in _modules(rtlil)}
    for module in modules.values():
        _rename(module, modules)
    text = ["\n".join(_written(module, modules)) for module in modules.values()]
    return "\n".join([*text, ""])


def port_names(rtlil: str) -> dict[str, list[tuple[str, str]]]:
    """The ports of each module, each with the name that `readable` gives it, in the order of the text."""
    modules = {module.name: module for module in _modules(rtlil)}
    for module in modules.values():
        _rename(module, modules)
    return {name[1:]: [(port[1:], module.names[port][1:]) for port in module.ports] for name, module in modules.items()}


def _modules(rtlil: str) -> Iterator[_Module]:
    """The modules, with all that they name."""
    module, kind, instance = _Module(""), "", ""
    for line in rtlil.splitlines():
        if line.startswith("module "):
            module.name = line.split()[1]
        module.lines.append(line)
        if found := _WIRE.fullmatch(line):
            module.widths[found["name"]] = int(found["width"])
            if found["way"]:
                module.ports.append(found["name"])
            if found["way"] == "output":
                module.outputs.add(found["name"])
        elif found := _CELL.fullmatch(line):
            kind, instance = found.groups()
            module.taken.add(instance.removeprefix("\\"))
        elif kind.startswith("\\") and (found := _CONNECTED.fullmatch(line)):
            if int(found["high"] or 0) + 1 == module.widths[found["wire"]]:
                module.leads.append((found["wire"], kind, instance[1:], found["port"]))
        elif found := _MEMORY.fullmatch(line):
            module.taken.add(found["name"])
        elif line == "end":
            yield module
            module = _Module("")


def _rename(module: _Module, modules: dict[str, _Module]) -> None:
    """Give a plain name to each wire that someone named; those without a name remain private to Yosys.

    A wire whose name is not plain, as another one has it, is called after what drives it, or what it leads to.
    """
    ends = {}
    for drives in (False, True):
        for wire, kind, instance, port in module.leads:
            if _PLAIN.fullmatch(port[1:]) and drives == (kind in modules and port in modules[kind].outputs):
                ends[wire] = f"{instance}__{port[1:]}"
    public = [name for name in module.widths if name.startswith("\\")]
    # Ports first, then what has a plain name: others make way for them.
    public.sort(key=lambda name: (not _PLAIN.fullmatch(name[1:]), name not in module.ports))
    for name in public:
        plain = name[1:]
        if not _PLAIN.fullmatch(plain):
            plain = ends.get(name, plain)
            parts = [part for part in plain.replace(".", "_").split("$") if part and not part.isdigit()]
            plain = _free("_".join(parts) or "unnamed", module)
        module.taken.add(plain)
        module.names[name] = f"\\{plain}"


def _free(name: str, module: _Module) -> str:
    """A name that nothing has yet."""
    found = name
    while found in module.taken:
        module.numbers[name] = module.numbers.get(name, 1) + 1
        found = f"{name}_{module.numbers[name]}"
    return found


def _order(ports: list[str]) -> dict[str, int]:
    """The place of each port of a module."""
    firsts: dict[str, int] = {}
    for at, port in enumerate(ports):
        firsts.setdefault(port[1:].rpartition("_")[0], at)
        firsts[port] = at

    def key(port: str) -> tuple[int, int, int, int]:
        name = port.removeprefix("\\")
        if name in _FIRST:
            return 0, _FIRST.index(name), 0, 0
        group = next((at for at, start in enumerate(_GROUPS) if name.startswith(start)), len(_GROUPS))
        prefix, _, last = name.rpartition("_")
        within = _WITHIN.index(last) if last in _WITHIN else len(_WITHIN)
        # What belongs to a stream stands where its first port does.
        return 1, group, firsts[prefix if within < len(_WITHIN) else port], within

    return {name: at for at, name in enumerate(sorted(ports, key=key), 1)}


def _written(module: _Module, modules: dict[str, _Module]) -> Iterator[str]:
    """The lines of a module as they are to be."""
    order, cell = _order(module.ports), list[str]()

    def renamed(line: str, ports: dict[str, str] | None = None) -> str:
        """A line with other names; the first one may be a port of another module, or of a kind of cell."""
        start, skip = line.find("connect ") + len("connect "), ports is not None
        head = ""
        if skip and ports is not None:
            port, _, rest = line[start:].partition(" ")
            head, line = f"{line[:start]}{ports.get(port, port)} ", rest
        return head + _TOKEN.sub(lambda token: module.names.get(token[0], token[0]), line)

    for line in module.lines:
        if cell:
            cell.append(line)
            if line == "  end":
                kind = cell[0].split()[1]
                inner = modules[kind].names if kind in modules else {}
                for one in same_widths(cell, module.widths):
                    yield renamed(one, inner if one.startswith("    ") else None) if "connect " in one else one
                cell = []
        elif _CELL.fullmatch(line):
            cell = [line]
        elif found := _WIRE.fullmatch(line):
            way = f" {found['way']} {order[found['name']]} " if found["way"] else ""
            name = module.names.get(found["name"], found["name"])
            yield f"  wire width {found['width']}{way}{found['signed'] or ''} {name}"
        elif found := _STYLE.fullmatch(line):
            yield line
            for name, value in _STYLES.get((found[1], found[2]), {}).items():
                yield f'  attribute \\{name} "{value}"'
        elif line.lstrip().startswith(("connect ", "assign ", "switch ", "case ")):
            yield renamed(line)
        else:
            yield line
