"""The interface of devices: what every accelerator offers to Python, wherever it runs."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import numpy as np
from bitweir_hw.errors import LinkError
from bitweir_hw.link.protocol import Identity
from bitweir_hw.network import Network
from bitweir_sim.values.encoding import Codes
from bitweir_sim.values.golden import Result
from numpy.typing import ArrayLike, NDArray

__all__ = ["FIXED", "Device"]

#: What a device says that takes no parameters.
FIXED = (
    "The parameters of the device are fixed: generate it with --weights ram (in Python weights='ram') to load others."
)


class Device(ABC):
    """An accelerator, as a context manager that closes it.

    Images are N frames as `bitweir_sim.values.encoding.encoded` takes them, where N may be 0: floating point,
    (N, ...), as the model file takes it; integers as images are stored, such as pixels; or `Codes`. Images of another
    shape are taken if they have as many elements. A device whose network is not known takes only codes, (N, K), in the
    order of the input stream, as `Codes` or as integers.
    """

    @property
    @abstractmethod
    def identity(self) -> Identity | None:
        """What the device states about itself; None where there is no link."""

    @property
    @abstractmethod
    def network(self) -> Network | None:
        """The network that it computes; None if that is not known."""

    @property
    @abstractmethod
    def result(self) -> str:
        """The kind of its results, one of `bitweir_hw.network.readout.READOUTS`."""

    @property
    def engine(self) -> str | None:
        """What computes, where that is this machine, for people; else None."""
        return None

    @abstractmethod
    def run(self, images: ArrayLike | Codes) -> Result:
        """Compute scores (N, M) and, where the result is a class, classes (N,), both int64; else labels or codes.

        A map is flat: (N, M) holds it row by row, channels innermost; see `Network.result_shape`.

        Raises
        ------
        LinkError
            The device has vanished, does not answer, or is another one than before.
        NetworkError
            The images do not suit the network.
        """

    @abstractmethod
    def classify(self, images: ArrayLike | Codes) -> NDArray[Any]:
        """Compute classes (N,), those of pixels (N, M), int64, or labels (N, M), bool; less is sent than for `run`.

        Raises
        ------
        LinkError
            The result of the network is scores or codes; or as `run`.
        NetworkError
            As `run`.
        """

    def _labels(self, images: ArrayLike | Codes) -> NDArray[np.bool_]:
        """The labels that `classify` returns, where the result is no class."""
        if self.result != "labels":
            raise LinkError(f"The result of the network is {self.result}, neither a class nor labels: use run.")
        labels = self.run(images).labels
        assert labels is not None
        return labels

    def load(
        self,
        image: bytes,
        network: Network | None = None,
        *,
        progress: Callable[[float], None] = lambda share: None,
    ) -> None:
        """Load parameters into RAM, or streamed weights into the memory outside the chip, for all images from then on.

        Parameters
        ----------
        image : bytes
            As `bitweir parameters` writes it; or the ``weights.bin`` of the device's build folder.
        network : Network, optional
            The network that the device computes with them.
        progress : callable
            Takes the share that is loaded.

        Raises
        ------
        LinkError
            The device has fixed parameters; the image is damaged, or for another accelerator; or the device has
            vanished.
        """
        raise LinkError(FIXED)

    def now(self) -> float:
        """The current time in seconds since some moment: simulated time, if the device is simulated."""
        return time.monotonic()

    @abstractmethod
    def close(self) -> None:
        """Release the device; a second call does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
