"""Layers of the integer network: what each computes, on what, and what it hands on.

Layers hand on feature maps: H rows by W columns of pixels with C channels, as a stream carries them,
row by row, channels innermost (NHWC). A vector is a map of 1 x 1 pixels.

A layer is one dataclass with one rule, `output_map`, which says whether it may follow a map and what
comes out. `bitweir_sim.values.golden` says what it computes.
"""

from ..formats import BIPOLAR, Format, Integers, Map, Shape
from .branches import LAYERS, Branched, Concat, Layer, Parallel, in_series
from .channels import Affine, Piecewise, Threshold
from .checks import SUM_BITS, falls
from .moves import Select, Upsample
from .pools import Pool
from .scores import Argmax, Vote
from .weighted import Conv, Dense

__all__ = [
    "BIPOLAR", "LAYERS", "SUM_BITS", "Affine", "Argmax", "Branched", "Concat", "Conv", "Dense", "Format", "Integers",
    "Layer", "Map", "Parallel", "Piecewise", "Pool", "Select", "Shape", "Threshold", "Upsample", "Vote", "falls",
    "in_series",
]  # fmt: skip
