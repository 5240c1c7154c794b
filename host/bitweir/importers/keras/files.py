"""Keras files, read without trust and without TensorFlow; nothing is ever written to disk.

``.h5`` holds the configuration in an attribute and the weights under the names of their layers. ``.keras`` is
a zip archive of a configuration and an HDF5 file in which layers are numbered by their class.
"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError, shown, shown_path
from ..files import MAX_ELEMENTS, MAX_FILE, regular_file

__all__ = ["KerasFile", "read_keras", "snake_case"]

#: Bytes of a configuration; the deepest networks have some hundred thousand.
_MAX_CONFIG = 1 << 24
#: Bytes of the directory of a zip archive; three members are of interest.
_MAX_DIRECTORY = 1 << 20
#: Members above this size may not grow more than this many times when they are unpacked.
_SMALL, _MAX_GROWTH = 1 << 20, 64
#: Seconds that reading may take, and bytes a second that it reads at least.
_PATIENCE, _SPEED = 30.0, 1 << 24

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Contents:
    """What `reader` finds in an HDF5 file.

    Parameters
    ----------
    config, version : str or None
        Attributes ``model_config`` and ``keras_version``.
    names : mapping
        The weight names of each group, by its path.
    shapes : mapping
        Of each data set, by its path.
    problems : mapping
        Why data sets were not read: a word, and what is to tell.
    arrays : mapping
        All others.
    """

    config: str | None
    version: str | None
    names: Mapping[str, list[str]]
    shapes: Mapping[str, tuple[int, ...]]
    problems: Mapping[str, tuple[str, str]]
    arrays: Mapping[str, Floats] = field(repr=False)


@dataclass(frozen=True, eq=False)
class KerasFile:
    """A model as the file has it.

    Parameters
    ----------
    config : dict
        Of the whole model.
    contents : Contents
    archive : bool
        It is a ``.keras`` file.
    version : int
        Of Keras, the first number; 0 where the file does not say it.
    """

    config: dict[str, Any]
    contents: Contents
    archive: bool
    version: int = 0

    def arrays(self, label: str, layer: str, place: str, names: Sequence[tuple[str, ...]]) -> dict[str, Floats]:
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
        if self.archive:
            base = f"layers/{place}/vars"
            if f"{base}/{len(names)}" in self.contents.shapes:
                raise ModelError(
                    f"Layer {label} must have {len(names)} weights in the file, but it holds more of them."
                )
            return {choices[0]: self._array(label, f"{base}/{index}") for index, choices in enumerate(names)}
        base = _plain(f"model_weights/{layer}")
        if base not in self.contents.names:
            raise ModelError(f"Layer {label} has no weights in the file: save the whole model again, with model.save.")
        # Paths end as in 'dense/kernel:0'.
        paths = {path.split("/")[-1].split(":")[0]: path for path in self.contents.names[base]}
        found = {}
        for choices in names:
            path = next((paths.pop(name) for name in choices if name in paths), None)
            if path is None:
                raise ModelError(
                    f"Layer {label} needs a weight {shown(choices[0])}, which the file does not hold: its "
                    "configuration and its weights are of different models."
                )
            found[choices[0]] = self._array(label, _plain(f"{base}/{path}"))
        if paths:
            raise ModelError(f"Layer {label} has a weight {shown(min(paths))} that such a layer does not use.")
        return found

    def with_arrays(self, pairs: Sequence[tuple[Floats, Floats]]) -> KerasFile:
        """The same file with other arrays in place of some that `arrays` handed out."""
        others = {id(old): new for old, new in pairs}
        arrays = {path: others.get(id(array), array) for path, array in self.contents.arrays.items()}
        return replace(self, contents=replace(self.contents, arrays=arrays))

    def _array(self, label: str, path: str) -> Floats:
        """The numbers of a data set, as float32 as Keras computes with them."""
        contents, name = self.contents, shown(path)
        if path in contents.arrays:
            return contents.arrays[path]
        problem, detail = contents.problems.get(path, ("", ""))
        shape = contents.shapes.get(path, ())
        raise ModelError(
            f"Layer {label} "
            + {
                "growth": f"has a weight {name} of shape {shape}, of which the file holds {detail} bytes: save the "
                "model again, without compression.",
                "link": f"must have its weight {name} in the file itself, not behind a link: save the model again.",
                "outside": f"must have its weight {name} in the file itself, not in another: save the model again.",
                "size": f"must leave the model at most {MAX_ELEMENTS} numbers in 8 axes; its weight {name} has the "
                f"shape {shape}.",
                "type": f"must have plain numbers as weight {name}, not {shown(detail)}.",
            }.get(problem, f"needs the weight {name}, which the file does not hold: save the model again.")
        )


def read_keras(path: Path) -> KerasFile:
    """Configuration and weights of a file.

    Raises
    ------
    ModelError
        It is no Keras file, or holds no whole model.
    """
    size = regular_file(path, "Model file")
    if path.suffix.lower() == ".keras":
        text, about, weights = _members(path)
        version = _parsed(about, path).get("keras_version") if about else None
        return KerasFile(_parsed(text, path), _hdf5(path, size, weights), True, _first_number(version))
    contents = _hdf5(path, size)
    if contents.config is None or not contents.names:
        raise ModelError(
            f"Model file {shown_path(path)} must hold a whole model, but it has no model_config or no "
            "model_weights: save it with model.save, not with save_weights."
        )
    return KerasFile(_parsed(contents.config, path), contents, False, _first_number(contents.version))


def _first_number(version: Any) -> int:
    found = re.match(r"\d{1,3}(?=\.)", version) if isinstance(version, str) else None
    return int(found[0]) if found else 0


def snake_case(name: str) -> str:
    """A class name as Keras turns it into the name of a group: QuantConv2D is quant_conv2d."""
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def _plain(path: str) -> str:
    """A path as the reader writes it."""
    return "/".join(part for part in path.split("/") if part not in ("", "."))


def _parsed(text: str | bytes, path: Path) -> dict[str, Any]:
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"Model file {shown_path(path)} has a damaged configuration: save it again.") from error
    if not isinstance(config, dict):
        raise ModelError(f"Model file {shown_path(path)} has a damaged configuration: save it again.")
    return config


# ---- HDF5


def _hdf5(path: Path, size: int, weights: bytes | None = None) -> Contents:
    """What the HDF5 file at a path, or the one in memory, holds."""
    source = str(path.absolute()) if weights is None else "-"
    program = Path(__file__).with_name("reader.py")
    patience = _PATIENCE + size / _SPEED
    try:
        done = subprocess.run(
            # Isolated from the folder it runs in; the reader needs no threads, which take address space.
            [sys.executable, "-I", str(program), str(MAX_ELEMENTS), source],
            input=weights if weights is not None else b"", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            timeout=patience, check=True, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        )  # fmt: skip
        return _contents(done.stdout)
    except subprocess.TimeoutExpired as error:
        raise ModelError(
            f"Model file {shown_path(path)} must be readable within {patience:.0f} s, but the HDF5 library does not "
            "come to an end: it is damaged, save it again."
        ) from error
    except (subprocess.CalledProcessError, ValueError) as error:  # whatever the library does to hostile bytes
        raise ModelError(f"Model file {shown_path(path)} is no Keras file, or it is damaged: save it again.") from error


def _contents(data: bytes) -> Contents:
    start = 8 + int.from_bytes(data[:8], "little")
    text = json.loads(data[8:start])
    shapes = {path: tuple(shape) for path, shape, _, _ in text["arrays"]}
    problems = {path: (problem, detail) for path, _, problem, detail in text["arrays"] if problem}
    arrays = {}
    for path, shape, problem, _ in text["arrays"]:
        if not problem:
            arrays[path] = np.frombuffer(data, "<f4", prod(shape), start).reshape(shape)
            start += 4 * prod(shape)
    config, version = (text[name] if isinstance(text[name], str) else None for name in ("config", "version"))
    names = {path: found for path, found in text["names"].items() if path.startswith("model_weights")}
    return Contents(config, version, names, shapes, problems, arrays)


# ---- zip


class _Guarded(io.FileIO):
    """A file that hands out no more than `most` bytes at once.

    `zipfile` reads the directory of an archive, of whatever size, in one piece and makes objects of it; the
    directory then seems cut off, and is refused.
    """

    most = _MAX_DIRECTORY

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(self.most if size is None or not 0 <= size <= self.most else size) or b""


def _members(path: Path) -> tuple[bytes, bytes, bytes]:
    """Configuration, what the file says of itself (which may be missing), and weights."""
    try:
        with _Guarded(str(path)) as raw, zipfile.ZipFile(raw) as archive:
            raw.most = MAX_FILE
            about = b""
            if "metadata.json" in archive.namelist():
                about = _member(archive, "metadata.json", _MAX_CONFIG)
            config = _member(archive, "config.json", _MAX_CONFIG)
            return config, about, _member(archive, "model.weights.h5", MAX_FILE // 2)
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
