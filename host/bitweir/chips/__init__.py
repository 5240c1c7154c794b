"""A network on several chips: where it is cut, the plan of each chip, the folder, and the simulation of all as one."""

from .design import ChipsDesign, ChipsFolder
from .make import make_chips
from .plan import MOST_CHIPS, ChipsRequest, ChipsResult, choose_chips
from .several import SeveralChips

__all__ = [
    "MOST_CHIPS",
    "ChipsDesign",
    "ChipsFolder",
    "ChipsRequest",
    "ChipsResult",
    "SeveralChips",
    "choose_chips",
    "make_chips",
]
