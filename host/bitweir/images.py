"""Images and labels from arrays and from .npz files."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from bitweir_hw.errors import BitweirError, NetworkError
from bitweir_hw.files.arrays import open_arrays
from bitweir_hw.network import Network
from bitweir_sim.values.encoding import Codes, encoded, model_values
from numpy.typing import ArrayLike, NDArray

from .importers.errors import shown
from .results import label_problem
from .shipped import demo_images

__all__ = ["ImageError", "Images", "as_images", "load_images"]

#: A file that claims to unpack to more is refused.
_LIMIT_BYTES = 8 << 30
#: What counts in a file.
_ARRAYS = ("x", "codes", "y")


class ImageError(BitweirError):
    """The images do not suit the network."""

    exit_code = 8


@dataclass(frozen=True, kw_only=True, eq=False)
class Images:
    """Frames for a network.

    Parameters
    ----------
    codes : array of unsigned integers, (N, K)
        As the accelerator takes them.
    labels : array or None
        As `results.label_problem` lets it pass: int64 classes (N,), or labels or numbers (N, M).
    frames : array, (N, *shape), or None
        As they came, where `rounded` is 0, and else as the model file takes them; None where the file holds codes.
    rounded : int
        How many numbers became the nearest that the input takes.
    first : int
        Index of the first image among those that these are a part of.
    """

    codes: NDArray[Any]
    labels: NDArray[Any] | None
    frames: NDArray[Any] | None = None
    rounded: int = 0
    first: int = 0

    def __len__(self) -> int:
        return len(self.codes)

    def part(self, part: slice) -> Images:
        """Codes of some images in a row, as they are simulated; without labels and frames."""
        return Images(codes=self.codes[part], labels=None, first=self.first + part.start)


def load_images(path: Path, network: Network, *, limit: int | None = None, rounding: bool = False) -> Images:
    """Read `x`, or `codes`, and `y` where it is there, and turn `x` into codes; see `as_images`.

    Parameters
    ----------
    path : Path
        An .npz file.
    network : Network
        Takes the frames.
    limit : int, optional
        Read only so many images.
    rounding : bool
        Take the nearest number that the input takes in place of one that it does not.

    Raises
    ------
    ImageError
        The file is missing or damaged, or holds no frames that the network takes.
    """
    arrays, shapes = _load(path, limit)
    given = [name for name in ("x", "codes") if name in arrays]
    if len(given) != 1:
        names = ", ".join(shown(name) for name in list(shapes)[:5])
        raise ImageError(
            f"Image file {path.name!r} must have an array x, or one named codes; it has {names or 'none'}."
        )
    x, y, whole = arrays[given[0]], arrays.get("y"), shapes[given[0]]
    if x.ndim > 1 and len(x) == 0:
        raise ImageError(f"Image file {path.name!r} must have one image or more in {given[0]}, which has none.")
    if x.ndim < 2:
        raise ImageError(f"Image file {path.name!r} must have {given[0]} of shape (images, ...), not {whole}.")
    # Of images for another network, labels are wrong, too; the shape of the frames is what tells.
    theirs = given == ["codes"] or prod(x.shape[1:]) == prod(network.input.shape)
    if theirs and y is not None and (problem := label_problem(y, network, whole[0])):
        raise ImageError(f"Image file {path.name!r} must have {problem}.")
    try:
        return _encoded(network, Codes(x) if given == ["codes"] else x, None if y is None else y[:limit], rounding)
    except NetworkError as error:
        # The network is fine: what does not fit it are the frames.
        told = str(error)
        if path == demo_images():
            raise ImageError(f"The demo images are for the bundled networks: {told[0].lower()}{told[1:]}") from error
        raise ImageError(f"In image file {path.name!r}, {told[0].lower()}{told[1:]}") from error


def as_images(
    network: Network, images: ArrayLike | Codes, labels: ArrayLike | None = None, *, rounding: bool = False
) -> Images:
    """Turn arrays into what `simulate` and `run_on_device` take.

    Parameters
    ----------
    network : Network
        Takes the frames.
    images : array, or Codes
        N frames as `encoding.encoded` takes them: floating point as the model takes it, integers as images are
        stored, or codes. Frames of another shape are taken if they have as many elements, in the same order.
    labels : array, optional
        As `results.label_problem` lets them pass.
    rounding : bool
        Take the nearest number that the input takes in place of one that it does not.

    Raises
    ------
    ImageError
        The network does not take these frames, or labels do not suit it.
    """
    x = np.asarray(images.array if isinstance(images, Codes) else images)
    if x.ndim > 1 and len(x) == 0:
        raise ImageError("There must be one image or more.")
    if x.ndim < 2:
        raise ImageError(f"An array of images must have the shape (images, ...), not {x.shape}.")
    y = None if labels is None else np.asarray(labels)
    if y is not None and (problem := label_problem(y, network, len(x))):
        raise ImageError(f"An array of images must have {problem}.")
    try:
        return _encoded(network, images if isinstance(images, Codes) else x, y, rounding)
    except NetworkError as error:
        raise ImageError(str(error)) from error


def _encoded(network: Network, x: NDArray[Any] | Codes, y: NDArray[Any] | None, rounding: bool) -> Images:
    """Frames as codes, and labels that suit the network."""
    entry, frames = network.input, None
    if not isinstance(x, Codes):
        if int(np.prod(x.shape[1:])) == int(np.prod(entry.shape)):
            x = x.reshape(len(x), *entry.shape)
        frames = x
    found = encoded(entry, x, rounding=rounding)
    if frames is not None and found.rounded:
        frames = model_values(entry, frames, rounding=True)
    labels = None if y is None else _labels(y, network)
    return Images(codes=found.codes, labels=labels, frames=frames, rounded=found.rounded)


def _labels(y: NDArray[Any], network: Network) -> NDArray[Any]:
    if network.readout.kind == "class":
        return y.astype(np.int64)
    flat = y.reshape(len(y), network.outputs)
    return flat.astype(np.int64) if network.readout.kind == "classes" else flat


def _load(path: Path, first: int | None) -> tuple[dict[str, NDArray[Any]], dict[str, tuple[int, ...]]]:
    """The first frames of a file and all labels, and the shapes of all arrays in it, whole."""
    if not path.is_file():
        raise ImageError(f"There is no image file {str(path)!r}.")
    try:
        with open_arrays(path, limit=_LIMIT_BYTES) as file:
            known = [name for name in _ARRAYS if name in file.names]
            arrays = {name: file.read(name, None if name == "y" else first) for name in known}
            return arrays, {name: file.shape(name) for name in file.names}
    except Exception as error:  # a damaged file fails in many ways
        raise ImageError(f"{path.name!r} is not an .npz file of plain arrays: {error}.") from error
