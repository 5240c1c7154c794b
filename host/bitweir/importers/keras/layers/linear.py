"""Rules of layers that multiply with kernels: of Larq, of QKeras, and of Keras where the weights are quantised."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import prod

import numpy as np

from ...errors import ModelError, shown
from ...exact.fold import scale, shift
from ...folding.linear import conv, dense
from ...folding.symbols import Moving, Padded, Signal, whole
from ...folding.transposed import conv_transposed
from ...folding.weight_planes import check_weights
from ...folding.windows import Window
from ..graph import INPUT_CODES
from .activations import activated
from .job import Floats, Job, Pair, channels_last, last_axis
from .quantisers import larq_quantiser, quantised, quantised_kernel
from .rows import RowJob, over_rows

__all__ = ["KERAS_PROBES", "LINEAR_RULES"]

Value = Moving | Padded
_POINT = Window((1, 1))


def _dense(job: Job, x: Value) -> Value:
    arrays = _arrays(job, "kernel")
    kernel, factor = _kernel(job, arrays["kernel"], "kernel_quantizer", 2)
    y = dense(job.builder, _input(job, x), kernel, job.label)
    return _finished(job, _scaled(y, factor), arrays)


def _conv(job: Job, x: Value) -> Value:
    arrays = _arrays(job, "kernel")
    kernel, factor = _kernel(job, arrays["kernel"], "kernel_quantizer", 4)
    groups = job.option("groups", 1)
    if type(groups) is not int or groups < 1:
        raise ModelError(f"its groups must be a whole number of 1 or more, not {shown(groups)}")
    y = _convolved(job, job.first(_input(job, x)), kernel.transpose(3, 2, 0, 1), groups)
    return _finished(job, channels_last(_scaled(y, factor)), arrays)


def _depthwise(job: Job, x: Value) -> Value:
    arrays = _arrays(job, ("depthwise_kernel", "kernel"))
    y = _by_depth(job, job.first(_input(job, x)), arrays["depthwise_kernel"])
    return _finished(job, channels_last(y), arrays)


def _separable(job: Job, x: Value) -> Value:
    """Depthwise, then pointwise on its sums; there is no quantiser between."""
    arrays = _arrays(job, "depthwise_kernel", "pointwise_kernel")
    pointwise, factor = _kernel(job, arrays["pointwise_kernel"], "pointwise_quantizer", 4)
    if pointwise.shape[:2] != (1, 1):
        raise ModelError(f"its pointwise kernel must have a window of 1 x 1, not the shape {pointwise.shape}")
    y = _by_depth(job, job.first(_input(job, x)), arrays["depthwise_kernel"])
    y = conv(job.builder, y, pointwise.transpose(3, 2, 0, 1), job.label, window=_POINT)
    return _finished(job, channels_last(_scaled(y, factor)), arrays)


def _by_depth(job: Job, x: Value, kernel: Floats) -> Signal:
    kernel, factor = _kernel(job, kernel, "depthwise_quantizer", 4, own=2)
    rows, columns, channels, each = kernel.shape
    if channels != x.shape[0]:
        raise ModelError(f"its depthwise kernel of shape {kernel.shape} must fit maps of {x.shape[0]} channels")
    # The filters of a channel come one after the other.
    filters = kernel.transpose(2, 3, 0, 1).reshape(channels * each, 1, rows, columns)
    return _scaled(_convolved(job, x, filters, channels), factor)


def _convolved(job: Job, x: Value, weights: Floats, groups: int) -> Signal:
    """A convolution of a map (C, H, W) with weights (M, C / groups, kh, kw); pads come after the input quantiser."""
    gaps = job.pair("dilation_rate")
    rows, columns = ((size - 1) * gap + 1 for size, gap in zip(weights.shape[2:], gaps, strict=True))
    window = job.window(x, (rows, columns))
    value = job.number("pad_values", 0.0)
    if window.padded and value != 0:
        above, left, below, right = window.pads
        pads: tuple[Pair, ...] = ((0, 0), (above, below), (left, right))
        if isinstance(x, Padded):
            if x.value != value:
                raise ModelError(f"it must not pad with {value:g} a map that has a border of {float(x.value):g}")
            pads = tuple((a + c, b + d) for (a, b), (c, d) in zip(pads, x.pads, strict=True))
            x = x.inside
        x, window = Padded(x, pads, Fraction(value)), Window(window.kernel, window.strides)
    return conv(job.builder, x, weights, job.label, window=window, groups=groups, gaps=gaps)


def _transposed(job: Job, x: Value) -> Value:
    """A transposed convolution; kernels are (kh, kw, M, C), and quantisers see them so."""
    arrays = _arrays(job, "kernel")
    if larq_quantiser(job.option("kernel_quantizer"), trained=True) is None and arrays["kernel"].ndim == 4:
        kernel, factor = _kernel(job, arrays["kernel"].transpose(0, 1, 3, 2), "kernel_quantizer", 4)
    else:
        kernel, factor = _kernel(job, arrays["kernel"], "kernel_quantizer", 4)
        kernel = kernel.transpose(0, 1, 3, 2)
    steps, padding = job.pair("strides"), str(job.option("padding", "valid")).lower()
    if job.pair("dilation_rate") != (1, 1) or job.option("output_padding") is not None or job.option("groups", 1) != 1:
        raise ModelError("it must have no dilation, no output_padding and one group: leave them at their defaults")
    if padding not in ("same", "valid"):
        raise ModelError(f"its padding must be 'same' or 'valid', not {shown(padding)}")
    y = job.first(_input(job, x))
    if kernel.shape[2] != y.shape[0]:
        raise ModelError(f"its kernel of shape {arrays['kernel'].shape} must fit maps of {y.shape[0]} channels")
    # TensorFlow cuts off what is more than `size * stride`, the odd row or column at the end.
    longer = [max(taps - step, 0) for taps, step in zip(kernel.shape, steps, strict=False)]
    cut = [n // 2 if padding == "same" else 0 for n in longer]
    sizes = [
        size * step + (0 if padding == "same" else n) for size, step, n in zip(y.shape[1:], steps, longer, strict=True)
    ]
    z = conv_transposed(
        job.builder, y, kernel.transpose(2, 3, 0, 1), job.label, stride=steps, pads=(cut[0], cut[1]),
        sizes=(sizes[0], sizes[1]),
    )  # fmt: skip
    return _finished(job, channels_last(_scaled(z, factor)), arrays)


def _input(job: Job, x: Value) -> Value:
    """The input behind the quantiser that the layer has for it."""
    quantiser = larq_quantiser(job.option("input_quantizer"))
    if quantiser is None:
        return x
    codes = quantised(x, quantiser)
    job.made(INPUT_CODES, codes)
    return codes


def _arrays(job: Job, *names: tuple[str, ...] | str) -> dict[str, Floats]:
    return job.weights(*names, *(("bias",) if job.flag("use_bias", True) else ()))


def _kernel(job: Job, kernel: Floats, quantiser: str, axes: int, *, own: int = 1) -> tuple[Floats, Fraction]:
    """A kernel behind its quantiser, and a factor; the last `own` axes tell outputs apart.

    Raises
    ------
    ModelError
        It is not quantised at all.
    """
    if kernel.ndim != axes or not kernel.size:
        raise ModelError(f"its weights must have {axes} axes, none of them empty, not the shape {kernel.shape}")
    spec = larq_quantiser(job.option(quantiser), trained=True)
    if spec is None:
        try:
            check_weights(kernel.reshape(prod(kernel.shape[:-own]), -1).T, job.label)
        except ModelError as error:
            if not np.isfinite(kernel).all():
                raise
            raise ModelError(
                f"Layer {job.label} must have quantised weights, but it holds floating point numbers of "
                f"{len(np.unique(np.abs(kernel)))} sizes and has no {quantiser}: use the layer of Larq with one, "
                "make the weights whole multiples of one scale, or let bitweir round them with --weight-bits 8."
            ) from error
    return quantised_kernel(job.builder, kernel, spec, job.label)


def _scaled(y: Signal, factor: Fraction) -> Signal:
    return y if factor == 1 else y.then(scale(whole(y, factor)))


def _finished(job: Job, y: Signal, arrays: dict[str, Floats]) -> Value:
    """With bias and activation function."""
    if "bias" in arrays:
        quantiser = larq_quantiser(job.option("bias_quantizer"))
        bias, factor = quantised_kernel(job.builder, arrays["bias"], quantiser, job.label)
        y = y.then(shift(last_axis(y, bias, "bias") * factor))
    return activated(job, y, job.option("activation"))


LINEAR_RULES: dict[str, Callable[[Job, Value], Value]] = {
    **dict.fromkeys(("Conv1D", "QConv1D", "QuantConv1D"), over_rows(_conv)),
    **dict.fromkeys(("QuantSeparableConv1D", "SeparableConv1D"), over_rows(_separable)),
    "Conv2D": _conv,
    "Conv2DTranspose": _transposed,
    "Dense": _dense,
    "DepthwiseConv1D": over_rows(_depthwise),
    "DepthwiseConv2D": _depthwise,
    "QConv2D": _conv,
    "QDense": _dense,
    "QDepthwiseConv2D": _depthwise,
    "QuantConv2D": _conv,
    "QuantConv2DTranspose": _transposed,
    "QuantDense": _dense,
    "QuantDepthwiseConv2D": _depthwise,
    "QuantSeparableConv2D": _separable,
    "SeparableConv2D": _separable,
}


def _probed(axes: int) -> Callable[[Job], object]:
    """What of a layer can be checked if nothing is known of what it takes: its weights."""
    return lambda job: _kernel(job, _arrays(job, "kernel")["kernel"], "kernel_quantizer", axes)


#: By layer, ``f(job)``: what can be wrong with it whatever it takes.
KERAS_PROBES: dict[str, Callable[[Job], object]] = {
    **dict.fromkeys(("Conv2D", "QConv2D", "QuantConv2D"), _probed(4)),
    **dict.fromkeys(
        ("Conv1D", "QConv1D", "QuantConv1D"), lambda job: _probed(4)(RowJob(job.builder, job.call, job.file))
    ),
    **dict.fromkeys(("Dense", "QDense", "QuantDense"), _probed(2)),
}
