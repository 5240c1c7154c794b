"""What stands beside the modules and ports of generated Verilog, for the person who reads it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields

from ..blocks import BlockSpec, EndSpec, block_of
from ..blocks.pipeline import Pipeline
from .parameters import load_width

__all__ = ["Comments", "Port", "accelerator_comments", "module_ports", "put_comments"]

_MODULE = re.compile(r"module (\w+)\(")
_PORT = re.compile(r"  (?P<way>input|output) (?:\[(?P<high>\d+):0\] )?(?P<name>\w+);")


@dataclass(frozen=True)
class Comments:
    """Texts for a reader.

    Parameters
    ----------
    modules : mapping
        For the name of a module: lines that stand before it.
    ports : mapping
        For the name of a port of the top module: what stands beside it.
    top : str
        The name of the top module.
    attributes : callable
        Takes the names of the ports of the top module, and tells the attributes that they have for tools.
    """

    modules: Mapping[str, list[str]]
    ports: Mapping[str, str]
    top: str
    attributes: Callable[[Sequence[str]], Mapping[str, Mapping[str, str]]] = lambda names: {}


@dataclass(frozen=True)
class Port:
    """A port of a Verilog module.

    Parameters
    ----------
    name : str
    way : str
        ``"input"`` or ``"output"``.
    bits : int
    """

    name: str
    way: str
    bits: int


def module_ports(verilog: str, module: str) -> list[Port]:
    """The ports of a module in Verilog as Yosys writes it, in their order."""
    ports, inside = list[Port](), False
    for line in verilog.splitlines():
        if found := _MODULE.match(line):
            inside = found[1] == module
        elif inside and (found := _PORT.match(line)):
            ports.append(Port(name=found["name"], way=found["way"], bits=int(found["high"] or 0) + 1))
    return ports


def put_comments(verilog: str, comments: Comments) -> str:
    """Verilog as Yosys writes it, with comments."""
    lines, module = list[str](), ""
    attributes = comments.attributes([port.name for port in module_ports(verilog, comments.top)])
    for line in verilog.splitlines():
        if found := _MODULE.match(line):
            module = found[1]
            place = len(lines)
            while place and lines[place - 1].startswith("(*"):
                place -= 1
            lines[place:place] = [f"// {text}".rstrip() for text in comments.modules.get(module, ())]
        elif module == comments.top and (found := _PORT.fullmatch(line)):
            port = found["name"]
            lines += [f'  (* {name} = "{value}" *)' for name, value in attributes.get(port, {}).items()]
            line += f" // {comments.ports[port]}" if port in comments.ports else ""
        lines.append(line)
    return "\n".join([*lines, ""])


def accelerator_comments(pipeline: Pipeline, name: str) -> Comments:
    """What a reader of an accelerator's Verilog needs: the formulas of its blocks, and what beats carry.

    Parameters
    ----------
    pipeline : Pipeline
    name : str
        Of the top module.
    """
    modules = {f"{name}__{block.name}": _block_lines(block) for block in pipeline.blocks}
    modules[name] = [
        f"{name}: the accelerator, with a module for each block: {', '.join(block.name for block in pipeline.blocks)}.",
        "Streams: a beat moves in a cycle in which valid and ready are both 1; valid waits for no ready.",
    ]
    return Comments(modules=modules, ports=dict(_ports(pipeline)), top=name)


def _ports(pipeline: Pipeline) -> Iterator[tuple[str, str]]:
    """What each port carries."""
    entry, last = pipeline.input, pipeline.nodes[-1].block
    assert isinstance(last, EndSpec)
    frames = entry.parallel_frames
    many = "" if frames == 1 else f", of {frames} frames each, the first in the lowest bits"
    yield "clk", "rising edge"
    yield "rst", "synchronous, active high"
    yield (
        "i__payload",
        f"{_each(entry.lanes, 'element', entry.lane_bits)}{many}, element 0 in the lowest bits; beats a frame: "
        f"{entry.beats}",
    )
    results = _each(last.lanes, "result", last.lane_bits)
    parts = [f"[{last.i_bits - 1}:0] {results}{many}, the first in the lowest bits"]
    if last.index_bits:
        high = last.i_bits + last.index_bits * frames - 1
        parts.append(f"[{high}:{last.i_bits}] class: in the last beat, the result")
    parts.append(f"[{last.o_bits - 1}] last beat of a frame")
    yield "o__payload", "; ".join(parts)
    if (width := load_width(pipeline)) == 1:
        yield "load__payload", "[7:0] a byte of the parameters, [8] whether it is the first"
    else:
        top = 8 * width
        yield (
            "load__payload",
            f"[{top - 1}:0] {width} bytes of the parameters, the first in the lowest bits; [{top}] whether they are "
            f"the first; [{top + 1}] whether some are missing",
        )
    yield "loaded", "parameters are in place"
    yield "load_failed", "the last parameters were damaged, or for another accelerator"
    yield "load_settled", "all bytes that came are processed"
    yield "load_checksum", "while loaded: the last 4 bytes of the parameters"
    for weights in pipeline.weight_streams:
        yield f"{weights.port}__payload", f"a word of the weights of layer {weights.layer}, {weights.words} in turn"


def _each(count: int, what: str, bits: int) -> str:
    """So many things of so many bits."""
    return f"{count} {what}{'s' * (count > 1)} of {bits} bit{'s' * (bits > 1)}"


def _block_lines(spec: BlockSpec) -> list[str]:
    """What a block is, its numbers, and the formulas of its cycles and resources."""
    block = block_of(spec)
    text = inspect.cleandoc(inspect.getdoc(block.component) or "")
    told = text.partition("\n\n")[0].splitlines()
    rows = [line for line in text.splitlines() if line.startswith("|")]
    numbers = [
        f"{entry.name} {getattr(spec, entry.name)}"
        for entry in fields(spec)
        if isinstance(getattr(spec, entry.name), int) and not isinstance(getattr(spec, entry.name), bool)
    ]
    return [
        f"{spec.name}: {block.title}, of layer {spec.layer}; {spec.cycles} cycles a frame if nobody waits.",
        *told,
        f"Here: {', '.join(numbers)}.",
        *rows,
    ]
