"""The target of a design: a part, a clock, and perhaps a board."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec
from bitweir_hw.boards import BOARDS, Board
from bitweir_hw.boards.sdram_clock import HIGHEST
from bitweir_hw.errors import PlanError
from bitweir_hw.parts import BLOCK_RAM, PART_OF, PARTS, FpgaPart, Part, part_of

from .folders import FileError

__all__ = ["DEFAULT_CLOCK", "TARGET_FILE", "Target", "load_target", "target_text"]

#: Hz, where nobody names a clock.
DEFAULT_CLOCK = 100e6
#: Name of the file in a build folder.
TARGET_FILE = "target.json"
_FORMAT, _VERSION = "bitweir target", 1


@dataclass(frozen=True, kw_only=True)
class Target:
    """The target of a design.

    Parameters
    ----------
    clock : float
        Hz.
    part : str or None
        Its name: a key of `PARTS`, or that of `custom`.
    family : str or None
        A key of `BLOCK_RAM`; None where nobody named a family or a part.
    board : str or None
        Its name: a key of `BOARDS`, or that of `own_board`.
    custom : FpgaPart or None
        The part, where it is not a listed one.
    own_board : Board or None
        The board, where it is not a listed one.

    Raises
    ------
    ValueError
        There is no such part, family or board, they do not belong together, or the clock is no positive number.
    """

    clock: float = DEFAULT_CLOCK
    part: str | None = None
    family: str | None = None
    board: str | None = None
    custom: FpgaPart | None = None
    own_board: Board | None = None

    def __post_init__(self) -> None:
        if type(self.clock) not in (int, float) or not 0 < self.clock < math.inf:
            raise ValueError(f"clock {self.clock!r}")
        if self.custom and (self.custom.name != self.part or self.part in PARTS):
            raise ValueError(f"part {self.part!r} with the figures of {self.custom.name!r}")
        if self.own_board and (self.own_board.name != self.board or self.board in BOARDS):
            raise ValueError(f"board {self.board!r} with the pins of {self.own_board.name!r}")
        parts = {self.custom.name: self.custom} if self.custom else PARTS
        boards = {self.own_board.name: self.own_board} if self.own_board else BOARDS
        for name, known in (("part", parts), ("family", BLOCK_RAM), ("board", boards)):
            value = getattr(self, name)
            if value is not None and (type(value) is not str or value not in known):
                raise ValueError(f"{name} {value!r}")
        if self.part and self.family != parts[self.part].family:
            raise ValueError(f"part {self.part!r} of family {self.family!r}")
        if self.platform and self.usual_part != self.platform.part:
            raise ValueError(f"board {self.board!r} with part {self.part!r}")

    @property
    def platform(self) -> Board | None:
        """The board itself."""
        return self.own_board or (BOARDS[self.board] if self.board else None)

    @property
    def memory(self) -> bool:
        """Whether it is a board with a memory for streamed weights."""
        return bool(self.platform and self.platform.sdram)

    @classmethod
    def of(cls, *, clock: float, part: Part | None = None, family: str | None = None) -> Target:
        """The target of a user who names a part, or a family of primitives (``"generic"`` is none), or neither."""
        if part:
            found = part_of(part)
            custom = None if PARTS.get(found.name) == found else found
            return cls(clock=clock, part=found.name, family=found.family, custom=custom)
        return cls(clock=clock, family=family if family in BLOCK_RAM else None)

    @classmethod
    def of_board(cls, board: Board, *, clock: float, streamed: bool = False) -> Target:
        """The target of a design for a board, at a clock that its memory has where weights are streamed."""
        clock = min(clock, HIGHEST) if streamed else clock
        part, own = board.part, None if BOARDS.get(board.name) == board else board
        custom = None if PARTS.get(part.name) == part else part
        return cls(
            clock=clock, part=part.name, family=part.family, board=board.name, custom=custom, own_board=own
        )  # fmt: skip

    @property
    def usual_part(self) -> FpgaPart | None:
        """The part, or the one of its family that reports compare with; None where neither is named."""
        if self.part:
            return self.custom or PARTS[self.part]
        return PARTS[PART_OF[self.family]] if self.family else None


def target_text(target: Target) -> str:
    """Content of the file."""
    told = {name: value for name, value in asdict(target).items() if name not in ("custom", "own_board") or value}
    return json.dumps({"format": _FORMAT, "version": _VERSION, "target": told}, indent=1) + "\n"


def load_target(path: Path) -> Target:
    """Read the file; without one, return the target of a user who names nothing.

    Raises
    ------
    FileError
        The file is damaged.
    """
    if not path.exists():
        return Target()
    try:
        tree: dict[str, Any] = json.loads(path.read_bytes())
        if tree["format"] != _FORMAT or tree["version"] != _VERSION:
            raise ValueError(f"format {tree['format']!r}, version {tree['version']!r}")
        told = dict(tree["target"])
        for name, kind in (("custom", FpgaPart), ("own_board", Board)):
            if name in told:
                told[name] = msgspec.convert(told[name], kind)
        return Target(**told)
    except OSError as error:
        raise FileError(f"Cannot read {str(path)!r}: {error.strerror}.") from error
    except (msgspec.MsgspecError, ValueError, TypeError, KeyError, RecursionError, PlanError) as error:
        raise FileError(
            f"{str(path)!r} is not a target of version {_VERSION} ({error}): make the folder again with bitweir "
            "generate."
        ) from error
