"""What blocks share that let beats pass as they are."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PassingSpec"]


@dataclass(frozen=True, kw_only=True)
class PassingSpec:
    """A block that hands on beats as they are, one a cycle.

    Parameters
    ----------
    name, layer : str
        Of the block, and the layer that it feeds.
    bits : int
        Of a payload.
    beats : int
        Of a frame.
    """

    name: str
    layer: str
    bits: int
    beats: int

    @property
    def i_bits(self) -> int:
        """Payload bits at the input."""
        return self.bits

    @property
    def o_bits(self) -> int:
        """Payload bits at each output."""
        return self.bits

    @property
    def i_beats(self) -> int:
        """Input beats a frame."""
        return self.beats

    @property
    def o_beats(self) -> int:
        """Beats a frame of each output."""
        return self.beats

    @property
    def cycles(self) -> int:
        """Cycles a frame, one for each beat."""
        return self.beats
