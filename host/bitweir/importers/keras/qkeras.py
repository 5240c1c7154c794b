"""Quantisers of QKeras as files name them: a class with its configuration, or a text such as ``quantized_relu(3,1)``.

What they compute is in `layers.qkeras` for the import, and in `qkeras_steps` for the comparison with the file.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any

from ..errors import ModelError, shown

__all__ = ["QKERAS", "qkeras_spec"]

#: The options of each, in the order of the parameters, with what they are by default.
QKERAS: dict[str, dict[str, Any]] = {
    "binary": {"use_01": False, "alpha": None},
    "quantized_bits": {"bits": 8, "integer": 0, "symmetric": 0, "keep_negative": True, "alpha": None},
    "quantized_relu": {
        "bits": 8, "integer": 0, "use_sigmoid": 0, "negative_slope": 0.0, "use_stochastic_rounding": False,
        "relu_upper_bound": None, "is_quantized_clip": True,
    },
    "quantized_sigmoid": {"bits": 8, "symmetric": False, "use_real_sigmoid": False},
    "quantized_tanh": {"bits": 8, "symmetric": False, "use_stochastic_rounding": False, "use_real_tanh": False},
    "ternary": {"alpha": None, "threshold": None},
}  # fmt: skip
_CALL = re.compile(r"(?:qkeras[.>]|quantizers\.)*(\w+)(\(.*\))?")
#: The widest that feeds a layer.
_MAX_BITS = 16


def qkeras_spec(spec: Any) -> tuple[str, dict[str, Any]] | None:
    """Name and options of a quantiser of QKeras; None if it is none.

    Raises
    ------
    ModelError
        It has options of other values than QKeras takes; the text is the end of a sentence.
    """
    stated: Mapping[str, Any] = {}
    if isinstance(spec, dict):
        name, config = str(spec.get("class_name")), spec.get("config")
        if name == "function":
            return qkeras_spec(config) if isinstance(config, str) else None
        name, stated = name.rpartition(">")[2], config if isinstance(config, dict) else {}
        found = name if name in QKERAS else None
    else:
        match = _CALL.fullmatch(str(spec))
        found = match[1] if match and match[1] in QKERAS else None
        if match and found:
            stated = _arguments(match[2] or "()", found)
    if found is None:
        return None
    options = {**QKERAS[found], **{name: stated[name] for name in QKERAS[found] if name in stated}}
    if found == "quantized_relu" and isinstance(spec, dict) and "is_quantized_clip" not in stated:
        options["is_quantized_clip"] = False  # as versions that do not write it have it
    bits, integer = options.get("bits", 1), options.get("integer", 0)
    if type(bits) is not int or not 1 <= bits <= _MAX_BITS or type(integer) is not int or not -64 <= integer <= 64:
        raise ModelError(
            f"its quantiser {found} must have 1 to {_MAX_BITS} bits, and a whole number of integer bits, not "
            f"{shown(bits)} and {shown(integer)}"
        )
    if stated.get("qnoise_factor", 1.0) != 1.0:
        raise ModelError(f"its quantiser {found} must quantise wholly: set its qnoise_factor to 1, and save it again")
    return found, options


def _arguments(text: str, name: str) -> dict[str, Any]:
    """The arguments of a call."""
    try:
        call = ast.parse(f"f{text}", mode="eval").body
        assert isinstance(call, ast.Call)
        given = [ast.literal_eval(argument) for argument in call.args]
        named = {str(one.arg): ast.literal_eval(one.value) for one in call.keywords}
    except (AssertionError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ModelError(f"its quantiser {shown(name + text)} must have numbers as arguments") from error
    if len(given) > len(QKERAS[name]):
        raise ModelError(f"its quantiser {shown(name + text)} has more arguments than are known: name them")
    return {**dict(zip(QKERAS[name], given, strict=False)), **named}
