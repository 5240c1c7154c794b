"""Trained networks and test sets that are not part of the repository, for tests and benchmarks."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bitweir_hw.network import (
    BIPOLAR,
    Affine,
    Conv,
    Dense,
    Format,
    Input,
    Layer,
    Network,
    Pool,
    Stored,
    check,
    in_series,
)
from numpy.typing import NDArray
from support import ROOT

__all__ = ["DATA", "FAULTS", "bnn_npz", "cifar", "mnist", "needs_shared"]

#: The folder of trained networks and test sets: BITWEIR_TEST_DATA, or ``shared/data`` beside the repository.
DATA = Path(os.environ.get("BITWEIR_TEST_DATA") or ROOT.parent / "shared" / "data").absolute()
#: Files that once made trouble, beside it.
FAULTS = DATA.with_name("faults")

needs_shared = pytest.mark.skipif(not DATA.is_dir(), reason=f"The trained networks and test sets are not there: {DATA}")


def bnn_npz(path: Path) -> Network:
    """The network in a file of the integer npz format (``data/README.md``).

    The file compares with ``>``, `Network` with ``>=``, so integer thresholds grow by one. Convolutions
    take pixels (3, 32, 32); what is dense from the start takes a vector.
    """
    with np.load(path) as data:
        meta = json.loads(str(data["meta"]))
        convolutional = meta["layers"][0]["kind"] == "conv"
        entry = _colours(data["input_lut"]) if convolutional else _black_and_white(data, path)
        layers: list[Layer] = []
        source = entry.map
        for index, layer in enumerate(meta["layers"]):
            weights, thresholds, output = data[f"L{index}_w"] > 0, None, None
            if f"L{index}_t" in data:
                thresholds = data[f"L{index}_t"].astype(np.int64) + 1
                output = BIPOLAR
                if layer["act"] != "bipolar":
                    output = Format(bits=thresholds.shape[1].bit_length(), offset=layer["act_min"])
            if layer["kind"] == "conv":
                if layer["stride"] != 1 or layer["pad"] != 0 or layer["pool"] not in (1, 2):
                    raise ValueError(f"{path.name} must have plain convolutions, not {layer}.")
                weights = np.ascontiguousarray(weights.transpose(0, 2, 3, 1))
                new: list[Layer] = [Conv(name=f"conv{index}", weights=weights, thresholds=thresholds, output=output)]
                if layer["pool"] == 2:
                    new.append(Pool(name=f"pool{index}", kind="max", kernel=(2, 2), stride=(2, 2)))
            else:
                # The file flattens maps channel by channel, streams pixel by pixel.
                columns = np.arange(source.size).reshape(source.channels, *source.shape[:2]).transpose(1, 2, 0)
                weights = np.ascontiguousarray(weights[:, columns.ravel()])
                new = [Dense(name=f"dense{index}", weights=weights, thresholds=thresholds, output=output)]
            layers += new
            source = in_series(tuple(new), source)
        if "out_t" in data:
            offset = -data["out_t"].astype(np.int64)
            layers.append(Affine(name="scores", scale=np.ones_like(offset), offset=offset))
    return check(Network(name=path.stem, input=entry, layers=tuple(layers)))


def _black_and_white(data: Mapping[str, NDArray[Any]], path: Path) -> Input:
    if data["input_lut"].tolist() != [-1] * 128 + [1] * 128:
        raise ValueError(f"{path.name} must take pixels as -1 below 128 and +1 from there.")
    pixels = data["L0_w"].shape[1]
    return Input(
        shape=(pixels,),
        format=BIPOLAR,
        thresholds=np.array([[128.0]]),
        source=np.arange(pixels, dtype=np.int64),
        stored=Stored(),
    )


def _colours(lut: NDArray[np.int16]) -> Input:
    """Pixels (3, 32, 32) as values of -128 to 127, as a rising table has them."""
    shape = (3, 32, 32)
    codes = lut.astype(np.int64) + 128
    # Code c and all above it begin with the first pixel whose code is so high.
    thresholds = np.searchsorted(codes, np.arange(1, 256)).astype(np.float64)[None]
    return Input(
        shape=shape,
        format=Format(bits=8, offset=-128),
        thresholds=thresholds,
        source=np.arange(prod(shape), dtype=np.int64).reshape(shape).transpose(1, 2, 0).ravel(),
        map_shape=(32, 32, 3),
        stored=Stored(),
    )


def cifar() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The first 300 test images of CIFAR-10: x (300, 3, 32, 32) and the class y (300,)."""
    with np.load(DATA / "sets" / "cifar10_test300.npz") as data:
        return data["x"], data["y"].astype(np.int64)


def mnist() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The 10,000 test images of MNIST: x (10000, 784) and the digit y (10000,)."""
    with np.load(DATA / "sets" / "mnist_t10k.npz") as data:
        return data["x"].reshape(-1, 784), data["y"].astype(np.int64)
