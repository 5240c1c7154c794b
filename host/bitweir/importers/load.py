"""One door for all model files."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from bitweir_hw.files import load_network
from bitweir_hw.network import Network, check

from .errors import ModelError, shown, shown_path
from .tensors import regular_file

__all__ = ["load_model"]


def load_model(path: Path | str, *, input_scale: str | None = None, name: str | None = None) -> Network:
    """Import a model file, exactly.

    Parameters
    ----------
    path : Path or str
        An ``.onnx`` file, whose side files, if any, lie in its folder; or a network that was saved as ``.npz``.
    input_scale : str or None
        What a uint8 pixel is multiplied with to become what the model takes: ``"1/255"``, ``"0.0625"``,
        ``"1"``. None leaves it to the graph, which mostly does not say.
    name : str or None
        Name of the network; None makes one from the file's name.

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
    scale = None if input_scale is None else _scale(input_scale)
    regular_file(path, "Model file")
    kind = path.suffix.lower()
    if kind == ".npz":
        network = load_network(path)
        entry = network.input if scale is None else replace(network.input, pixel_scale=scale)
        return check(replace(network, input=entry, name=name or network.name))
    if kind != ".onnx":
        raise ModelError(
            f"Model file {shown_path(path)} must end in .onnx or .npz; other formats are not yet supported."
        )
    # Protocol buffers take a moment to import, so nothing pays for them that reads no model.
    from .onnx import import_onnx

    return import_onnx(path, input_scale=scale, name=_identifier(path.stem) if name is None else name)


def _scale(text: str) -> str:
    """A positive fraction in lowest terms."""
    plain = text.strip()
    # The pattern keeps Fraction away from exponents, which can be astronomical.
    if re.fullmatch(r"\d{1,9}(/\d{1,9}|\.\d{1,9})?|\.\d{1,9}", plain, re.ASCII):
        over, _, under = plain.partition("/")
        if not under or int(under):
            value = Fraction(over) / Fraction(under or 1)
            if value > 0:
                return str(value)
    raise ModelError(f"Input scale must be a positive number or fraction such as 1/255, not {shown(text)}.")


def _identifier(stem: str) -> str:
    """Letters, digits and underscores, not starting with a digit."""
    plain = re.sub(r"\W+", "_", stem, flags=re.ASCII).strip("_")[:60]
    return plain if plain[:1].isalpha() else f"net_{plain}".rstrip("_")
