"""Small networks, of which each has something that computes: what is proved of them is proved for all inputs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from bitweir_hw.network import (
    BIPOLAR,
    LABEL,
    Affine,
    Argmax,
    Conv,
    Dense,
    Format,
    Input,
    Layer,
    Network,
    Parallel,
    Piecewise,
    Pool,
    Readout,
    Select,
    Threshold,
    Vote,
    check,
)
from bitweir_hw.plan import Plan, plan_from_foldings
from bitweir_hw.popcount import Popcount

__all__ = ["Small", "small_networks", "wired_networks"]


@dataclass(frozen=True, kw_only=True)
class Small:
    """A network and how it is folded.

    Parameters
    ----------
    name : str
        What it is about.
    network : Network
    folding : str
        As a user writes it.
    levels : int
        Levels between registers, of popcounts and of comparisons.
    frames : int
        Side by side.
    stalls : bool
        Whether source and sink wait now and then.
    """

    name: str
    network: Network
    folding: str = ""
    levels: int = 2
    frames: int = 1
    stalls: bool = False

    def plan(self, family: str) -> Plan:
        """For a family."""
        popcount = Popcount.of(family, self.levels)
        if not self.folding:
            return Plan(foldings=(), popcount=popcount, parallel_frames=self.frames)
        return plan_from_foldings(self.network, self.folding, popcount=popcount, parallel_frames=self.frames)


def network(shape: tuple[int, ...], form: Format, *layers: Layer, kind: str = "class") -> Network:
    """A network of codes; a shape of three is that of a map."""
    size = int(np.prod(shape))
    entry = Input(
        shape=(size,), format=form, thresholds=np.arange(1, form.codes)[None] / form.codes, source=np.arange(size),
        map_shape=shape if len(shape) == 3 else None,  # type: ignore[arg-type]
    )  # fmt: skip
    meaning: dict[str, Any] = {} if kind in ("class", "labels", "classes") else {"scale": ("1",), "offset": ("0",)}
    return check(Network(name="net", input=entry, layers=layers, readout=Readout(kind=kind, **meaning)))


def small_networks() -> Iterator[Small]:
    """All of them; the same ones each time."""
    yield from _dense()
    yield from _scores()
    yield from _maps()


def wired_networks() -> Iterator[Small]:
    """Wired layers of more inputs, whose proofs take longer."""
    for inputs, neurons in ((12, 6), (16, 8)):
        weights = np.random.default_rng(inputs).random((neurons, inputs)) < 0.5
        layer = Dense(name="dense", weights=weights)
        yield Small(
            name=f"wired, {inputs} inputs and {neurons} neurons",
            network=network((inputs,), BIPOLAR, layer, kind="scores"), folding="wired",
        )  # fmt: skip


def _dense() -> Iterator[Small]:
    rng = np.random.default_rng(3)
    signs = rng.random((4, 7)) < 0.5
    # The second row of a threshold below all sums, the third of one above, the fourth of the highest sum.
    ends = network(
        (7,), BIPOLAR,
        Dense(name="dense", weights=signs, thresholds=np.array([[0], [-9], [9], [7]]), output=LABEL),
        kind="labels",
    )  # fmt: skip
    for folding in ("7x4", "3x2", "2x3", "1x1"):
        yield Small(name=f"thresholds in and out of reach, {folding}", network=ends, folding=folding)
    yield Small(name="thresholds, 3x2, with stalls", network=ends, folding="3x2", stalls=True)
    levels = network(
        (6,), BIPOLAR,
        Dense(name="dense", weights=signs[:3, :6], thresholds=np.array([[-4, 0, 2], [-9, 1, 1], [-2, 6, 9]]),
              output=Format(bits=2)),
        kind="codes",
    )  # fmt: skip
    yield Small(name="several thresholds a neuron", network=levels, folding="4x2")
    for form, told in ((Format(bits=2), "2 bits"), (Format(bits=3, offset=-4), "3 bits with a sign")):
        for weights, kind in (
            (signs[:3, :5], "-1 and +1"),
            (rng.integers(-1, 2, (3, 5)), "-1, 0 and +1"),
            (rng.integers(-3, 4, (3, 5)), "3 bits"),
        ):
            layer = Dense(name="dense", weights=weights, thresholds=np.array([[1], [0], [-3]]), output=LABEL)
            yield Small(
                name=f"inputs of {told}, weights {kind}", network=network((5,), form, layer, kind="labels"),
                folding="2x2",
            )  # fmt: skip
    two = network(
        (9,), BIPOLAR,
        Dense(name="one", weights=rng.random((5, 9)) < 0.5, thresholds=rng.integers(-3, 4, (5, 1)), output=BIPOLAR),
        Dense(name="two", weights=rng.random((3, 5)) < 0.5),
    )  # fmt: skip
    for folding, frames in (("4x2,2x3", 2), ("wired", 1), ("9x5,wired", 1)):
        yield Small(name=f"two layers, {folding}, {frames} frames", network=two, folding=folding, frames=frames)
    bits = network(
        (4,), Format(bits=3, offset=-4),
        Dense(name="dense", weights=rng.integers(-5, 6, (3, 4))),
        kind="scores",
    )  # fmt: skip
    for folding in ("wired", "wired/3"):
        yield Small(name=f"weights of 4 bits, {folding}", network=bits, folding=folding)


def _scores() -> Iterator[Small]:
    for classes, bits, levels, told in (
        (2, 3, 1, "one comparison"), (3, 3, 1, "all pairs"), (5, 2, 2, "all pairs"), (6, 2, 1, "tree"),
        (7, 2, 0, "tree"),
    ):  # fmt: skip
        layer = Affine(name="affine", scale=np.ones(classes, np.int64), offset=np.zeros(classes, np.int64))
        yield Small(
            name=f"class of {classes}, {told}, {levels} levels a stage",
            network=network((classes,), Format(bits=bits, offset=-2), layer), levels=levels,
        )  # fmt: skip
    ranks = Affine(name="affine", scale=np.array([1, -2, 3, 0]), offset=np.array([4, 5, -6, 1]))
    yield Small(name="affine scores and their class", network=network((4,), Format(bits=3), ranks))
    several = Dense(name="dense", weights=np.random.default_rng(4).integers(-1, 2, (5, 4)))
    for folding, levels in (("4x2", 2), ("2x3", 0), ("4x1", 1)):
        yield Small(
            name=f"class of 5, {folding}, {levels} levels a stage", network=network((4,), Format(bits=2), several),
            folding=folding, levels=levels,
        )  # fmt: skip
    yield Small(name="vote", network=network((1, 1, 4), Format(bits=2), Vote(name="vote"), kind="codes"))
    pieces = Piecewise(
        name="pieces", thresholds=np.array([[2], [0], [-3]]), shift=1, scale=np.array([[0, 4], [1, 2], [0, 3]]),
        offset=np.array([[5, -3], [0, 1], [-1, 8]]),
    )  # fmt: skip
    yield Small(name="piecewise", network=network((1, 1, 3), Format(bits=3, offset=-4), pieces, kind="scores"))


def _maps() -> Iterator[Small]:
    rng = np.random.default_rng(5)
    wide = Format(bits=2)
    for form, pool, told in (
        (BIPOLAR, Pool(name="pool", kind="max", kernel=(2, 2), stride=(2, 2)), "largest of signs"),
        (wide, Pool(name="pool", kind="max", kernel=(2, 2), stride=(1, 1), pads=(1, 0, 0, 0)), "largest of 2 bits"),
        (
            wide,
            Pool(name="pool", kind="max", kernel=(2, 2), stride=(2, 2), least=np.array([True, False])),
            "smallest in one channel",
        ),
    ):
        yield Small(name=f"pool, {told}", network=network((2, 4, 2), form, pool, kind="codes"))
    mean = Pool(name="pool", kind="sum", kernel=(2, 2), stride=(2, 2))
    cut = Threshold(name="cut", thresholds=np.array([[3, 5, 6], [0, 7, 8]]), output=wide)
    yield Small(name="mean and thresholds", network=network((2, 4, 2), wide, mean, cut, kind="codes"))
    conv = Conv(
        name="conv", weights=rng.random((2, 2, 2, 1)) < 0.5, pads=(1, 1, 0, 0),
        thresholds=np.array([[-1], [1]]), output=BIPOLAR,
    )  # fmt: skip
    yield Small(name="convolution, padded", network=network((2, 2, 1), BIPOLAR, conv, kind="codes"), folding="2x1")
    choice = Argmax(name="choice")
    yield Small(name="class of each pixel", network=network((1, 2, 3), wide, choice, kind="classes"))
    total = Parallel(
        name="sum", branches=((), (Select(name="select", channels=np.array([1, 0])),)), weights=(2, -1)
    )  # fmt: skip
    yield Small(name="weighted sum of two branches", network=network((1, 2, 2), wide, total, kind="scores"))
