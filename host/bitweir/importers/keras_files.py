"""Keras files, read without trust: HDF5 and zip, without TensorFlow, and nothing is ever written to disk.

``.h5`` holds the configuration in an attribute and the weights under the names of their layers. ``.keras`` is
a zip archive of a configuration and an HDF5 file in which layers are numbered by their class.

Sizes are checked before anything is read. Links that lead out of a group, virtual and external data sets, and
object references are not followed.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from math import prod
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from .errors import ModelError, shown, shown_path
from .tensors import MAX_ELEMENTS, MAX_FILE, regular_file

__all__ = ["KerasFile", "open_keras", "snake_case"]

#: Bytes of a configuration; the deepest networks have some hundred thousand.
_MAX_CONFIG = 1 << 24
#: Bytes of the directory of a zip archive; three members are of interest.
_MAX_DIRECTORY = 1 << 20
#: Names in an attribute, and parts of a path.
_MAX_NAMES, _MAX_PARTS = 1 << 12, 32
#: Compressed data above this size may not grow more than this many times.
_SMALL, _MAX_GROWTH = 1 << 20, 64


class KerasFile(ABC):
    """An open file.

    Parameters
    ----------
    config : dict
        Of the whole model.
    root : h5py.Group
        Below which weights are.
    """

    def __init__(self, config: dict[str, Any], root: h5py.Group) -> None:
        self.config = config
        self._root = root
        self._elements = 0

    def restart(self) -> None:
        """Forget how much was read, before all of it is read once more."""
        self._elements = 0

    @abstractmethod
    def arrays(
        self, label: str, layer: str, place: str, names: Sequence[tuple[str, ...]]
    ) -> dict[str, NDArray[np.float32]]:
        """The weights of a layer by their first name.

        Parameters
        ----------
        label : str
            Of the layer, for messages.
        layer : str
            Its name in the configuration.
        place : str
            Its class in snake case, with the number among the layers of this class.
        names : sequence of tuple of str
            The names that each weight may have, in the order of the file.

        Raises
        ------
        ModelError
            They are not all there, or may not be read.
        """

    def _array(self, label: str, where: h5py.Group, path: str) -> NDArray[np.float32]:
        """The data set at a path, as float32 as Keras computes with it."""
        data = _followed(where, path)
        if not isinstance(data, h5py.Dataset):
            raise ModelError(
                f"Layer {label} needs the weight {shown(path)}, which the file does not hold: save it again."
            )
        if data.is_virtual or data.external:
            raise ModelError(f"Layer {label} must have the weight {shown(path)} inside the file: save the model again.")
        shape, dtype = data.shape, data.dtype
        if dtype.kind not in "fiu" or dtype.itemsize > 8 or shape is None:
            raise ModelError(f"Layer {label} must have plain numbers as weight {shown(path)}, not {shown(dtype)}.")
        self._elements += prod(shape)
        if len(shape) > 8 or self._elements > MAX_ELEMENTS:
            raise ModelError(
                f"Layer {label} must have weights of moderate size, at most {MAX_ELEMENTS} elements in the whole "
                f"model, not {shape} for {shown(path)}."
            )
        size, stored = data.nbytes, data.id.get_storage_size()
        if (size and not stored) or (size > _SMALL and size > _MAX_GROWTH * stored):
            raise ModelError(
                f"Layer {label} has a weight {shown(path)} of {size} bytes, of which the file holds {stored}: "
                "save the model again, without compression."
            )
        return np.asarray(data[()]).astype(np.float32)


class _H5(KerasFile):
    """An ``.h5`` file of ``model.save``."""

    def arrays(
        self, label: str, layer: str, place: str, names: Sequence[tuple[str, ...]]
    ) -> dict[str, NDArray[np.float32]]:
        group = _followed(self._root, layer)
        if not isinstance(group, h5py.Group):
            raise ModelError(f"Layer {label} has no weights in the file: save the whole model again, with model.save.")
        # Paths end as in 'dense/kernel:0'.
        paths = {path.split("/")[-1].split(":")[0]: path for path in _names(group, "weight_names")}
        found = {}
        for choices in names:
            path = next((paths.pop(name) for name in choices if name in paths), None)
            if path is None:
                raise ModelError(
                    f"Layer {label} needs a weight {shown(choices[0])}, which the file does not hold: its "
                    "configuration and its weights are of different models."
                )
            found[choices[0]] = self._array(label, group, path)
        if paths:
            raise ModelError(f"Layer {label} has a weight {shown(min(paths))} that such a layer does not use.")
        return found


class _Archive(KerasFile):
    """A ``.keras`` file."""

    def arrays(
        self, label: str, layer: str, place: str, names: Sequence[tuple[str, ...]]
    ) -> dict[str, NDArray[np.float32]]:
        found = {
            choices[0]: self._array(label, self._root, f"layers/{place}/vars/{index}")
            for index, choices in enumerate(names)
        }
        if _followed(self._root, f"layers/{place}/vars/{len(names)}") is not None:
            raise ModelError(f"Layer {label} must have {len(names)} weights in the file, but it holds more of them.")
        return found


def open_keras(path: Path, use: Callable[[KerasFile], Any]) -> Any:
    """What `use` makes of a file, which is open meanwhile.

    Raises
    ------
    ModelError
        It is no Keras file, or holds no model.
    """
    regular_file(path, "Model file")
    if path.suffix.lower() == ".keras":
        text, weights = _members(path)
        with _hdf5(io.BytesIO(weights), path) as file:
            return use(_Archive(_parsed(text, path), file))
    with _hdf5(path, path) as file:
        config = _attribute(file, "model_config")
        root = _followed(file, "model_weights")
        if not isinstance(config, str) or not isinstance(root, h5py.Group):
            raise ModelError(
                f"Model file {shown_path(path)} must hold a whole model, but it has no model_config or no "
                "model_weights: save it with model.save, not with save_weights."
            )
        return use(_H5(_parsed(config, path), root))


def snake_case(name: str) -> str:
    """A class name as Keras turns it into the name of a group: QuantConv2D is quant_conv2d."""
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def _hdf5(source: Path | io.BytesIO, path: Path) -> h5py.File:
    try:
        # Without a lock, files on read-only volumes open too.
        return h5py.File(source, "r", locking=False)
    except Exception as error:  # whatever the library says about hostile bytes
        raise ModelError(f"Model file {shown_path(path)} is no Keras file, or it is damaged: save it again.") from error


def _parsed(text: str | bytes, path: Path) -> dict[str, Any]:
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"Model file {shown_path(path)} has a damaged configuration: save it again.") from error
    if not isinstance(config, dict):
        raise ModelError(f"Model file {shown_path(path)} has a damaged configuration: save it again.")
    return config


# ---- HDF5


def _followed(group: h5py.Group, path: str) -> Any:
    """What lies at a path, by hard links alone; None where there is nothing."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if len(parts) > _MAX_PARTS or "\0" in path:
        return None
    place: Any = group
    for part in parts:
        if not isinstance(place, h5py.Group):
            return None
        link = place.get(part, getlink=True)
        if link is None:
            return None
        if not isinstance(link, h5py.HardLink):
            raise ModelError(f"The file must hold {shown(path)} itself, not a link to it: save the model again.")
        place = place[part]
    return place


