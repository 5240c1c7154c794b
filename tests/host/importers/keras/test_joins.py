"""Channels one after the other, as in DenseNets, and larger maps, as in U-Nets, of Keras."""

from __future__ import annotations

import pytest
from bitweir.importers import load_model
from bitweir_hw.network import BIPOLAR, Concat, Upsample
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.keras_runs import C, H, Model, W, agree, pixels, says

FORMS = [("m.h5", "keras2"), ("m.keras", "keras3"), ("m.keras", "keras2")]


def first(model: Model, channels: int = 4) -> str:
    """Sums of a map of 7 x 6 pixels, behind a batch norm."""
    model.conv(C, channels, 3, 3, padding="same")
    return model.norm(channels, 20)


def signs(model: Model, x: str, before: int, channels: int) -> str:
    """The signs of the sums of a convolution over x, which are signs."""
    model.conv(before, channels, 3, 3, before=x, padding="same")
    model.norm(channels)
    return model("SteSign")


def made(net, kind: type) -> list:
    return [(layer, end) for layer, _, end in net.placed() if isinstance(layer, kind)]


@pytest.mark.parametrize(("file", "style"), FORMS)
def test_an_encoder_and_a_decoder_with_a_skip(tmp_path, file, style):
    """As in a U-Net: a smaller map, made as large as before, beside the map that was there."""
    model = Model((8, 6, C), seed=1)
    first(model)
    skip = model("SteSign")
    small = model("MaxPooling2D", skip, pool_size=[2, 2])
    deep = signs(model, small, 4, 6)
    large = model("UpSampling2D", deep, size=[2, 2], interpolation="nearest")
    both = model("Concatenate", large, skip, axis=-1)
    signs(model, both, 10, 3)
    model.head(8 * 6 * 3)
    net = agree(model, tmp_path / file, style)
    ((joined, end),) = made(net, Concat)
    ((larger, _),) = [(layer, end) for layer, end in made(net, Upsample)]
    assert end.shape == (8, 6, 10) and end.format == BIPOLAR
    assert larger.factors == (2, 2) and joined.branches[1] == ()


@pytest.mark.parametrize(("file", "style"), FORMS)
def test_dense_blocks(tmp_path, file, style):
    """Each layer takes the results of all layers before it, and nothing is computed twice."""
    model = Model(seed=2)
    first(model)
    features, channels = [model("SteSign")], 4
    for growth in (3, 2):
        x = features[0] if len(features) == 1 else model("Concatenate", *features, axis=3)
        features.append(signs(model, x, channels, growth))
        channels += growth
    model("Concatenate", *features)
    model.head(H * W * channels, input_quantizer=None)
    net = agree(model, tmp_path / file, style)
    assert [layer.name for layer, _, _ in net.placed()] == ["conv0", "conv1", "concat0", "conv2", "concat1", "dense0"]
    assert net.placed()[-2][2].shape == (H, W, 9)


def test_sums_of_different_scales(tmp_path):
    """Each channel has its slope and offset, behind which the thresholds of the next quantiser stand."""
    model = Model(seed=3)
    first(model)
    x = model("SteSign")
    parts = []
    for channels, size in ((3, 3), (2, 1)):
        model.conv(4, channels, size, size, before=x, padding="same", input_quantizer="ste_sign")
        parts.append(model.norm(channels))
    model("Concatenate", *parts, x, axis=-1)
    model.norm(9, 1)
    model.head(H * W * 9)
    model.reference(pixels(model.shape), calibrate=True)
    net = agree(model, tmp_path / "m.h5", "keras2")
    assert [end.format for _, end in made(net, Concat)] == [None]


def test_flat_vectors(tmp_path):
    """The elements of maps, one map after the other, in front of a dense layer."""
    model = Model(seed=4)
    first(model)
    x = model("SteSign")
    flat = [model("Flatten", signs(model, x, 4, channels)) for channels in (2, 3)]
    model("Concatenate", *flat, axis=1)
    model("QuantDense", weights={"kernel": model.latent(H * W * 5, 4)}, kernel_quantizer="ste_sign", use_bias=False)
    net = agree(model, tmp_path / "m.keras", "keras3")
    assert [end.shape for _, end in made(net, Concat)] == [(H, W, 5)]


