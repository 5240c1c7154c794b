"""Bounds that networks state for their integers, where these stand for real numbers: no input is farther off.

Small networks of real-valued shortcuts are drawn, imported, and run on all inputs that there are, once as integers and
once in exact fractions, which know nothing of the importer (`support.drawn_models`).
"""

from __future__ import annotations

import itertools
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from bitweir.importers import ModelError, load_model
from bitweir.importers.exact.surd import nearly
from bitweir.importers.folding import shortcuts
from bitweir.importers.folding.positions import affine
from bitweir.importers.folding.provenance import Taps
from bitweir.importers.folding.symbols import Signal, Stream
from bitweir_hw.network import Network, Stored
from bitweir_sim.formal import Status, Trace, Verdict
from bitweir_sim.values.golden import trace
from numpy.typing import NDArray
from support.drawn_models import Model, Value

from .claim import Case, Claim

__all__ = ["CLAIMS"]

METHOD = "all inputs, in exact fractions"

#: Elements of a frame, the highest number that each can be, and channels of the sums.
SIZES = ((8, 1, 3), (4, 3, 4), (3, 7, 2), (10, 1, 2))
#: Roots of batch norms have 200 bits in the reference, and a few more or less are lost behind them.
ROOTS = Fraction(1, 1 << 150)
#: How a drawn network may be refused.
REFUSED = re.compile(r"known well enough|The sums of the model must fit 32 bits")


class Meanings(Taps):
    """Notes also, for each stream that is not exact, what its integers stand for in the tensor that is its first."""

    def restart(self) -> None:
        super().restart()
        self.meanings: dict[str, Meaning] = {}

    def _bounded(self, tensor: str, value: Signal) -> None:
        known = set(self.slack)
        super()._bounded(tensor, value)
        if tensor in self.slack and tensor not in known:
            stream = value.origin
            assert isinstance(stream, Stream) and stream.accuracy is not None
            slopes, offsets = (np.broadcast_to(part, value.shape).reshape(-1) for part in affine(value))
            error = (stream.accuracy.error * stream.accuracy.unit)[value.index % stream.map.channels]
            self.meanings[tensor] = Meaning(stream.name, value.index, slopes, offsets, error)


@dataclass(frozen=True, eq=False)
class Meaning:
    """``slope * integer + offset`` is what the integers of a layer stand for, and is off by at most `error`.

    Parameters
    ----------
    layer : str
    index : int64 array, (E,)
        Which integer of the layer each element of the tensor is.
    slopes, offsets, error : object array, (E,)
        Exact numbers.
    """

    layer: str
    index: NDArray[np.int64]
    slopes: NDArray[Any]
    offsets: NDArray[Any]
    error: NDArray[Any]


@dataclass
class Found:
    """What was compared.

    Attributes
    ----------
    networks, refused, bounds, integers, scores, excused : int
        Networks that were compared, and those that the importer refused; bounds of them; integers of sums, and scores;
        codes that are wrong within the bound.
    share : Fraction
        The largest error of all, as a share of its bound.
    wrong : str
        The first that is wrong.
    """

    networks: int = 0
    refused: int = 0
    bounds: int = 0
    integers: int = 0
    scores: int = 0
    excused: int = 0
    share: Fraction = Fraction(0)
    wrong: str = ""
    trace: Trace | None = None

    @property
    def told(self) -> str:
        """In words."""
        return (
            f"{self.networks} networks with {self.bounds} bounds; {self.integers:,} integers of sums and "
            f"{self.scores:,} scores, of which the largest error is {float(self.share):.0%} of its bound; "
            f"{self.excused} codes that a bound excuses; {self.refused} networks refused"
        )


