"""The README of a build folder: the ports and the result, for the person who instantiates the accelerator."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from string import Template

from bitweir_hw.accelerator import image_bytes, load_cycles, load_width, shape_crc
from bitweir_hw.axi import AxiPorts, PacketLayout
from bitweir_hw.blocks import EndSpec
from bitweir_hw.blocks.pipeline import Pipeline, Stream
from bitweir_hw.files import digest
from bitweir_hw.gateware.loading import CRC_BYTES
from bitweir_hw.network import Network
from bitweir_hw.plan import Plan
from bitweir_sim.deadlock import too_large
from bitweir_sim.time.cycles import Timing

from .cells import CELLS, cell_file
from .input_words import counted, input_rule
from .results import PLURALS, describe_result, result_name
from .speed import target_clock
from .target import Target

__all__ = ["readme"]


def readme(
    network: Network,
    plan: Plan,
    pipeline: Pipeline,
    timing: Timing,
    target: Target,
    *,
    axi: AxiPorts | None,
    cells: Sequence[str],
    memory_files: bool = False,
) -> str:
    """The page as Markdown.

    Parameters
    ----------
    network : Network
    plan : Plan
    pipeline : Pipeline
    timing : Timing
    target : Target
    axi : AxiPorts or None
        Of the module with AXI4-Stream ports, if there is one.
    cells : sequence of str
        The primitives that the Verilog instantiates.
    memory_files : bool
        Whether it reads files that memories begin with.
    """
    first, last = pipeline.input, pipeline.nodes[-1].block
    assert isinstance(last, EndSpec)
    template = Template((resources.files(__package__) / "build_readme.md").read_text())
    return template.substitute(
        name=network.name,
        kind=_kind(network, cells) + (_text("build_memory_files.md") if memory_files else ""),
        identity=digest(network),
        i_bits=first.bits,
        o_bits=last.o_bits,
        o_top=last.o_bits - 1,
        elements=counted(network.input.size, "element"),
        order=_order(pipeline),
        rule="\n".join(f"- {sentence}" for sentence in input_rule(network.input)),
        code_bits=counted(first.lane_bits, "bit"),
        numbers=_numbers(network, first, last),
        o_beats=counted(last.o_beats, "beat"),
        score_lanes=last.lanes,
        score_bits=_each(last.lane_bits),
        elements_name=_elements(network, last),
        best=_best(last),
        frames=_parallel(pipeline.parallel_frames),
        results=result_name("scores" if network.readout.kind == "class" else network.readout.kind, network.outputs),
        meaning=_meaning(network),
        pace=f"{_group(pipeline.parallel_frames)} every {counted(timing.interval, 'cycle')}",
        latency=counted(timing.latency, "cycle"),
        speed=_speed(pipeline, timing, target),
        stalls=_stalls(pipeline),
        axi=_axi(pipeline, network.name, axi),
        load=_loading(pipeline) + _outside(pipeline, target),
        bounds=_bounds(network),
        foldings=",".join(map(str, plan.foldings)),
    )


def _order(pipeline: Pipeline) -> str:
    """How the elements of a frame follow each other on the input."""
    stream = pipeline.input
    beats = f"{counted(stream.beats, 'beat')} of {counted(stream.lanes, 'element')}"
    if stream.vectors == 1:
        return f"in {beats}"
    return (
        f"pixel by pixel, row by row, the channels of a pixel in order: {beats}, {stream.vector_beats} for each pixel"
    )


def _numbers(network: Network, first: Stream, last: EndSpec) -> str:
    """The numbers of a frame and of a result under the names that docs/integration.md gives them."""
    return (
        f"length={first.length} lanes={first.lanes} code_bits={first.lane_bits} classes={network.outputs} "
        f"score_bits={last.lane_bits}"
    )


def _group(frames: int) -> str:
    """The frames that an accelerator takes in each of its intervals."""
    return "a frame" if frames == 1 else f"{frames} frames"


def _speed(pipeline: Pipeline, timing: Timing, target: Target) -> str:
    """Frames/s and latency in seconds, at the clock that is expected."""
    cycles = float(timing.interval) / pipeline.parallel_frames
    speed = target_clock(pipeline, target)
    if speed is None:
        clock, about, told = target.clock, "", f"{target.clock / 1e6:.6g} MHz, if its FPGA reaches that"
    else:
        clock, about, told = speed.hertz, speed.about, speed.told
    microseconds = timing.latency / clock * 1e6
    return f"That is {about}{clock / cycles:,.0f} frames/s and {microseconds:,.4g} µs at {told}."


def _stalls(pipeline: Pipeline) -> str:
    """Why nothing jams."""
    if too_large(pipeline):
        return "By the cycle model nothing makes the accelerator jam. `certificate.json` says why there is no\nproof."
    return (
        "No pattern of stalls makes the accelerator jam: `certificate.json` has the state of its blocks\n"
        "between two frames, to which a replay of a frame always leads."
    )


def _each(bits: int) -> str:
    """The width of an element."""
    return f"{counted(bits, 'bit')} each"


def _parallel(frames: int) -> str:
    """The layout of beats that carry parallel frames."""
    if frames == 1:
        return ""
    return (
        f"\n**Parallel frames.** {frames} frames are computed together. Wherever a beat carries an element, a score\n"
        f"or a class of one frame, it carries those of all {frames}, the first frame in the lowest bits.\n"
    )


def _text(file: str, /, **numbers: object) -> str:
    """A text of this package, filled in."""
    return Template((resources.files(__package__) / file).read_text()).substitute(numbers)


def _loading(pipeline: Pipeline) -> str:
    """How parameters are loaded, if they are."""
    size = image_bytes(pipeline)
    if not size:
        return ""
    width = load_width(pipeline)
    numbers: dict[str, object] = {
        "bytes": size,
        "cycles": load_cycles(pipeline),
        "shape": f"0x{shape_crc(pipeline):08x}",
    }
    if width == 1:
        payload = "bits 7:0 are a byte of the image; bit 8 is 1 with the first byte"
        return _text("build_load.md", **numbers, bits=9, payload=payload, pace="", beats="")
    top = 8 * width
    payload = (
        f"bits {top - 1}:0 are {width} bytes of the image, the first in the lowest bits; bit {top} is 1 with the first "
        f"{width}; bit {top + 1} is 1 where some of them are missing, which makes the image wrong"
    )
    zeros = "" if width <= CRC_BYTES else ", and stand before the CRC-32"
    beats = (
        f"\nEach word of a memory takes whole groups of {width} bytes: zeros fill up the last one{zeros}. Where one\n"
        "comes with a gap, as tkeep of AXI4-Stream can tell, the image counts as damaged."
    )
    return _text(
        "build_load.md", **numbers, bits=top + 2, payload=payload, pace=f", {width} in each cycle", beats=beats
    )


def _outside(pipeline: Pipeline, target: Target) -> str:
    """The ports over which weights come, if any do."""
    if not pipeline.weight_streams:
        return ""
    rows = [
        f"| `{streamed.port}` | {streamed.bits} | {streamed.words} | layer {streamed.layer}: {streamed.frame_words:,} "
        "words |"
        for streamed in pipeline.weight_streams
    ]
    frames = pipeline.parallel_frames
    group = "frame" if frames == 1 else f"group of {frames} parallel frames"
    text = _text("build_weights.md", rows="\n".join(rows), group=group)
    if target.platform and target.memory:
        text += _text("build_board_weights.md", board=target.platform.title)
    return text


def _axi(pipeline: Pipeline, name: str, ports: AxiPorts | None) -> str:
    """The module with AXI4-Stream ports, if there is one."""
    if ports is None:
        return ""
    layout, loads = ports.layout(pipeline), image_bytes(pipeline) > 0
    memory = ""
    if pipeline.weight_streams:
        registers = "" if ports.lite else _text("build_axi_weights.md")
        memory = _text("build_axi_memory.md", bits=8 * ports.weight_bytes) + registers
    if ports.lite:
        control = _text("build_axi_lite.md", name=name)
    else:
        control = _text("build_axi_counts.md") + (_text("build_axi_crc.md") if ports.checksums else "")
        if loads:
            width = ports.image_tdata_bytes
            control += _text("build_axi_load.md", bits=8 * width, bytes=width)
    return _text(
        "build_axi.md",
        control=control,
        memory=memory,
        name=name,
        bits=layout.tdata_bits,
        bytes=layout.tdata_bytes,
        o_bits=layout.sent_bits,
        o_bytes=layout.sent_bytes,
        frames="frame" if layout.parallel_frames == 1 else f"group of {layout.parallel_frames} parallel frames",
        frame_bytes=counted(layout.frame_bytes, "byte"),
        frame_words=counted(layout.frame_words, "transfer"),
        result_bytes=counted(layout.result_bytes, "byte"),
        result_words=counted(layout.result_words, "transfer"),
        results=_packet(layout),
    )


def _elements(network: Network, last: EndSpec) -> str:
    """What an output beat carries."""
    kind, sign = PLURALS[network.readout.kind], "signed" if last.elements_signed else "unsigned"
    if network.readout.kind == "class":
        return "scores, signed, class 0 first"
    first = "output 0 first" if network.end.pixels == 1 else "the first pixel first, its channels in order"
    return f"{kind}, {first}" if kind == "labels" else f"{kind}, {sign}, {first}"


def _best(last: EndSpec) -> str:
    """The row of the class, if there is one."""
    if not last.index_bits:
        return ""
    low, high = last.i_bits, last.i_bits + last.index_bits * last.parallel_frames - 1
    return (
        f"| {high}:{low} | the class with the highest score so far, the lowest one in a tie; in the last beat, the "
        "result |\n"
    )


def _meaning(network: Network) -> str:
    """What the result means, where it is more than a class of scores without a unit."""
    if network.readout.kind == "class" and not network.readout.scale:
        return ""
    return "\n**Result.** " + "\n".join(describe_result(network)) + "\n"


def _packet(layout: PacketLayout) -> str:
    """What a packet of results carries."""
    if layout.class_only:
        return "the class alone, unsigned" if layout.parallel_frames == 1 else "the classes alone, unsigned"
    if not layout.decides:
        return f"{counted(layout.scores_bytes, 'byte')} of results, output 0 in\nthe lowest bits"
    return (
        f"{counted(layout.scores_bytes, 'byte')} of scores, class 0 in\n"
        f"the lowest bits, then {layout.class_bytes * layout.parallel_frames} of classes"
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
        f"which is in this folder, as in `iverilog {network.name}.v {files}`; synthesis knows the cell and must not\n"
        "read the model."
    )


def _bounds(network: Network) -> str:
    """Where the network is not exact."""
    if not network.bounds:
        return ""
    listed = "".join(f"- {bound.sentence}\n" for bound in network.bounds)
    return f"**Numbers.** Some integers stand for real numbers that they cannot hold exactly:\n\n{listed}\n"
