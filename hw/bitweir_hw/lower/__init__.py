"""From a network and a plan to blocks: what each layer is made of, and how wide its numbers are."""

from .layers import LOWERINGS, build, fork, lower, meet
from .ranges import ParameterRange, ValueRanges, limits_for, with_loadable_parameters

__all__ = [
    "LOWERINGS",
    "ParameterRange",
    "ValueRanges",
    "build",
    "fork",
    "limits_for",
    "lower",
    "meet",
    "with_loadable_parameters",
]
