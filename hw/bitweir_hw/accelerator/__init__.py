"""An accelerator as a whole: its component, its parameters in RAM, and its Verilog."""

from .accelerator import Accelerator, accelerator_ports
from .comments import accelerator_comments
from .external import inner_accelerator
from .parameters import (
    Contents,
    contents,
    image_beats,
    image_bytes,
    load_cycles,
    load_width,
    most_frames,
    parameter_image,
    shape_crc,
    with_parameters_of,
)
from .self_loading import BootedAccelerator, boot_cycles, booted_rtlil
from .verilog import accelerator_rtlil, component_rtlil, rtlil_to_verilog
from .weight_image import image_description, weight_image, weight_layout
from .with_reader import AcceleratorWithReader, memory_ports

__all__ = [
    "Accelerator",
    "AcceleratorWithReader",
    "BootedAccelerator",
    "Contents",
    "accelerator_comments",
    "accelerator_ports",
    "accelerator_rtlil",
    "boot_cycles",
    "booted_rtlil",
    "component_rtlil",
    "contents",
    "image_beats",
    "image_bytes",
    "image_description",
    "inner_accelerator",
    "load_cycles",
    "load_width",
    "memory_ports",
    "most_frames",
    "parameter_image",
    "rtlil_to_verilog",
    "shape_crc",
    "weight_image",
    "weight_layout",
    "with_parameters_of",
]
