"""One door for all model files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bitweir_hw.errors import NetworkError
from bitweir_hw.files import load_network
from bitweir_hw.network import Input, Network, Stored, check

from .errors import ModelError, shown_path
from .files import regular_file
from .folding.provenance import Taps
from .folding.real_weights import Rounding, WeightBits
from .inputs import stored_input

__all__ = ["load_model"]

#: What asks for a kind of result, where its own name is not all.
_ASKED = {"classes": ("class", "classes")}
_ARTICLES = {
    "class": "a class",
    "labels": "labels",
    "scores": "scores",
    "codes": "codes",
    "classes": "the classes of pixels",
}


#: What other formats are, by their suffixes, and what to do instead.
_TORCH = (
    "is a checkpoint of PyTorch, which holds weights but not what the network computes: build the model, load the "
    "weights, and export it with torch.onnx.export(model.eval(), example, 'model.onnx')"
)
_SAVED_MODEL = (
    "is a SavedModel of TensorFlow, which is not read: save the model with model.save('model.keras') or "
    "model.save('model.h5'), or convert it with tf2onnx"
)
_UNKNOWN = "must end in .onnx, .keras, .h5, .hdf5 or .npz: export the model to ONNX, which all frameworks can"
_FORMATS = {
    **dict.fromkeys((".bin", ".ckpt", ".pt", ".pth", ".pt2", ".safetensors", ".torchscript"), _TORCH),
    **dict.fromkeys(
        (".pkl", ".pickle", ".joblib"),
        "is a Python pickle, which can run code when it is read, so it is not: export the model to ONNX",
    ),
    ".pb": _SAVED_MODEL,
    ".tflite": "is of TensorFlow Lite, which is not read: save the Keras model that it was made from as .keras or .h5, "
    "or convert it with tf2onnx",
}
#: How files begin that have the suffix of another format.
_BEGINNINGS = {
    b"version https://git-lfs": "is a pointer of Git LFS and not the file itself: fetch it with git lfs pull",
    b"<!DOCTYPE": "is a web page: download the file itself",
    b"<html": "is a web page: download the file itself",
}


def _check_content(path: Path) -> None:
    """Refuse what is plainly something else than its name says."""
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except OSError as error:
        raise ModelError(f"Model file {shown_path(path)} cannot be read: {error.strerror}.") from error
    told = next((text for beginning, text in _BEGINNINGS.items() if start.startswith(beginning)), "")
    if path.suffix.lower() == ".onnx" and start.startswith((b"PK\x03\x04", b"\x80\x02")):
        told = _TORCH
    elif path.suffix.lower() == ".onnx" and start.startswith(b"\x89HDF"):
        told = "is an HDF5 file: give it the suffix .h5"
    if told:
        raise ModelError(f"Model file {shown_path(path)} {told}.")


def load_model(
    path: Path | str,
    *,
    input_scale: str | None = None,
    input_range: str | None = None,
    name: str | None = None,
    taps: Taps | None = None,
    result: str | None = None,
    weight_bits: WeightBits | None = None,
    heads: Sequence[str] = (),
) -> Network:
    """Import a model file, exactly but for weights that the user lets it round.

    Parameters
    ----------
    path : Path or str
        An ``.onnx`` file, whose side files, if any, lie in its folder; a model of Keras or Larq that was saved as
        ``.keras`` or ``.h5`` (``.hdf5``); or a network that was saved as ``.npz``.
    input_scale : str or None
        The rule from an integer as which images are stored, such as a pixel, to what the model takes: ``"1/255"``,
        ``"x/127.5-1"``, ``"(x-33)/79"``; see `inputs.parsed_rule`. Or ``"int8"`` and its like for a model that takes
        signed whole numbers.
    input_range : str or None
        Which integers arrive, ``"LOW:HIGH"``: 0 to 255 where only the rule is given. Alone it means that the model
        takes the integers as they are. Without both, it is left to the graph, which mostly does not say.
    name : str or None
        Name of the network; None makes one from the file's name.
    taps : Taps or None
        Gets what the network does not tell, for comparisons; not of networks.
    result : str or None
        What the result should be: ``"class"``, ``"labels"``, ``"scores"``, or ``"classes"``, one for each pixel of a
        map. None is what the file says: labels behind a sigmoid, codes behind a quantiser, scores of a map where
        nothing chooses among its channels, a score where there is one output, else a class.
    weight_bits : WeightBits or None
        Real weights are rounded to so many bits; see `folding.real_weights`.
    heads : sequence of str
        Which outputs of an ONNX file are the result; several follow one another in it.

    Returns
    -------
    Network
        Checked.

    Raises
    ------
    ModelError
        One sentence: what in the file, which rule, which value, what helps.
    """
    path = Path(path)
    numbers = None if input_scale is None and input_range is None else stored_input(input_scale, input_range)
    if path.is_dir() and ((path / "saved_model.pb").exists() or (path / "keras_metadata.pb").exists()):
        raise ModelError(f"Model file {shown_path(path)} {_SAVED_MODEL}.")
    regular_file(path, "Model file")
    _check_content(path)
    kind = path.suffix.lower()
    if heads and kind != ".onnx":
        raise ModelError(
            f"Outputs (--head, in Python head=) can be chosen of ONNX files only, not of {shown_path(path)}: in Keras, "
            "save keras.Model(model.inputs, model.outputs[0])."
        )
    if kind == ".npz":
        network = load_network(path)
        if weight_bits is not None:
            Rounding(weight_bits).finish()  # no layer of it has real weights
        if result is not None and result not in _ASKED.get(network.readout.kind, (network.readout.kind,)):
            raise ModelError(
                f"The result of the saved network {shown_path(path)} is {_ARTICLES[network.readout.kind]}, not "
                f"{_ARTICLES.get(result, result)}: give --result (in Python result=) where its model file is imported."
            )
        entry = network.input if numbers is None else _meaning(network.input, numbers)
        return check(replace(network, input=entry, name=name or network.name))
    name = _identifier(path.stem) if name is None else name
    # Protocol buffers and HDF5 take a moment to import, so nothing pays for them that reads no such model.
    if kind in (".h5", ".hdf5", ".keras"):
        from .keras import import_keras

        return import_keras(path, numbers=numbers, name=name, taps=taps, result=result, weight_bits=weight_bits)
    if kind != ".onnx":
        raise ModelError(f"Model file {shown_path(path)} {_FORMATS.get(kind, _UNKNOWN)}.")
    from .onnx import import_onnx

    return import_onnx(path, numbers=numbers, name=name, taps=taps, result=result, weight_bits=weight_bits, heads=heads)


def _meaning(entry: Input, numbers: Stored) -> Input:
    """The input of a saved network, with another meaning of stored integers."""
    try:
        numbers = numbers.along(entry.shape, 0)
    except NetworkError as error:
        raise ModelError(str(error)) from error
    if entry.thresholds is None and numbers != entry.stored:
        assert entry.stored is not None
        raise ModelError(
            f"The input of the network carries the integers {entry.stored.low} to {entry.stored.high} by the rule "
            f"{entry.stored.rule}, which its weights and thresholds hold: import the model file again for other ones."
        )
    return replace(entry, stored=numbers)


def _identifier(stem: str) -> str:
    """Letters, digits and underscores, not starting with a digit."""
    plain = re.sub(r"\W+", "_", stem, flags=re.ASCII).strip("_")[:60]
    return plain if plain[:1].isalpha() else f"net_{plain}".rstrip("_")
