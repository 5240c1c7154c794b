"""An accelerator behind registers on AXI4-Lite and a DMA engine, as PYNQ gives both to Python."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from bitweir_hw.axi import PacketLayout, register
from bitweir_hw.axi.registers import MAGIC, MAP_VERSION, WINDOW
from bitweir_hw.errors import LinkError
from bitweir_hw.files import digest
from bitweir_hw.link.protocol import Identity
from bitweir_hw.network import Network
from bitweir_sim.values.encoding import Codes
from bitweir_sim.values.golden import Result, result
from numpy.typing import ArrayLike, NDArray

from ..design import DesignFolder
from .frames import classes_of, codes_of, frame_bytes, scores_of
from .interface import Device

__all__ = ["Dma", "Mmio", "RegisterDevice"]

#: Seconds that a load may take.
_LOAD_SECONDS = 10.0
_BITS = {(one.name, field.name): field.mask for name in ("FEATURES", "CONTROL", "STATUS", "IRQ_STATUS")
         for one in (register(name),) for field in one.fields}  # fmt: skip


class Mmio(Protocol):
    """Registers, as ``pynq.MMIO`` or an IP of an overlay has them: offsets in bytes, words of 32 bits."""

    def read(self, offset: int) -> int:
        """Read a register."""

    def write(self, offset: int, value: int) -> None:
        """Write a register."""


class Dma(Protocol):
    """A DMA engine, as ``pynq.lib.DMA``: two channels, each with ``transfer(buffer)`` and ``wait()``."""

    sendchannel: Any
    recvchannel: Any


class RegisterDevice(Device):
    """An accelerator with registers and packets; see `Device`.

    Frames go one by one: the DMA engine sends a packet and takes one.

    Parameters
    ----------
    registers : Mmio
    dma : Dma
    build : DesignFolder
        The folder with which the bitstream was made: it tells how frames and results are laid out.
    allocate : callable
        Gives a buffer of so many bytes that the DMA engine reaches: ``lambda n: pynq.allocate(n, "u1")``.

    Raises
    ------
    LinkError
        There is no such accelerator at the registers.

    Examples
    --------
    >>> overlay = pynq.Overlay("design.bit")
    >>> build = bitweir.open("build").written
    >>> with RegisterDevice(overlay.digits_axi, overlay.dma, build, lambda n: pynq.allocate(n, "u1")) as device:
    ...     classes = device.classify(images)
    """

    def __init__(self, registers: Mmio, dma: Dma, build: DesignFolder, allocate: Callable[[int], Any]) -> None:
        self._registers, self._dma, self._build, self._network = registers, dma, build, build.network
        if self._read("ID") != MAGIC or self._read("VERSION") >> 16 != MAP_VERSION >> 16:
            raise LinkError("What stands at the registers is no bitweir accelerator of this version.")
        if self._read("NETWORK") != int(digest(build.network)[:8], 16):
            raise LinkError(
                f"The accelerator holds network {self._read('NETWORK'):08x}..., not {build.network.name} "
                f"({digest(build.network)[:8]}...): name the folder that its bitstream was made from."
            )
        self._features = self._read("FEATURES")
        self._layout = PacketLayout.of(
            build.pipeline, 1, class_only=bool(self._features & _BITS["FEATURES", "CLASS_ONLY"])
        )
        if (self._read("FRAME_BYTES"), self._read("RESULT_BYTES")) != (
            self._layout.frame_bytes,
            self._layout.result_bytes,
        ):
            raise LinkError("The accelerator has other packets than its folder says: make the bitstream again.")
        # How frames and results are packed is what the link does, too.
        self._packing = build.design.identity(clock=int(build.target.clock), capacity=lambda size: size + 64)
        self._sent, self._came = allocate(self._layout.frame_bytes), allocate(self._layout.result_bytes)

    @property
    def identity(self) -> Identity | None:
        """None, as there is no link."""
        return None

    @property
    def network(self) -> Network:
        """The network that it computes."""
        return self._network

    @property
    def result(self) -> str:
        return self._network.readout.kind

    def run(self, images: ArrayLike | Codes) -> Result:
        if self._layout.class_only:
            raise LinkError("The accelerator sends the class alone: use classify, or generate it without --axi-class.")
        answers = self._packets(images)
        scores = scores_of(self._packing, answers)
        if self.result != "class":
            return result(scores, self.result)
        return Result(scores=scores, classes=classes_of(self._packing, answers))

    def classify(self, images: ArrayLike | Codes) -> NDArray[np.int64] | NDArray[np.bool_]:
        if self.result == "class":
            return classes_of(self._packing, self._packets(images))
        if self.result == "classes":
            classes = self.run(images).classes
            assert classes is not None
            return classes
        return self._labels(images)

    def load(
        self,
        image: bytes,
        network: Network | None = None,
        *,
        progress: Callable[[float], None] = lambda share: None,
    ) -> None:
        if not self._features & _BITS["FEATURES", "LOADS"]:
            super().load(image, network)
        if len(image) != self._read("IMAGE_BYTES"):
            raise LinkError("The image is damaged, or was made for another accelerator: it has another size.")
        done = _BITS["IRQ_STATUS", "LOADED"] | _BITS["IRQ_STATUS", "ERROR"]
        self._write("IRQ_STATUS", done)
        self._write("CONTROL", _BITS["CONTROL", "START_LOAD"])
        words = np.frombuffer(image + bytes(-len(image) % 4), "<u4").tolist()
        for at, word in enumerate(words):
            self._registers.write(WINDOW, word)
            if at % 256 == 0:
                progress(at / len(words))
        deadline = self.now() + _LOAD_SECONDS
        while not self._read("IRQ_STATUS") & done:
            if self.now() > deadline:
                raise LinkError("The accelerator does not finish loading: is a frame under way?")
        if self._read("LOADED_CRC") != int.from_bytes(image[-4:], "little"):
            raise LinkError(
                "The image of parameters is damaged, or was made for another accelerator: the device does not accept "
                "it."
            )
        self._network = network or self._build.network
        progress(1.0)

    def now(self) -> float:
        return time.monotonic()

    def close(self) -> None:
        """Does nothing: registers and DMA engine belong to the caller."""

    def _packets(self, images: ArrayLike | Codes) -> NDArray[np.uint8]:
        """The results of images, as bytes (N, bytes of a result)."""
        if not self._read("STATUS") & _BITS["STATUS", "LOADED"]:
            raise LinkError("The accelerator has no parameters: load some.")
        frames = frame_bytes(self._packing, codes_of(self._network, images))
        answers = np.zeros((len(frames), self._layout.result_bytes), np.uint8)
        self._write("CONTROL", _BITS["CONTROL", "CLEAR"])
        for frame, answer in zip(frames, answers, strict=True):
            self._sent[:] = frame
            self._dma.recvchannel.transfer(self._came)
            self._dma.sendchannel.transfer(self._sent)
            self._dma.sendchannel.wait()
            self._dma.recvchannel.wait()
            answer[:] = self._came
        self._check(frames, answers)
        return answers

    def _check(self, frames: NDArray[np.uint8], answers: NDArray[np.uint8]) -> None:
        """Check that all frames went in whole, and, where there are checksums, that all bytes are those."""
        wrong = self._read("SHORT_PACKETS") + self._read("LONG_PACKETS")
        if wrong or self._read("FRAMES_OUT") != len(frames):
            raise LinkError(f"The accelerator dropped packets ({wrong}), or another program uses it.")
        if self._features & _BITS["FEATURES", "CHECKSUMS"]:
            told = self._read("FRAMES_CRC"), self._read("RESULTS_CRC")
            if told != (zlib.crc32(frames.tobytes()), zlib.crc32(answers.tobytes())):
                raise LinkError("Other bytes arrived than were sent: compare the byte order of the DMA engine.")

    def _read(self, name: str) -> int:
        return int(self._registers.read(register(name).offset))

    def _write(self, name: str, value: int) -> None:
        self._registers.write(register(name).offset, value)