class Drawn(Model):
    """A network of shortcuts, and all of its inputs.

    Parameters
    ----------
    seed : int
    """

    def __init__(self, seed: int) -> None:
        size, high, channels = SIZES[seed % len(SIZES)]
        super().__init__(seed, (size,), 1, Stored(high=high))
        self.pixels = np.array(list(itertools.product(range(high + 1), repeat=size)), np.int64)
        self.input = Value("x", self.pixels, self._whole(1))
        #: Sums of two branches; and what each sign takes.
        self.values: list[Value] = []
        self.taken: list[str] = []
        x = self._scaled_some(self.linear(self.input, channels), shifted=True)
        for _ in range(int(self.rng.integers(1, 4))):
            inner = self._scaled_some(self.linear(self.sign(x), channels))
            x = self.add(*self.rng.permutation(np.array([self._scaled_some(x), inner], object)))
            self.values.append(x)
        ends = bool(self.rng.integers(0, 2))
        self.output = x if ends else self.linear(self.sign(x), 2)
        self.result = "scores" if self.rng.integers(0, 2) else None

    def sign(self, x: Value) -> Value:
        """Note also of what."""
        found = super().sign(x)
        self.taken.append(x.name)
        return found

    def _scaled_some(self, x: Value, shifted: bool = False) -> Value:
        channels = x.array.shape[1]
        kind = self.rng.integers(0, 4)
        if kind == 0:
            x = self.norm(x)
        elif kind < 3:
            x = self.gate(x, self.rng.choice([-1, 1], channels) * 10.0 ** self.rng.uniform(-1, 1, channels))
        if shifted or self.rng.integers(0, 2):
            x = self.shift(x, self.rng.uniform(-2, 2, channels) - float(np.mean(x.array.astype(np.float64))))
        return x


def compare(model: Drawn, folder: Path, found: Found) -> None:
    """A network with its reference; what is wrong of it goes into `found`."""
    taps = Meanings()
    try:
        network = load_model(model.save(folder / "net.onnx"), input_scale="1", taps=taps, result=model.result,
                             input_range=f"0:{model.stored.high}")  # fmt: skip
    except ModelError as error:
        if not REFUSED.search(str(error)):
            raise
        found.refused += 1
        return
    found.networks += 1
    found.bounds += len(network.bounds)
    outputs = trace(network, model.pixels)
    clean = _codes(model, network, taps, outputs, found)
    for value in model.values:
        meaning = taps.meanings.get(value.name)
        if meaning is None:
            continue
        integers = outputs[meaning.layer][:, meaning.index].astype(object)
        slopes, offsets = (np.array([nearly(x) for x in part], object) for part in (meaning.slopes, meaning.offsets))
        off = abs(value.array - (integers * slopes + offsets))[clean]
        found.integers += off.size
        _check(model, found, (off > meaning.error + ROOTS).any(axis=1), clean, f"an integer of {meaning.layer}")
        if off.size:
            largest = off.max(axis=0)
            found.share = max(found.share, *(a / b for a, b in zip(largest, meaning.error, strict=True) if b))
    _results(model, network, outputs, clean, found)


def _check(model: Drawn, found: Found, wrong: NDArray[Any], clean: NDArray[np.bool_], what: str) -> None:
    """Note the first frame for which something is wrong."""
    if wrong.any() and not found.wrong:
        frame = model.pixels[np.flatnonzero(clean)[int(np.argmax(wrong))]]
        found.wrong = f"{what} is farther off than its bound"
        found.trace = Trace(broken=(what,), signals={f"frame[{n}]": (int(x),) for n, x in enumerate(frame)})


def _codes(model: Drawn, network: Network, taps: Taps, outputs: Any, found: Found) -> NDArray[np.bool_]:
    """Compare the codes of all signs; in which frames all of them are right."""
    bounds = {bound.layer: bound for bound in network.bounds}
    by_tensor = {tap.tensor: tap for tap in taps.codes}
    clean = np.ones(len(model.pixels), bool)
    for site, name in zip(model.sites, model.taken, strict=True):
        tap = by_tensor.get(next((name for name in reversed(site.tensors) if name in by_tensor), ""))
        if tap is None:
            # Its codes went into a later quantiser: they are right where no bound excuses them.
            worst = max((Fraction(bound.error) for bound in network.bounds), default=Fraction(0))
            clean &= (site.distance > worst).all(axis=1)
            continue
        bound = bounds.get(tap.stream)
        low, high = (np.broadcast_to(value, tap.shape).reshape(-1) for value in tap.values)
        codes = np.where(outputs[tap.layer][:, tap.index] == 1, high, low)
        tensor = next(name for name in reversed(site.tensors) if name in by_tensor)
        wrong = abs(codes - site.tensors[tensor]) > abs(high - low) / 2
        error = Fraction(0) if bound is None or bound.exact else Fraction(bound.error)
        _check(
            model, found, (wrong & (site.distance > error + ROOTS))[clean].any(axis=1), clean, f"a code of {tap.layer}"
        )
        if bound is not None and bound.closest is not None:
            # Of channels that are off at all, and are not constant.
            counts = (taps.meanings[name].error > 0) & (np.ptp(codes, axis=0) > 0)
            near = (counts & (site.distance < Fraction(bound.closest) - ROOTS))[clean].any(axis=1)
            _check(model, found, near, clean, f"the closest distance of {tap.layer}")
        found.excused += int(wrong[clean].sum())
        clean[clean] = ~wrong[clean].any(axis=1)
    return clean


