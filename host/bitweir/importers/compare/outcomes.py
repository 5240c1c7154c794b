"""Compares the result of a network with the scores of its model file."""

from __future__ import annotations

from typing import Any

import numpy as np
from bitweir_hw.network import Network
from numpy.typing import NDArray

__all__ = ["Outcome"]

Array = NDArray[Any]
Mask = NDArray[np.bool_]
#: Of the largest number of a tensor: what float32 may lose in the sum of a last layer.
_FLOAT_SHARE = 1e-5


class Outcome:
    """Compares the integers (N, M) that leave the last layer with the numbers (N, M) of the file.

    Where the result is labels, these are what a sigmoid takes; where it is the classes of P pixels, both are the scores
    among which these are chosen, pixel by pixel, and there are P results.

    Parameters
    ----------
    network : Network
        Of the file.

    Attributes
    ----------
    kind : str
        Of the result; see `Readout`.
    """

    def __init__(self, network: Network) -> None:
        self._readout, self._form = network.readout, network.end.format
        self.kind = network.readout.kind
        self._channels = network.placed()[-1][1].channels if self.kind == "classes" else 0

    def decided(self, numbers: Array) -> Array:
        """What numbers of the file say: classes (N,) or (N, P), labels (N, M) as bool, or the numbers."""
        if self.kind == "classes":
            of_pixels: Array = np.argmax(self._pixels(numbers), axis=2)
            return of_pixels
        if self.kind == "class":
            classes: Array = np.argmax(numbers, axis=1)
            return classes
        return numbers > 0 if self.kind == "labels" else numbers

    def differ(self, wanted: Array, integers: Array) -> Mask:
        """Frames of which the result is another one than that of the file, (N,)."""
        if self.kind == "classes":
            return np.asarray((self.decided(wanted) != self.decided(integers)).any(axis=1), np.bool_)
        if self.kind == "class":
            mask: Mask = np.argmax(wanted, axis=1) != np.argmax(integers, axis=1)
            return mask
        return np.asarray(self._outside(wanted, wanted, integers).any(axis=1), np.bool_)

    def wrong(self, least: Array, most: Array, integers: Array) -> Mask:
        """Results that are wrong whatever numbers between two ends the file has: (N, M); (N, 1) for a class, (N, P)."""
        if self.kind == "classes":
            chosen = self.decided(integers)[..., None]
            highest = np.take_along_axis(self._pixels(most), chosen, 2)
            return np.asarray((self._pixels(least) > highest).any(axis=2), np.bool_)
        if self.kind != "class":
            return self._outside(least, most, integers)
        found = np.argmax(integers, axis=1)
        # Another class has a higher score for sure.
        return np.asarray((least > np.take_along_axis(most, found[:, None], 1)).any(axis=1), np.bool_)[:, None]

    def contradicts(self, least: Array, most: Array, numbers: Array) -> Mask:
        """Frames (N,) of which numbers (N, M) say what no numbers between two ends say."""
        if self.kind == "classes":
            chosen = self.decided(numbers)[..., None]
            highest = np.take_along_axis(self._pixels(most), chosen, 2)
            return np.asarray((self._pixels(least) > highest).any(axis=(1, 2)), np.bool_)
        if self.kind == "class":
            chosen = np.argmax(numbers, axis=1)
            return np.asarray((least > np.take_along_axis(most, chosen[:, None], 1)).any(axis=1), np.bool_)
        if self.kind == "labels":
            return np.asarray(np.where(numbers > 0, ~(most > 0), ~(least <= 0)).any(axis=1), np.bool_)
        slack = self._slack(most)
        return np.asarray(~((numbers >= least - slack) & (numbers <= most + slack)).all(axis=1), np.bool_)

    def told(self, least: Array, most: Array, integers: Array, output: int) -> tuple[float, float]:
        """What the file says of one frame, and what the network does, of one output; for a class, the two classes."""
        if self.kind == "class":
            return int(np.argmax(least)), int(np.argmax(integers))
        if self.kind == "classes":
            return int(self.decided(least[None])[0, output]), int(self.decided(integers[None])[0, output])
        if self.kind == "labels":
            return int(least[output] > 0), int(integers[output])
        have = float(self._numbers(integers[None])[0, output])
        return float(least[output] if have < least[output] else most[output]), have

    def _outside(self, least: Array, most: Array, integers: Array) -> Mask:
        """Outputs that are not what numbers between two ends make of them, (N, M).

        Scores and codes are spaced by their scale: what is nearer to one of them than half of it is that one, and
        float32 may lose a share of the largest number in a sum.
        """
        if self.kind == "labels":
            mask: Mask = np.where(integers == 1, ~(most > 0), ~(least <= 0))
            return mask
        have, slack = self._numbers(integers), self._slack(most)
        # What is no number is outside.
        inside: Mask = (have >= least - slack) & (have <= most + slack)
        return ~inside

    def _slack(self, most: Array) -> Array:
        """How far a score or a code (M,) may be off."""
        step = abs(np.array([float(scale) for scale in self._readout.scales]))
        step = np.tile(step * (1 if self._form is None else abs(self._form.step)), most.shape[1] // len(step))
        slack: Array = np.maximum(step / 2, _FLOAT_SHARE * np.abs(most).max(initial=0.0))
        return slack

    def _pixels(self, scores: Array) -> Array:
        """Scores (N, M) by pixel: (N, P, C)."""
        return scores.reshape(len(scores), -1, self._channels)

    def _numbers(self, integers: Array) -> NDArray[np.float64]:
        return self._readout.numbers(integers if self._form is None else self._form.values(integers))
