"""The page of operators says what the importers' tables say."""

from __future__ import annotations

from bitweir.importers.keras.layers.rules import KERAS_RULES
from bitweir.importers.onnx.operators.rules import RULES

from tools.operators_page import PAGE, page


def test_the_page_is_up_to_date():
    """`python -m tools.operators_page` writes it."""
    text = PAGE.read_text(encoding="utf-8")
    assert text == page()
    assert all(f"`{name}`" in text for name in (*RULES, *KERAS_RULES))
