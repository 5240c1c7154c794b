"""Trained networks and test sets in ``../shared`` beside the repository, for tests and benchmarks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from bitweir_hw.network import BIPOLAR, Affine, Dense, Format, Input, Layer, Network, check
from numpy.typing import NDArray

__all__ = ["SHARED", "bnn_npz", "mnist", "needs_shared"]

SHARED = Path(__file__).resolve().parents[2] / "shared"

needs_shared = pytest.mark.skipif(
    not (SHARED / "data").is_dir(), reason=f"The trained networks and test sets are not there: {SHARED / 'data'}"
)


def bnn_npz(path: Path) -> Network:
    """The network in a file of the integer npz format (``data/README.md``), if all its layers are dense.

    The file compares with ``>``, `Network` with ``>=``, so integer thresholds grow by one.
    """
    with np.load(path) as data:
        meta = json.loads(str(data["meta"]))
        kinds = {layer["kind"] for layer in meta["layers"]}
        if kinds != {"dense"}:
            raise ValueError(f"{path.name} must have dense layers only, not {', '.join(sorted(kinds))}.")
        if data["input_lut"].tolist() != [-1] * 128 + [1] * 128:
            raise ValueError(f"{path.name} must take pixels as -1 below 128 and +1 from there.")
        layers: list[Layer] = []
        for index, layer in enumerate(meta["layers"]):
            name, weights = f"dense{index}", data[f"L{index}_w"] > 0
            if f"L{index}_t" in data:
                thresholds = data[f"L{index}_t"].astype(np.int64) + 1
                output = BIPOLAR
                if layer["act"] != "bipolar":
                    output = Format(bits=thresholds.shape[1].bit_length(), offset=layer["act_min"])
                layers.append(Dense(name=name, weights=weights, thresholds=thresholds, output=output))
            else:
                layers.append(Dense(name=name, weights=weights))
        if "out_t" in data:
            offset = -data["out_t"].astype(np.int64)
            layers.append(Affine(name="scores", scale=np.ones_like(offset), offset=offset))
    pixels = layers[0].inputs
    entry = Input(
        shape=(pixels,),
        format=BIPOLAR,
        thresholds=np.array([[128.0]]),
        source=np.arange(pixels, dtype=np.int64),
        pixel_scale="1",
    )
    return check(Network(name=path.stem, input=entry, layers=tuple(layers)))


def mnist() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The 10,000 test images of MNIST: x (10000, 784) and the digit y (10000,)."""
    with np.load(SHARED / "data" / "sets" / "mnist_t10k.npz") as data:
        return data["x"].reshape(-1, 784), data["y"].astype(np.int64)
