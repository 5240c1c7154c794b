"""Networks of the Python interface: from model files and from plain arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from bitweir_hw.checked import items, place, shown, text, whole
from bitweir_hw.network import Layer
from numpy.typing import ArrayLike

from . import shipped
from .arrays import network_of
from .importers.ensemble import Share
from .importers.errors import ModelError
from .importers.folding.real_weights import WeightBits
from .model import Model
from .model_files import load_networks
from .progress import Progress, silent

__all__ = ["load", "network"]


def load(
    *paths: Path | str,
    input_scale: str | None = None,
    input_range: str | tuple[int, int] | None = None,
    name: str | None = None,
    vote: bool | Sequence[Share] = False,
    sum_scores: bool = False,
    result: str | None = None,
    weight_bits: int | str | Mapping[str, int] | Sequence[str] | None = None,
    head: str | Sequence[str] = (),
    compare: bool = True,
    progress: Progress = silent,
) -> Model:
    """Import a model file exactly, and check on drawn inputs that the network computes what the file computes.

    Parameters
    ----------
    *paths : path
        An ``.onnx`` file; a model of Keras or Larq, ``.keras`` or ``.h5``; or a network, ``.npz``. Also the name of a
        bundled network, ``"digits"`` or ``"cnn"``. Several files need `vote`.
    input_scale : str, optional
        The rule from an integer x as images are stored, such as a pixel, to what the model takes: ``"1/255"``,
        ``"x/127.5-1"``, ``"(x-33)/79"``; or ``"int8"`` and its like.
    input_range : (int, int), optional
        Which integers arrive, such as ``(-128, 127)``; 0 to 255 with `input_scale`.
    name : str, optional
        Names the Verilog module, see `network`; from the file if not given.
    vote : bool, or sequence of numbers
        Each of several models has one vote for its class; or as many as its number says, such as ``(2, 1, 1)`` or
        ``("0.7", "0.2", "0.1")``. The class with the most votes wins; of equally many, the lowest.
    sum_scores : bool
        With `vote`: the scores of the models are summed, times their votes, and the class is that of the highest sum.
        Where scores of the models have no common unit of few bits, the sums are approximate, with a bound.
    result : str, optional
        ``"class"``, ``"labels"``, ``"scores"``, or ``"classes"``, one for each pixel of a map; as the model ends if not
        given.
    weight_bits : int, str or dict, optional
        Layers whose weights are real numbers are rounded to integers of so many bits, 2 to 16, times a scale for each
        output: ``8`` for all of them, ``{"conv0": 8, "dense2": 12}`` or ``"conv0=8,dense2=12"`` for some. The network
        is approximate then: it equals the model with the rounded weights, and `Model.comparison` counts what differs
        from the file.
    head : str or sequence of str
        The output of an ONNX file that is the result, where there are several; or some of them, which follow one
        another in the result.
    compare : bool
        Whether to run the model file on drawn inputs now.
    progress : Progress
        Shows what is under way.

    Returns
    -------
    Model

    Raises
    ------
    ModelError
        A file cannot be imported exactly; the text says what helps.
    DisagreementError
        The network does not compute what the file computes, which is a fault of bitweir.

    Examples
    --------
    >>> import bitweir
    >>> bitweir.load("digits")
    digits: 64 to 10 classes
    layer   kind   takes  gives  weights
    dense0  dense  192    256    49,152
    dense1  dense  256    10     2,560
    """
    for value, what, like in (
        (input_scale, "The input scale", "1/255"),
        (name, "The name", "net"),
        (result, "The result", "class"),
    ):
        if value is not None:
            text(value, what, like, error=ModelError)
    heads = items(head, "The outputs (head)", '["boxes", "classes"]', error=ModelError)
    for each in heads:
        text(each, "An output (head)", "boxes", error=ModelError)
    files, scale = shipped.located(tuple(place(path, "The model file") for path in paths), input_scale)
    if input_range is not None and not isinstance(input_range, str):
        low_high = items(input_range, "The input range", "(-128, 127)", error=ModelError)
        if len(low_high) != 2:
            raise ModelError(f"The input range must be two integers, such as (-128, 127), not {shown(input_range)}.")
        low, high = (whole(end, "An end of the input range", low=None, error=ModelError) for end in low_high)
        input_range = f"{low}:{high}"
    if input_range is not None:
        scale = input_scale
    imported = load_networks(
        files, input_scale=scale, input_range=input_range, name=name, vote=vote, sum_scores=sum_scores, result=result,
        weight_bits=WeightBits.parsed(weight_bits), heads=heads,
        compare=compare, progress=progress,
    )  # fmt: skip
    return Model(network=imported.network, imported=imported)


def network(
    layers: Sequence[Layer],
    *,
    shape: int | Sequence[int],
    low: int = 0,
    high: int = 255,
    threshold: ArrayLike | None = None,
    result: str = "class",
    name: str = "net",
) -> Model:
    """A network from plain arrays.

    Parameters
    ----------
    layers : sequence
        As `dense`, `conv` and `max_pool` make them, or layers of `bitweir_hw.network`. A dense layer takes a whole
        map, row by row, the channels of a pixel one after the other.
    shape : int or sequence of int
        Of one frame: K or (K,), (H, W) or (H, W, C).
    low, high : int
        The integers that frames hold, such as pixels of 0 to 255, or -1 and +1.
    threshold : number or array of `shape`, optional
        Where an element of a frame reaches it, the first layer takes +1, else -1. None: it takes the integers.
    result : str
        ``"class"``: the lowest index with the highest score; ``"labels"``: the last layer has a threshold for each
        label; ``"scores"``: the sums of the last layer; ``"classes"``: for each pixel of the map of scores that
        the last layer hands on, the lowest channel with the highest score.
    name : str
        Names the Verilog module: at most 100 letters, digits and underscores, no digit first. Reserved words of
        SystemVerilog are refused, such as small, large, table and cell, and so are clk and rst, the ports.

    Returns
    -------
    Model

    Raises
    ------
    NetworkError
        Layers do not go together; the text names the layer, the rule and the value.

    Examples
    --------
    >>> import bitweir, numpy as np
    >>> rng = np.random.default_rng(0)
    >>> net = bitweir.network(
    ...     [bitweir.dense(rng.choice([-1, 1], (32, 64)), thresholds=np.zeros(32)),
    ...      bitweir.dense(rng.choice([-1, 1], (10, 32)))],
    ...     shape=(8, 8), threshold=128)
    >>> net
    net: 8x8 to 10 classes
    layer   kind   takes  gives  weights
    dense1  dense  8x8x1  32     2,048
    dense2  dense  32     10     320
    """
    return Model(
        network=network_of(
            layers, shape=shape, low=low, high=high, threshold=threshold, result=result, name=name
        )
    )  # fmt: skip
