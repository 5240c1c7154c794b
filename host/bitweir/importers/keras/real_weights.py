"""A Keras file with its real weights rounded, so that importer and executor read the same."""

from __future__ import annotations

from math import prod

from bitweir_hw.errors import BitweirError

from ..folding.real_weights import Rounding
from .files import Floats, KerasFile
from .graph import graph_of
from .layers.quantisers import larq_quantiser

__all__ = ["with_rounded_weights"]

#: By kind of layer, with 2D for 1D: the names that its kernels may have, their quantisers, and how many of their last
#: axes tell outputs apart.
_KERNELS = {
    "Conv2D": ((("kernel",), "kernel_quantizer", 1),),
    "Dense": ((("kernel",), "kernel_quantizer", 1),),
    "DepthwiseConv2D": ((("depthwise_kernel", "kernel"), "depthwise_quantizer", 2),),
    "SeparableConv2D": (
        (("depthwise_kernel",), "depthwise_quantizer", 2),
        (("pointwise_kernel",), "pointwise_quantizer", 1),
    ),
}


def with_rounded_weights(file: KerasFile, rounding: Rounding) -> KerasFile | None:
    """A file with rounded weights in place of real ones; None if it has none to round.

    Parameters
    ----------
    file : KerasFile
    rounding : Rounding
        Says which, and how.

    Raises
    ------
    ModelError
        The configuration is none that Keras writes.
    """
    pairs: list[tuple[Floats, Floats]] = []
    for call in graph_of(file.config).calls:
        kernels = _KERNELS.get(call.kind.removeprefix("Quant").replace("1D", "2D"), ())
        names = [choices for choices, _, _ in kernels]
        if call.config.get("use_bias", True):
            names.append(("bias",))
        try:
            arrays = file.arrays(call.label, call.name, call.place, names) if kernels else {}
            plain = [larq_quantiser(call.config.get(quantiser)) is None for _, quantiser, _ in kernels]
        except BitweirError:
            continue  # the import itself tells what is wrong with it
        for (choices, _, own), real in zip(kernels, plain, strict=True):
            kernel = arrays[choices[0]]
            outputs = prod(kernel.shape[-own:])
            # A layer that is called again has the same weights.
            known = any(kernel is old for old, _ in pairs)
            if not real or known or kernel.ndim <= own or not kernel.size:
                rounding.passed(call.label)
                continue
            rows = rounding.rounded(call.label, call.name, kernel.reshape(-1, outputs).T)
            if rows is not None:
                pairs.append((kernel, rows.T.reshape(kernel.shape)))
    return file.with_arrays(pairs) if pairs else None
