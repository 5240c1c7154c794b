"""Quantisers of Larq and QKeras, for activations and kernels; old files name the function, new ones the class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelError, shown
from ...exact.fold import Quantiser
from ...folding.network_builder import NetworkBuilder
from ...folding.quantise import quantise
from ...folding.symbols import Codes, Moving, Padded, whole
from ..qkeras import qkeras_spec
from .qkeras import Stairs, stairs

__all__ = ["QUANTISERS", "LarqQuantiser", "larq_quantiser", "quantised", "quantised_kernel"]

Floats = NDArray[np.float32]
#: A cut and whether it is strict, as in `fold.Quantiser`.
Cuts = list[tuple[Fraction, bool]]

#: Names in the file, and what they have in common here.
QUANTISERS = {
    "ApproxSign": "sign",
    "DoReFa": "dorefa",
    "DoReFaQuantizer": "dorefa",
    "MagnitudeAwareSign": "magnitude",
    "NoOp": "none",
    "NoOpQuantizer": "none",
    "SteHeaviside": "heaviside",
    "SteSign": "sign",
    "SteTern": "tern",
    "SwishSign": "sign",
    "approx_sign": "sign",
    "dorefa_quantizer": "dorefa",
    "magnitude_aware_sign": "magnitude",
    "ste_heaviside": "heaviside",
    "ste_sign": "sign",
    "ste_tern": "tern",
    "swish_sign": "sign",
}
_MAX_BITS = 8
#: A latent weight nearer to where its quantiser jumps than this, in steps, is worth a note: float32 has rounded it.
_NEAR = 1e-4


@dataclass(frozen=True)
class LarqQuantiser:
    """One quantiser.

    Parameters
    ----------
    kind : str
        Value in `QUANTISERS`.
    name : str
        As in the file.
    threshold : Fraction
        Of the ternary one, as float32 has it.
    from_weights : bool
        The threshold of the ternary one is 0.7 times the mean size of the weights, or DoReFa treats weights.
    bits : int
        Of DoReFa.
    stairs : Stairs or None
        It is one of QKeras, and this is what it does.
    """

    kind: str
    name: str
    threshold: Fraction = Fraction(0)
    from_weights: bool = False
    bits: int = 1
    stairs: Stairs | None = None

    @property
    def steps(self) -> int:
        """Steps between the levels of DoReFa."""
        return (1 << self.bits) - 1


def larq_quantiser(spec: Any, *, trained: bool = False) -> LarqQuantiser | None:
    """What a configuration names: nothing, a string, or a class with its configuration; `trained` is that of a kernel.

    Raises
    ------
    ModelError
        It is no quantiser that is known; the text is the end of a sentence.
    """
    if spec is None:
        return None
    own = qkeras_spec(spec)
    if own is not None:
        return LarqQuantiser("qkeras", own[0], stairs=stairs(*own, trained=trained))
    name: Any = spec
    config: Any = {}
    if isinstance(spec, dict):
        name, config = spec.get("class_name"), spec.get("config")
        if name == "function":  # a Python function by its name
            name, config = config, {}
    name = str(name).rpartition(">")[2]
    kind = QUANTISERS.get(name)
    if kind is None:
        raise ModelError(
            f"its quantiser {shown(name)} is none of Larq's or QKeras's that are read: use ste_sign, ste_tern or "
            "dorefa_quantizer, or quantized_bits and quantized_relu"
        )
    if config is None:
        config = {}
    if not isinstance(config, Mapping):
        raise ModelError(f"its quantiser {shown(name)} must have a configuration: the file is damaged")
    if kind == "none":
        return None
    if kind == "tern":
        value = config.get("threshold_value", 0.05)
        if type(value) not in (int, float) or not abs(value) < 1e9:
            raise ModelError(f"the threshold_value of its quantiser {shown(name)} must be a number, not {shown(value)}")
        # Both signs of it do the same.
        threshold = Fraction(float(np.float32(abs(value))))
        return LarqQuantiser(kind, name, threshold, bool(config.get("ternary_weight_networks", False)))
    if kind == "dorefa":
        bits, mode = config.get("k_bit", 2), config.get("mode", "activations")
        if type(bits) is not int or not 1 <= bits <= _MAX_BITS or mode not in ("activations", "weights"):
            raise ModelError(
                f"its quantiser {shown(name)} must have a k_bit of 1 to {_MAX_BITS} for activations or weights, not "
                f"{shown(bits)} for {shown(mode)}"
            )
        return LarqQuantiser(kind, name, from_weights=mode == "weights", bits=bits)
    return LarqQuantiser(kind, name)


# ---- activations


def quantised(x: Moving | Padded, quantiser: LarqQuantiser) -> Codes | Padded:
    """Activations behind a quantiser; a border is quantised as all else is."""
    cuts, values = _staircase(quantiser)
    inside = x.inside if isinstance(x, Padded) else x
    if quantiser.stairs is not None:
        inside = quantiser.stairs.bent(inside)
        if isinstance(x, Padded) and (x.value if "tanh" in quantiser.stairs.curve else quantiser.stairs.curve):
            raise ModelError(f"its quantiser {quantiser.name} must not follow a border of {float(x.value):g}")
    steps = Quantiser(
        tuple((whole(inside, at), strict) for at, strict in cuts), tuple(whole(inside, value) for value in values)
    )
    codes = inside.quantised(steps) if isinstance(inside, Codes) else quantise(inside, steps)
    if not isinstance(x, Padded):
        return codes
    reached = sum(x.value > at or (x.value == at and not strict) for at, strict in cuts)
    return Padded(codes, x.pads, values[reached])


def _staircase(quantiser: LarqQuantiser) -> tuple[Cuts, list[Fraction]]:
    zero, one = Fraction(0), Fraction(1)
    if quantiser.stairs is not None:
        return list(quantiser.stairs.cuts), list(quantiser.stairs.values)
    if quantiser.kind == "magnitude" or quantiser.from_weights:
        raise ModelError(
            f"its input_quantizer {quantiser.name} takes a scale from all values of a batch, which hardware never has: "
            "use it for kernels only, and ste_sign for inputs"
        )
    if quantiser.kind == "sign":
        return [(zero, False)], [-one, one]
    if quantiser.kind == "heaviside":
        return [(zero, True)], [zero, one]
    if quantiser.kind == "tern":
        t = quantiser.threshold
        return [(-t, True), (t, False)] if t else [(zero, False), (zero, True)], [-one, zero, one]
    n = quantiser.steps
    # Ties go to even levels.
    return (
        [((k - Fraction(1, 2)) / n, k % 2 == 1) for k in range(1, n + 1)],
        [Fraction(k, n) for k in range(n + 1)],
    )


# ---- kernels


def quantised_kernel(
    builder: NetworkBuilder, kernel: Floats, quantiser: LarqQuantiser | None, label: str
) -> tuple[Floats, Fraction]:
    """A kernel as its layer uses it, as an array and a factor.

    Kernels that were saved inside `quantized_scope` are quantised already; Larq quantises them once more too.
    """
    one = Fraction(1)
    if quantiser is None:
        return kernel, one
    if not np.isfinite(kernel).all():
        raise ModelError("its weights must be finite, but some are NaN or infinite")
    if quantiser.stairs is not None:
        return quantiser.stairs.kernel(kernel), one
    if quantiser.kind == "heaviside":
        return (kernel > 0).astype(np.float32), one
    if quantiser.kind == "tern":
        size, t = np.abs(kernel), float(quantiser.threshold)
        if quantiser.from_weights:
            t = float(np.float32(0.7 * size.mean(dtype=np.float64)))
            _tell(builder, label, np.abs(size / t - 1) if t else np.ones(1))
        return np.where(size >= t, np.sign(kernel), 0).astype(np.float32), one
    if quantiser.kind == "dorefa":
        return _dorefa_kernel(builder, kernel, quantiser, label)
    signs = np.where(kernel >= 0, 1, -1).astype(np.float32)
    if quantiser.kind == "magnitude":
        size = np.abs(kernel).mean(axis=tuple(range(kernel.ndim - 1)), dtype=np.float64)
        return signs * size.astype(np.float32), one
    return signs, one


def _dorefa_kernel(
    builder: NetworkBuilder, kernel: Floats, quantiser: LarqQuantiser, label: str
) -> tuple[Floats, Fraction]:
    n = quantiser.steps
    if quantiser.from_weights:
        limited = np.tanh(kernel.astype(np.float64))
        most = np.abs(limited).max(initial=0)
        places = (limited / (2 * most) + 0.5 if most else np.full(kernel.shape, 0.5)) * n
        _tell(builder, label, np.abs(places % 1 - 0.5) if most else np.ones(1))
        return (2 * np.rint(places) - n).astype(np.float32), Fraction(1, n)
    # float32, as ties of these products are where TensorFlow has them.
    return np.rint(np.clip(kernel, 0, 1) * np.float32(n)), Fraction(1, n)


def _tell(builder: NetworkBuilder, label: str, distance: NDArray[Any]) -> None:
    """A note where weights lie so near to a jump that another order of operations may quantise them otherwise."""
    near = int((distance < _NEAR).sum())
    if near:
        builder.notes.append(
            f"{label}: {near} weights lie within {_NEAR:g} of where their quantiser jumps; TensorFlow may take the "
            "other level."
        )
