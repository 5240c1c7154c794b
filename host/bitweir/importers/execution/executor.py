"""Frames through an independent executor of a model file: in batches, with the limits between which floats lie."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import shown
from .operators import CannotRunError
from .program import Program

__all__ = ["NUMPY", "Executor", "reason"]

Array = NDArray[Any]
#: Frames at a time, where the batch is free.
_BATCH = 32
#: Frames that a file may take at once.
_MAX_BATCH = 1 << 10
#: What executors of this module are called.
NUMPY = "NumPy in float64"


class Executor:
    """Computes tensors of a model file for frames.

    Parameters
    ----------
    name : str
        Shown to users.
    tensors : sequence of str
        Names of the tensors that it computes.
    call : callable
        From a batch (B, ...) as the graph takes it to arrays (B, ...).
    batch : int
        Frames that the graph takes at once; 0 where that is free.
    whole : bool
        The graph takes uint8.
    program : Program or None
        What `call` runs, if it is one: `between` needs it.
    """

    def __init__(
        self, name: str, tensors: Sequence[str], call: Callable[[Array], Sequence[Array]], *, batch: int = 0,
        whole: bool = False, program: Program | None = None,
    ) -> None:  # fmt: skip
        self.name = name
        self._tensors = tuple(tensors)
        self._call = call
        self._whole = whole
        self._batch = batch
        self._program = program
        if self._batch > _MAX_BATCH:
            raise CannotRunError(f"its batch has {self._batch} frames, more than {_MAX_BATCH}")

    @property
    def steps(self) -> bool:
        """Whether `between` works."""
        return self._program is not None

    def run(self, x: Array) -> dict[str, Array]:
        """Tensors (N, ...) for frames x (N, ...), floats of what the model takes.

        Raises
        ------
        CannotRunError
            The graph breaks a rule of an operator.
        """
        return self._told(x, {}, lambda frames, _: self._call(frames))

    def between(
        self, x: Array, forced: Mapping[str, Array], slack: Mapping[str, Array] | None = None
    ) -> dict[str, tuple[Array, Array]]:
        """Lower and upper bounds of each tensor, as far as float32 may round.

        Parameters
        ----------
        x : array, (N, ...)
            As in `run`.
        forced : mapping
            Values (N, E) that all readers of these tensors get. The bounds of such a tensor itself are those of the
            graph before it; so a value that is off here has no consequences.

        slack : mapping, optional
            By how much more than that the elements (E,) of a tensor may be off.

        Returns
        -------
        dict
            Two arrays (N, ...) for each tensor.

        Raises
        ------
        CannotRunError
            As in `run`; or the executor is no program.
        """
        program = self._program
        if program is None:
            raise CannotRunError(f"{self.name} runs a file as a whole only")
        ends = []
        for nudge in (-1, 1):
            found = self._told(
                x, forced, lambda frames, part, nudge=nudge: program.ends(frames, part, nudge, slack or {}), each=2
            )
            ends.append([(found[f"{name}:0"], found[f"{name}:1"]) for name in self._tensors])
        return {
            name: (np.minimum(low, other_low), np.maximum(high, other_high))
            for name, (low, high), (other_low, other_high) in zip(self._tensors, *ends, strict=True)
        }

    def _told(
        self, x: Array, forced: Mapping[str, Array], call: Callable[..., Sequence[Array]], each: int = 1
    ) -> dict[str, Array]:
        """The results of `call` for all frames; `each` arrays for each tensor, one after the other."""
        names = [name if each == 1 else f"{name}:{place}" for name in self._tensors for place in range(each)]
        try:
            if self._batch < 1 and len(x) > 1:
                try:
                    return self._in_batches(x, forced, min(_BATCH, len(x)), call, names)
                except Exception:
                    # A graph may say that its batch is free, and hold shapes of one frame.
                    self._batch = 1
            return self._in_batches(x, forced, max(1, self._batch), call, names)
        except CannotRunError:
            raise
        except Exception as error:  # a node that breaks the rules of its operator
            raise CannotRunError(reason(error)) from error

    def _in_batches(
        self, x: Array, forced: Mapping[str, Array], size: int, call: Callable[..., Sequence[Array]], names: list[str]
    ) -> dict[str, Array]:
        """All frames; the last batch is filled up."""
        parts: dict[str, list[Array]] = {name: [] for name in names}
        for start in range(0, len(x), size):
            many = len(x[start : start + size])
            # The last frame fills the batch up.
            rows = np.minimum(np.arange(start, start + size), start + many - 1)
            arrays = call(
                x[rows].astype(np.uint8 if self._whole else np.float32), {key: one[rows] for key, one in forced.items()}
            )
            for name, array in zip(names, arrays, strict=True):
                if array.shape[:1] != (size,):
                    raise CannotRunError(f"tensor {shown(name)} has the shape {array.shape}, without a batch of {size}")
                parts[name].append(array[:many])
        return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def reason(error: Exception) -> str:
    """An exception as the end of a sentence."""
    return shown(re.sub(r"\s+", " ", f"{type(error).__name__}: {error}"), most=160)
