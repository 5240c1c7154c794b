"""Place and route of a design on a board, at the fastest clock that its accelerator reaches."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any

from bitweir_hw.boards import Board
from bitweir_hw.boards.pll import PLL_CORE, Pll
from bitweir_hw.errors import BitweirError, PlanError
from bitweir_hw.resources.memories import OUTPUT_REGISTERS
from bitweir_hw.tools import YOSYS_LOG, Told, run_yosys, yosys_version
from joblib import Parallel, delayed

from .flows import classify, lone_carries, script, sites
from .logs import logs_in, working_folder
from .nextpnr import LOG, Routed, pack, place_and_route, tools
from .output_registers import absorb_registers
from .paths import ACCELERATOR, LINK, block_of, longest_path, registers
from .results import Attempted, CellUse, PllSettings, Resources, RoutedCore, Seconds, TimingPath

__all__ = ["MARGIN", "Attempt", "Result", "Routable", "TimingError", "route"]

#: By how much the routed Fmax must be above the clock: for the jitter of the PLL, and because the delays that nextpnr
#: knows were measured by others than the vendors.
MARGIN = 0.05
#: Cycles of the accelerator's clock that a path from the link may take: see `link.crossing.Crossing`.
_CROSSING_CYCLES = 3
#: Clocks to try: two routings of one design differ by some per cent.
_ATTEMPTS = 4
#: What another routing must promise to be worth its time.
_GAIN = 1.02
_TOP = "top"
#: What a board needs beside LUTs, and no row counts.
_AROUND = (
    "EHXPLLL", "SB_PLL40_2_PAD", PLL_CORE, "rPLL", "IBUF", "OBUF", "TBUF", "SB_IO", "TRELLIS_IO", "ODDRX1F",
)  # fmt: skip


class TimingError(BitweirError):
    """A routed design is too slow for its clock."""

    exit_code = 11


@dataclass(frozen=True, kw_only=True)
class Routable:
    """What to route.

    Parameters
    ----------
    rtlil : callable
        The design in RTLIL with the top module ``top``, for a PLL, or for None: the oscillator alone.
    layers : mapping
        The layer of each block of the accelerator.
    sdram : bool
        Whether it has the pins of the board's SDRAM chip.
    in_parts : bool
        Whether wired layers of it are cut into parts.
    highest : float
        Hz, of the fastest clock that it may have.
    levels : int, optional
        Adder levels between its registers, where that is known.
    """

    rtlil: Callable[[Pll | None], str]
    layers: Mapping[str, str]
    sdram: bool = False
    in_parts: bool = False
    highest: float = inf
    levels: int | None = None


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One clock that was tried.

    Parameters
    ----------
    pll : Pll or None
    clock, link_clock : float
        Hz, of the accelerator and of the link.
    seed : int
        The best one.
    routed : Routed
        With this seed.
    path, link_path : TimingPath
    """

    pll: Pll | None
    clock: float
    link_clock: float
    seed: int
    routed: Routed
    path: TimingPath
    link_path: TimingPath

    @property
    def met(self) -> bool:
        """Whether the routed Fmax is above the clock by `MARGIN`, and the rest is right."""
        return self.routed.fmax >= self.clock * (1 + MARGIN) and _is_sound(self.routed, self.clock, self.link_clock)


def _is_sound(routed: Routed, clock: float, link_clock: float) -> bool:
    """Whether the link meets its clock, beats cross to the accelerator's in time, and no data comes too early."""
    return (
        routed.link_fmax >= link_clock * (1 + MARGIN)
        and routed.crossing * clock * (1 + MARGIN) <= _CROSSING_CYCLES
        and not routed.hold
    )


@dataclass(frozen=True, kw_only=True)
class Result:
    """A routed design.

    Parameters
    ----------
    pll : Pll or None
    bitstream : bytes
    rtlil : str
        What was routed.
    core : RoutedCore
    logs : dict of str to bytes
        Logs of Yosys and nextpnr, by the names of their files.
    """

    pll: Pll | None
    bitstream: bytes
    rtlil: str
    core: RoutedCore
    logs: dict[str, bytes] = field(default_factory=dict)


