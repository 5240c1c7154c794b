"""A network as a user of the Python interface has it: what it computes, and whether its files compute the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from bitweir_hw.checked import array, place, shown, whole
from bitweir_hw.errors import NetworkError
from bitweir_hw.files import network_bytes
from bitweir_hw.network import Integers, Network
from bitweir_sim.values import engines, golden
from bitweir_sim.values.encoding import Codes
from bitweir_sim.values.golden import Result
from numpy.typing import ArrayLike, NDArray

from .folders import whole_file
from .images import ImageError, Images, as_images, load_images
from .importers.compare.comparison import Comparison, compare_frames
from .model_files import Imported
from .progress import Progress, silent
from .results import result_name, shaped

__all__ = ["Frames", "Model", "hardware_network", "images_for"]

#: Images: an array, codes, or the path of an .npz file with an array x.
Frames: TypeAlias = ArrayLike | Codes | Path


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Model:
    """A network of integers, and the model files that it came from.

    It computes by the golden model, which is the definition of what the hardware computes. Make one with
    `bitweir.load` or `bitweir.network`.

    Parameters
    ----------
    network : bitweir_hw.network.Network
        The layers, as all steps read them.
    imported : Imported or None
        The model files, and how the network compares with them; None where it came from arrays.
    """

    network: Network
    imported: Imported | None = None

    @property
    def name(self) -> str:
        """Names the Verilog module."""
        return self.network.name

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one frame."""
        return self.network.input.shape

    @property
    def outputs(self) -> int:
        """Classes, labels, scores or codes of a frame."""
        return self.network.outputs

    @property
    def result_shape(self) -> tuple[int, ...]:
        """Shape of the result of a frame: (M,), or (H, W, C) for a map, or (H, W) for the classes of its pixels."""
        return self.network.result_shape

    @property
    def result(self) -> str:
        """What a frame gives: ``"class"``, ``"labels"``, ``"scores"``, ``"codes"``, or ``"classes"`` of pixels."""
        return self.network.readout.kind

    @property
    def comparison(self) -> Comparison | None:
        """How the network compares with its model files on drawn inputs; None where there are none."""
        return self.imported.drawn if self.imported else None

    @property
    def summary(self) -> tuple[str, ...]:
        """A sentence about `comparison`, or nothing."""
        return self.imported.summary if self.imported else ()

    @property
    def comparison_dict(self) -> dict[str, Any] | None:
        """`comparison` as JSON has it."""
        return self.imported.comparison_dict if self.imported else None

    def classify(self, images: Frames, *, engine: str | None = None, threads: int | None = None) -> NDArray[Any]:
        """Classes of images.

        Parameters
        ----------
        images : array, or path of an .npz file
            ``(N, *shape)``. Integers are what image files hold, such as pixels; floating point is what the model file
            takes.
        engine, threads : optional
            As for `run`.

        Returns
        -------
        int64 array, (N,), or bool array, ``(N, *result_shape)``
            Classes; or labels, where these are the result. Classes of pixels are int64, (N, H, W).

        Raises
        ------
        ImageError
            The images do not suit the network.
        NetworkError
            The result is scores or codes: use `run`.
        ToolError, FileError
            As `run`.

        Examples
        --------
        >>> import bitweir
        >>> net = bitweir.load("digits")
        >>> net.classify(bitweir.demo_images()[0])[:8]
        array([7, 6, 3, 7, 7, 3, 2, 8])
        """
        found = self.run(images, engine=engine, threads=threads)
        told = found.classes if found.classes is not None else found.labels
        if told is None:
            raise NetworkError(f"The result of the network is {self.result}, neither a class nor labels: use run.")
        return told if self.result == "class" else shaped(self.network, told)

    def run(self, images: Frames, *, engine: str | None = None, threads: int | None = None) -> Result:
        """The whole result of images.

        Parameters
        ----------
        images : array, or path of an .npz file
            As `classify` takes them.
        engine : str, optional
            ``"native"``, kernels in C++, which are compiled at their first use, or ``"numpy"``: both give the same
            integers. By default native where kernels for the instructions of this machine are compiled already, or
            where the images have 100 billion multiplications or more and there is a compiler; else NumPy.
        threads : int, optional
            Of the native engine; OMP_NUM_THREADS, or as many as this process has cores. If they are given, more of
            them than images share large images. NumPy has those of its BLAS.

        Returns
        -------
        Result
            ``scores``, an int64 array (N, M), and ``classes`` (N,) or ``labels`` (N, M) where these are the result.
            A map is flat here, row by row with its channels innermost; `result_shape` is its shape.

        Raises
        ------
        ImageError
            The images do not suit the network.
        NetworkError
            There is no such engine, or no such number of threads.
        ToolError, FileError
            The native engine was asked for, and there is no compiler, or no cache that only this user may write to.
        """
        return engines.run(self.network, images_for(self.network, images).codes, asked=engine, threads=threads)

    def trace(self, images: Frames) -> dict[str, Integers]:
        """What leaves each layer.

        Parameters
        ----------
        images : array, or path of an .npz file
            As `classify` takes them.

        Returns
        -------
        dict
            By the name of the layer an int64 array, (N, H, W, C), or (N, M) of dense layers and of maps of 1 x 1
            pixels: the values of its codes, such as -1 and +1, or the sums where it has no thresholds.

        Raises
        ------
        ImageError
            The images do not suit the network.
        """
        maps = {layer.name: result for layer, _, result in self.network.placed()}
        streams = golden.trace(self.network, images_for(self.network, images).codes)
        return {
            name: golden.values(stream, maps[name]).reshape(len(stream), *_plain(maps[name].shape))
            for name, stream in streams.items()
        }

    def compare(self, images: Frames, *, progress: Progress = silent) -> Comparison:
        """Compare the network with its model files on images.

        Parameters
        ----------
        images : array, or path of an .npz file
            As `classify` takes them.
        progress : Progress
            Shows what is under way.

        Returns
        -------
        Comparison
            ``difference`` is None, or a sentence that says where they differ.

        Raises
        ------
        ImageError
            The images do not suit the network.
        NetworkError
            There is no model file to compare with.
        """
        if self.imported is None:
            raise NetworkError(f"Network {self.name!r} has no model file to compare with.")
        loaded = images_for(self.network, images)
        with progress(f"Comparing {len(loaded):,} frames") as done:
            return compare_frames(self.network, self.imported.members, loaded.frames, loaded.codes, done)

    def save(self, path: Path | str) -> None:
        """Write the network into an .npz file, which `bitweir.load` reads.

        Raises
        ------
        NetworkError
            Its name does not end in .npz.
        FileError
            The file cannot be written.
        """
        file = place(path, "The network file")
        if file.suffix != ".npz":
            raise NetworkError(f"The network file must end in .npz, not {file.name!r}.")
        whole_file(file, network_bytes(self.network))

    @property
    def _title(self) -> str:
        return f"{self.name}: {'x'.join(map(str, self.shape))} to {result_name(self.result, self.outputs)}"

    def __repr__(self) -> str:
        rows = [_COLUMNS, *_rows(self.network)]
        widths = [max(len(row[place]) for row in rows) for place in range(len(_COLUMNS))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join([self._title, *lines])

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{column}</th>" for column in _COLUMNS)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in _rows(self.network)
        )
        return (
            f"<table><caption>{escape(self._title)}</caption><thead><tr>{head}</tr></thead>"
            f"<tbody>{body}</tbody></table>"
        )


