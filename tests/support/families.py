"""FPGA families to which the cost model was fitted: those of which netlists are evaluated and simulated."""

from bitweir_hw.parts import COUNTED_AS

__all__ = ["FITTED"]

#: Others are counted as one of these; of them nothing but counts is tested.
FITTED = tuple(family for family, other in COUNTED_AS.items() if family == other)
