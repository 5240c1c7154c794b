"""Designs: a network and a plan, lowered once, and the folder into which a design is written."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property
from importlib import metadata
from math import ceil
from pathlib import Path

from bitweir_hw.accelerator import (
    accelerator_comments,
    accelerator_rtlil,
    image_bytes,
    image_description,
    parameter_image,
    rtlil_to_verilog,
    weight_image,
    weight_layout,
)
from bitweir_hw.accelerator.board_memory import board_layout
from bitweir_hw.axi import AxiPorts, axi_comments, axi_rtlil, register_header
from bitweir_hw.blocks.pipeline import Pipeline
from bitweir_hw.errors import NetworkError
from bitweir_hw.files import digest, load_network, load_plan, network_bytes, plan_text
from bitweir_hw.link.protocol import Identity
from bitweir_hw.lower import lower
from bitweir_hw.network import Network
from bitweir_hw.offchip import ImageLayout
from bitweir_hw.plan import Plan
from bitweir_hw.tools import yosys_version
from bitweir_sim.cache import cached, content_key
from bitweir_sim.time.cycles import Timing, steady_state
from bitweir_sim.time.sizing import minimum_depths, with_depths

from .cells import cell_file, cell_model, needed_cells
from .certificates import CERTIFICATE, Claim, certificate_text, load_claim
from .folders import FileError, whole_folder
from .manifest import MANIFEST, is_listed, listed, named
from .projects import check_tools, write_tool_files
from .readme import readme
from .sources import gateware_sources
from .target import TARGET_FILE, Target, load_target, target_text

__all__ = ["CHIPS_FILE", "Design", "DesignFolder", "check_parts", "write_design"]

_NETWORK, _PLAN, _README, _PARAMETERS = "network.npz", "plan.json", "README.md", "parameters.bin"
_WEIGHTS, _WEIGHTS_AT = "weights.bin", "weights.json"
_ROUTED = "manifest.json"
#: In a folder with several chips, each of which has a build folder in it.
CHIPS_FILE = "chips.json"
#: What belongs together in a folder; pages and tables for people do not count.
_PARTS = (_NETWORK, _PLAN, TARGET_FILE, CERTIFICATE, _ROUTED, _WEIGHTS_AT, "*.v", "*.mem", "*.bit", "*.bin", "*.fs")
_HEADER = "// {name}: binary neural network accelerator, by bitweir [0-9A-Za-z.+!-]{{1,40}}\n// network {digest}\n"
_HASH, _RTLIL = "sha256", "design.il"


@dataclass(frozen=True, kw_only=True, eq=False)
class Design:
    """A network, the plan of its accelerator, and what the accelerator is made for.

    The plan is lowered once, when something asks for the pipeline or the timing.

    Parameters
    ----------
    network : Network
    plan : Plan
    target : Target
    claim : Claim, optional
        What the folder that it was read from says of it, which is checked when the plan is lowered.
    """

    network: Network
    plan: Plan
    target: Target = Target()
    claim: Claim | None = None

    @classmethod
    def fitted(
        cls,
        network: Network,
        plan: Plan,
        target: Target | None = None,
        *,
        pipeline: Pipeline | None = None,
        progress: Callable[[float | str], None] = lambda how_far: None,
    ) -> Design:
        """The design with the smallest depth for each FIFO that costs no cycle.

        Parameters
        ----------
        network : Network
        plan : Plan
            Depths that it gives are kept.
        target : Target, optional
            Without one, the design is made for no part in particular.
        pipeline : Pipeline, optional
            What `lower` makes of network and plan, if it has been called.
        progress : callable
            Takes the share of the FIFOs that is fitted, and which is next.

        Raises
        ------
        PlanError
            The plan does not fit the network, or the accelerator jams with the depths that the plan gives.
        """
        pipeline = pipeline or lower(network, plan)
        depths = minimum_depths(pipeline, given=dict(plan.depths), progress=progress)
        design = cls(
            network=network, plan=replace(plan, depths=(*plan.depths, *depths.items())), target=target or Target()
        )
        # A depth changes nothing but its FIFO, so there is no need to lower the plan again.
        return cls._with_pipeline(design, with_depths(pipeline, depths))

    @staticmethod
    def _with_pipeline(design: Design, pipeline: Pipeline) -> Design:
        """The design, which need not be lowered, as its pipeline is known."""
        vars(design)["pipeline"] = pipeline
        return design

    def made_for(self, target: Target) -> Design:
        """The same design, made for another target."""
        return self._with_pipeline(replace(self, target=target), self.pipeline)

    @cached_property
    def pipeline(self) -> Pipeline:
        """The blocks of the accelerator and the streams between them."""
        pipeline = lower(self.network, self.plan)
        if self.claim:
            self.claim.check(pipeline)
        return pipeline

    @cached_property
    def timing(self) -> Timing:
        """Cycles in steady state, from the cycle model."""
        return steady_state(self.pipeline)

    def identity(self, *, clock: int, capacity: Callable[[int], int], timing: Timing | None = None) -> Identity:
        """What a device with this accelerator states about itself.

        Parameters
        ----------
        clock : int
            Hz.
        capacity : callable
            Bytes of requests that it has room for, from the bytes of a frame.
        timing : Timing, optional
            Where weights do not always come.

        Raises
        ------
        LinkError
            There are parallel frames.
        """
        plan = hashlib.sha256(plan_text(self.plan).encode()).digest()
        timing = timing or self.timing
        # How long a frame is does not depend on the capacity.
        identity = Identity.of(
            self.pipeline, capacity=0, clock=clock, cycles=ceil(timing.interval), latency=timing.latency,
            digest=bytes.fromhex(digest(self.network)), plan=plan,
        )  # fmt: skip
        return replace(identity, capacity=capacity(identity.frame_bytes))

    def weight_layout(self) -> ImageLayout:
        """Where streamed weights lie in memory: in that of the board that it is made for, or in any other.

        Raises
        ------
        PlanError
            No weights are streamed.
        """
        return board_layout(self.pipeline) if self.target.memory else weight_layout(self.pipeline)

    def weight_image(self) -> bytes:
        """The words of all streamed layers as the memory has them, see `weight_layout`."""
        return weight_image(self.pipeline, self.weight_layout())

    def verilog(self, files: dict[str, str] | None = None) -> str:
        """The accelerator in Verilog, without a header; its top module has the name of the network.

        Parameters
        ----------
        files : dict, optional
            Takes the files that memories begin with, by name; without it, all is in the Verilog.
        """
        name = self.network.name
        rtlil = accelerator_rtlil(self.pipeline, name=name, named=True)
        return rtlil_to_verilog(rtlil, accelerator_comments(self.pipeline, name), files)

    def rtlil(self) -> str:
        """The same in Yosys' intermediate language, from which the Verilog is translated.

        It is cached, as a large design takes a while.
        """
        key = content_key(
            "rtlil", gateware_sources(), metadata.version("amaranth"), digest(self.network), plan_text(self.plan)
        )

        def write(folder: Path) -> None:
            (folder / _RTLIL).write_text(accelerator_rtlil(self.pipeline, name=self.network.name))

        return (cached(key, write) / _RTLIL).read_text()

    def write(
        self,
        folder: Path,
        *,
        axi: AxiPorts | int | None = None,
        memory_files: bool = False,
        tools: Iterable[str] = (),
    ) -> DesignFolder:
        """Write the design into a folder: whole, or not at all.

        Parameters
        ----------
        folder : Path
        axi : AxiPorts or int, optional
            The ports of a module ``NAME_axi`` with AXI4-Stream, in a file of its own; a number is bytes of tdata.
        memory_files : bool
            Whether the Verilog reads what memories begin with from files beside it, with $readmemh.
        tools : iterable of str
            Some of `projects.TOOLS`, for which there are files, too.

        Raises
        ------
        BitweirError
            The plan does not fit, a layer cannot be built, or the folder cannot be written.
        """
        with whole_folder(folder) as new:
            self.fill(new, axi=axi, memory_files=memory_files, tools=tools)
        return DesignFolder(folder=folder, design=self)

    def fill(
        self,
        folder: Path,
        *,
        axi: AxiPorts | int | None = None,
        memory_files: bool = False,
        tools: Iterable[str] = (),
    ) -> DesignFolder:
        """As `write`, but into an empty folder that exists and belongs to the caller."""
        tools = tuple(tools)
        check_tools(tools)
        network, pipeline = self.network, self.pipeline
        ports = axi if axi is None or isinstance(axi, AxiPorts) else AxiPorts(frame_bytes=axi)
        if ports:
            ports.check(pipeline)
        files: dict[str, str] = {}
        verilog = self.verilog(files if memory_files else None)
        cells = needed_cells(verilog)
        _check_name(network, cells)
        header = _header(network)
        with suppress(OSError, FileError):
            # Whoever simulates it need not generate it again to compare; without a cache that takes longer.
            _verilog_hash(self, verilog, memory_files=memory_files)
        (folder / f"{network.name}.v").write_text(header + verilog)
        for name, text in files.items():
            (folder / name).write_text(text)
        if ports:
            wrapper = axi_rtlil(pipeline, name=network.name, ports=ports, network=int(digest(network)[:8], 16))
            comments = axi_comments(pipeline, ports, network.name)
            (folder / f"{network.name}_axi.v").write_text(header + rtlil_to_verilog(wrapper, comments))
            if ports.lite:
                (folder / f"{network.name}_regs.h").write_text(register_header(network.name))
        if tools:
            write_tool_files(
                folder, tools, network, pipeline, clock=self.target.clock, memories=sorted(files),
                models=[cell_file(cell) for cell in cells], axi=bool(ports),
            )  # fmt: skip
        for cell in cells:
            (folder / cell_file(cell)).write_bytes(cell_model(cell).read_bytes())
        if image_bytes(pipeline):
            (folder / _PARAMETERS).write_bytes(parameter_image(pipeline))
        if pipeline.weight_streams:
            # A wrapper with AXI reads them as any other memory has them.
            weights = self.weight_layout() if ports is None else weight_layout(pipeline)
            described = image_description(pipeline, weights)
            (folder / _WEIGHTS).write_bytes(weight_image(pipeline, weights))
            (folder / _WEIGHTS_AT).write_text(json.dumps(described, indent=2) + "\n")
        (folder / _NETWORK).write_bytes(network_bytes(network))
        (folder / _PLAN).write_text(plan_text(self.plan))
        certified = certificate_text(pipeline, self.timing, network, [plan_text(self.plan)])
        (folder / CERTIFICATE).write_text(certified)
        (folder / TARGET_FILE).write_text(target_text(self.target))
        page = readme(
            network,
            self.plan,
            pipeline,
            self.timing,
            self.target,
            axi=ports,
            cells=cells,
            memory_files=bool(files),
        )
        (folder / _README).write_text(page)
        return DesignFolder(folder=folder, design=self)


@dataclass(frozen=True, kw_only=True, eq=False)
class DesignFolder:
    """A design, and the folder into which it was written.

    Parameters
    ----------
    folder : Path
    design : Design
    """

    folder: Path
    design: Design

    @classmethod
    def open(cls, folder: Path) -> DesignFolder:
        """Read a build folder.

        Raises
        ------
        FileError
            The folder is missing or was not made by `generate`, or a part of it is not the one that was written there.
        NetworkError, PlanError
            A file in it is damaged.
        """
        if not folder.is_dir():
            raise FileError(f"There is no folder {str(folder)!r}: make it with bitweir generate.")
        if (folder / CHIPS_FILE).is_file():
            raise FileError(
                f"{str(folder)!r} holds several chips: name one of them, as {str(folder / 'chip0')!r}, or "
                "leave out what is for one (in Python open_chips)."
            )
        for name in (_NETWORK, _PLAN):
            if not (folder / name).is_file():
                raise FileError(
                    f"{str(folder)!r} is not a build folder, as it has no {name}: make it with bitweir generate."
                )
        check_parts(folder)
        network, plan = load_network(folder / _NETWORK), load_plan(folder / _PLAN)
        target, claim = load_target(folder / TARGET_FILE), load_claim(folder, network, [plan_text(plan)])
        design = Design(network=network, plan=plan, target=target, claim=claim)
        found = cls(folder=folder, design=design)
        if not found.verilog.is_file():
            raise FileError(
                f"Build folder {str(folder)!r} is incomplete, as it has no {found.verilog.name}: "
                "make it again with bitweir generate."
            )
        return found

    @property
    def network(self) -> Network:
        """The network of the design."""
        return self.design.network

    @property
    def plan(self) -> Plan:
        """The plan of the design."""
        return self.design.plan

    @property
    def target(self) -> Target:
        """What the design is made for."""
        return self.design.target

    @property
    def pipeline(self) -> Pipeline:
        """The blocks of the accelerator and the streams between them."""
        return self.design.pipeline

    @property
    def timing(self) -> Timing:
        """Cycles in steady state, from the cycle model."""
        return self.design.timing

    @property
    def verilog(self) -> Path:
        """The Verilog file; its top module has the name of the network."""
        return self.folder / f"{self.network.name}.v"

    def rtlil(self) -> str:
        """See `Design.rtlil`."""
        return self.design.rtlil()

    def checked_verilog(self) -> str:
        """Content of the Verilog file, if it is what network and plan give.

        The folder may come from anybody, and Verilog may read files and, through attributes, write C++. So the file
        is compared, and nothing reads it but this comparison: compilers and simulators take what is returned here.

        Raises
        ------
        FileError
            It is something else.
        """
        header = _header(self.network)
        try:
            found = self.verilog.read_bytes()
        except OSError as error:
            raise FileError(f"Cannot read {str(self.verilog)!r}: {error.strerror}.") from error
        # Another version may have written it: what counts is what it says.
        start = re.match(_HEADER.format(name=self.network.name, digest=digest(self.network)).encode(), found)
        body = found[start.end() :] if start else b""
        told = hashlib.sha256(body).hexdigest() if start else ""
        if told == _verilog_hash(self.design):
            return header + body.decode()
        if b"$readmemh" in body and told == _verilog_hash(self.design, memory_files=True):
            # What the files beside it say does not matter: this has all of it.
            return header + self.design.verilog()
        raise FileError(
            f"{str(self.verilog)!r} is not what {_NETWORK} and {_PLAN} beside it give with this version of "
            "bitweir: make it again with bitweir generate."
        )


def write_design(
    network: Network,
    plan: Plan,
    folder: Path,
    *,
    axi: AxiPorts | int | None = None,
    target: Target | None = None,
) -> DesignFolder:
    """Write the accelerator of a network into a folder; see `Design.write`."""
    return Design(network=network, plan=plan, target=target or Target()).write(folder, axi=axi)


def check_parts(folder: Path) -> None:
    """Whether each part of a build folder is the one that bitweir wrote there.

    That tells accidents, such as the network of one folder beside the Verilog of another. It proves nothing against
    the sender of a folder, who can list whatever is in it.

    Raises
    ------
    FileError
        Names the parts that are not, or the folder has no list of its files.
    """
    entries = listed(folder)
    if entries is None:
        raise FileError(
            f"Build folder {str(folder)!r} has no {MANIFEST}, or a damaged one: make it again with bitweir generate."
        )
    parts = {name for name in entries if any(fnmatchcase(name, pattern) for pattern in _PARTS)}
    for name in sorted(parts):
        if not (folder / name).is_file():
            raise FileError(
                f"Build folder {str(folder)!r} is incomplete, as it has no {name}: make it again with bitweir generate."
            )
    # What commands would take for a part although nobody wrote it there.
    others = {_NETWORK, _PLAN, TARGET_FILE, CERTIFICATE, _PARAMETERS, _ROUTED} | {
        f"{name[:-2]}_axi.v" for name in parts if name.endswith(".v")
    }
    parts |= {name for name in others if (folder / name).exists()}
    if wrong := sorted(name for name in parts if not is_listed(folder / name, entries)):
        are = "is not what bitweir wrote there" if len(wrong) == 1 else "are not what bitweir wrote there"
        raise FileError(f"In build folder {str(folder)!r}, {named(wrong)} {are}: make it again with bitweir generate.")


def _header(network: Network) -> str:
    """What a Verilog file begins with."""
    return (
        f"// {network.name}: binary neural network accelerator, by bitweir {metadata.version('bitweir')}\n"
        f"// network {digest(network)}\n"
    )


def _verilog_hash(design: Design, verilog: str | None = None, *, memory_files: bool = False) -> str:
    """SHA-256 of the Verilog of a design, without its header; it is cached, as large designs take a while.

    `verilog` is that Verilog if the caller has it; with `memory_files`, memories begin with files.
    """
    versions = (metadata.version("amaranth"), yosys_version())
    key = content_key(
        "verilog with files" if memory_files else "verilog",
        gateware_sources(),
        *versions,
        digest(design.network),
        plan_text(design.plan),
    )

    def write(folder: Path) -> None:
        text = design.verilog({} if memory_files else None) if verilog is None else verilog
        (folder / _HASH).write_text(hashlib.sha256(text.encode()).hexdigest())

    return (cached(key, write) / _HASH).read_text()


def _check_name(network: Network, cells: Sequence[str]) -> None:
    """A module must not have the name of a cell that it is made of, nor its file that of the model of the cell."""
    for cell in cells:
        if network.name.lower() == cell.lower():
            raise NetworkError(
                f"Network {network.name!r} must have another name than the cell {cell} of which its accelerator is "
                "made: choose another name (--name, in Python name=)."
            )
