"""A graph of operators as a program in float64: its tensors, and between which limits float32 may find them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import shown
from . import rounding
from .operators import MAX_ELEMENTS, OPS, Call, CannotRunError

__all__ = ["Program", "Step", "ordered"]

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Step:
    """One operator of a program, with the names of its tensors as a node of ONNX has them."""

    op_type: str
    input: Sequence[str]
    output: Sequence[str]
    attributes: Mapping[str, Any] = field(default_factory=dict)


class Program:
    """Operators in order; those that depend on no input are run once.

    Parameters
    ----------
    steps : iterable of Step
        Each after what it needs.
    constants : dict
        Stored tensors by name.
    entry : str
        The input.
    tensors : sequence of str
        Which ones `run` tells.
    opset : int
        Of the standard operators.
    """

    def __init__(
        self, steps: Iterable[Step], constants: dict[str, Array], entry: str, tensors: Sequence[str], opset: int
    ) -> None:
        self._constants, self._entry, self._tensors, self._opset = constants, entry, list(tensors), opset
        self._moving: list[Step] = []
        moves = {entry}
        for step in steps:
            if moves.intersection(step.input):
                moves.update(filter(None, step.output))
                self._moving.append(step)
            else:
                self._put(constants, step, self._run(step, [constants[name] if name else None for name in step.input]))

    def run(self, frames: Array) -> list[Array]:
        """Tensors for one batch."""
        held = dict(self._constants)
        held[self._entry] = _wide(frames)
        for step in self._moving:
            self._put(held, step, self._wide_run(step, [held[name] if name else None for name in step.input]))
        return [_wide(held[name]) for name in self._tensors]

    def ends(self, frames: Array, forced: Mapping[str, Array], nudge: int, slack: Mapping[str, Array]) -> list[Array]:
        """For each tensor its values less, and plus, what rounding may be; values at cuts are shifted by that.

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
        held = dict(self._constants)
        held[self._entry] = _wide(frames)
        # For each tensor that depends on the input, the sum of the sizes of all that was added up in it.
        sizes = {self._entry: np.abs(held[self._entry])}
        told: dict[str, tuple[Array, Array]] = {}
        for step in self._moving:
            values = [held[name] if name else None for name in step.input]
            given = [sizes.get(name) for name in step.input]
            if step.op_type in rounding.CUTS:
                values = rounding.nudged(values, given, nudge)

            arrays = self._wide_run(step, values)
            self._put(held, step, arrays)
            self._put(sizes, step, rounding.sizes(step.op_type, partial(self._other, step), values, given, arrays))
            for name in step.output:
                if name in slack:
                    sizes[name] = rounding.with_slack(sizes[name], _like(sizes[name][0], slack[name][None], name))
                if name in forced:
                    told[name] = rounding.interval(held[name], sizes[name])
                    held[name] = _like(held[name], forced[name], name)
                    sizes[name] = np.abs(held[name])
        return [end for name in self._tensors for end in told.get(name) or rounding.interval(held[name], sizes[name])]

    def _other(self, step: Step, op: str, arrays: Sequence[Array | None], absolute: bool) -> list[Array]:
        """The results of another operator with the attributes of a step, or the absolute values of them."""
        given = step.attributes
        attributes = {key: abs(value) if isinstance(value, float) else value for key, value in given.items()}
        return self._wide_run(Step(op, step.input, step.output, attributes if absolute else given), arrays)

    def _wide_run(self, step: Step, arrays: Sequence[Array | None]) -> list[Array]:
        return [_wide(array) for array in self._run(step, arrays)]

    def _run(self, step: Step, arrays: Sequence[Array | None]) -> list[Array]:
        if step.op_type not in OPS:
            raise CannotRunError(f"operator {shown(step.op_type)} is not known")
        with np.errstate(all="ignore"):
            call = Call(step.attributes, self._opset, len(step.output))
            result = OPS[step.op_type](call, *arrays)
        found = [np.asarray(array) for array in (result if isinstance(result, tuple) else (result,))]
        if any(array.size > MAX_ELEMENTS for array in found):
            raise CannotRunError("a tensor is too large")
        return found

    @staticmethod
    def _put(held: dict[str, Array], step: Step, arrays: list[Array]) -> None:
        held.update((name, array) for name, array in zip(step.output, arrays, strict=False) if name)


def _like(array: Array, values: Array, name: str) -> Array:
    """Values (B, E) in the form of an array (B, ...)."""
    if values.size != array.size:
        raise CannotRunError(
            f"tensor {shown(name)} comes in the shape {array.shape}, not with {values.shape[1]} elements"
        )
    return (values if array.dtype.kind == "f" else np.rint(values)).reshape(array.shape).astype(array.dtype)


def _wide(array: Array) -> Array:
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def ordered(makers: dict[str, Any], wanted: list[str], given: set[str]) -> list[Any]:
    """Nodes that make the wanted tensors, each after what it needs."""
    order: list[Any] = []
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
