"""Imported networks beside their model files: on images, or on inputs drawn for the purpose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from bitweir_hw.errors import BitweirError
from bitweir_hw.network import Network
from bitweir_sim.trace import SimulationError
from bitweir_sim.values.encoding import encode
from bitweir_sim.values.golden import Result, result
from numpy.typing import NDArray

from ...results import ELEMENTS, PLURALS
from ..errors import shown
from .agreement import Member, compare
from .drawn import drawn_frames, frames_to_draw
from .findings import Agreement, Difference, LayerAgreement

__all__ = ["Comparison", "DisagreementError", "compare_drawn", "compare_frames"]

Array = NDArray[Any]
#: Of the largest number of a sum: what float32 may lose in it.
_FLOAT_SHARE = 1e-5
Progress = Callable[[float], None]


class DisagreementError(BitweirError):
    """A network does not compute what its model file computes."""

    exit_code = SimulationError.exit_code


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """A network and its model files on the same frames.

    Parameters
    ----------
    drawn : bool
        The frames were drawn; else they are images of the user.
    frames : int
    agreements : tuple of Agreement
        One for each model file.
    network : Network
    scores : int64 array, (N, M)
        Of the network.
    wanted : array, (N,) or (N, M), or None
        The result of the model file, see `outcomes.Outcome.decided`; where models vote, the class with the most votes
        of the references, of equally many the lowest; None if a model has no reference.
    wrong : bool array, (N,)
        Where the result of the network is another one, and no rounding of floats nor bound of a sum explains it.
    excused : bool array, (N,)
        Where it is another one, and these explain it.
    originals : tuple of Agreement
        Where weights were rounded: with the weights of the file, all that differs counted as ties. The others are with
        the rounded weights.
    """

    drawn: bool
    frames: int
    agreements: tuple[Agreement, ...]
    network: Network
    scores: NDArray[np.int64]
    wanted: Array | None
    wrong: NDArray[np.bool_]
    excused: NDArray[np.bool_]
    originals: tuple[Agreement, ...] = ()

    @property
    def result(self) -> Result:
        """Of the network."""
        return result(self.scores, self.network.readout.kind)

    @property
    def codes(self) -> int:
        """How many codes were compared."""
        return sum(layer.codes for one in self.agreements if one.ran for layer in one.layers)

    @property
    def ties(self) -> int:
        """How many codes differ because floats are rounded."""
        return sum(layer.ties for one in self.agreements if one.ran for layer in one.layers)

    @property
    def bounded(self) -> int:
        """How many codes differ within the bound of the sums before them."""
        return sum(layer.bounded for one in self.agreements if one.ran for layer in one.layers)

    @property
    def difference(self) -> str | None:
        """One sentence if the network is wrong: where, what a model file says, and what the network says."""
        what = "drawn input" if self.drawn else "image"
        for found in self.agreements:
            wrong = [layer for layer in found.layers if layer.differ] if found.ran else []
            if wrong:
                count, of = (sum(getattr(layer, key) for layer in found.layers) for key in ("differ", "codes"))
                told = f"{count:,} of {of:,} codes differ, the first in {_place(wrong[0], what)}"
            elif found.ran and not found.agrees:
                told = _scores(found, self.frames, what)
            else:
                continue
            return f"The network must compute what {found.title or _file(found)} computes, but {told}."
        if self.wrong.any():
            place = int(self.wrong.argmax())
            assert self.wanted is not None
            first = Difference(
                image=place, row=0, column=0, channel=0, expected=int(self.wanted[place]),
                found=int(np.argmax(self.scores[place])),
            )  # fmt: skip
            return (
                f"The network must find the class that the model files together find, but it does not for "
                f"{int(self.wrong.sum()):,} of {self.frames:,} {what}s, the first: {_told(first, what, 'class')}."
            )
        return None

    @property
    def summary(self) -> str:
        """One sentence: what was compared with what, and the outcome."""
        names = ", ".join(found.title or shown(found.path.name) for found in self.agreements if not found.ran)
        if names:
            remarks = "; ".join(dict.fromkeys(found.remark for found in self.agreements if not found.ran))
            return f"Nothing was compared with {'' if self.agreements[0].title else 'model file '}{names}: {remarks}."
        many = f"{self.frames:,} {'drawn inputs' if self.drawn else 'images'}"
        models = ", ".join(f"{one.title or shown(one.path.name)} (in {one.reference})" for one in self.agreements)
        equal = f"{self.codes - self.ties - self.bounded:,} codes"
        if not any(one.excused.any() for one in self.agreements):
            what = "all classes" if any(one.tied.any() for one in self.agreements) else "the order of all scores"
            equal += " and " + (what if self.network.readout.kind == "class" else "all results")
        parts = (
            self._excused(self.ties, "only as floats are rounded", bounded=False),
            self._excused(self.bounded, "within the bound of the sums before them", bounded=True),
        )
        rounded = " with rounded weights" if self.originals else ""
        own = "".join(f" {self._beside(one)}" for one in self.originals)
        return f"Compared with {models}{rounded} on {many}: {equal} are equal{''.join(parts)}.{own}"

    def _beside(self, original: Agreement) -> str:
        """How a network with rounded weights agrees with the file itself, in a sentence."""
        name = shown(original.path.name)
        if not original.ran:
            return f"Nothing was compared with the weights of {name} itself: {original.remark}."
        kind = self.network.readout.kind
        results = {"class": "classes", "codes": "resulting codes"}.get(kind, PLURALS[kind])
        equal = self.frames - int(original.differ.sum())
        what = "drawn inputs" if self.drawn else "images"
        told = f"With the weights of {name} itself, the {results} are equal on {equal:,} of {self.frames:,} {what}"
        codes, differ = (sum(getattr(layer, key) for layer in original.layers) for key in ("codes", "ties"))
        return f"{told}; {differ:,} of {codes:,} codes differ ({differ / codes:.2%})." if codes else f"{told}."

    def _excused(self, codes: int, why: str, *, bounded: bool) -> str:
        """How many codes, results and orders of scores differ for one reason, as the end of a sentence."""
        kind = self.network.readout.kind
        results = sum(int((one.excused & (one.bounded == bounded)).sum()) for one in self.agreements)
        orders = sum(int((one.tied & (one.bounded == bounded)).sum()) for one in self.agreements)
        name = {"codes": "resulting codes"}.get(kind, PLURALS[kind])
        told = [f"the {name} of {results:,}"] if results else []
        if kind == "class" and orders:
            told.append(f"the orders of scores of {orders:,}")
        with_them = f"{' and '.join(told)} {'drawn inputs' if self.drawn else 'images'}" if told else ""
        if codes:
            return f"; {codes:,} more differ {why}" + (f", and with them {with_them}" if told else "")
        return f"; {with_them} differ {why}" if told else ""


def _scores(found: Agreement, frames: int, what: str) -> str:
    if found.first_result is None:
        return f"the scores of {found.last} come in another order for {found.orders_differ:,} of {frames:,} {what}s"
    many, first = f"{found.results_differ:,} of {frames:,} {what}s", _told(found.first_result, what, found.kind)
    if found.kind == "class":
        return f"the scores of {found.last} give another class to {many}, first to {first}"
    return f"the {found.kind} of {found.last} differ for {many}, first for {first}"


def _told(first: Difference, what: str, kind: str) -> str:
    output = "the class" if kind == "class" else f"{ELEMENTS[kind]} {first.channel}"
    return f"{what} {first.image}: {output} should be {_short(first.expected)}, but is {_short(first.found)}"


def _place(layer: LayerAgreement, what: str) -> str:
    first = layer.first
    assert first is not None
    tensor = f" (tensor {shown(layer.tensor)} of the file)"
    return (
        f"{layer.layer}{tensor}, channel {first.channel}, pixel ({first.row}, {first.column}), {what} {first.image}: "
        f"expected {_short(first.expected)}, found {_short(first.found)}"
    )


def _short(number: float | str) -> str:
    return number if isinstance(number, str) else f"{number:.6g}"


def _file(found: Agreement) -> str:
    return f"model file {shown(found.path.name)}"


def compare_drawn(
    network: Network, members: Sequence[Member], progress: Progress = lambda share: None
) -> Comparison | None:
    """Compare on drawn inputs and on the corners of what the input takes, in about a second.

    Parameters
    ----------
    network : Network
    members : sequence of Member
        Its model files.
    progress : callable
        Takes the share that is done.

    Returns
    -------
    Comparison or None
        None where there is no model file, as the network was saved as such.

    Raises
    ------
    DisagreementError
        The network is wrong.
    """
    if all(member.taps is None for member in members):
        return None
    count = frames_to_draw(network)
    if not count:
        remark = "a frame takes too long: compare on some images with bitweir import --images"
        skipped = tuple(Agreement(path=member.path, remark=remark, layers=[]) for member in members)
        none = np.zeros((0, network.outputs), np.int64)
        nowhere = np.zeros(0, bool)
        return Comparison(
            drawn=True, frames=0, agreements=skipped, network=network, scores=none, wanted=None, wrong=nowhere,
            excused=nowhere,
        )  # fmt: skip
    frames = drawn_frames(network.input, count)
    found = compare_frames(network, members, frames, encode(network.input, frames), progress, drawn=True)
    if found.difference:
        raise DisagreementError(f"{found.difference[:-1]}; nothing is written, and the fault is one of bitweir.")
    return found


def compare_frames(
    network: Network,
    members: Sequence[Member],
    frames: Array | None,
    codes: Array,
    progress: Progress,
    *,
    drawn: bool = False,
) -> Comparison:
    """Compare on frames (N, *shape), which are `codes` (N, K) to the network; see `agreement.compare`."""
    others = [other for other in (member.of_file for member in members) if other]
    found, scores = compare(network, [*members, *others], frames, codes, progress)
    agreements, originals = found[: len(members)], found[len(members) :]
    wrong = excused = np.zeros(len(scores), bool)
    summed = len(members) > 1 and members[0].network.readout.kind == "scores"
    wanted = agreements[0].results if len(agreements) == 1 else _voted(agreements, members, network)
    if wanted is not None and len(agreements) == 1:
        excused = agreements[0].excused
        wrong = agreements[0].differ & ~excused
    elif wanted is not None and summed:
        wrong, excused = _beside_sums(_totals(agreements, members), scores, network)
    elif wanted is not None:
        # One of the members may well say the other class of two that tie.
        differ, tied = wanted != np.argmax(scores, axis=1), np.any([one.tied for one in agreements], axis=0)
        wrong, excused = differ & ~tied, differ & tied
    return Comparison(
        drawn=drawn,
        frames=len(scores),
        agreements=tuple(agreements),
        network=network,
        scores=scores,
        wanted=wanted,
        wrong=wrong,
        excused=excused,
        originals=tuple(originals),
    )


def _totals(agreements: Sequence[Agreement], members: Sequence[Member]) -> NDArray[np.float64]:
    """The sums of the scores of references, times the votes of each: (N, M)."""
    totals: NDArray[np.float64] = np.sum(
        [member.votes * np.asarray(one.results, np.float64) for one, member in zip(agreements, members, strict=True)],
        axis=0,
    )
    return totals


def _beside_sums(totals: NDArray[np.float64], scores: Array, network: Network) -> tuple[Array, Array]:
    """Frames whose class is wrong, and where it is another one only as floats are rounded or within the bound."""
    wanted, found = np.argmax(totals, axis=1), np.argmax(scores, axis=1)
    rows = np.arange(len(totals))
    slack = 2 * sum(float(Fraction(bound.error)) for bound in network.bounds if bound.layer == network.layers[-1].name)
    slack += _FLOAT_SHARE * float(np.abs(totals).max(initial=0.0))
    wrong = totals[rows, wanted] - totals[rows, found] > slack
    return wrong, (wanted != found) & ~wrong


def _voted(agreements: Sequence[Agreement], members: Sequence[Member], network: Network) -> NDArray[np.int64] | None:
    """The class that has most votes of the references, of equally many the lowest; None if a model has no reference.

    Where scores are summed, the one with the highest sum.
    """
    found = [agreement.results for agreement in agreements if agreement.results is not None]
    if len(found) < len(agreements):
        return None
    if members[0].network.readout.kind == "scores":
        highest: NDArray[np.int64] = np.argmax(_totals(agreements, members), axis=1)
        return highest
    votes = np.zeros((len(found[0]), network.outputs), np.int64)
    for one, member in zip(found, members, strict=True):
        votes[np.arange(len(one)), one] += member.votes
    voted: NDArray[np.int64] = np.argmax(votes, axis=1)
    return voted
