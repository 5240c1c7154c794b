"""Agreement of an imported network with an independent executor of its file, layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from bitweir_hw.network import Network
from bitweir_sim.values import fast
from bitweir_sim.values.encoding import batches, model_values
from bitweir_sim.values.golden import trace, widest
from numpy.typing import NDArray

from ..errors import shown
from ..execution.executor import Executor
from ..execution.operators import CannotRunError
from ..folding.provenance import INPUT, Tap, Taps
from ..keras.reference import keras_executor
from ..onnx.reference import numpy_executor, runtime_executor
from .findings import Agreement, Difference, LayerAgreement
from .outcomes import Outcome

__all__ = ["Member", "compare"]

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
    judged : bool
        What differs is wrong unless floats or bounds explain it; else it is counted only, all of it as ties.
    votes : int
        Of the file, where several vote.
    executor : callable or None
        Makes what runs in place of the file, from names of tensors; see `Executor`.
    title : str
        What texts call it, where it is not the file.
    """

    path: Path
    network: Network
    taps: Taps | None
    last: str
    judged: bool = True
    votes: int = 1
    executor: Callable[[Sequence[str]], Executor] | None = None
    title: str = ""

    @property
    def of_file(self) -> Member | None:
        """The same beside the weights of the file, where others stand in for them; None where none do."""
        if self.taps is None or self.taps.rounded is None:
            return None
        return replace(self, taps=self.taps.of_file(), judged=False)


