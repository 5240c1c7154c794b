"""What a block is to all that reads `bitweir_hw.blocks.BLOCKS`: one record, and what its specification tells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import Field, dataclass
from typing import Any, ClassVar, Protocol

from amaranth.lib import wiring

from ..memory import Memory
from ..resources.paths import Path, passing
from ..resources.terms import Terms
from .machines import Machine

__all__ = ["Block", "BlockSpec"]


class BlockSpec(Protocol):
    """What the specification of every block, a dataclass, tells: integers and arrays, no hardware."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    def name(self) -> str:
        """Of the block, unique in a pipeline."""

    @property
    def layer(self) -> str:
        """The layer that it computes or feeds."""

    @property
    def cycles(self) -> int:
        """Cycles a frame, if nobody waits."""

    @property
    def i_beats(self) -> int:
        """Beats a frame of each input."""

    @property
    def o_beats(self) -> int:
        """Beats a frame of each output."""

    @property
    def i_bits(self) -> int | tuple[int, ...]:
        """Payload bits at the input, or at each of several that differ."""

    @property
    def o_bits(self) -> int:
        """Payload bits at each output."""

    @property
    def machine(self) -> Machine:
        """When it moves beats."""

    def memories(self) -> tuple[Memory, ...]:
        """What it stores."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """A kind of block.

    Parameters
    ----------
    spec : type
        The class of its specifications, see `BlockSpec`.
    component : callable
        Makes the hardware of a specification. One input is called `i`, several `i0`, `i1` ...; outputs likewise.
    cost : callable
        What the hardware of a specification is made of, on an FPGA family.
    paths : callable
        The paths of a specification that may be its longest. By default those of a block that lets beats pass.
    title : str
        What a reader calls it.
    group : str
        What draws it alike: ``"weights"``, ``"window"``, ``"move"``, ``"sum"``, ``"map"`` or ``"score"``.
    cost_as : type or None
        The specification of another kind, where this one shares its cost coefficients.
    """

    spec: type
    component: Callable[[Any], wiring.Component]
    cost: Callable[[Any, str], Terms]
    paths: Callable[[Any], list[Path]] = lambda spec: passing(spec.memories())
    title: str
    group: str
    cost_as: type | None = None
