"""A graph of operators as a program in float64: its tensors, and the bounds between which float32 may find them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto

from ..errors import shown
from . import rounding
from .operators import CannotRunError, Operator

__all__ = ["Program", "ordered"]

Array = NDArray[Any]


class Program:
    """Operators in order; those that depend on no input are run once, in the types of the file.

    Parameters
    ----------
    nodes : iterable of onnx.NodeProto
        Each after what it needs.
    constants : dict
        Stored tensors by name.
    entry : str
        The input.
    tensors : sequence of str
        Names of the tensors that `run` returns.
    opset : int
        Of the standard operators.
    """

    def __init__(
        self, nodes: Iterable[NodeProto], constants: dict[str, Array], entry: str, tensors: Sequence[str], opset: int
    ) -> None:
        self._entry, self._tensors = entry, list(tensors)
        self._moving: list[Operator] = []
        moves = {entry}
        for node in nodes:
            operator = Operator(node, opset)
            if moves.intersection(node.input):
                moves.update(operator.outputs)
                self._moving.append(operator)
            else:
                arrays = [constants[name] if name else None for name in node.input]
                constants.update(zip(operator.outputs, operator.run(arrays), strict=False))
        read = {*self._tensors, *(name for operator in self._moving for name in operator.node.input)}
        self._constants = {name: _wide(array) for name, array in constants.items() if name in read}

    def run(self, frames: Array) -> list[Array]:
        """Tensors for one batch."""
        held = self._constants | {self._entry: _wide(frames)}
        for operator in self._moving:
            results = _results(operator, [held[name] if name else None for name in operator.node.input])
            held.update(zip(operator.outputs, results, strict=False))
        return [held[name] for name in self._tensors]

    def ends(self, frames: Array, forced: Mapping[str, Array], nudge: int, slack: Mapping[str, Array]) -> list[Array]:
        """Lower and upper bounds of each tensor; values at cuts are shifted by what float32 may round.

        Parameters
        ----------
        frames : array, (B, ...)
        forced : mapping
            See `Executor.between`.
        nudge : int
            1 shifts up what operators cut, -1 down.
        slack : mapping
            See `Executor.between`.
        """
        held = self._constants | {self._entry: _wide(frames)}
        # For each tensor that depends on the input, the sum of the sizes of all that was added up in it.
        sizes = {self._entry: np.abs(held[self._entry])}
        told: dict[str, tuple[Array, Array]] = {}
        for operator in self._moving:
            op, names = operator.node.op_type, operator.node.input
            values = [held[name] if name else None for name in names]
            given = [sizes.get(name) for name in names]
            if op in rounding.CUTS:
                values = rounding.nudged(values, given, nudge)
            arrays = _results(operator, values)
            held.update(zip(operator.outputs, arrays, strict=False))
            found = rounding.sizes(op, partial(_others, operator), values, given, arrays)
            sizes.update(zip(operator.outputs, found, strict=False))
            for name in operator.outputs:
                if name in slack:
                    sizes[name] = rounding.with_slack(sizes[name], _like(sizes[name][0], slack[name][None], name))
                if name in forced:
                    told[name] = rounding.interval(held[name], sizes[name])
                    held[name] = _like(held[name], forced[name], name)
                    sizes[name] = np.abs(held[name])
        return [end for name in self._tensors for end in told.get(name) or rounding.interval(held[name], sizes[name])]


def _results(operator: Operator, arrays: Sequence[Array | None]) -> list[Array]:
    return [_wide(array) for array in operator.run(arrays)]


def _others(operator: Operator, op: str, arrays: Sequence[Array | None], absolute: bool) -> list[Array]:
    """The results of another operator with the attributes of one, or with the absolute values of them."""
    return _results(operator.like(op, absolute=absolute), arrays)


def _like(array: Array, values: Array, name: str) -> Array:
    """Values (B, E) in the form of an array (B, ...)."""
    if values.size != array.size:
        raise CannotRunError(
            f"tensor {shown(name)} comes in the shape {array.shape}, not with {values.shape[1]} elements"
        )
    return (values if array.dtype.kind == "f" else np.rint(values)).reshape(array.shape).astype(array.dtype)


def _wide(array: Array) -> Array:
    return array.astype(np.float64, copy=False) if array.dtype.kind == "f" else array


def ordered(makers: dict[str, NodeProto], wanted: list[str], given: set[str]) -> list[NodeProto]:
    """Nodes that make the wanted tensors, each after what it needs."""
    order: list[NodeProto] = []
    done: set[int] = set()
    open_ones: set[int] = set()
    stack = [(name, False) for name in reversed(wanted)]
    while stack:
        name, ready = stack.pop()
        if not name or name in given:
            continue
        node = makers.get(name)
        if node is None:
            raise CannotRunError(f"nothing makes the tensor {shown(name)}")
        if id(node) in done:
            continue
        if ready:
            done.add(id(node))
            order.append(node)
        elif id(node) in open_ones:
            raise CannotRunError("the graph has a cycle")
        else:
            open_ones.add(id(node))
            stack.append((name, True))
            stack.extend((one, False) for one in reversed(node.input))
    return order
