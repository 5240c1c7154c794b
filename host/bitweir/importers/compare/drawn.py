"""Inputs drawn to compare a network with its model file where nobody gave images.

The same network gives the same inputs, always. Corners come among the first of them: all elements at their least, all
at their most, and both in turn.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from bitweir_hw.network import Conv, Dense, Input, Network, Threshold
from numpy.typing import NDArray

__all__ = ["drawn_frames", "frame_work", "frames_to_draw"]

Array = NDArray[Any]
#: Steps of arithmetic that all frames may take together, about a second; and how many frames at least and at most.
_BUDGET, _LEAST, _MOST = 1 << 29, 3, 1024
#: Steps that a frame may take so that anything is compared.
_MOST_WORK = 1 << 36
#: How much more a multiplication takes than a comparison.
_COMPARISONS = 4
_SEED = 20
#: Elements along an axis of the coarse pattern that some frames are.
_COARSE = 5


def frame_work(network: Network) -> int:
    """About how many multiplications a frame takes; comparisons with thresholds are counted by what they take."""
    entry = network.input
    total: int = entry.size * (1 if entry.thresholds is None else 1 + entry.thresholds.shape[1] // _COMPARISONS)
    for layer, _, result in network.placed():
        total += result.size
        if isinstance(layer, (Dense, Conv)):
            total += result.pixels * layer.weights.size
        if isinstance(layer, (Dense, Conv, Threshold)) and layer.thresholds is not None:
            total += result.size * layer.thresholds.shape[1] // _COMPARISONS
    return total


def frames_to_draw(network: Network) -> int:
    """How many frames a comparison of some seconds takes; 0 where one frame alone takes minutes."""
    work = frame_work(network)
    return 0 if work > _MOST_WORK else min(max(_BUDGET // work, _LEAST), _MOST)


def drawn_frames(entry: Input, count: int) -> Array:
    """Frames that reach all codes of the input.

    Parameters
    ----------
    entry : Input
    count : int

    Returns
    -------
    array, (count, *entry.shape)
        int64, as images are stored, where `entry` knows what that means; else float32, as the model takes them:
        numbers between the thresholds of the input and beyond them.
    """
    rng = np.random.default_rng(_SEED)
    size = prod(entry.shape)
    shares = np.empty((count, size))
    for place in range(count):
        shares[place] = _share(rng, place, entry.shape).reshape(-1)
    stored = entry.stored
    if stored is not None:
        # The least and the most stand for as much as each of the others.
        steps = np.minimum((shares * stored.levels).astype(np.int64), stored.levels - 1)
        return (stored.low + steps).reshape(count, *entry.shape)
    table = _between(entry)
    # The least and the most stand for as much as each of the others.
    chosen = np.minimum((shares * table.shape[1]).astype(np.int64), table.shape[1] - 1)
    rows = np.arange(size)[None] if len(table) > 1 else np.zeros((1, 1), np.int64)
    return np.asarray(table[rows, chosen], np.float32).reshape(count, *entry.shape)


def _share(rng: np.random.Generator, place: int, shape: tuple[int, ...]) -> Array:
    """Where each element of a frame lies between its least, 0, and its most, 1."""
    if place in (1, 2):
        return np.full(shape, place - 1.0)
    if place == 3:
        return np.asarray(np.indices(shape).sum(axis=0) % 2.0)
    noise = np.asarray(rng.random(shape), np.float64)
    match place % 4:
        case 0:  # every value alike
            return noise
        case 1:  # the least and the most only, as often as chance has it
            return np.asarray(noise < rng.random(), np.float64)
        case 2:  # dark or bright, with more or less contrast
            return np.asarray(np.clip(rng.random() + rng.random() * (noise - 0.5), 0, 1))
        case _:  # coarse patches, as pictures have them, with some noise
            sizes = [min(side, int(rng.integers(2, _COARSE + 1))) for side in shape]
            patches: Array = rng.random(sizes)[
                np.ix_(*(np.arange(side) * few // side for side, few in zip(shape, sizes, strict=True)))
            ]
            return np.asarray(np.clip(patches * rng.uniform(0.5, 1.5) + 0.2 * (noise - 0.5), 0, 1))


def _between(entry: Input) -> NDArray[np.float32]:
    """For each element of a frame, or for all in one row, a number between each two thresholds and beyond both ends."""
    cuts = _cuts(entry)
    if not cuts.shape[1]:
        return np.zeros((1, 1), np.float32)
    spans = np.ptp(cuts, axis=1, keepdims=True) / max(cuts.shape[1] - 1, 1)
    gap = np.where(spans > 0, spans, np.maximum(np.abs(cuts[:, :1]), 1) / 2)
    ends = np.hstack([cuts[:, :1] - gap, cuts, cuts[:, -1:] + gap])
    limit = float(np.finfo(np.float32).max)
    return np.asarray(np.clip((ends[:, :-1] + ends[:, 1:]) / 2, -limit, limit), np.float32)


def _cuts(entry: Input) -> Array:
    """The thresholds that each element of a frame meets, ascending: (1 or N, T)."""
    thresholds = entry.thresholds
    assert thresholds is not None
    if len(thresholds) == 1:
        return thresholds
    size, many = prod(entry.shape), thresholds.shape[1]
    order = np.argsort(entry.source, kind="stable")
    owners = entry.source[order]
    counts = np.bincount(owners, minlength=size)
    rank = np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)
    table = np.full((size, int(counts.max()), many), np.nan)
    table[owners, rank] = thresholds[order]
    table = np.sort(table.reshape(size, -1), axis=1)
    # What nothing reads may be anything; elsewhere the last threshold stands for those that others have more.
    last = np.nan_to_num(np.nanmax(np.where(np.isnan(table), -np.inf, table), axis=1, keepdims=True), neginf=0.0)
    return np.where(np.isnan(table), last, table)
