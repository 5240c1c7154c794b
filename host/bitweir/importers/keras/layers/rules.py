"""What each Keras layer does to a signal or to codes: a table from the class to a small function.

A rule is ``f(job, x) -> value``; that of a layer with several inputs takes them all. Frames are as in Keras,
channels last; convolutions and pools take them channels first, as all importers do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import partial
from math import prod
from typing import Any

from ...errors import ModelError, shown
from ...exact.fold import clip, exact, leaky, norm, scale, shift
from ...folding.joins import concat
from ...folding.pools import max_pool, mean_pool, upsample
from ...folding.shortcuts import added
from ...folding.symbols import Moving, Padded, Signal, narrowed, whole
from ...folding.windows import Window
from .activations import activated, bare, ended
from .job import Job, channels_last, fraction, last_axis
from .linear import LINEAR_RULES
from .quantisers import QUANTISERS, larq_quantiser, quantised
from .rows import over_rows

__all__ = ["AFTER_END", "KERAS_RULES", "SEVERAL", "Value"]

Value = Moving | Padded
Rule = Callable[..., Value]

_MAX_NORMS = 3

#: Layers that do nothing once a network is trained.
_TRAINING = (
    "ActivityRegularization", "AlphaDropout", "Dropout", "GaussianDropout", "GaussianNoise", "Identity",
    "RandomBrightness", "RandomContrast", "RandomFlip", "RandomRotation", "RandomTranslation", "RandomZoom",
    "SpatialDropout1D", "SpatialDropout2D",
)  # fmt: skip
#: What may follow a softmax.
AFTER_END = {*_TRAINING, "Flatten", "Reshape"}
#: What takes the results of several layers.
SEVERAL = {"Add", "Concatenate"}


# ---- scalar operations


def _batch_norm(job: Job, x: Value) -> Value:
    y, axis = bare(x), job.option("axis", -1)
    axis = axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
    if type(axis) is not int or axis not in (-1, len(y.shape)):
        raise ModelError(f"its axis must be that of the channels, the last, not {shown(axis)}")
    names = [name for name, flag in (("gamma", "scale"), ("beta", "center")) if job.flag(flag, True)]
    arrays = job.weights(*names, "moving_mean", "moving_variance")
    flat = whole(y, 1)
    gamma = last_axis(y, arrays["gamma"], "gamma") if "gamma" in arrays else flat
    beta = last_axis(y, arrays["beta"], "beta") if "beta" in arrays else flat * 0
    mean, variance = (last_axis(y, arrays[name], name) for name in ("moving_mean", "moving_variance"))
    variance = variance + fraction(job.number("epsilon", 1e-3))
    if any(number <= 0 for number in variance.flat):
        raise ModelError("its variance plus epsilon must be positive")
    if isinstance(y, Signal) and sum(step.name == "norm" for step in y.steps) >= _MAX_NORMS:
        raise ModelError(f"more than {_MAX_NORMS} batch norms in a row do not fold: merge them")
    return y.then(norm(gamma, beta, mean, variance))


def _rescaling(job: Job, x: Value) -> Value:
    y = bare(x)
    factor, offset = (fraction(job.number(name, default)) for name, default in (("scale", None), ("offset", 0.0)))
    y = y.then(scale(whole(y, factor)))
    return y.then(shift(whole(y, offset))) if offset else y


def _relu(job: Job, x: Value) -> Value:
    y, most = bare(x), job.option("max_value")
    if job.option("threshold") and job.number("threshold"):
        raise ModelError("its threshold must be 0")
    y = _leaky(job, y, job.number("negative_slope", 0.0) if job.option("negative_slope") is not None else 0.0)
    return y if most is None else y.then(clip(None, whole(y, fraction(job.number("max_value")))))


def _leaky_relu(job: Job, x: Value) -> Value:
    # Keras 3 has another name for it.
    return _leaky(job, bare(x), job.number("alpha" if "alpha" in job.call.config else "negative_slope", 0.3))


def _prelu(job: Job, x: Value) -> Value:
    """A slope for each channel, or for each element; those of `shared_axes` are alike."""
    y, alpha = bare(x), job.weights("alpha")["alpha"]
    if alpha.ndim != len(y.shape) or any(a not in (1, b) for a, b in zip(alpha.shape, y.shape, strict=True)):
        raise ModelError(f"its slopes of shape {alpha.shape} must fit frames of shape {y.shape}")
    return y.then(leaky(exact(narrowed(alpha))))


def _leaky(job: Job, y: Moving, slope: float) -> Moving:
    return y.then(leaky(whole(y, fraction(slope)))) if slope else y.then(clip(whole(y, 0), None))


def _activation(job: Job, x: Value) -> Value:
    return activated(job, x, job.option("activation"))


def _quantiser(job: Job, x: Value, *, spec: Any = None) -> Value:
    """A quantiser as a layer of its own."""
    found = larq_quantiser(spec or {"class_name": job.call.kind, "config": job.call.config})
    return x if found is None else quantised(x, found)


def _quant_activation(job: Job, x: Value) -> Value:
    specs = [job.option(name) for name in ("quantizer", "input_quantizer", "activation")]
    return _quantiser(job, x, spec=next((spec for spec in specs if spec is not None), "none"))


def _softmax(job: Job, x: Value) -> Value:
    y, axis = bare(x), job.option("axis", -1)
    if axis not in (-1, len(y.shape)):
        raise ModelError(f"its axis must be that of the classes, the last, not {shown(axis)}")
    return ended(job, y, "softmax")


# ---- maps


def _pool(job: Job, x: Value, *, largest: bool) -> Value:
    y, kernel = job.first(x), job.pair("pool_size", (2, 2))
    window = job.window(y, kernel, strides=kernel)
    if largest:
        return channels_last(max_pool(job.builder, y, job.label, window=window))
    return channels_last(mean_pool(job.builder, bare(y), job.label, window=window))


def _global_pool(job: Job, x: Value, *, largest: bool) -> Value:
    y = job.first(bare(x))
    pool = max_pool if largest else mean_pool
    pooled = channels_last(pool(job.builder, y, job.label, window=Window((y.shape[1], y.shape[2]))))
    return pooled if job.flag("keepdims", False) else pooled.moved(pooled.shape[2:], lambda frame: frame.reshape(-1))


def _sides(job: Job, x: Value, name: str, axes: int) -> tuple[tuple[int, int], ...]:
    """An entry that counts what lies before and after each axis of a map."""
    value = job.option(name, 1)
    sides: Any = [value] * axes if type(value) is int else [value] if axes == 1 else value
    sides = [[side, side] if type(side) is int else side for side in sides] if isinstance(sides, list) else []
    if len(sides) != axes or any(
        not isinstance(side, list) or len(side) != 2 or any(type(n) is not int or not 0 <= n < 1 << 16 for n in side)
        for side in sides
    ):
        what = "the two ends" if axes == 1 else "rows and columns"
        raise ModelError(f"its {name} must be whole numbers of 0 or more for {what}, not {shown(value)}")
    if len(x.shape) != axes + 1:
        what = "a length and of channels" if axes == 1 else "rows, columns and channels"
        raise ModelError(f"it must take maps of {what}, not frames of shape {x.shape}")
    return tuple((side[0], side[1]) for side in sides)


def _zero_padding(job: Job, x: Value, *, axes: int) -> Value:
    pads = (*_sides(job, x, "padding", axes), (0, 0))
    if not isinstance(x, Padded):
        return Padded(x, pads, Fraction(0)) if any(map(any, pads)) else x
    if x.value:
        raise ModelError(f"it must not pad with zeros a map that has a border of {float(x.value):g}")
    return replace(x, pads=tuple((a + c, b + d) for (a, b), (c, d) in zip(pads, x.pads, strict=True)))


def _cropping(job: Job, x: Value, *, axes: int) -> Value:
    """A map without some rows and columns at its ends."""
    y = bare(x)
    sides = _sides(job, y, "cropping", axes)
    kept = tuple(slice(before, size - after) for size, (before, after) in zip(y.shape, sides, strict=False))
    shape = (*(part.stop - part.start for part in kept), y.shape[-1])
    if min(shape) < 1:
        raise ModelError(f"its cropping must leave at least one pixel of the frame of shape {y.shape}")
    return y.moved(shape, lambda frame: frame[kept])


# ---- shapes and branches


def _flatten(job: Job, x: Value) -> Value:
    y = bare(x)
    return y.moved((prod(y.shape),), lambda frame: frame.reshape(-1))


def _reshape(job: Job, x: Value) -> Value:
    y, target = bare(x), job.option("target_shape")
    if (
        not isinstance(target, list) or not 1 <= len(target) <= 8 or target.count(-1) > 1
        or any(type(size) is not int or not (size == -1 or 0 < size <= 1 << 24) for size in target)
    ):  # fmt: skip
        raise ModelError(f"its target_shape must be a list of sizes, one of them -1 at most, not {shown(target)}")
    known = prod(size for size in target if size != -1)
    shape = tuple(prod(y.shape) // known if size == -1 else size for size in target)
    if prod(shape) != prod(y.shape):
        raise ModelError(f"its target_shape {target} must have as many elements as the frame of shape {y.shape}")
    return y.moved(shape, lambda frame: frame.reshape(shape))


def _add(job: Job, *values: Value) -> Value:
    if len(values) < 2:
        raise ModelError(f"it must add two values or more, not {len(values)}")
    is_map = len(values[0].shape) == 3
    if any(len(value.shape) != len(values[0].shape) for value in values):
        raise ModelError("it must add values of one shape")
    total, *others = [job.first(bare(value)) if is_map else bare(value) for value in values]
    for other in others:
        total = added(job.builder, total, other, job.label)
    assert isinstance(total, Signal)
    return channels_last(total) if is_map else total


def _concatenate(job: Job, *values: Value) -> Value:
    if len(values) < 2:
        raise ModelError(f"it must join two values or more, not {len(values)}")
    rank, axis = len(values[0].shape), job.option("axis", -1)
    if any(len(value.shape) != rank for value in values):
        raise ModelError("it must join values of as many axes")
    if type(axis) is not int or axis not in (-1, rank):
        raise ModelError(f"its axis must be that of the channels, the last, not {shown(axis)}")
    if len({value.shape[:-1] for value in values}) > 1:
        shapes = " and ".join(str(value.shape) for value in values)
        raise ModelError(f"it must join values that differ in their channels alone, not {shapes}")
    if rank != 3:
        return concat(job.builder, [bare(value) for value in values], rank - 1, job.label)
    maps = [job.first(bare(value)) for value in values]
    return channels_last(concat(job.builder, maps, 0, job.label, made_of=values))


def _upsampling(job: Job, x: Value) -> Value:
    how = job.option("interpolation", "nearest")
    if how != "nearest":
        raise ModelError(f"its interpolation must be nearest, not {shown(how)}, which mixes pixels")
    factors = job.pair("size", (2, 2))
    if factors == (1, 1):
        return x
    return channels_last(upsample(job.builder, job.first(x), job.label, factors=factors))


KERAS_RULES: dict[str, Rule] = {
    **LINEAR_RULES,
    **dict.fromkeys(_TRAINING, lambda job, x: x),
    **dict.fromkeys(("BatchNormalization", "BatchNormalizationV1", "BatchNormalizationV2"), _batch_norm),
    **dict.fromkeys((name for name in QUANTISERS if name[0].isupper()), _quantiser),
    "Activation": _activation,
    "Add": _add,
    "AveragePooling1D": over_rows(partial(_pool, largest=False)),
    "AveragePooling2D": partial(_pool, largest=False),
    "Concatenate": _concatenate,
    "Cropping1D": partial(_cropping, axes=1),
    "Cropping2D": partial(_cropping, axes=2),
    "Flatten": _flatten,
    "GlobalAveragePooling1D": over_rows(partial(_global_pool, largest=False)),
    "GlobalAveragePooling2D": partial(_global_pool, largest=False),
    "GlobalMaxPooling1D": over_rows(partial(_global_pool, largest=True)),
    "GlobalMaxPooling2D": partial(_global_pool, largest=True),
    "LeakyReLU": _leaky_relu,
    "PReLU": _prelu,
    "MaxPooling1D": over_rows(partial(_pool, largest=True)),
    "MaxPooling2D": partial(_pool, largest=True),
    "QActivation": _activation,
    "QuantActivation": _quant_activation,
    "ReLU": _relu,
    "Rescaling": _rescaling,
    "Reshape": _reshape,
    "Softmax": _softmax,
    "UpSampling1D": over_rows(_upsampling),
    "UpSampling2D": _upsampling,
    "ZeroPadding1D": partial(_zero_padding, axes=1),
    "ZeroPadding2D": partial(_zero_padding, axes=2),
}