def route(
    design: Routable,
    board: Board,
    *,
    clock: float | None = None,
    seeds: int = 1,
    jobs: int | None = None,
    told: Told | None = None,
) -> Result:
    """Synthesise, place and route a design, and pack its bitstream.

    Without a clock the design is routed first for what the board usually reaches; then for the fastest clock that
    its PLL makes and that is below the achieved Fmax by `MARGIN`, and again until nothing is gained. The same input
    gives the same bytes.

    Parameters
    ----------
    design : Routable
    board : Board
    clock : float, optional
        Hz, at most; the PLL makes the fastest clock not above.
    seeds : int
        Each is routed, and the fastest result taken.
    jobs : int, optional
        Seeds at once; by default as many as there are processors.
    told : callable, optional
        Takes what is under way.

    Raises
    ------
    TimingError
        The design does not reach the clock, or none that the board can make.
    ToolError
        A tool is missing or failed.
    """
    run = _Run(design, board, seeds, jobs, told, asked=clock)
    limit = clock or board.first_clock
    while len(run.attempts) < run.most:
        try:
            pll = board.fastest(min(limit, design.highest))
        except PlanError as error:
            if run.kept:
                break
            if not run.attempts:
                raise
            raise run.too_slow(f" {error}") from error
        if run.kept and _hertz(board, pll) < _GAIN * run.kept.attempt.clock:
            break
        limit = run.attempt(pll).routed.fmax / (1 + MARGIN)
    if run.kept is None:
        raise run.too_slow()
    return run.result(run.kept)


@dataclass(frozen=True, kw_only=True)
class _Kept:
    """What is kept of an attempt."""

    attempt: Attempt
    rtlil: str
    bitstream: bytes
    blocks: dict[str, Resources]
    logs: dict[str, bytes]


