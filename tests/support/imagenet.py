"""Networks of ImageNet, for images of any size, drawn: random weights and plausible batch norm."""

import numpy as np
from bitweir_hw.network import BIPOLAR, Affine, Conv, Dense, Format, Input, Network, Parallel, Pool, Threshold, check

__all__ = ["VGG_STAGES", "alexnet", "bireal18", "vgg"]

#: Convolutions before each pool of VGG-16, and their channels in multiples of those of the first.
VGG_STAGES = ((2, 1), (2, 2), (3, 4), (3, 8), (3, 8))
_STAGES, _SUMS, _CODES = 4, 4, 16


def bireal18(side=224, width=64, classes=1000, seed=0):
    """Bi-Real-18 (Liu et al., "Bi-Real Net", ECCV 2018): 11.7 M weights at 224x224.

    The first and the last layer have weights of 8 bits, and so have the convolutions of 1x1 that, behind an average of
    2x2, downsample the shortcuts. They take 4 bits: sums of real numbers would need more bits in each stage. All
    other weights are of one bit.

    Parameters
    ----------
    side : int
        Of the square image of 3 channels; a multiple of 32.
    width : int
        Channels of the first of four stages; each further one has twice as many.
    classes, seed : int
    """
    rng = np.random.default_rng(seed)
    # What stands for 1.0 in the sums: about the standard deviation of the first layer's sums, with uniform numbers.
    unit = 127 * 255 / 3 * np.sqrt(3 * 7 * 7)
    layers = [
        _convolution(rng, "conv0", 127, 3, width, kernel=7, stride=2, pad=3),
        Pool(name="pool0", kind="max", kernel=(3, 3), stride=(2, 2), pads=(1, 1, 1, 1), least=np.ones(width, bool)),
        _batch_norm(rng, "norm0", width, 1.0, unit),
    ]
    channels = width
    for stage in range(_STAGES):
        for index in range(_SUMS):
            name, before = f"{stage}_{index}", channels
            shortcut = ()
            if stage and not index:
                channels *= 2
                quantised = _quantised(f"codes{name}", before, 4 * unit)
                unit = _CODES / 4 * 127 / np.sqrt(3) * np.sqrt(before)
                shortcut = (
                    Pool(name=f"average{name}", kind="sum", kernel=(2, 2), stride=(2, 2)),
                    quantised,
                    _convolution(rng, f"down{name}", 127, before, channels),
                    _batch_norm(rng, f"down_norm{name}", channels, 1.0, unit),
                )
            branch = (
                Threshold(name=f"sign{name}", thresholds=np.zeros((before, 1), np.int64), output=BIPOLAR),
                _convolution(rng, f"conv{name}", 0, before, channels, kernel=3, stride=1 + bool(shortcut), pad=1),
                _batch_norm(rng, f"norm{name}", channels, unit / np.sqrt(9 * before), unit),
            )
            layers.append(Parallel(name=f"sum{name}", branches=(branch, shortcut)))
    rest = side // 32
    layers += [
        Pool(name="average", kind="sum", kernel=(rest, rest), stride=(rest, rest)),
        _quantised("codes", channels, rest**2 * unit),
        Dense(name="scores", weights=rng.integers(-127, 128, (classes, channels))),
    ]
    return check(Network(name=f"bireal18_{side}", input=_image(side), layers=tuple(layers)))


def _convolution(rng, name, largest, inputs, outputs, *, kernel=1, stride=1, pad=0):
    """Weights up to `largest`; 0: of one bit."""
    shape = (outputs, kernel, kernel, inputs)
    weights = rng.integers(-largest, largest + 1, shape) if largest else rng.random(shape, np.float32) < 0.5
    return Conv(name=name, weights=weights, stride=(stride, stride), pads=(pad,) * 4, pad_value=0)


def _batch_norm(rng, name, channels, scale, unit):
    """About so large a scale, now and then negative, and an offset of the order of a tenth."""
    sizes = np.maximum(np.rint(scale * rng.uniform(0.5, 2.0, channels)), 1)
    signs = rng.choice([-1, 1], channels, p=[0.1, 0.9])
    offset = np.rint(unit * rng.normal(0, 0.1, channels))
    return Affine(name=name, scale=(sizes * signs).astype(np.int64), offset=offset.astype(np.int64))


