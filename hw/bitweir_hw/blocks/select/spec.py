"""The choice of channels, see `blocks.select.gateware`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from ...arithmetic import ceil_div
from ...memory import Memory
from ..machines import Level

__all__ = ["SelectSpec", "picked"]


def picked(channels: Sequence[int], lanes: int) -> dict[int, tuple[int, ...]] | None:
    """The lanes that leave, by the beat of a pixel in which they come; None where beats cannot leave as they come.

    Each beat that arrives makes one beat or none. So wanted channels must come in the order of their beats, as many of
    each, but perhaps fewer of the last one.

    Parameters
    ----------
    channels : sequence of int
        Of a pixel, those that leave.
    lanes : int
        Elements of a beat that arrives.
    """
    runs = [(beat, tuple(at % lanes for at in run)) for beat, run in groupby(channels, lambda at: at // lanes)]
    beats = [beat for beat, _ in runs]
    sizes = [len(run) for _, run in runs]
    ascending = all(a < b for a, b in zip(beats, beats[1:], strict=False))
    even = all(size == sizes[0] for size in sizes[:-1]) and sizes[-1] <= sizes[0]
    return dict(runs) if ascending and even else None


@dataclass(frozen=True, kw_only=True)
class SelectSpec:
    """The elements of an output pixel are those of an input pixel, chosen by their channel.

    Parameters
    ----------
    name, layer : str
        Of the block, and the `layers.Select` that it computes.
    channels : tuple of int
        For each element of an output pixel, the channel of the input; see `picked` for what lanes allow.
    i_channels : int
        Elements of an input pixel.
    i_lanes : int
        Elements of an input beat. The last beat of a pixel is padded.
    lane_bits : int
        Bits of an element, of all frames that go side by side.
    pixels : int
        Of a frame.
    """

    name: str
    layer: str
    channels: tuple[int, ...]
    i_channels: int
    i_lanes: int
    lane_bits: int
    pixels: int

    #: Cycles from taking a beat to its write.
    latency = 0
    #: Beats that wait: one to fill while the other empties.
    fifo_depth = 2

    def __post_init__(self) -> None:
        if picked(self.channels, self.i_lanes) is None:
            raise ValueError(f"channels {self.channels} must leave in the order in which {self.i_lanes} lanes come")

    @property
    def picks(self) -> tuple[tuple[int, ...], ...]:
        """For each beat of an input pixel, the lanes that leave; none where it is dropped."""
        found = picked(self.channels, self.i_lanes)
        assert found is not None
        return tuple(found.get(beat, ()) for beat in range(self.pixel_beats))

    @property
    def o_lanes(self) -> int:
        """Elements of an output beat."""
        return max(map(len, self.picks))

    @property
    def pixel_beats(self) -> int:
        """Beats of an input pixel."""
        return ceil_div(self.i_channels, self.i_lanes)

    @property
    def i_beats(self) -> int:
        """Input beats a frame."""
        return self.pixels * self.pixel_beats

    @property
    def o_beats(self) -> int:
        """Output beats a frame."""
        return self.pixels * sum(map(bool, self.picks))

    @property
    def cycles(self) -> int:
        """Cycles a frame, one for each input beat."""
        return self.i_beats

    @property
    def i_bits(self) -> int:
        """Payload bits at the input."""
        return self.i_lanes * self.lane_bits

    @property
    def o_bits(self) -> int:
        """Payload bits at the output."""
        return self.o_lanes * self.lane_bits

    @property
    def machine(self) -> Level:
        """When it moves beats: how many wait at the output."""
        return Level(room=self.fifo_depth - 1, leave=1, amounts=np.array(self.picks_made, np.int64))

    @property
    def picks_made(self) -> list[int]:
        """For each beat of an input pixel, 1 if it leaves, else 0."""
        return [int(bool(lanes)) for lanes in self.picks]

    @property
    def sources(self) -> list[list[int]]:
        """For each lane that leaves, the input lane that it shows for each beat of a pixel.

        Where nobody looks, in beats that are dropped and at the end of the last one, it shows that of another beat.
        """
        found = []
        for lane in range(self.o_lanes):
            wanted = [lanes[lane] if lane < len(lanes) else -1 for lanes in self.picks]
            shown = next(at for at in wanted if at >= 0)
            row = []
            for at in wanted:
                shown = at if at >= 0 else shown
                row.append(shown)
            found.append(row)
        return found

    def memories(self) -> tuple[Memory, ...]:
        """What it stores."""
        return (Memory(role="buffer", depth=self.fifo_depth, width=self.o_bits, writable=True),)
