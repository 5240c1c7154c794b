"""The link as a model: host, wires and device as transition functions, and the exploration of all that they can do."""

from .explore import Found, explore
from .host import Host, Job, Sizes
from .system import Faults, State, System

__all__ = ["Faults", "Found", "Host", "Job", "Sizes", "State", "System", "explore"]