def _quantised(name, channels, deviation):
    """Codes of 4 bits, within two standard deviations."""
    steps = np.rint(deviation * (np.arange(1, _CODES) / _CODES * 4 - 2)).astype(np.int64)
    return Threshold(
        name=name, thresholds=np.tile(steps, (channels, 1)), output=Format(bits=4, offset=-_CODES // 2, step=1)
    )


def alexnet(side=224, width=64, wide=4096, classes=1000, seed=0):
    """AlexNet as BNN+ has it (Darabi et al., 2018): all weights of one bit, 61 M of them at 224x224.

    Parameters
    ----------
    side : int
        Of the square image of 3 channels of 8 bits.
    width, wide : int
        Channels of the first layer, and neurons of the two before the last.
    classes, seed : int
    """
    rng = np.random.default_rng(seed)
    convolutions = [(11, 4, 2, 1), (5, 1, 2, 3), (3, 1, 1, 6), (3, 1, 1, 4), (3, 1, 1, 4)]
    layers, channels, size = [], 3, side
    for number, (kernel, stride, pad, factor) in enumerate(convolutions):
        outputs, name = width * factor, f"conv{number}"
        deviation = np.sqrt(kernel**2 * channels) * (1 if number else 255)
        layers.append(
            Conv(
                name=name, weights=rng.random((outputs, kernel, kernel, channels), np.float32) < 0.5,
                stride=(stride, stride), pads=(pad,) * 4, pad_value=0,
                thresholds=_signs(rng, outputs, deviation), output=BIPOLAR,
            )
        )  # fmt: skip
        channels, size = outputs, (size + 2 * pad - kernel) // stride + 1
        if number in (0, 1, 4):
            layers.append(Pool(name=f"pool{number}", kind="max", kernel=(3, 3), stride=(2, 2)))
            size = (size - 3) // 2 + 1
    inputs = channels * size**2
    for number in range(2):
        weights = rng.random((wide, inputs), np.float32) < 0.5
        signs = _signs(rng, wide, np.sqrt(inputs))
        layers.append(Dense(name=f"dense{number}", weights=weights, thresholds=signs, output=BIPOLAR))
        inputs = wide
    layers.append(Dense(name="scores", weights=rng.random((classes, inputs), np.float32) < 0.5))
    return check(Network(name=f"alexnet_{side}", input=_image(side), layers=tuple(layers)))


def _signs(rng, outputs, deviation):
    return np.rint(rng.normal(0, deviation / 4, (outputs, 1))).astype(np.int64)


def _image(side):
    size = 3 * side * side
    return Input(
        shape=(3, side, side), format=Format(bits=8, offset=0, step=1), thresholds=np.arange(1, 256)[None] - 0.5,
        source=np.arange(size).reshape(3, side, side).transpose(1, 2, 0).ravel(), map_shape=(side, side, 3),
    )  # fmt: skip


def vgg(side=32, width=64, wide=4096, classes=10, seed=0):
    """VGG-16 (Simonyan and Zisserman, 2015), with weights and activations of one bit: 33.6 M weights at 32x32.

    Parameters
    ----------
    side : int
        Of the square image of 3 channels of 8 bits; a multiple of 32.
    width, wide : int
        Channels of the first two layers, and neurons of the two before the last.
    classes, seed : int
    """
    rng = np.random.default_rng(seed)
    layers, channels = [], 3
    for stage, (count, factor) in enumerate(VGG_STAGES):
        for number in range(count):
            outputs = factor * width
            deviation = np.sqrt(9 * channels) * (1 if layers else 255)
            layers.append(
                Conv(
                    name=f"conv{stage}_{number}", weights=rng.random((outputs, 3, 3, channels), np.float32) < 0.5,
                    pads=(1,) * 4, pad_value=0, thresholds=_signs(rng, outputs, deviation), output=BIPOLAR,
                )
            )  # fmt: skip
            channels = outputs
        layers.append(Pool(name=f"pool{stage}", kind="max", kernel=(2, 2), stride=(2, 2)))
    inputs = channels * (side // 32) ** 2
    for number in range(2):
        weights = rng.random((wide, inputs), np.float32) < 0.5
        layers.append(
            Dense(name=f"dense{number}", weights=weights, thresholds=_signs(rng, wide, inputs**0.5), output=BIPOLAR)
        )
        inputs = wide
    layers.append(Dense(name="scores", weights=rng.random((classes, inputs), np.float32) < 0.5))
    return check(Network(name=f"vgg_{side}", input=_image(side), layers=tuple(layers)))
