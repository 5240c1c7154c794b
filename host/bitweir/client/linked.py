"""An accelerator at the other end of a link."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from bitweir_hw.errors import LinkError
from bitweir_hw.files import digest
from bitweir_hw.link.protocol import Identity, Kind
from bitweir_hw.network import Network
from bitweir_hw.offchip import image_with_crc
from bitweir_sim.values.encoding import Codes
from bitweir_sim.values.golden import Result, result
from numpy.typing import ArrayLike, NDArray

from ..results import PLURALS
from .client import Client
from .frames import checked_codes, classes_of, codes_of, frame_bytes, scores_of
from .interface import Device

__all__ = ["LinkedDevice", "check_holds", "check_suits", "network_digest"]


class LinkedDevice(Device):
    """An accelerator behind a `Client`; see `Device`.

    Parameters
    ----------
    client : Client
        The client, which the device closes.
    network : Network, optional
        The network that the device should hold; bundled networks are recognised without it. Where parameters are in
        RAM, the device does not know whose they are, so the network must only suit.

    Raises
    ------
    LinkError
        The device holds another network.
    """

    #: Takes the share of the images that are answered, while a call waits for the others.
    progress: Callable[[float], None] = staticmethod(lambda share: None)

    def __init__(self, client: Client, network: Network | None = None) -> None:
        self.client = client
        self._named = network
        self._check(network)

    @property
    def identity(self) -> Identity:
        """What the device states about itself."""
        return self.client.identity

    @property
    def network(self) -> Network | None:
        """The network that it computes: the one that was named, or a bundled one; None if it is not known."""
        if self.identity.loads:
            return self._named
        return self._named or _shipped().get(self.identity.digest)

    def load(
        self,
        image: bytes,
        network: Network | None = None,
        *,
        progress: Callable[[float], None] = lambda share: None,
    ) -> None:
        if not self.identity.takes_image:
            super().load(image, network)
        self._check(network)
        self.client.load(image_with_crc(image) if self.identity.weights else image, progress=progress)
        self._named = network or (self._named if self.identity.weights else None)

    def _check(self, network: Network | None) -> None:
        if self.identity.loads:
            check_suits(self.identity, network)
        else:
            check_holds(self.identity.digest, network)

    def run(self, images: ArrayLike | Codes) -> Result:
        answers = self._ask(Kind.SCORES, images, self.identity.scores_bytes + self.identity.class_bytes)
        scores = scores_of(self.identity, answers)
        if self.identity.result != "class":
            return result(scores, self.identity.result)
        return Result(scores=scores, classes=classes_of(self.identity, answers))

    @property
    def result(self) -> str:
        return self.identity.result

    def classify(self, images: ArrayLike | Codes) -> NDArray[np.int64] | NDArray[np.bool_]:
        if self.result == "classes":
            classes = self.run(images).classes
            assert classes is not None
            return classes
        if self.result != "class":
            return self._labels(images)
        return classes_of(self.identity, self._ask(Kind.CLASSES, images, self.identity.class_bytes))

    def _ask(self, kind: Kind, images: ArrayLike | Codes, unit: int) -> NDArray[np.uint8]:
        if self.network:
            codes = codes_of(self.network, images)
        else:
            codes = checked_codes(self.identity, images)
        if not len(codes):
            return np.zeros((0, unit), np.uint8)
        return self.client.ask(kind, frame_bytes(self.identity, codes), unit, progress=self.progress)

    def now(self) -> float:
        return self.client.transport.now()

    def close(self) -> None:
        self.client.close()


def network_digest(network: Network) -> bytes:
    """The digest of a network, as an identity has it."""
    return bytes.fromhex(digest(network))[:16]


def check_holds(held: bytes, network: Network | None) -> None:
    """Check that a device holds a network, if one was named.

    Raises
    ------
    LinkError
        It holds another one.
    """
    if network and network_digest(network) != held:
        raise LinkError(f"The device holds network {held.hex()}, not {network.name} ({network_digest(network).hex()}).")


def check_suits(identity: Identity, network: Network | None) -> None:
    """Check that a device with parameters in RAM may hold a network, if one was named.

    Raises
    ------
    LinkError
        The frames or results of the device are different.
    """
    if network is None:
        return
    held = (identity.vectors * identity.length, identity.lane_bits, identity.classes, PLURALS[identity.result])
    wanted = (network.input.size, network.input.format.bits, network.outputs, PLURALS[network.readout.kind])
    if held != wanted:
        told = "{} elements of {} bits and {} {}"
        raise LinkError(
            f"The device cannot hold {network.name}, which has {told.format(*wanted)}: it has {told.format(*held)}."
        )


@cache
def _shipped() -> dict[bytes, Network]:
    """Networks that ship, by their digests."""
    # Importers take a while to load, and only devices of networks that nobody named need them.
    from importlib import resources

    from ..importers import load_model
    from ..shipped import NETWORKS

    networks = []
    for shipped in NETWORKS.values():
        with resources.as_file(resources.files("bitweir.networks") / shipped.model) as path:
            networks.append(load_model(path, input_scale=shipped.input_scale))
    return {network_digest(network): network for network in networks}
