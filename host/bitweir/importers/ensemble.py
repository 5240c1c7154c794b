"""Several networks as one: each has one vote for its class, and the class with the most votes wins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from bitweir_hw.network import Branched, Input, Layer, Network, Parallel, Vote, check

from .errors import ModelError, shown, shown_path

__all__ = ["prefix", "vote"]


def prefix(place: int) -> str:
    """What the layers of a network get before their names; places count from 0."""
    return f"net{place}_"


def vote(networks: Sequence[Network], paths: Sequence[Path], *, name: str | None = None) -> Network:
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
    notes = [
        f"{prefix(place)[:-1]} is the file {shown(path.name)}, the network {network.name}."
        for place, (network, path) in enumerate(zip(networks, paths, strict=True))
    ]
    notes += [f"{prefix(place)[:-1]}: {note}" for place, network in enumerate(networks) for note in network.notes]
    return check(
        Network(
            name=name or f"vote_{first.name}",
            input=first.input,
            layers=(Parallel(name="votes", branches=branches),),
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
