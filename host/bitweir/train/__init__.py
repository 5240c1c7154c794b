"""Training of networks whose forward pass is what the hardware computes. It needs ``pip install 'bitweir[train]'``.

Layers with quantised weights and activations of few bits for PyTorch, the methods of papers as options of them, and
the way from a module to a network, an accelerator and its cost; ``docs/training.md`` shows them at work.
"""

from __future__ import annotations

from bitweir_hw.errors import ToolError

try:
    import torch as _torch  # noqa: F401
except ImportError as error:
    raise ToolError(
        "PyTorch is not installed, which bitweir.train needs: pip install 'bitweir[train]'; no other part does."
    ) from error

from .blocks import AbcConv2d, AbcLinear, AbcSigns, BiRealBlock, GroupBlock, ReActBlock
from .cost import HardwareCost, cost
from .ensembles import Ensemble, Members, bagging, boosting
from .estimators import (
    ApproxSign,
    ErrorDecay,
    Estimator,
    HardTanh,
    SignSwish,
    SoftStep,
    StraightThrough,
    Tanh,
    through,
)
from .export import export
from .fitting import accuracy, fit
from .layers import (
    Conv2d,
    Linear,
    RPReLU,
    RSign,
    ScoreScale,
    ShiftBatchNorm1d,
    ShiftBatchNorm2d,
    clip_weights,
)
from .quantisers import Sign, Signed, Thermometer, Unsigned
from .quantisers import Ternary as TernarySign
from .regularisers import collected, distillation, distribution_loss, r1, r2, squared_hinge
from .scales import FactoredScale, MeanScale, PowerOfTwoScale, Scale, TrainedScale, power_of_two
from .schedules import BitWidths, cosine, set_progress
from .weights import Binary, Circulant, PowersOfTwo, Ternary, Uniform, WeightQuantiser

__all__ = [
    "AbcConv2d",
    "AbcLinear",
    "AbcSigns",
    "ApproxSign",
    "BiRealBlock",
    "Binary",
    "BitWidths",
    "Circulant",
    "Conv2d",
    "Ensemble",
    "ErrorDecay",
    "Estimator",
    "FactoredScale",
    "GroupBlock",
    "HardTanh",
    "HardwareCost",
    "Linear",
    "MeanScale",
    "Members",
    "PowerOfTwoScale",
    "PowersOfTwo",
    "RPReLU",
    "RSign",
    "ReActBlock",
    "Scale",
    "ScoreScale",
    "ShiftBatchNorm1d",
    "ShiftBatchNorm2d",
    "Sign",
    "SignSwish",
    "Signed",
    "SoftStep",
    "StraightThrough",
    "Tanh",
    "Ternary",
    "TernarySign",
    "Thermometer",
    "TrainedScale",
    "Uniform",
    "Unsigned",
    "WeightQuantiser",
    "accuracy",
    "bagging",
    "boosting",
    "clip_weights",
    "collected",
    "cosine",
    "cost",
    "distillation",
    "distribution_loss",
    "export",
    "fit",
    "power_of_two",
    "r1",
    "r2",
    "set_progress",
    "squared_hinge",
    "through",
]