def compare(
    network: Network,
    members: Sequence[Member],
    frames: Array | None,
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
    frames : array, (N, *shape), or None
        As the models take them; None where there are only codes, for which nothing is compared.
    codes : array, (N, K)
        The same as the network takes it.
    progress : callable
        Takes the share that is done.
    runtime : bool
        Whether ONNX Runtime may be the reference; else it is `onnx.reference` in any case.

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
    scores = np.empty((len(codes), network.outputs), np.int64)
    for part in batches(len(codes), widest(network), largest=256):
        outputs = {INPUT: codes[part].astype(np.int64), **trace(network, codes[part])}
        scores[part] = outputs[network.layers[-1].name]
        for one in runs:
            one.add(part, outputs)
        progress(part.stop / len(codes))
    return [one.finish() for one in runs], scores


class _Run:
    """The comparison with one file, batch by batch."""

    def __init__(self, network: Network, member: Member, frames: Array | None, runtime: bool) -> None:
        self._member = member
        self._frames = frames
        places = {INPUT: -1, **{layer.name: place for place, (layer, _, _) in enumerate(network.placed())}}
        self._maps = {INPUT: network.input.map, **{layer.name: result for layer, _, result in network.placed()}}
        taps = member.taps.codes if member.taps else ()
        self._taps = sorted(taps, key=lambda tap: places[tap.layer])
        self._executor: Executor | None = None
        self._judge: Executor | None = None
        self._outcome = Outcome(member.network)
        self._results: list[Array] = []
        self._differ: list[NDArray[np.bool_]] = []
        self._excused: list[NDArray[np.bool_]] = []
        self._tied: list[NDArray[np.bool_]] = []
        self._bounded: list[NDArray[np.bool_]] = []
        layers = [LayerAgreement(layer=tap.layer, tensor=tap.tensor) for tap in self._taps]
        self._found = Agreement(
            path=member.path, title=member.title, layers=layers, last=member.last, kind=member.network.readout.kind
        )
        self._choose(runtime)

    @property
    def runs(self) -> bool:
        """Whether there is anything to compare with."""
        return self._executor is not None

    @property
    def _model(self) -> Any:
        """What stands in for the model of the file, if anything does."""
        taps = self._member.taps
        if taps is None:
            return None
        return taps.rounded.model if taps.rounded else taps.model

    def _choose(self, runtime: bool) -> None:
        member, found = self._member, self._found
        kind = member.path.suffix.lower()
        if member.taps is None:
            what = "a saved network" if kind == ".npz" else f"a {kind} file"
            found.remark = f"there is no independent executor of {what}"
            return
        if self._frames is None:
            found.remark = "the images hold codes, not what the model takes"
            return
        self._tensors = list(dict.fromkeys([*(tap.tensor for tap in self._taps), member.taps.scores]))
        if member.executor is not None:
            self._executor = member.executor(self._tensors)
            found.reference = self._executor.name
            return
        makers = (runtime_executor, numpy_executor)[not runtime :] if kind == ".onnx" else (keras_executor,)
        remarks = []
        for make in makers:
            try:
                self._executor = make(member.path, self._tensors, self._model)
                break
            except CannotRunError as error:
                remarks.append(str(error))
        found.remark = ", and ".join(remarks)
        found.reference = self._executor.name if self._executor else None

    def add(self, part: slice, outputs: Mapping[str, Array]) -> None:
        """Compare some frames, of which the network made `outputs`."""
        if self._executor is None or self._member.taps is None or self._frames is None:
            return
        x = self._frames[part]
        if x.dtype.kind != "f":
            x = model_values(self._member.network.input, x)
        scores = outputs[self._member.last]
        try:
            tensors = self._executor.run(x)
            have = [_values(tap, outputs[tap.layer][:, tap.index]) for tap in self._taps]
            want = [_told(tap, tensors[tap.tensor]) for tap in self._taps]
            wanted = tensors[self._member.taps.scores].reshape(len(x), -1)
            if wanted.shape != scores.shape:
                raise CannotRunError(f"the file has {wanted.shape[1]} scores, not {scores.shape[1]}")
            wanted = self._in_order(wanted)
        except CannotRunError as error:
            self._executor = None
            self._found = Agreement(path=self._member.path, title=self._member.title, remark=str(error), layers=[])
            return
        wrong = [~(abs(a - b) <= _half(tap)) for tap, a, b in zip(self._taps, want, have, strict=True)]
        differ = self._outcome.differ(wanted, scores)
        odd = differ.copy()
        if self._outcome.kind == "class":
            orders = [np.argsort(-rows, axis=1, kind="stable") for rows in (wanted, scores)]
            odd |= (orders[0] != orders[1]).any(axis=1)
        frames = np.flatnonzero(odd | np.any([mask.any(axis=1) for mask in wrong] or [odd], axis=0))
        self._results.append(self._outcome.decided(wanted))
        self._differ.append(differ)
        self._excused.append(differ.copy())
        self._tied.append(odd)
        self._bounded.append(np.zeros(len(x), bool))
        for layer, mask in zip(self._found.layers, wrong, strict=True):
            layer.codes += mask.size
            layer.ties += int(mask.sum())
        if len(frames) and self._member.judged:
            told, own = ([one[frames] for one in arrays] for arrays in (want, have))
            self._judge_frames(part.start, frames, x[frames], told, own, wanted[frames], scores[frames])

    def _judge_frames(
        self, start: int, frames: Array, x: Array, want: list[Array], have: list[Array], wanted: Array, scores: Array
    ) -> None:
        """Count what is wrong in frames in which something differs: where no rounding of floats explains it.

        The reference computes each layer from the codes of the network. So a code that is off has no consequences, and
        what is wrong is wrong at this layer.
        """
        low, high = self._limits(x, want, have, wanted)
        floats = self._limits(x, want, have, wanted, bounds=False) if self._slack else (low, high)
        earlier = np.zeros(len(frames), bool)
        for tap, layer, told, own, least, most, under, over in zip(
            self._taps, self._found.layers, want, have, low, high, *floats, strict=False
        ):
            half = _half(tap)
            differs = ~(abs(told - own) <= half)
            # No number, as infinities make it, says nothing.
            wrong = (own < least - half) | (own > most + half)
            # Nor may both executors of the file contradict each other.
            wrong |= differs & ~earlier[:, None] & ((told < least - half) | (told > most + half))
            earlier |= differs.any(axis=1)
            # What floats alone do not explain, the bounds of sums do.
            bounded = differs & ~wrong & ((own < under - half) | (own > over + half))
            self._bounded[-1][frames] |= bounded.any(axis=1)
            layer.bounded += int(bounded.sum())
            layer.differ += int(wrong.sum())
            layer.ties -= int((differs & (wrong | bounded)).sum())
            if layer.first is None and wrong.any():
                image, element = (int(place) for place in np.unravel_index(int(wrong.argmax()), wrong.shape))
                at = image, element
                expected = (
                    told[at] if differs[at] else _level(tap, element, (least if own[at] < least[at] else most)[at])
                )
                layer.first = self._difference(tap, start + int(frames[image]), element, expected, own[at])
        if self._slack:
            beyond, order = self._wrong(floats[0][-1], floats[1][-1], scores)
            self._bounded[-1][frames] |= beyond.any(axis=1) | order
        # As with codes: both executors of the file may not contradict each other.
        against = ~earlier & self._outcome.contradicts(low[-1], high[-1], wanted)
        self._judge_results(start, frames, low[-1], high[-1], scores, against, wanted)

    def _wrong(self, least: Array, most: Array, scores: Array) -> tuple[Array, Array]:
        """Results (N, M) and orders of scores (N,) that are wrong where the file's numbers lie between two ends."""
        order = np.zeros(len(scores), bool)
        if self._outcome.kind == "class":
            # Wrong is the order if any two scores are.
            order = np.array([_misplaced(*rows) for rows in zip(scores, least, most, strict=True)])
        return self._outcome.wrong(least, most, scores), order

    def _judge_results(
        self, start: int, frames: Array, least: Array, most: Array, scores: Array, against: Array, wanted: Array
    ) -> None:
        """Count the results that are wrong for sure, where the file's own numbers lie between two ends."""
        wrong, order = self._wrong(least, most, scores)
        against &= self._outcome.differ(wanted, scores) & ~wrong.any(axis=1)
        results = wrong.any(axis=1) | against
        self._excused[-1][frames[results]] = False
        self._tied[-1][frames[results | order]] = False
        self._found.results_differ += int(results.sum())
        self._found.orders_differ += int(order.sum())
        if self._found.first_result is None and results.any():
            place = int(results.argmax())
            if against[place]:
                least, most = wanted, wanted
                wrong = self._outcome.wrong(wanted, wanted, scores)
            output = int(wrong[place].argmax())
            expected, found = self._outcome.told(least[place], most[place], scores[place], output)
            self._found.first_result = Difference(
                image=start + int(frames[place]),
                row=0,
                column=0,
                channel=output,
                expected=expected,
                found=found,
            )

    @property
    def _slack(self) -> Mapping[str, Array]:
        return {} if self._member.taps is None else self._member.taps.slack

    def _limits(
        self, x: Array, want: list[Array], have: list[Array], wanted: Array, *, bounds: bool = True
    ) -> tuple[list[Array], list[Array]]:
        """The least and the most that each tensor may be: those of taps, then scores.

        As far as floats are rounded, and with `bounds` as far as sums are known.
        """
        taps = self._member.taps
        assert taps is not None
        try:
            if self._judge is None:
                self._judge = self._judging()
            forced = {tap.tensor: own for tap, own in zip(self._taps, have, strict=True)}
            ends = self._judge.between(x, forced, self._slack if bounds else {})
        except CannotRunError as error:
            # What cannot be told apart counts as wrong: it is rare, and better than not to tell of it.
            if not self._found.remark:
                self._found.remark = f"what differs could not be told from ties, as {error}"
            return [*want, wanted], [*want, wanted]
        pairs = [[_told(tap, end) for end in ends[tap.tensor]] for tap in self._taps]
        pairs.append([self._in_order(end.reshape(len(x), -1).astype(np.float64)) for end in ends[taps.scores]])
        low, high = zip(*pairs, strict=True)
        return list(low), list(high)

    def _in_order(self, tensor: Array) -> Array:
        """The tensor of the result (N, M) in the order of the network's."""
        assert self._member.taps is not None
        order = self._member.taps.order
        return tensor if order is None else tensor[:, order]

    def _judging(self) -> Executor:
        assert self._executor is not None
        if self._executor.steps:
            return self._executor
        return numpy_executor(self._member.path, self._tensors, self._model)

    def _difference(self, tap: Tap, image: int, element: int, expected: float, found: float) -> Difference:
        _, columns, channels = self._maps[tap.layer].shape
        pixel, channel = divmod(int(tap.index[element]), channels)
        return Difference(
            image=image, row=pixel // columns, column=pixel % columns, channel=channel, expected=_number(expected),
            found=_number(found),
        )  # fmt: skip

    def finish(self) -> Agreement:
        """What was found in all."""
        if self._executor is not None and self._results:
            self._found.results = np.concatenate(self._results)
            self._found.differ = np.concatenate(self._differ)
            self._found.excused = np.concatenate(self._excused)
            self._found.tied = np.concatenate(self._tied)
            self._found.bounded = np.concatenate(self._bounded)
        return self._found


def _told(tap: Tap, tensor: Array) -> Array:
    """A tensor of the file as numbers (N, E)."""
    if tensor.size != len(tensor) * len(tap.index):
        raise CannotRunError(f"tensor {shown(tap.tensor)} comes in the shape {tensor.shape[1:]}, not {tap.shape}")
    return tensor.reshape(len(tensor), -1).astype(np.float64)


def _misplaced(scores: Array, least: Array, most: Array) -> bool:
    """Whether a score (M,) is at least as high as another one that is higher for sure."""
    order = np.argsort(scores, kind="stable")
    ranked = scores[order]
    highest = np.maximum.accumulate(least[order])[np.searchsorted(ranked, ranked, side="right") - 1]
    return bool((most[order] < highest).any())


def _level(tap: Tap, element: int, near: float) -> float:
    """The value of a tensor that is nearest to a number."""
    values = [float(np.broadcast_to(value, tap.shape).reshape(-1)[element]) for value in tap.values]
    return min(values, key=lambda value: abs(value - near))


def _half(tap: Tap) -> Array:
    """The levels of an element are evenly spaced: what is nearer to one than this, (E,), is that one."""
    half: Array = np.broadcast_to(np.abs(tap.values[1] - tap.values[0]) / 2, tap.shape).reshape(-1)
    return np.where(half > 0, half, half.max())  # constant elements have one level


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
