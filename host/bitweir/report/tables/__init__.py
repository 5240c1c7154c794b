"""A report as tables of text, for pages and files alike."""

from .base import RESOURCE_NAMES, Cell, Column, Table, number, numbers, percent
from .blocks import bands, blocks, logic, memories, proofs, reuse, totals, weight_streams
from .bounds import BOUND_BY, needs, part_use
from .summary import figures, identity
from .timing import runs, streams, timeline

__all__ = [
    "BOUND_BY",
    "RESOURCE_NAMES",
    "Cell",
    "Column",
    "Table",
    "bands",
    "blocks",
    "figures",
    "identity",
    "logic",
    "memories",
    "needs",
    "number",
    "numbers",
    "part_use",
    "percent",
    "proofs",
    "reuse",
    "runs",
    "streams",
    "timeline",
    "totals",
    "weight_streams",
]
