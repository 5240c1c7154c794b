"""The golden model as a device, without hardware: in NumPy, or as kernels for this CPU."""

from __future__ import annotations

import numpy as np
from bitweir_hw.network import Network
from bitweir_sim.compiler import compiler_missing
from bitweir_sim.values import native
from bitweir_sim.values.encoding import Codes
from bitweir_sim.values.fast import prepare
from bitweir_sim.values.golden import Result
from numpy.typing import ArrayLike, NDArray

from .frames import codes_of
from .interface import Device

__all__ = ["CpuDevice", "GoldenDevice"]


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


class CpuDevice(GoldenDevice):
    """Computes a network in the native engine; in NumPy where there is no compiler for it. See `Device`.

    Parameters
    ----------
    network : Network
    threads : int, optional
        At most so many; by default OMP_NUM_THREADS, or as many as this process has cores.

    Raises
    ------
    ToolError
        The compiler failed.
    NetworkError
        A frame takes too much memory.
    FileError
        Another user may write to the cache of compiled kernels.
    """

    def __init__(self, network: Network, threads: int | None = None) -> None:
        kernels = native.chosen()
        self._native: native.NativeModel | None = None
        if native.compiled_before(kernels) or not compiler_missing():
            self._network, self._native = network, native.prepare(network, kernels)
        else:
            super().__init__(network)
        self._threads = threads

    @property
    def engine(self) -> str:
        if self._native is None:
            return "NumPy, as there is no C++ compiler for native kernels"
        threads = self._threads or native.default_threads()
        return f"{self._native.description}, at most {threads} {'thread' if threads == 1 else 'threads'}"

    def run(self, images: ArrayLike | Codes) -> Result:
        if self._native is None:
            return super().run(images)
        return self._native.run(codes_of(self._network, images), threads=self._threads)
