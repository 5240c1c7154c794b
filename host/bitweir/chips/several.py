"""Several chips of the Python interface: they are in a folder, and can be simulated as one and reported on."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from bitweir_hw.checked import chosen, hertz, place
from bitweir_hw.cost import estimate_pipeline
from bitweir_sim.simulators.compiled import compile_design
from bitweir_sim.values import fast
from bitweir_sim.values.frames import pack, unpack_results
from numpy.typing import ArrayLike

from ..cells import cell_models
from ..folders import FileError
from ..images import Images
from ..model import Frames, Model, images_for
from ..planning import PlanSearch
from ..progress import Progress, silent
from ..results import quality
from ..runs import Simulation
from ..runs.runner import Run, compared_with_golden
from ..runs.waves import Recorder, check_waves
from ..speed import ExpectedClock, target_clock
from .design import ChipsDesign, ChipsFolder

__all__ = ["ENGINES", "SeveralChips"]

#: What simulates several chips.
ENGINES = ("compiled", "golden")
#: Cycles beyond those of the cycle model, after which a run is given up.
_SPARE_CYCLES = 1000


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class SeveralChips:
    """A network on several chips, and its folder. Make one with `generate_chips`, or open one with `bitweir.open`.

    Parameters
    ----------
    written : ChipsFolder
        The design, and where it was written.
    searches : tuple of PlanSearch
        What the search for the plan of each chip found, where there was one.
    """

    written: ChipsFolder
    searches: tuple[PlanSearch, ...] = ()

    @property
    def design(self) -> ChipsDesign:
        """Cuts, the design of each chip, and the channels."""
        return self.written.design

    @property
    def folder(self) -> Path:
        """The folder, in which each chip has one of its own."""
        return self.written.folder

    @property
    def verilog(self) -> Path:
        """The Verilog file with all chips in one module, for simulation."""
        return self.written.verilog

    @property
    def network(self) -> Model:
        """What all chips together compute."""
        return Model(network=self.design.network)

    @property
    def cycles_per_frame(self) -> float:
        """The initiation interval in clock cycles; each of V parallel frames has its share."""
        return float(self.design.timing.interval) / self._frames

    @property
    def latency_cycles(self) -> int:
        """Clock cycles from the first input beat of a frame to its last output beat."""
        return self.design.timing.latency

    @property
    def clock(self) -> float:
        """Hz: the lowest clock of the targets, or what is expected of a chip where that is lower."""
        return min([self.design.clock, *(one.hertz for one in self._expected)])

    @property
    def _expected(self) -> list[ExpectedClock]:
        """What is expected of the clock of each chip whose part is known, the lowest first."""
        found = [target_clock(one.pipeline, one.target) for one in self.design.designs]
        return sorted((one for one in found if one), key=lambda one: one.hertz)

    @property
    def frames_per_second(self) -> float:
        """Throughput at `clock`."""
        return self.clock / self.cycles_per_frame

    @property
    def _frames(self) -> int:
        return self.design.pipelines[0].parallel_frames

    def to_dict(self) -> dict[str, Any]:
        """The figures, as JSON has them."""
        design = self.design
        chips = []
        for number, one in enumerate(design.designs):
            part = one.target.usual_part
            cost = estimate_pipeline(one.pipeline, part.family)[1] if part else None
            chips.append(
                {
                    "folder": f"chip{number}",
                    "part": one.target.part,
                    "layers": [layer.name for layer in one.network.layers],
                    "folding": ",".join(map(str, one.plan.foldings)),
                    "cycles_per_frame": float(one.timing.interval) / self._frames,
                    "sites": cost and cost.sites,
                    "block_rams": cost and cost.bram,
                }
            )
        channels = [
            {
                "behind": one.channel.layer,
                "bits": one.channel.bits,
                "beats_per_frame": one.channel.beats / self._frames,
                "credits": one.channel.credits,
                "latency_cycles": one.channel.latency,
            }
            for one in design.joints
        ]
        return {
            "chips": chips,
            "channels": channels,
            "cycles_per_frame": self.cycles_per_frame,
            "latency_cycles": self.latency_cycles,
            "clock_mhz": self.clock / 1e6,
            "frames_per_second": self.frames_per_second,
        }

    def simulate(
        self,
        images: Frames,
        labels: ArrayLike | None = None,
        *,
        engine: str = "compiled",
        limit: int | None = None,
        clock: float | None = None,
        waves: Path | str | None = None,
        rounding: bool = False,
        progress: Progress = silent,
    ) -> Simulation:
        """Run images through all chips as one, and compare every result and its cycle with golden and cycle model.

        Parameters
        ----------
        images, labels, limit, clock, waves, rounding, progress
            As for `Accelerator.simulate`.
        engine : str
            ``"compiled"`` runs the Verilog of all chips as a C++ program, with the channels between them; ``"golden"``
            runs the golden model alone.

        Returns
        -------
        Simulation
            ``mismatches`` is the number of images whose result or cycle is wrong: 0 unless there is a fault.

        Raises
        ------
        ImageError
            The images do not suit the network.
        FileError
            A file of the folder was changed.
        ToolError
            A tool is missing.
        """
        chosen(engine, "The engine for several chips", ENGINES)
        clock = None if clock is None else hertz(clock)
        design = self.design
        loaded = images_for(design.network, images, labels, limit=limit, rounding=rounding)
        file = None if waves is None else place(waves, "The file of waveforms")
        run = self._run(loaded, engine, file, progress)
        timing, beats = design.timing, design.pipeline.output.beats
        late, measured, latency = None, None, timing.latency
        if run.trace is not None:
            finished = run.trace.o.cycles[beats - 1 :: beats]
            groups = finished != [timing.last_cycle(n + 1) for n in range(len(finished))]
            late = np.repeat(groups, self._frames)[: len(loaded)]
            latency = int(finished[0] - run.trace.i.cycles[0])
            settled = len(timing.finished) - 1 - timing.period
            whole = (len(finished) - 1 - settled) // timing.period * timing.period
            measured = float(finished[-1] - finished[-1 - whole]) / whole if whole > 0 else None
        found = compared_with_golden(design.network, loaded, run.result, late=late, progress=progress)
        interval = measured or float(timing.interval)
        rate = clock or self.clock
        return Simulation(
            engine=engine,
            simulator=run.simulator,
            images=len(loaded),
            rounded=loaded.rounded,
            result=run.result,
            quality=quality(design.network, run.result, loaded.labels),
            mismatches=found.count,
            first_mismatch=found.first,
            cycles_per_frame=interval / self._frames,
            cycles_per_frame_from="simulation" if measured else "model",
            latency_cycles=latency,
            clock=rate,
            expected=None if clock else next(iter(self._expected), None),
            made_for_clock=design.clock,
            frames_per_second=self._frames * rate / interval,
            seconds=run.seconds,
            pieces=1,
            resumed=0,
            simulated_cycles=None if run.trace is None else run.trace.cycles_run,
            resumed_cycles=None,
            trace=run.trace,
        )

    def _run(self, images: Images, engine: str, waves: Path | None, progress: Progress) -> Run:
        design = self.design
        if engine == "golden":
            if waves:
                raise FileError("The golden engine writes no waveforms: leave out --waves (in Python waves=).")
            started = time.perf_counter()
            result = fast.run(design.network, images.codes)
            return Run(result=result, seconds=time.perf_counter() - started, simulator="NumPy")
        check_waves(waves)
        with progress("Comparing the Verilog with networks and plans"):
            self.written.check_verilog()
        with progress("Compiling the design (kept for the next time)"):
            parts = [one.rtlil() + design.chip_rtlil(number) for number, one in enumerate(design.designs)]
            models = dict.fromkeys(path for one in design.designs for path in cell_models(one.plan))
            compiled = compile_design(
                "".join([*parts, design.top_rtlil()]), top=design.network.name, verilog=list(models),
                waves=waves is not None,
            )  # fmt: skip
        groups = -(-len(images) // self._frames)
        total = groups * design.pipeline.output.beats
        recorder = Recorder(network=design.network, pipeline=design.pipeline, first=images.first)
        with progress(f"Simulating {len(images):,} frames") as done, recorder.recording(waves) as file:
            started = time.perf_counter()
            trace = compiled.run(
                pack(images.codes, design.pipeline.input),
                expected_outputs=total,
                progress=lambda _, found: done(found / total),
                max_cycles=design.timing.last_cycle(groups) + _SPARE_CYCLES,
                waves=file,
            )
            seconds = time.perf_counter() - started
        assert trace.o.payloads is not None
        result = unpack_results(trace.o.payloads, design.pipeline, len(images))
        return Run(result=result, seconds=seconds, trace=trace, simulator="CXXRTL")

    def __repr__(self) -> str:
        told = self.to_dict()
        rows = [
            f"{one['folder']:<10}{one['part'] or 'any FPGA'}: {one['layers'][0]} to {one['layers'][-1]}, "
            f"{one['cycles_per_frame']:g} cycles a frame"
            for one in told["chips"]
        ]
        rows += [
            f"channel   behind {one['behind']}: {one['bits']} bits, {one['credits']} credits"
            for one in told["channels"]
        ]
        rows.append(f"whole     {self.cycles_per_frame:g} cycles a frame, latency {self.latency_cycles:,}")
        return "\n".join([f"{self.design.network.name} on {len(told['chips'])} chips", *rows])
