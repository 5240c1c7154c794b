"""Writes `docs/operators.md`: the operators and layers that an import understands, from the importers' own tables."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from textwrap import fill

from bitweir.importers.keras.layers.quantisers import QUANTISERS
from bitweir.importers.keras.layers.rules import KERAS_RULES
from bitweir.importers.keras.qkeras import QKERAS
from bitweir.importers.onnx.constants import CONSTANT_OPS
from bitweir.importers.onnx.importer import CUSTOM
from bitweir.importers.onnx.operators.rules import RULES

__all__ = ["PAGE", "page"]

PAGE = Path(__file__).resolve().parents[1] / "docs" / "operators.md"


def listed(names: Iterable[str]) -> str:
    """Names in alphabetical order, as code."""
    return ", ".join(f"`{name}`" for name in sorted(names, key=str.lower)) + "."


def page() -> str:
    """The whole page."""
    parts = [
        "# Operators that an import understands",
        "An operator that is not listed is refused by name, with the reason and what to use instead; so is a listed "
        "one where its options cannot become integers. `python -m tools.operators_page` writes this page from the "
        "importers' tables.",
        "## ONNX: values that depend on the image",
        "Scalar operators (sums, products, comparisons, choices, clips, absolute values, curves) may be combined "
        "between a layer and the next quantiser where all that is combined is a function of the same sums. Such a "
        "formula is a staircase of an integer: it becomes thresholds, or a sum of comparisons where it rises and falls "
        "or its levels are uneven.",
        listed(set(RULES) - CUSTOM),
        "## ONNX: the operators of QONNX and FINN",
        listed(set(RULES) & CUSTOM),
        "## ONNX: parameters",
        "These are computed at import where all that they take is constant.",
        listed(CONSTANT_OPS),
        "## Keras, Larq and QKeras: layers",
        listed(KERAS_RULES),
        "## Larq: quantisers",
        "As `input_quantizer`, `kernel_quantizer`, activation or layer.",
        listed(QUANTISERS),
        "## QKeras: quantisers",
        "As `kernel_quantizer`, `bias_quantizer` or activation, by a configuration or a text, with a number as alpha.",
        listed(QKERAS),
    ]
    return "\n\n".join(fill(part, 118, break_on_hyphens=False) for part in parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
