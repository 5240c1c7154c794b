"""What tests of this folder share."""

from __future__ import annotations

import pytest
from support.compared import CNN, DIGITS, larq, loaded


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    found = {"digits": DIGITS, "cnn": CNN, "larq": larq(folder / "larq.h5")}
    return {name: (path, *loaded(path)) for name, path in found.items()}
