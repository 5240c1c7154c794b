"""The whole way, on a network that ships with the package."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from bitweir_hw.plan import plan_for_fps
from rich.text import Text

from .console import Output
from .design import Design
from .images import load_images
from .importers import load_model
from .report.collect import collect
from .report.report import Report
from .report.terminal import render
from .run_tables import simulation_table
from .runs import Simulation, simulate
from .synthesis.measure import synthesise
from .target import Target

__all__ = ["NETWORKS", "run_demo"]


@dataclass(frozen=True, kw_only=True)
class _Shipped:
    """A shipped network: its files, a goal that suits it, a family that it fits."""

    model: str
    images: str
    input_scale: str
    fps: float
    family: str
    about: str


NETWORKS = {
    "digits": _Shipped(
        model="digits.onnx", images="digits_test.npz", input_scale="1", fps=1e6, family="ecp5", about="a dense network"
    ),
    "cnn": _Shipped(
        model="cnn.onnx",
        images="digits_test.npz",
        input_scale="1",
        fps=100e3,
        family="ecp5",
        about="a convolutional network",
    ),
}


def run_demo(output: Output, name: str, folder: Path, *, clock: float) -> tuple[Simulation, Report]:
    """Import, generate, simulate, synthesise and report; what the simulation and the report say."""
    shipped = NETWORKS[name]
    files = resources.files("bitweir.networks")
    with resources.as_file(files / shipped.model) as model, resources.as_file(files / shipped.images) as images:
        about = f"{shipped.model}, {shipped.about} trained on scikit-learn's handwritten digits"
        output.show(_step("1. Import", about))
        network = load_model(model, input_scale=shipped.input_scale)
        output.show(_step("2. Generate", f"an accelerator for {shipped.fps:,.0f} frames/s"))
        with output.working("Generating Verilog"):
            plan = plan_for_fps(network, shipped.fps, clock)
            build = Design.fitted(network, plan, Target(clock=clock, family=shipped.family)).write(folder)
        output.show(_step("3. Simulate", "it on the test images"))
        simulation = simulate(build, load_images(images, network), progress=output.working)
        output.show(simulation_table(simulation))
    output.show(_step("4. Synthesise", f"it for {shipped.family} with Yosys"))
    with output.working(f"Synthesising for {shipped.family}"):
        synthesise(build, shipped.family)
    report = collect(build)
    output.show(_step("5. Report", ""), *render(report))
    output.show(Text(f"Everything is in {folder}: the Verilog in {build.verilog.name}, its ports in README.md."))
    return simulation, report


def _step(what: str, told: str) -> Text:
    return Text.assemble((what, "bold"), f" {told}")
