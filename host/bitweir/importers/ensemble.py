"""Several networks as one: each has a vote for its class, or several, and the class with the most votes wins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from math import gcd, lcm
from pathlib import Path

import numpy as np
from bitweir_hw.network import Branched, Input, Layer, Network, Parallel, Vote, check

from .errors import ModelError, shown, shown_path

__all__ = ["prefix", "vote", "whole_votes"]

#: So many votes may a model have; they are added up in the accelerator.
_MOST_VOTES = 1 << 20
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
    for network, path in zip(networks[1:], paths[1:], strict=True):
        found = _difference(first, network)
        if found:
            raise ModelError(
                f"Models that vote must have the same input and the same classes, but {shown_path(paths[0])} and "
                f"{shown_path(path)} differ in {found}: train or export them alike."
            )
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
    notes = [
        f"{prefix(place)[:-1]} is the file {shown(path.name)}, the network {network.name}"
        + (f", with {weights[place]:,} vote{'s' * (weights[place] > 1)}." if weights else ".")
        for place, (network, path) in enumerate(zip(networks, paths, strict=True))
    ]
    notes += [f"{prefix(place)[:-1]}: {note}" for place, network in enumerate(networks) for note in network.notes]
    return check(
        Network(
            name=name or f"vote_{first.name}",
            input=first.input,
            layers=(Parallel(name="votes", branches=branches, weights=weights),),
            notes=tuple(notes),
            bounds=tuple(
                replace(bound, layer=prefix(place) + bound.layer)
                for place, network in enumerate(networks)
                for bound in network.bounds
            ),
        )
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
