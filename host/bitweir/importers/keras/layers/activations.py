"""Activation functions, as layers and as options of layers; quantisers are activation functions too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np

from ...errors import ModelError, shown
from ...exact.fold import Step, clip, erf, leaky, scale, shift, sigmoid, tanh
from ...exact.surd import root
from ...folding.curves import combined
from ...folding.symbols import Codes, Moving, Padded, along_channels, whole
from ..qkeras import qkeras_spec
from .job import Job, fraction
from .quantisers import QUANTISERS, larq_quantiser, quantised

__all__ = ["activated", "bare", "ended"]

#: Functions that rise with each score: at the end they do not change the class.
_RISING = {"log_softmax", "sigmoid", "softmax", "tanh"}
#: Those of them that a quantiser may follow.
_CURVES: dict[str, Callable[[], Step]] = {"sigmoid": sigmoid, "tanh": tanh}
#: Functions that cut values off, with the limits.
_CLIPPED = {"hard_tanh": (-1, 1), "relu": (0, None), "relu6": (0, 6)}


def activated(job: Job, x: Moving | Padded, spec: Any) -> Moving | Padded:
    """A value behind an activation function, which a configuration names by a string or by a class."""
    name = spec
    if isinstance(spec, dict):
        name = spec.get("config") if spec.get("class_name") == "function" else spec.get("class_name")
    name = "linear" if spec is None else str(name).rpartition(">")[2]
    if name in QUANTISERS or qkeras_spec(spec):
        quantiser = larq_quantiser(spec)
        return x if quantiser is None else quantised(x, quantiser)
    if name == "linear":
        return x
    if name in _RISING:
        return ended(job, bare(x), name)
    if name in _BENT:
        return _BENT[name](job, bare(x))
    if name not in _CLIPPED:
        raise ModelError(
            f"its activation {shown(name)} is not supported: use relu, hard_tanh or a quantiser of Larq, or softmax at "
            "the end"
        )
    y = bare(x)
    low, high = (None if end is None else whole(y, end) for end in _CLIPPED[name])
    return y.then(clip(low, high))


def _hard_sigmoid(job: Job, x: Moving) -> Moving:
    """``x / 6 + 1 / 2`` in Keras 3 and ``x / 5 + 1 / 2`` before it, cut off at 0 and 1."""
    if job.file.version not in (2, 3):
        raise ModelError(
            "its hard_sigmoid is another function in Keras 3 than before, and the file does not say which version of "
            "Keras wrote it: save it again with model.save, or use hard_tanh"
        )
    return _gate(x, fraction(0.2) if job.file.version == 2 else Fraction(1, 6))


def _gate(x: Moving, slope: Fraction) -> Moving:
    y = x.then(scale(whole(x, slope))).then(shift(whole(x, Fraction(1, 2))))
    return y.then(clip(whole(y, 0), whole(y, 1)))


def _times(x: Moving, gate: Moving) -> Moving:
    return combined("product", "product", (x, gate))


def _gelu(job: Job, x: Moving) -> Moving:
    half = np.asarray(root(Fraction(1, 2)), object).reshape((1,) * len(x.shape))
    return _times(x.then(scale(whole(x, Fraction(1, 2)))), x.then(scale(half)).then(erf()).then(shift(whole(x, 1))))


#: Functions that rise and fall, or rise in another way in each version of Keras.
_BENT: dict[str, Callable[[Job, Moving], Moving]] = {
    **dict.fromkeys(("silu", "swish"), lambda job, x: _times(x, x.then(sigmoid()))),
    **dict.fromkeys(("hard_silu", "hard_swish"), lambda job, x: _times(x, _gate(x, Fraction(1, 6)))),
    "gelu": _gelu,
    "hard_sigmoid": _hard_sigmoid,
    "leaky_relu": lambda job, x: x.then(leaky(whole(x, fraction(0.2)))),
}


def ended(job: Job, x: Moving, name: str) -> Moving:
    """Scores behind a function at the end of a network, by its name."""
    softmax = "softmax" in name
    curve = _CURVES[name]() if name in _CURVES else None
    if isinstance(x, Codes) and curve:
        return x.then(curve)
    if isinstance(x, Codes):
        raise ModelError("it must follow scores, not codes")
    if softmax and prod(x.shape) != x.shape[-1] and not along_channels(x, -1):
        raise ModelError(
            f"its softmax must take one vector of scores, or the channels of each pixel of a map, not frames of shape "
            f"{x.shape}"
        )
    # A layer that does more than this function stays: only the function is left out.
    label = job.label if job.call.kind in ("Activation", "Softmax") else f"the {name} of {job.label}"
    return replace(x, ended=label, end="softmax" if softmax else name, resumes=curve)


def bare(x: Moving | Padded) -> Moving:
    """A value that has no border.

    Raises
    ------
    ModelError
        It has one; the text is the end of a sentence.
    """
    if isinstance(x, Padded):
        raise ModelError("it must not follow a ZeroPadding2D: only quantisers, convolutions and max pools may")
    return x
