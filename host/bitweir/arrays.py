"""Networks from plain arrays: weights, thresholds and shapes, as any framework or text file may hold them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
from bitweir_hw.checked import array as checked_array
from bitweir_hw.checked import chosen, shown, whole
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
from bitweir_hw.network.layers import LAYERS
from bitweir_hw.network.readout import READOUTS
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
        an output of 0 to T, how many of them the sum reaches: with T = 2 it is 0, 1 or 2. They need not be whole, and
        may be infinite. None: the sums themselves leave the layer, as the scores of the last one.
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

    Activations v of -1, 0 and +1 are outputs c of 0, 1 and 2, less 1. So a next layer with weights w takes c, and its
    thresholds t for sums of v become ``t + w.sum(axis=1)``.

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
        Rows and columns from window to window. Windows lie whole in the padded map: what is left over at its end is
        dropped, so that N rows give ``(N + above + below - kernel) // stride + 1``.
    padding : int or (int, int, int, int)
        Rows above, columns on the left, rows below, columns on the right of the map: fewer than the kernel has, so at
        most 1 for 2 rows, and 0 for 1.
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
    pads = _wholes(padding, 4, "The padding of a convolution", low=0)
    if any(pads) and pad_value is None:
        raise NetworkError("A convolution with padding must have a pad_value, such as -1 or 0, which lies outside.")
    return Conv(
        name=name,
        weights=made,
        stride=_pair(stride, "The stride of a convolution"),
        pads=(pads[0], pads[1], pads[2], pads[3]),
        pad_value=0 if pad_value is None else _whole(pad_value, "The pad_value of a convolution", low=None),
        groups=_whole(groups, "The number of groups of a convolution"),
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

    Raises
    ------
    NetworkError
        A size is no whole number, or there are not two of them.

    Notes
    -----
    Windows lie whole in the map: rows and columns that are left over at its end are dropped, so that N rows give
    ``(N - kernel) // stride + 1``, and ``max_pool(2)`` makes 3 rows of 7. So it is where `conv` has a stride.

    Examples
    --------
    >>> import bitweir
    >>> bitweir.max_pool(2).stride
    (2, 2)
    """
    size = _pair(kernel, "The kernel of a max pool")
    step = size if stride is None else _pair(stride, "The stride of a max pool")
    return Pool(name=name, kind="max", kernel=size, stride=step)


def network_of(
    layers: Sequence[Layer],
    *,
    shape: int | Sequence[int],
    low: int = 0,
    high: int = 255,
    threshold: ArrayLike | None = None,
    result: str = "class",
    name: str = "net",
) -> Network:
    """A network of some layers; parameters and errors as `bitweir.network`."""
    layers = _layers(layers)
    sizes = _shape(shape)
    chosen(result, "The result of a network", READOUTS, error=NetworkError)
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


def _layers(layers: object) -> list[Layer]:
    """A list of layers, of what a user gives as one."""
    if isinstance(layers, (*LAYERS, str, Mapping)) or not isinstance(layers, Iterable):
        raise NetworkError(
            "The layers of a network must be a list, such as [bitweir.dense(weights)], not "
            f"{'one layer' if isinstance(layers, LAYERS) else shown(layers)}."
        )
    found = list(layers)
    if not found:
        raise NetworkError("A network must have a layer, not none.")
    for number, layer in enumerate(found, 1):
        if not isinstance(layer, LAYERS):
            what = f"an array of shape {layer.shape}" if isinstance(layer, np.ndarray) else shown(layer)
            raise NetworkError(
                f"Layer {number} of a network must be what bitweir.dense, bitweir.conv or bitweir.max_pool make, not "
                f"{what}."
            )
    return found


def _shape(shape: object) -> tuple[int, ...]:
    """The shape of a frame; a number is that of a vector."""
    given = tuple(shape) if isinstance(shape, Iterable) and not isinstance(shape, str) else (shape,)
    try:
        sizes = tuple(_whole(size, "The shape of a frame") for size in given)
    except NetworkError:
        sizes = ()
    if not 1 <= len(sizes) <= 3:
        raise NetworkError(
            f"The shape of a frame must be (K,), (H, W) or (H, W, C), of whole numbers of 1 or more, not "
            f"{shown(shape)}."
        )
    return sizes


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
    low, high = (
        _whole(low, "The lowest integer of frames (low)", low=None),
        _whole(high, "The highest integer of frames (high)", low=None),
    )
    if low >= high:
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
    limits = checked_array(threshold, "Thresholds of the input", NetworkError)
    if limits.dtype.kind not in "iuf" or np.isnan(limits).any():
        raise NetworkError(
            f"The threshold of the input must be a number, or an array of numbers, not {shown(threshold)}."
        )
    limits = limits.astype(np.float64)
    if limits.shape not in ((), shape):
        raise NetworkError(
            f"The threshold of the input must be one number, or an array of the shape {shape} of a frame, not "
            f"{limits.shape}."
        )
    return Input(format=BIPOLAR, thresholds=limits.reshape(-1, 1), **whole)


