"""The accelerators of the Python interface: each is in a folder, and can be simulated and reported on."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path

from bitweir_hw.accelerator.parameters import parameter_image, with_parameters_of
from bitweir_hw.checked import chosen, hertz, place
from bitweir_hw.errors import PlanError
from bitweir_hw.network import Network
from bitweir_hw.parts import FpgaPart
from bitweir_hw.plan import Plan
from numpy.typing import ArrayLike

from .design import DesignFolder
from .model import Frames, Model, hardware_network, images_for
from .part_list import find_part
from .planning import PlanSearch
from .progress import Progress, silent
from .report.collect import collect
from .report.report import Report
from .runs import ENGINES, Simulation, simulate
from .runs.activity import Activity, activity
from .speed import target_clock
from .synthesis.measure import FAMILIES, synthesise
from .target import Target
from .weight_memory import WeightMemory

__all__ = ["Accelerator"]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Accelerator:
    """A generated accelerator and its folder. Make one with `bitweir.generate`, or open one with `bitweir.open`.

    Parameters
    ----------
    written : DesignFolder
        The design, and where it was written.
    search : PlanSearch or None
        What the search for the plan found, where there was one.
    """

    written: DesignFolder
    search: PlanSearch | None = None

    @property
    def folder(self) -> Path:
        """The folder with the Verilog, the network and the plan."""
        return self.written.folder

    @property
    def verilog(self) -> Path:
        """The Verilog file; its top module has the name of the network."""
        return self.written.verilog

    @property
    def network(self) -> Model:
        """What it computes."""
        return Model(network=self.written.network)

    @property
    def plan(self) -> Plan:
        """Foldings, popcounts, parallel frames and depths of FIFOs."""
        return self.written.plan

    @property
    def target(self) -> Target:
        """The part and the clock that it was made for."""
        return self.written.target

    @property
    def cycles_per_frame(self) -> float:
        """The initiation interval in clock cycles; each of V parallel frames has its share."""
        return float(self.written.timing.interval) / self.written.pipeline.parallel_frames

    @property
    def latency_cycles(self) -> int:
        """Clock cycles from the first input beat of a frame to its last output beat."""
        return self.written.timing.latency

    @property
    def clock(self) -> float:
        """Hz: the clock of the target, or the one that is expected on its part where that is lower."""
        found = target_clock(self.written.pipeline, self.target, folder=self.folder)
        return found.hertz if found else self.target.clock

    @property
    def frames_per_second(self) -> float:
        """Throughput at `clock`."""
        return self.clock / self.cycles_per_frame

    def simulate(
        self,
        images: Frames,
        labels: ArrayLike | None = None,
        *,
        engine: str = "compiled",
        limit: int | None = None,
        clock: float | None = None,
        waves: Path | str | None = None,
        weight_memory: WeightMemory | None = None,
        rounding: bool = False,
        jobs: int | None = None,
        scheduler: str | None = None,
        progress: Progress = silent,
    ) -> Simulation:
        """Run images through the accelerator, and compare every result with that of the golden model.

        Parameters
        ----------
        images : array, or path of an .npz file
            As `Model.classify` takes them.
        labels : array, optional
            Right answers, (N,); a file has its own, as the array y.
        engine : str
            ``"compiled"`` runs the Verilog as a C++ program, ``"cocotb"`` compares every stream in every cycle, and
            ``"golden"`` runs the golden model alone.
        limit : int, optional
            Use only the first images.
        clock : float, optional
            Hz, for the times that follow from cycles; that of the target if not given.
        waves : path, optional
            Where the waveform goes: a name that ends in .vcd or .fst.
        weight_memory : WeightMemory, optional
            From which streamed weights come; by default a word comes in every cycle.
        rounding : bool
            Take the nearest number that the input takes in place of one that it does not.
        jobs : int, optional
            Divide the images among so many processes: each piece is a run of its own, from reset. A call that was
            interrupted goes on when it is repeated.
        scheduler : str, optional
            Address of a Dask scheduler, whose workers take the place of processes.
        progress : Progress
            Shows what is under way.

        Returns
        -------
        Simulation
            ``mismatches`` is the number of images whose result or cycle is wrong: 0 unless there is a fault.

        Raises
        ------
        ImageError
            The images do not suit the network, or the limit is no number of images.
        PlanError
            There is no such engine, clock or number of processes.
        FileError
            A file of the folder was changed.
        ToolError
            A tool is missing.
        """
        chosen(engine, "The engine", ENGINES)
        loaded = images_for(self.written.network, images, labels, limit=limit, rounding=rounding)
        return simulate(
            self.written, loaded, engine=engine, clock=clock,
            waves=None if waves is None else place(waves, "The file of waveforms"),
            weight_memory=weight_memory, jobs=jobs, scheduler=scheduler, progress=progress,
        )  # fmt: skip

    def activity(
        self,
        images: Frames,
        *,
        limit: int | None = None,
        rounding: bool = False,
        progress: Progress = silent,
    ) -> Activity:
        """Run images through the accelerator, and count the bits of registers that change in each block.

        Parameters
        ----------
        images : array, or path of an .npz file
            As `Model.classify` takes them.
        limit : int, optional
            Use only the first images.
        rounding : bool
            Take the nearest number that the input takes in place of one that it does not.
        progress : Progress
            Shows what is under way.

        Returns
        -------
        Activity

        Raises
        ------
        ImageError
            The images do not suit the network.
        PlanError
            Its parameters are loaded.
        ToolError
            There is no compiler, or registers of this design cannot be counted.
        """
        loaded = images_for(self.written.network, images, None, limit=limit, rounding=rounding)
        return activity(self.written, loaded, progress=progress)

    def report(
        self,
        *,
        synthesise: str | None = None,
        prove: bool = False,
        part: FpgaPart | Path | str | None = None,
        clock: float | None = None,
        weight_memory: WeightMemory | None = None,
        advice: bool = True,
        progress: Progress = silent,
    ) -> Report:
        """Report the cost and the speed of the accelerator.

        Parameters
        ----------
        synthesise : str, optional
            Run Yosys for this family first: ``"ecp5"``, ``"ice40"``, ``"gowin"`` or ``"xilinx"``; what it measures is
            kept in the folder.
        prove : bool
            After synthesis, prove of each block that the mapped netlist does what the Verilog does: see
            ``synthesis[family].proof`` of the report, in which any may be refuted. Needs a family.
        part : FpgaPart or path or str, optional
            FPGA to compare with, in place of that of the target: a part, a file in TOML, or the name of a listed one.
        clock : float, optional
            Hz, in place of that of the target.
        weight_memory : WeightMemory, optional
            From which streamed weights come: the report tells the frames/s that this leaves.
        advice : bool
            Compute what to try next: what some changes of the plan would do, by estimate.
        progress : Progress
            Shows what is under way.

        Returns
        -------
        Report

        Raises
        ------
        PlanError
            The popcounts are made of primitives that the family does not have; there is no such family, part or clock;
            or a proof is asked for without a family.
        ToolError
            Yosys failed; or a package that proofs need is missing, or models of the family's cells.
        """
        compared = None if part is None else find_part(part)
        clock = None if clock is None else hertz(clock)
        if prove and synthesise is None:
            raise PlanError("A proof is about the netlist of a family: name one to synthesise for.")
        if synthesise is not None:
            chosen(synthesise, "The family", FAMILIES)
            with progress(f"Synthesising for {synthesise}") as done:
                _synthesise(self.written, synthesise, prove=prove, told=done)
        with progress("Computing the report"):
            return collect(self.written, clock=clock, part=compared, weight_memory=weight_memory, advice=advice)

    def parameters(self, net: Model | Network) -> bytes:
        """Make the parameter image of another network of the same shape, for an accelerator with parameters in RAM.

        Raises
        ------
        NetworkError
            The network has another shape.
        PlanError
            The parameters of the accelerator are constants.
        """
        return parameter_image(with_parameters_of(hardware_network(net), self.written.network, self.plan))

    @property
    def _rows(self) -> list[tuple[str, str]]:
        made_for = self.target.part or self.target.family or "any FPGA"
        return [
            ("folder", str(self.folder)),
            ("made for", f"{made_for} at {self.target.clock / 1e6:g} MHz"),
            ("folding", ",".join(map(str, self.plan.foldings))),
            ("cycles", f"{self.cycles_per_frame:g} a frame, latency {self.latency_cycles:,}"),
            ("throughput", f"{self.frames_per_second:,.0f} frames/s at {self.clock / 1e6:.4g} MHz"),
        ]

    def __repr__(self) -> str:
        rows = "\n".join(f"{what:<12}{value}" for what, value in self._rows)
        return f"Accelerator of {self.written.network.name}\n{rows}"

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><th>{what}</th><td>{escape(value)}</td></tr>" for what, value in self._rows)
        return f"<table><caption>Accelerator of {escape(self.written.network.name)}</caption>{rows}</table>"


#: The method has a parameter of this name.
_synthesise = synthesise
