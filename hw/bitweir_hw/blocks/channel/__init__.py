"""One-to-one elementwise blocks with constants for each channel: thresholds and affine maps.

A frame takes a cycle for each beat; a result is written 2 cycles after its beat is taken.
"""

from ..base import Block
from .affine import Affine
from .cost import affine_cost, affine_paths, threshold_cost, threshold_paths
from .spec import AffineSpec, ThresholdSpec
from .threshold import Threshold

__all__ = ["AFFINE", "THRESHOLD", "AffineSpec", "ThresholdSpec"]

THRESHOLD = Block(
    spec=ThresholdSpec,
    component=Threshold,
    cost=threshold_cost,
    paths=threshold_paths,
    title="threshold",
    group="map",
)
AFFINE = Block(
    spec=AffineSpec,
    component=Affine,
    cost=affine_cost,
    paths=affine_paths,
    title="affine",
    group="map",
)
