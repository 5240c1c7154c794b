"""Calibration of the clock's estimate: routes accelerators with nextpnr, and fits delays to them."""

from pathlib import Path

#: Where the package keeps delays and their errors.
FILE = Path(__file__).parents[2] / "hw/bitweir_hw/cost/delays.json"
#: What was routed.
RECORDS = Path(__file__).with_name("routed.json")
