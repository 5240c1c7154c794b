"""Wired layers: weights are constants, and neurons share partial sums."""

from .circuit import Circuit, build
from .graph import Output, Range, Sign, Sum, SumGraph, Table, Term
from .reuse import Reuse, reuse
from .wire import STYLE, Wired, naive, wire

__all__ = [
    "STYLE",
    "Circuit",
    "Output",
    "Range",
    "Reuse",
    "Sign",
    "Sum",
    "SumGraph",
    "Table",
    "Term",
    "Wired",
    "build",
    "naive",
    "reuse",
    "wire",
]
