"""What blocks cost on an FPGA family, without a run of Yosys: formulas from their specifications.

Registers, block RAM and LUT RAM are counted. LUTs are counted by feature and weighed with coefficients that
``benchmarks/cost_model.py`` fits to what Yosys makes; the file of coefficients also tells how far they are off.
"""

from .kinds import COSTS
from .model import error_bands, estimate, estimate_pipeline
from .terms import Cost

__all__ = ["COSTS", "Cost", "error_bands", "estimate", "estimate_pipeline"]
