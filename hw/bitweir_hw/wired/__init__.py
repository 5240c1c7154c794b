"""Wired layers: weights are constants, and neurons share partial sums."""

from .graph import Output, Range, Sign, Sum, SumGraph, Table, Term

__all__ = ["Output", "Range", "Sign", "Sum", "SumGraph", "Table", "Term"]
