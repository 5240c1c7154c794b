"""The page of methods says what the tests' own list says."""

import pytest
from support import ROOT
from support.methods import METHODS

from tools.methods_page import static_row

PAGE = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_a_row_is_up_to_date(method):
    assert [line for line in PAGE if line.startswith(static_row(method))], static_row(method)


def test_there_are_no_other_rows():
    assert len([line for line in PAGE if line.startswith("| `")]) == len(METHODS)
