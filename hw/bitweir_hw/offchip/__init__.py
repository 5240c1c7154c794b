"""Weights that lie outside the chip: their image, and what reads it for the layers."""

from .axi import AxiWeightReader
from .layout import BEAT_BYTES, ImageLayout, StreamedWeights, pack_image, unpack_image
from .reader import WeightReader
from .spec import ReaderSpec
from .wishbone import WishboneWeightReader

__all__ = [
    "BEAT_BYTES",
    "AxiWeightReader",
    "ImageLayout",
    "ReaderSpec",
    "StreamedWeights",
    "WeightReader",
    "WishboneWeightReader",
    "pack_image",
    "unpack_image",
]
