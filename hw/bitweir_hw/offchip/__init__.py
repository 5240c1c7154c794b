"""Weights that lie outside the chip: their image, and what reads it for the layers."""

from .axi import AxiWeightReader
from .image_loader import ImageLoader, image_with_crc
from .layout import BEAT_BYTES, ImageLayout, StreamedWeights, pack_image, unpack_image
from .reader import WeightReader
from .sdram import SdramController
from .sdram_parts import SDRAM_PARTS, SdramPart, SdramSpec
from .sdram_reader import SdramWeightReader
from .spec import ReaderSpec
from .wishbone import WishboneWeightReader

__all__ = [
    "BEAT_BYTES",
    "SDRAM_PARTS",
    "AxiWeightReader",
    "ImageLayout",
    "ImageLoader",
    "ReaderSpec",
    "SdramController",
    "SdramPart",
    "SdramSpec",
    "SdramWeightReader",
    "StreamedWeights",
    "WeightReader",
    "WishboneWeightReader",
    "image_with_crc",
    "pack_image",
    "unpack_image",
]
