"""What quantisers of QKeras do: staircases whose steps are powers of two, with a factor where there is an alpha."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelError, shown
from ...exact.fold import clip, scale, shift, sigmoid, tanh
from ...folding.symbols import Moving, whole

__all__ = ["Stairs", "stairs"]

_ONE, _HALF = Fraction(1), Fraction(1, 2)
#: The threshold of a ternary quantiser that states none, in float32.
_TERNARY = Fraction(float(np.float32(0.33)))
#: Values that a quantiser of activations may have.
_MAX_LEVELS = 256


@dataclass(frozen=True)
class Stairs:
    """A quantiser of QKeras.

    Parameters
    ----------
    name : str
    cuts : tuple of (Fraction, bool)
        As in `fold.Quantiser`.
    values : tuple of Fraction
    curve : str
        What comes before the cuts: ``tanh``, ``sigmoid``, ``hard tanh``, ``hard sigmoid`` or nothing.
    auto : bool
        The factor of its values comes from the numbers that it quantises.
    """

    name: str
    cuts: tuple[tuple[Fraction, bool], ...]
    values: tuple[Fraction, ...]
    curve: str = ""
    auto: bool = False

    def bent(self, x: Moving) -> Moving:
        """A value in front of the cuts."""
        if self.auto:
            raise ModelError(f"its quantiser {self.name} takes its scale from each batch: give it a number as alpha")
        if len(self.values) > _MAX_LEVELS:
            raise ModelError(f"its quantiser {self.name} must have at most 8 bits to feed a layer: use fewer bits")
        if self.curve == "hard tanh":
            return x.then(clip(whole(x, -1), whole(x, 1)))
        if self.curve == "hard sigmoid":
            y = x.then(scale(whole(x, _HALF))).then(shift(whole(x, _HALF)))
            return y.then(clip(whole(y, 0), whole(y, 1)))
        return x.then(tanh() if self.curve == "tanh" else sigmoid()) if self.curve else x

    def kernel(self, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """Weights behind the quantiser."""
        if self.auto or self.curve:
            raise ModelError(
                f"its quantiser {self.name} has a scale that is computed from the weights, or a curve, and neither is "
                "read: give it the number 1 as alpha (by default it is auto_po2), and train the model again"
            )
        steps = np.array([float(cut) for cut, _ in self.cuts])
        above, upto = (np.searchsorted(steps, weights.astype(np.float64), side) for side in ("right", "left"))
        strict = np.array([False, *(strict for _, strict in self.cuts)])
        # On a cut, `upto` is one less than `above`, which counts where the cut is not strict.
        reached = np.where((above > upto) & strict[above], upto, above)
        return np.array([float(value) for value in self.values], np.float32)[reached]


def stairs(name: str, options: dict[str, Any], *, trained: bool) -> Stairs:
    """A quantiser by its name and options.

    Parameters
    ----------
    name : str
        A key of `qkeras.QKERAS`.
    options : dict
    trained : bool
        It quantises a kernel, for which QKeras makes an alpha of None the text ``auto_po2``.
    """
    alpha = options.get("alpha")
    auto = isinstance(alpha, str) or (trained and alpha is None and "alpha" in options)
    if not auto and alpha is not None and (type(alpha) not in (int, float) or not 0 < alpha < 1e30):
        raise ModelError(f"its quantiser {name} must have one positive number as alpha, not {shown(alpha)}")
    factor = _ONE if auto or alpha is None else Fraction(float(np.float32(alpha)))
    if name == "binary":
        low = Fraction(0) if options["use_01"] else -factor
        return Stairs(name, ((Fraction(0), False),), (low, factor), auto=auto)
    if name == "ternary":
        stated = options["threshold"]
        if stated is not None and (type(stated) not in (int, float) or not 0 < stated < 1e30):
            raise ModelError(f"its quantiser {name} must have a positive number as threshold, not {shown(stated)}")
        t = _TERNARY if stated is None else Fraction(float(np.float32(stated)))
        return Stairs(name, ((-t, True), (t, False)), (-factor, Fraction(0), factor), auto=auto)
    bits, symmetric = options["bits"], int(bool(options.get("symmetric")))
    if name == "quantized_relu":
        return _relu(name, options)
    if name == "quantized_bits":
        negative = int(bool(options["keep_negative"]))
        steps, unit = 1 << (bits - negative), Fraction(2) ** (options["integer"] - bits + negative)
        if bits == negative:  # one bit is the sign
            return Stairs(name, ((Fraction(0), False),), (-factor, factor), auto=auto)
        return _even(name, negative * (symmetric - steps), steps - 1, unit, factor, auto=auto)
    if name == "quantized_tanh":
        steps = 1 << (bits - 1)
        curve = "tanh" if options["use_real_tanh"] else "hard tanh"
        return _even(name, symmetric - steps, steps - 1, Fraction(1, steps), curve=curve)
    steps = 1 << bits
    curve = "sigmoid" if options["use_real_sigmoid"] else "hard sigmoid"
    return _even(name, symmetric, steps - 1, Fraction(1, steps), curve=curve)


def _even(
    name: str, low: int, high: int, unit: Fraction, factor: Fraction = _ONE, *, curve: str = "", auto: bool = False
) -> Stairs:
    """Whole numbers of units, to which ties go where they are even."""
    cuts = tuple(((level - _HALF) * unit, level % 2 == 1) for level in range(low + 1, high + 1))
    return Stairs(name, cuts, tuple(level * unit * factor for level in range(low, high + 1)), curve, auto)


def _relu(name: str, options: dict[str, Any]) -> Stairs:
    slope, most = options["negative_slope"], options["relu_upper_bound"]
    if options["use_sigmoid"]:
        raise ModelError(f"its quantiser {name} must have use_sigmoid=0: others are not read")
    below = Fraction(slope) if type(slope) in (int, float) and 0 <= slope <= 1 else None
    if below is None or (below and below.numerator != 1):
        raise ModelError(
            f"its quantiser {name} must have 0, or 1 by a power of two, as negative_slope, not {shown(slope)}"
        )
    steps = 1 << (options["bits"] - bool(below))
    unit = Fraction(2) ** options["integer"] / steps
    if below * steps % 1:
        raise ModelError(f"its quantiser {name} has too few bits for its negative_slope {shown(slope)}: use more bits")
    levels = range(-int(below * steps), steps)
    # Below 0, an input has the slope; both sides round halves to even numbers.
    cuts = [((k - _HALF) * unit / (below if k <= 0 else 1), k % 2 == 1) for k in levels[1:]]
    values = [k * unit for k in levels]
    if most is not None and not options["is_quantized_clip"]:
        if type(most) not in (int, float) or not 0 < most < 1e30:
            raise ModelError(f"its quantiser {name} must have a positive number as relu_upper_bound, not {shown(most)}")
        values = [min(value, Fraction(float(np.float32(most)))) for value in values]
    return Stairs(name, tuple(cuts), tuple(values))
