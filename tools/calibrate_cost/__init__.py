"""Calibration of the cost model: measures blocks with Yosys, and fits coefficients to them."""

from pathlib import Path

#: Where the package keeps coefficients and error bands.
FILE = Path(__file__).parents[2] / "hw/bitweir_hw/cost/coefficients.json"
