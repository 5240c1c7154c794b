"""Keras models and graphs that are refused, each with its reason."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from bitweir.importers import ModelError, load_model
from support.keras_runs import (
    C,
    Model,
    first,
    larq,
    says,
    small,
)


def after_first(kind: str, **config):
    def build(model: Model) -> None:
        first(model)
        model(kind, name="it", **config)
        model.head(5 * 4 * 4)

    return build


def a_convolution(**config):
    def build(model: Model) -> None:
        first(model)
        model.conv(4, 2, 3, 3, name="it", **{"input_quantizer": "ste_sign", **config})
        model.head(3 * 2 * 2)

    return build


def a_dense_layer(kernel, **config):
    def build(model: Model) -> None:
        first(model)
        model.head(5 * 4 * 4)
        weights = {"kernel": np.asarray(kernel, np.float32)}
        model("Dense", name="it", weights=weights, **{"use_bias": False, "input_quantizer": "ste_sign", **config})

    return build


def two_borders(model: Model) -> None:
    first(model)
    model("SteSign")
    model("ZeroPadding2D", padding=[[1, 1], [1, 1]])
    model.conv(4, 2, 3, 3, padding="same", pad_values=1.0, name="it")
    model.head(7 * 6 * 2)


REFUSED = {
    "Layer QuantConv2D 'first' must have the data_format 'channels_last', not 'channels_first': build the model with "
    "channels last and load its weights there.": lambda model: first(model, data_format="channels_first"),
    "Layer QuantConv2D 'first' must compute in float32, not 'mixed_float16': save the model as float32.": (
        lambda model: first(model, dtype={"class_name": "Policy", "config": {"name": "mixed_float16"}})
    ),
    "Layer Cropping2D 'it' cannot be folded: its cropping must leave at least one pixel of the frame of shape (5, 4, "
    "4).": after_first("Cropping2D", cropping=[[2, 3], [0, 0]]),
    "Layer Cropping2D 'it' cannot be folded: its cropping must be whole numbers of 0 or more for rows and columns, not "
    "'[1]'.": after_first("Cropping2D", cropping=[1]),
    "Layer Lambda 'it' holds Python code, which is never run: replace it by layers.": after_first("Lambda"),
    "Layer Conv3DTranspose 'it' is a transposed convolution over maps that do not have two dimensions, which is not "
    "supported: use UpSampling2D with the interpolation nearest, and a convolution behind it.": after_first(
        "Conv3DTranspose"
    ),
    "Layer Sequential 'it' must not be a model itself: call its layers in the outer model.": after_first("Sequential"),
    "Layer Activation 'it' cannot be folded: its activation 'mish' is not supported: use relu, hard_tanh or a "
    "quantiser of Larq, or softmax at the end.": after_first("Activation", activation="mish"),
    "Layer Activation 'it' cannot be folded: its hard_sigmoid is another function in Keras 3 than before, and the file "
    "does not say which version of Keras wrote it: save it again with model.save, or use hard_tanh.": after_first(
        "Activation", activation="hard_sigmoid"
    ),
    "Layer PReLU 'it' cannot be folded: its slopes of shape (3,) must fit frames of shape (5, 4, 4).": after_first(
        "PReLU", weights={"alpha": np.ones(3, np.float32)}
    ),
    "Layer FixedPointQuantizer 'it' is of HGQ, whose numbers have steps of their own for each element and wrap around, "
    "which is not read: use QDense, QConv2D and QActivation of QKeras, with one quantiser for a tensor.": after_first(
        "FixedPointQuantizer"
    ),
    "Layer ReLU 'it' cannot be folded: its threshold must be 0.": after_first("ReLU", threshold=1.0),
    "Layer Reshape 'it' cannot be folded: its target_shape [7, -1] must have as many elements as the frame of shape "
    "(5, 4, 4).": after_first("Reshape", target_shape=[7, -1]),
    "Layer MaxPooling2D 'it' cannot be folded: its window [9, 9] must fit into the map of [5, 4].": after_first(
        "MaxPooling2D", pool_size=[9, 9]
    ),
    "Layer MaxPooling2D 'it' cannot be folded: its pool_size must be two whole numbers of 1 or more, not '[0, 2]'.": (
        after_first("MaxPooling2D", pool_size=[0, 2])
    ),
    "Layer BatchNormalization 'it' cannot be folded: its axis must be that of the channels, the last, not '1'.": (
        after_first("BatchNormalization", axis=[1])
    ),
    "Layer BatchNormalization 'it' needs a weight 'gamma', which the file does not hold: its configuration and its "
    "weights are of different models.": after_first("BatchNormalization"),
    "Layer Add 'it' cannot be folded: it must add two values or more, not 1.": after_first("Add"),
    "Layer Rescaling 'it' cannot be folded: its scale must be a finite number, not 'None'.": after_first("Rescaling"),
    "Layer QuantDense 'quantdense_5' must not follow Softmax 'it', because each result of a softmax depends on all of "
    "its inputs: leave the softmax out and work on the scores themselves, or save the model up to it.": after_first(
        "Softmax"
    ),
    "Layer QuantConv2D 'it' must take quantised activations, but the sums of conv0 arrive unquantised: put a "
    "quantiser of 1 to 8 bits between the two layers, such as a sign.": a_convolution(input_quantizer=None),
    "Layer QuantConv2D 'it' cannot be folded: its input_quantizer magnitude_aware_sign takes a scale from all values "
    "of a batch, which hardware never has: use it for kernels only, and ste_sign for inputs.": a_convolution(
        input_quantizer="magnitude_aware_sign"
    ),
    "Layer QuantConv2D 'it' cannot be folded: its quantiser 'mine' is none of Larq's or QKeras's that are read: use "
    "ste_sign, ste_tern or dorefa_quantizer, or quantized_bits and quantized_relu.": a_convolution(
        kernel_quantizer="mine"
    ),
    "Layer QuantConv2D 'it' cannot be folded: its quantiser 'DoReFa' must have a k_bit of 1 to 8 for activations or "
    "weights, not '9' for 'activations'.": a_convolution(input_quantizer=larq("DoReFa", k_bit=9)),
    "Layer QuantConv2D 'it' cannot be folded: its dilation_rate must be two whole numbers of 1 or more, not "
    "'[0, 2]'.": a_convolution(dilation_rate=[0, 2]),
    "Layer QuantConv2D 'it' cannot be folded: its padding must be 'same' or 'valid', not 'causal'.": a_convolution(
        padding="causal"
    ),
    "Layer QuantConv2D 'it' must divide 4 channels into 3 groups": a_convolution(groups=3),
    "Layer QuantConv2D 'it' cannot be folded: it must not pad with 1 a map that has a border of 0.": two_borders,
    "Layer Dense 'it' must have quantised weights, but it holds floating point numbers of 5 sizes and has no "
    "kernel_quantizer: use the layer of Larq with one, make the weights whole multiples of one scale, or let "
    "bitweir round them with --weight-bits 8.": (
        a_dense_layer([[1], [2**0.5], [1.1], [1.2], [1.3]])
    ),
    "Layer Dense 'it' must have finite numbers as weights": a_dense_layer([[np.nan]] * 5),
    "Layer Dense 'it' cannot be folded: its weights must be finite": a_dense_layer(
        [[np.inf]] * 5, kernel_quantizer="ste_sign"
    ),
    "Layer Dense 'it' must multiply frames of shape (3,), not (5,)": a_dense_layer([[1.0]] * 3),
    "After the last layer only an affine map may follow, not a ReLU or clip: it makes ties; "
    "export the model": a_dense_layer(
        [[1.0, 1]] * 5, activation="relu"
    ),
    "Layer QuantDense 'it' must not follow Softmax 'end', because each result of a softmax depends on all of its "
    "inputs: "
    "leave the softmax out and work on the scores themselves, or save the model up to it.": lambda model: (
        first(model), model.head(80), model("Softmax", name="end"), model("QuantDense", name="it")
    ),
    "The output of the model must come from a last layer, not be the input": lambda model: model("SteSign"),
}  # fmt: skip


@pytest.mark.parametrize("text", REFUSED)
def test_models_that_are_refused(tmp_path, in_process, text):
    model = Model()
    REFUSED[text](model)
    with says(text):
        load_model(model.save(tmp_path / "m.h5"), input_scale="1")


def test_all_of_it_is_told(tmp_path, in_process):
    """Classes first, each once; then what else is wrong, also behind layers that are refused."""
    model = Model()
    model.conv(C, 4, 3, 3, name="first", kernel_quantizer=None)
    for name in ("one", "two"):
        model("LayerNormalization", name=name)
    model("ELU", name="curve")
    model.head(5 * 4 * 4, name="last", kernel_quantizer=None)
    with pytest.raises(ModelError) as caught:
        load_model(model.save(tmp_path / "m.h5"), input_scale="1")
    assert str(caught.value) == (
        "The model cannot be imported for 3 reasons. (1) Layer LayerNormalization 'one' divides by a statistic of "
        "each image, which no constant threshold can follow: use BatchNormalization, whose statistics are constant. "
        "The same holds for LayerNormalization 'two'. (2) Layer ELU 'curve' is a curve of which no exact thresholds "
        "are known here: use ReLU, LeakyReLU, PReLU, or hard_tanh, tanh or sigmoid before the quantiser. (3) Layer "
        "QuantConv2D 'first' must have quantised weights, but it holds floating point numbers of 72 sizes and has no "
        "kernel_quantizer: use the layer of Larq with one, make the weights whole multiples of one scale, or let "
        "bitweir round them with --weight-bits 8. The same "
        "holds for QuantDense 'last'."
    )


@pytest.mark.parametrize("curve", ["tanh", "sigmoid"])
def test_curves_before_a_quantiser(tmp_path, in_process, curve):
    """They rise, so the sign of a tanh is that of its argument, and a sigmoid, which is positive, gives +1 alone."""
    networks = []
    for activation in (curve, "linear"):
        model = Model(seed=3)
        first(model)
        model("Activation", activation=activation)
        model.head(5 * 4 * 4)
        networks.append(load_model(model.save(tmp_path / f"{activation}.h5"), input_scale="1"))
    thresholds = [network.layers[0].thresholds for network in networks]
    if curve == "tanh":
        assert np.array_equal(*thresholds)
    else:
        assert (thresholds[0] <= -(2**10)).all() and not np.array_equal(*thresholds)
    assert not any("left out" in note for note in networks[0].notes)


def test_a_graph_that_unknown_layers_make_unreadable(tmp_path, in_process):
    model = Model()
    first(model)
    model("MultiHeadAttention", name="look")
    model.head(80)
    path = model.save(tmp_path / "m.h5")
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        for layer in config["config"]["layers"]:
            if layer["config"]["name"] == "look":
                layer["inbound_nodes"] = [[["first", 0, 0, {"value": ["first", 0, 0]}]]]
        file.attrs["model_config"] = json.dumps(config)
    with pytest.raises(
        ModelError, match="^Layer MultiHeadAttention 'look' multiplies values that all depend on the image"
    ):
        load_model(path, input_scale="1")


def test_a_first_layer_of_many_bits_asks_what_a_pixel_is(tmp_path):
    model = Model()
    first(model)
    with says("Layer QuantConv2D 'first' takes the input of the model as it is, without a quantiser: say what a pixel"):
        load_model(model.save(tmp_path / "m.h5"))


def changed(path: Path, change, style="keras2") -> Path:
    model = small()
    config = model.config(style)
    entries = {entry["name"]: entry for entry in config["config"]["layers"]}
    change(config, entries)
    return model.save(path, config=config)


def put(name: str, value):
    return lambda config, entries: entries[name].update(inbound_nodes=value)


def model_with(**options):
    return lambda config, entries: config["config"].update(options)


def layer_with(layer: str, **options):
    return lambda config, entries: entries[layer]["config"].update(options)


GRAPHS = {
    "The model must be Sequential or Functional, not 'Mine': build it from layers": lambda config, entries: (
        config.update(class_name="Mine")
    ),
    "The model must have no cycle, but layer SteSign 'sign' depends on itself.": put("sign", [[["sum", 0, 0, {}]]]),
    "Layer SteSign 'sign' needs 'gone', which nothing makes.": put("sign", [[["gone", 0, 0, {}]]]),
    "Layer SteSign 'sign' must take the results of other layers, and nothing else.": put("sign", [[["conv", 0, 1]]]),
    "Layer SteSign 'sign' must say which layers it follows: the file is damaged.": put("sign", None),
    "Layer SteSign 'sign' must take the result of one layer, not of 2: join them with Add before it.": put(
        "sign", [[["conv", 0, 0], ["conv", 0, 0]]]
    ),
    "The model must have one output, not 2: save keras.Model(model.inputs, model.outputs[0]), or another one of its "
    "outputs.": model_with(output_layers=[["end", 0, 0], ["sum", 0, 0]]),
    "The model must have one input, not 2: join the inputs.": model_with(input_layers=[["a", 0, 0], ["b", 0, 0]]),
    "The output 'gone' of the model must be made by a layer": model_with(output_layers=[["gone", 0, 0]]),
    "The input 'conv' of the model must be an InputLayer": model_with(input_layers=[["conv", 0, 0]]),
    "The configuration of the model must name layers as its input_layers": model_with(input_layers=3),
    "Layer InputLayer 'inputlayer_0' must have a batch axis and fixed positive sizes after it, not the shape "
    "'[None, None, 3, 1]': build the model with a fixed input shape.": layer_with(
        "inputlayer_0", batch_input_shape=[None, None, 3, 1]
    ),
    "Layer InputLayer 'inputlayer_0' must have at most 1048576 elements": layer_with(
        "inputlayer_0", batch_input_shape=[None, 1 << 20, 1 << 20, 1]
    ),
    "Layer SteSign 'conv' must have a name of its own, but two layers have this one.": layer_with("sign", name="conv"),
    "The configuration of the model must list 1 to 4096 layers.": model_with(layers=[]),
    "Layer 1 of the configuration must have a class, a name and a configuration.": lambda config, entries: entries[
        "conv"
    ].pop("config"),
}


@pytest.mark.parametrize("text", GRAPHS)
def test_graphs_that_are_refused(tmp_path, in_process, text):
    with says(text):
        load_model(changed(tmp_path / "m.h5", GRAPHS[text]), input_scale="1")


def test_names_of_the_file_do_not_reach_messages_raw(tmp_path, in_process):
    model = Model()
    model("\x1b[31mFoo\n<b>", name="\x1b[31m" * 50)
    with pytest.raises(ModelError) as caught:
        load_model(model.save(tmp_path / "m.h5"))
    assert str(caught.value).isprintable() and len(str(caught.value)) < 700
