"""Several networks as one: each has a vote for its class, or several, and the class with the most votes wins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from math import gcd, lcm
from pathlib import Path

import numpy as np
from bitweir_hw.network import Affine, Bound, Branched, Input, Layer, Network, Parallel, Readout, Vote, check

from .errors import ModelError, shown, shown_path
from .folding.accuracy import rounded_up

__all__ = ["prefix", "summed", "vote", "whole_votes"]

#: So many votes may a model have; they are added up in the accelerator.
_MOST_VOTES = 1 << 20
#: Bits of the scales of summed scores, and what a rounded fraction may be off, as a share.
_SCALE_BITS, _ROUNDED = 20, Fraction(1, 1 << 63)
#: A share of the votes as a user gives it.
Share = int | float | str | Fraction


def prefix(place: int) -> str:
    """What the layers of a network get before their names; places count from 0."""
    return f"net{place}_"


def whole_votes(shares: Sequence[Share], models: int) -> tuple[int, ...]:
    """The votes of models as whole numbers in the ratio of their shares, the least that there are.

    Parameters
    ----------
    shares : sequence of int, float, str or Fraction
        Texts are decimal numbers or fractions, such as ``"0.7"`` and ``"1/3"``; floats are taken as they are printed.
    models : int
        How many of them must be there.

    Raises
    ------
    ModelError
        They are not so many positive numbers, or their ratio asks for too many votes.
    """
    told = "(--vote, in Python vote=)"
    if len(shares) != models:
        raise ModelError(f"The votes {told} must be one number for each of the {models} models, not {len(shares)}.")
    try:
        numbers = [Fraction(str(share)) for share in shares]
    except (ValueError, ZeroDivisionError) as error:
        raise ModelError(f"The votes {told} must be numbers such as 2, 0.7 or 1/3, not {shares!r}.") from error
    if min(numbers) <= 0:
        raise ModelError(f"The votes {told} must be greater than 0, not {min(numbers)}: leave out that model.")
    under = lcm(*(number.denominator for number in numbers))
    whole = [int(number * under) for number in numbers]
    votes = tuple(number // gcd(*whole) for number in whole)
    if max(votes) > _MOST_VOTES:
        raise ModelError(
            f"The votes {told} must have a ratio of whole numbers up to {_MOST_VOTES:,}, not {max(votes):,}: "
            "round them."
        )
    return votes


def vote(
    networks: Sequence[Network], paths: Sequence[Path], *, name: str | None = None, votes: Sequence[int] = ()
) -> Network:
    """One network in which each of some networks votes for its class (hard votes).

    The scores are numbers of votes. Of classes with equally many votes, the lowest wins.

    Parameters
    ----------
    networks : sequence of Network
        Two or more, which turn frames into codes by the same rule.
    paths : sequence of Path
        Their files, for messages.
    name : str or None
        Of the ensemble; None makes one from that of the first network.
    votes : sequence of int
        How many each network has, as `whole_votes` makes them; one each where there are none.

    Raises
    ------
    ModelError
        Names the two files that do not go together, and in what they differ.
    """
    if len(networks) < 2:
        raise ModelError(
            f"A vote needs two models or more, not {len(networks)}: name the others, or leave out --vote (in Python "
            f"vote=)."
        )
    first = networks[0]
    _check_alike(networks, paths)
    for network, path in zip(networks, paths, strict=True):
        if network.readout.kind != "class":
            raise ModelError(
                f"Models that vote must each give a class, but the result of {shown_path(path)} is "
                f"{network.readout.kind}: leave out --vote (in Python vote=)."
            )
    branches = tuple(
        (*(_renamed(layer, prefix(place)) for layer in network.layers), Vote(name=f"{prefix(place)}vote"))
        for place, network in enumerate(networks)
    )
    weights = tuple(votes) if len(set(votes)) > 1 else None
    return check(
        Network(
            name=name or f"vote_{first.name}",
            input=first.input,
            layers=(Parallel(name="votes", branches=branches, weights=weights),),
            notes=_notes(networks, paths, votes),
            bounds=_bounds(networks),
        )
    )


def summed(
    networks: Sequence[Network], paths: Sequence[Path], *, name: str | None = None, votes: Sequence[int] = ()
) -> Network:
    """One network whose class has the highest sum of the scores of some networks (soft votes).

    The scores become whole numbers of one unit. Where the least common unit takes too many bits, they are rounded, and
    the network has the bound of what that changes.

    Parameters
    ----------
    networks : sequence of Network
        Two or more, whose results are scores.
    paths, name, votes
        As in `vote`; scores are multiplied with the votes.

    Raises
    ------
    ModelError
        Names the two files that do not go together, and in what they differ.
    """
    _check_alike(networks, paths)
    first, weights = networks[0], tuple(votes) or (1,) * len(networks)
    if any(network.readout.kind != "scores" or network.end.pixels > 1 for network in networks) or first.outputs < 2:
        raise ModelError(
            "Models whose scores are summed (--sum, in Python sum_scores=True) must end in a vector of two scores or "
            "more: leave it out, so that each votes for its class, or export them up to their scores."
        )
    members = [_Scores(network, weight) for network, weight in zip(networks, weights, strict=True)]
    total = [sum((one.offsets[m] for one in members), Fraction(0)) for m in range(first.outputs)]
    unit = _unit([number for one in members for number in one.scales], total)
    shifts = [round(number / unit) for number in total]
    branches = tuple(
        (
            *(_renamed(layer, prefix(place)) for layer in one.network.layers),
            Affine(
                name=f"{prefix(place)}scores",
                scale=np.array(one.whole(unit), np.int64),
                offset=np.array(shifts if place == 0 else [0] * first.outputs, np.int64),
            ),
        )
        for place, one in enumerate(members)
    )
    error = max(
        abs(total[m] - unit * shifts[m]) + sum((one.error(m, unit) for one in members), Fraction(0))
        for m in range(first.outputs)
    )
    own: tuple[Bound, ...] = ()
    if error:
        own = (Bound(layer="sums", of="class", error=str(rounded_up(error)), unit=str(unit)),)
    return check(
        Network(
            name=name or f"sum_{first.name}",
            input=first.input,
            layers=(Parallel(name="sums", branches=branches),),
            notes=(*_notes(networks, paths, votes), *(bound.sentence for bound in own)),
            readout=Readout(scale=(str(unit),), offset=("0",)),
            bounds=(*_bounds(networks), *own),
        )
    )


class _Scores:
    """The scores of a network, times its votes: ``scales[m] * integer[m] + offsets[m]``."""

    def __init__(self, network: Network, votes: int) -> None:
        self.network, self._votes = network, votes
        self.scales, self.offsets = (
            [votes * number for number in numbers] * (network.outputs // len(numbers))
            for numbers in (network.readout.scales, network.readout.offsets)
        )
        self._largest = max(abs(network.end.low), abs(network.end.high))

    def whole(self, unit: Fraction) -> list[int]:
        """The scales as whole multiples of a unit, the nearest ones."""
        return [round(number / unit) for number in self.scales]

    def error(self, m: int, unit: Fraction) -> Fraction:
        """How far score m may be off where `whole` stands for its scale."""
        scale = self.scales[m]
        error = abs(scale - unit * round(scale / unit)) * self._largest
        if self.network.readout.rounded:
            error += _ROUNDED * (abs(scale) * self._largest + abs(self.offsets[m]))
        own = (Fraction(bound.error) for bound in self.network.bounds if bound.of == "scores")
        return error + self._votes * sum(own, Fraction(0))


def _unit(scales: Sequence[Fraction], offsets: Sequence[Fraction]) -> Fraction:
    """The largest number of which all numbers are whole multiples, or one that leaves the scales enough bits."""
    numbers = [*scales, *offsets]
    under = lcm(*(number.denominator for number in numbers))
    exact = Fraction(gcd(*(int(number * under) for number in numbers)) or 1, under)
    largest = max(map(abs, scales)) or Fraction(1)
    if largest / exact < 1 << _SCALE_BITS and max(map(abs, offsets)) / exact < 1 << 2 * _SCALE_BITS:
        return exact
    bits = _SCALE_BITS - (largest.numerator.bit_length() - largest.denominator.bit_length())
    return Fraction(2) ** -bits


def _check_alike(networks: Sequence[Network], paths: Sequence[Path]) -> None:
    for network, path in zip(networks[1:], paths[1:], strict=True):
        found = _difference(networks[0], network)
        if found:
            raise ModelError(
                f"Models that vote must have the same input and the same classes, but {shown_path(paths[0])} and "
                f"{shown_path(path)} differ in {found}: train or export them alike."
            )


def _notes(networks: Sequence[Network], paths: Sequence[Path], votes: Sequence[int]) -> tuple[str, ...]:
    told = [f", with {count:,} vote{'s' * (count > 1)}." for count in votes] if len(set(votes)) > 1 else []
    notes = [
        f"{prefix(place)[:-1]} is the file {shown(path.name)}, the network {network.name}{told[place] if told else '.'}"
        for place, (network, path) in enumerate(zip(networks, paths, strict=True))
    ]
    return (*notes, *(f"{prefix(n)[:-1]}: {note}" for n, network in enumerate(networks) for note in network.notes))


def _bounds(networks: Sequence[Network]) -> tuple[Bound, ...]:
    return tuple(
        replace(bound, layer=prefix(place) + bound.layer)
        for place, network in enumerate(networks)
        for bound in network.bounds
    )


def _renamed(layer: Layer, before: str) -> Layer:
    if isinstance(layer, Branched):
        inner = tuple(tuple(_renamed(one, before) for one in branch) for branch in layer.branches)
        layer = replace(layer, branches=inner)
    return replace(layer, name=before + layer.name)


def _difference(one: Network, other: Network) -> str:
    """In what two networks differ that keeps them from sharing an input; empty for nothing."""
    a, b = one.input, other.input
    pairs: tuple[tuple[str, object, object], ...] = (
        ("the shape of their input", a.shape, b.shape),
        ("the format of their input codes", _told(a), _told(b)),
        ("what stored integers mean", _meaning(a), _meaning(b)),
        ("the map that their input is", a.map.shape, b.map.shape),
        ("the number of their classes", one.outputs, other.outputs),
    )
    for what, x, y in pairs:
        if x != y:
            return f"{what}, {x} and {y}"
    if not np.array_equal(a.source, b.source):
        return "the order in which they take the elements of a frame"
    if a.thresholds is None or b.thresholds is None:
        return "" if a.thresholds is b.thresholds else "whether they quantise it"
    rows, others = (np.broadcast_to(t, (a.size, t.shape[1])) for t in (a.thresholds, b.thresholds))
    if rows.shape != others.shape:
        return f"the number of levels of their input, {rows.shape[1] + 1} and {others.shape[1] + 1}"
    if not np.array_equal(rows, others):
        element, level = np.argwhere(rows != others)[0]
        return (
            f"the thresholds of their input, {float(rows[element, level])!r} and {float(others[element, level])!r} "
            f"for element {int(a.source[element])}"
        )
    return ""


def _meaning(entry: Input) -> str:
    stored = entry.stored
    return "not said" if stored is None else f"{stored.rule} for {stored.low} to {stored.high}"


def _told(entry: Input) -> str:
    form = entry.format
    return f"{form.bits} bit ({form.offset} + {form.step} * code)"
