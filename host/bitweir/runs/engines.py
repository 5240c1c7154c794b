"""Engines that simulate a design: each makes a `Runner` of it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np
from bitweir_hw.accelerator import accelerator_rtlil, boot_cycles, booted_rtlil, rtlil_to_verilog
from bitweir_hw.errors import ToolError
from bitweir_sim.simulators.cocotb import available, run_cocotb
from bitweir_sim.simulators.cocotb import build as build_simulator
from bitweir_sim.simulators.compiled import CompiledDesign, compile_design
from bitweir_sim.trace import SimulationError, Trace
from bitweir_sim.values import fast
from bitweir_sim.values.frames import pack, unpack_results
from bitweir_sim.values.golden import Result
from bitweir_sim.verify import expected_trace, explain, weight_feeds

from ..cells import cell_models
from ..design import Design, DesignFolder
from ..folders import FileError
from ..images import Images
from ..progress import Progress
from ..weight_memory import Weights
from .runner import Run, Runner
from .waves import Recorder

__all__ = [
    "ENGINES",
    "SPARE_CYCLES",
    "AnyDesign",
    "loading_cycles",
    "prepare",
    "simulated_result",
    "simulated_rtlil",
]

AnyDesign = Design | DesignFolder
#: Cycles beyond those of the cycle model, after which a run is given up.
SPARE_CYCLES = 1000
#: Cycles after the last result in which cocotb still observes every stream.
_COCOTB_DRAIN = 16
#: Compiled by this process.
_compiled_before: WeakKeyDictionary[Design, CompiledDesign] = WeakKeyDictionary()


def loading_cycles(design: AnyDesign) -> int:
    """Cycles in which a simulated design loads its parameters, before the first beat."""
    return boot_cycles(design.pipeline) if design.plan.weights == "ram" else 0


def _golden(design: AnyDesign, waves: Path | None, weights: Weights) -> Runner:
    """The definition in NumPy, without any hardware."""
    if waves:
        raise FileError(
            "The golden engine writes no waveforms: leave out --waves (in Python waves=), or use another engine."
        )

    def run(images: Images, progress: Progress) -> Run:
        started = time.perf_counter()
        with progress(f"Running {len(images):,} frames in the golden model") as done:
            result = fast.run(design.network, images.codes, done)
        return Run(result=result, seconds=time.perf_counter() - started, simulator="NumPy")

    return run


def _compiled(design: AnyDesign, waves: Path | None, weights: Weights) -> Runner:
    """The RTL of the design, compiled through CXXRTL."""

    def run(images: Images, progress: Progress) -> Run:
        compiled = _compile(design, progress, waves=waves is not None)
        groups = -(-len(images) // design.pipeline.parallel_frames)
        beats = groups * design.pipeline.output.beats
        cycles = loading_cycles(design) + weights.timing.last_cycle(groups) + SPARE_CYCLES
        with progress(f"Simulating {len(images):,} frames") as done, _recorder(design, images).recording(waves) as file:
            started = time.perf_counter()
            trace = compiled.run(
                pack(images.codes, design.pipeline.input),
                expected_outputs=beats,
                progress=lambda _, found: done(found / beats),
                max_cycles=cycles,
                feeds=weight_feeds(design.pipeline, weights.supplies, cycles=cycles),
                waves=file,
            )
            seconds = time.perf_counter() - started
        return Run(
            result=simulated_result(design, trace, len(images)), seconds=seconds, trace=trace, simulator="CXXRTL"
        )

    return run


def _recorder(design: AnyDesign, images: Images) -> Recorder:
    return Recorder(network=design.network, pipeline=design.pipeline, first=images.first)


def _compile(design: AnyDesign, progress: Progress, *, waves: bool = False) -> CompiledDesign:
    # A design without a folder may be run in many pieces; a folder is compared with its design each time.
    if not waves and isinstance(design, Design) and design in _compiled_before:
        return _compiled_before[design]
    with progress("Compiling the design (kept for the next time)"):
        top, text = simulated_rtlil(design)
        compiled = compile_design(text, top=top, verilog=cell_models(design.plan), waves=waves)
    if not waves and isinstance(design, Design):
        _compiled_before[design] = compiled
    return compiled


def _cocotb(design: AnyDesign, waves: Path | None, weights: Weights) -> Runner:
    """The same design with its inner streams on ports, so that every stream is compared in every cycle."""
    simulator = _cocotb_simulator()

    def run(images: Images, progress: Progress) -> Run:
        if isinstance(design, DesignFolder):
            with progress("Comparing the Verilog with network and plan"):
                design.checked_verilog()
        with progress("Computing the expected trace"):
            # While parameters are loaded, the input takes nothing: as if there was nothing to take.
            stalls = np.ones(loading_cycles(design), bool)
            expected = expected_trace(
                design.network, design.pipeline, images.codes, i_stalls=stalls, supplies=weights.supplies,
                drain=_COCOTB_DRAIN,
            )  # fmt: skip
            cycles = expected.cycles_run + SPARE_CYCLES + _COCOTB_DRAIN
        with tempfile.TemporaryDirectory(prefix="bitweir-") as folder:
            top, sources = _build(design, simulator, Path(folder), progress, waves=waves is not None)
            recording = _recorder(design, images).recording(waves)
            with progress(f"Simulating {len(images):,} frames in {simulator}"), recording as file:
                started = time.perf_counter()
                try:
                    trace = run_cocotb(
                        sources,
                        top=top,
                        simulator=simulator,
                        beats=pack(images.codes, design.pipeline.input),
                        i_bits=design.pipeline.input.bits,
                        expected=expected,
                        drain=_COCOTB_DRAIN,
                        feeds=weight_feeds(design.pipeline, weights.supplies, cycles=cycles),
                        waves=file,
                    )
                except SimulationError as error:
                    if error.difference:
                        told = explain(error.difference, design.pipeline, start=images.first)
                        raise SimulationError(f"The simulation differs: {told}.", trace=error.trace) from error
                    raise
                seconds = time.perf_counter() - started
        result = simulated_result(design, trace, len(images))
        return Run(result=result, seconds=seconds, trace=trace, simulator=f"cocotb and {simulator}")

    return run


def _cocotb_simulator() -> str:
    """The first of the simulators that is there."""
    simulator = next((name for name in ("verilator", "icarus") if available(name) is None), "verilator")
    if missing := available(simulator):
        raise ToolError(missing)
    return simulator


def _build(
    design: AnyDesign, simulator: str, folder: Path, progress: Progress, *, waves: bool = False
) -> tuple[str, list[Path]]:
    """Top module and sources, which are written into a folder, of what is built for cocotb."""
    with progress(f"Building the design in {simulator} (kept for the next time)"):
        top, sources = _observed_sources(design, folder)
        build_simulator(sources, top=top, simulator=simulator, waves=waves)
    return top, sources


def prepare(design: AnyDesign, engine: str, progress: Progress) -> None:
    """Compile what an engine runs, so that it is in the cache; see `ENGINES` for errors."""
    if engine == "compiled":
        _compile(design, progress)
    elif engine == "cocotb":
        simulator = _cocotb_simulator()
        with tempfile.TemporaryDirectory(prefix="bitweir-") as folder:
            _build(design, simulator, Path(folder), progress)


def simulated_rtlil(design: AnyDesign) -> tuple[str, str]:
    """The top module to simulate, and the design as the RTLIL of which its Verilog is a translation.

    Yosys reads that in a fraction of the time and the memory. A file in a folder must be what network and plan give.
    A design with parameters in RAM needs a module that loads them.
    """
    name = design.network.name
    if isinstance(design, DesignFolder):
        design.checked_verilog()
    text = design.rtlil()
    if not loading_cycles(design):
        return name, text
    return f"{name}_boot", text + booted_rtlil(design.pipeline, name=name)


def _observed_sources(design: AnyDesign, folder: Path) -> tuple[str, list[Path]]:
    """The top module and the sources of the design with its inner streams on ports."""
    name = design.network.name
    boots = bool(loading_cycles(design))
    rtlil = (booted_rtlil if boots else accelerator_rtlil)(design.pipeline, name=name, taps=True)
    source = folder / f"{name}.v"
    source.write_text(rtlil_to_verilog(rtlil))
    return f"{name}_boot" if boots else name, [source, *cell_models(design.plan)]


def simulated_result(design: AnyDesign, trace: Trace, frames: int) -> Result:
    """The results of so many frames in the output beats of a run."""
    assert trace.o.payloads is not None
    return unpack_results(trace.o.payloads, design.pipeline, frames)


#: What runs a design: from the design, where waveforms go, and how streamed weights come, to a runner. Raises
#: `FileError` where it writes no such waveforms, `ToolError` where a tool is missing.
ENGINES: dict[str, Callable[[AnyDesign, Path | None, Weights], Runner]] = {
    "compiled": _compiled,
    "cocotb": _cocotb,
    "golden": _golden,
}
