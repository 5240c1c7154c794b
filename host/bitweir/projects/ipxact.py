"""A component of IP-XACT (IEEE 1685-2014): interfaces of AXI, registers, ports and files."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement, indent, tostring

from bitweir_hw.accelerator.comments import Port
from bitweir_hw.axi.comments import interface_of
from bitweir_hw.axi.registers import ADDRESS_BITS, REGISTERS, Register

from .facts import Facts

__all__ = ["ipxact"]

_SPACE = "http://www.accellera.org/XMLSchema/IPXACT/1685-2014"
#: The bus definitions of ARM, by kind: their names and versions. Each has an abstraction whose name ends in _rtl.
#: That of a port that only reads has no signals for writes, which AXI4 would want.
_BUSES = {"axis": ("AXI4Stream", "r0p0_1"), "lite": ("AXI4-Lite", "r0p0_0"), "axi": ("AXI4_RO", "r0p0_0")}
#: All abstractions have clock and reset as well, which tell to which ones an interface belongs.
_SHARED = [("ACLK", "aclk"), ("ARESETn", "aresetn")]
_ACCESS = {"ro": "read-only", "rw": "read-write", "wo": "write-only", "w1c": "read-write"}
_MAP = "registers"
_SPACE_OF_WEIGHTS = "memory"


def _add(parent: Element, tag: str, text: object = None, /, **attributes: str) -> Element:
    """An element below another one."""
    child = SubElement(parent, f"ipxact:{tag}", attributes)
    if text is not None:
        child.text = str(text)
    return child


def ipxact(facts: Facts) -> dict[str, str]:
    """``NAME.xml``."""
    root = Element("ipxact:component", {"xmlns:ipxact": _SPACE})
    for name, value in (("vendor", "bitweir"), ("library", "accelerators"), ("name", facts.top)):
        _add(root, name, value)
    _add(root, "version", facts.version)
    buses: dict[str, list[tuple[str, Port]]] = {}
    for port in facts.ports:
        if told := interface_of(port.name):
            buses.setdefault(told[0], []).append((told[1], port))
    if buses:
        interfaces = _add(root, "busInterfaces")
        for bus, signals in buses.items():
            _interface(interfaces, bus, signals)
    if "m_axi" in buses:
        bits = {signal: port.bits for signal, port in buses["m_axi"]}
        _address_space(_add(root, "addressSpaces"), bits["araddr"], bits["rdata"])
    if "s_axi" in buses:
        _memory_map(_add(root, "memoryMaps"))
    _model(root, facts)
    _file_sets(root, facts)
    _add(root, "description", f"Binary neural network accelerator {facts.name}")
    indent(root)
    text = tostring(root, encoding="unicode")
    return {f"{facts.name}.xml": f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'}


def _interface(parent: Element, bus: str, signals: list[tuple[str, Port]]) -> None:
    """An interface: its kind, its role, and which port is which of its signals."""
    kind = "axis" if "axis" in bus else "lite" if bus == "s_axi" else "axi"
    name, version = _BUSES[kind]
    common = {"vendor": "amba.com", "library": "AMBA4", "version": version}
    interface = _add(parent, "busInterface")
    _add(interface, "name", bus)
    _add(interface, "busType", name=name, **common)
    abstraction = _add(_add(interface, "abstractionTypes"), "abstractionType")
    _add(abstraction, "abstractionRef", name=f"{name}_rtl", **common)
    maps = _add(abstraction, "portMaps")
    for logical, physical in [*((signal.upper(), port.name) for signal, port in signals), *_SHARED]:
        one = _add(maps, "portMap")
        _add(_add(one, "logicalPort"), "name", logical)
        _add(_add(one, "physicalPort"), "name", physical)
    role = _add(interface, "master" if bus.startswith("m_") else "slave")
    if kind == "lite":
        _add(role, "memoryMapRef", memoryMapRef=_MAP)
    if kind == "axi":
        _add(role, "addressSpaceRef", addressSpaceRef=_SPACE_OF_WEIGHTS)


def _address_space(parent: Element, address_bits: int, data_bits: int) -> None:
    """What the port of weights can read."""
    space = _add(parent, "addressSpace")
    for name, value in (
        ("name", _SPACE_OF_WEIGHTS), ("range", f"'h{1 << address_bits:X}"), ("width", data_bits),
        ("addressUnitBits", 8),
    ):  # fmt: skip
        _add(space, name, value)


def _memory_map(parent: Element) -> None:
    """The registers."""
    memory = _add(parent, "memoryMap")
    _add(memory, "name", _MAP)
    block = _add(memory, "addressBlock")
    for name, value in (
        ("name", _MAP), ("baseAddress", 0), ("range", 1 << ADDRESS_BITS), ("width", 32), ("usage", "register"),
    ):  # fmt: skip
        _add(block, name, value)
    for one in REGISTERS:
        _register(block, one)
    _add(memory, "addressUnitBits", 8)


def _register(parent: Element, one: Register) -> None:
    """A register with its fields; one without has a field of all bits, as the standard wants one."""
    register = _add(parent, "register")
    _add(register, "name", one.name)
    _add(register, "description", one.meaning)
    _add(register, "addressOffset", f"'h{one.offset:X}")
    _add(register, "size", 32)
    _add(register, "access", _ACCESS[one.access])
    told = [(field.name, field.meaning, field.low, field.bits) for field in one.fields]
    for name, meaning, low, bits in told or [("VALUE", one.meaning, 0, 32)]:
        field = _add(register, "field")
        _add(field, "name", name)
        _add(field, "description", meaning)
        _add(field, "bitOffset", low)
        _add(field, "bitWidth", bits)
        _add(field, "access", _ACCESS[one.access])
        if one.access == "w1c":
            _add(field, "modifiedWriteValue", "oneToClear")


def _model(root: Element, facts: Facts) -> None:
    """The module and its ports."""
    model = _add(root, "model")
    view = _add(_add(model, "views"), "view")
    _add(view, "name", "rtl")
    _add(view, "componentInstantiationRef", "rtl")
    instance = _add(_add(model, "instantiations"), "componentInstantiation")
    _add(instance, "name", "rtl")
    _add(instance, "language", "verilog")
    _add(instance, "moduleName", facts.top)
    _add(_add(instance, "fileSetRef"), "localName", "rtl")
    ports = _add(model, "ports")
    for one in facts.ports:
        port = _add(ports, "port")
        _add(port, "name", one.name)
        wire = _add(port, "wire")
        _add(wire, "direction", "in" if one.way == "input" else "out")
        if one.bits > 1:
            vector = _add(_add(wire, "vectors"), "vector")
            _add(vector, "left", one.bits - 1)
            _add(vector, "right", 0)


def _file_sets(root: Element, facts: Facts) -> None:
    """The files."""
    files = _add(_add(root, "fileSets"), "fileSet")
    _add(files, "name", "rtl")
    for name in facts.sources:
        file = _add(files, "file")
        _add(file, "name", name)
        _add(file, "fileType", "verilogSource")
    for name in facts.memories:
        file = _add(files, "file")
        _add(file, "name", name)
        _add(file, "fileType", "user", user="readmemh")
