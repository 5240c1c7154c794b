"""Real weights of a layer as whole numbers of a few bits, times a scale for each output, where the user asks for it.

The scale and the whole numbers of an output are those with the least sum of squared errors that a search finds: for a
given scale the best whole numbers are the nearest ones, for given whole numbers q the best scale is
``<w, q> / <q, q>``. The search begins at many scales, as large weights may better be cut off than make all others
coarse (Sung et al., arXiv:1511.06488).

A scale has so few bits that its products with the whole numbers are exact in floating point. So a model with rounded
weights is a model like any other: it is imported exactly, and runs in the executors of its format.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import Any

import numpy as np
from bitweir_hw.checked import items
from bitweir_hw.network import Network
from numpy.typing import NDArray

from ..errors import ModelError, shown
from .provenance import Taps
from .weight_planes import planes
from .weights import UnevenError, normalised

__all__ = ["RoundedLayer", "RoundedModel", "Rounding", "WeightBits", "nearest", "rounded_import"]

Array = NDArray[Any]
_LEAST, _MOST = 2, 16
#: Where the search for a scale begins: shares of that which cuts nothing off.
_SHARES = np.concatenate([np.geomspace(0.08, 0.5, 20), np.linspace(0.5, 1.05, 64)])
#: Steps from the nearest whole numbers to the best scale and back.
_STEPS = 3


@dataclass(frozen=True, kw_only=True)
class WeightBits:
    """How many bits the weights of layers get that are real numbers.

    Parameters
    ----------
    all : int or None
        Of every such layer that `layers` does not name; None leaves it to be refused.
    layers : mapping
        By the name of a layer in the network, such as ``conv0``, or in the model file.
    """

    all: int | None = None
    layers: Mapping[str, int] = field(default_factory=dict)

    @staticmethod
    def parsed(given: int | str | Mapping[str, int] | Iterable[str] | None) -> WeightBits | None:
        """What the user asks for: a number, ``"8"``, ``"conv0=8,dense2=12"``, several such texts, or a mapping.

        Raises
        ------
        ModelError
            A part says no number of bits from 2 to 16, or two parts say different ones.
        """
        if given is None:
            return None
        if isinstance(given, Mapping):
            parts: list[tuple[str, str]] = [(str(name), str(bits)) for name, bits in given.items()]
        else:
            one = str(given) if isinstance(given, Integral) and not isinstance(given, bool) else given
            texts = [str(text) for text in items(one, "The bits of weights", '["conv0=8"]', error=ModelError)]
            pieces = [piece.strip() for text in texts for piece in text.split(",")]
            split = [piece.rpartition("=") for piece in pieces]
            parts = [(name if equal else "", bits) for name, equal, bits in split]
        if not parts:
            return None
        found: dict[str, int] = {}
        for name, bits in parts:
            if not re.fullmatch("[0-9]{1,2}", bits) or not _LEAST <= int(bits) <= _MOST:
                raise ModelError(
                    f"The bits of weights must be a whole number from {_LEAST} to {_MOST}, not {shown(bits)}: write 8 "
                    "for all layers with real weights, or conv0=8,dense2=12 for some."
                )
            if found.setdefault(name, int(bits)) != int(bits):
                told = f"the layer {shown(name)}" if name else "all layers"
                raise ModelError(f"The bits of weights must be given once for {told}, not as {found[name]} and {bits}.")
        return WeightBits(all=found.pop("", None), layers=found)


@dataclass(frozen=True, kw_only=True)
class RoundedLayer:
    """A layer whose real weights were rounded.

    Parameters
    ----------
    name : str
        In the network.
    bits : int
    error : float
        Root of the summed squares of the errors, as a share of that of the weights.
    """

    name: str
    bits: int
    error: float


@dataclass(frozen=True, kw_only=True, eq=False)
class RoundedModel:
    """A model with rounded weights in it.

    Parameters
    ----------
    model : object
        In the form of the importer: a ModelProto of ONNX, or a KerasFile.
    layers : tuple of RoundedLayer
        Those that were rounded, one or more.
    """

    model: Any
    layers: tuple[RoundedLayer, ...]

    @property
    def note(self) -> str:
        """For the user, a sentence or two."""
        told = ", ".join(f"{one.name} ({one.bits} bits, off by {one.error:.2g} of their size)" for one in self.layers)
        return (
            f"Approximate: the real weights of {told} are rounded to whole numbers times a scale for each output. The "
            "network equals the model with these weights; how far that agrees with the model file is measured on "
            "images or drawn inputs, and no bound of it is known."
        )


class Rounding:
    """Rounds the layers of a model one after the other.

    Parameters
    ----------
    wanted : WeightBits
    names : sequence of (str, str)
        Labels of layers and their names in the network, if these are known, in the order of the model.
    """

    def __init__(self, wanted: WeightBits, names: Sequence[tuple[str, str]] = ()) -> None:
        self._wanted = wanted
        self._names = _by_label(names)
        self._seen: Counter[str] = Counter()
        self._matched: set[str] = set()
        self._real: list[str] = []
        self._rounded: list[tuple[str, int, int, float]] = []

    @property
    def missing(self) -> list[str]:
        """Names that the user gave of no layer that came."""
        return [name for name in self._wanted.layers if name not in self._matched]

    def passed(self, label: str) -> int:
        """The next layer comes, and how many came before it with the same label (a layer may be called again)."""
        self._seen[label] += 1
        return self._seen[label] - 1

    def rounded(self, label: str, own: str, rows: Array) -> Array | None:
        """The weights of the next layer, (M, K), if they are real and are to be rounded.

        Parameters
        ----------
        label : str
            Of the layer, as messages have it.
        own : str
            Its name in the model file.
        rows : array, (M, K)
            A row for each output.
        """
        place = self.passed(label)
        if not is_real(rows):
            return None
        name = self._names.get((label, place), "")
        self._real.append(name or own)
        chosen = [one for one in (name, own) if one and one in self._wanted.layers]
        self._matched.update(chosen)
        bits = self._wanted.layers[chosen[0]] if chosen else self._wanted.all
        if bits is None:
            return None
        result = nearest(rows, bits)
        wide = rows.astype(np.float64)
        error = float(np.linalg.norm(result.astype(np.float64) - wide) / np.linalg.norm(wide))
        self._rounded.append((label, place, bits, error))
        return result

    def layers(self, names: Sequence[tuple[str, str]]) -> tuple[RoundedLayer, ...]:
        """What was rounded, under the names of the network."""
        found = _by_label(names)
        return tuple(
            RoundedLayer(name=found.get((label, place), label), bits=bits, error=error)
            for label, place, bits, error in self._rounded
        )

    def finish(self) -> None:
        """See that all layers that the user named were found.

        Raises
        ------
        ModelError
            One was not, or its weights are no real numbers.
        """
        if self.missing:
            real = ", ".join(self._real)
            raise ModelError(
                f"The bits of weights are given for {shown(self.missing[0])}, which is no layer with real weights; "
                + (f"such layers are: {real}." if real else "the model has no such layer: leave them out.")
            )


def _by_label(names: Iterable[tuple[str, str]]) -> dict[tuple[str, int], str]:
    """Names by the label and by how many layers of the same label came before."""
    seen: Counter[str] = Counter()
    found = {}
    for label, name in names:
        found[label, seen[label]] = name
        seen[label] += 1
    return found


def rounded_import(
    wanted: WeightBits | None,
    taps: Taps | None,
    make: Callable[[Rounding], Any],
    walk: Callable[[Any, Taps | None], Network],
) -> Network:
    """The network of a model whose real weights are rounded as the user wants it, if at all.

    Parameters
    ----------
    wanted : WeightBits or None
    taps : Taps or None
        Gets the model with rounded weights, if any were.
    make : callable
        The model with the weights that a `Rounding` gives its layers; None if it rounds none.
    walk : callable
        Imports such a model, or that of the file for None.

    Raises
    ------
    ModelError
        The model cannot be imported, or it has no layer of a name that the user gave.
    """
    if wanted is None:
        return walk(None, taps)
    taps = taps or Taps()
    rounding = Rounding(wanted)
    model = make(rounding)
    if rounding.missing:
        # The names that the network gives its layers are known when it has been imported once.
        walk(make(Rounding(WeightBits(all=_MOST))), taps)
        rounding = Rounding(wanted, tuple(taps.names))
        model = make(rounding)
        rounding.finish()
    network = walk(model, taps)
    if model is None:
        return network
    taps.rounded = RoundedModel(model=model, layers=rounding.layers(taps.names))
    return replace(network, notes=(*network.notes, taps.rounded.note))


def is_real(weights: Array) -> bool:
    """Whether weights (M, ...) are finite numbers of so many sizes that no layer takes them as they are."""
    try:
        normalised(weights, "")
    except UnevenError:
        return not planes(weights)
    except ModelError:
        return False  # the import itself tells what is wrong with them
    return False


def nearest(rows: Array, bits: int) -> Array:
    """Rows (M, K) as whole numbers of so many bits times a scale for each row, near to them.

    Parameters
    ----------
    rows : float array, (M, K)
        Finite.
    bits : int
        With the sign; the range is symmetric.

    Returns
    -------
    array, (M, K)
        Of the same type; exact products.
    """
    kind = np.finfo(rows.dtype) if rows.dtype.kind == "f" else np.finfo(np.float32)
    digits = min(int(kind.nmant), 23) + 1
    bits = min(bits, digits - 1)
    most, short = (1 << bits - 1) - 1, digits - bits + 1
    wide = rows.astype(np.float64)
    best = np.zeros_like(wide)
    least = np.full(len(wide), np.inf)
    full = np.abs(wide).max(axis=1) / most
    full[full == 0] = 1.0
    for share in _SHARES:
        scale = _shortened(full * share, short)
        for _ in range(_STEPS):
            whole = np.clip(np.rint(wide / scale[:, None]), -most, most)
            made = whole * scale[:, None]
            error = ((made - wide) ** 2).sum(axis=1)
            better = error < least
            best[better], least[better] = made[better], error[better]
            square = (whole**2).sum(axis=1)
            along = (whole * wide).sum(axis=1)
            scale = np.where(along > 0, _shortened(along / np.maximum(square, 1), short), scale)
    return best.astype(rows.dtype)


def _shortened(scale: Array, digits: int) -> Array:
    """Positive numbers with so many significant bits."""
    mantissa, exponent = np.frexp(scale)
    return np.asarray(np.ldexp(np.rint(np.ldexp(mantissa, digits)), exponent - digits))
