"""The registers of the AXI4-Lite port: one table for the gateware, the documentation and drivers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = [
    "ADDRESS_BITS",
    "MAGIC",
    "MAP_VERSION",
    "REGISTERS",
    "WINDOW",
    "WINDOW_BYTES",
    "Field",
    "Register",
    "register",
    "register_header",
    "register_table",
]

#: Bits of an address on the port: a page of 4 KiB, the least that interconnects of the field map.
ADDRESS_BITS = 12
#: What ID reads as: the bytes "WEIR", the first at the lowest address.
MAGIC = int.from_bytes(b"WEIR", "little")
#: The map's version: the major one in the higher 16 bits changes where a driver for an older one would be wrong.
MAP_VERSION = 0x0001_0000
#: Where the window begins through which an image is written, and its bytes: any word of it is the next one.
WINDOW, WINDOW_BYTES = 0x800, 0x800


@dataclass(frozen=True, kw_only=True)
class Field:
    """Some bits of a register.

    Parameters
    ----------
    name : str
    low, bits : int
        The lowest bit, and how many.
    meaning : str
        What the documentation tells.
    """

    name: str
    low: int
    bits: int = 1
    meaning: str

    @property
    def mask(self) -> int:
        """The bits, in their place."""
        return (1 << self.bits) - 1 << self.low


@dataclass(frozen=True, kw_only=True)
class Register:
    """32 bits at an address.

    Parameters
    ----------
    name : str
    offset : int
        Bytes.
    access : str
        ``"ro"``: reads only; ``"rw"``: reads as it was written; ``"wo"``: acts when it is written, and reads as 0;
        ``"w1c"``: bits that are written as 1 become 0.
    meaning : str
    fields : tuple of Field
    """

    name: str
    offset: int
    access: Literal["ro", "rw", "wo", "w1c"]
    meaning: str
    fields: tuple[Field, ...] = ()


_EVENTS = (
    Field(name="RESULT", low=0, meaning="a packet with a result has left"),
    Field(name="LOADED", low=1, meaning="an image of parameters is in place"),
    Field(name="ERROR", low=2, meaning="a packet was dropped, an image was wrong, or a read of weights failed"),
)

#: All of them, in the order of their offsets. Every accelerator has the same map: what one does not have reads as 0.
REGISTERS = (
    Register(name="ID", offset=0x00, access="ro", meaning=f"0x{MAGIC:08X}: the bytes WEIR"),
    Register(
        name="VERSION", offset=0x04, access="ro", meaning="of this map",
        fields=(
            Field(name="MINOR", low=0, bits=16, meaning="registers were added"),
            Field(name="MAJOR", low=16, bits=16, meaning="registers have changed"),
        ),
    ),
    Register(
        name="NETWORK", offset=0x08, access="ro",
        meaning="the first 8 digits of the network's SHA-256, as the head of the Verilog tells it",
    ),
    Register(
        name="FEATURES", offset=0x0C, access="ro", meaning="what the accelerator has",
        fields=(
            Field(name="LOADS", low=0, meaning="parameters are in RAM, and loaded through the window"),
            Field(name="CHECKSUMS", low=1, meaning="CRC-32 of frames and results"),
            Field(name="READS_WEIGHTS", low=2, meaning="weights are read over AXI4"),
            Field(name="CLASS_ONLY", low=3, meaning="a result is its class, without scores"),
        ),
    ),
    Register(name="FRAME_BYTES", offset=0x10, access="ro", meaning="bytes of a packet that goes in"),
    Register(name="RESULT_BYTES", offset=0x14, access="ro", meaning="bytes of a packet that comes out"),
    Register(name="IMAGE_BYTES", offset=0x18, access="ro", meaning="bytes of an image of parameters, CRC-32 included"),
    Register(
        name="CONTROL", offset=0x20, access="wo", meaning="what happens once, where a 1 is written",
        fields=(
            Field(name="RESET", low=0, meaning="discards all frames; loaded parameters must be loaded again"),
            Field(name="CLEAR", low=1, meaning="sets all counts and checksums to 0"),
            Field(name="START_LOAD", low=2, meaning="the next word of the window begins an image"),
        ),
    ),
    Register(
        name="STATUS", offset=0x24, access="ro", meaning="the state at this moment",
        fields=(
            Field(name="BUSY", low=0, meaning="a frame was accepted whose result has not left"),
            Field(name="LOADED", low=1, meaning="parameters are in place; 1 where they are constants"),
            Field(name="LOAD_FAILED", low=2, meaning="the last image was damaged, or for another accelerator"),
            Field(name="LOAD_OVERRUN", low=3, meaning="words of the window were dropped since START_LOAD"),
            Field(name="WEIGHTS_ERROR", low=4, meaning="a read of weights failed; none come until RESET"),
        ),
    ),
    Register(
        name="IRQ_ENABLE", offset=0x28, access="rw", meaning="events for which `irq` is 1", fields=_EVENTS
    ),
    Register(
        name="IRQ_STATUS", offset=0x2C, access="w1c", meaning="events that have happened; a 1 clears one",
        fields=_EVENTS,
    ),
    Register(name="FRAMES_IN", offset=0x30, access="ro", meaning="packets that were accepted"),
    Register(name="FRAMES_OUT", offset=0x34, access="ro", meaning="packets with results that have left"),
    Register(
        name="INPUT_STALLS", offset=0x38, access="ro",
        meaning="cycles in which frames had to wait: s_axis_tvalid without s_axis_tready",
    ),
    Register(
        name="OUTPUT_STALLS", offset=0x3C, access="ro",
        meaning="cycles in which results had to wait: m_axis_tvalid without m_axis_tready",
    ),
    Register(name="SHORT_PACKETS", offset=0x40, access="ro", meaning="packets that were dropped, up to 255"),
    Register(name="LONG_PACKETS", offset=0x44, access="ro", meaning="packets that were dropped, up to 255"),
    Register(name="CYCLES", offset=0x48, access="ro", meaning="clock cycles"),
    Register(name="FRAMES_CRC", offset=0x50, access="ro", meaning="CRC-32 of all frames that were accepted"),
    Register(name="RESULTS_CRC", offset=0x54, access="ro", meaning="CRC-32 of all results that have left"),
    Register(name="LOADED_CRC", offset=0x58, access="ro", meaning="the last 4 bytes of the image that is in place"),
    Register(
        name="WEIGHTS_BASE", offset=0x60, access="rw", meaning="address of `weights.bin`, a multiple of 512"
    ),
    Register(
        name="WEIGHTS_ENABLE", offset=0x64, access="rw", meaning="whether weights are read",
        fields=(Field(name="ENABLE", low=0, meaning="the image is in memory; once 1, weights are read until RESET"),),
    ),
)  # fmt: skip

_BY_NAME = {one.name: one for one in REGISTERS}


def register(name: str) -> Register:
    """The register of that name."""
    return _BY_NAME[name]


_ACCESS = {"ro": "read", "rw": "read, write", "wo": "write", "w1c": "read, clear"}


def register_table() -> str:
    """The map as a table in Markdown."""
    rows = ["| offset | register | access | bits | meaning |", "|---|---|---|---|---|"]
    for one in REGISTERS:
        rows.append(f"| 0x{one.offset:03X} | `{one.name}` | {_ACCESS[one.access]} | 31:0 | {one.meaning} |")
        for field in one.fields:
            high = field.low + field.bits - 1
            place = f"{high}:{field.low}" if field.bits > 1 else f"{field.low}"
            rows.append(f"| | `{field.name}` | | {place} | {field.meaning} |")
    last = WINDOW + WINDOW_BYTES - 4
    rows.append(
        f"| 0x{WINDOW:03X} to 0x{last:03X} | `WINDOW` | write | 31:0 | the next 4 bytes of an image, the first in the "
        "lowest bits |"
    )
    return "\n".join(rows) + "\n"


def register_header(name: str) -> str:
    """The map as a header in C, with macros that begin with the name of the accelerator.

    Parameters
    ----------
    name : str
        Of the network.
    """
    prefix = name.upper()
    lines = [
        f"/* The registers of {name}_axi at its AXI4-Lite port: offsets in bytes, and masks of bits. */",
        f"#ifndef {prefix}_REGS_H",
        f"#define {prefix}_REGS_H",
        "",
    ]

    def define(macro: str, value: str, meaning: str) -> None:
        lines.append(f"#define {f'{prefix}_{macro}':<{len(prefix) + 28}} {value} /* {meaning} */")

    for one in REGISTERS:
        define(one.name, f"0x{one.offset:03X}u", f"{_ACCESS[one.access]}: {one.meaning}")
        for field in one.fields:
            define(f"{one.name}_{field.name}", f"0x{field.mask:08X}u", field.meaning)
    define("WINDOW", f"0x{WINDOW:03X}u", "write: the next 4 bytes of an image")
    define("WINDOW_BYTES", f"0x{WINDOW_BYTES:03X}u", "of the window: each word of it is the next one")
    define("ID_VALUE", f"0x{MAGIC:08X}u", "what ID reads as")
    define("VERSION_VALUE", f"0x{MAP_VERSION:08X}u", "what VERSION reads as")
    return "\n".join([*lines, "", "#endif", ""])