def _results(model: Drawn, network: Network, outputs: Any, clean: NDArray[np.bool_], found: Found) -> None:
    """Compare scores, where integers have a meaning, and the class of each frame in which it leads by enough."""
    assert model.output is not None
    error = max((Fraction(bound.error) for bound in network.bounds if bound.of != "codes"), default=Fraction(0))
    scores = model.output.array.astype(object)
    integers = outputs[network.layers[-1].name]
    if network.readout.kind == "scores":
        meant = np.array([network.readout.exact(row) for row in integers.tolist()], object)
        # Where scales are irrational, fractions of 64 significant bits stand for them.
        slack = abs(scores) / (1 << 60) if network.readout.rounded else ROOTS
        off = abs(scores - meant)
        _check(model, found, (off > error + slack)[clean].any(axis=1), clean, "a score")
        found.scores += int(clean.sum()) * scores.shape[1]
        if error:
            found.share = max(found.share, off[clean].max(initial=Fraction(0)) / error)
        return
    best = np.sort(scores, axis=1)
    leads = best[:, -1] - best[:, -2] > 2 * error + ROOTS
    wrong = leads & (integers.argmax(axis=1) != scores.argmax(axis=1))
    _check(model, found, wrong[clean], clean, "a class")


def _coarse(*given: Any, **named: Any) -> Any:
    """What the importer finds for a sum, with a hundredth of its error."""
    found = _fitted(*given, **named)
    return replace(found, error=found.error / 100)


_fitted = shortcuts.fitted


def decide(seeds: range, planted: bool = False) -> Verdict:
    """Compare some drawn networks with their references.

    Parameters
    ----------
    planted : bool
        The importer counts a hundredth of what the factors of a sum are off.
    """
    began = time.perf_counter()
    found = Found()
    with tempfile.TemporaryDirectory(prefix="bitweir-") as work, ExitStack() as faults:
        if planted:
            faults.enter_context(patch.object(shortcuts, "fitted", _coarse))
        for seed in seeds:
            compare(Drawn(seed), Path(work), found)
            if found.wrong:
                break
    status: Status = "refuted" if found.wrong else "proved" if found.bounds else "unknown"
    told = f"network {seed}: {found.wrong}" if found.wrong else found.told
    seconds = round(time.perf_counter() - began, 2)
    return Verdict(status=status, method=METHOD, tool="bitweir", seconds=seconds, told=told, trace=found.trace)


def cases() -> Iterator[Case]:
    """Some networks of each size."""
    yield Case(name="4 networks", run=partial(decide, range(4)), quick=True)
    yield Case(name="100 networks", run=partial(decide, range(4, 104)))
    yield Case(name="1,000 networks", run=partial(decide, range(104, 1104)), thorough=True)


def faults() -> Iterator[Case]:
    """A bound that is too small."""
    yield Case(name="a bound is a hundredth of what it should be", run=partial(decide, range(4), True), quick=True)


CLAIMS = (
    Claim(
        name="bounds",
        says="No real value of a network with real-valued shortcuts is farther from what its integer stands for than "
        "the bound that the network states; codes and classes that a bound does not excuse are right.",
        parameters="104 drawn networks, with `--all` 1,104, of one to three sums in a row, of gates and batch norms, "
        "which end in a class or in scores; all of their inputs, 256 to 1,024 each",
        method=METHOD,
        tool="bitweir",
        fault="a bound that is too small",
        cases=cases,
        faults=faults,
    ),
)
