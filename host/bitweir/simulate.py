"""Images through a generated design, compared with the golden model."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from bitweir_hw.accelerator import accelerator_rtlil, boot_cycles, booted_rtlil, rtlil_to_verilog
from bitweir_hw.errors import ToolError
from bitweir_hw.network import Integers
from bitweir_hw.popcount import STYLE
from bitweir_sim.simulators.cocotb import available, run_cocotb
from bitweir_sim.simulators.cocotb import build as build_simulator
from bitweir_sim.simulators.compiled import compile_design
from bitweir_sim.trace import SimulationError, Trace
from bitweir_sim.values import fast
from bitweir_sim.values.frames import pack, unpack_results
from bitweir_sim.values.golden import Result, differing
from bitweir_sim.verify import expected_trace, explain
from rich.box import SIMPLE
from rich.table import Table

from .cells import cell_model
from .console import Output, equality
from .design import DesignFolder
from .folders import FileError, streamed_file
from .images import Images, load_images
from .results import ELEMENTS, quality, quality_rows, save_result

__all__ = ["ENGINES", "cell_models", "describe_difference", "print_simulation", "simulate"]

#: Cycles beyond what the cycle model tells, before a run is given up.
_SPARE_CYCLES = 1000
#: Cycles after the last result in which cocotb still looks at every stream.
COCOTB_DRAIN = 16


@dataclass(frozen=True, kw_only=True, eq=False)
class _Run:
    """What an engine found.

    Parameters
    ----------
    result : Result
    seconds : float
        Of the run alone, without building the simulator.
    trace : Trace or None
        When the beats moved.
    simulator : str
        What ran it.
    """

    result: Result
    seconds: float
    trace: Trace | None = None
    simulator: str


def simulate(
    build: DesignFolder,
    path: Path,
    output: Output,
    *,
    engine: str = "compiled",
    limit: int | None = None,
    save: Path | None = None,
    waves: Path | None = None,
    clock: float | None = None,
    rounding: bool = False,
) -> dict[str, Any]:
    """Run images through a build and compare every score, label, code and class with the golden model.

    Parameters
    ----------
    build : DesignFolder
    path : Path
        See `images.load_images`.
    output : Output
        Shows what is under way.
    engine : str
        One of `ENGINES`.
    limit : int, optional
        Use only so many images.
    save : Path, optional
        Where results go; see `results.save_result`.
    waves : Path, optional
        Where waveforms go.
    clock : float, optional
        Hz; turns cycles into times, in place of that of the target.
    rounding : bool
        Take the nearest where images hold what the input does not take.

    Returns
    -------
    dict
        ``mismatches`` counts the images of which the result differs from golden, or whose
        result comes in another cycle than the cycle model says.
    """
    images = load_images(path, build.network, limit=limit, rounding=rounding)
    with _waveform(waves):
        # Told before anything takes time: simulators go on without a word when they cannot write.
        pass
    # What jams is refused before anything is compiled.
    _ = build.timing
    expected = fast.run(build.network, images.codes)
    run = _ENGINES[engine](build, images, output, waves)
    if save:
        save_result(save, build.network, run.result)
    wrong = differing(run.result, expected)
    result: dict[str, Any] = {
        "engine": engine,
        "simulator": run.simulator,
        "images": len(images),
        "rounded": images.rounded,
        **quality(build.network, run.result, images.labels),
        "seconds": round(run.seconds, 6),
        **_timing(build, run.trace, build.target.clock if clock is None else clock),
        "made_for_mhz": build.target.clock / 1e6,
    }
    if run.trace is not None:
        finished = _finished(build, run.trace) - _boot(build)
        late = finished != [build.timing.last_cycle(n + 1) for n in range(len(finished))]
        wrong |= np.repeat(late, build.pipeline.frames)[: len(images)]
        result["simulated_cycles"] = run.trace.cycles_run
        result["cycles_per_second"] = round(run.trace.cycles_run / run.seconds)
    result["mismatches"] = int(wrong.sum())
    kind = build.network.readout.kind
    result["first_mismatch"] = (
        describe_difference(int(wrong.argmax()), run.result, expected, kind) if wrong.any() else None
    )
    return result


def _timing(build: DesignFolder, trace: Trace | None, clock: float) -> dict[str, Any]:
    """Cycles as the run had them; those of the cycle model where the run was too short, or had none."""
    timing, frames = build.timing, build.pipeline.frames
    interval, latency = float(timing.interval), timing.latency
    source = "model"
    if trace is not None:
        finished = _finished(build, trace)
        latency = int(finished[0] - trace.i.cycles[0])
        settled = len(timing.finished) - 1 - timing.period
        whole = (len(finished) - 1 - settled) // timing.period * timing.period
        if whole > 0:
            interval, source = float(finished[-1] - finished[-1 - whole]) / whole, "simulation"
    return {
        "cycles_per_frame": interval / frames,
        "cycles_per_frame_from": source,
        "latency_cycles": latency,
        "clock_mhz": clock / 1e6,
        "frames_per_second": frames * clock / interval,
        "latency_us": latency / clock * 1e6,
    }


def _finished(build: DesignFolder, trace: Trace) -> Integers:
    """Cycle of the last output beat of each frame, or of the frames that go side by side."""
    beats = build.pipeline.output.beats
    return trace.o.cycles[beats - 1 :: beats]


def describe_difference(image: int, found: Result, expected: Result, kind: str) -> str:
    """The first thing in which the results of an image differ, where results are of a kind; see `Readout`."""
    differs = np.flatnonzero(found.scores[image] != expected.scores[image])
    if len(differs):
        channel = int(differs[0])
        want, have = expected.scores[image, channel], found.scores[image, channel]
        return f"image {image}, {ELEMENTS[kind]} {channel}: expected {want}, found {have}"
    if found.classes is not None and expected.classes is not None and found.classes[image] != expected.classes[image]:
        return f"image {image}, class: expected {expected.classes[image]}, found {found.classes[image]}"
    return f"image {image}: its result comes in another cycle than expected"


def _golden(build: DesignFolder, images: Images, output: Output, waves: Path | None) -> _Run:
    if waves:
        raise FileError("The golden engine has no waveforms: leave out --waves, or use another engine.")
    started = time.perf_counter()
    result = fast.run(build.network, images.codes)
    return _Run(result=result, seconds=time.perf_counter() - started, simulator="NumPy")


def _compiled(build: DesignFolder, images: Images, output: Output, waves: Path | None) -> _Run:
    if waves and waves.suffix != ".vcd":
        raise FileError(f"The compiled engine writes waveforms as .vcd, not {waves.name!r}.")
    with output.working("Compiling the design (kept for the next time)"), _sources(build) as (top, source, others):
        design = compile_design(source, top=top, verilog=[*others, *cell_models(build)], waves=waves is not None)
    beats = pack(images.codes, build.pipeline.input)
    groups = -(-len(images) // build.pipeline.frames)
    results = groups * build.pipeline.output.beats
    with output.working(f"Simulating {len(images):,} frames") as done, _waveform(waves) as file:
        started = time.perf_counter()
        trace = design.run(
            beats,
            expected_outputs=results,
            progress=lambda _, found: done(found / results),
            max_cycles=_boot(build) + build.timing.last_cycle(groups) + _SPARE_CYCLES,
            waves=file,
        )
        seconds = time.perf_counter() - started
    return _Run(result=_result(build, trace, len(images)), seconds=seconds, trace=trace, simulator="CXXRTL")


def _cocotb(build: DesignFolder, images: Images, output: Output, waves: Path | None) -> _Run:
    """The same design with its inner streams on ports, so that every stream is compared in every cycle."""
    simulator = next((name for name in ("verilator", "icarus") if available(name) is None), "verilator")
    if missing := available(simulator):
        raise ToolError(missing)
    kind = {"verilator": ".vcd", "icarus": ".fst"}[simulator]
    if waves and waves.suffix != kind:
        raise FileError(f"The cocotb engine writes waveforms from {simulator} as {kind}, not {waves.name!r}.")
    top = build.network.name
    boot = _boot(build)
    with output.working("Comparing the Verilog with network and plan"):
        build.checked_verilog()
    with output.working("Telling what must move in every cycle"):
        # While parameters are loaded, the input takes nothing: as if there was nothing to take.
        expected = expected_trace(
            build.network, build.pipeline, images.codes, i_stalls=np.ones(boot, bool), drain=COCOTB_DRAIN
        )
    with tempfile.TemporaryDirectory(prefix="bitweir-") as folder:
        source = Path(folder) / f"{top}.v"
        with output.working(f"Building the design in {simulator} (kept for the next time)"):
            if boot:
                source.write_text(rtlil_to_verilog(booted_rtlil(build.pipeline, name=top, taps=True)))
                top = f"{top}_boot"
            else:
                source.write_text(rtlil_to_verilog(accelerator_rtlil(build.pipeline, name=top, taps=True)))
            sources = [source, *cell_models(build)]
            build_simulator(sources, top=top, simulator=simulator, waves=waves is not None)
        with output.working(f"Simulating {len(images):,} frames in {simulator}"), _waveform(waves) as file:
            started = time.perf_counter()
            try:
                trace = run_cocotb(
                    sources,
                    top=top,
                    simulator=simulator,
                    beats=pack(images.codes, build.pipeline.input),
                    i_bits=build.pipeline.input.bits,
                    expected=expected,
                    drain=COCOTB_DRAIN,
                    waves=file,
                )
            except SimulationError as error:
                if error.difference:
                    told = explain(error.difference, build.pipeline)
                    raise SimulationError(f"The simulation differs: {told}.", trace=error.trace) from error
                raise
            seconds = time.perf_counter() - started
    return _Run(
        result=_result(build, trace, len(images)), seconds=seconds, trace=trace, simulator=f"cocotb and {simulator}"
    )


def _waveform(path: Path | None) -> AbstractContextManager[Path | None]:
    """Where a simulator writes the waveform that is to be at `path`; nowhere without one."""
    return streamed_file(path) if path else nullcontext()


def _boot(build: DesignFolder) -> int:
    """Cycles in which a design loads its parameters, before the first beat."""
    return boot_cycles(build.pipeline) if build.plan.weights == "ram" else 0


@contextmanager
def _sources(build: DesignFolder) -> Iterator[tuple[str, Path, list[Path]]]:
    """The top module to simulate, the design, and further sources.

    The design is a copy of the file in the folder that was compared. One with parameters in RAM needs a module that
    loads them.
    """
    name = build.network.name
    with tempfile.TemporaryDirectory(prefix="bitweir-") as folder:
        design = Path(folder) / f"{name}.v"
        design.write_text(build.checked_verilog())
        if not _boot(build):
            yield name, design, []
            return
        boot = Path(folder) / f"{name}_boot.v"
        boot.write_text(rtlil_to_verilog(booted_rtlil(build.pipeline, name=name)))
        yield f"{name}_boot", design, [boot]


def cell_models(build: DesignFolder) -> list[Path]:
    """Verilog of the primitives that the design has, if any."""
    if build.plan.popcount.style != STYLE["ecp5"]:
        return []
    return [cell_model("CCU2C")]


def _result(build: DesignFolder, trace: Trace, frames: int) -> Result:
    assert trace.o.payloads is not None
    return unpack_results(trace.o.payloads, build.pipeline, frames)


#: What runs a design.
_ENGINES: dict[str, Callable[[DesignFolder, Images, Output, Path | None], _Run]] = {
    "compiled": _compiled,
    "cocotb": _cocotb,
    "golden": _golden,
}
ENGINES = tuple(_ENGINES)


def _told_clock(result: dict[str, Any]) -> str:
    clock, own = result["clock_mhz"], result["made_for_mhz"]
    return f"{clock:.6g} MHz" + (f" (--clock; made for {own:.6g} MHz)" if clock != own else "")


def print_simulation(output: Output, result: dict[str, Any]) -> None:
    """Show the result of `simulate` to a person."""
    table = Table(show_header=False, title=f"Simulated by {result['simulator']}", title_justify="left", box=SIMPLE)
    table.add_column(style="bold")
    table.add_column()
    table.add_row("images", f"{result['images']:,}")
    if result["rounded"]:
        table.add_row("rounded", f"{result['rounded']:,} numbers to what the input takes")
    for row in quality_rows(result):
        table.add_row(*row)
    wrong = result["mismatches"]
    table.add_row("compared with golden", equality(wrong))
    if wrong:
        table.add_row("first difference", result["first_mismatch"])
    table.add_row("frame", f"every {result['cycles_per_frame']:g} cycles (from the {result['cycles_per_frame_from']})")
    table.add_row("latency", f"{result['latency_cycles']} cycles, {result['latency_us']:.2f} us")
    table.add_row("throughput", f"{result['frames_per_second']:,.0f} frames/s at {_told_clock(result)}")
    speed = f"{result['seconds']:.3f} s"
    if "cycles_per_second" in result:
        speed += f", {result['simulated_cycles']:,} cycles at {result['cycles_per_second']:,} cycles/s"
    table.add_row("run", speed)
    output.show(table)