_COLUMNS = ("layer", "kind", "takes", "gives", "weights")


def _rows(network: Network) -> Iterator[tuple[str, ...]]:
    """A row for each layer, those in branches before the layer that adds them."""
    for layer, source, result in network.placed():
        weights = getattr(layer, "weights", None)
        yield (
            layer.name,
            type(layer).__name__.lower(),
            "x".join(map(str, _plain(source.shape))),
            "x".join(map(str, _plain(result.shape))),
            # A sum has weights, too, one for each branch.
            f"{weights.size:,}" if isinstance(weights, np.ndarray) else "",
        )


def _plain(shape: tuple[int, int, int]) -> tuple[int, ...]:
    """The shape of a map, or of the vector that it is."""
    return shape[2:] if shape[:2] == (1, 1) else shape


def images_for(
    network: Network,
    images: Frames,
    labels: ArrayLike | None = None,
    *,
    limit: int | None = None,
    rounding: bool = False,
) -> Images:
    """Images and labels as all steps take them.

    Parameters
    ----------
    network : Network
        Takes the images.
    images : array, codes, or path of an .npz file
    labels : array, optional
        Those of an array; a file has its own.
    limit : int, optional
        Take only the first images.
    rounding : bool
        Take the nearest number that the input takes in place of one that it does not.

    Raises
    ------
    ImageError
        The images do not suit the network, or there is a file and labels beside it.
    """
    if limit is not None:
        limit = whole(limit, "The limit of images", error=ImageError)
    if isinstance(images, str | Path):
        if labels is not None:
            raise ImageError("An image file has its own labels, as the array y: give an array of images with labels.")
        return load_images(Path(images), network, limit=limit, rounding=rounding)
    if isinstance(images, Codes):
        images = Codes(_first(images.array, "Codes", limit))
    else:
        images = _first(images, "Images", limit)
    labels = None if labels is None else _first(labels, "Labels", limit)
    return as_images(network, images, labels, rounding=rounding)


def _first(given: ArrayLike, what: str, limit: int | None) -> NDArray[Any]:
    """The first rows of an array."""
    found = array(given, what, ImageError)
    if not found.ndim:
        raise ImageError(f"{what} must be an array of several, or the path of an .npz file, not {shown(given)}.")
    return found[:limit]


def hardware_network(net: Model | Network) -> Network:
    """The network of a model, or the network itself.

    Raises
    ------
    NetworkError
        It is something else.
    """
    if isinstance(net, Model):
        return net.network
    if isinstance(net, Network):
        return net
    like = repr(str(net)) if isinstance(net, str | Path) else "'net.npz'"
    raise NetworkError(
        f"A network must be what bitweir.load or bitweir.network returns, not {shown(net)}: bitweir.load({like}) reads "
        "a file."
    )
