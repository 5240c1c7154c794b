"""The tensors of a graph on the way over its nodes."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from ..errors import ModelError
from ..troubles import Unknown
from .constants import LIBRARY_OPS
from .graph import Graph, Node

__all__ = ["Values"]

#: Elements of constants held at a time, and made in total: some times what the largest networks need.
_MAX_ALIVE, _MAX_WORK = 1 << 29, 1 << 32
#: What an element costs an operator of the library, which may sort, in elements that others make.
_COSTLY = 16


class Values:
    """The tensors that nodes still wait for, in bounded memory."""

    def __init__(self, graph: Graph) -> None:
        self._tensor = graph.tensor
        self._readers = Counter(name for node in graph.nodes for name in node.inputs)
        self._readers[graph.output] += 1
        self._held: dict[str, Any] = {}
        self._alive = self._work = 0

    def made(self, node: Node, made: Any, operands: list[Any]) -> None:
        """Hold what a node makes: a list where it has several outputs."""
        if isinstance(made, list):
            if node.op in LIBRARY_OPS:
                self._take(0, sum(_COSTLY * x.size for x in operands if isinstance(x, np.ndarray)))
            for name, array in zip(node.outputs, made, strict=False):
                self.put(name, array)
            return
        # TopK has the chosen scores and the class: either names what the network finds. Of what is refused, all outputs
        # are unknown.
        count = len(node.outputs) if isinstance(made, Unknown) else 2 if node.op == "TopK" else 1
        for name in node.outputs[:count]:
            self.put(name, made)

    def put(self, name: str, value: Any) -> None:
        """Hold a value until its last reader has it."""
        if not self._readers[name]:
            return
        if isinstance(value, np.ndarray):
            self._take(value.size, value.size)
        self._held[name] = value

    def _take(self, elements: int, work: int) -> None:
        self._alive += elements
        self._work += work
        if self._alive > _MAX_ALIVE or self._work > _MAX_WORK:
            raise ModelError("The constant parts of the graph must be of moderate size; they take too much memory.")

    def get(self, name: str) -> Any:
        """The value of a tensor; None for an optional one that is left out."""
        if not name:
            return None
        if name not in self._held:
            self.put(name, self._tensor(name))
        value = self._held[name]
        self._readers[name] -= 1
        if not self._readers[name]:
            del self._held[name]
            self._alive -= value.size if isinstance(value, np.ndarray) else 0
        return value
