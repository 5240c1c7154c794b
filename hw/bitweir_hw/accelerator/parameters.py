"""Parameters in RAM: what accelerators store, images of it, and which networks fit."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np

from ..arithmetic import ceil_div
from ..blocks import AffineSpec, BlockSpec, ChannelSpec, MatVecSpec, PiecewiseSpec, ThresholdSpec
from ..blocks.pipeline import Pipeline, Stream
from ..errors import NetworkError, PlanError
from ..gateware.crc import LATENCY
from ..gateware.loading import CRC_BYTES, crc_beats
from ..lower.layers import lower
from ..network.layers import Branched, Layer
from ..network.network import Network
from ..plan import Plan

__all__ = [
    "Contents",
    "contents",
    "image_beats",
    "image_bytes",
    "load_cycles",
    "load_width",
    "most_frames",
    "parameter_image",
    "shape_crc",
    "with_parameters_of",
]

#: What is loaded into each kind of block: its shape alone matters.
_LOADED = {
    MatVecSpec: {"weights", "initial_accumulators"},
    ThresholdSpec: {"thresholds"},
    AffineSpec: {"scale", "offset"},
    PiecewiseSpec: {"thresholds", "scale", "offset"},
}
#: What images that were made before call fields and kinds of blocks, where these have other names now.
_OLD_NAMES = {
    "AddSpec": "JoinSpec",
    "initial_accumulators": "presets",
    "parallel_frames": "streams",
    "runtime_loadable": "stored",
}
#: What blocks did not have when images were first made: it is left out where it says no more than they did then.
_LATER = {
    "parts": 1, "run": 1, "stage_levels": 0, "serial": False, "multiplier_bits": 17, "shared_pixels": 1,
    "outside": None, "kernel": (1, 1), "masked": False, "carry4": False, "steps": 1,
    "load_width": 1,
}  # fmt: skip
#: What has no meaning for the hardware.
_NAMES = {"name", "layer"}
#: Arrays of layers that are no parameters, but wires.
_WIRED = {"channels", "least"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Contents:
    """What one memory is filled with.

    Parameters
    ----------
    depth, width : int
        Words, and bits of a word.
    words : callable
        Makes the words, in the order of addresses.
    load_width : int
        Bytes of a beat.
    """

    depth: int
    width: int
    words: Callable[[], list[int]]
    load_width: int = 1

    @property
    def word_beats(self) -> int:
        """Beats of a word in an image: it is filled up to whole ones."""
        return ceil_div(self.width, 8 * self.load_width)

    @property
    def beats(self) -> int:
        """Beats in an image."""
        return self.depth * self.word_beats

    @property
    def size(self) -> int:
        """Bytes in an image."""
        return self.beats * self.load_width

    def to_bytes(self) -> bytes:
        """As they are loaded."""
        size = self.word_beats * self.load_width
        return b"".join(word.to_bytes(size, "little") for word in self.words())


def contents(block: BlockSpec) -> tuple[Contents, ...]:
    """The memories of a block that are loaded, in the order of the chain; none where parameters are fixed."""
    if isinstance(block, MatVecSpec) and block.runtime_loadable:
        makers: Sequence[Callable[[], list[int]]] = (block.weight_words, block.preset_words)
    elif isinstance(block, ChannelSpec) and block.loadable_bits:
        makers = (block.loadable_words,)
    else:
        return ()
    # What is loaded comes first among the memories of a block.
    memories = block.memories()[: len(makers)]
    return tuple(
        Contents(depth=memory.depth, width=memory.width, words=words, load_width=block.load_width)
        for memory, words in zip(memories, makers, strict=True)
    )


def _all(pipeline: Pipeline) -> list[Contents]:
    return [part for block in pipeline.blocks for part in contents(block)]


def parameter_image(pipeline: Pipeline) -> bytes:
    """All parameters of an accelerator as its load stream takes them, in beats of `load_width` bytes.

    Memory by memory, in the order of blocks, each word in whole beats; then the CRC-32 of all that and of the shape,
    see `shape_crc`, little-endian. In beats of more than four bytes, zeros stand before the CRC-32, which covers them:
    it is the last four bytes.

    Raises
    ------
    PlanError
        The parameters are fixed.
    """
    image = b"".join(part.to_bytes() for part in _loaded(pipeline))
    image += bytes(image_bytes(pipeline) - CRC_BYTES - len(image))
    return image + zlib.crc32(image, shape_crc(pipeline)).to_bytes(CRC_BYTES, "little")


def image_bytes(pipeline: Pipeline) -> int:
    """Bytes of an image, whole beats, with its CRC-32; 0 where parameters are fixed."""
    return image_beats(pipeline) * load_width(pipeline)


def image_beats(pipeline: Pipeline) -> int:
    """Beats of an image with those of its CRC-32; 0 where parameters are fixed."""
    parts = _all(pipeline)
    return sum(part.beats for part in parts) + crc_beats(parts[0].load_width) if parts else 0


def load_width(pipeline: Pipeline) -> int:
    """Bytes of a beat of an image, the same for all memories; 1 where parameters are fixed."""
    return next((part.load_width for part in _all(pipeline)), 1)


def _loaded(pipeline: Pipeline) -> list[Contents]:
    parts = _all(pipeline)
    if not parts:
        raise PlanError(
            "The accelerator must have parameters in RAM to be loaded: generate it with --weights ram (in Python "
            "weights='ram')."
        )
    return parts


def load_cycles(pipeline: Pipeline) -> int:
    """Cycles from the first byte of an image at the load stream to the first one in which a frame can come.

    The accelerator is idle, and beats come without a gap: one cycle each, CRC-32 included, one for each memory on
    the way, five for the loader, and three more with beats of several bytes, whose CRC-32 takes them.
    """
    wide = load_width(pipeline) > 1
    return image_beats(pipeline) + len(_loaded(pipeline)) + 5 + (LATENCY if wide else 0)


def most_frames(pipeline: Pipeline) -> int:
    """A number of frames that are never under way at once.

    Each of them has a beat in a buffer, or in a register on the way to one, or is the one that a block works on.
    """
    waiting = sum(
        memory.depth * memory.copies
        for block in pipeline.blocks
        for memory in block.memories()
        if memory.role == "buffer"
    )
    return waiting + 8 * len(pipeline.blocks)


# ---- shapes


def _shape(pipeline: Pipeline) -> list[Any]:
    """All that an accelerator is, but for names and what is loaded."""
    blocks = [
        [
            _OLD_NAMES.get(type(node.block).__name__, type(node.block).__name__),
            _plain(node.block, _LOADED.get(type(node.block), set())),
            node.inputs,
            node.outputs,
        ]
        for node in pipeline.nodes
    ]
    return [blocks, [_plain(stream) for stream in pipeline.streams]]


def _plain(value: Any, loaded: Collection[str] = ()) -> Any:
    """Plain JSON for a specification; of the fields that are loaded, type and shape."""
    if isinstance(value, np.ndarray):
        return [str(value.dtype), value.shape, hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()]
    if is_dataclass(value):
        return {
            _field_name(value, entry.name): list(getattr(value, entry.name).shape)
            if entry.name in loaded
            else _plain(getattr(value, entry.name))
            for entry in fields(value)
            if entry.name not in _NAMES
            and not (entry.name in _LATER and getattr(value, entry.name) == _LATER[entry.name])
        }
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def _field_name(value: Any, name: str) -> str:
    """What images call a field."""
    if isinstance(value, Stream) and name == "parallel_frames":
        return "frames"
    return _OLD_NAMES.get(name, name)


def shape_crc(pipeline: Pipeline) -> int:
    """CRC-32 of the shape of an accelerator, to which the CRC-32 of an image is continued.

    So an image for another shape is as wrong as a damaged one.
    """
    return zlib.crc32(json.dumps(_shape(pipeline)).encode())


def with_parameters_of(network: Network, template: Network, plan: Plan) -> Pipeline:
    """The accelerator that was made for `template`, with the parameters of another network of the same shape.

    Layers may have other names. All that is not loaded must be the same: kinds of layers, their geometry, formats,
    weights of branches, of which channels a pool takes the least, and which channels are chosen.

    Raises
    ------
    NetworkError
        The network has another shape.
    PlanError
        A parameter is beyond the limits of the plan, or parameters are fixed.
    """
    wanted = lower(template, plan)
    _loaded(wanted)
    if difference := _difference(network, template):
        raise NetworkError(
            f"Network {network.name!r} must have the shape of {template.name!r} to be loaded in its place, but "
            f"{difference}."
        )
    names = iter([layer.name for layer, _, _ in template.placed()])
    found = lower(replace(network, layers=_renamed(network.layers, names)), plan)
    assert _shape(found) == _shape(wanted)
    return found


def _difference(network: Network, template: Network) -> str | None:
    """The first thing of a network that must be as that of the template, and is not."""
    if (network.input.format, network.input.map.shape) != (template.input.format, template.input.map.shape):
        return "its input differs"
    if network.readout.kind != template.readout.kind:
        return f"its result is {network.readout.kind}, not {template.readout.kind}"
    found, wanted = ([layer for layer, _, _ in one.placed()] for one in (network, template))
    if [type(layer) for layer in found] != [type(layer) for layer in wanted]:
        return "it has other layers"
    for layer, other in zip(found, wanted, strict=True):
        for entry in fields(layer):
            if entry.name in _NAMES | {"branches"}:
                continue
            a, b = (getattr(one, entry.name) for one in (layer, other))
            if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
                same = a.dtype == b.dtype and a.shape == b.shape
                same = same and (entry.name not in _WIRED or np.array_equal(a, b))
            else:
                same = type(a) is type(b) and a == b
            if not same:
                return f"layer {layer.name!r} differs in its {entry.name}"
    return None


def _renamed(layers: tuple[Layer, ...], names: Iterator[str]) -> tuple[Layer, ...]:
    """The same layers with other names, in the order of `Network.placed`."""
    result = []
    for layer in layers:
        if isinstance(layer, Branched):
            layer = replace(layer, branches=tuple(_renamed(branch, names) for branch in layer.branches))
        result.append(replace(layer, name=next(names)))
    return tuple(result)