def _attribute(holder: h5py.Group, name: str) -> str | list[str] | None:
    """A text or a list of texts; None where there is none of moderate size."""
    if name not in holder.attrs:
        return None
    kind = holder.attrs.get_id(name)
    if kind.shape == (0,):
        return []  # Keras stores an empty list as numbers
    if len(kind.shape) > 1 or prod(kind.shape) > _MAX_NAMES or h5py.check_string_dtype(kind.dtype) is None:
        return None
    if prod(kind.shape) * kind.dtype.itemsize > _MAX_CONFIG:
        return None
    value = holder.attrs[name]
    texts = [x.decode("utf-8", "replace") if isinstance(x, bytes) else str(x) for x in np.atleast_1d(value).tolist()]
    if sum(map(len, texts)) > _MAX_CONFIG:
        raise ModelError(f"Attribute {shown(name)} of the file must be of moderate size, at most {_MAX_CONFIG} bytes.")
    return texts if kind.shape else texts[0]


def _names(group: h5py.Group, name: str) -> list[str]:
    """A list of names, which Keras cuts into numbered pieces where it is long."""
    whole = _attribute(group, name)
    if whole is not None:
        return whole if isinstance(whole, list) else [whole]
    texts: list[str] = []
    for number in range(_MAX_NAMES):
        piece = _attribute(group, f"{name}{number}")
        if not isinstance(piece, list):
            break
        texts += piece
    return texts


# ---- zip


class _Guarded(io.FileIO):
    """A file that hands out no more than `most` bytes at once.

    `zipfile` reads the directory of an archive, of whatever size, in one piece and makes objects of it; the
    directory then seems cut off, and is refused.
    """

    most = _MAX_DIRECTORY

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(self.most if size is None or not 0 <= size <= self.most else size) or b""


def _members(path: Path) -> tuple[bytes, bytes]:
    """Configuration and weights."""
    try:
        with _Guarded(str(path)) as raw, zipfile.ZipFile(raw) as archive:
            raw.most = MAX_FILE
            return _member(archive, "config.json", _MAX_CONFIG), _member(archive, "model.weights.h5", MAX_FILE // 2)
    except KeyError as error:
        raise ModelError(
            f"Model file {shown_path(path)} must hold config.json and model.weights.h5: save it with model.save."
        ) from error
    except ModelError:
        raise
    except Exception as error:  # whatever zipfile says about hostile bytes
        raise ModelError(
            f"Model file {shown_path(path)} is no .keras file, or it is damaged: save it again."
        ) from error


def _member(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    entry = archive.getinfo(name)
    size, stored = entry.file_size, entry.compress_size
    if size > most or (size > _SMALL and size > _MAX_GROWTH * stored):
        raise ModelError(
            f"The member {name} of the file must have at most {most} bytes and grow at most {_MAX_GROWTH} times when "
            f"it is unpacked; it has {size} bytes from {stored}."
        )
    with archive.open(entry) as file:
        # A directory can lie about sizes: what comes out is bounded as well.
        data = file.read(size + 1)
    if len(data) != size:
        raise ModelError(f"The member {name} of the file is damaged: it has another size than its directory says.")
    return data