class _Run:
    """The clocks that were tried for a design, and the best result so far."""

    def __init__(
        self, design: Routable, board: Board, seeds: int, jobs: int | None, told: Told | None, *, asked: float | None
    ) -> None:
        self.design, self.board, self.seeds, self.jobs, self.asked = design, board, seeds, jobs, asked
        self.most = 1 if asked else _ATTEMPTS
        self.attempts: list[Attempt] = []
        self.kept: _Kept | None = None
        self.seconds = {"synthesis": 0.0, "routing": 0.0}
        self._told = told
        #: Of the last attempt.
        self._logs: dict[str, bytes] = {}

    def _telling(self, hertz: float) -> Told | None:
        """Tells at which clock something is done."""
        told, most = self._told, f" of at most {self.most}" if self.most > 1 else ""
        clock = f"{hertz / 1e6:.4g} MHz, attempt {len(self.attempts) + 1}{most}"
        return told and (lambda what: told(f"{clock}, {what}"))

    def attempt(self, pll: Pll | None) -> Attempt:
        """Try a clock; keep the result if it is met."""
        board, hertz = self.board, _hertz(self.board, pll)
        told = self._telling(hertz)
        with working_folder() as folder:
            started = time.perf_counter()
            text = self.design.rtlil(pll)
            blocks, signals = _synthesise(text, board, self.design.layers, folder, told)
            self.seconds["synthesis"] += time.perf_counter() - started
            started = time.perf_counter()
            link_clock = board.oscillator if pll else None
            seed, routed = _sweep(
                board, folder, clock=hertz, link_clock=link_clock, seeds=self.seeds, jobs=self.jobs,
                sdram=self.design.sdram, in_parts=self.design.in_parts, told=told,
            )  # fmt: skip
            self.seconds["routing"] += time.perf_counter() - started
            path, link_path = (
                longest_path(steps, self.design.layers, signals) for steps in (routed.path, routed.link_path)
            )
            attempt = Attempt(
                pll=pll, clock=hertz, link_clock=link_clock or hertz, seed=seed, routed=routed, path=path,
                link_path=link_path,
            )  # fmt: skip
            self.attempts.append(attempt)
            self._logs = logs_in(folder)
            if attempt.met and (self.kept is None or hertz > self.kept.attempt.clock):
                bitstream = pack(board, folder / f"seed{seed}")
                found = (folder / YOSYS_LOG, folder / f"seed{seed}" / LOG)
                logs = {path.name: path.read_bytes() for path in found if path.is_file()}
                self.kept = _Kept(attempt=attempt, rtlil=text, bitstream=bitstream, blocks=blocks, logs=logs)
        return attempt

    def too_slow(self, more: str = "") -> TimingError:
        """The error that the last clock is not met, which tells `more`, too."""
        error = TimingError(f"{self._too_slow()}{more}")
        error.logs = self._logs
        return error

    def _too_slow(self) -> str:
        """Why the last clock is not met, and what to try."""
        attempt, title = self.attempts[-1], self.board.title
        routed, more = attempt.routed, f"--seeds {2 * self.seeds}"
        if routed.hold:
            return f"Hold time is violated at {', '.join(routed.hold[:3])} as routed on {title}: try {more}."
        if routed.link_fmax < attempt.link_clock * (1 + MARGIN):
            return (
                f"The link reaches {routed.link_fmax / 1e6:.2f} MHz on {title}, and its clock of "
                f"{attempt.link_clock / 1e6:.2f} MHz must stay {MARGIN:.0%} below. The longest path: "
                f"{attempt.link_path}. Try {more}."
            )
        if not _is_sound(routed, attempt.clock, attempt.link_clock):
            return (
                f"Beats need {routed.crossing * 1e9:.2f} ns from the link to the accelerator on {title}, and "
                f"{_CROSSING_CYCLES} cycles of {attempt.clock / 1e6:.2f} MHz must be {MARGIN:.0%} longer. Try {more}."
            )
        reached = int(routed.fmax / (1 + MARGIN) / 1e4) / 100
        ways = [more, f"--clock {reached:g}"] + ["--stage-levels 1"] * (self.design.levels != 1)
        return (
            f"The design reaches {routed.fmax / 1e6:.2f} MHz on {title}, and a clock of {attempt.clock / 1e6:.2f} MHz"
            f"{self._made_of()} must stay {MARGIN:.0%} below. The longest path: {attempt.path}. "
            f"Try {', '.join(ways[:-1])}{',' * (len(ways) > 2)} or {ways[-1]}."
        )

    def _made_of(self) -> str:
        """Why the clock is not the one that was asked for, where it is not."""
        clock = self.attempts[-1].clock
        if not self.asked or round(clock) == round(self.asked):
            return ""
        return f" (the fastest that it can have below {self.asked / 1e6:.6g} MHz)"

    def result(self, kept: _Kept) -> Result:
        """What becomes of an attempt that is kept."""
        board, attempt, routed = self.board, kept.attempt, kept.attempt.routed
        core = RoutedCore(
            board=board.name,
            part=board.part_name,
            device=board.device,
            clock_mhz=attempt.clock / 1e6,
            fmax_mhz=_mhz(routed.fmax),
            link_clock_mhz=attempt.link_clock / 1e6,
            link_fmax_mhz=_mhz(routed.link_fmax),
            crossing_ns=round(routed.crossing * 1e9, 3),
            margin=MARGIN,
            pll=_pll_settings(attempt.pll, board),
            seed=attempt.seed,
            seeds=self.seeds,
            attempts=tuple(
                Attempted(clock_mhz=tried.clock / 1e6, fmax_mhz=_mhz(tried.routed.fmax), seed=tried.seed)
                for tried in self.attempts
            ),
            utilisation={kind: CellUse(**cells) for kind, cells in routed.utilisation.items()},
            blocks=kept.blocks,
            path=attempt.path,
            tools={"Yosys": yosys_version(), **tools(board.family)},
            options=tuple(routed.options),
            seconds=Seconds(**{key: round(value, 3) for key, value in self.seconds.items()}),
        )
        return Result(pll=attempt.pll, bitstream=kept.bitstream, rtlil=kept.rtlil, core=core, logs=kept.logs)


