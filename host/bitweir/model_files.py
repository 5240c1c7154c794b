"""Networks from model files: one, or several that vote, and each compared with its file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bitweir_hw.network import Argmax, Network

from .importers import ModelError, load_model
from .importers.compare.agreement import Member
from .importers.compare.comparison import Comparison, compare_drawn
from .importers.compare.report import ComparisonReport, comparison_report
from .importers.ensemble import Share, prefix, summed, whole_votes
from .importers.ensemble import vote as voting_network
from .importers.errors import shown_path
from .importers.folding.provenance import Taps
from .importers.folding.real_weights import WeightBits
from .progress import Progress, silent
from .schemas import Json

__all__ = ["Imported", "load_networks"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Imported:
    """A network and the model files that it came from.

    Parameters
    ----------
    network : Network
    members : tuple of Member
        One, or those that vote.
    drawn : Comparison or None
        With the members on drawn inputs; None where that was left to images, or where there is no model file.
    """

    network: Network
    members: tuple[Member, ...]
    drawn: Comparison | None = None

    @property
    def comparison(self) -> ComparisonReport | None:
        """The report of `drawn`."""
        return None if self.drawn is None else comparison_report(self.drawn)

    @property
    def comparison_dict(self) -> Json | None:
        """The same for JSON."""
        return None if self.comparison is None else self.comparison.to_dict()

    @property
    def summary(self) -> tuple[str, ...]:
        """The outcome of `drawn` in one sentence, or nothing."""
        return () if self.drawn is None else (self.drawn.summary,)


def load_networks(
    paths: Sequence[Path | str],
    *,
    input_scale: str | None = None,
    input_range: str | None = None,
    name: str | None = None,
    vote: bool | Sequence[Share] = False,
    sum_scores: bool = False,
    result: str | None = None,
    weight_bits: WeightBits | None = None,
    heads: Sequence[str] = (),
    compare: bool = True,
    progress: Progress = silent,
) -> Imported:
    """Import a model file, or several whose networks vote, and compare the network with the files on drawn inputs.

    Parameters
    ----------
    paths : sequence of Path or str
        Model files, or networks that were saved as ``.npz``.
    input_scale, input_range, name, result, weight_bits, heads
        See `importers.load_model`; the name is that of the whole network.
    vote : bool, or sequence of numbers
        Whether there are several files, each of whose networks has one vote for its class; or how many votes each has,
        see `ensemble.whole_votes`.
    sum_scores : bool
        Whether the scores of the files are summed, times the votes of each, and the class is that of the highest sum.
    compare : bool
        Whether to compare now; False where images will say more.
    progress : Progress
        Shows which file is read.

    Raises
    ------
    ModelError
        A file cannot be imported exactly or does not go with the first one; or there are several files and no vote,
        or the other way round.
    DisagreementError
        The network does not compute what the files compute, which is a fault of bitweir.
    """
    files = [Path(path) for path in paths]
    if not files:
        raise ModelError("A model file must be given, not none.")
    votes = () if isinstance(vote, bool) else whole_votes(vote, len(files))
    vote = bool(vote)
    if len(files) > 1 and not vote:
        raise ModelError("Several model files make one network only by a vote: give vote=True.")
    if len(files) < 2 and vote:
        raise ModelError("A vote needs two model files or more.")
    if sum_scores and (not vote or result not in (None, "class")):
        raise ModelError(
            "Scores are summed (--sum, in Python sum_scores=True) of models that vote for a class (--vote, in Python "
            "vote=)."
        )
    found: list[tuple[Network, Taps | None]] = []
    for path in files:
        with progress(f"Reading {shown_path(Path(path.name))[1:-1]}"):
            taps = None if path.suffix.lower() == ".npz" else Taps()
            network = load_model(
                path,
                input_scale=input_scale,
                input_range=input_range,
                name=None if vote else name,
                taps=taps,
                result="scores" if sum_scores else result,
                weight_bits=weight_bits,
                heads=heads,
            )
            found.append((network, taps))
    imported = _voting(found, files, name, votes, sum_scores) if vote else _single(*found[0], files[0])
    # Of saved networks and plain arrays there is no model file to compare with.
    if not compare or all(member.taps is None for member in imported.members):
        return imported
    with progress("Comparing with the model file") as done:
        return replace(imported, drawn=compare_drawn(imported.network, imported.members, done))


def _scores(network: Network) -> str:
    """The layer that hands on the scores; the class of a pixel is chosen among them in a layer of its own."""
    chosen = len(network.layers) > 1 and isinstance(network.layers[-1], Argmax)
    return network.layers[-1 - chosen].name


def _single(network: Network, taps: Taps | None, path: Path) -> Imported:
    member = Member(path=path, network=network, taps=taps, last=_scores(network))
    return Imported(network=network, members=(member,))


def _voting(
    found: Sequence[tuple[Network, Taps | None]],
    paths: Sequence[Path],
    name: str | None,
    votes: Sequence[int],
    sum_scores: bool,
) -> Imported:
    members = tuple(
        Member(
            path=path,
            network=network,
            taps=None if taps is None else taps.prefixed(prefix(place)),
            last=prefix(place) + _scores(network),
            votes=votes[place] if votes else 1,
        )
        for place, (path, (network, taps)) in enumerate(zip(paths, found, strict=True))
    )
    make = summed if sum_scores else voting_network
    whole = make([network for network, _ in found], paths, name=name, votes=votes)
    return Imported(network=whole, members=members)
