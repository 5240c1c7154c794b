"""Networks from plain arrays: weights, thresholds and shapes, as any framework or text file may hold them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from bitweir_hw.errors import NetworkError
from bitweir_hw.network import (
    BIPOLAR,
    LABEL,
    Argmax,
    Conv,
    Dense,
    Format,
    Input,
    Integers,
    Layer,
    Network,
    Pool,
    Readout,
    Stored,
    check,
)
from numpy.typing import ArrayLike, NDArray

__all__ = ["conv", "dense", "max_pool", "network_of"]

#: What names begin with that the user does not give.
_NAMES: dict[type, str] = {Dense: "dense", Conv: "conv", Pool: "pool"}
#: No sum of a legal network comes near to it, so that a neuron with such a threshold is constant.
_OUT_OF_REACH = 1 << 62


def dense(weights: ArrayLike, thresholds: ArrayLike | None = None, *, name: str = "") -> Dense:
    """A dense layer: ``sum[m] = sum over k of weights[m, k] * value[k]``, then thresholds.

    Parameters
    ----------
    weights : array, (M, K)
        M neurons with K inputs. Bool: True is +1, False is -1. Numbers are the weights themselves, such as -1 and +1;
        they must be whole.
    thresholds : array, (M,) or (M, T), or None
        One threshold a neuron makes an output of +1 where ``sum >= threshold``, else -1. T ascending thresholds make
        an output of 0 to T, how many of them the sum reaches. They need not be whole, and may be infinite. None: the
        sums themselves leave the layer, as the scores of the last one.
    name : str
        Name in reports and in `Model.trace`. `network` gives one if it is empty.

    Returns
    -------
    Dense

    Raises
    ------
    NetworkError
        An array has another shape, or holds what it cannot.

    Notes
    -----
    A threshold p of a popcount of K XNORs is a threshold ``2 * p - K`` of the sum. Batch normalisation with mean mu,
    variance v, scale g and shift b is a threshold ``mu - b * sqrt(v + eps) / g`` where g > 0; where g < 0, negate
    that threshold and the row of the weights.

    Examples
    --------
    >>> import bitweir
    >>> bitweir.dense([[1, -1, 1], [1, 1, 1]], thresholds=[1, 0.5]).thresholds.tolist()
    [[1], [1]]
    """
    made = _weights(weights, 2, "a dense layer")
    return Dense(name=name, weights=made, **_thresholds(thresholds, len(made), "a dense layer"))


def conv(
    weights: ArrayLike,
    thresholds: ArrayLike | None = None,
    *,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int, int, int] = 0,
    pad_value: int | None = None,
    groups: int = 1,
    name: str = "",
) -> Conv:
    """A convolution, as frameworks define it: a window slides over the map, and each filter sums it up.

    Parameters
    ----------
    weights : array, (M, rows, columns, C / groups)
        M filters; the channels come last. Weights of PyTorch, (M, C, rows, columns), are given as
        ``weights.transpose(0, 2, 3, 1)``. Values as in `dense`.
    thresholds : array, (M,) or (M, T), or None
        As in `dense`.
    stride : int or (int, int)
        Rows and columns from window to window.
    padding : int or (int, int, int, int)
        Rows above, columns on the left, rows below, columns on the right of the map.
    pad_value : int
        Value of what lies outside the map, such as -1; must be given where there is padding.
    groups : int
        Groups of channels, each with its own filters; C for a depthwise convolution.
    name : str
        As in `dense`.

    Returns
    -------
    Conv

    Raises
    ------
    NetworkError
        An array has another shape, or holds what it cannot; or there is padding and no value for it.

    Examples
    --------
    >>> import bitweir, numpy as np
    >>> bitweir.conv(np.ones((8, 3, 3, 1)), thresholds=np.zeros(8), padding=1, pad_value=-1).pads
    (1, 1, 1, 1)
    """
    made = _weights(weights, 4, "a convolution")
    pads = (padding,) * 4 if isinstance(padding, int) else tuple(padding)
    if any(pads) and pad_value is None:
        raise NetworkError("A convolution with padding must have a pad_value, such as -1 or 0, which lies outside.")
    return Conv(
        name=name,
        weights=made,
        stride=_pair(stride),
        pads=pads,  # type: ignore[arg-type]  # `check` counts them
        pad_value=pad_value or 0,
        groups=groups,
        **_thresholds(thresholds, len(made), "a convolution"),
    )


def max_pool(kernel: int | tuple[int, int], *, stride: int | tuple[int, int] | None = None, name: str = "") -> Pool:
    """Max pooling: the largest value in each window, channel by channel.

    Parameters
    ----------
    kernel : int or (int, int)
        Rows and columns of a window.
    stride : int or (int, int), optional
        Rows and columns from window to window; those of the kernel if not given.
    name : str
        As in `dense`.

    Returns
    -------
    Pool

    Examples
    --------
    >>> import bitweir
    >>> bitweir.max_pool(2).stride
    (2, 2)
    """
    return Pool(name=name, kind="max", kernel=_pair(kernel), stride=_pair(kernel if stride is None else stride))


def network_of(
    layers: Sequence[Layer],
    *,
    shape: Sequence[int],
    low: int = 0,
    high: int = 255,
    threshold: ArrayLike | None = None,
    result: str = "class",
    name: str = "net",
) -> Network:
    """A network of some layers; parameters and errors as `bitweir.network`."""
    if not layers:
        raise NetworkError("A network must have a layer, not none.")
    sizes = tuple(shape)
    if not sizes or not all(type(size) is int and size > 0 for size in sizes) or len(sizes) > 3:
        raise NetworkError(f"The shape of a frame must be (K,), (H, W) or (H, W, C), not {sizes}.")
    named = tuple(_named(layers))
    if result == "classes" and not isinstance(named[-1], Argmax):
        named = (*named, Argmax(name="classes"))
    if result == "labels" and isinstance(named[-1], Dense | Conv) and named[-1].thresholds is not None:
        named = (*named[:-1], replace(named[-1], output=LABEL))
    readout = (
        Readout(kind=result, scale=("1",), offset=("0",)) if result in ("scores", "codes") else Readout(kind=result)
    )
    entry = _input(sizes, low, high, threshold)
    return check(Network(name=name, input=entry, layers=named, readout=readout))


def _named(layers: Sequence[Layer]) -> list[Layer]:
    """The layers, each with a name: its kind and a number for those that have none."""
    counts: Counter[str] = Counter()
    made = []
    for layer in layers:
        kind = _NAMES.get(type(layer), type(layer).__name__.lower())
        counts[kind] += 1
        made.append(layer if layer.name else replace(layer, name=f"{kind}{counts[kind]}"))
    return made


def _input(shape: tuple[int, ...], low: int, high: int, threshold: ArrayLike | None) -> Input:
    """What frames of integers become: one bit an element where there is a threshold, else the integers themselves."""
    if type(low) is not int or type(high) is not int or low >= high:
        raise NetworkError(f"Frames must hold integers from low to a higher high, not {low} to {high}.")
    stored = Stored(low=low, high=high)
    size = int(np.prod(shape))
    whole: dict[str, Any] = {
        "shape": shape,
        "source": np.arange(size, dtype=np.int64),
        "map_shape": None if len(shape) == 1 else (*shape, 1)[:3],
        "stored": stored,
    }
    if threshold is None:
        bits = max(1, (high - low).bit_length())
        return Input(format=Format(bits=bits, offset=low), thresholds=None, **whole)
    limits = np.asarray(threshold, np.float64)
    if limits.shape not in ((), shape):
        raise NetworkError(
            f"The threshold of the input must be one number, or an array of the shape {shape} of a frame, not "
            f"{limits.shape}."
        )
    return Input(format=BIPOLAR, thresholds=limits.reshape(-1, 1), **whole)


def _weights(weights: ArrayLike, axes: int, what: str) -> NDArray[np.bool_] | Integers:
    """Weights as layers have them: bool where all are -1 or +1, else integers."""
    array = np.asarray(weights)
    if array.ndim != axes or 0 in array.shape:
        shape = {2: "(neurons, inputs)", 4: "(filters, rows, columns, channels)"}[axes]
        raise NetworkError(f"The weights of {what} must be an array {shape}, not of shape {array.shape}.")
    if array.dtype == np.bool_:
        return array
    if array.dtype.kind not in "iuf":
        raise NetworkError(f"The weights of {what} must be bool or numbers, not {array.dtype}.")
    if not np.array_equal(array, np.round(array)) or np.abs(array).max() >= 1 << 53:
        raise NetworkError(
            f"The weights of {what} must be whole numbers, such as -1 and +1: binarise them first, as "
            "np.where(w >= 0, 1, -1)."
        )
    if (array == 0).any() and ((array == 0) | (array == 1)).all():
        raise NetworkError(
            f"The weights of {what} are all 0 or 1, which may be bits or numbers: give bits, of which 0 means -1, as "
            "bool; or bitweir_hw.network.Dense and Conv, which take the numbers 0 and 1 as they are."
        )
    return array == 1 if (np.abs(array) == 1).all() else array.astype(np.int64)


def _thresholds(thresholds: ArrayLike | None, neurons: int, what: str) -> dict[str, Any]:
    """Integer thresholds and the format of the codes; a sum of integers reaches t where it reaches the next integer."""
    if thresholds is None:
        return {}
    array = np.asarray(thresholds)
    if array.dtype.kind not in "iuf" or array.ndim not in (1, 2) or len(array) != neurons or 0 in array.shape:
        raise NetworkError(
            f"The thresholds of {what} must be numbers, a row for each of its {neurons} neurons, not {array.dtype} of "
            f"shape {array.shape}."
        )
    if array.dtype.kind == "f":
        if np.isnan(array).any():
            raise NetworkError(f"The thresholds of {what} must be numbers, not NaN.")
        array = np.clip(np.ceil(array), -_OUT_OF_REACH, _OUT_OF_REACH)
    rows = array.astype(np.int64).reshape(neurons, -1)
    count = rows.shape[1]
    return {"thresholds": rows, "output": BIPOLAR if count == 1 else Format(bits=count.bit_length())}


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])
