"""Images and labels from .npz files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from bitweir_hw.errors import BitweirError, NetworkError
from bitweir_hw.files import read_arrays
from bitweir_hw.network import Network
from bitweir_sim.encoding import encode
from numpy.typing import NDArray

from .importers.errors import shown

__all__ = ["ImageError", "Images", "load_images"]

#: A file that claims to unpack to more is refused.
_LIMIT_BYTES = 8 << 30


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
    labels : int64 array, (N,), or None
    """

    codes: NDArray[Any]
    labels: NDArray[np.int64] | None

    def __len__(self) -> int:
        return len(self.codes)


def load_images(path: Path, network: Network, *, limit: int | None = None) -> Images:
    """Read `x`, and `y` where it is there, and turn `x` into codes; see `encoding.encode`.

    Frames of another shape are taken if they have as many elements, in the same order.

    Raises
    ------
    ImageError
        The file is missing or damaged, or holds no frames that the network takes.
    """
    arrays = _load(path)
    if "x" not in arrays:
        names = ", ".join(shown(name) for name in list(arrays)[:5])
        raise ImageError(f"Image file {path.name!r} must have an array x; it has {names or 'none'}.")
    x, y = arrays["x"], arrays.get("y")
    if x.ndim < 2 or len(x) == 0:
        raise ImageError(f"Image file {path.name!r} must have x of shape (images, ...), not {x.shape}.")
    if y is not None and (y.ndim != 1 or len(y) != len(x) or y.dtype.kind not in "iu"):
        raise ImageError(
            f"Image file {path.name!r} must have one integer label y for each of its {len(x)} images, "
            f"not {y.dtype} of shape {y.shape}."
        )
    x = x[:limit]
    entry = network.input
    count = int(np.prod(entry.shape))
    if int(np.prod(x.shape[1:])) == count:
        x = x.reshape(len(x), *entry.shape)
    try:
        codes = encode(entry, x)
    except NetworkError as error:
        # The network is fine: what does not fit it are the frames.
        told = str(error)
        raise ImageError(f"In image file {path.name!r}, {told[0].lower()}{told[1:]}") from error
    return Images(codes=codes, labels=None if y is None else y[:limit].astype(np.int64))


def _load(path: Path) -> dict[str, NDArray[Any]]:
    if not path.is_file():
        raise ImageError(f"There is no image file {str(path)!r}.")
    try:
        return read_arrays(path, limit=_LIMIT_BYTES)
    except Exception as error:  # a damaged file fails in many ways
        raise ImageError(f"{path.name!r} is not an .npz file of plain arrays: {error}.") from error