def test_a_border_around_joined_maps(tmp_path):
    model = Model(seed=5)
    first(model)
    x = model("SteSign")
    y = signs(model, x, 4, 2)
    model("Concatenate", y, x, axis=-1)
    model("ZeroPadding2D", padding=[[1, 0], [2, 1]])
    model.conv(6, 3, 3, 3)
    model.norm(3)
    model.head((H - 1) * (W + 1) * 3)
    agree(model, tmp_path / "m.h5", "keras2")


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data())
def test_drawn_joins(tmp_path, in_process, data):
    """Branches with any quantiser and pool, maps of any size, larger by any factors, in any order."""
    draw = data.draw
    rows, columns = (draw(st.integers(1, 3)) for _ in range(2))
    factors = [draw(st.integers(1, 3)) for _ in range(2)]
    model = Model((rows * factors[0], columns * factors[1], C), draw(st.integers(0, 999)))
    first(model, 3)
    kind = draw(st.sampled_from(["SteSign", "SteHeaviside"]))
    x = model("QuantActivation", quantizer="ste_sign" if kind == "SteSign" else "ste_heaviside")
    parts, channels = [], 0
    for _ in range(draw(st.integers(1, 3))):
        growth = draw(st.integers(1, 3))
        y = model("MaxPooling2D", x, pool_size=factors, strides=factors)
        model.conv(3, growth, 1, 1, before=y, use_bias=draw(st.booleans()))
        y = model.norm(growth)
        early = draw(st.booleans())
        y = model("QuantActivation", y, quantizer="ste_sign") if early else y
        y = model("UpSampling2D", y, size=factors, interpolation="nearest")
        parts.append(y if early else model("QuantActivation", y, quantizer="ste_sign"))
        channels += growth
    if draw(st.booleans()) or len(parts) < 2:
        parts.append(x)
        channels += 3
    model("Concatenate", *draw(st.permutations(parts)), axis=-1)
    model.head(rows * factors[0] * columns * factors[1] * channels, input_quantizer=None)
    model.reference(pixels(model.shape), calibrate=True)
    file, style = draw(st.sampled_from(FORMS))
    # Codes 0 and 1 beside -1 and +1 become codes of one kind, so that all scores are one factor larger, and shifted.
    agree(model, tmp_path / file, style, varied=False, exactly=kind == "SteSign")


# ---- refused


def two_maps(**config):
    def build(model: Model) -> None:
        x = first(model)
        y = model.conv(4, 3, 1, 1, before=x, input_quantizer="ste_sign")
        model("Concatenate", x, y, name="it", **config)

    return build


def an_upsampling(**config):
    def build(model: Model) -> None:
        first(model)
        model("SteSign")
        model("UpSampling2D", name="it", **config)
        model.head(14 * 12 * 4)

    return build


def of_other_sizes(model: Model) -> None:
    x = first(model)
    y = model("MaxPooling2D", x, pool_size=[2, 2])
    model("Concatenate", x, y, name="it", axis=-1)


def of_other_axes(model: Model) -> None:
    x = first(model)
    y = model("Flatten", x)
    model("Concatenate", x, y, name="it", axis=-1)


def alone(model: Model) -> None:
    model("Concatenate", first(model), name="it", axis=-1)


REFUSED = {
    "Layer Concatenate 'it' cannot be folded: its axis must be that of the channels, the last, not '1'.": (
        two_maps(axis=1)
    ),
    "Layer Concatenate 'it' cannot be folded: its axis must be that of the channels, the last, not '-2'.": (
        two_maps(axis=-2)
    ),
    "Layer Concatenate 'it' cannot be folded: it must join two values or more, not 1.": alone,
    "Layer Concatenate 'it' cannot be folded: it must join values of as many axes.": of_other_axes,
    "Layer Concatenate 'it' cannot be folded: it must join values that differ in their channels alone, not (7, 6, 4) "
    "and (3, 3, 4).": of_other_sizes,
    "Layer UpSampling2D 'it' cannot be folded: its interpolation must be nearest, not 'bilinear', which mixes "
    "pixels.": an_upsampling(interpolation="bilinear"),
    "Layer UpSampling2D 'it' cannot be folded: its size must be two whole numbers of 1 or more, not '[0, 2]'.": (
        an_upsampling(size=[0, 2])
    ),
}


@pytest.mark.parametrize("text", REFUSED)
def test_joins_that_are_refused(tmp_path, in_process, text):
    model = Model()
    REFUSED[text](model)
    path = model.save(tmp_path / "m.h5", "keras2")
    with says(text):
        load_model(path, input_scale="1")
