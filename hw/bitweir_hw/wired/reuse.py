"""What sharing saves: sums without it, with it, and the figures of the paper on computation reuse."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .graph import SumGraph
from .sharing import spanning_tree

__all__ = ["Reuse", "reuse"]


@dataclass(frozen=True)
class Reuse:
    """Additions and operands read from the inputs, of a layer or of several.

    Parameters
    ----------
    additions_alone, additions : int
        Of two numbers, thresholds included: without sharing, and in the graph.
    reads_alone, reads : int
        Operands that are inputs: without sharing, and in the graph.
    weights, tree_weights : int
        Weights of +-1, and how many of them are left along a spanning tree of Hamming distances, where a row is counted
        from another one by what differs: Fu et al., arXiv 1810.02068, "weight reuse". Both are 0 for other weights.
    """

    additions_alone: int
    additions: int
    reads_alone: int
    reads: int
    weights: int = 0
    tree_weights: int = 0

    @classmethod
    def of(cls, alone: SumGraph, shared: SumGraph) -> Reuse:
        """Of one layer, from `naive` and from `wire`, without what a spanning tree tells."""
        return cls(alone.operations, shared.operations, alone.reads, shared.reads)

    def times(self, vectors: int) -> Reuse:
        """Of so many vectors."""
        return Reuse(*(count * vectors for count in vars(self).values()))

    def __add__(self, other: Reuse) -> Reuse:
        return Reuse(*(mine + its for mine, its in zip(vars(self).values(), vars(other).values(), strict=True)))

    @property
    def saved(self) -> int:
        """Additions that sharing saves."""
        return self.additions_alone - self.additions

    @property
    def skipped_operations(self) -> float:
        """Share of additions that are skipped, 0 to 1."""
        return 1 - self.additions / self.additions_alone if self.additions_alone else 0.0

    @property
    def skipped_reads(self) -> float:
        """Share of reads of inputs that are skipped, 0 to 1."""
        return 1 - self.reads / self.reads_alone if self.reads_alone else 0.0

    @property
    def skipped_by_tree(self) -> float:
        """Share of operations, and of reads of inputs, that weight reuse alone would skip, 0 to 1."""
        return 1 - self.tree_weights / self.weights if self.weights else 0.0


def reuse(matrix: Any, alone: SumGraph, shared: SumGraph) -> Reuse:
    """Compare two graphs of a layer.

    Parameters
    ----------
    matrix : array (M, K) of int
        The weights.
    alone, shared : SumGraph
        From `naive` and from `wire`.
    """
    signs = np.sign(np.asarray(matrix))
    weights = left = 0
    if signs.size and (np.abs(matrix) == np.abs(matrix).flat[0]).all() and signs.all():
        weights = signs.size
        for row, (before, negative) in spanning_tree(signs).items():
            change = signs[row] if before is None else signs[row] - (-signs[before] if negative else signs[before])
            left += int(np.count_nonzero(change))
    return replace(Reuse.of(alone, shared), weights=weights, tree_weights=left)
