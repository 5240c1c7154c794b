"""Dot products of bits: how they are planned as trees, built of primitives, and what they cost."""

from .dot_product import STYLE, STYLES, DotPlan, DotProduct, PartialSum, Plane, Popcount, plan_as

__all__ = ["DotPlan", "DotProduct", "PartialSum", "Plane", "Popcount", "STYLE", "STYLES", "plan_as"]
