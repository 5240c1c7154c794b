"""The matrix-vector-threshold unit (MVTU): M neurons by K inputs, folded to P elements of S inputs.

A vector takes ``fold = ceil(M / P) * ceil(K / S)`` cycles; G vectors of each pixel follow each other, so a frame takes
``pixels * G * fold``. From the issue of the last word of a result to its write there are
``1 + memory_stage + stages of the popcount`` cycles.
"""

from ..base import Block
from .cost import cost, paths
from .gateware import MatVec
from .spec import MatVecSpec

__all__ = ["MATVEC", "MatVecSpec"]

MATVEC = Block(
    spec=MatVecSpec,
    component=MatVec,
    cost=cost,
    paths=paths,
    title="matrix-vector-threshold",
    group="weights",
)
