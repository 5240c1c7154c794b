"""Engines that compute networks, and the choice among them; all give the same integers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from bitweir_hw.errors import FileError, NetworkError, ToolError
from bitweir_hw.network import Conv, Dense, Network
from numpy.typing import ArrayLike

from ..compiler import compiler_missing
from . import fast, native
from .golden import Result

__all__ = ["ENGINES", "WORTH_COMPILING", "engine", "multiplications", "run"]

#: By their names: kernels in C++, and NumPy.
ENGINES = ("native", "numpy")
#: Multiplications for which kernels are compiled that are not in the cache. NumPy takes as long as the compiler: 1,700
#: frames of CNV take 4 s.
WORTH_COMPILING = 1e11

Progress = Callable[[float], None]

#: Instruction sets for which this process could not compile.
_broken: set[str] = set()


def multiplications(network: Network) -> int:
    """Products of inputs and weights in a frame, one-bit ones among them."""
    return sum(
        layer.weights.size * (result.pixels if isinstance(layer, Conv) else 1)
        for layer, _, result in network.placed()
        if isinstance(layer, Dense | Conv)
    )


def engine(network: Network, frames: int, asked: str | None = None) -> native.NativeModel | fast.FastModel:
    """Return a network that is ready to run in an engine; it is made once and kept as long as the network.

    Where none is asked for, the engine is the native one if its kernels are in the cache, or if there is a compiler and
    the frames have `WORTH_COMPILING` multiplications; else, and where kernels are portable ones, NumPy.

    Parameters
    ----------
    network : Network
        A legal one.
    frames : int
    asked : str, optional
        One of `ENGINES`.

    Raises
    ------
    NetworkError
        There is no such engine, or the network is too large for the one that was asked for.
    ToolError
        The native engine was asked for, and there is no compiler, or it failed; or BITWEIR_NATIVE is wrong.
    FileError
        The native engine was asked for, and another user may write to the cache.
    """
    if asked not in (*ENGINES, None):
        raise NetworkError(f"The engine must be one of {', '.join(ENGINES)}, not {asked!r}.")
    if asked == "native":
        return native.prepare(network)
    if asked is None and _worth(network, frames):
        try:
            return native.prepare(network)
        except NetworkError:
            pass  # too large
        except (ToolError, FileError):
            _broken.add(native.chosen().name)
    return fast.prepare(network)


def _worth(network: Network, frames: int) -> bool:
    """Whether the native engine is used where none is asked for."""
    instructions = native.chosen()
    # Portable kernels are no faster than NumPy for large batches of dense layers.
    if instructions.name in {"portable", *_broken}:
        return False
    try:
        if native.compiled_before(instructions):
            return True
    except FileError:
        return False
    return frames * multiplications(network) >= WORTH_COMPILING and compiler_missing() is None


def run(
    network: Network,
    codes: ArrayLike,
    progress: Progress = lambda share: None,
    *,
    asked: str | None = None,
    threads: int | None = None,
) -> Result:
    """Compute the result of codes (N, K) in an engine; see `engine` for the choice and the errors.

    Parameters
    ----------
    network : Network
        A legal one.
    codes : array of integers, (N, K)
    progress : callable
        Takes the share of the frames that is done.
    asked : str, optional
        The engine.
    threads : int, optional
        Of the native engine, see `native.default_threads`; NumPy has as many as its BLAS takes.
    """
    array = np.asarray(codes)
    model = engine(network, len(array) if array.ndim else 0, asked)
    if isinstance(model, native.NativeModel):
        return model.run(array, progress, threads=threads)
    return model.run(array, progress)
