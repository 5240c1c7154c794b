"""What every accelerator offers to Python, wherever it runs."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Any, Self

import numpy as np
from bitweir_hw.errors import LinkError
from bitweir_hw.link.protocol import Identity
from bitweir_hw.network import Network
from bitweir_sim.values.encoding import Codes
from bitweir_sim.values.golden import Result
from numpy.typing import ArrayLike, NDArray

__all__ = ["Device"]


class Device(ABC):
    """An accelerator; a context manager that closes it.

    Images are what `bitweir_sim.values.encoding.encoded` takes, N at a time, where N may be 0: floating point,
    (N, ...), is what the model file takes; integers are those as which images are stored, such as pixels; `Codes` are
    these. Images of another shape are taken if they have as many elements. A device whose network is not known here
    takes only codes, (N, K), in the order of the input stream, as `Codes` or as integers.
    """

    @property
    @abstractmethod
    def identity(self) -> Identity | None:
        """What the device tells of itself; None where there is no link."""

    @property
    @abstractmethod
    def network(self) -> Network | None:
        """What it computes; None if that is not known here."""

    @property
    @abstractmethod
    def result(self) -> str:
        """What frames give, one of `bitweir_hw.network.readout.READOUTS`."""

    @abstractmethod
    def run(self, images: ArrayLike | Codes) -> Result:
        """Scores (N, M) and, where the result is a class, classes (N,), both int64; else labels or codes.

        Raises
        ------
        LinkError
            The device is gone, does not answer, or is another one than before.
        NetworkError
            The images do not suit the network.
        """

    @abstractmethod
    def classify(self, images: ArrayLike | Codes) -> NDArray[Any]:
        """Classes (N,), int64, or labels (N, M), bool; takes less of the link than `run`.

        Raises
        ------
        LinkError
            The result of the network is scores or codes; or as `run`.
        NetworkError
            As `run`.
        """

    def _labels(self, images: ArrayLike | Codes) -> NDArray[np.bool_]:
        """The labels that `classify` tells, where the result is no class."""
        if self.result != "labels":
            raise LinkError(f"The result of the network is {self.result}, neither a class nor labels: use run.")
        labels = self.run(images).labels
        assert labels is not None
        return labels

    def load(self, image: bytes, network: Network | None = None) -> None:
        """Load parameters into RAM; what was computed before them does not change.

        Parameters
        ----------
        image : bytes
            As `bitweir parameters` writes it.
        network : Network, optional
            What the device computes with them.

        Raises
        ------
        LinkError
            The device has fixed parameters; the image is damaged or for another accelerator; or the device is gone.
        """
        raise LinkError("The parameters of the device are fixed: generate it with --weights ram to load others.")

    def now(self) -> float:
        """Seconds since some moment, in the time in which the device lives: that of the simulation, if it is one."""
        return time.monotonic()

    @abstractmethod
    def close(self) -> None:
        """Let go of the device; more than once does no harm."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
