"""Plans: what a user asks for, the plan that is best for it, and all plans that are worth a look."""

from .choose import DEFAULT_FPS, DEFAULT_LEVELS, choose, choose_fastest, choose_in_step
from .request import BOARD_GOALS, GOALS, PART_GOALS, PlanRequest, PlanResult, PlanSearch
from .targets import target_for

__all__ = [
    "BOARD_GOALS",
    "DEFAULT_FPS",
    "DEFAULT_LEVELS",
    "GOALS",
    "PART_GOALS",
    "PlanRequest",
    "PlanResult",
    "PlanSearch",
    "choose",
    "choose_fastest",
    "choose_in_step",
    "target_for",
]
