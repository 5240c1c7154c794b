"""Functions of sums, as graphs whose every sum occurs, so that all of a staircase is compared with ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from bitweir.importers import load_model
from bitweir_hw.network import Network
from bitweir_sim.values.encoding import encode
from bitweir_sim.values.fast import run
from numpy.typing import NDArray
from support.onnxgraphs import Graph, runtime

__all__ = ["CHANNELS", "FRAMES", "K", "checked", "dense", "told"]

#: Sums of so many signs: every other number from -K to K.
K, CHANNELS = 9, 4
#: Every sum that can occur, in all channels.
FRAMES = np.array([[1] * n + [0] * (K - n) for n in range(K + 1)], np.uint8)


def dense(g: Graph) -> str:
    """Sums of K signs, which rise in half of the channels and fall in the others."""
    weights = np.ones((K, CHANNELS), np.float32) * [1, -1, 1, -1]
    return g.op("MatMul", g.op("Sub", g.op("Mul", "x", 2.0), 1.0), weights)


def told(g: Graph, x: str, path: Path) -> tuple[Path, Network, NDArray[np.float64]]:
    """The file and the network that tell the value of each channel and its negative, and what the network tells."""
    weights = np.concatenate([np.eye(CHANNELS), -np.eye(CHANNELS)], axis=1)
    file = g.save(path / "net.onnx", g.op("MatMul", x, weights), ("N", K))
    network = load_model(file, input_scale="1", input_range="0:1", result="scores")
    found = run(network, encode(network.input, FRAMES)).scores
    scales, offsets = (np.array(list(map(float, x))) for x in (network.readout.scales, network.readout.offsets))
    return file, network, found * scales + offsets


def checked(g: Graph, x: str, path: Path) -> Network:
    """The network that tells the value of each channel, which equals that of ONNX Runtime for every sum."""
    file, network, found = told(g, x, path)
    assert np.array_equal(found, runtime(file, FRAMES.astype(np.float32))[0])
    return network