def _weights(weights: ArrayLike, axes: int, what: str) -> NDArray[np.bool_] | Integers:
    """Weights as layers have them: bool where all are -1 or +1, else integers."""
    array = checked_array(weights, f"The weights of {what}", NetworkError)
    if array.ndim != axes or 0 in array.shape:
        shape = {2: "(neurons, inputs)", 4: "(filters, rows, columns, channels)"}[axes]
        raise NetworkError(f"The weights of {what} must be an array {shape}, not of shape {array.shape}.")
    if array.dtype == np.bool_:
        return array
    if array.dtype.kind not in "iuf":
        raise NetworkError(f"The weights of {what} must be bool or numbers, not {array.dtype}.")
    if array.dtype.kind == "f":
        # Shorter floats would overflow below.
        array = array.astype(np.float64)
    elif array.dtype.kind == "u" and array.max() == np.iinfo(array.dtype).max:
        raise NetworkError(
            f"The weights of {what} hold {array.max():,} as {array.dtype}, which is what -1 becomes in that type: give "
            "them in a signed one, such as np.int8, from the start, or in np.int64 if they are meant so."
        )
    if not np.array_equal(array, np.round(array)) or np.abs(array).max() >= 1 << 53:
        raise NetworkError(
            f"The weights of {what} must be whole numbers, such as -1 and +1: binarise them first, as "
            "np.where(w >= 0, 1, -1)."
        )
    if (array == 0).all():
        raise NetworkError(
            f"The weights of {what} are all 0, so its sums are 0 whatever comes in: give those that were trained; or, "
            "where 0 is a bit that means -1, give bits as bool: weights > 0."
        )
    if ((array == 0) | (array == 1)).all() and (array == 0).any():
        raise NetworkError(
            f"The weights of {what} are all 0 or 1, which may be bits or numbers: give bits, of which 0 means -1, as "
            "bool: weights > 0. For the numbers 0 and 1, give weights of 0 and 2, and thresholds twice as high."
        )
    return array == 1 if (np.abs(array) == 1).all() else array.astype(np.int64)


def _thresholds(thresholds: ArrayLike | None, neurons: int, what: str) -> dict[str, Any]:
    """Integer thresholds and the format of the codes; a sum of integers reaches t where it reaches the next integer."""
    if thresholds is None:
        return {}
    array = checked_array(thresholds, f"The thresholds of {what}", NetworkError)
    if array.dtype.kind not in "iuf" or array.ndim not in (1, 2) or len(array) != neurons or 0 in array.shape:
        raise NetworkError(
            f"The thresholds of {what} must be numbers, a row for each of its {neurons} neurons, not {array.dtype} of "
            f"shape {array.shape}."
        )
    if array.dtype.kind == "f":
        if np.isnan(array).any():
            raise NetworkError(f"The thresholds of {what} must be numbers, not NaN.")
        array = np.clip(np.ceil(array.astype(np.float64)), -_OUT_OF_REACH, _OUT_OF_REACH)
    rows = array.astype(np.int64).reshape(neurons, -1)
    count = rows.shape[1]
    return {"thresholds": rows, "output": BIPOLAR if count == 1 else Format(bits=count.bit_length())}


def _whole(value: object, what: str, *, low: int | None = 1) -> int:
    return whole(value, what, low=low, error=NetworkError)


def _pair(value: object, what: str) -> tuple[int, int]:
    rows, columns = _wholes(value, 2, what, low=1)
    return rows, columns


def _wholes(value: object, count: int, what: str, *, low: int) -> list[int]:
    """So many whole numbers, of as many, or of one for all."""
    given = list(value) if isinstance(value, Iterable) and not isinstance(value, str) else [value] * count
    with suppress(NetworkError):
        if len(given) == count:
            return [_whole(each, what, low=low) for each in given]
    told = repr(value) if isinstance(value, float) else shown(value)
    raise NetworkError(f"{what} must be a whole number of {low} or more, or {count} of them, not {told}.")
