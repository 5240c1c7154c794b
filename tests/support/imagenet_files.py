"""Bi-Real-18 as PyTorch writes it to ONNX: real scales, batch norms that are not folded, drawn weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from support.onnxgraphs import QONNX, Graph

__all__ = ["bireal18_file"]

#: Sums of real numbers are within about two standard deviations, in codes of 4 bits.
_STEP, _CODE_BITS = 0.25, 4.0


def bireal18_file(
    path: Path, side: int = 224, width: int = 64, classes: int = 1000, seed: int = 0, *, stages: int = 4, sums: int = 4
) -> Path:
    """Bi-Real-18 (Liu et al., "Bi-Real Net", ECCV 2018) as an ONNX file, which takes numbers from 0 to 1.

    Weights of the first, of the last and of the 1x1 convolutions are real numbers; those of the others have a sign and
    a scale for each channel. As in exports of quantised models, what a 1x1 convolution and the last layer take is
    quantised to 4 bits.

    Parameters
    ----------
    path : Path
    side : int
        Of the square image of 3 channels; a multiple of 32.
    width : int
        Channels of the first of four stages; each further one has twice as many.
    classes, seed, stages, sums : int
        Less than 4 stages, and less than 4 sums in each, make a smaller network of the same kind.
    """
    graph = Graph(seed)
    x = graph.op("Conv", "x", _real(graph, width, 3, 7, 7), pads=[3] * 4, strides=[2, 2])
    # The standard deviation of the sums of 3 * 49 numbers, for weights of `_real` and uniform pixels.
    x = graph.op("MaxPool", _norm(graph, x, width, 0.58), kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    channels = width
    for stage in range(stages):
        for index in range(sums):
            before, shortcut, stride = channels, x, 1
            if stage and not index:
                channels, stride = 2 * channels, 2
                shortcut = graph.op("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
                shortcut = graph.op("Conv", _quantised(graph, shortcut), _real(graph, channels, before, 1, 1))
                shortcut = _norm(graph, shortcut, channels, 1.0)
            signs = graph.signs(channels, before, 3, 3)
            scales = graph.rng.uniform(0.01, 0.05, (channels, 1, 1, 1)).astype(np.float32)
            y = graph.op("Conv", graph.sign(x), signs * scales, pads=[1] * 4, strides=[stride, stride])
            y = _norm(graph, y, channels, scales.ravel() * np.sqrt(9 * before))
            x = graph.op("Add", y, shortcut)
    x = graph.op("Flatten", _quantised(graph, graph.op("GlobalAveragePool", x)))
    x = graph.op("Gemm", x, _real(graph, classes, channels), graph.rng.normal(0, 0.1, classes), transB=1)
    return graph.save(path, x, ("N", 3, side, side))


def _real(graph: Graph, outputs: int, *inputs: int) -> np.ndarray:
    return graph.rng.normal(0, 1 / np.sqrt(np.prod(inputs)), (outputs, *inputs)).astype(np.float32)


def _norm(graph: Graph, x: str, channels: int, deviation: float | np.ndarray) -> str:
    """Batch norm of sums with this standard deviation."""
    gamma = graph.rng.uniform(0.5, 2, channels) * graph.rng.choice([-1, 1], channels, p=[0.1, 0.9])
    beta, mean = graph.rng.normal(0, 0.1, channels), graph.rng.normal(0, 0.1, channels) * deviation
    variance = (deviation * graph.rng.uniform(0.8, 1.2, channels)) ** 2
    return graph.op("BatchNormalization", x, gamma, beta, mean, variance, epsilon=1e-5)


def _quantised(graph: Graph, x: str) -> str:
    return graph.op("Quant", x, _STEP, 0.0, _CODE_BITS, domain=QONNX, signed=1, narrow=0, rounding_mode="ROUND")
