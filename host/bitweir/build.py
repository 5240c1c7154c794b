"""A build folder: what `generate` writes and the other commands read."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cache, cached_property
from importlib import metadata, resources
from math import ceil
from pathlib import Path
from string import Template

import bitweir_hw
from bitweir_hw.blocks import EndSpec
from bitweir_hw.errors import NetworkError
from bitweir_hw.files import digest, load_network, load_plan, network_bytes, plan_text
from bitweir_hw.integration import PacketLayout, axi_rtlil
from bitweir_hw.link.protocol import Identity
from bitweir_hw.lower import lower
from bitweir_hw.network import Network
from bitweir_hw.parameters import image_bytes, load_cycles, parameter_image
from bitweir_hw.pipeline import Pipeline
from bitweir_hw.plan import Plan
from bitweir_hw.verilog import accelerator_rtlil, rtlil_to_verilog
from bitweir_hw.yosys import yosys_version
from bitweir_sim.cache import cached, content_key
from bitweir_sim.time.cycles import Timing, steady_state

from .cells import CELLS, cell_file, cell_model, needed_cells
from .folders import FileError, whole_folder
from .input_words import input_rule
from .manifest import MANIFEST, is_listed, listed, named
from .results import PLURALS, describe_result, result_name
from .target import TARGET_FILE, Target, load_target, target_text

__all__ = ["Build", "check_parts", "fill_build", "write_build"]

_NETWORK, _PLAN, _README, _PARAMETERS = "network.npz", "plan.json", "README.md", "parameters.bin"
_ROUTED = "manifest.json"
#: What belongs together in a folder; pages and tables for people do not count.
_PARTS = (_NETWORK, _PLAN, TARGET_FILE, _ROUTED, "*.v", "*.bit", "*.bin", "*.fs")
_HEADER = "// {name}: binary neural network accelerator, by bitweir [0-9A-Za-z.+!-]{{1,40}}\n// network {digest}\n"
_HASH = "sha256"


@dataclass(frozen=True, kw_only=True)
class Build:
    """A network, a plan, and the folder with what was made of them.

    Parameters
    ----------
    folder : Path
    network : Network
    plan : Plan
    target : Target
        What it was made for.
    """

    folder: Path
    network: Network
    plan: Plan
    target: Target = Target()

    @classmethod
    def open(cls, folder: Path) -> Build:
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
        for name in (_NETWORK, _PLAN):
            if not (folder / name).is_file():
                raise FileError(
                    f"{str(folder)!r} is no build folder, as it has no {name}: make it with bitweir generate."
                )
        check_parts(folder)
        build = cls(
            folder=folder,
            network=load_network(folder / _NETWORK),
            plan=load_plan(folder / _PLAN),
            target=load_target(folder / TARGET_FILE),
        )
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
        if not start or hashlib.sha256(body).hexdigest() != _verilog_hash(self.network, self.plan, self.pipeline):
            raise FileError(
                f"{str(self.verilog)!r} is not what {_NETWORK} and {_PLAN} beside it give with this version of "
                "bitweir: make it again with bitweir generate."
            )
        return header + body.decode()

    @property
    def verilog(self) -> Path:
        """The Verilog file; its top module has the name of the network."""
        return self.folder / f"{self.network.name}.v"


def write_build(
    network: Network,
    plan: Plan,
    folder: Path,
    *,
    axi: int | None = None,
    axi_crc: bool = False,
    target: Target | None = None,
) -> Build:
    """Generate an accelerator into a folder: whole, or not at all.

    Parameters
    ----------
    network : Network
    plan : Plan
    folder : Path
    axi : int, optional
        Bytes of tdata of a module ``NAME_axi`` with AXI4-Stream ports, in a file of its own.
    axi_crc : bool
        Whether that module tells checksums of the frames and results that have passed.
    target : Target, optional
        What it is made for, which other commands go by; without one, no part in particular.

    Raises
    ------
    BitweirError
        The plan does not fit, a layer cannot be built, or the folder cannot be written.
    """
    with whole_folder(folder) as new:
        build = fill_build(network, plan, new, axi=axi, axi_crc=axi_crc, target=target)
    return replace(build, folder=folder)


def fill_build(
    network: Network,
    plan: Plan,
    folder: Path,
    *,
    axi: int | None = None,
    axi_crc: bool = False,
    target: Target | None = None,
) -> Build:
    """As `write_build`, into an empty folder that is there and belongs to the caller."""
    target = target or Target()
    pipeline = lower(network, plan)
    layout = None if axi is None else PacketLayout.of(pipeline, axi)
    verilog = rtlil_to_verilog(accelerator_rtlil(pipeline, name=network.name))
    cells = needed_cells(verilog)
    _check_name(network, cells)
    identity, header = digest(network), _header(network)
    with suppress(OSError, FileError):
        # Whoever simulates it need not generate it again to compare; without a cache that takes longer.
        _verilog_hash(network, plan, pipeline, verilog)
    (folder / f"{network.name}.v").write_text(header + verilog)
    if layout:
        wrapper = rtlil_to_verilog(
            axi_rtlil(pipeline, name=network.name, tdata_bytes=layout.tdata_bytes, checksums=axi_crc)
        )
        (folder / f"{network.name}_axi.v").write_text(header + wrapper)
    for cell in cells:
        (folder / cell_file(cell)).write_bytes(cell_model(cell).read_bytes())
    if image_bytes(pipeline):
        (folder / _PARAMETERS).write_bytes(parameter_image(pipeline))
    (folder / _NETWORK).write_bytes(network_bytes(network))
    (folder / _PLAN).write_text(plan_text(plan))
    (folder / TARGET_FILE).write_text(target_text(target))
    (folder / _README).write_text(
        _readme(network, plan, pipeline, identity, _axi(pipeline, network.name, layout, axi_crc), cells)
    )
    return Build(folder=folder, network=network, plan=plan, target=target)


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
    others = {_NETWORK, _PLAN, TARGET_FILE, _PARAMETERS, _ROUTED} | {
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


def _verilog_hash(network: Network, plan: Plan, pipeline: Pipeline, verilog: str | None = None) -> str:
    """SHA-256 of the Verilog that network and plan give, without its header; kept, as large ones take a while.

    `verilog` is what they give if the caller has it.
    """
    versions = (metadata.version("amaranth"), yosys_version())
    key = content_key("verilog", _gateware_sources(), *versions, digest(network), plan_text(plan))

    def write(folder: Path) -> None:
        text = rtlil_to_verilog(accelerator_rtlil(pipeline, name=network.name)) if verilog is None else verilog
        (folder / _HASH).write_text(hashlib.sha256(text.encode()).hexdigest())

    return (cached(key, write) / _HASH).read_text()


@cache
def _gateware_sources() -> str:
    """A hash of the code that makes Verilog: a version alone does not tell one state of a checkout from another."""
    root = Path(bitweir_hw.__file__).parent
    files = sorted(path for path in root.rglob("*.py"))
    parts = [part for path in files for part in (path.relative_to(root).as_posix(), path.read_bytes())]
    return content_key("sources", *parts)


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


def _axi(pipeline: Pipeline, name: str, layout: PacketLayout | None, checksums: bool) -> str:
    """The module with AXI4-Stream ports, if there is one."""
    if layout is None:
        return ""
    loads = _text("build_axi_load.md", bits=layout.tdata_bits, bytes=layout.tdata_bytes)
    return _text(
        "build_axi.md",
        load=loads if image_bytes(pipeline) else "",
        checksums=_text("build_axi_crc.md") if checksums else "",
        name=name,
        bits=layout.tdata_bits,
        bytes=layout.tdata_bytes,
        frames="frame" if layout.streams == 1 else f"{layout.streams} frames that go side by side",
        frame_bytes=layout.frame_bytes,
        frame_words=layout.frame_words,
        result_bytes=layout.result_bytes,
        result_words=layout.result_words,
        results=_packet(layout),
    )


def _elements(network: Network, last: EndSpec) -> str:
    """What an output beat carries."""
    kind, sign = PLURALS[network.readout.kind], "signed" if last.elements_signed else "unsigned"
    if network.readout.kind == "class":
        return "scores, signed, class 0 first"
    return f"{kind}, output 0 first" if kind == "labels" else f"{kind}, {sign}, output 0 first"


def _best(last: EndSpec) -> str:
    """The row of the class, if there is one."""
    if not last.index_bits:
        return ""
    low, high = last.i_bits, last.i_bits + last.index_bits * last.streams - 1
    return (
        f"| {high}:{low} | the class with the highest score so far, the lowest one in a tie; in the last beat, the "
        "class |\n"
    )


def _meaning(network: Network) -> str:
    """What the result means, where it is more than a class of scores without a unit."""
    if network.readout.kind == "class" and not network.readout.scale:
        return ""
    return "\n**Result.** " + "\n".join(describe_result(network)) + "\n"


def _packet(layout: PacketLayout) -> str:
    """What a packet of results carries."""
    if not layout.decides:
        return f"{layout.scores_bytes} bytes of results, output 0 in\nthe lowest bits"
    return (
        f"{layout.scores_bytes} bytes of scores, class 0 in\n"
        f"the lowest bits, then {layout.class_bytes * layout.streams} of classes"
    )


def _check_name(network: Network, cells: Sequence[str]) -> None:
    """A module must not have the name of a cell that it is made of, nor its file that of the model of the cell."""
    for cell in cells:
        if network.name.lower() == cell.lower():
            raise NetworkError(
                f"Network {network.name!r} must have another name than the cell {cell} of which its accelerator is "
                "made: name it with --name."
            )


def _kind(network: Network, cells: Sequence[str]) -> str:
    """What the Verilog is made of, and what simulators need beside it."""
    if not cells:
        return f"portable Verilog: `{network.name}.v`, top module\n`{network.name}`. It instantiates no primitives."
    names = " and ".join(f"{CELLS[cell]} cell {cell}" for cell in cells)
    files = " ".join(map(cell_file, cells))
    return (
        f"Verilog that instantiates the {names}: `{network.name}.v`,\n"
        f"top module `{network.name}`. It is portable but for that. A simulator needs the model of the cell, too,\n"
        f"which lies beside it, as in `iverilog {network.name}.v {files}`; synthesis knows the cell and must not\n"
        "read the model."
    )


def _bounds(network: Network) -> str:
    """Where the network is not exact."""
    if not network.bounds:
        return ""
    listed = "".join(f"- {bound.sentence}\n" for bound in network.bounds)
    return f"**Numbers.** Some integers stand for real numbers that they cannot hold exactly:\n\n{listed}\n"


def _readme(
    network: Network,
    plan: Plan,
    pipeline: Pipeline,
    identity: str,
    axi: str,
    cells: Sequence[str],
) -> str:
    """The ports, for the person who instantiates the accelerator."""
    first, last = pipeline.input, pipeline.nodes[-1].block
    assert isinstance(last, EndSpec)
    timing = steady_state(pipeline)
    template = Template((resources.files(__package__) / "build_readme.md").read_text())
    return template.substitute(
        name=network.name,
        kind=_kind(network, cells),
        identity=identity,
        i_bits=first.bits,
        i_top=first.bits - 1,
        o_bits=last.o_bits,
        o_top=last.o_bits - 1,
        elements=network.input.size,
        order=_order(pipeline),
        rule="\n".join(f"- {sentence}" for sentence in input_rule(network.input)),
        lanes=first.lanes,
        code_bits=first.lane_bits,
        i_beats=first.beats,
        o_beats=last.o_beats,
        score_lanes=last.lanes,
        score_bits=last.lane_bits,
        elements_name=_elements(network, last),
        best=_best(last),
        frames=_side_by_side(pipeline.frames),
        results=result_name("scores" if network.readout.kind == "class" else network.readout.kind, network.outputs),
        meaning=_meaning(network),
        pace=f"{'A frame' if pipeline.frames == 1 else f'{pipeline.frames} frames'} every {timing.interval} cycles",
        latency=timing.latency,
        axi=axi,
        load=_loading(pipeline),
        bounds=_bounds(network),
        foldings=",".join(map(str, plan.foldings)),
    )
