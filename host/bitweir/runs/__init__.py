"""Runs images on a design, a device or the golden model, and compares the results with those of the golden model."""

from .activity import Activity
from .device import DeviceRun, ParameterLoad, load_parameters, read_parameter_image, run_on_device
from .engines import ENGINES
from .simulation import Simulation, simulate

__all__ = [
    "ENGINES",
    "Activity",
    "DeviceRun",
    "ParameterLoad",
    "Simulation",
    "load_parameters",
    "read_parameter_image",
    "run_on_device",
    "simulate",
]
