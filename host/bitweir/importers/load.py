"""One door for all model files."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from bitweir_hw.files import load_network
from bitweir_hw.network import Network, check

from .errors import ModelError, shown_path
from .inputs import input_range
from .taps import Taps
from .tensors import regular_file

__all__ = ["load_model"]


def load_model(
    path: Path | str, *, input_scale: str | None = None, name: str | None = None, taps: Taps | None = None
) -> Network:
    """Import a model file, exactly.

    Parameters
    ----------
    path : Path or str
        An ``.onnx`` file, whose side files, if any, lie in its folder; a model of Keras or Larq that was saved as
        ``.keras`` or ``.h5`` (``.hdf5``); or a network that was saved as ``.npz``.
    input_scale : str or None
        What a uint8 pixel is multiplied with to become what the model takes: ``"1/255"``, ``"0.0625"``,
        ``"1"``. Or ``"int8"`` (``"int2"`` to it) for a model that takes signed whole numbers. None leaves it to the
        graph, which mostly does not say.
    name : str or None
        Name of the network; None makes one from the file's name.
    taps : Taps or None
        Gets what the network does not tell, for comparisons; of ONNX files only.

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
    numbers = None if input_scale is None else input_range(input_scale)
    regular_file(path, "Model file")
    kind = path.suffix.lower()
    if kind == ".npz":
        network = load_network(path)
        entry = network.input if numbers is None else replace(network.input, pixel_scale=numbers.pixel_scale)
        return check(replace(network, input=entry, name=name or network.name))
    name = _identifier(path.stem) if name is None else name
    # Protocol buffers and HDF5 take a moment to import, so nothing pays for them that reads no such model.
    if kind in (".h5", ".hdf5", ".keras"):
        from .keras import import_keras

        return import_keras(path, numbers=numbers, name=name)
    if kind != ".onnx":
        raise ModelError(
            f"Model file {shown_path(path)} must end in .onnx, .keras, .h5 or .npz; other formats are not yet "
            "supported."
        )
    from .onnx import import_onnx

    return import_onnx(path, numbers=numbers, name=name, taps=taps)


def _identifier(stem: str) -> str:
    """Letters, digits and underscores, not starting with a digit."""
    plain = re.sub(r"\W+", "_", stem, flags=re.ASCII).strip("_")[:60]
    return plain if plain[:1].isalpha() else f"net_{plain}".rstrip("_")
