"""Networks that run in the native engine."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from bitweir_hw.errors import NetworkError, ToolError
from bitweir_hw.network import Integers, Network
from numpy.typing import ArrayLike, NDArray

from ..encoding import checked_codes
from ..golden import Result, result
from .cpu import InstructionSet, chosen
from .library import library
from .translation import input_form, program_of

__all__ = ["NativeModel", "default_threads", "prepare"]

Progress = Callable[[float], None]

#: Bytes of all maps of the frames that a thread computes at a time: they stay in its cache.
_CACHE = 1 << 18
#: Frames at a time; of more, the weights are not used better.
_MOST_FRAMES = 128
#: Steps for which a thread is worth its start: some 100 microseconds.
_STEPS_A_THREAD = 2e5
#: Steps of a frame for which threads are worth it that share a frame, and wait for one another at each stage.
_STEPS_TO_SHARE = 4e6
#: Steps between two reports of progress: a second or less.
_STEPS_A_CALL = 1e9
#: Bytes of all maps of a frame that kernels can address.
_LARGEST = 1 << 31


def default_threads() -> int:
    """Threads if nothing else is said: OMP_NUM_THREADS, or as many as this process has cores."""
    text = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if text.isdecimal() and int(text):
        return int(text)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def prepare(network: Network, instructions: InstructionSet | None = None) -> NativeModel:
    """Return the `NativeModel` of a network, which is made once and kept as long as the network; see there."""
    found = instructions or chosen()
    models = _prepared.setdefault(network, {})
    if found.name not in models:
        models[found.name] = NativeModel(network, found)
    return models[found.name]


class NativeModel:
    """A network as a program for kernels in C++, with the same results as `golden.run_slow`.

    Codes of few bits are packed bit planes: sums of them are popcounts of XNOR or AND with packed weights, or dot
    products of bytes or shorts where these are faster. Each sum is proved to fit its 32 bits, or is computed in 64.

    Parameters
    ----------
    network : Network
        A legal one.
    instructions : InstructionSet
        For which the kernels are compiled, if they are not in the cache.

    Raises
    ------
    ToolError
        There is no compiler, or it failed.
    NetworkError
        A frame takes too much memory.
    """

    def __init__(self, network: Network, instructions: InstructionSet) -> None:
        self.instructions = instructions
        self._library = library(instructions)
        self._program = program_of(network, dots_of_bytes=bool(self._library.native_dots_of_bytes()))
        if self._program.arena >= _LARGEST:
            raise NetworkError(
                f"The native engine takes networks whose maps take less than {_LARGEST >> 30} GiB a frame: "
                "use the NumPy engine."
            )
        self._input, self._outputs, self._kind = network.input, network.outputs, network.readout.kind
        self._form = input_form(network).kind

    @property
    def description(self) -> str:
        """What computes it."""
        return f"native kernels ({self.instructions.name})"

    def run(self, codes: ArrayLike, progress: Progress = lambda share: None, *, threads: int | None = None) -> Result:
        """The result of codes (N, K); `progress` takes the share that is done.

        Parameters
        ----------
        codes : array of integers, (N, K)
        progress : callable
        threads : int, optional
            At most so many; see `default_threads`. Small work takes fewer. Only if they are given do more threads than
            frames share a large frame: they wait for one another at each stage, which on a busy machine takes longer
            than one thread does.

        Raises
        ------
        NetworkError
            The codes do not suit the network, or `threads` is no number of threads.
        ToolError
            The system has no memory for it.
        """
        wanted = default_threads() if threads is None else threads
        if type(wanted) is not int or wanted < 1:
            raise NetworkError(f"The number of threads must be 1 or more, not {threads!r}.")
        array = np.ascontiguousarray(checked_codes(self._input, np.asarray(codes)), self._form)
        scores = np.empty((len(array), self._outputs), np.int64)
        each = max(wanted, int(_STEPS_A_CALL / self._program.steps))
        for start in range(0, len(array), each):
            part = slice(start, min(start + each, len(array)))
            self._call(array[part], scores[part], wanted, may_share=threads is not None)
            progress(part.stop / len(array))
        return result(scores, self._kind)

    def _call(self, codes: NDArray[Any], scores: Integers, threads: int, *, may_share: bool) -> None:
        frames, program = len(codes), self._program
        share = may_share and frames < threads and program.steps > _STEPS_TO_SHARE
        threads = min(threads, max(1, int(frames * program.steps / _STEPS_A_THREAD)), threads if share else frames)
        capacity = -(-frames // (1 if share else threads))
        capacity = max(1, min(capacity, _MOST_FRAMES, _CACHE // program.arena))
        failed = self._library.native_run(
            *program.table, program.arena, codes.ctypes.data, codes.shape[1] * codes.itemsize, scores.ctypes.data,
            scores.shape[1], frames, capacity, threads, share,
        )  # fmt: skip
        if failed:
            raise ToolError(
                f"The native engine got no memory for {threads} threads with {program.arena * capacity:,} bytes each."
            )


_prepared: WeakKeyDictionary[Network, dict[str, NativeModel]] = WeakKeyDictionary()
