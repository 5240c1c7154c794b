"""How often an imported network and an independent executor of its file agree, layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from bitweir_hw.network import Network
from bitweir_sim import fast
from bitweir_sim.encoding import batches, pixel_values
from bitweir_sim.golden import trace, widest
from numpy.typing import NDArray

from .errors import shown
from .reference import CannotRunError, Executor, numpy_executor, runtime_executor
from .taps import INPUT, Tap, Taps

__all__ = ["Agreement", "LayerAgreement", "Member", "compare"]

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class Member:
    """A model file of a network, which it is alone or together with others.

    Parameters
    ----------
    path : Path
    network : Network
        Of this file alone.
    taps : Taps or None
        With the names that its layers have in the whole network; None where the file tells no tensors.
    last : str
        Layer of the whole network that hands on the scores of this file.
    """

    path: Path
    network: Network
    taps: Taps | None
    last: str


@dataclass(kw_only=True, eq=False)
class LayerAgreement:
    """Codes of one layer beside the tensor of the file.

    Parameters
    ----------
    layer, tensor : str
    codes : int
        How many were compared.
    differ : int
    first : dict or None
        The first code that differs: ``image``, ``row``, ``column``, ``channel``, ``expected`` and ``found`` as the
        tensor has them.
    """

    layer: str
    tensor: str
    codes: int = 0
    differ: int = 0
    first: dict[str, Any] | None = None


@dataclass(kw_only=True, eq=False)
class Agreement:
    """What a comparison of one file found.

    Parameters
    ----------
    path : Path
    reference : str or None
        What ran the file; None if nothing could.
    remark : str
        Why it was not another one; else empty.
    layers : list of LayerAgreement
        In the order of the network.
    classes : int64 array, (N,), or None
        That the reference found.
    classes_differ : int
        Images of which the class differs.
    orders_differ : int
        Images of which the scores differ in their order.
    """

    path: Path
    reference: str | None = None
    remark: str = ""
    layers: list[LayerAgreement]
    classes: NDArray[np.int64] | None = None
    classes_differ: int = 0
    orders_differ: int = 0


def compare(
    network: Network,
    members: Sequence[Member],
    frames: Array,
    codes: Array,
    progress: Callable[[float], None] = lambda share: None,
    *,
    runtime: bool = True,
) -> tuple[list[Agreement], NDArray[np.int64]]:
    """Run frames through a network and through the files that it came from.

    Parameters
    ----------
    network : Network
    members : sequence of Member
    frames : array, (N, *shape)
        uint8 pixels, floats as the models take them, or integer codes, for which nothing is compared.
    codes : array, (N, K)
        The same as the network takes it.
    progress : callable
        Takes the share that is done.
    runtime : bool
        Whether ONNX Runtime may be the reference; else it is `reference` in any case.

    Returns
    -------
    agreements : list of Agreement
        One for each member.
    scores : int64 array, (N, M)
        Of the whole network.
    """
    runs = [_Run(network, member, frames, runtime) for member in members]
    if not any(one.runs for one in runs):
        return [one.finish() for one in runs], fast.run(network, codes).scores
    scores = np.empty((len(codes), network.classes), np.int64)
    for part in batches(len(codes), widest(network), largest=256):
        outputs = {INPUT: codes[part].astype(np.int64), **trace(network, codes[part])}
        scores[part] = outputs[network.layers[-1].name]
        for one in runs:
            one.add(part, outputs)
        progress(part.stop / len(codes))
    return [one.finish() for one in runs], scores


class _Run:
    """The comparison with one file, batch by batch."""

    def __init__(self, network: Network, member: Member, frames: Array, runtime: bool) -> None:
        self._member = member
        self._frames = frames
        places = {INPUT: -1, **{layer.name: place for place, (layer, _, _) in enumerate(network.placed())}}
        self._maps = {INPUT: network.input.map, **{layer.name: result for layer, _, result in network.placed()}}
        taps = member.taps.codes if member.taps else ()
        self._taps = sorted(taps, key=lambda tap: places[tap.layer])
        self._executor: Executor | None = None
        self._classes: list[NDArray[np.int64]] = []
        layers = [LayerAgreement(layer=tap.layer, tensor=tap.tensor) for tap in self._taps]
        self._found = Agreement(path=member.path, layers=layers)
        self._choose(runtime)

    @property
    def runs(self) -> bool:
        """Whether there is anything to compare with."""
        return self._executor is not None

    def _choose(self, runtime: bool) -> None:
        member, found = self._member, self._found
        if member.taps is None:
            kind = member.path.suffix.lower()
            what = "a saved network" if kind == ".npz" else f"a {kind} file"
            found.remark = f"there is no independent executor of {what}"
            return
        if self._frames.dtype.kind == "i":
            found.remark = "the images hold codes, not what the model takes"
            return
        tensors = list(dict.fromkeys([*(tap.tensor for tap in self._taps), member.taps.scores]))
        remarks = []
        for make in (runtime_executor, numpy_executor)[not runtime :]:
            try:
                self._executor = make(member.path, tensors)
                break
            except CannotRunError as error:
                remarks.append(str(error))
        found.remark = ", and ".join(remarks)
        found.reference = self._executor.name if self._executor else None

    def add(self, part: slice, outputs: Mapping[str, Array]) -> None:
        """Compare some frames, of which the network made `outputs`."""
        if self._executor is None or self._member.taps is None:
            return
        x = self._frames[part]
        if x.dtype == np.uint8:
            x = pixel_values(self._member.network.input.pixel_scale)[x]
        scores = outputs[self._member.last]
        try:
            tensors = self._executor.run(x)
            for tap, layer in zip(self._taps, self._found.layers, strict=True):
                self._compare(tap, layer, outputs[tap.layer], tensors[tap.tensor], part.start)
            wanted = tensors[self._member.taps.scores].reshape(len(x), -1)
            if wanted.shape != scores.shape:
                raise CannotRunError(f"the file has {wanted.shape[1]} scores, not {scores.shape[1]}")
        except CannotRunError as error:
            self._executor = None
            self._found = Agreement(path=self._member.path, remark=str(error), layers=[])
            return
        self._classes.append(np.argmax(wanted, axis=1))
        self._found.classes_differ += int((np.argmax(scores, axis=1) != self._classes[-1]).sum())
        orders = [np.argsort(-rows, axis=1, kind="stable") for rows in (wanted, scores)]
        self._found.orders_differ += int((orders[0] != orders[1]).any(axis=1).sum())

    def _compare(self, tap: Tap, layer: LayerAgreement, stream: Array, tensor: Array, start: int) -> None:
        codes = stream[:, tap.index]
        if tensor.size != codes.size:
            raise CannotRunError(f"tensor {shown(tap.tensor)} comes in the shape {tensor.shape[1:]}, not {tap.shape}")
        want = tensor.reshape(codes.shape).astype(np.float64)
        have = _values(tap, codes)
        # The levels of a tensor are evenly spaced: what is nearest to another one is that one.
        half = abs(float((tap.values[1] - tap.values[0]).flat[0])) / 2
        wrong = ~(abs(want - have) <= half)
        layer.codes += codes.size
        layer.differ += int(wrong.sum())
        if layer.first is None and wrong.any():
            image, element = np.unravel_index(int(wrong.argmax()), wrong.shape)
            _, columns, channels = self._maps[tap.layer].shape
            pixel, channel = divmod(int(tap.index[element]), channels)
            layer.first = {
                "image": start + int(image),
                "row": pixel // columns,
                "column": pixel % columns,
                "channel": channel,
                "expected": _number(want[image, element]),
                "found": _number(have[image, element]),
            }

    def finish(self) -> Agreement:
        """What was found in all."""
        if self._executor is not None and self._classes:
            self._found.classes = np.concatenate(self._classes)
        return self._found


def _values(tap: Tap, codes: Array) -> Array:
    """What codes (N, E) mean in the tensor of a tap."""
    if all(value.size == 1 for value in tap.values):
        return np.array([value.item() for value in tap.values])[codes]
    have = np.empty(codes.shape)
    for code, value in enumerate(tap.values):
        here = codes == code
        have[here] = np.broadcast_to(np.broadcast_to(value, tap.shape).reshape(-1), codes.shape)[here]
    return have


def _number(x: float) -> float | str:
    """A number as JSON has it."""
    return float(x) if np.isfinite(x) else str(x)
