"""The golden model as a device, without hardware."""

from __future__ import annotations

import numpy as np
from bitweir_hw.network import Network
from bitweir_sim.values.encoding import Codes
from bitweir_sim.values.fast import prepare
from bitweir_sim.values.golden import Result
from numpy.typing import ArrayLike, NDArray

from .frames import codes_of
from .interface import Device

__all__ = ["GoldenDevice"]


class GoldenDevice(Device):
    """Computes a network in NumPy; see `Device`.

    Parameters
    ----------
    network : Network
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._model = prepare(network)

    @property
    def identity(self) -> None:
        """None, as there is no link."""

    @property
    def network(self) -> Network:
        """The network that it computes."""
        return self._network

    def run(self, images: ArrayLike | Codes) -> Result:
        return self._model.run(codes_of(self._network, images))

    @property
    def result(self) -> str:
        return self._network.readout.kind

    def classify(self, images: ArrayLike | Codes) -> NDArray[np.int64] | NDArray[np.bool_]:
        if self.result not in ("class", "classes"):
            return self._labels(images)
        classes = self.run(images).classes
        assert classes is not None
        return classes

    def close(self) -> None:
        """Does nothing, as no resource is held."""
