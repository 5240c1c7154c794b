"""Values: the network in NumPy integers, the definition of right.

`trace` and `run_slow` follow the words of `bitweir_hw.network` literally, in int64. `fast.run` gives the
same integers faster.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from bitweir_hw.network import Affine, Dense, Format, Integers, Network
from numpy.typing import ArrayLike

from .encoding import batches, checked_codes

__all__ = ["EXECUTORS", "Result", "result", "run_slow", "trace", "widest"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Result:
    """What a network says about N frames.

    Parameters
    ----------
    scores : int64 array, (N, M)
        Output of the last layer.
    classes : int64 array, (N,)
        Lowest index with the highest score.
    """

    scores: Integers
    classes: Integers


def _dense(layer: Dense, codes: Integers, source: Format | None) -> Integers:
    assert source is not None
    acc = source.values(codes) @ (2 * layer.weights.T.astype(np.int64) - 1)
    if layer.thresholds is None:
        return acc
    reached = np.zeros(acc.shape, np.int64)
    for threshold in layer.thresholds.T:
        reached += acc >= threshold
    return reached


def _affine(layer: Affine, acc: Integers, source: Format | None) -> Integers:
    return layer.scale * acc + layer.offset


#: The definition of each kind of layer: from the layer, its input (n, K) as codes or accumulators, and
#: the format of that input (None for accumulators), to its output (n, M).
EXECUTORS: dict[type, Callable[[Any, Integers, Format | None], Integers]] = {Dense: _dense, Affine: _affine}


def trace(network: Network, codes: ArrayLike) -> dict[str, Integers]:
    """What each layer hands on, by its name: int64 codes or accumulators, (N, M).

    Parameters
    ----------
    network : Network
        A legal one.
    codes : array of integers, (N, K)
        Such as `encode` gives.
    """
    stream = checked_codes(network.input, np.asarray(codes)).astype(np.int64)
    outputs = {}
    for layer, source in zip(network.layers, network.formats()[:-1], strict=True):
        stream = outputs[layer.name] = EXECUTORS[type(layer)](layer, stream, source)
    return outputs


def run_slow(network: Network, codes: ArrayLike) -> Result:
    """Scores and classes of codes (N, K), by the definition."""
    array = checked_codes(network.input, np.asarray(codes))
    scores = np.empty((len(array), network.classes), np.int64)
    for part in batches(len(array), widest(network)):
        scores[part] = trace(network, array[part])[network.layers[-1].name]
    return result(scores)


def widest(network: Network) -> int:
    """Most elements that a frame has on any stream."""
    return max(network.input.size, *(layer.outputs for layer in network.layers))


def result(scores: Integers) -> Result:
    """Classes of scores (N, M)."""
    return Result(scores=scores, classes=np.argmax(scores, axis=1).astype(np.int64))
