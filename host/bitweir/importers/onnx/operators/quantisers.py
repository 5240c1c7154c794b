"""Rules of quantisers: where they stand, a chain ends in codes."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import ceil, floor
from typing import Any

import numpy as np

from ...errors import ModelError
from ...exact.fold import Exacts, Quantiser, Step, exact, scale, shift
from ...exact.surd import Exact, nearly
from ...folding.curves import combined, one_integer
from ...folding.network_builder import NetworkBuilder
from ...folding.quantise import ends, quantise
from ...folding.symbols import Codes, Moving, whole
from ..constants import Array, linear_range, quant_range
from ..graph import Node
from .operands import Rule, Value, both_move, parameter, per_channel, sides

__all__ = ["QUANTISER_RULES"]

_ONE, _HALF = Fraction(1), Fraction(1, 2)
_MAX_LEVELS = 256


def _quantised(x: Moving, cuts: list[tuple[Exacts, bool]], values: list[Exacts], sign_node: str = "") -> Codes:
    quantiser = Quantiser(tuple(cuts), tuple(values))
    return x.quantised(quantiser) if isinstance(x, Codes) else quantise(x, quantiser, sign_node=sign_node)


def _sign(builder: NetworkBuilder, node: Node, x: Moving) -> Value:
    zero = whole(x, 0)
    return _quantised(x, [(zero, False), (zero, True)], [whole(x, v) for v in (-1, 0, 1)], node.label)


def _compare(strict: bool, rising: bool) -> Rule:
    """``x > c`` is a strict cut at c; ``c > x`` is the opposite of ``x >= c``."""

    def rule(builder: NetworkBuilder, node: Node, a: Any, b: Any) -> Value:
        x, c, first = sides(a, b)
        up = rising == first
        values = [whole(x, 0), whole(x, 1)]
        return _quantised(x, [(parameter(x, c, node), strict == first)], values if up else values[::-1])

    return rule


def _not(builder: NetworkBuilder, node: Node, x: Moving) -> Value:
    if not isinstance(x, Codes) or any(number not in (0, 1) for value in x.values for number in value.flat):
        raise ModelError("it must turn round what a comparison says: put a comparison before it")
    return x.then(scale(whole(x, -1))).then(shift(whole(x, 1)))


def _where(builder: NetworkBuilder, node: Node, condition: Any, yes: Any, no: Any) -> Value:
    if not isinstance(condition, Codes):
        raise ModelError("it must choose by a comparison: put one before it")
    if isinstance(yes, np.ndarray) and isinstance(no, np.ndarray):
        values = [parameter(condition, no, node), parameter(condition, yes, node)]
        return condition.quantised(Quantiser(((whole(condition, _HALF), False),), tuple(values)))
    if not one_integer(condition, yes, no):
        raise ModelError(
            "it must choose between constants and functions of what its condition compares, element by element: "
            "values that come from different layers cannot be chosen from"
        )
    sides = [parameter(condition, x, node) if isinstance(x, np.ndarray) else x for x in (yes, no)]
    return combined("where", "choice", (condition, *sides))


def _bipolar(builder: NetworkBuilder, node: Node, x: Moving, step: Array) -> Value:
    size = parameter(x, step, node)
    return _quantised(x, [(whole(x, 0), False)], [-size, size])


def _quant(builder: NetworkBuilder, node: Node, x: Moving, step: Array, zero: Array, bits: Array) -> Value:
    size, origin = parameter(x, step, node), parameter(x, zero, node)
    low, high = quant_range(node, bits)
    if any(number <= 0 for number in size.flat):
        raise ModelError("its scale must be positive: train the model again, or export its absolute value")
    if (low, high) == (-1, 0):
        return _quantised(x, [(-origin * size, False)], [(-1 - origin) * size, (1 - origin) * size])
    if not 0 < high - low < _MAX_LEVELS:
        raise ModelError(
            f"it must have 2 to {_MAX_LEVELS} levels to feed a layer, not {high - low + 1}: use 8 bits or fewer"
        )
    mode = str(node.attributes.get("rounding_mode", "ROUND")).upper()
    cuts = []
    for level in range(low + 1, high + 1):
        at, strict = _ROUNDING[mode](level)
        cuts.append(((at - origin) * size, strict))
    return _quantised(x, cuts, [(level - origin) * size for level in range(low, high + 1)])


#: For each rounding mode: from where a level is reached, and whether strictly.
_ROUNDING: dict[str, Callable[[int], tuple[Fraction, bool]]] = {
    "ROUND": lambda q: (q - _HALF, q % 2 == 1),
    "HALF_EVEN": lambda q: (q - _HALF, q % 2 == 1),
    "CEIL": lambda q: (q - _ONE, True),
    "FLOOR": lambda q: (q * _ONE, False),
    "UP": lambda q: (q - _ONE, True) if q > 0 else (q * _ONE, False),
    "DOWN": lambda q: (q * _ONE, False) if q > 0 else (q - _ONE, True),
    "HALF_UP": lambda q: (q - _HALF, q <= 0),
    "HALF_DOWN": lambda q: (q - _HALF, q > 0),
}


def _round(builder: NetworkBuilder, node: Node, x: Moving) -> Value:
    """Round, Floor or Ceil: a quantiser where a clip before it, or the range of the sums, leaves few levels."""
    if isinstance(x, Codes):
        return x.then(Step("rounding", (), lambda y: Fraction(_to_whole(node, y)), None))
    found = [_to_whole(node, value) for value in ends(x)]
    low, high = min(found), max(found)
    high = max(high, low + 1)  # of a constant, a level that is out of reach
    if high - low >= _MAX_LEVELS:
        raise ModelError(f"it must round to 2 to {_MAX_LEVELS} levels, not to {high - low + 1}: clip before it")
    cut = _ROUNDING[{"Round": "ROUND", "Floor": "FLOOR", "Ceil": "CEIL"}[node.op]]
    cuts = [(whole(x, at), strict) for at, strict in map(cut, range(low + 1, high + 1))]
    return _quantised(x, cuts, [whole(x, level) for level in range(low, high + 1)])


def _to_whole(node: Node, y: Exact) -> int:
    near = nearly(y)
    return floor(near) if node.op == "Floor" else ceil(near) if node.op == "Ceil" else round(near)


def _trunc(
    builder: NetworkBuilder, node: Node, x: Moving, step: Array, zero: Array, bits: Array, *after: Array
) -> Value:
    """Whole numbers of steps without their low bits; version 2 of the operator has a step and a range of its own."""
    size, origin = parameter(x, step, node), parameter(x, zero, node)
    out, cut = size, int(bits.item()) - int(after[-1].item())
    if len(after) > 1:
        out = parameter(x, after[0], node)
        ratios: set[Fraction] = set(np.asarray(out / size, object).flat)
        # The operator takes the nearest power of two.
        cut = max(ratios).numerator.bit_length() - 1
        if ratios != {Fraction(1 << cut)}:
            raise ModelError("the scale of its result must be that of its input times one power of two: export it so")
    if not 0 <= cut < 32:
        raise ModelError(f"it must cut 0 to 31 bits off, not {cut}: its bit widths are in the wrong order")
    counted = x.then(scale(Fraction(1) / size)).then(shift(origin))
    mode, block = str(node.attributes.get("rounding_mode", "FLOOR")).upper(), 1 << cut

    def first(level: int) -> int:
        """The least whole number of steps that becomes a level, or more."""
        at, strict = _ROUNDING[mode](level)
        return floor(at * block) + 1 if strict else ceil(at * block)

    found = [round(nearly(y)) for y in (_values(counted) if isinstance(counted, Codes) else ends(counted))]
    low, high = min(found) // block - 1, max(found) // block + 1
    if len(after) > 1:
        least, most = quant_range(node, after[-1])
        low, high = max(low, least), min(high, most)
        low, high = (least, least + 1) if high < least else (most - 1, most) if low > most else (low, high)
    if not 0 < high - low < _MAX_LEVELS:
        raise ModelError(f"it must leave 2 to {_MAX_LEVELS} levels, not {high - low + 1}: cut more bits off")
    cuts = [(whole(x, n - _HALF), n % 2 == 1) for n in map(first, range(low + 1, high + 1))]
    shifted = origin / (block if len(after) > 1 else 1)
    return _quantised(counted, cuts, [(level - shifted) * out for level in range(low, high + 1)])


def _values(x: Codes) -> list[Exact]:
    return [number for value in x.values for number in value.flat]


def _quantize_linear(builder: NetworkBuilder, node: Node, x: Moving, step: Array, zero: Array | None = None) -> Value:
    """The whole numbers of a type, of which a clip behind it may leave fewer."""
    size = _along_axis(x, step, node)
    origin = whole(x, 0) if zero is None else _along_axis(x, zero, node)
    if any(number <= 0 for number in size.flat):
        raise ModelError("its scale must be positive: train the model again, or export its absolute value")
    odd = {number % 2 for number in origin.flat}
    if len(odd) > 1:
        raise ModelError("its zero points must all be even, or all odd, so that ties round alike: use one for all")
    low, high = linear_range(node, zero)
    parity = odd.pop()
    # Ties become even numbers of steps, to which the zero point is added then.
    cuts = [((level - origin - _HALF) * size, (level - parity) % 2 == 1) for level in range(low + 1, high + 1)]
    return _quantised(x, cuts, [whole(x, level) for level in range(low, high + 1)])


def _dequantize_linear(builder: NetworkBuilder, node: Node, x: Moving, step: Array, zero: Array | None = None) -> Value:
    if not isinstance(x, Codes):
        raise ModelError("it must take whole numbers of a quantiser: put QuantizeLinear before it")
    y = x if zero is None else x.then(shift(-_along_axis(x, zero, node)))
    return y.then(scale(_along_axis(x, step, node)))


def _along_axis(x: Moving, array: Array, node: Node) -> Exacts:
    """A parameter of a tensor, or one for each place of its axis."""
    if not isinstance(array, np.ndarray):
        raise both_move(node)
    if array.size == 1:
        return parameter(x, array.reshape(()), node)
    axis = int(node.attributes.get("axis", 1))
    axis += len(x.shape) + 1 if axis < 0 else 0
    if array.ndim != 1 or not 0 < axis <= len(x.shape) or array.size != x.shape[axis - 1]:
        raise ModelError(
            f"its parameters of shape {array.shape} must be one number, or one for each place of axis {axis}: blocks "
            "are not supported"
        )
    return exact(array.reshape((1,) * (axis - 1) + array.shape + (1,) * (len(x.shape) - axis)))


def _multi_threshold(builder: NetworkBuilder, node: Node, x: Moving, table: Array) -> Value:
    if node.attributes.get("data_layout", "NCHW") not in ("NCHW", "NC") and len(x.shape) > 1:
        raise ModelError("its data_layout must be NCHW or NC: export with channels first")
    if table.ndim != 2 or not 1 <= table.shape[1] < _MAX_LEVELS:
        raise ModelError(
            f"it must have 1 to {_MAX_LEVELS - 1} thresholds a channel, not a table of shape {table.shape}: "
            "use 8 bits or fewer"
        )
    step = Fraction(float(node.attributes.get("out_scale", 1)))
    base = Fraction(float(node.attributes.get("out_bias", 0)))
    cuts = [(per_channel(x, column), False) for column in np.sort(table, axis=1).T]
    return _quantised(x, cuts, [whole(x, base + step * k) for k in range(len(cuts) + 1)])


QUANTISER_RULES: dict[str, Rule] = {
    "BipolarQuant": _bipolar,
    "Ceil": _round,
    "DequantizeLinear": _dequantize_linear,
    "Floor": _round,
    "Greater": _compare(strict=True, rising=True),
    "GreaterOrEqual": _compare(strict=False, rising=True),
    "IntQuant": _quant,
    "Less": _compare(strict=False, rising=False),
    "LessOrEqual": _compare(strict=True, rising=False),
    "MultiThreshold": _multi_threshold,
    "Not": _not,
    "Quant": _quant,
    "QuantizeLinear": _quantize_linear,
    "Round": _round,
    "Sign": _sign,
    "Trunc": _trunc,
    "Where": _where,
}
