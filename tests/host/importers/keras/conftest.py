"""What tests of this folder share."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from bitweir.importers.keras import files as keras_files
from bitweir.importers.keras import reader as keras_reader


@pytest.fixture
def in_process(monkeypatch):
    """Without a process for each file, which takes longer than the import of a small network."""

    def read(path: Path, size: int, weights: bytes | None = None):
        out = io.BytesIO()
        keras_reader.dump(str(path) if weights is None else io.BytesIO(weights), 1 << 24, out)
        return keras_files._contents(out.getvalue())

    monkeypatch.setattr(keras_files, "_hdf5", read)
