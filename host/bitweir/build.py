"""A build folder: what `generate` writes and the other commands read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import metadata, resources
from math import ceil
from pathlib import Path
from string import Template

from bitweir_hw.blocks import ArgmaxSpec
from bitweir_hw.files import digest, load_network, load_plan, network_bytes, plan_text
from bitweir_hw.integration import PacketLayout, axi_rtlil
from bitweir_hw.link.protocol import Identity
from bitweir_hw.lower import lower
from bitweir_hw.network import Network
from bitweir_hw.parameters import image_bytes, load_cycles, parameter_image
from bitweir_hw.pipeline import Pipeline
from bitweir_hw.plan import Plan
from bitweir_hw.verilog import accelerator_rtlil, rtlil_to_verilog
from bitweir_sim.cycles import Timing, steady_state

from .folders import FileError, whole_folder

__all__ = ["Build", "write_build"]

_NETWORK, _PLAN, _README, _PARAMETERS = "network.npz", "plan.json", "README.md", "parameters.bin"


@dataclass(frozen=True, kw_only=True)
class Build:
    """A network, a plan, and the folder with what was made of them.

    Parameters
    ----------
    folder : Path
    network : Network
    plan : Plan
    """

    folder: Path
    network: Network
    plan: Plan

    @classmethod
    def open(cls, folder: Path) -> Build:
        """Read a build folder.

        Raises
        ------
        FileError
            The folder is missing or was not made by `generate`.
        NetworkError, PlanError
            A file in it is damaged.
        """
        if not folder.is_dir():
            raise FileError(f"There is no folder {str(folder)!r}: make it with bitweir generate.")
        for name in (_NETWORK, _PLAN):
            if not (folder / name).is_file():
                raise FileError(
                    f"{str(folder)!r} is no build folder, as it has no {name}: make it with bitweir generate."
                )
        build = cls(folder=folder, network=load_network(folder / _NETWORK), plan=load_plan(folder / _PLAN))
        if not build.verilog.is_file():
            raise FileError(
                f"Build folder {str(folder)!r} is incomplete, as it has no {build.verilog.name}: "
                "make it again with bitweir generate."
            )
        return build

    @cached_property
    def pipeline(self) -> Pipeline:
        """What the accelerator is made of."""
        return lower(self.network, self.plan)

    @cached_property
    def timing(self) -> Timing:
        """Cycles, from the cycle model."""
        return steady_state(self.pipeline)

    def identity(self, *, clock: int, capacity: Callable[[int], int]) -> Identity:
        """What a device with this accelerator tells of itself.

        Parameters
        ----------
        clock : int
            Hz.
        capacity : callable
            Bytes of requests that it has room for, from the bytes of a frame.

        Raises
        ------
        LinkError
            Frames go side by side.
        """
        plan = hashlib.sha256(plan_text(self.plan).encode()).digest()
        # How long a frame is does not depend on the capacity.
        identity = Identity.of(
            self.pipeline, capacity=0, clock=clock, cycles=ceil(self.timing.interval),
            latency=self.timing.latency, digest=bytes.fromhex(digest(self.network)), plan=plan,
        )  # fmt: skip
        return replace(identity, capacity=capacity(identity.frame_bytes))

    @property
    def verilog(self) -> Path:
        """The Verilog file; its top module has the name of the network."""
        return self.folder / f"{self.network.name}.v"


def write_build(network: Network, plan: Plan, folder: Path, *, axi: int | None = None) -> Build:
    """Generate an accelerator into a folder: whole, or not at all.

    Parameters
    ----------
    network : Network
    plan : Plan
    folder : Path
    axi : int, optional
        Bytes of tdata of a module ``NAME_axi`` with AXI4-Stream ports, in a file of its own.

    Raises
    ------
    BitweirError
        The plan does not fit, a layer cannot be built, or the folder cannot be written.
    """
    pipeline = lower(network, plan)
    layout = None if axi is None else PacketLayout.of(pipeline, axi)
    verilog = rtlil_to_verilog(accelerator_rtlil(pipeline, name=network.name))
    identity = digest(network)
    header = (
        f"// {network.name}: binary neural network accelerator, by bitweir {metadata.version('bitweir')}\n"
        f"// network {identity}\n"
    )
    with whole_folder(folder) as new:
        (new / f"{network.name}.v").write_text(header + verilog)
        if layout:
            wrapper = rtlil_to_verilog(axi_rtlil(pipeline, name=network.name, tdata_bytes=layout.tdata_bytes))
            (new / f"{network.name}_axi.v").write_text(header + wrapper)
        if image_bytes(pipeline):
            (new / _PARAMETERS).write_bytes(parameter_image(pipeline))
        (new / _NETWORK).write_bytes(network_bytes(network))
        (new / _PLAN).write_text(plan_text(plan))
        (new / _README).write_text(_readme(network, plan, pipeline, identity, layout))
    return Build(folder=folder, network=network, plan=plan)


def _order(pipeline: Pipeline) -> str:
    """How the elements of a frame follow each other on the input."""
    stream = pipeline.input
    elements = "one element" if stream.lanes == 1 else f"{stream.lanes} elements"
    if stream.vectors == 1:
        return f"in {stream.beats} beats of {elements}"
    return (
        f"pixel by pixel, row by row, the channels of a pixel one after the other: {stream.beats} beats of {elements}, "
        f"{stream.vector_beats} for each pixel"
    )


def _side_by_side(frames: int) -> str:
    """The layout of beats that carry several frames."""
    if frames == 1:
        return ""
    return (
        f"\n**Side by side.** {frames} frames go through together. Wherever a beat carries an element, a score or a\n"
        f"class of one frame, it carries those of all {frames}, the first frame in the lowest bits.\n"
    )


def _text(file: str, /, **numbers: object) -> str:
    """A text of this package, filled in."""
    return Template((resources.files(__package__) / file).read_text()).substitute(numbers)


def _loading(pipeline: Pipeline) -> str:
    """How parameters are loaded, if they are."""
    size = image_bytes(pipeline)
    return _text("build_load.md", bytes=size + 4, cycles=load_cycles(pipeline)) if size else ""


def _axi(pipeline: Pipeline, name: str, layout: PacketLayout | None) -> str:
    """The module with AXI4-Stream ports, if there is one."""
    if layout is None:
        return ""
    loads = _text("build_axi_load.md", bits=layout.tdata_bits, bytes=layout.tdata_bytes)
    return _text(
        "build_axi.md",
        load=loads if image_bytes(pipeline) else "",
        name=name,
        bits=layout.tdata_bits,
        bytes=layout.tdata_bytes,
        frames="frame" if layout.streams == 1 else f"{layout.streams} frames that go side by side",
        frame_bytes=layout.frame_bytes,
        frame_words=layout.frame_words,
        result_bytes=layout.result_bytes,
        result_words=layout.result_words,
        scores_bytes=layout.scores_bytes,
        class_bytes=layout.class_bytes * layout.streams,
    )


def _readme(network: Network, plan: Plan, pipeline: Pipeline, identity: str, axi: PacketLayout | None) -> str:
    """The ports, for the person who instantiates the accelerator."""
    first, last = pipeline.input, pipeline.nodes[-1].block
    assert isinstance(last, ArgmaxSpec)
    timing = steady_state(pipeline)
    template = Template((resources.files(__package__) / "build_readme.md").read_text())
    return template.substitute(
        name=network.name,
        identity=identity,
        i_bits=first.bits,
        i_top=first.bits - 1,
        o_bits=last.o_bits,
        o_top=last.o_bits - 1,
        elements=network.input.size,
        order=_order(pipeline),
        lanes=first.lanes,
        code_bits=first.lane_bits,
        i_beats=first.beats,
        o_beats=last.o_beats,
        score_lanes=last.lanes,
        score_bits=last.lane_bits,
        best_low=last.i_bits,
        best_high=last.i_bits + last.index_bits * last.streams - 1,
        frames=_side_by_side(pipeline.frames),
        classes=network.classes,
        pace=f"{'A frame' if pipeline.frames == 1 else f'{pipeline.frames} frames'} every {timing.interval} cycles",
        latency=timing.latency,
        axi=_axi(pipeline, network.name, axi),
        load=_loading(pipeline),
        foldings=",".join(map(str, plan.foldings)),
    )
