"""One-to-one elementwise blocks with constants for each channel: thresholds, affine maps and straight pieces.

A frame takes a cycle for each beat; a result is written 2 cycles after its beat is taken, of pieces 3. An affine map
may take a cycle for each bit of its results instead, where a frame has time for it.
"""

from ..base import Block
from .affine import Affine
from .cost import affine_cost, affine_paths, piecewise_cost, piecewise_paths, threshold_cost, threshold_paths
from .piecewise import Piecewise
from .serial import SerialAffine
from .spec import AffineSpec, ChannelSpec, PiecewiseSpec, ThresholdSpec
from .threshold import Threshold

__all__ = ["AFFINE", "PIECEWISE", "THRESHOLD", "AffineSpec", "ChannelSpec", "PiecewiseSpec", "ThresholdSpec"]

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
    component=lambda spec: SerialAffine(spec) if spec.serial else Affine(spec),
    cost=affine_cost,
    paths=affine_paths,
    title="affine",
    group="map",
)
PIECEWISE = Block(
    spec=PiecewiseSpec,
    component=Piecewise,
    cost=piecewise_cost,
    paths=piecewise_paths,
    title="straight pieces",
    group="map",
)
