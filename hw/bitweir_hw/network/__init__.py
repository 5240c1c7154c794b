"""The integer network: layers, the formats of their codes, what comes in and what the result is."""

from . import layers
from .inputs import Stored
from .layers import *  # noqa: F403 -- a new layer is named in one file
from .network import Bound, Input, Network, check
from .readout import LABEL, READOUTS, Readout

__all__ = ["LABEL", "READOUTS", "Bound", "Input", "Network", "Readout", "Stored", "check"]
__all__ += layers.__all__
