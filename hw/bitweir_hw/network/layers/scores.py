"""The highest of the channels, as a vote or as a class."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import NetworkError
from ..formats import Format, Map
from .checks import check_rising

__all__ = ["Argmax", "Vote"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Vote:
    """Scores to one vote: 1 for the lowest index with the highest score, 0 for all others.

    Parameters
    ----------
    name : str
    """

    name: str

    @property
    def description(self) -> str:
        """What a reader calls it."""
        return "vote"

    def output_map(self, source: Map) -> Map:
        """What leaves the layer; see the module."""
        if source.pixels != 1:
            raise NetworkError(f"Layer {self.name!r} must take a vector of scores, not a map of shape {source.shape}.")
        check_rising(self, source)
        return Map.of_codes(source.shape, Format(bits=1))


@dataclass(frozen=True, kw_only=True, eq=False)
class Argmax:
    """A class for each pixel: the lowest of the channels that hold the highest value.

    It hands on one channel of codes, each of which is the number of a channel.

    Parameters
    ----------
    name : str
    """

    name: str

    @property
    def description(self) -> str:
        """What a reader calls it."""
        return "class of each pixel"

    def output_map(self, source: Map) -> Map:
        """What leaves the layer; see the module."""
        if source.channels < 2:
            raise NetworkError(f"Layer {self.name!r} must choose among two channels or more, not {source.channels}.")
        check_rising(self, source)
        most = source.channels - 1
        return Map(shape=(*source.shape[:2], 1), low=0, high=most, format=Format(bits=most.bit_length()))
