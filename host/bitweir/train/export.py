"""From a trained module to the integer network of the hardware."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..model import Model
from ..modules import deployed, imported
from ..progress import Progress, silent

__all__ = ["export"]


def export(
    model: nn.Module,
    input: Tensor | Sequence[int],
    *,
    input_scale: str | None = None,
    input_range: str | tuple[int, int] | None = None,
    result: str | None = None,
    weight_bits: int | str | Mapping[str, int] | Sequence[str] | None = None,
    name: str = "net",
    compare: bool = True,
    progress: Progress = silent,
) -> Model:
    """Make the network of a trained module.

    Weights become constants, the module goes through ``torch.onnx``, and its importer makes exact fractions of the
    numbers of batch norms and scales, as of those of any file. So a module may also hold layers of PyTorch, and
    whatever else the importer takes.

    Parameters
    ----------
    model : Module
        It stays as it is; a copy in evaluation mode is exported.
    input : Tensor or sequence of int
        An input of the module with a batch of images, or the shape of one image, such as ``(1, 8, 8)``.
    input_scale, input_range, result, weight_bits
        As in `bitweir.load`: what images hold, and what the result is.
    name : str
        Of the network, and of its Verilog module.
    compare : bool
        Whether to compare the network with the exported file on drawn inputs; `bitweir.check` compares with the module.
    progress : Progress
        Shows what is under way.

    Returns
    -------
    Model

    Raises
    ------
    ToolError
        PyTorch cannot export the module.
    ModelError
        The module cannot be imported exactly; the text says what helps.
    DisagreementError
        The network does not compute what the module computes, which is a fault of bitweir.
    """
    example: Any = input if isinstance(input, Tensor) else torch.zeros((1, *input))
    with imported(
        deployed(model), example, input_scale=input_scale, input_range=input_range, result=result,
        weight_bits=weight_bits, name=name, compare=compare, progress=progress,
    ) as found:  # fmt: skip
        return Model(network=found.network)
