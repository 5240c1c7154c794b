"""What drives a compiled design: C++ of ours, and the access functions that it asks for."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["CHIP_PINS", "SPI", "STREAMS", "UART", "Harness", "Ports", "chip_widths", "feed_widths", "tap_widths"]


@dataclass(frozen=True)
class Ports:
    """How C++ reaches the ports of a design.

    Parameters
    ----------
    widths : dict of str to int
        Bits of each port.
    member : callable
        From the name of a port to that of the member of the C++ class.
    set_bit : str
        A statement that sets the port ``{}`` of one bit to ``on``.
    """

    widths: dict[str, int]
    member: Callable[[str], str]
    set_bit: str

    def setter(self, function: str, port: str) -> str:
        """A function that sets a port of one bit."""
        return f"static inline void {function}(Design &d, bool on) {{ {self.set_to_on(port)}; }}"

    def set_to_on(self, port: str) -> str:
        """A statement that sets a port of one bit to ``on``."""
        return self.set_bit.format(f"d.top.{self.member(port)}")

    def bit(self, port: str) -> str:
        """An expression for a port of one bit."""
        return f"bit(d.top.{self.member(port)})"

    def getter(self, function: str, port: str) -> str:
        """A function that reads a port of one bit."""
        return f"static inline bool {function}(Design &d) {{ return {self.bit(port)}; }}"

    def fetch(self, port: str) -> str:
        """An expression that copies a port to ``to``."""
        return f"get<{self.widths[port]}>(d.top.{self.member(port)}, to)"


@dataclass(frozen=True)
class Harness:
    """C++ that drives a design.

    Parameters
    ----------
    source : str
        Its file.
    needed : tuple of str
        Ports that the design must have, beside its clocks.
    told : str
        The same, for people.
    link_clock : bool
        Whether it has a clock ``link_clk`` beside ``clk``.
    glue : callable
        The access functions that it asks for, line by line.
    """

    source: str
    needed: tuple[str, ...]
    told: str
    glue: Callable[[Ports], list[str]]
    link_clock: bool = False

    @property
    def clocks(self) -> tuple[str, ...]:
        """Ports of clocks that the design must have."""
        return ("clk", "link_clk") if self.link_clock else ("clk",)


def tap_widths(widths: dict[str, int]) -> dict[str, int]:
    """Width of the payload of each tap, by its name."""
    names = (re.fullmatch(r"tap_(.+)__valid", port) for port in widths)
    return {name[1]: widths[f"tap_{name[1]}__payload"] for name in names if name}


def feed_widths(widths: dict[str, int]) -> dict[str, int]:
    """Width of a word of each stream of weights, by the name of its block."""
    names = (re.fullmatch(r"weights_(.+)__valid", port) for port in widths)
    return {name[1]: widths[f"weights_{name[1]}__payload"] for name in names if name}


def _words(bits: int) -> int:
    return max(1, -(-bits // 64))


def _stream_glue(ports: Ports) -> list[str]:
    widths = ports.widths
    taps = tap_widths(widths)
    visits = [
        f"    visit({number}, {_words(bits)}, {ports.bit(f'tap_{name}__valid')}, {ports.bit(f'tap_{name}__ready')}, "
        f"[&](uint64_t *to) {{ {ports.fetch(f'tap_{name}__payload')}; }});"
        for number, (name, bits) in enumerate(taps.items())
    ]
    feeds = feed_widths(widths)
    fed = [
        f"    visit({number}, {_words(bits)}, "
        f"[&](const uint64_t *from) {{ put<{bits}>(d.top.{ports.member(f'weights_{name}__payload')}, from); }}, "
        f"[&](bool on) {{ {ports.set_to_on(f'weights_{name}__valid')}; }}, "
        f"[&]() {{ return {ports.bit(f'weights_{name}__ready')}; }});"
        for number, (name, bits) in enumerate(feeds.items())
    ]
    return [
        f"constexpr size_t I_WORDS = {_words(widths['i__payload'])}, O_WORDS = {_words(widths['o__payload'])};",
        f"constexpr size_t TAPS = {len(taps)};",
        "static inline void put_i(Design &d, const uint64_t *from) "
        f"{{ put<{widths['i__payload']}>(d.top.{ports.member('i__payload')}, from); }}",
        ports.setter("i_valid", "i__valid"),
        ports.getter("i_ready", "i__ready"),
        f"static inline void get_o(Design &d, uint64_t *to) {{ {ports.fetch('o__payload')}; }}",
        ports.getter("o_valid", "o__valid"),
        ports.setter("o_ready", "o__ready"),
        f"constexpr size_t FEEDS = {len(feeds)};",
        "template <class Visit> static inline void visit_feeds(Design &d, Visit visit) {",
        "    (void)d, (void)visit;",
        *fed,
        "}",
        "template <class Visit> static inline void visit_taps(Design &d, Visit visit) {",
        "    (void)d, (void)visit;",
        *visits,
        "}",
    ]


#: Pins of an SDRAM chip that the design drives, from the lowest bit on.
CHIP_PINS = ("cke", "cs_n", "ras_n", "cas_n", "we_n", "ba", "a", "dqm", "dq_oe", "dq_o")


def chip_widths(widths: dict[str, int]) -> dict[str, int]:
    """Width of each of `CHIP_PINS`; none where the design has no such chip."""
    return {pin: widths[f"pins__{pin}"] for pin in CHIP_PINS if f"pins__{pin}" in widths}


def _uart_glue(ports: Ports) -> list[str]:
    wire = [ports.setter("set_rx", "rx"), ports.getter("get_tx", "tx"), ports.getter("get_busy", "busy")]
    return [*wire, *_chip_glue(ports)]


def _spi_glue(ports: Ports) -> list[str]:
    wires = [ports.setter(f"set_{pin}", pin) for pin in ("sck", "copi", "cs")]
    return [*wires, ports.getter("get_cipo", "cipo"), *_chip_glue(ports)]


def _chip_glue(ports: Ports) -> list[str]:
    chip, at = chip_widths(ports.widths), 0
    fetched = []
    for pin, width in chip.items():
        fetched.append(f"    {{ uint64_t *to = &part; {ports.fetch(f'pins__{pin}')}; pins |= part << {at}; }}")
        at += width
    put = f"put<16>(d.top.{ports.member('pins__dq_i')}, &data)" if chip else ""
    return [
        f"constexpr bool CHIP = {'true' if chip else 'false'};",
        "static inline uint64_t get_pins(Design &d) {",
        "    uint64_t pins = 0, part = 0;",
        "    (void)d, (void)part;",
        *fetched,
        "    return pins;",
        "}",
        f"static inline void put_data(Design &d, uint64_t data) {{ (void)d, (void)data; {put}; }}",
    ]


#: Streams `i` and `o`, and taps: see compiled.py.
STREAMS = Harness(
    "shim.cpp",
    tuple(f"{stream}__{part}" for stream in "io" for part in ("payload", "valid", "ready")),
    "streams i and o",
    _stream_glue,
)
#: A UART: see board.py.
UART = Harness("board.cpp", ("rx", "tx", "busy"), "rx, tx and busy", _uart_glue, link_clock=True)
#: SPI: see board.py.
SPI = Harness("spi_board.cpp", ("sck", "copi", "cs", "cipo"), "sck, copi, cs and cipo", _spi_glue, link_clock=True)
