"""What blocks cost on an FPGA family, without a run of Yosys: formulas from their specifications.

Registers, carry cells, block RAM and LUT RAM are counted. LUTs are counted by feature and weighed with coefficients
that ``tools/calibrate_cost`` fits to what Yosys makes; `error_bands` and `network_errors` tell how far off
estimates were then. The clock is a rough estimate, see `speed`.
"""

from ..resources.memories import block_rams
from ..resources.terms import Cost
from .model import (
    Drawn,
    drawn,
    error_bands,
    estimate,
    estimate_loader,
    estimate_pipeline,
    estimated_rams,
    extrapolated,
    network_errors,
)
from .readers import READER_ERROR, estimate_reader
from .speed import Basis, fmax, fmax_basis, fmax_error, highest_clock, slowest

__all__ = [
    "READER_ERROR",
    "Basis",
    "Cost",
    "Drawn",
    "block_rams",
    "drawn",
    "error_bands",
    "estimate",
    "estimate_loader",
    "estimate_pipeline",
    "estimate_reader",
    "estimated_rams",
    "extrapolated",
    "fmax",
    "fmax_basis",
    "fmax_error",
    "highest_clock",
    "network_errors",
    "slowest",
]
