"""Where the weights of streamed layers lie in memory outside the chip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from ..arithmetic import ceil_div
from ..errors import FileError, PlanError

__all__ = ["BEAT_BYTES", "ImageLayout", "StreamedWeights", "pack_image", "unpack_image"]

#: Bytes of a beat: SDRAM of 16 bits, AXI4 and Wishbone of 32 bits and more.
BEAT_BYTES = (2, 4, 8, 16, 32, 64)
#: AXI4 (ARM IHI 0022, A3.4.1): a burst has at most so many beats, and does not cross an address that is a multiple of
#: so many bytes.
MOST_BEATS, PAGE_BYTES = 256, 4096


@dataclass(frozen=True, kw_only=True)
class StreamedWeights:
    """What one layer takes from outside, over and over: words, in the order in which it uses them.

    Parameters
    ----------
    name : str
        Of the layer.
    width : int
        Bits of a word.
    depth : int
        Words.
    """

    name: str
    width: int
    depth: int

    def __post_init__(self) -> None:
        for what, number in (("Bits of a word", self.width), ("Words", self.depth)):
            if number < 1:
                raise PlanError(f"{what} of streamed layer {self.name} must be at least 1, not {number}.")

    @property
    def bytes(self) -> int:
        """Bytes of all words, one behind the other."""
        return ceil_div(self.width * self.depth, 8)


@dataclass(frozen=True, kw_only=True)
class ImageLayout:
    """The image of all streamed layers.

    Bit k of word n of a layer is bit ``n * width + k`` of the layer, and bit b of a layer is bit ``b % 8`` of its byte
    ``b // 8``; bit 0 is the lowest. Words follow each other without a gap. Layers come in the order of `streams`; each
    begins at a multiple of `burst_bytes`, and what is in between is 0. Byte 0 of a beat is in its lowest bits, as on
    AXI4 and on little-endian Wishbone.

    Parameters
    ----------
    streams : tuple of StreamedWeights
    beat_bytes : int
        Bytes of a beat of the bus, one of `BEAT_BYTES`.
    burst_beats : int
        Beats of a burst, a power of two up to 256; a burst has at most 4096 bytes. So bursts that begin at multiples
        of `burst_bytes` never cross a page of 4 KiB.

    Raises
    ------
    PlanError
        No stream, two of one name, or no such width of a beat or length of a burst.
    """

    streams: tuple[StreamedWeights, ...]
    beat_bytes: int
    burst_beats: int

    def __post_init__(self) -> None:
        names = [weights.name for weights in self.streams]
        if not names or len(set(names)) < len(names):
            raise PlanError(f"Streamed layers must be at least one, each of a name of its own, not {names}.")
        if self.beat_bytes not in BEAT_BYTES:
            raise PlanError(f"A beat of weights must be one of {BEAT_BYTES} bytes, not {self.beat_bytes}.")
        most = min(MOST_BEATS, PAGE_BYTES // self.beat_bytes)
        if not 1 <= self.burst_beats <= most or self.burst_beats & (self.burst_beats - 1):
            raise PlanError(
                f"A burst of {self.beat_bytes} bytes a beat must have a power of two of beats, at most {most}, "
                f"not {self.burst_beats}."
            )

    @property
    def beat_bits(self) -> int:
        """Bits of a beat."""
        return 8 * self.beat_bytes

    @property
    def burst_bytes(self) -> int:
        """Bytes of a burst, of which the base of each layer is a multiple."""
        return self.beat_bytes * self.burst_beats

    @cached_property
    def beats(self) -> tuple[int, ...]:
        """Beats of each layer."""
        return tuple(ceil_div(weights.bytes, self.beat_bytes) for weights in self.streams)

    @cached_property
    def bursts(self) -> tuple[int, ...]:
        """Bursts of each layer; the last one may be shorter."""
        return tuple(ceil_div(beats, self.burst_beats) for beats in self.beats)

    @cached_property
    def first_bursts(self) -> tuple[int, ...]:
        """The base of each layer, counted in bursts."""
        return (0, *accumulate(self.bursts))[:-1]

    @cached_property
    def bases(self) -> tuple[int, ...]:
        """The base of each layer in bytes, from the base of the image on."""
        return tuple(first * self.burst_bytes for first in self.first_bursts)

    @property
    def bytes(self) -> int:
        """Bytes of the image: whole bursts."""
        return sum(self.bursts) * self.burst_bytes


def pack_image(layout: ImageLayout, words: Sequence[NDArray[np.generic]]) -> NDArray[np.uint8]:
    """The image of all words.

    Parameters
    ----------
    layout : ImageLayout
    words : sequence of bool array, (depth, width)
        Of each stream; bit k of a word is column k.

    Returns
    -------
    uint8 array, (layout.bytes,)

    Raises
    ------
    PlanError
        Words of another shape.
    """
    if len(words) != len(layout.streams):
        raise PlanError(f"Words must be given for {len(layout.streams)} streamed layers, not for {len(words)}.")
    image = np.zeros(layout.bytes, np.uint8)
    for weights, base, bits in zip(layout.streams, layout.bases, words, strict=True):
        if bits.shape != (weights.depth, weights.width):
            raise PlanError(
                f"Words of streamed layer {weights.name} must be {weights.depth} of {weights.width} bits, "
                f"not an array of {bits.shape}."
            )
        image[base : base + weights.bytes] = np.packbits(bits.astype(bool).ravel(), bitorder="little")
    return image


def unpack_image(layout: ImageLayout, image: NDArray[np.uint8]) -> dict[str, NDArray[np.bool_]]:
    """The words of an image, by the name of their layer, as `pack_image` takes them.

    Raises
    ------
    FileError
        The image has another size, or bits that are not 0 behind the words of a layer.
    """
    if image.shape != (layout.bytes,):
        raise FileError(f"An image of streamed weights must have {layout.bytes} bytes, not {image.size}.")
    found: dict[str, NDArray[np.bool_]] = {}
    for weights, base, beats in zip(layout.streams, layout.bases, layout.bursts, strict=True):
        part = image[base : base + beats * layout.burst_bytes]
        bits = np.unpackbits(part, bitorder="little")
        count = weights.depth * weights.width
        if bits[count:].any():
            raise FileError(f"The image of streamed weights has bits behind the words of layer {weights.name}.")
        found[weights.name] = bits[:count].reshape(weights.depth, weights.width).astype(bool)
    return found