def _synthesise(
    text: str, board: Board, layers: Mapping[str, str], folder: Path, told: Told | None = None
) -> tuple[dict[str, Resources], dict[str, str]]:
    """Write the netlist that nextpnr takes into a folder; what each block needs, and `registers`."""
    family = board.family
    (folder / "design.il").write_text(text)
    modules = {f"{_TOP}.{ACCELERATOR}{name}": name for name in layers}
    keep = [f"\\{module}" for module in modules]
    commands = script(family, top=_TOP, keep=keep, netlist="mapped.json", part=board.part_name)
    # Registers get the names of their signals. Blocks are flattened only then, so that each cell bears the name of its
    # block.
    commands += "rename -wire\nsetattr -mod -unset keep_hierarchy *\nflatten\nopt_clean -purge\n"
    if family == "gowin":
        commands += "iopadmap -bits -inpad IBUF O:I -outpad OBUF I:O -ignore TBUF O\n"
    run_yosys(commands + "write_json netlist.json\n", folder, told=told and (lambda what: told(f"Yosys {what}")))
    absorbed = _use_output_registers(family, folder / "netlist.json", layers)
    stat = _modules(folder / "stat.json")
    # Of a large design these files take much memory; only iCE40 needs to look into them.
    mapped, signals = None, dict[str, str]()
    if family == "ice40":
        mapped, signals = _modules(folder / "mapped.json"), registers(_modules(folder / "netlist.json")[_TOP])
    rows = {}
    for module, name in {**modules, _TOP: LINK}.items():
        inside = {*modules, *_AROUND}
        cells = {kind: count for kind, count in stat[f"\\{module}"]["num_cells_by_type"].items() if kind not in inside}
        lone = lone_carries(family, mapped[module]) if mapped else 0
        counts = classify(family, cells)
        counts["ff"] -= absorbed[name]
        rows[name] = Resources(**counts, sites=sites(family, cells, lone=lone))
    return rows, signals


def _use_output_registers(family: str, path: Path, layers: Mapping[str, str]) -> Counter[str]:
    """Let block RAM of a netlist hold the registers behind it, where the family has any; how many are so, by block."""
    if family not in OUTPUT_REGISTERS:
        return Counter()
    netlist = json.loads(path.read_text())
    absorbed = absorb_registers(netlist["modules"][_TOP])
    path.write_text(json.dumps(netlist))
    return Counter(block_of(name, layers) for name in absorbed)


def _modules(path: Path) -> dict[str, Any]:
    modules: dict[str, Any] = json.loads(path.read_text())["modules"]
    return modules


def _sweep(
    board: Board,
    folder: Path,
    *,
    clock: float,
    link_clock: float | None,
    seeds: int,
    jobs: int | None,
    sdram: bool,
    in_parts: bool,
    told: Told | None,
) -> tuple[int, Routed]:
    """Route with seeds 1 to `seeds`, aiming `MARGIN` above the clocks; the best of them, the lowest of equals."""
    aim, link_aim = clock * (1 + MARGIN), link_clock and link_clock * (1 + MARGIN)

    def one(seed: int) -> Routed:
        own = folder / f"seed{seed}"
        own.mkdir()
        name = f"nextpnr, seed {seed} of {seeds}" if seeds > 1 else "nextpnr"
        return place_and_route(
            board, own, netlist="../netlist.json", clock=aim, link_clock=link_aim, seed=seed, sdram=sdram,
            in_parts=in_parts, told=told and (lambda what: told(f"{name}: {what}")),
        )  # fmt: skip

    # Threads, as each one waits for a process of its own.
    many = min(seeds, jobs or os.cpu_count() or 1)
    found = Parallel(n_jobs=many, prefer="threads")(delayed(one)(seed) for seed in range(1, seeds + 1))
    sound = [_is_sound(routed, clock, link_clock or clock) for routed in found]
    best = max(range(seeds), key=lambda index: (sound[index], found[index].fmax, -index))
    return best + 1, found[best]


def _hertz(board: Board, pll: Pll | None) -> float:
    return float(pll.clock) if pll else float(board.oscillator)


def _mhz(hertz: float) -> float:
    return round(hertz / 1e6, 3)


def _pll_settings(pll: Pll | None, board: Board) -> PllSettings | None:
    if pll is None:
        return None
    return PllSettings(
        cell=board.pll_cell,
        source_mhz=pll.source / 1e6,
        vco_mhz=float(pll.vco) / 1e6,
        divide=pll.divide,
        multiply=pll.multiply,
        post=pll.post,
    )
